"""The alert rules speak of metrics that there are, and would fire on what they are meant for."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from prometheus_client import CollectorRegistry

from evaluation.drift_report import Action
from serving.archive_metrics import ArchiveMetrics
from serving.depth_metrics import DepthMetrics
from serving.monitor_metrics import MonitorMetrics
from serving.runtime_metrics import RuntimeMetrics
from serving.telemetry import Dropped, Telemetry
from serving.webhook_metrics import WebhookMetrics
from tests.conftest import ROOT

RULES = ROOT / "deploy/prometheus/alerts.yml"


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


@pytest.fixture(scope="module")
def registry() -> CollectorRegistry:
    """All that a worker registers, as `serving/service.py` does."""
    registry = CollectorRegistry()
    Telemetry(registry)
    ArchiveMetrics(registry)
    MonitorMetrics(registry)
    RuntimeMetrics(registry)
    DepthMetrics(registry)
    WebhookMetrics(registry)
    return registry


def exposed(registry: CollectorRegistry) -> dict[str, set[str]]:
    """Every name that can be asked for -> its labels."""
    found = {}
    for collector in list(registry._collector_to_names):
        labels = set(collector._labelnames)  # type: ignore[attr-defined]
        for family in collector.collect():
            suffix = "_total" if family.type == "counter" else ""
            found[family.name + suffix] = labels
    return found


def test_every_metric_and_label_named_is_exposed(
    rules: list[dict[str, Any]], registry: CollectorRegistry
) -> None:
    known = exposed(registry)
    for rule in rules:
        found = re.findall(r"\btickets_\w+", rule["expr"])
        named = {re.sub(r"_(bucket|sum|count)$", "", name) for name in found}
        assert named, f"{rule['alert']} asks for nothing of ours"
        assert named <= set(known), f"{rule['alert']} asks for {named - set(known)}"
        told = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
        grouped = re.findall(r"by \(([^)]*)\)", rule["expr"])
        kept = {one.strip() for found in grouped for one in found.split(",")}
        assert told <= kept, f"{rule['alert']} tells labels that its expression drops"
        assert kept <= set.union({"le"}, *(known[name] for name in named)), rule["alert"]


def test_values_of_labels_that_are_compared_exist(rules: list[dict[str, Any]]) -> None:
    text = " ".join(rule["expr"] for rule in rules)
    compared = set(re.findall(r'(\w+)(?:!=|=~|=)"([^"]+)"', text))
    assert compared == {
        ("action", "nothing"), ("reason", "withdrawn"), ("status", "5.."), ("route", "/v1/predict"),
    }  # fmt: skip
    assert "nothing" in get_args(Action)
    assert "withdrawn" in get_args(Dropped)


def test_every_rule_says_how_grave_it_is_and_what_to_do(rules: list[dict[str, Any]]) -> None:
    names = [rule["alert"] for rule in rules]
    assert len(set(names)) == len(names)
    for rule in rules:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "description"}
        assert all(map(str.strip, rule["annotations"].values()))
        assert rule["expr"].count("(") == rule["expr"].count(")")


def test_settings_and_routes_that_a_rule_names_exist(rules: list[dict[str, Any]]) -> None:
    from serving.settings import Settings

    text = " ".join(rule["annotations"]["description"] for rule in rules)
    for setting in re.findall(r"TICKETS_(\w+)", text):
        assert setting.lower() in Settings.model_fields
    for module in re.findall(r"python -m ([\w.]+)", text):
        assert Path(ROOT, *module.split(".")).with_suffix(".py").is_file()
