"""Which code is running: the git commit, and whether the working tree differs from it."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

WRITTEN_BY_STAGES = ("dvc.lock", "evaluation/reports", "README.md")
"""Tracked results: `dvc repro` and the report change them, and that does not make code dirty."""


@dataclass(frozen=True)
class Revision:
    """A commit; every field is None where there is no repository, no commit or no git."""

    commit: str | None = None
    committed_at: str | None = None
    dirty: bool | None = None


def read_revision(root: Path) -> Revision:
    """The revision of the working tree at `root`.

    `dirty` counts changed and new files alike, ignored ones and tracked results left out: it says
    that the commit alone does not give back what ran.
    """
    head = _git(root, "log", "-1", "--format=%H %cI")
    if not head:
        return Revision()
    commit, committed_at = head.split()
    excluded = [f":(exclude){path}" for path in WRITTEN_BY_STAGES]
    changed = _git(root, "status", "--porcelain", "--", ".", *excluded)
    return Revision(commit, committed_at, None if changed is None else bool(changed))


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607  the user's own git, wherever it is
            cwd=root, capture_output=True, text=True, timeout=30, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
