"""The page for operators names what there is."""

import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from data.outbox_events import KINDS
from serving.settings import Settings
from serving.webhook_courier import Terms
from tests.conftest import ROOT
from tests.serving.test_alerts import exposed, registry

__all__ = ["registry"]

PAGE = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
OF_COMMANDS = {"CORRELATION"}
"""Variables that are no settings of the service."""


def test_every_setting_it_names_exists() -> None:
    named = {name.removesuffix("_FILE") for name in re.findall(r"TICKETS_([A-Z_]+)", PAGE)}
    assert len(named) > 10
    assert {name.lower() for name in named - OF_COMMANDS} <= set(Settings.model_fields)


def test_every_command_it_names_exists() -> None:
    modules = set(re.findall(r"python -m ([\w.]+)", PAGE))
    assert "serving.webhooks" in modules
    for module in modules:
        assert Path(ROOT, *module.split(".")).with_suffix(".py").is_file(), module


def test_every_metric_it_names_is_exposed(
    registry: CollectorRegistry,
) -> None:
    named = set(re.findall(r"\btickets_\w+", PAGE))
    assert named <= set(exposed(registry)), named - set(exposed(registry))


def test_every_alert_it_names_exists_and_all_that_tell_of_faults_stand_there() -> None:
    rules = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"][0]
    known = {rule["alert"] for rule in rules["rules"]}
    named = set(re.findall(r"`(Tickets[A-Z]\w+)`", PAGE))
    assert named <= known, named - known
    assert known - named == {
        # Of the model and of load, which other pages tell of.
        "TicketsAccuracyBelowPromise", "TicketsArmFailing", "TicketsDrift",
        "TicketsPredictionsLost", "TicketsShadowsDropped", "TicketsSlow",
    }  # fmt: skip


def test_every_event_stands_there() -> None:
    assert {f"`{kind}`" for kind in KINDS if kind != "webhook.test"} <= set(
        re.findall(r"`[\w.]+`", PAGE)
    )


@pytest.mark.parametrize(
    ("setting", "told"),
    [("webhook_attempts", "(12)"), ("webhook_seconds", "(10)")],
)
def test_defaults_that_it_tells_are_those_of_settings_and_code(setting: str, told: str) -> None:
    default = Settings.model_fields[setting].default
    assert told == f"({default:g})"
    assert f"`TICKETS_{setting.upper()}` {told}" in PAGE
    terms = Terms()
    assert (terms.attempts, terms.first_seconds, terms.seconds) == tuple(
        Settings.model_fields[name].default
        for name in ("webhook_attempts", "webhook_first_seconds", "webhook_seconds")
    )


def test_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE):
        if not link.startswith("http"):
            assert (ROOT / "docs" / link).is_file(), link
