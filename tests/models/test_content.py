"""Files are told by their bytes, whatever the order in which they are read."""

import hashlib
from pathlib import Path

import pytest

from models.content import digests_of, sha256_of


def test_many_files_have_the_digests_that_each_has_alone(tmp_path: Path) -> None:
    contents = {f"part-{i % 3}/{i}.json": b"x" * (i * 7919 % 10_000) for i in range(40)}
    for name, content in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    found = digests_of(tmp_path, contents)
    assert found == {name: hashlib.sha256(one).hexdigest() for name, one in contents.items()}
    assert found == {name: sha256_of(tmp_path / name) for name in contents}


def test_no_files_have_no_digests(tmp_path: Path) -> None:
    assert digests_of(tmp_path, ()) == {}


def test_a_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "there.json").write_bytes(b"{}")
    with pytest.raises(FileNotFoundError):
        digests_of(tmp_path, ["there.json", "gone.json"])
