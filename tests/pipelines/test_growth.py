"""What training costs as tickets become more: parts, the measurement, and its table."""

from pathlib import Path

import pytest

from data.errors import DataError
from data.prepared import Prepared
from data.split import SPLITS
from evaluation.growth import Grown, Growth, read_growth, render_growth
from pipelines import growth
from pipelines.growth import CHILD, measure_here, part_of
from tests.pipelines.test_train import make_prepared


@pytest.fixture
def prepared(sample) -> Prepared:
    return make_prepared(sample)


def test_a_part_has_so_many_tickets_of_all_splits(prepared: Prepared) -> None:
    part = part_of(prepared, 100, seed=3)
    assert len(part.rows(*SPLITS)) == 100
    assert all(len(part.rows(split)) for split in SPLITS)
    assert (part.frame.loc[part.frame["split"] == "unused", "fold"] == -1).all()
    assert len(prepared.rows(*SPLITS)) == 160, "the whole is as it was"
    assert (part_of(prepared, 100, seed=3).frame["split"] == part.frame["split"]).all()
    assert (part_of(prepared, 100, seed=4).frame["split"] != part.frame["split"]).any()


def test_more_than_there_are_is_refused(prepared: Prepared) -> None:
    with pytest.raises(DataError, match="161 tickets are asked for, 160 are prepared"):
        part_of(prepared, 161, seed=3)


def test_a_member_is_trained_and_measured(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth, "read_prepared", lambda folder: prepared)
    monkeypatch.setattr(growth, "read_lessons", lambda folder: None)
    found = measure_here("linear", 120)
    assert (found.member, found.tickets) == ("linear", 120)
    assert 0 < found.train < 120
    assert found.seconds > 0
    assert found.peak_mib > 10


def test_each_size_of_each_member_is_kept(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth, "read_prepared", lambda folder: prepared)
    monkeypatch.setattr(growth, "GROWTH", tmp_path / "growth.json")
    monkeypatch.setattr(growth, "SIZES", (80, 500))

    def trained(member: str, tickets: int) -> Grown:
        return Grown(member=member, tickets=tickets, train=50, seconds=tickets / 40, peak_mib=200)

    monkeypatch.setattr(growth, "measure_apart", trained)
    growth.main(["--members", "linear", "finetuned"])
    kept = read_growth(tmp_path / "growth.json")
    assert kept is not None
    assert [(p.member, p.tickets) for p in kept.points] == [
        ("linear", 80), ("finetuned", 80), ("linear", 160), ("finetuned", 160),
    ]  # fmt: skip
    assert "| 160 | 4, 25.0, 200 | 4, 25.0, 200 |" in render_growth(kept)
    with pytest.raises(SystemExit):
        growth.main(["161"])


def test_a_training_that_fails_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # nothing is prepared here
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    with pytest.raises(DataError, match="linear on 10 tickets was not trained"):
        growth.measure_apart("linear", 10)


def test_what_was_not_measured_stands_as_a_dash() -> None:
    points = (
        Grown(member="linear", tickets=5000, train=4000, seconds=5, peak_mib=300),
        Grown(member="embedding", tickets=10000, train=8000, seconds=20, peak_mib=900),
    )
    table = render_growth(Growth(dataset="d", cores=2, instructions="AVX2", points=points))
    assert "| 5 000 | 5, 1.0, 300 | – |" in table
    assert read_growth(Path("nowhere.json")) is None
    assert "pipelines.growth" in render_growth(None)
    assert CHILD.startswith("TICKETS_")
