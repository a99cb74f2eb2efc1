"""A decision is kept as JSON and told as a table."""

from datetime import UTC, datetime

import pytest

from data.errors import DataError
from evaluation.gate_decision import GateDecision, Override, Rule, conclude, parse_decision, tell

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)


def rule(name: str, *, passed: bool | None = True, **facts: object) -> Rule:
    return Rule.model_validate({"name": name, "passed": passed, "why": f"{name} is told", **facts})


def of_class(label: str, value: float | None, *, passed: bool = True) -> Rule:
    return rule(
        "recall", passed=passed, source="test", target="category", label=label, value=value,
        limit=-0.02, interval=(-0.1, 0.1),
    )  # fmt: skip


def decision(*rules: Rule, champion: str | None = "invented-00000002") -> GateDecision:
    return conclude("invented-00000001", champion, rules, NOW, {"test_rows": 7})


def test_it_passes_where_no_rule_failed():
    passed = decision(rule("size"), rule("fair rows", passed=None))
    assert passed.passed
    assert passed.reasons == ("all 1 rules hold against invented-00000002",)
    refused = decision(rule("size"), rule("latency", passed=False), of_class("a", -1, passed=False))
    assert not refused.passed
    assert refused.reasons == (
        "latency: latency is told",
        "recall: test category a: recall is told",
    )


def test_it_comes_back_from_its_file_as_it_was():
    made = decision(rule("size", value=3.5), of_class("a", 0.1))
    assert parse_decision(made.to_json(), "here") == made
    over = made.overridden(Override(by="anna", reason="the rows are too few", at=NOW))
    assert parse_decision(over.to_json(), "here") == over


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2}', '{"format": 1, "passed": true}'])
def test_what_is_no_decision_is_refused_with_the_place(text: str):
    with pytest.raises(DataError, match=r"here is not a decision of the gate: .*decide again"):
        parse_decision(text, "here")


def test_the_table_tells_each_rule_once_and_classes_together():
    text = tell(
        decision(
            rule("size", value=57.25, limit=500.0),
            rule("labels kept", passed=None),
            rule("labels kept", value=-1e-9),
            *(of_class(label, value) for label, value in (("a", 0.01), ("b", -0.03), ("c", None))),
        )
    )
    lines = text.splitlines()
    assert lines[0] == "PASSED: invented-00000001 against invented-00000002"
    assert len(lines) == 6
    assert lines[2].split() == ["ok", "size", "57.25", "(limit", "500)", "size", "is", "told"]
    assert lines[3].startswith("-")
    assert lines[4].split()[3] == "0"
    assert "-0.03 (limit -0.02)" in lines[5]
    assert lines[5].endswith("3 classes, the lowest b: recall is told")


def test_the_table_names_each_class_that_failed():
    told = decision(of_class("a", -0.5, passed=False), of_class("b", 0.1), champion=None)
    text = tell(told.overridden(Override(by="anna", reason="it is known", at=NOW)))
    assert text.startswith("REFUSED: invented-00000001 against nobody")
    assert "FAILED  recall  test category a  -0.5 (limit -0.02)" in text
    assert "category b" not in text
    assert text.endswith("\noverridden by anna: it is known\n")
