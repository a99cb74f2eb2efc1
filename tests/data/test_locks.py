"""Of one job two never run at once, in whatever processes."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data.errors import LockedError
from data.locks import exclusive, find_holder

HOLD = """
import sys
from pathlib import Path
from data.locks import exclusive
with exclusive("retrain", Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock `retrain` in this folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_two_processes_never_hold_one_lock_and_the_second_is_told_who_holds_it(
    other: subprocess.Popen[str], tmp_path: Path
) -> None:
    running = pytest.raises(LockedError, match="retrain is running already")
    with running as error, exclusive("retrain", tmp_path):
        raise AssertionError("both hold it")
    assert f"process {other.pid} on " in str(error.value)
    assert f"{datetime.now(UTC):%Y-%m-}" in str(error.value)


def test_a_lock_is_free_when_its_process_was_killed(
    other: subprocess.Popen[str], tmp_path: Path
) -> None:
    other.kill()
    other.wait()
    with exclusive("retrain", tmp_path, wait_seconds=5):
        holder = find_holder("retrain", tmp_path)
    assert holder is not None
    assert holder.pid != other.pid
    assert datetime.now(UTC) - holder.since < timedelta(minutes=1)


def test_who_waits_gets_the_lock_when_the_holder_is_done(
    other: subprocess.Popen[str], tmp_path: Path
) -> None:
    stdin, other.stdin = other.stdin, None
    assert stdin is not None
    stdin.close()
    with exclusive("retrain", tmp_path, wait_seconds=10):
        pass
    assert other.wait() == 0


def test_a_lock_cannot_be_taken_twice_by_one_process(tmp_path: Path) -> None:
    first, second = exclusive("monitor", tmp_path), exclusive("monitor", tmp_path)
    with first, pytest.raises(LockedError), second:
        raise AssertionError("taken twice")


def test_a_lock_is_given_back_when_the_block_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), exclusive("monitor", tmp_path / "made"):
        raise RuntimeError
    assert find_holder("monitor", tmp_path / "made") is None
    with exclusive("monitor", tmp_path / "made"):
        pass


def test_locks_of_different_names_do_not_exclude_each_other(tmp_path: Path) -> None:
    with exclusive("monitor", tmp_path), exclusive("retrain", tmp_path):
        pass


def test_a_holder_that_left_no_word_is_told_as_such(tmp_path: Path) -> None:
    with exclusive("monitor", tmp_path):
        (tmp_path / "monitor.holder.json").write_text("not json")
        unnamed = pytest.raises(LockedError, match="did not say which")
        with unnamed, exclusive("monitor", tmp_path):
            raise AssertionError("taken twice")


@pytest.mark.parametrize("name", ["", "../retrain", "Retrain", "a b", "x" * 65])
def test_a_name_that_is_no_plain_word_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="names no lock"), exclusive(name, tmp_path):
        raise AssertionError("held")
