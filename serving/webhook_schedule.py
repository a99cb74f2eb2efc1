"""When an event is tried again: later each time, and not all at the same moment."""

import random
from datetime import timedelta

from data.outbox_records import LONGEST

FACTOR = 3.0
SPREAD = (0.75, 1.25)
"""Of each wait, drawn evenly: what failed together does not come back together."""


def wait_after(attempt: int, first_seconds: float, draw: random.Random) -> timedelta:
    """How long after the attempt of this number, from 1, the next one begins.

    With the first after 5 s: 5 s, 15 s, 45 s, 2 min, 7 min, 20 min, 1 h, 3 h, 9 h, then a day.
    """
    most = LONGEST.total_seconds()
    # Beyond 60 the power is no float of use any more, and the bound is reached long before.
    seconds = min(first_seconds * FACTOR ** min(attempt - 1, 60), most)
    return timedelta(seconds=min(seconds * draw.uniform(*SPREAD), most))
