"""Progress of a long fit with the time left, on a terminal or in a log."""

import sys
from collections.abc import Iterator
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
