"""A run knows the commit it ran from, if there is one."""

import subprocess
from pathlib import Path

import pytest

from pipelines.revision import Revision, read_revision


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True)

    git("init", "-q")
    (tmp_path / "code.py").write_text("x = 1\n")
    (tmp_path / ".gitignore").write_text("ignored\n")
    git("add", ".")
    git("commit", "-q", "-m", "Begin")
    return tmp_path


def test_a_clean_checkout_is_its_commit(checkout: Path) -> None:
    revision = read_revision(checkout)
    assert revision.commit
    assert len(revision.commit) == 40
    assert revision.committed_at
    assert "T" in revision.committed_at
    assert revision.dirty is False


@pytest.mark.parametrize("name", ["code.py", "new.py"])
def test_changed_and_new_code_is_dirty(checkout: Path, name: str) -> None:
    (checkout / name).write_text("x = 2\n")
    assert read_revision(checkout).dirty is True


@pytest.mark.parametrize("name", ["dvc.lock", "ignored", "evaluation/reports/metrics.json"])
def test_what_the_stages_write_is_not_dirty(checkout: Path, name: str) -> None:
    (checkout / name).parent.mkdir(parents=True, exist_ok=True)
    (checkout / name).write_text("written")
    assert read_revision(checkout).dirty is False


def test_without_a_repository_nothing_is_known(tmp_path: Path) -> None:
    assert read_revision(tmp_path) == Revision(None, None, None)


def test_without_a_commit_nothing_is_known(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    assert read_revision(tmp_path) == Revision(None, None, None)


def test_without_git_nothing_is_known(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert read_revision(checkout) == Revision(None, None, None)
