"""What a cascade is: who stops, what is decided, and which files are none."""

import json
from pathlib import Path

import numpy as np
import pytest

from data.errors import BundleError
from models.cascade import FILE, Cascade, find_cascade, joined
from models.ensemble import Ensemble, TargetEnsemble
from models.shortlist import Shortlist
from tests.models.cascades import CLASSES, make_cascade, make_policy

SURE, UNSURE = [0.05, 0.95], [0.4, 0.6]


def make_ensemble(*targets: str, weights: dict[str, float] | None = None) -> Ensemble:
    weights = weights or {"linear": 0.5, "embedding": 0.5}
    return Ensemble(
        targets={
            name: TargetEnsemble(
                classes=CLASSES,
                weights=weights,
                temperatures=dict.fromkeys(weights, 1.0),
                temperature=1.0,
                routing=make_policy(),
                shortlist=Shortlist(coverage=0.95, threshold=0.15, rows=300),
            )
            for name in targets
        }
    )


def test_a_sure_answer_stops_with_the_decision_to_route_it() -> None:
    cascade = make_cascade(topic=0.9)
    settled = cascade.settle({"topic": np.array([SURE, UNSURE])}, ["en", "en"], {})
    assert list(settled) == [0]
    found = settled[0]["topic"]
    assert (found.label, found.decision, found.reason) == ("b", "auto", "certified")
    assert (found.confidence, found.threshold) == (pytest.approx(0.95), 0.9)
    assert found.shortlist == ()


def test_a_ticket_goes_on_unless_the_answers_for_all_targets_stop() -> None:
    cascade = make_cascade(topic=0.9, team=0.9)
    answers = {"topic": np.array([SURE, SURE]), "team": np.array([SURE, UNSURE])}
    settled = cascade.settle(answers, ["en", "en"], {})
    assert {row: set(found) for row, found in settled.items()} == {0: {"topic", "team"}}


def test_a_class_without_a_threshold_never_stops() -> None:
    answers = {"topic": np.array([[0.0, 1.0]])}
    assert make_cascade(topic=None).settle(answers, ["en"], {}) == {}


@pytest.mark.parametrize("language", ["de", "fr"])
def test_a_language_that_is_not_routed_goes_on(language: str) -> None:
    answers = {"topic": np.array([SURE])}
    assert make_cascade(topic=0.9).settle(answers, [language], {}) == {}
    assert make_cascade(topic=0.9).settle(answers, ["en"], {})


def test_a_class_that_lost_its_certificate_live_goes_on() -> None:
    answers = {"topic": np.array([SURE, SURE[::-1]])}
    assert list(make_cascade(topic=0.9).settle(answers, ["en", "en"], {"topic": ["b"]})) == [1]


def test_the_confidence_that_stops_is_the_calibrated_one() -> None:
    cascade = make_cascade(topic=0.9)
    blunt = cascade.targets["topic"].model_copy(update={"temperature": 2.0})
    cooled = cascade.model_copy(update={"targets": {"topic": blunt}})
    # 0.95 against 0.05 are odds of 19; at temperature 2 they are 4.36, which is 0.813.
    found = cooled.calibrated({"topic": np.array([SURE])})["topic"]
    assert found[0, 1] == pytest.approx(0.8134, abs=1e-4)
    assert cooled.settle({"topic": np.array([SURE])}, ["en"], {}) == {}


def test_what_stopped_is_routed_whatever_the_threshold_of_the_second_tier() -> None:
    first, second = np.array([SURE, SURE]), np.array([[0.7, 0.3], [0.7, 0.3]])
    both = joined(first, second, np.array([True, False]))
    np.testing.assert_array_equal(both, [[0.0, 1.0], [0.7, 0.3]])
    decided = make_policy(threshold=0.999).decide(both)
    assert decided.automatic.tolist() == [True, False]


def test_no_tickets_are_no_trouble() -> None:
    assert make_cascade(topic=0.9).settle({"topic": np.zeros((0, 2))}, [], {}) == {}


def test_a_cascade_is_read_as_it_was_written(tmp_path: Path) -> None:
    cascade = make_cascade(topic=0.9)
    cascade.write(tmp_path)
    assert find_cascade(tmp_path, make_ensemble("topic")) == cascade
    assert find_cascade(tmp_path / "nowhere", make_ensemble("topic")) is None


def test_what_is_no_cascade_of_this_ensemble_is_refused(tmp_path: Path) -> None:
    cascade = make_cascade(topic=0.9)
    cascade.write(tmp_path)
    with pytest.raises(BundleError, match="other targets or labels"):
        find_cascade(tmp_path, make_ensemble("topic", "team"))
    with pytest.raises(BundleError, match="linear, which carries no weight"):
        find_cascade(tmp_path, make_ensemble("topic", weights={"embedding": 1.0}))
    content = json.loads((tmp_path / FILE).read_text()) | {"more": 1}
    for damaged in ("{", json.dumps(content)):
        (tmp_path / FILE).write_text(damaged)
        with pytest.raises(BundleError, match="is not a cascade"):
            find_cascade(tmp_path, make_ensemble("topic"))


def test_its_labels_stand_in_the_order_of_the_columns() -> None:
    first = np.array([[0.95, 0.05]])
    cascade: Cascade = make_cascade(topic=0.9)
    assert cascade.settle({"topic": first}, ["en"], {})[0]["topic"].label == "a"
