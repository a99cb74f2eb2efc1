"""Batches are written once, read whole or refused, and changed by erasures alone."""

from pathlib import Path

import pytest

from data.errors import DataError
from data.feedback_files import MANIFEST, FeedbackFiles
from data.feedback_rows import Scope
from tests.feedback import make_row, write_batches
from tests.stores import NOON


def test_a_folder_that_is_not_there_has_no_batches(tmp_path: Path) -> None:
    files = FeedbackFiles(tmp_path / "none")
    assert files.batches == {}
    assert files.settle() == []
    assert files.erase(lambda row: True, "x", NOON) == 0
    with pytest.raises(DataError, match="the newest are: none"):
        files.batch("x")


def test_a_batch_is_named_by_its_moment_and_read_again(tmp_path: Path) -> None:
    rows = [make_row(1), make_row(2, text="Zeile\nzwei \u2028 drei")]
    first, second = write_batches(tmp_path, rows, [make_row(3)])
    assert first == "2026-11-25T120000Z-1"
    assert second == "2026-11-25T120000Z-2"
    files = FeedbackFiles(tmp_path)
    assert files.read(files.batch(first)) == rows
    assert files.read(files.batch(first), "proposals") == []
    assert files.batch(first).collected.counts == {"rows": 2}


def test_nobody_may_write_a_batch_and_whoever_does_is_found_out(tmp_path: Path) -> None:
    (name,) = write_batches(tmp_path, [make_row(1)])
    path = tmp_path / f"{name}.rows.jsonl"
    assert path.stat().st_mode & 0o222 == 0
    path.chmod(0o644)
    path.write_text(path.read_text().replace('"label":"network"', '"label":"printer"'))
    files = FeedbackFiles(tmp_path)
    with pytest.raises(DataError, match="was altered"):
        files.read(files.batch(name))
    path.unlink()
    with pytest.raises(DataError, match="FileNotFoundError"):
        files.read(files.batch(name))


def test_a_row_of_another_version_is_refused_without_its_text(tmp_path: Path) -> None:
    import hashlib

    (name,) = write_batches(tmp_path, [make_row(1)])
    path = tmp_path / f"{name}.rows.jsonl"
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    path.chmod(0o644)
    path.write_text(path.read_text().replace('"origin"', '"source"'))
    manifest = tmp_path / MANIFEST
    after = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest.write_text(manifest.read_text().replace(before, after))
    files = FeedbackFiles(tmp_path)
    with pytest.raises(DataError, match=r"rows\.jsonl: ") as caught:
        files.read(files.batch(name))
    assert "invented" not in str(caught.value)


def test_quarantine_holds_rows_until_they_are_released(tmp_path: Path) -> None:
    bob, anna = make_row(1, author="bob", label="printer"), make_row(2)
    (name,) = write_batches(tmp_path, [bob, anna])
    files = FeedbackFiles(tmp_path)
    number = files.quarantine(name, Scope(author="bob"), ["too many"], "trust", NOON)
    files.quarantine(name, Scope(target="category", label="printer"), ["odd"], "trust", NOON)
    batch = FeedbackFiles(tmp_path).batch(name)
    assert batch.held_by(bob) == number
    assert batch.held_by(anna) is None
    files.release(name, "bob was right", "carol", NOON)
    batch = FeedbackFiles(tmp_path).batch(name)
    assert batch.held_by(bob) is None
    with pytest.raises(DataError, match="nothing of it is in quarantine"):
        files.release(name, "again", "carol", NOON)
    assert FeedbackFiles(tmp_path).chain.links[-1].actor == "carol"


def test_a_revoked_batch_stays_revoked(tmp_path: Path) -> None:
    (name,) = write_batches(tmp_path, [make_row(1)])
    files = FeedbackFiles(tmp_path)
    files.revoke(name, "a test", "carol", NOON)
    assert FeedbackFiles(tmp_path).batch(name).revoked
    with pytest.raises(DataError, match="is revoked"):
        files.revoke(name, "again", "carol", NOON)
    with pytest.raises(DataError, match="is revoked"):
        files.quarantine(name, Scope(), ["x"], "carol", NOON)


@pytest.mark.parametrize(
    ("scope", "held"),
    [
        (Scope(), [1, 2, 3]),
        (Scope(author=""), [3]),
        (Scope(target="severity"), []),
        (Scope(predicted="network", label="printer"), [2]),
    ],
)
def test_a_scope_means_the_rows_it_names(scope: Scope, held: list[int]) -> None:
    rows = {1: make_row(1), 2: make_row(2, label="printer"), 3: make_row(3, author=None)}
    assert [number for number, row in rows.items() if scope.holds(row)] == held


def test_a_scope_is_told_in_words() -> None:
    assert str(Scope()) == "all rows"
    assert str(Scope(author="")) == "all without an author"
    told = Scope(author="bob", target="category", predicted="a", label="b")
    assert str(told) == "author bob, category: a to b"
    assert str(Scope(target="category")) == "category"


def test_an_erasure_leaves_no_word_and_is_told(tmp_path: Path) -> None:
    rows = [make_row(1, text="my secret story"), make_row(2)]
    first, second = write_batches(tmp_path, rows, [make_row(3)])
    files = FeedbackFiles(tmp_path)
    before = (tmp_path / f"{second}.rows.jsonl").stat().st_mtime_ns
    assert files.erase(lambda row: row.ticket.id == "t-1", "carol", NOON) == 1
    assert not any("secret" in path.read_text() for path in tmp_path.rglob("*"))
    files = FeedbackFiles(tmp_path)
    assert [row.ticket.id for row in files.read(files.batch(first))] == ["t-2"]
    assert files.batch(first).erased == 1
    assert (tmp_path / f"{first}.rows.jsonl").stat().st_mode & 0o222 == 0
    assert (tmp_path / f"{second}.rows.jsonl").stat().st_mtime_ns == before
    assert files.chain.links[-1].counts == {"rows": 1}


@pytest.mark.parametrize("moment", ["before the chain", "after the chain"])
def test_an_interrupted_erasure_is_brought_to_an_end(
    tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (name,) = write_batches(tmp_path, [make_row(1, text="my secret story"), make_row(2)])
    files = FeedbackFiles(tmp_path)

    def crash(*args: object, **facts: object) -> None:
        raise KeyboardInterrupt

    stop = "_append" if moment == "before the chain" else "settle"
    with monkeypatch.context() as patch:
        patch.setattr(files, stop, crash)
        with pytest.raises(KeyboardInterrupt):
            files.erase(lambda row: row.ticket.id == "t-1", "carol", NOON)
    files = FeedbackFiles(tmp_path)
    files.settle()
    left = files.erase(lambda row: row.ticket.id == "t-1", "carol", NOON)
    assert left == (1 if moment == "before the chain" else 0)
    assert not any("secret" in path.read_text() for path in tmp_path.rglob("*"))
    assert [row.ticket.id for row in files.read(files.batch(name))] == ["t-2"]


def test_what_a_collect_left_unsealed_is_removed_and_nothing_else(tmp_path: Path) -> None:
    write_batches(tmp_path, [make_row(1)])
    (tmp_path / "2026-11-25T120000Z-2.rows.jsonl").write_text("left")
    (tmp_path / "notes.jsonl").write_text("a person's")
    assert FeedbackFiles(tmp_path).settle() == ["2026-11-25T120000Z-2.rows.jsonl"]
    assert (tmp_path / "notes.jsonl").exists()
    assert len(list(tmp_path.glob("2026*"))) == 1


def test_a_chain_that_speaks_of_an_unknown_batch_is_refused(tmp_path: Path) -> None:
    write_batches(tmp_path, [make_row(1)])
    path = tmp_path / MANIFEST
    path.write_text(path.read_text().replace('"collected"', '"released"'))
    with pytest.raises(DataError, match="unknown batch"):
        _ = FeedbackFiles(tmp_path).batches
