from pathlib import Path

import pytest

from data.errors import StoreError
from serving.cache_erasures import Erasures


def test_every_erasure_is_seen_by_everybody_however_fast_they_follow(tmp_path: Path) -> None:
    told, seen = Erasures(tmp_path / "jobs"), Erasures(tmp_path / "jobs")
    looks = [seen.look()]
    for _ in range(50):
        told.tell()
        looks.append(seen.look())
    assert looks[0] is None
    assert len(set(looks)) == 51
    assert seen.look() == looks[-1], "what is not erased changes nothing"


def test_the_folder_is_closed_to_other_users(tmp_path: Path) -> None:
    Erasures(tmp_path / "jobs").tell()
    assert (tmp_path / "jobs").stat().st_mode & 0o077 == 0
    assert all(file.stat().st_mode & 0o077 == 0 for file in (tmp_path / "jobs").iterdir())


def test_a_disk_that_fails_is_told(tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("a file stands in its place")
    with pytest.raises(StoreError, match="cannot be told"):
        Erasures(tmp_path / "jobs").tell()
