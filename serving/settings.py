"""What an operator may turn: environment variables that begin with `TICKETS_`."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from data.schema import MAX_TEXT
from models.runtime import RUNTIMES, TORCH
from models.runtime_choice import AUTO, Precision
from serving.capacity import count_workers
from serving.profiles import MIN_SECRET, SEPARATOR, faults_of
from serving.security_settings import SecuritySettings
from serving.watch_settings import WatchSettings

STORES = ("sqlite", "postgresql", "postgres")
"""What the address of a store begins with; data.sql_engine opens them."""


class Settings(SecuritySettings, WatchSettings):
    """Read once when the service starts; a value out of range refuses the start by its name.

    Host and port are not here: `bentoml serve --host --port` owns the socket.
    """

    model_config = SettingsConfigDict(
        env_prefix="TICKETS_", frozen=True, hide_input_in_errors=True, extra="ignore"
    )

    bundle_store: str = Field(
        default="models/published",
        description="folder or fsspec URL that holds deployment.json and the published bundles",
    )
    bundle_cache: Path = Field(
        default=Path(".cache/bundles"), description="where bundles of a remote store are kept"
    )
    follow_seconds: PositiveFloat = Field(
        default=1.0, description="how often deployment.json is looked at"
    )
    start_seconds: float = Field(
        default=15.0,
        ge=0,
        description="how long a worker that starts waits for its bundle before it takes requests; "
        "after that it takes them and answers 503 until the bundle is there",
    )

    salt: str = Field(
        default="",
        repr=False,
        description="changes which tickets meet which arm and the audit; the same in all workers",
    )
    audit_share: float = Field(
        default=0.02, ge=0, le=1, description="of the tickets, for a person to check in any case"
    )
    shadow_queue: PositiveInt = Field(
        default=256, description="tickets that wait for shadows; beyond it they are not shown them"
    )
    allow_explicit_arm: bool = Field(
        default=True, description="whether the header X-Arm may choose who answers"
    )

    workers: PositiveInt | Literal["auto"] = Field(
        default="auto",
        description="processes, each of which holds the whole bundle; auto: one for each core that "
        "may be used, fewer where memory is short",
    )
    threads: PositiveInt = Field(
        default=1,
        description="threads of one worker's arithmetic; more than one collapses on shared cores",
    )
    runtime: str = Field(
        default=AUTO,
        description="what computes the networks: auto takes the fastest that the bundle ships, "
        f"timed when it is loaded; or one of {TORCH}, {', '.join(RUNTIMES)}",
    )
    precision: Precision = Field(
        default="same",
        description="same: auto takes only runtimes whose answers do not depend on the processor; "
        "fast: also bfloat16, where the processor has it the fastest",
    )
    timeout_seconds: PositiveFloat = Field(
        default=20.0, description="a request not answered by then gets 504"
    )

    max_head_bytes: PositiveInt = Field(
        default=1 << 16, description="request line and headers; larger ones get 431"
    )
    max_headers: PositiveInt = Field(default=200, description="of a request; more get 431")
    receive_seconds: PositiveFloat = Field(
        default=20.0,
        description="a head that is not whole by then gets 408, and so does a body of which less "
        "than 10,000 bytes came in so long",
    )
    keep_alive_seconds: PositiveInt = Field(
        default=75,
        description="a connection without a request is kept so long; longer than what stands in "
        "front keeps it, which is often 60, or now and then a request meets a closed one",
    )
    max_body_bytes: PositiveInt = Field(default=1 << 20, description="larger bodies get 413")
    max_tickets: PositiveInt = Field(default=256, description="tickets of one batch request")
    max_text: int = Field(default=MAX_TEXT, ge=1, le=MAX_TEXT, description="characters of a ticket")

    cascade: bool = Field(
        default=True,
        description="whether the linear member may decide alone where only decisions are asked for",
    )
    encoder_batch: PositiveInt = Field(
        default=32, description="tickets of one encoder call, at most"
    )
    encoder_tokens: PositiveInt = Field(
        default=4096,
        description="padded tokens of one encoder call, at most; a longer ticket alone",
    )
    max_overtaken_ms: float = Field(
        default=25.0,
        ge=0,
        description="a request that has waited so long is overtaken by none that came later",
    )
    max_waiting: PositiveInt = Field(
        default=512, description="tickets accepted and not yet answered; beyond it 503 at once"
    )
    max_waiting_per_client: PositiveInt | None = Field(
        default=None,
        description="of these, those of one client, by its address; beyond it 429 at once. None: "
        "no limit, as behind a proxy all clients have one address",
    )

    cache: Literal["off", "process", "redis"] = Field(
        default="off",
        description="process: each worker remembers its latest answers, and tickets that are the "
        "same in all but their id are computed once; redis: all workers of all machines together; "
        "off: all are computed",
    )
    cache_url: str = Field(
        default="",
        repr=False,
        description="redis://… that remembers answers, sealed with `salt`; empty: the one that "
        "`redis` names",
    )
    cache_mib: PositiveInt = Field(default=64, description="of remembered answers, per worker")
    cache_seconds: PositiveFloat = Field(
        default=300.0, description="after which an answer is computed anew"
    )

    store: str = Field(
        default="sqlite:///.cache/store.db",
        repr=False,
        description="where predictions and feedback are kept: sqlite:///FILE or postgresql://…",
    )
    store_threads: PositiveInt = Field(default=4, description="calls to the store at once")
    store_timeout_seconds: PositiveFloat = Field(
        default=5.0, description="a store that has not answered by then counts as down"
    )
    record_lag_ms: int = Field(
        default=500,
        ge=0,
        description="how long predictions gather before they are written, and so what a kill can "
        "cost; 0: written before they are told",
    )
    record_waiting: PositiveInt = Field(
        default=5_000, description="predictions held while the store is down; the rest is dropped"
    )
    spool: Path = Field(
        default=Path(".cache/spool"), description="where feedback waits while the store is down"
    )
    spool_bytes: PositiveInt = Field(
        default=64 << 20, description="of feedback waiting, at most; beyond it 503"
    )
    spool_seconds: PositiveFloat = Field(
        default=5.0, description="between two attempts to hand waiting feedback to the store"
    )
    max_feedback: PositiveInt = Field(default=100, description="feedback of one request")
    cost_matrix: Path | None = Field(
        default=None, description="YAML or JSON: per target, cost[actual][told] of wrong decisions"
    )

    monitor_seconds: PositiveFloat = Field(
        default=60.0, description="between two looks at what was checked last, for /metrics"
    )

    jobs_folder: Path = Field(
        default=Path(".cache/jobs"), description="shared by all workers; on a local disk"
    )
    max_jobs: PositiveInt = Field(
        default=16, description="jobs that wait or run; beyond it 429 at once"
    )
    max_job_bytes: PositiveInt = Field(
        default=256 << 20, description="the file of one job; larger ones get 413"
    )
    max_finished_jobs: PositiveInt = Field(
        default=100, description="finished jobs whose result is kept, the newest"
    )
    job_keep_hours: PositiveFloat = Field(
        default=24.0, description="how long the result of a finished job is kept"
    )
    job_gives_way: int = Field(
        default=8, ge=0, description="a job waits while more tickets than this wait for an answer"
    )

    @field_validator("store")
    @classmethod
    def _is_kept_somewhere_known(cls, url: str) -> str:
        kind = url.partition(":")[0].partition("+")[0]
        if kind not in STORES:
            raise ValueError(f"a store is kept in {' or '.join(STORES[:2])}")
        return url

    @field_validator("runtime")
    @classmethod
    def _is_a_runtime(cls, name: str) -> str:
        known = (AUTO, TORCH, *RUNTIMES)
        if name not in known:
            raise ValueError(f"must be one of {', '.join(known)}")
        return name

    @model_validator(mode="after")
    def _a_full_batch_can_wait(self) -> Self:
        if self.max_waiting < self.max_tickets:
            raise ValueError(
                f"max_waiting ({self.max_waiting}) is below max_tickets ({self.max_tickets}): "
                "a full batch could never be accepted"
            )
        client = self.max_waiting_per_client
        limits = {"max_waiting_per_client": client, "rate_tickets": self.rate_tickets}
        for name, limit in limits.items():
            if limit is not None and limit < self.max_tickets:
                raise ValueError(
                    f"{name} ({limit}) is below max_tickets ({self.max_tickets}): "
                    "a full batch could never be accepted"
                )
        return self

    @model_validator(mode="after")
    def _keeps_others_out(self) -> Self:
        if faults := faults_of(self):
            raise ValueError(SEPARATOR.join(faults))
        return self

    @model_validator(mode="after")
    def _a_shared_cache_is_sealed(self) -> Self:
        if self.cache != "redis":
            return self
        if not self.cache_address.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("cache_url: the cache redis needs an address, redis://HOST:PORT/0")
        if len(self.salt) < MIN_SECRET:
            raise ValueError(f"salt: the cache redis is sealed with {MIN_SECRET} characters of it")
        return self

    @property
    def cache_address(self) -> str:
        """Of the Redis that remembers answers; empty where none is named."""
        return self.cache_url or self.redis

    @property
    def processes(self) -> int:
        """How many workers start here."""
        return count_workers() if self.workers == "auto" else self.workers
