"""The rules on rows: what they promise is held against simulation."""

import numpy as np
import pytest
from scipy.stats import norm

from evaluation.gate_class_rules import automatic_accuracy, certificate, recall
from evaluation.gate_params import GateParams
from evaluation.gate_rows import Answers, Compared
from evaluation.gate_rules import accuracy, automation, calibration, new_labels
from tests.evaluation.contests import LABELS, apart, contest

PARAMS = GateParams()
DRAWS = 200


def test_equal_bundles_pass_the_strict_rule_as_often_as_it_says():
    generator, n, redrawn = np.random.default_rng(1), 6000, 0.2
    error = np.sqrt(apart(redrawn) / n)
    stated = norm.cdf(PARAMS.margin / error - norm.ppf(PARAMS.confidence))
    rules = [accuracy(contest(generator, n, redrawn=redrawn), PARAMS) for _ in range(DRAWS)]
    share = np.mean([rule.passed is True for rule in rules])
    assert 0.2 < stated < 0.5
    assert share == pytest.approx(stated, abs=3 * np.sqrt(stated * (1 - stated) / DRAWS))
    told = [
        float(rule.why.split("with probability ")[1][:4]) for rule in rules if "prob" in rule.why
    ]
    assert np.mean(told) == pytest.approx(stated, abs=0.03)


def test_a_candidate_worse_by_the_margin_passes_the_strict_rule_one_time_in_twenty():
    generator = np.random.default_rng(2)
    rules = [
        accuracy(contest(generator, 6000, better=-PARAMS.margin - 1e-9), PARAMS)
        for _ in range(DRAWS)
    ]
    assert np.mean([rule.passed is True for rule in rules]) <= 0.05 + 3 * np.sqrt(0.0475 / DRAWS)


def test_the_rows_that_are_wanted_are_enough():
    generator, params = np.random.default_rng(3), GateParams(margin=0.01)
    rules = [accuracy(contest(generator, 1000, redrawn=0.2), params) for _ in range(100)]
    wanted = np.mean(
        [float(rule.why.rsplit("about ", 1)[1]) for rule in rules if "about" in rule.why]
    )
    passed = [
        accuracy(contest(generator, int(wanted), redrawn=0.2), params).passed for _ in range(DRAWS)
    ]
    assert np.mean(passed) == pytest.approx(0.8, abs=0.08)


def test_the_same_answers_pass_on_enough_rows_and_not_on_few():
    generator = np.random.default_rng(4)
    assert accuracy(contest(generator, 1000, redrawn=0), PARAMS).passed is True
    few = accuracy(contest(generator, 60, redrawn=0), PARAMS)
    assert few.passed is False
    assert "too few rows to show it" in few.why
    assert "about 902" in few.why


def test_a_better_and_a_worse_candidate_are_told_so():
    generator = np.random.default_rng(5)
    better = accuracy(contest(generator, 5000, better=0.04), PARAMS)
    assert better.passed is True
    assert better.why.endswith("better")
    worse = accuracy(contest(generator, 5000, better=-0.04), PARAMS)
    assert worse.passed is False
    assert worse.why.endswith("worse")
    assert worse.interval
    assert worse.value
    assert worse.interval[0] < worse.value < worse.interval[1] < 0


def test_beside_the_test_split_only_a_loss_that_shows_is_refused():
    generator = np.random.default_rng(6)
    passed = [
        accuracy(contest(generator, 200, source="golden"), PARAMS).passed for _ in range(DRAWS)
    ]
    assert np.mean(passed) >= 0.95 - 3 * np.sqrt(0.0475 / DRAWS)
    assert accuracy(contest(generator, 400, better=-0.2, source="golden"), PARAMS).passed is False


@pytest.mark.parametrize("n", [300, 1500])
def test_the_guards_of_classes_let_equal_bundles_pass(n: int):
    generator = np.random.default_rng(7)
    passed = []
    for _ in range(DRAWS):
        rows = contest(generator, n)
        passed.append(
            [
                all(rule.passed for rule in rules)
                for rules in (
                    recall(rows, LABELS, PARAMS),
                    automatic_accuracy(rows, LABELS, PARAMS),
                )
            ]
        )
    assert (np.mean(passed, axis=0) >= 0.95 - 3 * np.sqrt(0.0475 / DRAWS)).all()


def test_a_class_harmed_beyond_its_budget_is_refused_and_named():
    generator, refused = np.random.default_rng(8), []
    for _ in range(200):
        rows = contest(generator, 3000, better=0.02, harm={"printer": 0.15})
        failed = [rule.label for rule in recall(rows, LABELS, PARAMS) if rule.passed is False]
        refused.append("printer" in failed)
    assert np.mean(refused) >= 0.95
    assert accuracy(rows, PARAMS).value == pytest.approx(-0.005, abs=0.02)


def test_a_class_that_loses_less_than_its_budget_is_not_refused_on_many_rows():
    generator = np.random.default_rng(9)
    rows = contest(generator, 60_000, redrawn=0.1, harm={"printer": 0.012})
    rule = {rule.label: rule for rule in recall(rows, LABELS, PARAMS)}["printer"]
    assert rule.passed is True
    assert rule.value
    assert rule.interval
    assert -0.02 < rule.value < rule.interval[1] < 0


def test_a_class_whose_automatic_answers_go_wrong_is_refused():
    generator, refused = np.random.default_rng(10), []
    for _ in range(100):
        rows = contest(generator, 3000, harm={"hardware": 0.15})
        failed = [
            rule.label for rule in automatic_accuracy(rows, LABELS, PARAMS) if rule.passed is False
        ]
        refused.append(failed == ["network"])  # where the wrong answers to hardware tickets go
    assert np.mean(refused) >= 0.9


def test_a_class_that_only_one_of_the_two_routes_is_not_compared():
    rows = contest(np.random.default_rng(11), 500, certain=2)
    assert automatic_accuracy(rows, LABELS, PARAMS) == []


def test_a_certificate_that_holds_is_rarely_called_broken():
    generator, passed = np.random.default_rng(12), []
    for _ in range(DRAWS):
        rows = contest(generator, 1500)
        promised = float(rows.candidate.confidence[rows.candidate.automatic].mean())
        passed.append(certificate(rows, rows.candidate, promised, PARAMS, own=True)[0].passed)
    assert np.mean(passed) >= 0.95 - 3 * np.sqrt(0.0475 / DRAWS)


def test_a_broken_certificate_is_refused_of_the_candidate_and_told_of_the_champion():
    rows = contest(np.random.default_rng(13), 4000, harm={"hardware": 0.3})
    rule, broken = certificate(rows, rows.candidate, 0.9, PARAMS, own=True)
    assert rule.passed is False
    assert broken == {"network"}
    assert "network: " in rule.why
    told, lost = certificate(rows, rows.candidate, 0.9, PARAMS, own=False)
    assert told.passed is None
    assert lost == broken
    assert told.why.startswith("of the champion: ")


def test_nothing_routed_is_nothing_promised():
    rows = contest(np.random.default_rng(14), 100, certain=2)
    rule, broken = certificate(rows, rows.candidate, 0.9, PARAMS, own=True)
    assert rule.passed is True
    assert not broken


def test_automation_that_is_lost_is_refused_unless_it_was_broken_before():
    rows = contest(np.random.default_rng(15), 4000)
    less = Answers(
        rows.candidate.label,
        rows.candidate.confidence,
        rows.candidate.automatic & (rows.candidate.label != "access"),
    )
    worse = Compared(rows.source, rows.target, rows.truth, rows.groups, less, rows.champion)
    assert automation(rows, ((), ()), PARAMS).passed is True
    rule = automation(worse, ((), ()), PARAMS)
    assert rule.passed is False
    assert rule.value
    assert rule.value < -0.05
    excused = automation(worse, ((), ("access",)), PARAMS)
    assert excused.passed is True
    assert "broken certificate" in excused.why


def test_calibration_that_is_no_worse_passes_and_an_overconfident_one_does_not():
    generator, passed = np.random.default_rng(16), []
    for _ in range(60):
        rows = contest(generator, 800)
        passed.append(calibration(rows, PARAMS, 200, 1).passed)
    assert np.mean(passed) >= 0.9
    rows = contest(generator, 3000, overconfident=0.1)
    rule = calibration(rows, PARAMS, 200, 1)
    assert rule.passed is False
    assert rule.interval
    assert rule.interval[0] > 0


def alone(generator: np.random.Generator, n: int, overconfident: float) -> Compared:
    rows = contest(generator, n, overconfident=overconfident)
    return Compared(rows.source, rows.target, rows.truth, rows.groups, rows.candidate, None)


def test_without_a_champion_calibration_is_judged_by_itself():
    generator = np.random.default_rng(17)
    for n, overconfident, least, most in ((200, 0, 0.9, 1), (2000, 0, 0.9, 1), (2000, 0.1, 0, 0)):
        rules = [calibration(alone(generator, n, overconfident), PARAMS, 200, 1) for _ in range(60)]
        assert least <= np.mean([rule.passed is True for rule in rules]) <= most
        assert rules[0].limit == PARAMS.calibration.error
    with pytest.raises(ValueError, match="no champion"):
        accuracy(alone(generator, 10, 0), PARAMS)


def test_new_labels_are_told_with_what_they_take():
    truth = np.array(["old", "old", "old", "new", "new"])
    sure = np.ones(5)
    rows = Compared(
        "test", "category", truth, np.arange(5),
        Answers(np.array(["old", "old", "new", "new", "new"]), sure, np.zeros(5, bool)),
        Answers(np.array(["old", "old", "old", "old", "old"]), sure, np.ones(5, bool)),
    )  # fmt: skip
    rule = new_labels(rows, ["new"])
    assert rule.passed is None
    assert rule.value == 1
    assert "2 of 2 found" in rule.why
    assert "routed 2 to a wrong place" in rule.why
    assert "3 rows with known labels 1 that" in rule.why
    assert new_labels(rows.with_labels(["old"]), ["new"]).value is None
