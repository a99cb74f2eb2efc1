"""The BentoML service: `bentoml serve serving.service:TicketAssistantService`.

BentoML starts and watches the workers, answers the probes and drains on shutdown. The contract is
the mounted app's, because errors, limits and documentation of BentoML's own routes are not ours to
shape.
"""

import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import bentoml
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.edge import ForeignErrors, OnlyOurs
from serving.job_runner import RunsJobs
from serving.secure_headers import SecureHeaders
from serving.starting import read_settings, require_files

if TYPE_CHECKING:
    from data.outbox import Outbox
    from data.store import Store
    from models.manifest import Manifest
    from models.runtime_choice import RuntimeChoice
    from serving.assistants import Assistants
    from serving.batching import Assistant
    from serving.job_runner import JobRunner
    from serving.webhook_endpoints import Endpoints

# Here and below, what only a worker needs is imported where it is used: BentoML's parent process
# imports this module first, and a worker is started when it has.
settings = read_settings()
require_files(settings)

if "uvicorn" in sys.modules:
    # A worker, which listens when this is imported; BentoML's parent process never does.
    from serving.wire import bound

    bound(
        settings.max_head_bytes,
        settings.max_headers,
        settings.receive_seconds,
        settings.keep_alive_seconds,
    )

HANGING = 5
"""An encoder call that outlives this many deadlines will not return: the worker is not alive."""


class Door:
    """Where the app is mounted before it exists.

    The app is built with the service, in the worker: built here, it would be built in BentoML's
    parent process too, and open metric files on import. A bare callable also keeps unknown paths
    ours; of a mounted Starlette app BentoML asks for its routes and answers the rest in plain text.
    """

    app: ASGIApp | None = None
    assistants: "Assistants | None" = None
    runner: "JobRunner | None" = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None, "requests begin after the service is built"
        await self.app(scope, receive, send)

    def why_not_ready(self) -> str | None:
        """The reason to tell where BentoML's probe answers 503."""
        return None if self.assistants is None else self.assistants.why_not_ready


door = Door()


def open_store(endpoints: "Endpoints") -> "Store":
    """The store of predictions and feedback, which is told who wants which events.

    Raises
    ------
    StoreError
        If it cannot be reached.
    """
    # What it takes to import is taken when tickets are answered already.
    from data.outbox import Outbox
    from data.sql import open_sql_store

    store = open_sql_store(settings.store)
    try:
        Outbox(store.engine).subscribe(endpoints.wanted)
    except BaseException:
        store.close()
        raise
    return store


def open_outbox() -> "Outbox":
    """The events that wait to be delivered; StoreError where the store cannot be reached."""
    from data import outbox

    return outbox.open_outbox(settings.store)


def load_bundle(
    folder: Path, loaded: "Callable[[RuntimeChoice], None] | None" = None
) -> "tuple[Manifest, Assistant]":
    """Verify and construct a bundle, its arithmetic on the threads allowed.

    Parameters
    ----------
    loaded : told what computes the networks

    Raises
    ------
    BundleError
        If the folder cannot be trusted.
    """
    from models.bundle import load
    from models.runtime import TORCH
    from serving.freeing import trim

    manifest, assistant = load(
        folder, runtime=settings.runtime, precision=settings.precision, threads=settings.threads
    )
    if assistant.facts.runtime.name == TORCH:
        import torch

        torch.set_num_threads(settings.threads)
    trim()  # what reading the parts took: some 60 MB
    if loaded is not None:
        loaded(assistant.facts.runtime)
    return manifest, assistant if settings.cascade else assistant.without_cascade()


@bentoml.service(
    name="ticket-assistant",
    workers=settings.processes,
    # A backstop: our own deadline comes first and is told as a problem.
    traffic={"timeout": settings.timeout_seconds + 5},
    # Both take the path as typed by the client; ours are in serving/telemetry.py.
    metrics={"enabled": False},
    # Of BentoML no span is wanted of any address, nor what making one costs each request.
    tracing={"excluded_urls": "."},
    logging={"access": {"enabled": False}},
    # Set before the worker starts: OpenMP reads them when it is first loaded.
    envs=[
        {"name": "OMP_NUM_THREADS", "value": str(settings.threads)},
        {"name": "MKL_NUM_THREADS", "value": str(settings.threads)},
        {"name": "OPENBLAS_NUM_THREADS", "value": str(settings.threads)},
        {"name": "TOKENIZERS_PARALLELISM", "value": "false"},
        {"name": "HF_HUB_OFFLINE", "value": "1"},
    ],
)
@bentoml.asgi_app(door, path="/")
class TicketAssistantService:
    """One worker: the bundles that run, one encoder thread, and the app that asks them."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry

        from data.late_store import LateStore
        from models.publishing import open_store as open_bundle_store
        from serving.app import create_app
        from serving.archive import Archive
        from serving.archive_metrics import ArchiveMetrics
        from serving.assistants import Assistants
        from serving.batching import Batcher
        from serving.depth_metrics import DepthMetrics
        from serving.freeing import Former
        from serving.introduction import Introduction
        from serving.jobs import Jobs
        from serving.logs import configure_logging
        from serving.monitor import Monitor
        from serving.monitor_metrics import MonitorMetrics
        from serving.runtime_metrics import RuntimeMetrics
        from serving.shadows import Shadows
        from serving.telemetry import Telemetry
        from serving.telling import start_telling
        from serving.webhook_courier import Terms
        from serving.webhook_delivery import Delivery
        from serving.webhook_endpoints import read_endpoints
        from serving.webhook_metrics import WebhookMetrics

        configure_logging(settings.log_format)
        self.tracing = start_telling(settings)
        # Of its own, so that a process may build the service twice, as tests do.
        self.telemetry = Telemetry(CollectorRegistry())
        self.batcher = Batcher(
            settings.encoder_batch,
            settings.max_waiting,
            observe=self.telemetry.encoded,
            encoder_tokens=settings.encoder_tokens,
            max_overtaken_ms=settings.max_overtaken_ms,
        )
        jobs = Jobs(
            settings.jobs_folder,
            settings.max_jobs,
            settings.max_finished_jobs,
            timedelta(hours=settings.job_keep_hours),
        )
        endpoints = read_endpoints(settings.webhooks)
        # Opened when first asked: tickets are answered whether the store is up or not.
        self.archive = Archive(
            settings,
            LateStore(partial(open_store, endpoints)),
            ArchiveMetrics(self.telemetry.registry).behind,
            jobs,
        )
        self.assistants = Assistants(
            open_bundle_store(settings.bundle_store),
            partial(load_bundle, loaded=RuntimeMetrics(self.telemetry.registry).loaded),
            settings.bundle_cache,
            Introduction(self.telemetry, self.archive),
            Former(spare=True),
        )
        self.shadows = Shadows(
            settings.shadow_queue,
            find=self.assistants.find,
            idle=lambda: self.batcher.waiting == 0,
            watcher=self.telemetry,
            recorder=self.archive.record,
        )
        self.monitor = Monitor(
            self.archive.store,
            MonitorMetrics(self.telemetry.registry),
            running=lambda: self.assistants.running,
            spooled=lambda: self.archive.spool.bytes_waiting,
        )
        self.delivery = Delivery(
            endpoints,
            open_outbox,
            WebhookMetrics(self.telemetry.registry),
            Terms(
                settings.webhook_attempts,
                settings.webhook_first_seconds,
                settings.webhook_seconds,
            ),
        )
        app = create_app(
            settings,
            self.assistants,
            self.batcher,
            self.telemetry,
            self.shadows,
            archive=self.archive,
            jobs=jobs,
            delivery=self.delivery,
            tracing=self.tracing,
        )
        door.app, door.runner = app, app.state.runner
        door.assistants = self.assistants
        # Beside the event loop, so that probes answer while a later bundle is being verified, and
        # where the first one takes longer than a start may.
        self.assistants.follow(settings.follow_seconds, settings.start_seconds)
        self.monitor.follow(settings.monitor_seconds)
        self.delivery.follow()
        self.depths = DepthMetrics(
            self.telemetry.registry,
            waiting=lambda: self.batcher.waiting,
            shadows=lambda: self.shadows.waiting,
            jobs=jobs.unfinished,
            folder=settings.spool,
            tell=self.archive.writer.tell,
        )
        self.depths.follow()

    def __is_alive__(self) -> bool:
        return self.batcher.busy_seconds < HANGING * settings.timeout_seconds

    def __is_ready__(self) -> bool:
        return self.assistants.why_not_ready is None

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        """Stop following the store and let the running encoder call end."""
        self.assistants.close()
        self.monitor.close()
        self.delivery.close()
        self.depths.close()
        self.shadows.close()
        self.archive.close()
        self.batcher.close()
        self.telemetry.close()
        if self.tracing is not None:
            self.tracing.close()


# The first one is the outermost. The decorator made a bentoml.Service of the class, which its
# missing types do not tell.
TicketAssistantService.add_asgi_middleware(SecureHeaders)  # type: ignore[attr-defined]
TicketAssistantService.add_asgi_middleware(  # type: ignore[attr-defined]
    OnlyOurs, hidden={"/schema.json"}
)
TicketAssistantService.add_asgi_middleware(  # type: ignore[attr-defined]
    ForeignErrors, why_not_ready=door.why_not_ready
)
# Here and not in the mounted app, as BentoML tells a bare callable nothing of start and end.
TicketAssistantService.add_asgi_middleware(  # type: ignore[attr-defined]
    RunsJobs, runner=lambda: door.runner
)
