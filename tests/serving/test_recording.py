import logging
import threading
from collections.abc import Callable, Iterator

import pytest

from data.schema import Ticket
from data.store import Erasure
from serving.costs import Costs
from serving.recording import Behind, PredictionWriter
from tests.serving.store_fakes import LABELS, FakeStore, prediction_row, told

VERSION = "invented-0a1b2c3d"
FOREVER = 3_600.0

MakeWriter = Callable[..., PredictionWriter]


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def make_writer(store: FakeStore) -> Iterator[MakeWriter]:
    made: list[PredictionWriter] = []

    def make(**options: object) -> PredictionWriter:
        usual = {"lag_seconds": 0.0, "retry_seconds": 0.01}
        writer = PredictionWriter(store, **{**usual, **options})  # type: ignore[arg-type]
        writer.know(VERSION, LABELS)
        made.append(writer)
        return writer

    yield make
    store.gate.set()
    for writer in made:
        writer.close()


def test_without_lag_a_prediction_is_written_when_its_future_is_done(
    store: FakeStore, make_writer: MakeWriter
) -> None:
    make_writer().put([told(1)]).result(10)
    assert store.predictions == {told(1).id: prediction_row(1)}


def test_customer_and_cost_are_kept_with_the_prediction(
    store: FakeStore, make_writer: MakeWriter
) -> None:
    costs = Costs({"category": {"printer": {"network": 10.0}}})
    make_writer(costs=costs).put([told(1, customer="C-7")]).result(10)
    row = store.predictions[told(1).id]
    assert row.customer == "C-7"
    # Told: network at 0.6; printer at 0.3 costs 10; the 0.1 left is workplace, which costs 1.
    assert row.cost == {"category": pytest.approx(0.3 * 10 + 0.1 * 1)}


def test_it_is_kept_who_named_the_arm_and_beside_what_a_shadow_answered(
    store: FakeStore, make_writer: MakeWriter
) -> None:
    shadow = told(2, arm="shadow", beside=told(1).id)
    make_writer().put([told(1, explicit=True), shadow]).result(10)
    kept = [store.predictions[one.id] for one in (told(1), shadow)]
    assert [(row.explicit, row.beside) for row in kept] == [(True, None), (False, told(1).id)]


def test_personal_data_does_not_reach_the_store(store: FakeStore, make_writer: MakeWriter) -> None:
    ticket = Ticket(id="T-1", subject="mail of a@example.org", text="my password: hunter2!")
    make_writer().put([told(1, ticket=ticket)]).result(10)
    kept = store.predictions[told(1).id].ticket
    assert kept.subject == "mail of [email]"
    assert kept.text == "my password: [secret]"


def test_a_bundle_is_known_to_the_store_before_its_first_prediction_and_told_once(
    store: FakeStore, make_writer: MakeWriter
) -> None:
    writer = make_writer()
    writer.put([told(1)]).result(10)
    writer.put([told(2)]).result(10)
    assert store.introduced == [VERSION]
    assert store.bundles == {VERSION: LABELS}


def test_rows_gather_until_the_lag_has_passed(store: FakeStore, make_writer: MakeWriter) -> None:
    writer = make_writer(lag_seconds=FOREVER)
    waiting = [writer.put([told(number)]) for number in range(5)]
    assert writer.behind.rows == 5
    assert not any(future.done() for future in waiting)
    writer.close()
    assert store.batches == [5]
    assert all(future.done() for future in waiting)
    assert writer.behind == Behind(rows=0, seconds=0.0, written=5, dropped=0)


def test_a_full_batch_does_not_wait_for_the_lag(store: FakeStore, make_writer: MakeWriter) -> None:
    writer = make_writer(lag_seconds=FOREVER, batch=3)
    writer.put([told(number) for number in range(3)]).result(10)
    assert store.batches == [3]


def test_the_lag_is_what_a_row_waits_at_most_while_the_store_takes_it(
    store: FakeStore, make_writer: MakeWriter
) -> None:
    make_writer(lag_seconds=0.05).put([told(1)]).result(10)
    assert store.batches == [1]


def test_a_slow_store_does_not_hold_up_who_answers(
    store: FakeStore, make_writer: MakeWriter
) -> None:
    store.gate.clear()
    writer = make_writer()
    futures = [writer.put([told(number)]) for number in range(3)]
    assert store.asked.wait(10)
    assert not any(future.done() for future in futures)
    behind = writer.behind
    assert (behind.rows, behind.dropped) == (3, 0)
    assert behind.seconds > 0
    store.gate.set()
    futures[-1].result(10)
    assert list(store.predictions) == [told(number).id for number in range(3)]


def test_what_waits_while_the_store_is_down_is_written_in_order_when_it_is_back(
    store: FakeStore, make_writer: MakeWriter, caplog: pytest.LogCaptureFixture
) -> None:
    failed = threading.Event()
    writer = make_writer(observe=lambda behind: failed.set() if store.asked.is_set() else None)
    store.down = True
    with caplog.at_level(logging.WARNING):
        last = [writer.put([told(number)]) for number in range(4)][-1]
        assert store.asked.wait(10)
        assert failed.wait(10)
        store.down = False
        last.result(10)
    assert list(store.predictions) == [told(number).id for number in range(4)]
    assert caplog.text.count("wait for the store") == 1
    assert "invented text" not in caplog.text


def test_what_does_not_fit_is_dropped_with_a_count_and_waits_for_nothing(
    store: FakeStore, make_writer: MakeWriter
) -> None:
    store.down = True
    writer = make_writer(max_waiting=3, lag_seconds=FOREVER)
    writer.put([told(1), told(2)])
    writer.put([told(3), told(4)])
    assert writer.put([told(5)]).done()
    assert writer.behind[2:] == (0, 2)
    assert writer.behind.rows == 3
    store.down = False
    writer.close()
    assert sorted(store.predictions) == [told(number).id for number in (1, 2, 3)]


def test_a_row_the_store_will_not_have_does_not_take_others_along(
    store: FakeStore, make_writer: MakeWriter, caplog: pytest.LogCaptureFixture
) -> None:
    store.refuses = {told(2).id}
    writer = make_writer(batch=3, lag_seconds=FOREVER)
    with caplog.at_level(logging.ERROR):
        writer.put([told(1), told(2), told(3)]).result(10)
    assert sorted(store.predictions) == [told(1).id, told(3).id]
    assert writer.behind[2:] == (2, 1)
    assert "a prediction cannot be stored: DataError" in caplog.text


def test_what_cannot_be_written_before_the_end_is_counted_and_logged(
    store: FakeStore, make_writer: MakeWriter, caplog: pytest.LogCaptureFixture
) -> None:
    store.down = True
    writer = make_writer(lag_seconds=FOREVER)
    future = writer.put([told(1), told(2)])
    with caplog.at_level(logging.ERROR):
        writer.close()
    assert future.done()
    assert writer.behind == Behind(rows=0, seconds=0.0, written=0, dropped=2)
    assert "2 predictions were not stored before the end" in caplog.text


def test_a_store_that_hangs_does_not_hold_up_the_end(
    store: FakeStore, make_writer: MakeWriter
) -> None:
    store.gate.clear()
    writer = make_writer()
    writer.put([told(1)])
    assert store.asked.wait(10)
    writer.close(seconds=0.01)
    assert writer.behind.dropped == 1


def test_nothing_is_taken_after_the_end(store: FakeStore, make_writer: MakeWriter) -> None:
    writer = make_writer()
    writer.close()
    assert writer.put([told(1)]).done()
    assert writer.behind.dropped == 1


@pytest.mark.parametrize("erasure", [Erasure(ticket_id="T-2"), Erasure(customer="C-2")])
def test_erasure_takes_what_waits_of_a_ticket_or_customer(
    store: FakeStore, make_writer: MakeWriter, erasure: Erasure
) -> None:
    writer = make_writer(lag_seconds=FOREVER)
    futures = [writer.put([told(number, customer=f"C-{number}")]) for number in (1, 2, 3)]
    assert writer.discard(erasure) == {told(2).id}
    assert [future.done() for future in futures] == [False, True, False]
    writer.close()
    assert sorted(store.predictions) == [told(1).id, told(3).id]


def test_a_row_being_written_while_it_is_erased_is_not_tried_again(
    store: FakeStore, make_writer: MakeWriter
) -> None:
    store.gate.clear()
    writer = make_writer()
    writer.put([told(1)])
    assert store.asked.wait(10)
    store.down = True
    assert writer.discard(Erasure(ticket_id="T-1")) == {told(1).id}
    store.gate.set()
    writer.close()
    assert not store.predictions
    assert writer.behind == Behind(rows=0, seconds=0.0, written=0, dropped=0)


def test_how_far_the_store_is_behind_is_told_when_asked_and_at_the_end(
    store: FakeStore, make_writer: MakeWriter
) -> None:
    seen: list[Behind] = []
    writer = make_writer(lag_seconds=FOREVER, observe=seen.append)
    writer.put([told(1)])
    writer.put([told(2)])
    assert not seen
    writer.tell()
    assert [behind.rows for behind in seen] == [2]
    writer.close()
    assert seen[-1] == Behind(rows=0, seconds=0.0, written=2, dropped=0)


def test_what_a_hanging_store_holds_up_is_told_older_each_time(
    store: FakeStore, make_writer: MakeWriter
) -> None:
    seen: list[Behind] = []
    store.gate.clear()
    writer = make_writer(observe=seen.append)
    writer.put([told(1)])
    assert store.asked.wait(10)
    writer.tell()
    writer.tell()
    assert [behind.rows for behind in seen] == [1, 1]
    assert 0 < seen[0].seconds < seen[1].seconds


def test_rows_that_come_while_the_first_one_waits_are_written_with_it(
    store: FakeStore, make_writer: MakeWriter
) -> None:
    writer = make_writer(lag_seconds=0.2)
    for future in [writer.put([told(number)]) for number in range(3)]:
        future.result(10)
    assert store.batches == [3]


def test_a_row_that_comes_after_all_were_erased_is_written_in_its_time(
    store: FakeStore, make_writer: MakeWriter
) -> None:
    writer = make_writer(lag_seconds=0.05)
    writer.put([told(1)])
    writer.discard(Erasure(ticket_id="T-1"))
    writer.put([told(2)]).result(10)
    assert list(store.predictions) == [told(2).id]


def test_every_row_is_written_whoever_put_it(store: FakeStore, make_writer: MakeWriter) -> None:
    writer = make_writer(lag_seconds=0.001, batch=4)

    def put(first: int) -> None:
        for number in range(first, first + 50):
            writer.put([told(number)])

    threads = [threading.Thread(target=put, args=(100 * row,)) for row in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.put([told(999)]).result(10)
    assert len(store.predictions) == 201
