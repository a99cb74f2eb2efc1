import json
import logging
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from data.outbox import Outbox, open_outbox
from data.outbox_records import LONGEST
from data.sql import SqlStore, open_sql_store
from serving.webhook_courier import BATCH, Courier, Terms
from serving.webhook_metrics import WebhookMetrics
from serving.webhook_posting import Attempt
from serving.webhook_schedule import wait_after
from serving.webhook_signing import new_secret, read_secret
from tests.serving.webhook_fakes import SECRET, Receiver, hang, make_endpoint, receiving, status
from tests.stores import LABELS, make_prediction

NOW = datetime(2026, 11, 25, 13, tzinfo=UTC)
RUNS = threading.Event()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = open_sql_store(f"sqlite:///{tmp_path}/store.db")
    opened.know_bundle("bundle-1", LABELS)
    yield opened
    opened.close()


@pytest.fixture
def outbox(store: SqlStore, tmp_path: Path) -> Iterator[Outbox]:
    opened = open_outbox(f"sqlite:///{tmp_path}/store.db")
    opened.subscribe({"crm": ("ticket.classified",)})
    yield opened
    opened.close()


class Work:
    """A courier with a clock that only the test moves."""

    def __init__(self, outbox: Outbox, url: str, folder: Path, **facts: Any) -> None:
        self.now = datetime.now(UTC)
        self.registry = CollectorRegistry()
        terms = Terms(**{"attempts": 3, "first_seconds": 10.0, "seconds": 1.0, **facts})
        self.courier = Courier(
            "crm", make_endpoint(url, folder), outbox, WebhookMetrics(self.registry), terms,
            clock=lambda: self.now, draw=random.Random(1),
        )  # fmt: skip

    def step(self, later: float = 0) -> tuple[int, int]:
        self.now += timedelta(seconds=later)
        with ThreadPoolExecutor(2) as threads:
            return self.courier.step(threads, threading.Event())

    def counted(self, result: str) -> float | None:
        labels = {"endpoint": "crm", "result": result}
        return self.registry.get_sample_value("tickets_webhook_attempts_total", labels)


@pytest.fixture
def work(outbox: Outbox, receiver: Receiver, tmp_path: Path) -> Work:
    return Work(outbox, receiver.url, tmp_path)


def test_an_event_is_delivered_signed_and_once(
    store: SqlStore, outbox: Outbox, receiver: Receiver, work: Work
) -> None:
    store.add_predictions([make_prediction(1)])
    assert work.step() == (1, 1)
    [received] = receiver.received
    assert received.is_signed()
    assert received.headers["content-type"] == "application/json"
    assert json.loads(received.body)["type"] == "ticket.classified"
    assert received.id == f"msg_{1:032x}_classified"
    assert outbox.entries() == []
    assert work.step(3600) == (0, 0)
    assert work.counted("delivered") == 1


def test_what_is_refused_comes_again_later_under_the_same_id(
    store: SqlStore, outbox: Outbox, receiver: Receiver, work: Work
) -> None:
    store.add_predictions([make_prediction(1)])
    receiver.answers += [status(503), status(500)]
    assert work.step() == (1, 0)
    assert outbox.entries()[0].outcome == "refused 503"
    assert work.step(5) == (0, 0), "ten seconds, less a quarter, have not passed"
    assert work.step(8) == (1, 0)
    assert work.step(20) == (0, 0), "the second wait is three times as long"
    assert work.step(20) == (1, 1)
    assert len(set(receiver.ids)) == 1
    assert len(receiver.ids) == 3
    assert all(one.is_signed() for one in receiver.received)


def test_what_is_refused_too_often_is_a_dead_letter_until_somebody_asks(
    store: SqlStore, outbox: Outbox, receiver: Receiver, work: Work
) -> None:
    store.add_predictions([make_prediction(1)])
    receiver.answers += [status(500)] * 3
    for _ in range(6):
        work.step(3600)
    [dead] = outbox.entries("dead")
    assert (dead.attempts, len(receiver.ids)) == (3, 3)
    assert outbox.replay(now=work.now) == 1
    assert work.step() == (1, 1)
    assert outbox.entries() == []
    given_up = work.registry.get_sample_value("tickets_webhook_given_up_total", {"endpoint": "crm"})
    assert given_up == 1


def test_who_is_gone_is_not_asked_again(
    store: SqlStore, outbox: Outbox, receiver: Receiver, work: Work
) -> None:
    store.add_predictions([make_prediction(1)])
    receiver.answers.append(status(410))
    assert work.step() == (1, 0)
    assert [one.outcome for one in outbox.entries("dead")] == ["gone 410"]


def test_who_asks_for_time_gets_it_up_to_an_hour(
    store: SqlStore, receiver: Receiver, work: Work
) -> None:
    store.add_predictions([make_prediction(1)])
    receiver.answers += [status(429, retry_after="1800"), status(429, retry_after="999999")]
    work.step()
    assert work.step(1790) == (0, 0)
    assert work.step(20) == (1, 0)
    assert work.step(3590) == (0, 0)
    assert work.step(20) == (1, 1)


def test_a_secret_is_exchanged_without_a_restart(
    store: SqlStore, receiver: Receiver, work: Work, tmp_path: Path
) -> None:
    store.add_predictions([make_prediction(1)])
    work.step()
    written = new_secret()
    (tmp_path / "secret").write_text(written)
    store.add_predictions([make_prediction(2)])
    work.step()
    old, new = receiver.received
    assert old.is_signed(SECRET)
    assert not new.is_signed(SECRET)
    assert new.is_signed(read_secret(written, "here"))


def test_without_its_secret_nothing_is_sent_and_nothing_given_up(
    store: SqlStore, outbox: Outbox, receiver: Receiver, work: Work, tmp_path: Path
) -> None:
    store.add_predictions([make_prediction(1)])
    (tmp_path / "secret").unlink()
    for _ in range(9):
        work.step(86_400)
    assert receiver.received == []
    assert [(one.state, one.outcome) for one in outbox.entries()] == [("waiting", "no secret")]


def test_what_was_not_tried_before_the_end_is_as_it_was(
    store: SqlStore, outbox: Outbox, receiver: Receiver, work: Work
) -> None:
    store.add_predictions([make_prediction(number) for number in range(1, 4)])
    before = outbox.entries()
    ending = threading.Event()
    ending.set()
    with ThreadPoolExecutor(1) as threads:
        assert work.courier.step(threads, ending) == (3, 0)
    assert outbox.entries() == before
    assert receiver.received == []


def test_a_receiver_that_hangs_costs_its_own_time_only(
    store: SqlStore, outbox: Outbox, receiver: Receiver, tmp_path: Path
) -> None:
    """Two couriers on one outbox: the one whose receiver hangs keeps the other from nothing."""
    outbox.subscribe({"crm": ("ticket.classified",), "slow": ("ticket.classified",)})
    store.add_predictions([make_prediction(number) for number in range(1, 20)])
    ending = threading.Event()
    with receiving() as hanging:
        hanging.answers += [hang()] * 100
        couriers = [
            Courier(name, make_endpoint(one.url, tmp_path), outbox,
                    WebhookMetrics(CollectorRegistry()), Terms(seconds=0.5))
            for name, one in (("crm", receiver), ("slow", hanging))
        ]  # fmt: skip
        threads = [threading.Thread(target=one.run, args=(ending,)) for one in couriers]
        for thread in threads:
            thread.start()
        from tests.serving.webhook_fakes import wait_until

        wait_until(lambda: len(receiver.received) == 19)
        wait_until(lambda: len(hanging.received) >= 4)
        ending.set()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
    assert len(set(receiver.ids)) == 19
    assert {one.endpoint for one in outbox.entries(limit=1000)} == {"slow"}
    assert len(outbox.entries(limit=1000)) == 19, "nothing that was not taken is lost"


def test_a_batch_is_small_and_what_is_left_follows(store: SqlStore, work: Work) -> None:
    store.add_predictions([make_prediction(number) for number in range(1, 2 * BATCH)])
    assert work.step() == (BATCH, BATCH)
    assert work.step() == (BATCH - 1, BATCH - 1)


def test_the_log_tells_when_it_begins_to_fail_and_when_it_ends_and_what_is_given_up(
    store: SqlStore, outbox: Outbox, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    store.add_predictions([make_prediction(1)])
    attempts = iter([418, 418, 418])
    work.courier.post = lambda *_: Attempt("refused", next(attempts))
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            work.step(3600)
        work.courier.post = lambda *_: Attempt("delivered", 204)
        store.add_predictions([make_prediction(2)])
        work.step()
    lines = [one.getMessage() for one in caplog.records if one.name.startswith("serving")]
    assert lines == [
        "events for crm are not taken and wait: refused 418",
        f"ticket.classified msg_{1:032x}_classified for crm is given up after 3 attempts: "
        "refused 418",
        "events for crm are taken again",
    ]


def test_waits_grow_and_differ_and_end_at_a_day() -> None:
    draw = random.Random(1)
    for attempt, about in enumerate([5, 15, 45, 135, 405, 1215, 3645], 1):
        waits = {wait_after(attempt, 5, draw).total_seconds() for _ in range(100)}
        assert len(waits) == 100
        assert 0.75 * about <= min(waits) < max(waits) <= 1.25 * about
    assert wait_after(10_000, 5, draw) <= LONGEST
