"""Pins what the image installs: `python -m deploy.serving_lock` writes requirements-serving.lock.

Of the names in requirements-serving.in and all that they depend on, the pins of requirements.lock.
So the image runs what was tested, and nothing that only trains.
"""

import importlib.metadata
import sys
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
WANTED = ROOT / "requirements-serving.in"
FULL = ROOT / "requirements.lock"
LOCK = ROOT / "requirements-serving.lock"


def read_requirements(path: Path) -> list[Requirement]:
    """One per line that is no comment."""
    lines = (line.partition("#")[0].strip() for line in path.read_text("utf-8").splitlines())
    return [Requirement(line) for line in lines if line]


def needed(wanted: Iterable[Requirement]) -> dict[str, frozenset[str]]:
    """These and all they depend on here, with their extras, as what is installed tells.

    Raises
    ------
    importlib.metadata.PackageNotFoundError
        If one is not installed.
    """
    seen: dict[str, frozenset[str]] = {}
    waiting = deque(wanted)
    while waiting:
        one = waiting.popleft()
        name = str(canonicalize_name(one.name))
        before = seen.get(name, frozenset())
        seen[name] = before | one.extras | {""}
        if seen[name] != before:
            waiting += depended(name, seen[name])
    return seen


def depended(name: str, extras: Iterable[str]) -> list[Requirement]:
    """What a distribution with these extras needs here."""
    found = []
    for text in importlib.metadata.requires(name) or ():
        one = Requirement(text)
        marker = one.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
            found.append(one)
    return found


def pin(names: Iterable[str], full: Mapping[str, Requirement]) -> list[str]:
    """The lines of these in the full lock, in its order.

    Raises
    ------
    SystemExit
        If the full lock does not pin one.
    """
    wanted = set(names)
    if missing := sorted(wanted - set(full)):
        raise SystemExit(f"{FULL.name} does not pin {', '.join(missing)}")
    return [str(line) for name, line in full.items() if name in wanted]


def compute() -> str:
    """What requirements-serving.lock should hold."""
    full = {str(canonicalize_name(one.name)): one for one in read_requirements(FULL)}
    return "\n".join(pin(needed(read_requirements(WANTED)), full)) + "\n"


def main() -> None:
    """Write the lock; with `--check`, fail where it is not what it should be."""
    text = compute()
    if "--check" not in sys.argv[1:]:
        LOCK.write_text(text, encoding="utf-8")
    elif LOCK.read_text(encoding="utf-8") != text:
        raise SystemExit(f"{LOCK.name} is old: run `python -m deploy.serving_lock`")


if __name__ == "__main__":
    main()
