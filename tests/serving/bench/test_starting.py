from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from serving.bench import starting
from serving.bench.bulk import score_file, some_of
from serving.bench.processes import BenchError
from serving.bench.starting import start_cold, started
from serving.bench.systems.catalogue import IN_PROCESS, OURS, SYSTEMS
from serving.bench.workplace import Workplace


def test_every_cold_start_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    begun: list[tuple[str, int]] = []

    @contextmanager
    def fake(_: Workplace, system: starting.System, workers: int) -> Iterator[SimpleNamespace]:
        begun.append((system.name, workers))
        yield SimpleNamespace(ready_seconds=3.0 + len(begun) / 10)

    monkeypatch.setattr(starting, "started", fake)
    found = start_cold(Workplace(tmp_path, "sample-0a1b2c3d"), 2, 3)
    assert found.seconds == (3.1, 3.2, 3.3)
    assert begun == [(OURS, 2)] * 3


def test_what_is_no_server_cannot_be_started(tmp_path: Path) -> None:
    workplace = Workplace(tmp_path, "sample-0a1b2c3d")
    with pytest.raises(ValueError, match="no server"), started(workplace, SYSTEMS[IN_PROCESS], 1):
        pass


def test_a_fresh_folder_holds_nothing_of_the_start_before(tmp_path: Path) -> None:
    workplace = Workplace(tmp_path, "sample-0a1b2c3d")
    (workplace.fresh("ours-1") / "store.db").write_text("old")
    assert list(workplace.fresh("ours-1").iterdir()) == []


def test_so_many_texts_are_drawn_once_each_and_in_their_order() -> None:
    texts = [f"{i:03}" for i in range(100)]
    few = some_of(texts, 10, seed=1)
    assert len(set(few)) == 10
    assert few == sorted(few)
    assert some_of(texts, 10, seed=1) == few
    assert some_of(texts, None, seed=1) == some_of(texts, 500, seed=1) == texts


def test_scoring_that_fails_is_told_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"scoring ended with 1; see .*log\.txt"):
        score_file(tmp_path / "no-bundle", ["a"], tmp_path)
