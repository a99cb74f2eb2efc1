"""The clock of the machine jumps, as libfaketime lets the service see it."""

from pathlib import Path

from serving.drills.drill import Drill, Finding
from serving.drills.ledger import in_words
from serving.drills.stage import LackingError, Stage, rest

PAUSE = 5.0
"""Seconds for which clients ask by each clock."""

LIBRARY = "libfaketimeMT.so.1"
PLACES = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/local/lib/faketime", "/lib64/faketime")


def find_library() -> Path:
    """Where libfaketime lies.

    Raises
    ------
    LackingError
        If it is not installed.
    """
    for place in PLACES:
        root, _, pattern = place[1:].partition("*")
        found = sorted(Path("/" + root).glob(f"*{pattern}/{LIBRARY}" if pattern else LIBRARY))
        if found:
            return found[0]
    raise LackingError("no libfaketime: install the package libfaketime")


def own_clock(stage: Stage) -> None:
    """Let the service read its time through a file; the clock that only counts stays as it is."""
    set_clock(stage, "+0")
    stage.settings |= {
        "LD_PRELOAD": str(find_library()),
        "FAKETIME_TIMESTAMP_FILE": str(stage.folder / "clock"),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
    }


def set_clock(stage: Stage, offset: str) -> None:
    """Move the clock of the service."""
    (stage.folder / "clock").write_text(f"{offset}\n", encoding="ascii")


def jump(stage: Stage) -> Finding:
    """A day ahead, two back, and where it was."""
    finding = Finding()
    for offset in ("+1d", "-1d", "+0"):
        set_clock(stage, offset)
        rest(PAUSE)
    failures = stage.ledger.failures
    finding.saw(f"a day ahead, two back, right again; failed: {in_words(failures)}")
    finding.expect(not failures, f"failed: {in_words(failures)}")
    return finding


CLOCKS = (
    Drill(
        "clock-jump",
        "no request fails and nothing that was acknowledged is lost; only the moments told are "
        "those of the clock",
        jump,
        own_clock,
    ),
)
