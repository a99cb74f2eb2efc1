"""Rows that became no ticket: told with their reason, masked, and refused where they are many."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data.errors import RejectedRowsError
from data.privacy import mask
from data.records import Rejected
from data.text import prepare_text

REJECTED_CHARACTERS = 200
"""Of a rejected text so much is shown, masked: enough to find it in the source."""


def mask_rejected(rejected: Sequence[Rejected]) -> list[dict[str, object]]:
    """A record per row for the list that people read, in the order of files and rows."""
    # A mask needs the whole of what it masks, so more is masked than is shown.
    return [
        {
            "file": r.file,
            "row": r.number,
            "id": mask(r.id).text,
            "reason": r.reason,
            "detail": mask(r.detail).text,
            "text": mask(prepare_text(r.text[: 10 * REJECTED_CHARACTERS])).text[
                :REJECTED_CHARACTERS
            ],
        }
        for r in sorted(rejected, key=lambda r: (r.file, r.number))
    ]


def name_reasons(rejected: Sequence[Rejected]) -> str:
    """How often each reason was given, the most frequent first."""
    counts = Counter(r.reason for r in rejected)
    return ", ".join(f"{reason} {count:,}" for reason, count in counts.most_common()) or "no rows"


def require_few_rejected(summary: Mapping[str, Any], limit: float, where: Path) -> None:
    """Raise RejectedRowsError if a larger share of the rows than `limit` was rejected."""
    rows = summary["rows"]
    if rows["rejected"] > limit * rows["read"]:
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in summary["rejected"].items())
        raise RejectedRowsError(
            f"{rows['rejected']:,} of {rows['read']:,} rows were rejected ({reasons}); "
            f"prepare.max_rejected allows {limit:.1%}. They are in {where}"
        )
