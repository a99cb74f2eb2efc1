"""Events come with the facts they tell of, wait, are tried, given up and sent again."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from data.errors import DataError, StoreError
from data.outbox import Outbox, open_outbox
from data.outbox_events import KINDS, announce_event, announce_test
from data.outbox_records import Entry, Outcome
from data.sql import SqlStore
from data.store import Erasure, Event
from tests.stores import NOON, make_prediction

WANTED = {"crm": KINDS, "alarm": ("certificate.lost",)}
LATER = NOON + timedelta(hours=1)
WORDS = "my password is swordfish"


@pytest.fixture
def outbox(url: str, store: SqlStore) -> Iterator[Outbox]:
    opened = open_outbox(url)
    opened.subscribe(WANTED)
    yield opened
    opened.close()


def ids(outbox: Outbox) -> list[str]:
    return [one.id for one in outbox.entries()]


def take(outbox: Outbox, minutes: float = 1) -> list[Entry]:
    return outbox.take("crm", 10, LATER, lambda _: timedelta(minutes=minutes))


def test_an_event_comes_with_the_prediction_it_tells_of(store: SqlStore, outbox: Outbox) -> None:
    row = make_prediction(1, text=WORDS, correlation="c" * 32)
    store.add_predictions([row])
    [entry] = outbox.entries()
    told = json.loads(entry.body)
    assert (entry.endpoint, entry.kind, entry.state) == ("crm", "ticket.classified", "waiting")
    assert told["type"] == "ticket.classified"
    assert told["timestamp"] == row.at.isoformat()
    assert told["data"] == {
        "prediction_id": row.id, "ticket_id": "t-1", "bundle": "bundle-1", "arm": "champion",
        "language": "en", "correlation": "c" * 32,
        "targets": {
            target: {"label": label, "confidence": 0.5, "decision": "auto", "reason": "certified"}
            for target, label in row.prediction.model_dump()["targets"].items()
            for label in [label["label"]]
        },
    }  # fmt: skip
    assert WORDS not in entry.body


def test_what_a_person_must_decide_is_told_too(store: SqlStore, outbox: Outbox) -> None:
    store.add_predictions([make_prediction(1, decisions={"severity": "review"})])
    bodies = {one.kind: json.loads(one.body) for one in outbox.entries()}
    assert set(bodies) == {"ticket.classified", "ticket.review_needed"}
    assert bodies["ticket.review_needed"]["data"]["review"] == ["severity"]


def test_a_prediction_that_is_kept_again_and_a_shadow_make_no_event(
    store: SqlStore, outbox: Outbox
) -> None:
    store.add_predictions([make_prediction(1)])
    [entry] = take(outbox)
    outbox.settle([Outcome(entry, True, "delivered 204", None)])
    store.add_predictions([make_prediction(1), make_prediction(2, arm="shadow")])
    assert ids(outbox) == []


def test_nothing_is_left_for_nobody(store: SqlStore, outbox: Outbox) -> None:
    outbox.subscribe({})
    store.add_predictions([make_prediction(1)])
    store.log(Event(at=NOON, actor="a", action="promotion", subject="bundle-2"))
    assert ids(outbox) == []


def test_an_event_goes_with_what_is_erased(store: SqlStore, outbox: Outbox) -> None:
    store.add_predictions([make_prediction(1), make_prediction(2)])
    store.erase(Erasure(ticket_id="t-1"), "a", LATER)
    assert ids(outbox) == [f"msg_{2:032x}_classified"]
    store.drop_before(LATER, "a", LATER)
    assert ids(outbox) == []


@pytest.mark.parametrize(
    ("action", "detail", "kind", "told"),
    [
        ("promotion", {"former": "b-1"}, "model.promoted", {"former": "b-1"}),
        ("rollback", {"former": "b-2", "published": WORDS}, "model.promoted", {"former": "b-2"}),
        ("alert.drift", {"action": "relabel", "checks": ["words"], "current": WORDS},
         "drift.alert", {"action": "relabel", "checks": ["words"]}),
        ("alert.certificate", {"target": "queue", "label": "billing"}, "certificate.lost",
         {"target": "queue", "label": "billing"}),
    ],
)  # fmt: skip
def test_a_line_of_the_audit_log_makes_the_event_it_stands_for(
    store: SqlStore, outbox: Outbox, action: str, detail: dict[str, object], kind: str,
    told: dict[str, object],
) -> None:  # fmt: skip
    event = Event.model_validate(
        {"at": NOON, "actor": "alice", "action": action, "subject": "bundle-2",
         "detail": {"reasons": [WORDS], **detail}}
    )  # fmt: skip
    store.log(event)
    entries = outbox.entries()
    assert {one.kind for one in entries} == {kind}
    assert len(entries) == 1 + (kind == "certificate.lost")
    data = json.loads(entries[0].body)["data"]
    assert data == {"bundle": "bundle-2", "cause": action, **told}
    assert store.events(action=action)


def test_other_lines_make_none() -> None:
    line = Event(at=NOON, actor="a", action="erase", subject="digest")
    assert announce_event(line) is None


def test_what_is_taken_is_due_again_only_after_a_while(store: SqlStore, outbox: Outbox) -> None:
    store.add_predictions([make_prediction(1), make_prediction(2)])
    asked: list[int] = []
    taken = outbox.take("crm", 1, LATER, lambda n: asked.append(n) or timedelta(minutes=5))
    assert [one.id for one in taken] == [f"msg_{1:032x}_classified"]
    assert asked == [1]
    rest = outbox.take("crm", 9, LATER, lambda _: timedelta(minutes=5))
    assert [one.id for one in rest] == [f"msg_{2:032x}_classified"]
    assert take(outbox) == []
    again = outbox.take("crm", 9, LATER + timedelta(minutes=6), lambda _: timedelta(minutes=5))
    assert [one.attempts for one in again] == [1, 1]


def test_what_was_put_off_by_a_clock_that_jumped_is_not_put_off_for_ever(
    store: SqlStore, outbox: Outbox
) -> None:
    store.add_predictions([make_prediction(1)])
    outbox.take("crm", 9, LATER + timedelta(days=900), lambda _: timedelta(minutes=5))
    assert len(take(outbox)) == 1


def test_what_failed_waits_or_is_given_up_and_is_sent_again_when_asked(
    store: SqlStore, outbox: Outbox
) -> None:
    store.add_predictions([make_prediction(1), make_prediction(2)])
    first, second = take(outbox)
    again = LATER + timedelta(hours=2)
    outbox.settle(
        [Outcome(first, False, "refused 503", again), Outcome(second, False, "gone 410", None)]
    )
    waiting, dead = outbox.entries("waiting"), outbox.entries("dead")
    assert [(one.id, one.next_at, one.outcome) for one in waiting] == [
        (first.id, again, "refused 503")
    ]
    assert [(one.id, one.outcome) for one in dead] == [(second.id, "gone 410")]
    depth = outbox.depths()["crm"]
    assert (depth.waiting, depth.dead, depth.oldest) == (1, 1, first.at)
    assert outbox.find(second.id) == dead
    with pytest.raises(DataError, match="not among the dead letters"):
        outbox.replay([first.id])
    assert outbox.replay([second.id], now=LATER) == 1
    assert [(one.id, one.attempts) for one in take(outbox)] == [(second.id, 0)]


def test_what_nobody_tried_is_as_it_was(store: SqlStore, outbox: Outbox) -> None:
    store.add_predictions([make_prediction(1)])
    before = outbox.entries()
    outbox.give_back(take(outbox))
    assert outbox.entries() == before


def test_what_waits_for_an_endpoint_that_is_gone_is_set_aside(
    store: SqlStore, outbox: Outbox
) -> None:
    store.add_predictions([make_prediction(1)])
    outbox.subscribe({"other": KINDS})
    [entry] = outbox.entries()
    assert (entry.state, entry.outcome) == ("dead", "no endpoint of this name")
    assert outbox.replay(endpoint="other") == 0


def test_an_event_may_be_put_there_for_one_endpoint(outbox: Outbox) -> None:
    outbox.add("alarm", announce_test(NOON))
    outbox.add("crm", announce_test(NOON))
    assert [one.kind for one in outbox.entries(endpoint="alarm")] == ["webhook.test"]


def test_an_outbox_of_newer_code_is_refused(url: str, store: SqlStore) -> None:
    from sqlalchemy import text

    from data.sql_engine import writing

    with writing(store.engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="newer code"):
        open_outbox(url)
