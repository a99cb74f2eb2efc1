from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import CatalogError
from data.schema import Candidate, TargetPrediction
from serving.costs import Costs
from tests.serving.store_fakes import prediction_row

LABELS = ("low", "medium", "high")
DEAR = {"severity": {"high": {"low": 50.0, "medium": 20.0}, "low": {"high": 2.0}}}


def answer(label: str, confidence: float, **shortlist: float) -> TargetPrediction:
    return TargetPrediction(
        label=label,
        confidence=confidence,
        decision="review",
        reason="below_threshold",
        shortlist=tuple(Candidate(label=k, probability=p) for k, p in shortlist.items()),
    )


def test_what_no_file_names_costs_one_where_it_is_wrong() -> None:
    costs = Costs(DEAR)
    assert costs.of("severity", "high", "low") == 50
    assert costs.of("severity", "low", "medium") == 1
    assert costs.of("severity", "high", "high") == 0
    assert costs.of("team", "a", "b") == 1


def test_without_a_file_the_expected_cost_is_the_probability_of_an_error() -> None:
    found = Costs().expected("team", answer("a", 0.7, a=0.7, b=0.2), ("a", "b", "c"))
    assert found == pytest.approx(0.3)


def test_each_candidate_costs_by_its_probability() -> None:
    found = Costs(DEAR).expected("severity", answer("low", 0.6, low=0.6, medium=0.3, high=0.1))
    assert found == pytest.approx(0.3 * 1 + 0.1 * 50)


def test_what_the_shortlist_leaves_open_costs_the_mean_of_the_other_labels() -> None:
    costs = Costs(DEAR)
    assert costs.expected("severity", answer("low", 0.9), LABELS) == pytest.approx(
        0.1 * (1 + 50) / 2
    )
    listed = answer("low", 0.6, low=0.6, medium=0.3)
    assert costs.expected("severity", listed, LABELS) == pytest.approx(0.3 + 0.1 * 50)


def test_without_the_labels_of_the_bundle_those_of_the_file_are_left() -> None:
    assert Costs(DEAR).expected("severity", answer("low", 0.9)) == pytest.approx(0.1 * 50)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_expected_cost_is_never_negative_and_one_at_most_by_default(p: float, q: float) -> None:
    found = Costs().expected("team", answer("a", p, b=min(q, 1 - p)), ("a", "b", "c"))
    assert 0 <= found <= 1 + 1e-9


def test_rounded_probabilities_above_one_leave_nothing_open() -> None:
    assert Costs().expected("team", answer("a", 0.7, b=0.4)) == pytest.approx(0.4)


def test_every_target_of_a_prediction_has_its_cost() -> None:
    prediction = prediction_row(1).prediction
    assert Costs().expected_of(prediction) == {"category": pytest.approx(0.4)}


@pytest.mark.parametrize("name", ["costs.yaml", "costs.json"])
def test_a_file_is_read_in_either_form(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"severity": {"high": {"low": 50, "medium": 2.5}}}')
    costs = Costs.read(tmp_path / name)
    assert costs.of("severity", "high", "medium") == 2.5
    assert costs.of("severity", "high", "low") == 50


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("severity: {high: {low: -1}}", "severity.high.low: a cost is a number from 0 on, not -1"),
        ("severity: {high: {low: .nan}}", "not nan"),
        ("severity: {high: {low: .inf}}", "not inf"),
        ("severity: {high: {low: dear}}", "not 'dear'"),
        ("severity: {high: {low: true}}", "not True"),
        ("severity: {high: {low: 1" + "0" * 400 + "}}", "a cost is a number"),
        ("severity: {high: {high: 1}}", "the right label costs nothing"),
        ("severity: {high: 3}", "severity.high: expected told labels"),
        ("severity: [1]", "severity: expected actual labels"),
        ("severity: {no: {low: 1}}", "False is no text; put it into quotes"),
        ("severity: {high: {1: 1}}", "1 is no text"),
        ("severity: {high: {low: 1, low: 2}}", "given twice"),
        ("- 1", "expected a mapping"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "costs.yaml"
    file.write_text(content)
    with pytest.raises(CatalogError) as caught:
        Costs.read(file)
    assert message in str(caught.value)
    assert "costs.yaml" in str(caught.value)


def test_a_missing_file_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="does not exist"):
        Costs.read(tmp_path / "costs.yaml")


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ({"team": ("a",)}, "a target 'severity' that the bundle does not know; it knows: team"),
        ({"severity": ("low", "medium")}, "costs.yaml.severity: a label 'high'"),
        ({"severity": ("low", "high")}, "costs.yaml.severity.high: a label 'medium'"),
    ],
)
def test_costs_of_what_a_bundle_does_not_know_are_refused(
    targets: dict[str, tuple[str, ...]], message: str
) -> None:
    with pytest.raises(CatalogError) as caught:
        Costs(DEAR).require_known(targets, "costs.yaml")
    assert message in str(caught.value)


def test_costs_of_what_a_bundle_knows_are_accepted() -> None:
    Costs(DEAR).require_known({"severity": LABELS, "team": ("a",)}, "costs.yaml")
