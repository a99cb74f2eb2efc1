"""Writes that a crash leaves whole or absent, never half done.

A file or folder is made under a hidden name beside its place, forced to disk, then renamed. Rename
within one folder is atomic on POSIX file systems, so a reader sees the old state or the new one.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


def write_text(path: Path, text: str) -> None:
    """Write a file, or replace one, in a single step; its folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _hidden_sibling(path)
    try:
        with partial.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(path.parent)


def copy_file(source: Path, target: Path) -> None:
    """Copy the bytes of a file and force them to disk; a link is followed, not copied."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as reader, target.open("xb") as writer:
        shutil.copyfileobj(reader, writer, 2**20)
        writer.flush()
        os.fsync(writer.fileno())


def sync_folder(folder: Path) -> None:
    """Force a folder's list of names to disk, without which a rename may not survive a crash."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def fill_folder(folder: Path) -> Iterator[Path]:
    """Give an empty hidden sibling to fill, which becomes `folder` when the block ends well.

    What stood at `folder` before is moved aside first and put back if the rename fails; readers
    may find nothing there for the moment between two renames, but never a mixture. A block that
    raises leaves `folder` as it was and no trace of its own.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = _hidden_sibling(folder)
    partial.mkdir()
    try:
        yield partial
        for inner, _, _ in os.walk(partial):
            sync_folder(Path(inner))
        _put(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    sync_folder(folder.parent)


def _put(partial: Path, folder: Path) -> None:
    if not folder.exists():
        partial.rename(folder)
        return
    aside = _hidden_sibling(folder)
    folder.rename(aside)
    try:
        partial.rename(folder)
    except OSError:
        aside.rename(folder)
        raise
    shutil.rmtree(aside)


def _hidden_sibling(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid4().hex[:12]}.partial")
