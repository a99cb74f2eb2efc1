"""Who answers: the champion that the bundle store names, verified, loaded and kept up to date."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from data.errors import BundleError
from models.deployment import Deployment
from models.manifest import Manifest
from serving.batching import Assistant
from serving.edge import anonymous_traceback
from serving.problems import NotReadyError

logger = logging.getLogger(__name__)

Load = Callable[[Path], tuple[Manifest, Assistant]]
"""From a published folder to a bundle that proved itself; BundleError otherwise."""

State = Literal["loading", "ready", "not_ready"]


class Store(Protocol):
    """What is read of the bundle store; `models.publishing.open_store` gives one."""

    def find_deployment(self) -> Deployment | None: ...

    def find(self, version: str, cache: Path) -> Path | None: ...


@dataclass(frozen=True)
class Serving:
    """A bundle in use."""

    manifest: Manifest
    assistant: Assistant


@dataclass(frozen=True)
class Status:
    """Whether tickets are answered, and what stands in the way of what was published."""

    state: State
    reason: str | None = None


class Assistants:
    """Holds the champion and follows the store.

    Reading is one attribute, so a request takes the champion once and ends with it, whatever is
    published meanwhile. A bundle that is refused leaves the former one in place.

    Parameters
    ----------
    store : names the champion and finds its folder
    load : verifies and constructs a bundle
    cache : where the store may keep local copies
    changed : told of every bundle that begins to serve
    """

    def __init__(
        self,
        store: Store,
        load: Load,
        cache: Path,
        changed: Callable[[Manifest], None] | None = None,
    ) -> None:
        self.status = Status("loading", "the first bundle is being verified and loaded")
        self.serving: Serving | None = None
        self._store = store
        self._load = load
        self._cache = cache
        self._changed = changed
        self._tried: Deployment | None = None
        self._outcome = self.status
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def champion(self) -> Serving:
        """The bundle that answers.

        Raises
        ------
        NotReadyError
            With the reason, when there is none.
        """
        serving = self.serving
        if serving is None:
            raise NotReadyError(self.status.reason or "no bundle is loaded")
        return serving

    @property
    def why_not_ready(self) -> str | None:
        """The reason why no ticket can be answered; None when they can."""
        return None if self.serving else self.status.reason

    def refresh(self) -> None:
        """Ask the store who answers, and load the bundle if that has changed.

        Never raises: whatever a store or a bundle does, what serves goes on serving, and `status`
        tells the reason.
        """
        tried_before = self._tried
        try:
            self._follow_store()
        except BundleError as error:
            self._refuse(str(error))
        except Exception as error:  # noqa: BLE001 - the outermost edge of a thread
            if self._refuse(f"the published bundle cannot be read: {type(error).__name__}"):
                logger.error("reading the store failed\n%s", anonymous_traceback(error))
        if self._tried is not tried_before:
            self._outcome = self.status

    def follow(self, seconds: float) -> None:
        """Refresh now and every so many seconds, in a thread of its own, until `close`."""

        def loop() -> None:
            self.refresh()
            while not self._stop.wait(seconds):
                self.refresh()

        self._thread = threading.Thread(target=loop, name="follow-store", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop following; the champion goes on answering."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _follow_store(self) -> None:
        deployment = self._store.find_deployment()
        if deployment is None or deployment.champion is None:
            raise BundleError("the bundle store names no champion: publish a bundle first")
        # What was refused is not verified again until something else is published.
        if deployment == self._tried:
            self.status = self._outcome
            return
        version = deployment.champion.version
        if self.serving is not None and self.serving.manifest.version == version:
            self._tried, self.status = deployment, Status("ready")
            return
        folder = self._store.find(version, self._cache)
        if folder is None:
            raise BundleError(f"{version} is named as champion and not in the bundle store")
        self._tried = deployment
        self._serve(version, folder)

    def _serve(self, version: str, folder: Path) -> None:
        began = time.monotonic()
        manifest, assistant = self._load(folder)
        if manifest.version != version:
            raise BundleError(f"the folder of {version} holds {manifest.version}: it was renamed")
        self.serving = Serving(manifest, assistant)
        self.status = Status("ready")
        logger.info("%s serves; verified and loaded in %.1f s", version, time.monotonic() - began)
        if manifest.fallback:
            logger.warning("%s was trained on the bundled sample: not for real tickets", version)
        if self._changed is not None:
            self._changed(manifest)

    def _refuse(self, reason: str) -> bool:
        """Tell the reason; False where it was told already."""
        status = Status("ready" if self.serving else "not_ready", reason)
        if status == self.status:
            return False
        self.status = status
        logger.error("%s", reason)
        return True
