"""The dashboard asks for metrics that a running service has, by labels that they have."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from tests.conftest import ROOT
from tests.serving.test_alerts import exposed, registry

__all__ = ["registry"]

GRAFANA = ROOT / "deploy/grafana"
FILE = GRAFANA / "dashboards/ticket-assistant.json"
SUFFIXES = re.compile(r"_(bucket|sum|count)$")


@pytest.fixture(scope="module")
def panels() -> list[dict[str, Any]]:
    """Those that ask for something."""
    found = json.loads(FILE.read_text(encoding="utf-8"))["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def asked(panels: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Every expression with its legend."""
    return [(one["expr"], one["legendFormat"]) for panel in panels for one in panel["targets"]]


def test_every_metric_and_label_named_is_exposed(
    panels: list[dict[str, Any]],
    registry: CollectorRegistry,
) -> None:
    known = exposed(registry)
    for expression, legend in asked(panels):
        named = {SUFFIXES.sub("", name) for name in re.findall(r"\btickets_\w+", expression)}
        assert named, f"{expression} asks for nothing of ours"
        assert named <= set(known), f"{expression} asks for {named - set(known)}"
        labels = set.union(*(known[name] for name in named))
        grouped = re.findall(r"by \(([^)]*)\)", expression)
        kept = {one.strip() for group in grouped for one in group.split(",")}
        assert kept <= labels | {"le"}, expression
        assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= kept, legend
        compared = set(re.findall(r'(\w+)(?:=~|!=|=)"', expression))
        assert compared <= labels, expression


def test_every_family_of_metrics_is_shown(
    panels: list[dict[str, Any]],
    registry: CollectorRegistry,
) -> None:
    """What is gathered and never looked at should not be gathered."""
    text = " ".join(expression for expression, _ in asked(panels))
    shown = {SUFFIXES.sub("", name) for name in re.findall(r"\btickets_\w+", text)}
    elsewhere = {
        # Of use only beside another one, or in an alert.
        "tickets_bundle_loading_seconds", "tickets_bundle_refusals_total", "tickets_cache_entries",
        "tickets_drift_flagged", "tickets_live_automation", "tickets_live_automation_low",
        "tickets_live_automation_high", "tickets_predictions_stored_total",
    }  # fmt: skip
    assert set(exposed(registry)) - shown == elsewhere


def test_panels_lie_beside_and_not_upon_each_other() -> None:
    found = json.loads(FILE.read_text(encoding="utf-8"))["panels"]
    places = set()
    for panel in found:
        at = panel["gridPos"]
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert x < 24
                assert (x, y) not in places, panel["title"]
                places.add((x, y))
    ids = [panel["id"] for panel in found]
    assert len(set(ids)) == len(ids)


def test_every_panel_asks_the_source_that_is_chosen(panels: list[dict[str, Any]]) -> None:
    dashboard = json.loads(FILE.read_text(encoding="utf-8"))
    [variable] = dashboard["templating"]["list"]
    assert (variable["type"], variable["query"]) == ("datasource", "prometheus")
    for panel in panels:
        assert panel["title"]
        for one in (panel, *panel["targets"]):
            assert one["datasource"] == {"type": "prometheus", "uid": "${source}"}


def test_what_provisions_it_can_be_read() -> None:
    sources = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yaml").read_text())
    assert sources["datasources"][0]["type"] == "prometheus"
    provided = yaml.safe_load(
        (GRAFANA / "provisioning/dashboards/ticket-assistant.yaml").read_text()
    )
    assert Path(provided["providers"][0]["options"]["path"]).is_absolute()
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    assert scraped["rule_files"] == ["alerts.yml"]
    assert scraped["scrape_configs"][0]["metrics_path"] == "/metrics"
