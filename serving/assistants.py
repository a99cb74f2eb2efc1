"""What runs: the bundles that the bundle store names, verified, loaded and kept up to date."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

from data.errors import BundleError
from data.log_lines import anonymous_traceback
from data.schema import ArmKind
from models.deployment import Deployment
from models.manifest import Manifest
from serving.batching import Assistant
from serving.freeing import Former
from serving.problems import NotReadyError
from serving.running import Running, Serving, kinds, reduced

logger = logging.getLogger(__name__)

Load = Callable[[Path], tuple[Manifest, Assistant]]
"""From a published folder to a bundle that proved itself; BundleError otherwise."""

State = Literal["loading", "ready", "not_ready"]


class Store(Protocol):
    """What is read of the bundle store; `models.publishing.open_store` gives one."""

    def find_deployment(self) -> Deployment | None: ...

    def find(self, version: str, cache: Path) -> Path | None: ...


@dataclass(frozen=True)
class Status:
    """Whether tickets are answered, and what stands in the way of what was published."""

    state: State
    reason: str | None = None


@dataclass(frozen=True)
class Fault:
    """A bundle that was published and does not run."""

    kind: ArmKind
    version: str
    reason: str
    final: bool
    """Whether it is not tried again until something else is published."""

    @property
    def told(self) -> str:
        return self.reason if self.kind == "champion" else f"{self.kind}: {self.reason}"


class Watcher(Protocol):
    """Told of what is loaded and refused; `serving.telemetry.Telemetry` is one."""

    def bundle_changed(self, manifest: Manifest, others: Sequence[Manifest] = ()) -> None: ...

    def bundle_loaded(self, seconds: float, since_published: float | None) -> None: ...

    def bundle_refused(self, kind: ArmKind) -> None: ...

    def store_followed(self, refused: int) -> None: ...


class Assistants:
    """Holds the champion, its challengers and the shadows, and follows the store.

    Bundles are loaded one at a time beside those that run, the champion first, and each begins to
    serve by the assignment of one immutable object. One that is refused leaves all others in place;
    of a refused champion the former one goes on, and the tickets of a refused challenger are the
    champion's.

    Parameters
    ----------
    store : names the bundles and finds their folders
    load : verifies and constructs a bundle
    cache : where the store may keep local copies
    watcher : told of every bundle that begins to serve or is refused
    former : frees those that were replaced
    """

    def __init__(
        self,
        store: Store,
        load: Load,
        cache: Path,
        watcher: Watcher | None = None,
        former: Former | None = None,
    ) -> None:
        self.status = Status("loading", "the first bundle is being verified and loaded")
        self.running: Running | None = None
        self.faults: tuple[Fault, ...] = ()
        self._store = store
        self._load = load
        self._cache = cache
        self._watcher = watcher
        self._tried: Deployment | None = None
        self._settled = False
        self._former = former or Former()
        self._begun = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def serving(self) -> Serving | None:
        """The champion, where there is one."""
        running = self.running
        return None if running is None else running.champion

    @property
    def champion(self) -> Serving:
        """The bundle that answers.

        Raises
        ------
        NotReadyError
            With the reason, when there is none.
        """
        return self.take().champion

    @property
    def why_not_ready(self) -> str | None:
        """The reason why no ticket can be answered; None when they can."""
        return None if self.running else self.status.reason

    def take(self) -> Running:
        """All that runs now, to be asked until the request ends.

        Raises
        ------
        NotReadyError
            With the reason, when there is no champion.
        """
        running = self.running
        if running is None:
            raise NotReadyError(self.status.reason or "no bundle is loaded")
        return running

    def find(self, version: str) -> Serving | None:
        """The bundle of this version as it is asked about tickets, where it runs."""
        running = self.running
        return None if running is None else running.asked.get(version)

    def refresh(self) -> None:
        """Ask the store what should run, and load what has changed.

        Never raises: whatever a store or a bundle does, what serves goes on serving, and `status`
        tells the reason.
        """
        try:
            deployment = self._store.find_deployment()
            if deployment is None or deployment.champion is None:
                raise BundleError("the bundle store names no champion: publish a bundle first")
        except BundleError as error:
            self._tell(str(error))
        except Exception as error:  # noqa: BLE001 - the outermost edge of a thread
            if self._tell(f"the published bundle cannot be read: {type(error).__name__}"):
                logger.error("reading the store failed\n%s", anonymous_traceback(error))
        else:
            self._follow(deployment)
        self._former.tidy()
        if self._watcher is not None:
            self._watcher.store_followed(len(self.faults))

    def follow(self, seconds: float, patience: float = 0.0) -> None:
        """Refresh now and every so many seconds, in a thread of its own, until `close`.

        Parameters
        ----------
        patience : seconds this waits until a bundle answers, or none can be had. A worker that
            begins beside others takes requests from them: it had better have an answer
        """

        def loop() -> None:
            self.refresh()
            self._begun.set()
            while not self._stop.wait(seconds):
                self.refresh()

        self._thread = threading.Thread(target=loop, name="follow-store", daemon=True)
        self._thread.start()
        self._begun.wait(patience)

    def close(self) -> None:
        """Stop following; what runs goes on answering."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _follow(self, deployment: Deployment) -> None:
        if deployment != self._tried:
            self._tried, self._settled, self.faults = deployment, False, ()
        if not self._settled:
            self._load_missing(deployment)
        reason = "; ".join(fault.told for fault in self.faults) or None
        self.status = Status("ready" if self.running else "not_ready", reason)

    def _load_missing(self, deployment: Deployment) -> None:
        faults = {fault.version: fault for fault in self.faults if fault.final}
        for kind, arm in kinds(deployment):
            bundles = {} if self.running is None else dict(self.running.bundles)
            if arm.version not in {*bundles, *faults}:
                found = self._obtain(kind, arm.version, deployment.published_at)
                if isinstance(found, Fault):
                    faults[arm.version] = found
                else:
                    bundles[arm.version] = found
                del found
            self._run(deployment, bundles)
            if self.running is None:
                break  # Without a champion nothing else is of use.
            # Before the next one is loaded, or three stood side by side.
            del bundles
            self._former.tidy()
        self.faults = tuple(faults.values())
        self._settled = all(fault.final for fault in self.faults)

    def _obtain(self, kind: ArmKind, version: str, published: datetime) -> Serving | Fault:
        """A bundle that proved itself, or why there is none."""
        final = False
        try:
            folder = self._store.find(version, self._cache)
            if folder is None:
                raise BundleError(f"{version} is named as {kind} and not in the bundle store")
            final = True
            began = time.monotonic()
            manifest, assistant = self._load(folder)
            if manifest.version != version:
                raise BundleError(
                    f"the folder of {version} holds {manifest.version}: it was renamed"
                )
        except Exception as error:  # noqa: BLE001 - a bundle must not take the others along
            fault = Fault(kind, version, _reason(error, version), final)
            if fault not in self.faults:
                self._log_refusal(fault, error)
            return fault
        seconds = time.monotonic() - began
        logger.info("%s serves as %s; verified and loaded in %.1f s", version, kind, seconds)
        if manifest.fallback:
            logger.warning("%s was trained on the bundled sample: not for real tickets", version)
        if self._watcher is not None:
            waited = datetime.now(UTC) - published
            # A server that starts says nothing of how soon a running one follows.
            since = max(0.0, waited.total_seconds()) if self.running else None
            self._watcher.bundle_loaded(seconds, since)
        return Serving(manifest, assistant)

    def _log_refusal(self, fault: Fault, error: Exception) -> None:
        logger.error("refused as %s: %s", fault.kind, fault.reason)
        if not isinstance(error, BundleError):
            logger.error("reading a bundle failed\n%s", anonymous_traceback(error))
        if self._watcher is not None:
            self._watcher.bundle_refused(fault.kind)

    def _run(self, deployment: Deployment, bundles: Mapping[str, Serving]) -> None:
        """Let what is loaded serve, in one assignment."""
        former = self.running
        wanted = reduced(deployment, bundles, former)
        if wanted is None:
            return
        kept = {version: bundles[version] for version in wanted.versions}
        if former and former.deployment == wanted and former.bundles == kept:
            return
        running = Running(wanted, kept)
        if self._watcher is not None:
            champion = running.champion
            others = [found.manifest for found in kept.values() if found is not champion]
            self._watcher.bundle_changed(champion.manifest, others)
        self.running = running
        self._begun.set()
        if self.status.state != "ready":
            self.status = Status("ready")
        before = {} if former is None else former.bundles
        self._former.leave(one.assistant for name, one in before.items() if name not in kept)

    def _tell(self, reason: str) -> bool:
        """Tell why the store does not say who answers; False where it was told already."""
        status = Status("ready" if self.running else "not_ready", reason)
        if status == self.status:
            return False
        self.status = status
        logger.error("%s", reason)
        return True


def _reason(error: Exception, version: str) -> str:
    if isinstance(error, BundleError):
        return str(error)
    return f"{version} cannot be read: {type(error).__name__}"
