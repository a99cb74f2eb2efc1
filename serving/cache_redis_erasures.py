"""Takes answers out of the Redis that all machines share, when something is erased."""

import secrets
from typing import Any

from data.errors import StoreError
from serving.cache_redis import GENERATION, PREFIX
from serving.problems import ServingError

AT_ONCE = 1000
"""Names that Redis looks at, and answers it removes, in one step."""


def forget_all(client: Any) -> None:
    """Let no worker of any machine answer from what was remembered, then remove it.

    Raises
    ------
    redis.exceptions.RedisError
        If Redis is not to be had.
    """
    client.set(GENERATION, secrets.token_bytes(16))
    # Nothing can be opened any more. What is still there is removed all the same.
    cursor = 0
    while True:
        cursor, names = client.scan(cursor, match=PREFIX + "*", count=AT_ONCE)
        if kept := [name for name in names if name != GENERATION.encode()]:
            client.unlink(*kept)
        if cursor == 0:
            return


def tell_redis(url: str, timeout: float) -> None:
    """Forget all answers in the Redis of this address.

    Raises
    ------
    StoreError
        If it is not to be had: erase again.
    ServingError
        If the client is not installed.
    """
    try:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError
        from redis.retry import Retry
    except ModuleNotFoundError:
        raise ServingError("the cache redis needs the client: pip install redis") from None
    try:
        with Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        ) as client:
            forget_all(client)
    except (RedisError, OSError) as error:
        raise StoreError(
            f"the shared cache cannot be told of an erasure: {type(error).__name__}"
        ) from None
