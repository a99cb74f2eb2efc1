"""Who delivers: one process at a time, and the next one when that was killed."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import update

from data.errors import StoreError
from data.outbox import Outbox, open_outbox
from data.sql import SqlStore, open_sql_store
from data.sql_tables import outbox
from serving.webhook_courier import AT_ONCE, Terms
from serving.webhook_delivery import Delivery
from serving.webhook_endpoints import Endpoints
from serving.webhook_metrics import WebhookMetrics
from tests.conftest import ROOT
from tests.serving.webhook_fakes import Receiver, hang, make_endpoint, receiving, wait_until
from tests.stores import LABELS, make_prediction

QUICK = Terms(attempts=50, first_seconds=0.1, seconds=0.5, poll_seconds=0.05)

PROCESS = """
import sys, time
from functools import partial
from pathlib import Path
from prometheus_client import CollectorRegistry
from data.outbox import open_outbox
from serving.webhook_courier import Terms
from serving.webhook_delivery import Delivery
from serving.webhook_endpoints import Endpoints
from serving.webhook_metrics import WebhookMetrics
url, endpoints = sys.argv[1:]
delivery = Delivery(
    Endpoints.model_validate_json(endpoints), partial(open_outbox, url),
    WebhookMetrics(CollectorRegistry()),
    Terms(attempts=50, first_seconds=0.1, seconds=60.0, poll_seconds=0.05), look_seconds=0.1,
)
delivery.follow()
while not delivery.leads:
    time.sleep(0.01)
print("leads", flush=True)
time.sleep(120)
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def endpoints(receiver: Receiver, tmp_path: Path) -> Endpoints:
    return Endpoints(endpoints={"crm": make_endpoint(receiver.url, tmp_path)})


@pytest.fixture
def store(url: str, endpoints: Endpoints) -> Iterator[SqlStore]:
    opened = open_sql_store(url)
    opened.know_bundle("bundle-1", LABELS)
    Outbox(opened.engine).subscribe(endpoints.wanted)
    yield opened
    opened.close()


def make_delivery(endpoints: Endpoints, url: str, **facts: Any) -> Delivery:
    registry = facts.pop("registry", CollectorRegistry())
    open_it = facts.pop("open_outbox", lambda: open_outbox(url))
    terms = facts.pop("terms", QUICK)
    return Delivery(endpoints, open_it, WebhookMetrics(registry), terms, look_seconds=0.1, **facts)


def test_one_of_several_delivers_everything_once(
    store: SqlStore, endpoints: Endpoints, url: str, receiver: Receiver
) -> None:
    deliveries = [make_delivery(endpoints, url) for _ in range(3)]
    for delivery in deliveries:
        delivery.follow()
    store.add_predictions([make_prediction(number) for number in range(1, 41)])
    wait_until(lambda: len(receiver.received) >= 40)
    wait_until(lambda: deliveries[0].depths()["crm"].waiting == 0)
    assert sum(delivery.leads for delivery in deliveries) == 1
    assert len(receiver.ids) == len(set(receiver.ids)) == 40
    leader = next(delivery for delivery in deliveries if delivery.leads)
    leader.close()
    rest = [delivery for delivery in deliveries if delivery is not leader]
    wait_until(lambda: sum(delivery.leads for delivery in rest) == 1)
    store.add_predictions([make_prediction(41)])
    wait_until(lambda: len(receiver.received) == 41)
    for delivery in rest:
        delivery.close()


def test_a_killed_process_loses_nothing_and_what_it_was_sending_is_sent_again(
    store: SqlStore, endpoints: Endpoints, url: str, receiver: Receiver
) -> None:
    """Killed in the middle: events that were under way arrive again, under the id they had."""
    receiver.answers += [hang(90)] * AT_ONCE
    command = [sys.executable, "-c", PROCESS, url, endpoints.model_dump_json()]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "leads\n"
        store.add_predictions([make_prediction(number) for number in range(1, 21)])
        # As many as are sent at once: nothing can be on its way that was not heard.
        wait_until(lambda: len(receiver.received) == AT_ONCE)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    begun = set(receiver.ids)
    with store.engine.begin() as connection:  # the time passes after which it is taken for lost
        connection.execute(update(outbox).values(next_at=0))
    # On a busy machine half a second may be too short to be heard, and what was is sent again.
    delivery = make_delivery(endpoints, url, terms=replace(QUICK, seconds=20.0))
    delivery.follow()
    wait_until(lambda: len(set(receiver.ids)) == 20, 60)
    wait_until(lambda: delivery.depths()["crm"].waiting == 0, 60)
    delivery.close()
    twice = {one for one in receiver.ids if receiver.ids.count(one) > 1}
    assert twice == begun, "what it had begun arrives again, the rest once"
    assert all(one.is_signed() for one in receiver.received)


def test_a_store_that_is_down_is_asked_again(
    store: SqlStore, endpoints: Endpoints, url: str, receiver: Receiver
) -> None:
    down = threading.Event()
    asked = threading.Event()

    def opened() -> Outbox:
        asked.set()
        if not down.is_set():
            raise StoreError("the store is down")
        return open_outbox(url)

    store.add_predictions([make_prediction(1)])
    delivery = make_delivery(endpoints, url, open_outbox=opened)
    delivery.follow()
    assert asked.wait(10)
    with pytest.raises(StoreError):
        delivery.depths()
    down.set()
    wait_until(lambda: len(receiver.received) == 1)
    delivery.close()


def test_how_much_waits_is_shown(
    store: SqlStore, endpoints: Endpoints, url: str, receiver: Receiver
) -> None:
    receiver.answers += [hang(60)] * 100
    registry = CollectorRegistry()
    delivery = make_delivery(endpoints, url, registry=registry)
    delivery.follow()
    labels = {"endpoint": "crm"}
    assert registry.get_sample_value("tickets_webhook_given_up_total", labels) == 0
    store.add_predictions([make_prediction(number) for number in range(1, 4)])
    wait_until(lambda: registry.get_sample_value("tickets_webhook_waiting", labels) == 3)
    assert (registry.get_sample_value("tickets_webhook_oldest_seconds", labels) or 0) > 0
    delivery.close()


def test_nothing_begins_where_nobody_is_to_be_told(url: str) -> None:
    def never() -> Outbox:
        raise AssertionError("nobody is told of anything")

    delivery = make_delivery(Endpoints(), url, open_outbox=never)
    delivery.follow()
    assert threading.active_count() == len(threading.enumerate())
    assert delivery._thread is None
    delivery.close()
