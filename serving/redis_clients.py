"""A client of Redis that gives up in time and leaves asking again to whoever asked."""

from typing import TYPE_CHECKING

from serving.problems import ServingError

if TYPE_CHECKING:
    from redis.asyncio import Redis

MAX_CONNECTIONS = 16


def open_redis(
    url: str, timeout: float, setting: str
) -> tuple["Redis", tuple[type[Exception], ...]]:
    """A client that connects with its first call, and what it raises when Redis is not to be had.

    Parameters
    ----------
    timeout : seconds to wait for a connection, and for an answer
    setting : what wants Redis, for whoever has to install the client

    Raises
    ------
    ServingError
        If the client is not installed.
    """
    try:
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError
    except ModuleNotFoundError:
        raise ServingError(f"{setting} needs the client: pip install redis") from None
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=timeout,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        # Whoever asked has another way meanwhile, see `serving.redis_circuit`.
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
    return Redis.from_pool(pool), (RedisError,)
