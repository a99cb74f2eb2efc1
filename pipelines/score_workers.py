"""Chunks of rows answered by several processes of this machine, and told in order."""

import signal
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from data.collecting import collect_seldom
from data.errors import ModelError
from data.machine import usable_cores
from data.row_writing import Value
from data.schema import Detail
from data.tables import Row
from pipelines.scored_rows import TicketColumns
from pipelines.scoring import Ask, Loader, answer

Lines = list[dict[str, Value]]

AHEAD = 2
"""Chunks per worker that are read ahead, and so what is held in memory beside the bundles."""

WORTH_BYTES = 1 << 20
"""Of an input from which more than one worker is started: each loads the bundle for seconds."""


@dataclass(frozen=True)
class Workers:
    """Processes that each hold a bundle; the answers are those that one process would give.

    Attributes
    ----------
    version, targets : of the bundle, as its manifest tells them
    loaded : a function of a module, which processes find by name
    """

    folder: Path
    version: str
    targets: Mapping[str, tuple[str, ...]]
    columns: TicketColumns
    detail: Detail
    count: int
    loaded: Loader

    def answers(self, chunks: Iterable[Sequence[Row]]) -> Iterator[Lines]:
        """The lines of each chunk, in the order of the chunks.

        Raises
        ------
        BundleError
            If the bundle cannot be opened.
        ModelError
            If a process ends unasked, as one does that the system takes the memory from.
        """
        pool = ProcessPoolExecutor(
            self.count,
            mp_context=get_context("spawn"),
            initializer=_open,
            initargs=(self.folder, self.columns, self.detail, self.loaded),
        )
        waiting: deque[Future[Lines]] = deque()
        try:
            for chunk in chunks:
                waiting.append(pool.submit(_answer, list(chunk)))
                if len(waiting) >= AHEAD * self.count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise ModelError(
                "a worker process ended unasked, perhaps for want of memory; the same command with "
                "fewer --workers goes on from here"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def default_count(source: Path) -> int:
    """Workers that are worth their start for a file."""
    return usable_cores() if source.stat().st_size >= WORTH_BYTES else 1


class _State:
    """What one worker process holds; set once, when it starts."""

    opened: "_Opened | BaseException | None" = None


@dataclass(frozen=True)
class _Opened:
    ask: Ask
    columns: TicketColumns


def _open(folder: Path, columns: TicketColumns, detail: Detail, loaded: Loader) -> None:
    # ^C is for the process that was typed: it keeps what is whole and ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assistant = loaded(folder)
        ask = assistant.predict if detail == "full" else assistant.decide
        collect_seldom()
        _State.opened = _Opened(ask, columns)
    except Exception as error:  # noqa: BLE001 - raised in a pool's start it would lose its reason
        _State.opened = error


def _answer(rows: Sequence[Row]) -> Lines:
    opened = _State.opened
    if isinstance(opened, BaseException):
        raise opened
    assert opened is not None, "a worker answers after its start"
    return answer(opened.ask, rows, opened.columns)
