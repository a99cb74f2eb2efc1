"""What DVC says is followed stage by stage."""

import sys
from itertools import count

import pytest

from data.errors import DataError
from pipelines.reproduction import StageDone, follow, render_stages, reproduce

LINES = [
    "Running stage 'fetch':",
    "> python -m pipelines.fetch",
    "Stage 'readers' didn't change, skipping",
    "Stage 'prepare' is cached - skipping run, checking out outputs",
    "Running stage 'train@linear':",
    "Use `dvc push` to send your updates to remote storage.",
]


def test_each_stage_is_noted_with_what_became_of_it_and_its_time() -> None:
    done: list[StageDone] = []
    ticks = count(0, 2.5)
    follow(LINES, done, lambda: next(ticks))
    assert [(one.stage, one.state) for one in done] == [
        ("fetch", "ran"),
        ("readers", "reused"),
        ("prepare", "restored"),
        ("train@linear", "ran"),
    ]
    assert done[0].seconds > 0
    told = render_stages(done)
    assert "2 of 4 stages were not run again" in told
    assert "train@linear" in told


def test_a_stage_that_ended_in_an_error_is_noted_as_failed() -> None:
    def lines():
        yield from LINES[:2]
        raise DataError("no room")

    done: list[StageDone] = []
    with pytest.raises(DataError, match="no room"):
        follow(lines(), done)
    assert [(one.stage, one.state) for one in done] == [("fetch", "failed")]


def test_the_lines_of_a_command_are_shown_and_its_error_is_told() -> None:
    shown: list[str] = []
    code = "print('one'); print('two'); raise SystemExit(3)"
    lines = reproduce(shown.append, (sys.executable, "-c", code))
    with pytest.raises(DataError, match=r"ended with 3: .* start again"):
        list(lines)
    assert shown == ["one\n", "two\n"]
    assert list(reproduce(shown.append, (sys.executable, "-c", "print(1)"))) == ["1"]
