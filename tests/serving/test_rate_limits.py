import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter
from pydantic import ValidationError
from starlette.testclient import TestClient

from serving import rate_limits
from serving.problems import MEDIA_TYPE, ServingError
from serving.rate_limits import Buckets, Quota, Taken
from serving.rate_limits_redis import RedisLimiter, name_of, open_limiter
from serving.redis_circuit import Circuit
from serving.settings import Settings
from tests.redis_server import run_redis
from tests.serving.fakes import MakeApp, MemoryStore
from tests.serving.identity_fakes import bearer, production, rsa_key, token

QUOTA = Quota("caller", 4, 2)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def take(buckets: Buckets, caller: str = "a", quota: Quota = QUOTA) -> Taken:
    return asyncio.run(buckets.take(caller, quota))


# Buckets


def test_as_many_are_allowed_at_once_as_the_quota_says(clock: Clock) -> None:
    buckets = Buckets(clock)
    assert [take(buckets).allowed for _ in range(6)] == [True] * 4 + [False] * 2


def test_a_bucket_fills_as_time_passes_and_never_over(clock: Clock) -> None:
    buckets = Buckets(clock)
    for _ in range(4):
        take(buckets)
    clock.now += 0.49
    assert not take(buckets).allowed
    clock.now += 0.01
    assert take(buckets) == Taken(True, pytest.approx(0))
    clock.now += 1_000
    assert take(buckets).tokens == 3


def test_a_refused_request_costs_nothing(clock: Clock) -> None:
    buckets = Buckets(clock)
    for _ in range(50):
        take(buckets)
    clock.now += 0.5
    assert take(buckets).allowed


def test_callers_and_quotas_are_counted_apart(clock: Clock) -> None:
    buckets = Buckets(clock)
    for _ in range(4):
        take(buckets, "a")
    assert not take(buckets, "a").allowed
    assert take(buckets, "b").allowed
    assert take(buckets, "a", QUOTA._replace(name="refused")).allowed


def test_a_clock_that_goes_back_gives_nothing(clock: Clock) -> None:
    buckets = Buckets(clock)
    clock.now = 100
    for _ in range(4):
        take(buckets)
    clock.now = 50
    assert not take(buckets).allowed


def test_no_more_callers_are_remembered_than_may_be(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "MAX_CALLERS", 10)
    buckets = Buckets(clock)
    for number in range(100):
        take(buckets, f"caller-{number}")
    assert len(buckets) == 10


# At the door


@pytest.fixture
def limited(make_app: MakeApp, store: MemoryStore, assistants: Any, tmp_path: Path) -> TestClient:
    """In production: three requests a minute each, and two that are refused."""
    store.publish()
    assistants.refresh()
    app = make_app(**production(tmp_path, rate_limit=3, refused_limit=2))
    return TestClient(app, client=("198.51.100.7", 4711))


def test_every_answer_tells_what_is_left(limited: TestClient) -> None:
    left = []
    for _ in range(3):
        response = limited.get("/v1/model", headers=bearer(token()))
        assert response.headers["ratelimit-policy"] == '"caller";q=3;w=60'
        left.append(response.headers["ratelimit"])
    assert left == ['"caller";r=2;t=20', '"caller";r=1;t=40', '"caller";r=0;t=60']


def test_beyond_its_limit_a_caller_gets_429_and_others_are_answered(limited: TestClient) -> None:
    for _ in range(3):
        assert limited.get("/v1/model", headers=bearer(token())).status_code == 200
    response = limited.get("/v1/model", headers=bearer(token()))
    assert response.status_code == 429
    assert response.headers["content-type"] == MEDIA_TYPE
    assert response.json()["type"] == "urn:ticket-assistant:problem:rate-limited"
    assert response.json()["detail"] == "at most 3 requests in 60 seconds"
    assert 1 <= int(response.headers["retry-after"]) <= 20
    assert response.headers["ratelimit"].startswith('"caller";r=0;')
    assert limited.get("/v1/model", headers=bearer(token(sub="bob"))).status_code == 200
    assert limited.get("/livez").status_code == 200


def test_a_new_token_of_the_same_subject_is_the_same_caller(limited: TestClient) -> None:
    statuses = [
        limited.get("/v1/model", headers=bearer(token(jti=str(i)))).status_code for i in range(4)
    ]
    assert statuses == [200, 200, 200, 429]


def test_guessing_is_limited_by_address_and_keeps_nobody_else_out(limited: TestClient) -> None:
    guess = bearer(token(rsa_key(9)))
    statuses = [limited.get("/v1/model", headers=guess).status_code for _ in range(4)]
    assert statuses == [401, 401, 429, 429]
    assert limited.get("/v1/model", headers=bearer(token())).status_code == 200


def test_a_batch_counts_by_its_size(make_app: MakeApp, store: MemoryStore, assistants: Any) -> None:
    store.publish()
    assistants.refresh()
    client = TestClient(make_app(max_tickets=4, rate_tickets=5))
    batch = {"tickets": [{"text": "a"}] * 4}
    assert client.post("/v1/predict/batch", json=batch).status_code == 200
    for path in ("/v1/predict/batch", "/v1/predict/batch?partial=true"):
        response = client.post(path, json=batch)
        assert response.status_code == 429
        assert response.json()["type"] == "urn:ticket-assistant:problem:rate-limited"
        assert response.json()["detail"] == "at most 5 tickets in 60 seconds"
        assert 1 <= int(response.headers["retry-after"]) <= 36
    assert client.post("/v1/predict", json={"text": "a"}).status_code == 200
    assert client.post("/v1/predict", json={"text": "a"}).status_code == 429
    told = client.get("/openapi.json").json()["paths"]["/v1/predict"]["post"]["responses"]["429"]
    assert "rate-limited" in told["content"][MEDIA_TYPE]["examples"]


def test_a_limit_of_tickets_below_a_full_batch_is_refused() -> None:
    with pytest.raises(ValidationError, match="rate_tickets"):
        Settings.model_validate({"max_tickets": 4, "rate_tickets": 3})


def test_without_a_limit_no_limit_is_told(client: TestClient) -> None:
    response = client.get("/v1/model")
    assert "ratelimit" not in response.headers
    assert "ratelimit-policy" not in response.headers


# In Redis


class Script:
    """Redis, or none."""

    def __init__(self) -> None:
        self.down = False
        self.calls = 0

    async def __call__(self, keys: list[str], args: list[int]) -> list[Any]:
        self.calls += 1
        if self.down:
            raise ConnectionError("no route to redis://:secret@host")
        return [1, b"2.5"]

    async def ping(self) -> None:
        if self.down:
            raise ConnectionError


def test_while_redis_is_gone_a_worker_counts_alone(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    script = Script()
    circuit = Circuit("Redis", script.ping, (ConnectionError,), 1.0, pause=0.01)
    alone = Counter("alone", "Counted here", registry=CollectorRegistry())
    limiter = RedisLimiter(script, circuit, clock, alone.inc)

    async def ask() -> None:
        assert await limiter.take("a", QUOTA) == Taken(True, 2.5)
        script.down = True
        found = [(await limiter.take("a", QUOTA)).allowed for _ in range(6)]
        assert found == [True] * 4 + [False] * 2
        assert script.calls == 2, "it is not asked again at once"
        script.down = False
        while circuit.is_open:
            await asyncio.sleep(0.01)
        assert await limiter.take("a", QUOTA) == Taken(True, 2.5)
        assert script.calls == 3, "and by the requests no sooner than it is back"
        assert next(sample.value for sample in alone.collect()[0].samples) == 6

    with caplog.at_level("INFO"):
        asyncio.run(asyncio.wait_for(ask(), 10))
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "secret" not in caplog.text


def test_a_redis_that_hangs_holds_nobody_up(clock: Clock) -> None:
    async def hang(keys: list[str], args: list[int]) -> list[Any]:
        await asyncio.sleep(60)
        return []

    limiter = RedisLimiter(hang, Circuit("Redis", Script().ping, (), 0.01), clock)
    began = time.monotonic()
    assert asyncio.run(limiter.take("a", QUOTA)).allowed
    assert time.monotonic() - began < 30


def test_no_name_stands_in_redis() -> None:
    assert "alice" not in name_of("user:alice", QUOTA)
    assert name_of("user:alice", QUOTA) != name_of("user:bob", QUOTA)


def test_without_its_client_the_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "redis.asyncio", None)
    with pytest.raises(ServingError, match="pip install redis"):
        open_limiter("redis://127.0.0.1", 0.1)


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    with run_redis(tmp_path) as server:
        yield server.url


def test_two_workers_share_one_bucket_in_redis(redis_url: str) -> None:
    quota = Quota("caller", 10, 3600)

    async def ask() -> list[Taken]:
        limiters = [open_limiter(redis_url, 5.0) for _ in range(2)]
        return await asyncio.gather(
            *(limiters[number % 2].take("user:alice", quota) for number in range(40))
        )

    found = asyncio.run(ask())
    assert sum(taken.allowed for taken in found) == 10
    assert all(-0.01 <= taken.tokens <= 10 for taken in found)


def test_tickets_in_redis_count_by_their_number(redis_url: str) -> None:
    quota = Quota("tickets", 10, 3600)

    async def ask() -> list[bool]:
        limiter = open_limiter(redis_url, 5.0)
        return [(await limiter.take("a", quota, cost)).allowed for cost in (8, 3, 2, 1)]

    assert asyncio.run(ask()) == [True, False, True, False]


def test_a_bucket_in_redis_fills_as_time_passes(redis_url: str) -> None:
    quota = Quota("caller", 20, 1)

    async def ask() -> None:
        limiter = open_limiter(redis_url, 5.0)
        await asyncio.gather(*(limiter.take("a", quota) for _ in range(40)))
        deadline = time.monotonic() + 10
        while not (await limiter.take("a", quota)).allowed:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)

    asyncio.run(ask())
