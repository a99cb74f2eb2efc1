"""`detail=decision`: the same answers for less, by those who are asked for no more."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from data.schema import Prediction, Ticket
from serving.assistants import Assistants
from serving.batching import Batcher
from serving.running import Deciding, Running, Serving, Withholding
from serving.settings import Settings
from tests.serving.arm_fakes import A, B, NamedAssistant, deployment
from tests.serving.fakes import MakeApp, MemoryStore, RuleAssistant, make_manifest

PRINTER, OTHER = {"text": "the printer is on fire"}, {"text": "no network"}


def test_a_decision_tells_which_tier_took_it(client: TestClient) -> None:
    for ticket, tier in ((PRINTER, "linear"), (OTHER, "ensemble")):
        full = client.post("/v1/predict", json=ticket).json()
        told = client.post("/v1/predict?detail=decision", json=ticket).json()
        assert (full["tier"], told["tier"]) == (None, tier)
        assert told["targets"] == full["targets"]


@pytest.mark.parametrize("partial", ["", "&partial=true"])
def test_a_batch_is_decided_too(client: TestClient, partial: str) -> None:
    answer = client.post(
        f"/v1/predict/batch?detail=decision{partial}", json={"tickets": [PRINTER, OTHER]}
    ).json()
    told = answer.get("predictions") or [one["prediction"] for one in answer["answers"]]
    assert [one["tier"] for one in told] == ["linear", "ensemble"]


def test_full_is_what_is_answered_unless_asked_otherwise(client: TestClient) -> None:
    told = client.post("/v1/predict?detail=full", json=PRINTER).json()
    assert told["tier"] is None
    told = client.post("/v1/predict/batch", json={"tickets": [PRINTER]}).json()
    assert told["predictions"][0]["tier"] is None


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/predict/batch"])
def test_another_detail_is_refused_by_its_name(client: TestClient, path: str) -> None:
    body = {"tickets": [PRINTER]} if path.endswith("batch") else PRINTER
    response = client.post(f"{path}?detail=little", json=body)
    assert response.status_code == 422
    assert "detail" in response.text
    assert "little" not in response.text


def test_what_is_withheld_live_is_withheld_from_decisions() -> None:
    found = Withholding(RuleAssistant(), {"category": {"printer"}}).decide([Ticket(**PRINTER)])
    assert found[0].targets["category"].reason == "certificate_lost"
    asked = Deciding(Withholding(RuleAssistant(), {"category": {"printer"}}))
    assert asked.predict([Ticket(**PRINTER)]) == asked.decide([Ticket(**PRINTER)]) == found
    assert asked.find_similar(["a"], 2) == RuleAssistant().find_similar(["a"], 2)


def test_each_bundle_is_asked_for_decisions_by_one_object() -> None:
    """Calls are shared by those that ask the same object."""
    bundles = {
        version: Serving(make_manifest(version), NamedAssistant(version)) for version in (A, B)
    }
    running = Running(deployment(A, {B: 0.5}), bundles)
    assert running.answering(A, "decision") is running.answering(A, "decision")
    assert running.answering(A, "decision") is not running.answering(B, "decision")
    assert running.answering(A, "full") is bundles[A].assistant
    assert running.answering(B, "decision").predict([Ticket(text="a")])[0].bundle == B


class Counting(RuleAssistant):
    """Remembers the calls of either kind."""

    def __init__(self) -> None:
        super().__init__()
        self.decided: list[int] = []

    def decide(self, tickets: Sequence[Ticket], lost: object = None) -> list[Prediction]:
        self.decided.append(len(tickets))
        return super().predict(tickets)


def test_tickets_of_either_kind_share_no_call() -> None:
    async def ask() -> Counting:
        rule, batcher = Counting(), Batcher()
        rule.gate.clear()
        deciding = Deciding(rule)
        tasks = [
            asyncio.ensure_future(batcher.predict(assistant, [Ticket(text=f"printer {i}")]))
            for i, assistant in enumerate([rule, rule, deciding, rule, deciding])
        ]
        await asyncio.sleep(0.05)
        rule.gate.set()
        await asyncio.gather(*tasks)
        batcher.close()
        return rule

    rule = asyncio.run(ask())
    assert sum(rule.decided) == 2
    assert sum(rule.calls) == 5


def test_the_arms_are_drawn_as_ever(
    make_app: MakeApp, assistants: Assistants, store: MemoryStore, tmp_path: Path
) -> None:
    store.publish()
    assistants.refresh()
    app: FastAPI = make_app()

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            headers = {"X-Arm": "champion"}
            return await client.post("/v1/predict?detail=decision", json=PRINTER, headers=headers)

    told = asyncio.run(ask()).json()
    assert (told["arm"], told["tier"]) == ("champion", "linear")


def test_one_setting_switches_the_cascade_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().cascade
    monkeypatch.setenv("TICKETS_CASCADE", "false")
    assert not Settings().cascade


@pytest.mark.parametrize("cascade", [True, False])
def test_a_bundle_is_served_with_its_cascade_or_without(
    cascade: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    from models import bundle
    from models.assistant import Facts
    from serving import service

    class Loaded(RuleAssistant):
        facts = Facts()

        def without_cascade(self) -> str:
            return "without"

    loaded = Loaded()
    monkeypatch.setattr(bundle, "load", lambda *_, **__: (make_manifest(), loaded))
    monkeypatch.setattr(service, "settings", Settings.model_validate({"cascade": cascade}))
    assert service.load_bundle(tmp_path)[1] == (loaded if cascade else "without")
