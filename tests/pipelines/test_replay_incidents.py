"""Incidents are staged in their months, and what follows depends on what the product does."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from evaluation.drift_report import DriftReport, Rules, WindowFacts
from evaluation.replay_incident_records import Retrained, Said, Staged
from evaluation.replay_records import Happened
from models.deployment import Arm, Deployment
from pipelines import replay_incidents
from pipelines.replay_incident_acts import Learned
from pipelines.replay_incidents import count_told, play_incidents
from pipelines.replay_looks import Looked
from pipelines.replay_params import Incidents, Profile, read_profile
from pipelines.replay_service import Told
from pipelines.replay_state import read_state
from pipelines.replay_tickets import Known, Month, Story
from pipelines.replay_workspace import Workspace
from tests.stores import NOON

PLAN = Incidents.model_validate(
    {
        "poison": {"author": 1, "months": [2], "flips": {"a": "b"}, "flood": 3, "label": "b"},
        "released": 2, "revoked": 3, "mislabelled": 5, "export": {"a": "b"}, "waits": 1,
        "retrains": [1],
    }
)  # fmt: skip
BAD = "b-00000005"
"""Learned after month 5."""

NAMES = [f"2012-{number:02}" for number in range(1, 11)]
STORY = Story(
    "kind", (), tuple(Month(name, (Known(name, "words", "a", name, None),)) for name in NAMES)
)


def profile(**plan: Any) -> Profile:
    incidents = PLAN.model_copy(update=plan)
    return read_profile("incidents").model_copy(update={"incidents": incidents})


class Client:
    target = "kind"

    def __init__(self) -> None:
        self.said: list[Mapping[str, str | None]] = []

    def predict(self, tickets: Sequence[Known]) -> list[Told]:
        return [Told(one.id, f"p-{one.id}", "a", True, Supervisor.champion) for one in tickets]

    def shadows(self, since: str) -> dict[str, Told]:
        return {f"p-{name}": Told(name, "s", "b", False, "b-00000000") for name in NAMES}

    def audits(self, since: str) -> list[dict[str, Any]]:
        return []

    def review(self, limit: int) -> list[dict[str, Any]]:
        return []

    def silent(self, since: str | None, most: int) -> list[dict[str, Any]]:
        told = {"targets": {"kind": {"label": "a"}}}
        return [{"id": "p-2012-02", "ticket": {"id": "2012-02"}, "prediction": told}][:most]

    def say(self, feedback: Sequence[Mapping[str, str | None]]) -> None:
        self.said += feedback


class Supervisor:
    """Notes what is asked of it; the product promotes and goes back as told."""

    champion = "b-00000000"
    acts: list[str]
    passes: Collection[int] = ()
    number = 0

    def __init__(self, *_: object) -> None: ...

    @property
    def deployment(self) -> Deployment:
        withheld = {"kind": {"a": "lost"}} if Supervisor.champion == BAD else {}
        arm = Arm(version=Supervisor.champion, withheld=withheld)
        return Deployment(champion=arm, published_at=NOON)

    def follow(self) -> None: ...

    def collect(self, month: str) -> Said:
        Supervisor.number += 1
        return Said(month=month, batch=f"f-{self.number}", rows=3, wrong=0, wrong_held=0,
                    right_held=0, reasons=())  # fmt: skip

    def release(self, but: Collection[str], reason: str) -> None:
        self.acts.append(f"release but {'-'.join(but) or 'none'}")

    def revoke(self, names: Sequence[str], reason: str) -> None:
        self.acts.append(f"revoke {'-'.join(names)}")

    def export(self, labels: Mapping[str, str]) -> None:
        self.acts.append(f"export {dict(labels)}")

    def roll_back(self, reason: str) -> None:
        self.acts.append("rollback")
        Supervisor.champion = "b-00000001"

    def retrain(self, month: str, number: int, override: str | None) -> Learned:
        version = f"b-{number:08}"
        outcome = "promoted" if number in self.passes else "overridden" if override else "refused"
        if outcome != "refused":
            Supervisor.champion = version
        self.acts.append(f"{outcome} {version}")
        facts = {"month": month, "number": number, "version": version, "outcome": outcome,
                 "reasons": ["why"], "feedback_rows": 3, "wrong_rows": 1,
                 "wrong_learned": int(number == 2), "wrong_set_aside": {}}  # fmt: skip
        return Learned(Retrained.model_validate(facts), ())


@pytest.fixture
def product(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Numbers of the months in which the product alerts of the bad bundle, and goes back."""
    does: dict[str, int] = {"alerts": 6}
    Supervisor.champion, Supervisor.number, Supervisor.passes = "b-00000000", 0, (1, 3, 8)
    Supervisor.acts = []
    client = Client()

    @contextmanager
    def served(*_: object) -> Iterator[Client]:
        yield client

    def look(space: object, arms: Sequence[str], kept: str, since: object, until: object,
             name: str) -> Looked:  # fmt: skip
        window = WindowFacts(name="w", tickets=4)
        facts = {"reference": window, "current": window, "enough": True, "rules": Rules(),
                 "action": "nothing"}  # fmt: skip
        number = NAMES.index(name) + 1
        if number == does.get("goes_back"):
            Supervisor.champion = "b-00000003"
        alerted = number == does.get("alerts")
        return Looked({"loop": DriftReport.model_validate(facts)}, alerted)

    def events(space: object, arm: str, name: str, since: object) -> list[Happened]:
        number, found = NAMES.index(name) + 1, []
        if number == does.get("alerts"):
            found.append(("alert.certificate", BAD, ("a lost its certificate",)))
        if number == does.get("goes_back"):
            found.append(("rollback", "b-00000003", ("worse than before",)))
        return [Happened(month=name, action=a, subject=s, reasons=w) for a, s, w in found]

    monkeypatch.setattr(replay_incidents, "served", served)
    monkeypatch.setattr(replay_incidents, "look", look)
    monkeypatch.setattr(replay_incidents, "read_events", events)
    monkeypatch.setattr(replay_incidents, "Supervisor", Supervisor)
    monkeypatch.setattr(Workspace, "warm", lambda self, number: nullcontext())
    return does


def fresh() -> Staged:
    return Staged(scenario="real", dataset="d", target="kind", first=0, planned=len(NAMES))


def play(folder: Path, using: Profile | None = None) -> Staged:
    return play_incidents(
        Workspace(folder), STORY, using or profile(), fresh(), folder / "state.json", lambda _: None
    )


def acts_but_releases() -> list[str]:
    return [act for act in Supervisor.acts if not act.startswith("release")]


def test_poison_is_let_go_once_then_revoked_and_the_bad_bundle_goes_a_month_after_the_alert(
    product: dict[str, int], tmp_path: Path
) -> None:
    done = play(tmp_path)
    assert acts_but_releases() == [
        "promoted b-00000001", "refused b-00000002", "revoke f-2", "promoted b-00000003",
        "export {'a': 'b'}", f"overridden {BAD}", "rollback", "export {}", "promoted b-00000008",
    ]  # fmt: skip
    assert Supervisor.acts.count("release but none") == 2
    assert Supervisor.acts[-1] == "release but f-2"
    assert (done.bad, done.alerted, done.poisoned) == (BAD, 6, ("f-2",))
    (back,) = done.rollbacks
    assert (back.number, back.by, back.former) == (7, "the supervisor", BAD)
    assert [month.wrong_answers for month in done.months[:3]] == [0, 2, 0]
    assert [month.number for month in done.months if month.withheld] == [6, 7]
    assert done.months[0].former.tickets == 1
    assert read_state(tmp_path / "state.json", fresh()) == done


def test_a_rollback_by_the_product_is_told_as_its_own(
    product: dict[str, int], tmp_path: Path
) -> None:
    product["goes_back"] = 7
    (back,) = play(tmp_path, profile(waits=3)).rollbacks
    assert (back.by, back.why, back.version) == ("the product", "worse than before", "b-00000003")
    assert "rollback" not in Supervisor.acts
    assert "export {}" in Supervisor.acts


def test_a_bad_bundle_without_an_alert_stays(product: dict[str, int], tmp_path: Path) -> None:
    product.clear()
    done = play(tmp_path)
    assert (done.alerted, done.rollbacks) == (None, ())
    assert Supervisor.champion == BAD


def test_a_champion_that_learned_the_poison_goes_before_it_is_revoked(
    product: dict[str, int], tmp_path: Path
) -> None:
    Supervisor.passes = (1, 2, 3, 8)
    done = play(tmp_path)
    assert acts_but_releases()[1:4] == ["promoted b-00000002", "rollback", "revoke f-2"]
    assert done.rollbacks[0].former == "b-00000002"


@pytest.mark.parametrize(
    "change", [{"released": 1}, {"revoked": 2}, {"mislabelled": 3}], ids=lambda one: next(iter(one))
)
def test_a_plan_out_of_order_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match="follow each other"):
        Incidents.model_validate({**PLAN.model_dump(), **change})


def test_answers_are_counted_against_what_is_right() -> None:
    told = Told("t", "p", "a", True, "b-00000001")
    found = count_told([(told, "a"), (told, "b"), (told._replace(automatic=False), "a")])
    assert (found.tickets, found.right, found.automatic, found.automatic_right) == (3, 2, 2, 1)
