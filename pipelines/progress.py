"""Progress of a long fit or a long file with the time left, on a terminal or in a log."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from models.base import Progress


@contextmanager
def shown(name: str) -> Iterator[Progress]:
    """What a fit tells its share to; drawn as a bar with per cent and time left."""
    with tqdm(total=100, desc=name, unit="%", file=sys.stderr, mininterval=5) as bar:

        def show(share: float, text: str) -> None:
            bar.set_postfix_str(text, refresh=False)
            bar.update(int(share * 100) - bar.n)

        yield show


@contextmanager
def counted(
    name: str, total: int, done: int = 0, unit: str = "row"
) -> Iterator[Callable[[int], None]]:
    """What is told how many more are done; drawn as a bar with rate and time left.

    Parameters
    ----------
    done : of `total`, before this run; the rate leaves them out
    """
    with tqdm(
        total=total, initial=done, desc=name, unit=f" {unit}s", file=sys.stderr, mininterval=5
    ) as bar:

        def advance(more: int) -> None:
            bar.update(more)

        yield advance
