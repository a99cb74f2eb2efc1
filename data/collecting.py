"""Collections of garbage, kept from what a process holds for good."""

import gc

YOUNG = 10_000
"""Objects more than before that begin a collection, instead of Python's 700: answers that wait to
be stored are no garbage, and there are thousands of objects of them."""


def collect_seldom() -> None:
    """Keep collections from what is there now, and make them rare; to be called after a load.

    As Python has it, one looked at all that a worker holds every few seconds, found nothing and
    stopped all threads for 0.15 s; collections took 6 % of the processor time of a busy worker.
    """
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
