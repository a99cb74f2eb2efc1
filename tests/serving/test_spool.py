import logging
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from data.errors import ConflictError, DataError, StoreError
from data.store import Feedback
from serving.spool import Spool
from serving.spool_files import decode, encode, split
from tests.serving.store_fakes import feedback_row

ROOT = Path(__file__).parents[2]


class Taker:
    """Takes what is handed over, as a store does that counts every key once."""

    def __init__(self) -> None:
        self.rows: list[Feedback] = []
        self.fails_after: int | None = None
        self.refuses: set[str] = set()

    def __call__(self, rows: Sequence[Feedback]) -> None:
        if self.fails_after is not None and len(self.rows) >= self.fails_after:
            raise StoreError("the store is down")
        if any(row.key in self.refuses for row in rows):
            raise DataError("not what it claims to be")
        known = {row.key for row in self.rows}
        self.rows += [row for row in rows if row.key not in known]

    @property
    def keys(self) -> list[str]:
        return [row.key for row in self.rows]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


@pytest.fixture
def taker() -> Taker:
    return Taker()


def rows(*numbers: int) -> list[Feedback]:
    return [feedback_row(number) for number in numbers]


def only_file(spool: Spool) -> Path:
    (file,) = spool.folder.glob("*.spool")
    return file


def test_an_unused_spool_makes_no_folder(spool: Spool, taker: Taker) -> None:
    assert spool.is_empty
    assert spool.replay(taker) == 0
    assert spool.erase({"any"}) == 0
    assert not spool.folder.exists()


def test_the_bytes_that_wait_are_told_until_they_are_handed_over(
    spool: Spool, taker: Taker
) -> None:
    assert spool.bytes_waiting == 0
    spool.append(rows(1, 2))
    assert spool.bytes_waiting == only_file(spool).stat().st_size > 0
    spool.replay(taker)
    assert spool.bytes_waiting == 0


def test_what_was_spooled_is_handed_over_in_order_and_gone(spool: Spool, taker: Taker) -> None:
    spool.append(rows(3, 1))
    spool.append(rows(2))
    assert not spool.is_empty
    assert spool.count() == {"waiting": 3, "refused": 0, "torn": 0}
    assert spool.replay(taker) == 3
    assert taker.rows == rows(3, 1, 2)
    assert spool.is_empty
    assert spool.replay(taker) == 0


def test_full_files_are_followed_by_others_and_the_order_stays(
    tmp_path: Path, taker: Taker
) -> None:
    spool = Spool(tmp_path, file_bytes=500, batch=2)
    for number in range(12):
        spool.append(rows(number))
    assert len(list(tmp_path.glob("*.spool"))) > 3
    spool.replay(taker)
    assert taker.rows == rows(*range(12))


def test_nothing_is_lost_when_the_store_goes_away_in_the_middle(
    tmp_path: Path, taker: Taker
) -> None:
    spool = Spool(tmp_path, batch=2)
    spool.append(rows(*range(6)))
    taker.fails_after = 4
    with pytest.raises(StoreError):
        spool.replay(taker)
    assert taker.rows == rows(0, 1, 2, 3)
    assert not spool.is_empty
    taker.fails_after = None
    spool.append(rows(6))
    Spool(tmp_path).replay(taker)
    assert taker.rows == rows(*range(7))


def test_what_comes_while_others_are_handed_over_follows_them(spool: Spool, taker: Taker) -> None:
    spool.append(rows(1))

    def send(given: Sequence[Feedback]) -> None:
        taker(given)
        if taker.keys == ["key-1"]:
            spool.append(rows(2))

    assert spool.replay(send) == 2
    assert taker.rows == rows(1, 2)


def test_only_one_worker_hands_over_at_a_time(spool: Spool, taker: Taker) -> None:
    spool.append(rows(1))
    others: list[int] = []

    def send(given: Sequence[Feedback]) -> None:
        others.append(Spool(spool.folder).replay(taker))
        taker(given)

    assert spool.replay(send) == 1
    assert others == [0]
    assert taker.rows == rows(1)


def test_what_the_store_refuses_is_set_aside_and_the_rest_goes_on(
    spool: Spool, taker: Taker, caplog: pytest.LogCaptureFixture
) -> None:
    taker.refuses = {"key-2"}
    spool.append(rows(1, 2, 3))
    with caplog.at_level(logging.WARNING):
        spool.replay(taker)
    assert taker.rows == rows(1, 3)
    assert spool.is_empty
    assert spool.count() == {"waiting": 0, "refused": 1, "torn": 0}
    assert "refused 1 of 3" in caplog.text
    assert "key-2" not in caplog.text


def test_a_repeated_record_waits_once(spool: Spool, taker: Taker) -> None:
    spool.append(rows(1))
    spool.append([*rows(1), *rows(2, 2)])
    assert spool.count()["waiting"] == 2
    spool.replay(taker)
    assert taker.rows == rows(1, 2)


def test_a_key_waiting_with_other_content_is_a_conflict_and_nothing_is_kept(spool: Spool) -> None:
    spool.append(rows(1))
    other = feedback_row(2, key="key-1")
    with pytest.raises(ConflictError):
        spool.append([*rows(3), other])
    with pytest.raises(ConflictError):
        Spool(spool.folder).append([other])
    with pytest.raises(ConflictError):
        spool.append([feedback_row(4), feedback_row(5, key="key-4")])
    assert spool.count()["waiting"] == 1


def test_a_later_repetition_of_the_same_words_is_no_conflict(spool: Spool) -> None:
    spool.append([feedback_row(1)])
    spool.append([feedback_row(1, at="2027-01-01T00:00:00Z")])
    assert spool.count()["waiting"] == 1


def test_a_key_is_free_again_after_it_was_handed_over(spool: Spool, taker: Taker) -> None:
    spool.append(rows(1))
    spool.replay(taker)
    spool.append([feedback_row(2, key="key-1")])
    assert spool.count()["waiting"] == 1


def test_a_full_spool_takes_nothing_more_and_keeps_what_it_has(
    tmp_path: Path, taker: Taker
) -> None:
    size = len(encode(feedback_row(1)))
    spool = Spool(tmp_path, max_bytes=2 * size)
    spool.append(rows(1, 2))
    with pytest.raises(StoreError, match=f"may hold {2 * size} bytes"):
        spool.append(rows(3))
    spool.replay(taker)
    assert taker.rows == rows(1, 2)
    spool.append(rows(3))


@contextmanager
def no_file_longer_than(n: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_the_disk_cuts_short_leaves_no_trace(spool: Spool, taker: Taker) -> None:
    spool.append(rows(1))
    before = only_file(spool).read_bytes()
    with no_file_longer_than(len(before) + 20), pytest.raises(StoreError, match="cannot be writ"):
        spool.append(rows(2))
    assert only_file(spool).read_bytes() == before
    spool.append(rows(3))
    spool.replay(taker)
    assert taker.rows == rows(1, 3)
    assert spool.count()["torn"] == 0


def test_a_folder_that_cannot_be_made_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    spool = Spool(tmp_path / "file" / "spool")
    assert spool.is_empty
    with pytest.raises(StoreError, match="Not a directory"):
        spool.append(rows(1))


def test_erasure_takes_every_trace_of_a_prediction(spool: Spool, taker: Taker) -> None:
    taker.refuses = {"key-1", "key-2"}
    spool.append(rows(1, 2))
    only_file(spool).open("ab").write(b"half a line that may speak of 1")
    spool.replay(taker)
    assert spool.count() == {"waiting": 0, "refused": 2, "torn": 1}
    spool.append([feedback_row(1, key="again"), feedback_row(3)])
    assert spool.erase({feedback_row(1).prediction_id}) == 2
    assert spool.count() == {"waiting": 1, "refused": 1, "torn": 0}
    left = b"".join(file.read_bytes() for file in spool.folder.iterdir())
    assert feedback_row(1).prediction_id.encode() not in left
    spool.append(rows(4))
    taker.refuses = set()
    spool.replay(taker)
    assert taker.rows == rows(3, 4)


def test_a_key_that_was_erased_is_free_again_for_every_worker(spool: Spool) -> None:
    other = Spool(spool.folder)
    spool.append(rows(1, 2))
    other.append(rows(3))
    spool.erase({feedback_row(1).prediction_id})
    for worker in (other, spool):
        worker.append([feedback_row(9, key="key-1")])
    with pytest.raises(ConflictError):
        other.append([feedback_row(9, key="key-3")])


def test_a_torn_line_is_set_aside_counted_and_told_by_number_only(
    spool: Spool, taker: Taker, caplog: pytest.LogCaptureFixture
) -> None:
    spool.append(rows(1, 2))
    file = only_file(spool)
    file.write_bytes(file.read_bytes()[:-9])
    spool.append(rows(3))
    with caplog.at_level(logging.WARNING):
        spool.replay(taker)
    assert taker.rows == rows(1, 3)
    assert spool.count()["torn"] == 1
    assert "set aside 1 torn line" in caplog.text
    assert "key" not in caplog.text


@hypothesis_settings(max_examples=60)
@given(n=st.integers(0, 4), tail=st.binary(max_size=200), more=st.integers(0, 2))
def test_whatever_a_file_ends_with_every_whole_record_is_handed_over_once_and_in_order(
    n: int, tail: bytes, more: int
) -> None:
    taker = Taker()
    with TemporaryDirectory() as folder:
        spool = Spool(Path(folder))
        spool.append(rows(0, *range(1, n + 1)))
        with only_file(spool).open("ab") as file:
            file.write(tail)
        for number in range(n + 1, n + 1 + more):
            Spool(Path(folder)).append(rows(number))
        Spool(Path(folder), batch=2).replay(taker)
    assert taker.rows == rows(*range(n + 1 + more))


@hypothesis_settings(max_examples=60)
@given(data=st.data())
def test_wherever_a_file_is_cut_every_record_before_the_cut_is_read(data: st.DataObject) -> None:
    lines = [encode(feedback_row(number, author="Zoë\n")) for number in range(3)]
    content = b"".join(lines)
    cut = data.draw(st.integers(0, len(content)))
    whole = [row for row in range(3) if len(b"".join(lines[: row + 1])) - 1 <= cut]
    found = split(content[:cut])
    assert [row.key for row in found.rows] == [f"key-{row}" for row in whole]
    assert len(found.torn) <= 1


@hypothesis_settings(max_examples=100)
@given(place=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_line_with_one_altered_byte_is_not_whole(place: int, flip: int) -> None:
    line = bytearray(encode(feedback_row(1))[:-1])
    line[place % len(line)] ^= flip
    assert decode(bytes(line)) is None


APPENDS = """
import sys
from pathlib import Path
from serving.spool import Spool
from tests.serving.store_fakes import feedback_row
spool = Spool(Path(sys.argv[1]), file_bytes=4_000)
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    spool.append([feedback_row(number)])
    print(number, flush=True)
"""


def start(folder: Path, first: int, stop: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", APPENDS, str(folder), str(first), str(stop)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_several_processes_write_while_another_hands_over_and_nothing_is_lost(
    tmp_path: Path, taker: Taker
) -> None:
    workers = [start(tmp_path, first, first + 40) for first in (0, 100, 200)]
    while any(worker.poll() is None for worker in workers):
        Spool(tmp_path).replay(taker)
    Spool(tmp_path).replay(taker)
    for worker in workers:
        worker.communicate()
        assert worker.returncode == 0
    for first in (0, 100, 200):
        mine = [row for row in taker.rows if first <= int(row.key[4:]) < first + 100]
        assert mine == rows(*range(first, first + 40))
    assert len(taker.rows) == 120


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, taker: Taker) -> None:
    worker = start(tmp_path, 0, 100_000)
    assert worker.stdout is not None
    acknowledged = [int(worker.stdout.readline()) for _ in range(25)]
    worker.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in worker.communicate()[0].splitlines()]
    Spool(tmp_path).replay(taker)
    handed = [int(key[4:]) for key in taker.keys]
    assert handed[: len(acknowledged)] == acknowledged
    assert len(handed) <= len(acknowledged) + 1


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_erasure_waits_for_what_is_being_handed_over(spool: Spool, taker: Taker) -> None:
    spool.append(rows(1))
    order: list[str] = []

    def erase() -> None:
        spool.erase({feedback_row(1).prediction_id})
        order.append("erased")

    erasing: list[threading.Thread] = []

    def send(given: Sequence[Feedback]) -> None:
        erasing.append(in_thread(erase))
        taker(given)
        order.append("handed over")

    spool.replay(send)
    erasing[0].join(10)
    assert order == ["handed over", "erased"]
