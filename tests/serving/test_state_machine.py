"""Any order of publishing, asking, saying, erasing and store failures leaves what it should."""

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from data.store import Query
from serving.app import create_app
from serving.assistants import Assistants
from serving.batching import Batcher
from serving.settings import Settings
from serving.telemetry import Telemetry
from tests.serving.arm_fakes import A, B, C, NamedLoader, deployment, publish
from tests.serving.fakes import MemoryStore, make_manifest
from tests.serving.store_fakes import FakeStore, opened_archive

NAMES = st.sampled_from("xyz")


class Desk(RuleBasedStateMachine):
    """The service with a store that may be down, and beside it what should be in there."""

    answers: Bundle[str] = Bundle("answers")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.open = ExitStack()
        self.published, self.kept = MemoryStore(), FakeStore()
        telemetry = Telemetry(CollectorRegistry())
        self.assistants = Assistants(self.published, NamedLoader(), self.folder, watcher=telemetry)
        self.archive = archive = self.open.enter_context(opened_archive(self.kept, self.folder))
        for version in (A, B, C):
            archive.know(version, make_manifest().targets)
        chosen = Settings.model_validate({"allow_explicit_arm": False})
        app = create_app(chosen, self.assistants, Batcher(), telemetry, archive=archive)
        self.client = self.open.enter_context(TestClient(app))
        self.stored: dict[str, dict[str, Any]] = {}
        self.said: dict[str, dict[str, str]] = {}
        self.arm_of: dict[str, str] = {}
        self.publish_to(A, None, 0.5)

    def teardown(self) -> None:
        self.open.close()
        shutil.rmtree(self.folder)

    @rule(
        champion=st.sampled_from([A, B]),
        challenger=st.sampled_from([None, C]),
        share=st.floats(0.1, 0.9),
    )
    def publish_to(self, champion: str, challenger: str | None, share: float) -> None:
        self.running = {champion, challenger} - {None}
        publish(self.published, deployment(champion, {challenger: share} if challenger else None))
        self.assistants.refresh()
        self.arm_of.clear()
        told = self.client.get("/v1/arms").json()["arms"]
        assert {arm["version"] for arm in told} == self.running

    @rule(target=answers, ticket=NAMES, customer=NAMES)
    def ask(self, ticket: str, customer: str) -> str:
        headers = {"X-Customer": customer, "X-Assignment-Key": customer}
        body = {"id": ticket, "text": f"a printer of {customer}"}
        told = self.client.post("/v1/predict", json=body, headers=headers).json()
        assert told["bundle"] in self.running
        assert self.arm_of.setdefault(customer, told["bundle"]) == told["bundle"]
        self.stored[told["id"]] = {"ticket": ticket, "customer": customer}
        return str(told["id"])

    @rule(answer=answers, label=st.sampled_from(["network", "unheard of"]), key=NAMES)
    def say(self, answer: str, label: str, key: str) -> None:
        said = {
            "key": f"{key}-{answer}", "prediction_id": answer, "target": "category",
            "verdict": "correct", "label": label,
        }  # fmt: skip
        response = self.client.post("/v1/feedback", json=said)
        before = self.said.get(said["key"])
        if before is not None and before["label"] != label:
            assert response.status_code == 409
            return
        assert response.status_code == 200, response.text
        [told] = response.json()["feedback"]
        if answer in self.stored:
            assert told["status"] == ("accepted" if label == "network" else "proposal")
        else:
            assert told["status"] == "pending"
        self.said[said["key"]] = said

    @rule(target=answers, kind=st.sampled_from(["ticket", "customer"]), name=NAMES)
    def erase(self, kind: str, name: str) -> Any:
        gone = {one for one, facts in self.stored.items() if facts[kind] == name}
        told = self.client.delete(f"/v1/{kind}s/{name}").json()
        assert told["predictions"] == len(gone)
        for one in gone:
            del self.stored[one]
        self.said = {k: s for k, s in self.said.items() if s["prediction_id"] not in gone}
        return multiple()

    @rule(ticket=NAMES)
    def ask_while_the_store_is_down(self, ticket: str) -> None:
        self.kept.down = True
        try:
            said = {
                "key": f"down-{len(self.said)}", "prediction_id": "0" * 32, "target": "category",
                "verdict": "confirm",
            }  # fmt: skip
            assert self.client.get("/v1/predictions").status_code == 503
            response = self.client.post("/v1/feedback", json=said)
            assert response.status_code == 202
            assert response.json()["feedback"][0]["kept"] == "spooled"
        finally:
            self.kept.down = False
        self.client.get("/v1/predictions")
        while not self.archive.spool.is_empty:  # handed over in a moment
            pass
        self.said[said["key"]] = {**said, "label": ""}

    @invariant()
    def what_is_stored_is_what_was_answered_and_not_erased(self) -> None:
        found = {one.stored.id: one for one in self.kept.stream(Query())}
        assert found.keys() == self.stored.keys()
        for name, facts in self.stored.items():
            assert found[name].stored.customer == facts["customer"]
            said = {key for key, one in self.said.items() if one["prediction_id"] == name}
            assert {one.key for one in found[name].feedback} == said


Desk.TestCase.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
TestDesk = Desk.TestCase
