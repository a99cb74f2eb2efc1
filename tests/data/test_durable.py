"""A crash leaves the old state or the new one."""

from pathlib import Path

import pytest

from data.durable import copy_file, fill_folder, write_text


def test_a_text_is_replaced_in_one_step_and_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "new" / "facts.json"
    write_text(path, "one")
    write_text(path, "two\n")
    assert path.read_bytes() == b"two\n"
    assert [p.name for p in path.parent.iterdir()] == ["facts.json"]


def test_a_failed_write_keeps_the_old_text(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["facts.json"]


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    with fill_folder(tmp_path / "a" / "folder") as partial:
        (partial / "inner").mkdir()
        (partial / "inner" / "file").write_text("x")
        assert not (tmp_path / "a" / "folder").exists()
    assert (tmp_path / "a" / "folder" / "inner" / "file").read_text() == "x"
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["folder"]


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old").write_text("old")
    rename = Path.rename

    def fail_on_the_new_one(self: Path, target: Path) -> Path:
        if self.name.startswith(".folder") and not (self / "old").exists():
            raise OSError("the disk is gone")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_on_the_new_one)
    with pytest.raises(OSError, match="the disk is gone"), fill_folder(folder):
        pass
    assert (folder / "old").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_a_link_is_copied_as_the_file_it_names(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    copy_file(tmp_path / "link", tmp_path / "to" / "copy")
    assert not (tmp_path / "to" / "copy").is_symlink()
    assert (tmp_path / "to" / "copy").read_text() == "x"
