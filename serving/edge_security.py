"""The layers that decide who may ask, put together as the settings say."""

import logging

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from serving.hosts import AllowedHosts
from serving.identity import Identified, Identity
from serving.rate_limits import Buckets, Limiter, Quota, RateLimited, TicketLimit
from serving.secure_headers import SecureHeaders
from serving.security_metrics import SecurityMetrics
from serving.settings import Settings

logger = logging.getLogger(__name__)

SENT = (
    "Authorization", "X-API-Key", "Content-Type", "Idempotency-Key", "X-Arm", "X-Assignment-Key",
    "X-Customer", "X-Request-ID", "traceparent",
)  # fmt: skip
"""Headers that pages of other origins may send."""

READ = (
    "RateLimit", "RateLimit-Policy", "Retry-After", "Location", "WWW-Authenticate", "X-Request-ID",
)  # fmt: skip
"""Headers that pages of other origins may read."""


def install(app: FastAPI, settings: Settings, identity: Identity, limiter: Limiter) -> None:
    """Add who asks, by which name and how often; the last one added is the outermost."""
    quota, refused = quotas_of(settings)
    if quota is None and not identity.open_here:
        logger.warning("a caller may ask as often as it likes: TICKETS_RATE_LIMIT is not set")
    if quota or refused:
        app.add_middleware(RateLimited, limiter=limiter, quota=quota, refused=refused)
    app.add_middleware(Identified, identity=identity)
    if settings.allowed_hosts or identity.open_here:
        app.add_middleware(AllowedHosts, names=settings.allowed_hosts, only_near=identity.open_here)


def quotas_of(settings: Settings) -> tuple[Quota | None, Quota | None]:
    """What a caller may ask, and what those may whose credentials are worth nothing.

    Of the latter there are none to keep away where everybody is let in.
    """
    seconds = settings.rate_seconds
    caller = None if settings.rate_limit is None else Quota("caller", settings.rate_limit, seconds)
    if settings.refused_limit is None or settings.profile == "development":
        return caller, None
    return caller, Quota("refused", settings.refused_limit, seconds)


def limits_any(settings: Settings) -> bool:
    """Whether anything of any caller is counted."""
    return any((*quotas_of(settings), settings.rate_tickets))


def ticket_limit(settings: Settings, limiter: Limiter) -> TicketLimit:
    """What counts the tickets of each caller."""
    limit = settings.rate_tickets
    quota = None if limit is None else Quota("tickets", limit, settings.rate_seconds)
    return TicketLimit(limiter, quota)


def install_headers(app: FastAPI, settings: Settings) -> None:
    """Add what every answer carries, refusals too."""
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=SENT,
            expose_headers=READ,
        )
    app.add_middleware(SecureHeaders)


def open_limiter(settings: Settings, metrics: SecurityMetrics) -> Limiter:
    """What counts requests and tickets: this process, or Redis."""
    if not settings.redis or not limits_any(settings):
        return Buckets()
    from serving.rate_limits_redis import open_limiter as open_redis

    return open_redis(settings.redis, settings.redis_timeout_seconds, metrics.limits_unshared.inc)
