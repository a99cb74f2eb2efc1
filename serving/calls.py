"""Blocking calls beside the event loop: few at once, and none waited for too long."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from data.errors import StoreError

P = ParamSpec("P")
T = TypeVar("T")


class Calls:
    """Threads in which something slow is asked.

    Parameters
    ----------
    name : of what is asked, for the message of the error
    threads : calls at once; others wait their turn, and count as late while they do
    seconds : after which the answer is not waited for
    """

    def __init__(self, name: str, threads: int, seconds: float) -> None:
        self._name = name
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def ask(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the function gives.

        Raises
        ------
        StoreError
            If it takes too long. A call that has not begun then is not made; one that has goes on,
            and what becomes of it is not told.
        """
        call = self._threads.submit(function, *args, **kwargs)
        try:
            async with asyncio.timeout(self._seconds) as deadline:
                return await asyncio.wrap_future(call)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise StoreError(
                f"no answer of the {self._name} in {self._seconds:g} seconds"
            ) from None

    def close(self) -> None:
        """Take no more calls and leave the running ones to themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)
