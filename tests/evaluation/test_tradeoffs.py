"""What ways to answer are worth and take: choices of members, the Pareto front, the figure."""

from pathlib import Path

import pytest

from data.errors import DataError
from evaluation.tradeoff_plot import tradeoff_figure
from evaluation.tradeoffs import Design, mark_best, read_designs, subsets, write_designs


def make(accuracy: float, milliseconds: float, target: str = "category", **more) -> Design:
    return Design(
        target=target,
        members=("linear",),
        runtime="torch",
        accuracy=accuracy,
        certified_automation=0.5,
        automatic_accuracy=0.96,
        milliseconds=milliseconds,
        shipped=False,
        **more,
    )


def test_every_choice_of_members_is_there_once() -> None:
    found = subsets(["a", "b", "c"])
    assert found[0] == ("a",)
    assert found[-1] == ("a", "b", "c")
    assert len(found) == len(set(found)) == 7


def test_a_design_is_best_where_none_is_as_accurate_in_less_time() -> None:
    quick, good, slow, equal = make(0.8, 1.0), make(0.9, 5.0), make(0.85, 6.0), make(0.9, 5.0)
    found = mark_best([quick, good, slow, equal])
    assert [design.best for design in found] == [True, True, False, True]


def test_targets_do_not_compete() -> None:
    found = mark_best([make(0.8, 5.0), make(0.9, 1.0, target="severity")])
    assert all(design.best for design in found)


def test_designs_come_back_as_written_and_a_foreign_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tradeoffs.json"
    assert read_designs(path) == []
    designs = mark_best([make(0.8, 1.0), make(0.9, 5.0)])
    write_designs(designs, path)
    assert read_designs(path) == designs
    path.write_text('[{"accuracy": 2}]')
    with pytest.raises(DataError, match="run the stage tradeoffs"):
        read_designs(path)


def test_the_figure_fills_what_is_shipped_and_steps_along_the_front() -> None:
    shipped = make(0.9, 5.0).model_copy(update={"shipped": True})
    figure = tradeoff_figure(mark_best([make(0.8, 1.0), shipped, make(0.7, 9.0)]))
    top, bottom = figure.axes
    front = top.lines[0]
    assert list(front.get_xdata()) == [1.0, 5.0]
    filled = [line.get_markerfacecolor() != "none" for line in top.lines[1:]]
    assert filled == [False, True, False]
    assert bottom.get_xscale() == "log"
