"""Delivers events: every worker offers to, and the one that holds the lock does.

When it ends, however it ends, another one takes over within `look_seconds`, with all that waits. An
event whose attempt was cut off is tried again: receivers are told at least once, always under the
same id.
"""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from data.errors import LockedError, StoreError
from data.log_lines import anonymous_traceback
from data.outbox_records import Depth
from serving.webhook_courier import Courier, Post, Terms
from serving.webhook_endpoints import Endpoints
from serving.webhook_metrics import WebhookMetrics
from serving.webhook_posting import post

if TYPE_CHECKING:
    from data.outbox import Outbox

logger = logging.getLogger(__name__)


class Delivery:
    """Looks now and then whether it may deliver, and then does until it is closed.

    Parameters
    ----------
    open_outbox : gives the outbox of the store, or raises StoreError while it is down
    look_seconds : between two attempts to take over, and two looks at how much waits
    """

    def __init__(
        self,
        endpoints: Endpoints,
        open_outbox: Callable[[], "Outbox"],
        metrics: WebhookMetrics,
        terms: Terms | None = None,
        look_seconds: float = 5.0,
        post: Post = post,
    ) -> None:
        self.leads = False
        self._endpoints = endpoints
        self._open = open_outbox
        self._metrics = metrics
        self._terms = terms or Terms()
        self._look_seconds = look_seconds
        self._post = post
        self._outbox: Outbox | None = None
        self._opening = threading.Lock()
        self._stop = threading.Event()
        self._failure: str | None = None
        self._thread: threading.Thread | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The endpoints."""
        return tuple(self._endpoints.endpoints)

    def follow(self) -> None:
        """Begin, in a thread of its own; nothing begins where nobody is to be told."""
        if self._endpoints.endpoints:
            self._metrics.expect(self._endpoints.endpoints)
            self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
            self._thread.start()

    def depths(self) -> dict[str, Depth]:
        """How much waits for each endpoint.

        Raises
        ------
        StoreError
            If the store cannot be reached.
        """
        found = self._opened().depths()
        nothing = Depth(waiting=0, dead=0, oldest=None)
        return {name: found.get(name, nothing) for name in self._endpoints.endpoints}

    def close(self, seconds: float = 15.0) -> None:
        """Let the attempts that run end, and give the lock back."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(seconds)
        with self._opening:
            if self._outbox is not None:
                self._outbox.close()

    def _opened(self) -> "Outbox":
        with self._opening:
            if self._outbox is None:
                self._outbox = self._open()
            return self._outbox

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._lead()
            except LockedError:
                self._failure = None
            except StoreError as error:
                self._tell(str(error))
            except Exception as error:  # noqa: BLE001 - the outermost edge of a thread
                self._tell(f"{type(error).__name__}\n{anonymous_traceback(error)}")
            self._stop.wait(self._look_seconds)

    def _lead(self) -> None:
        # Here, so that tickets are answered before a database is loaded.
        from data.outbox_lead import leading

        outbox = self._opened()
        ended = threading.Event()
        couriers = [self._courier(name, outbox, ended) for name in self.names]
        with leading(outbox.engine) as check:
            self._look(outbox)
            logger.info("webhooks are delivered here: %s", ", ".join(self.names))
            self.leads, self._failure = True, None
            for courier in couriers:
                courier.start()
            try:
                while not self._stop.is_set() and not ended.is_set():
                    check()
                    self._look(outbox)
                    self._wait(ended)
            finally:
                ended.set()
                for courier in couriers:
                    courier.join()
                self.leads = False

    def _courier(self, name: str, outbox: "Outbox", ended: threading.Event) -> threading.Thread:
        """Works for one endpoint when it is started. Two of them never take the same event."""
        endpoint = self._endpoints.endpoints[name]
        courier = Courier(name, endpoint, outbox, self._metrics, self._terms, post=self._post)
        return threading.Thread(
            target=self._work, args=(courier, ended), name=f"courier-{name}", daemon=True
        )

    def _look(self, outbox: "Outbox") -> None:
        self._metrics.look(self.names, outbox.depths(), datetime.now(UTC))

    def _wait(self, ended: threading.Event) -> None:
        """Until it is time to look again, or somebody wants an end."""
        slices = max(1, round(self._look_seconds / 0.1))
        for _ in range(slices):
            if self._stop.is_set() or ended.wait(self._look_seconds / slices):
                return

    def _work(self, courier: Courier, ended: threading.Event) -> None:
        try:
            courier.run(ended)
        except StoreError as error:
            self._tell(str(error))
        except Exception as error:  # noqa: BLE001 - the outermost edge of a thread
            self._tell(f"{type(error).__name__}\n{anonymous_traceback(error)}")
        finally:
            ended.set()

    def _tell(self, reason: str) -> None:
        if reason != self._failure:
            self._failure = reason
            logger.warning("webhooks wait: %s", reason)
