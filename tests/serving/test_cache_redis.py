"""Machines that share answers in a real Redis: once computed, sealed, erased, and never missed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import pytest
import redis
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from data.errors import StoreError
from data.schema import Candidate, Prediction, Ticket
from serving import cache_redis
from serving.cache import AnswerCache, Asked
from serving.cache_erasures import Erasures
from serving.cache_metrics import CacheMetrics
from serving.cache_redis import GENERATION, MAX_CONTENT, RedisAnswers
from serving.cache_redis_erasures import tell_redis
from serving.cache_sealing import Sealing, derive, fingerprint
from serving.redis_circuit import Circuit
from serving.settings import Settings
from tests.redis_server import RedisServer, run_redis
from tests.serving.fakes import RuleAssistant

ASKED = Asked("invented-0a1b2c3d", "onnxruntime-int8", "full", True, {})
SALT = "9f1c0b7d2e6a4835"


class Machine:
    """One that computes by rule and shares what it computed."""

    def __init__(
        self, server: RedisServer, folder: Path, salt: str = SALT, seconds: float = 60.0,
        place: str = "release",
    ) -> None:  # fmt: skip
        self.registry = CollectorRegistry()
        self.asked: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.fails = False
        self.change: Callable[[Prediction], Prediction] = lambda answer: answer
        metrics = CacheMetrics(self.registry)
        client = redis.asyncio.Redis.from_url(server.url, protocol=2, retry=None)
        circuit = Circuit(
            "cache", client.ping, (redis.RedisError,), 5.0, metrics.failures.inc, pause=0.02
        )
        self.client = client
        self.store = RedisAnswers(client, circuit, Sealing(salt), seconds, metrics, place)
        self.circuit = circuit
        self.erasures = Erasures(folder)
        self.cache = AnswerCache(self.store, self.erasures, metrics, derive(salt, "names"))

    async def compute(self, tickets: Sequence[Ticket]) -> list[Prediction]:
        self.asked += [ticket.text for ticket in tickets]
        await self.open.wait()
        if self.fails:
            raise ArithmeticError
        return [self.change(answer) for answer in RuleAssistant().predict(tickets)]

    async def answer(self, *texts: str) -> list[Prediction]:
        tickets = [Ticket(id=f"T-{i}", text=text) for i, text in enumerate(texts)]
        return await self.cache.answer(ASKED, tickets, self.compute)

    def count(self, name: str) -> float | None:
        return self.registry.get_sample_value(f"tickets_cache_{name}_total")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with run_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def server(running: RedisServer) -> RedisServer:
    redis.Redis.from_url(running.url).flushall()
    return running


Scenario = Callable[[Machine, Machine], Awaitable[None]]


@pytest.fixture
def play(server: RedisServer, tmp_path: Path) -> Callable[[Scenario], None]:
    """Runs a scenario of two machines."""

    def run(scenario: Scenario) -> None:
        async def whole() -> None:
            one, other = Machine(server, tmp_path / "one"), Machine(server, tmp_path / "other")
            async with asyncio.timeout(20):
                await scenario(one, other)
            await one.client.aclose()
            await other.client.aclose()

        asyncio.run(whole())

    return run


Play = Callable[[Scenario], None]


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.002)


def test_what_one_machine_answered_the_other_does_not_compute(play: Play) -> None:
    async def scenario(one: Machine, other: Machine) -> None:
        first = await one.answer("wifi", "printer")
        assert await other.answer("printer", "vpn", "wifi") == [
            answer.model_copy(update={"ticket_id": f"T-{i}"})
            for i, answer in enumerate(
                [first[1], *RuleAssistant().predict([Ticket(text="vpn")]), first[0]]
            )
        ]
        assert other.asked == ["vpn"]
        assert (other.count("hits"), other.count("misses")) == (2, 1)

    play(scenario)


def test_a_burst_over_two_machines_is_computed_once(play: Play) -> None:
    async def scenario(one: Machine, other: Machine) -> None:
        one.open.clear()
        began = asyncio.create_task(one.answer("wifi"))
        await until(lambda: one.asked == ["wifi"])
        burst = [asyncio.create_task(other.answer("wifi")) for _ in range(10)]
        await asyncio.sleep(0.1)
        assert other.asked == []
        one.open.set()
        found = await asyncio.gather(began, *burst)
        assert all(answers == found[0] for answers in found)
        assert other.asked == []
        assert other.count("shared") == 10

    play(scenario)


def test_requests_that_want_the_same_tickets_crosswise_do_not_wait_for_each_other(
    play: Play,
) -> None:
    async def scenario(one: Machine, other: Machine) -> None:
        for round_ in range(20):
            a, b = f"a{round_}", f"b{round_}"
            await asyncio.gather(one.answer(a, b), other.answer(b, a))
        assert len(one.asked) + len(other.asked) == 40

    play(scenario)


def test_a_machine_that_fails_lets_the_other_compute_at_once(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_redis, "FLIGHT_SECONDS", 600.0)

    async def scenario(one: Machine, other: Machine) -> None:
        one.open.clear()
        one.fails = True
        began = asyncio.create_task(one.answer("wifi"))
        await until(lambda: one.asked == ["wifi"])
        second = asyncio.create_task(other.answer("wifi"))
        await asyncio.sleep(0.05)
        one.open.set()
        with pytest.raises(ArithmeticError):
            await began
        assert await second
        assert other.asked == ["wifi"]

    play(scenario)


def test_a_request_given_up_lets_the_other_machine_compute_at_once(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_redis, "FLIGHT_SECONDS", 600.0)

    async def scenario(one: Machine, other: Machine) -> None:
        one.open.clear()
        began = asyncio.create_task(one.answer("wifi"))
        await until(lambda: one.asked == ["wifi"])
        second = asyncio.create_task(other.answer("wifi"))
        await asyncio.sleep(0.05)
        began.cancel()
        assert await second
        assert other.asked == ["wifi"]

    play(scenario)


def test_a_machine_that_dies_holds_the_other_up_for_a_short_time_only(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_redis, "FLIGHT_SECONDS", 0.3)

    async def scenario(one: Machine, other: Machine) -> None:
        one.open.clear()  # and is never heard of again
        dead = asyncio.create_task(one.answer("wifi"))
        await until(lambda: one.asked == ["wifi"])
        assert await other.answer("wifi")
        assert other.asked == ["wifi"]
        dead.cancel()

    play(scenario)


def test_redis_learns_nothing_of_a_ticket(play: Play, server: RedisServer) -> None:
    async def scenario(one: Machine, other: Machine) -> None:
        one.change = lambda answer: answer.model_copy(
            update={"sentiment": Candidate(label="hunter2", probability=1.0)}
        )
        await one.answer("my password is hunter2")
        [found] = await other.answer("my password is hunter2")
        assert found.sentiment is not None and found.sentiment.label == "hunter2"
        assert other.asked == []

    play(scenario)
    client = redis.Redis.from_url(server.url)
    names = client.keys("*")
    assert len(names) == 2, "the generation and the answer"
    whole = b"".join([*names, *(client.get(name) for name in names)])
    assert not any(word in whole for word in (b"hunter2", b"password", b"label", b"category"))


@pytest.mark.parametrize("changed", [{"salt": "another-0123456789"}, {"place": "next release"}])
def test_another_secret_or_release_shares_nothing(
    server: RedisServer, tmp_path: Path, changed: dict[str, str]
) -> None:
    async def scenario() -> None:
        one, other = Machine(server, tmp_path), Machine(server, tmp_path, **changed)
        await one.answer("wifi")
        await other.answer("wifi")
        assert other.asked == ["wifi"]

    asyncio.run(scenario())


def test_an_answer_that_was_touched_or_moved_is_computed(play: Play, server: RedisServer) -> None:
    async def scenario(one: Machine, other: Machine) -> None:
        await one.answer("wifi", "printer")
        client = redis.Redis.from_url(server.url)
        first, second = (name for name in client.keys("*") if name != GENERATION.encode())
        sealed = client.get(first)
        client.set(first, sealed[:-1] + bytes([sealed[-1] ^ 1]))
        client.set(second, sealed)
        await other.answer("wifi", "printer")
        assert sorted(other.asked) == ["printer", "wifi"]
        client.set(first, b"")
        await one.answer("wifi", "printer")
        assert len(one.asked) == 3

    play(scenario)


def test_an_erasure_reaches_all_machines_and_leaves_nothing(
    play: Play, server: RedisServer
) -> None:
    async def scenario(one: Machine, other: Machine) -> None:
        await one.answer("wifi", "printer")
        tell_redis(server.url, 5.0)
        assert redis.Redis.from_url(server.url).keys("*") == [GENERATION.encode()]
        await other.answer("wifi")
        assert other.asked == ["wifi"]

    play(scenario)


def test_what_was_being_computed_when_another_machine_erased_is_not_remembered(
    play: Play, server: RedisServer
) -> None:
    async def scenario(one: Machine, other: Machine) -> None:
        one.open.clear()
        began = asyncio.create_task(one.answer("wifi"))
        await until(lambda: one.asked == ["wifi"])
        tell_redis(server.url, 5.0)
        await one.store.find([b"another request, which sees it"])
        one.open.set()
        await began
        await other.answer("wifi")
        assert other.asked == ["wifi"]

    play(scenario)


def test_what_was_erased_does_not_come_back_where_redis_forgot_that_it_was(
    play: Play, server: RedisServer
) -> None:
    async def scenario(one: Machine, other: Machine) -> None:
        client = redis.Redis.from_url(server.url)
        await one.answer("wifi")
        [name] = (name for name in client.keys("*") if name != GENERATION.encode())
        kept = client.get(name)
        tell_redis(server.url, 5.0)
        client.set(name, kept)
        client.delete(GENERATION)  # evicted
        await other.answer("wifi")
        assert other.asked == ["wifi"]

    play(scenario)


def test_an_answer_is_kept_for_a_time_and_no_longer(server: RedisServer, tmp_path: Path) -> None:
    async def scenario() -> None:
        one = Machine(server, tmp_path, seconds=0.5)
        await one.answer("wifi")
        client = redis.Redis.from_url(server.url)
        ages = {name: client.pttl(name) for name in client.keys("*")}
        assert all(0 < age <= 500 for name, age in ages.items() if name != GENERATION.encode())
        await asyncio.sleep(0.55)
        await one.answer("wifi")
        assert one.asked == ["wifi", "wifi"]

    asyncio.run(scenario())


def test_an_answer_too_large_is_told_and_not_kept(play: Play, server: RedisServer) -> None:
    async def scenario(one: Machine, other: Machine) -> None:
        one.change = lambda answer: answer.model_copy(
            update={"sentiment": Candidate(label="x" * MAX_CONTENT, probability=1.0)}
        )
        assert await one.answer("wifi")
        assert await other.answer("wifi")
        assert other.asked == ["wifi"]

    play(scenario)


def test_without_redis_everything_is_computed_and_counted_and_nobody_asks_it_again(
    tmp_path: Path,
) -> None:
    async def scenario(server: RedisServer) -> None:
        one = Machine(server, tmp_path / "jobs")
        await one.answer("wifi")
        server.stop()
        for _ in range(4):
            assert await one.answer("wifi", "vpn")
        assert one.asked.count("wifi") == 5
        assert one.count("failures") == 1
        assert one.count("unasked") == 6
        server.start()
        await until(lambda: not one.circuit.is_open)
        await one.answer("wifi")
        await one.answer("wifi")
        assert one.asked.count("wifi") == 6
        await one.client.aclose()

    with run_redis(tmp_path) as server:
        asyncio.run(asyncio.wait_for(scenario(server), 20))


def test_an_erasure_on_this_machine_while_redis_was_gone_is_made_up_for(
    play: Play, server: RedisServer
) -> None:
    async def scenario(one: Machine, other: Machine) -> None:
        await one.answer("wifi")

        async def gone() -> None:
            raise redis.ConnectionError

        await one.circuit.ask(gone)
        one.erasures.tell()
        await one.answer("vpn")
        await other.answer("wifi")
        assert other.asked == [], "nobody could tell it yet"
        await until(lambda: not one.circuit.is_open)
        await one.answer("wifi")
        assert one.asked == ["wifi", "vpn", "wifi"]

    play(scenario)


def test_an_erasure_that_redis_cannot_be_told_of_says_so(tmp_path: Path) -> None:
    with run_redis(tmp_path) as server:
        settings = Settings.model_validate(
            {"cache": "redis", "cache_url": server.url, "salt": SALT, "jobs_folder": tmp_path}
        )
        told = Erasures.of(settings)
        told.tell()
        server.stop()
        before = told.look()
        with pytest.raises(StoreError, match="shared cache"):
            told.tell()
        assert told.look() != before, "this machine forgets all the same"


def test_the_settings_name_a_cache_and_what_seals_it(tmp_path: Path) -> None:
    def settings(**values: object) -> Settings:
        return Settings.model_validate({"cache": "redis", "jobs_folder": tmp_path, **values})

    with pytest.raises(ValidationError, match="cache_url"):
        settings(salt=SALT)
    with pytest.raises(ValidationError, match="cache_url") as told:
        settings(salt=SALT, cache_url="http://:hunter2@h")
    assert "hunter2" not in str(told.value)
    with pytest.raises(ValidationError, match="salt"):
        settings(cache_url="redis://h", salt="short")
    assert settings(salt=SALT, redis="redis://h").cache_address == "redis://h"
    both = settings(salt=SALT, redis="redis://h", cache_url="redis://g")
    assert both.cache_address == "redis://g"
    assert AnswerCache.find(both, CacheMetrics(CollectorRegistry())) is not None


def test_a_release_is_known_by_its_code(tmp_path: Path) -> None:
    for package in ("data", "models", "serving"):
        (tmp_path / package).mkdir()
    source = tmp_path / "models" / "rule.py"
    source.write_text("x = 1\n")
    before = fingerprint(tmp_path)
    assert fingerprint(tmp_path) == before
    source.write_text("x = 2\n")
    assert fingerprint(tmp_path) != before
    assert len(fingerprint()) == len(before)
