"""What of this repository answers tickets: the files that an image or a bento holds.

`python -m deploy.sources FOLDER` copies them there, and with `--published STORE` the bundles that
are published too. It needs nothing installed, so that the first stage of an image may run it.
"""

import argparse
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent

PACKAGES = ("data", "models", "evaluation", "serving")

KINDS = {".py", ".yaml", ".csv", ".html", ".css", ".js", ".j2", ".mako"}

LEFT_OUT = (
    "data/raw", "data/prepared", "data/sample", "data/golden",
    "models/trained", "models/former", "models/bundles", "models/published",
    "evaluation/league", "evaluation/reports", "serving/bench", "serving/drills",
)  # fmt: skip
"""Tickets, what was trained, and what measures."""

LOCK = "requirements-serving.lock"
LICENCE_FILES = ("LICENSE",)

STORE = "models/published"
"""Where the service looks for bundles unless TICKETS_BUNDLE_STORE says otherwise."""


def sources(root: Path = ROOT) -> Iterator[Path]:
    """Paths relative to the root, in order."""
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*")):
            place = path.relative_to(root)
            left_out = any(place.is_relative_to(folder) for folder in LEFT_OUT)
            if path.suffix in KINDS and path.is_file() and not left_out:
                yield place


def copy_sources(folder: Path, root: Path = ROOT) -> None:
    """Bring the sources and the lock into a folder that is empty or not there yet."""
    for place in [*sources(root), Path(LOCK), *map(Path, LICENCE_FILES)]:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / place, folder / place)


def published(store: Path) -> list[str]:
    """Versions that a store names, the champion first.

    Raises
    ------
    SystemExit
        If nothing is published there.
    """
    try:
        told = json.loads((store / "deployment.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SystemExit(f"nothing is published in {store}: make, or pipelines.promote") from None
    if told["champion"] is None:
        raise SystemExit(f"{store} has no champion")
    arms = [told["champion"], *told.get("challengers", ()), *told.get("shadows", ())]
    return list(dict.fromkeys(arm["version"] for arm in arms))


def copy_published(store: Path, folder: Path) -> list[str]:
    """Bring what a store publishes into the folder of an image; tells the versions."""
    versions = published(store)
    target = folder / STORE
    for version in versions:
        shutil.copytree(store / version, target / version)
    # Last, as everywhere: it names what has to be there.
    shutil.copyfile(store / "deployment.json", target / "deployment.json")
    return versions


def main() -> None:
    """Copy to the folder named."""
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("folder", type=Path)
    asked.add_argument("--published", type=Path, help="a bundle store whose bundles come along")
    told = asked.parse_args()
    copy_sources(told.folder)
    if told.published is not None:
        copy_published(told.published, told.folder)


if __name__ == "__main__":
    main()
