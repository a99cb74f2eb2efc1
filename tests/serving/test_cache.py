"""Each answer is computed once, and only where nothing it depends on differs."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from data.schema import Candidate, Entity, Neighbour, Prediction, TargetPrediction, Ticket
from serving.cache import AnswerCache, Asked
from serving.cache_erasures import Erasures
from serving.cache_memory import MemoryAnswers
from serving.cache_metrics import CacheMetrics
from serving.settings import Settings
from tests.serving.fakes import RuleAssistant

ASKED = Asked("invented-0a1b2c3d", "onnxruntime-int8", "full", True, {})
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Bundle:
    """Computes by rule, waits to be let go on where told so, and remembers what it was asked."""

    def __init__(self) -> None:
        self.rule = RuleAssistant()
        self.asked: list[list[str]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.failures: list[Exception] = []
        self.change: Callable[[Prediction], Prediction] = lambda answer: answer

    async def compute(self, tickets: Sequence[Ticket]) -> list[Prediction]:
        self.asked.append([ticket.text for ticket in tickets])
        await self.open.wait()
        if self.failures:
            raise self.failures.pop(0)
        return [self.change(answer) for answer in self.rule.predict(tickets)]


@pytest.fixture
def erasures(tmp_path: Path) -> Erasures:
    return Erasures(tmp_path / "jobs")


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> CacheMetrics:
    return CacheMetrics(registry)


@pytest.fixture
def cache(erasures: Erasures, metrics: CacheMetrics) -> AnswerCache:
    return AnswerCache(MemoryAnswers(1 << 20, 60, metrics.held), erasures, metrics)


@pytest.fixture
def bundle() -> Bundle:
    return Bundle()


def tickets(*texts: str) -> list[Ticket]:
    return [Ticket(id=f"T-{i}", text=text) for i, text in enumerate(texts)]


def counts(registry: CollectorRegistry) -> tuple[float | None, ...]:
    """Hits, shared, misses."""
    names = ("hits_total", "shared_total", "misses_total")
    return tuple(registry.get_sample_value(f"tickets_cache_{name}") for name in names)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_what_was_answered_is_remembered_for_whoever_asks_the_same(
    cache: AnswerCache, bundle: Bundle, registry: CollectorRegistry
) -> None:
    async def scenario() -> None:
        first = await cache.answer(ASKED, tickets("printer", "wifi"), bundle.compute)
        asked = [Ticket(id="other", text="wifi"), Ticket(text="vpn"), Ticket(text="printer")]
        second = await cache.answer(ASKED, asked, bundle.compute)
        assert second == bundle.rule.predict(asked)
        assert [one.ticket_id for one in first] == ["T-0", "T-1"]
        assert [one.ticket_id for one in second] == ["other", None, None]

    asyncio.run(scenario())
    assert bundle.asked == [["printer", "wifi"], ["vpn"]]
    assert counts(registry) == (2, 0, 3)
    assert registry.get_sample_value("tickets_cache_entries") == 3
    assert (registry.get_sample_value("tickets_cache_bytes") or 0) > 900


def test_a_remembered_answer_is_the_same_to_the_last_digit(
    cache: AnswerCache, bundle: Bundle
) -> None:
    whole = Prediction(
        ticket_id="T-0",
        bundle="invented-0a1b2c3d",
        fallback=False,
        language="de",
        targets={
            "category": TargetPrediction(
                label="Drucker ☃",
                confidence=0.1 + 0.2,
                decision="review",
                reason="novel",
                threshold=1 / 3,
                shortlist=(Candidate(label="Drucker ☃", probability=5e-324),),
            )
        },
        sentiment=Candidate(label="negative", probability=1 - 2**-53),
        entities=(Entity(start=0, end=5, label="time", value="2026-11-23T12:00"),),
        novelty=1e-17,
        similar=(Neighbour(id="P-1", similarity=-0.1, labels={"category": "x"}, resolution=None),),
        tier="ensemble",
    )
    bundle.change = lambda _: whole

    async def scenario() -> list[Prediction]:
        await cache.answer(ASKED, tickets("a"), bundle.compute)
        return await cache.answer(ASKED, tickets("a"), bundle.compute)

    assert asyncio.run(scenario()) == [whole]
    assert len(bundle.asked) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"text": "Printer"},
        {"text": "printer "},
        {"subject": "printer"},
        {"subject": "print", "text": "er"},
        {"language": "en"},
        {"created_at": NOON},
    ],
)
def test_a_ticket_that_says_anything_else_is_computed(
    cache: AnswerCache, bundle: Bundle, other: dict[str, object]
) -> None:
    async def scenario() -> None:
        await cache.answer(ASKED, tickets("printer"), bundle.compute)
        [found] = await cache.answer(
            ASKED, [Ticket.model_validate({"text": "printer", **other})], bundle.compute
        )
        assert (
            found == bundle.rule.predict([Ticket.model_validate({"text": "printer", **other})])[0]
        )

    asyncio.run(scenario())
    assert len(bundle.asked) == 2


def test_moments_are_told_apart_by_their_zone(cache: AnswerCache, bundle: Bundle) -> None:
    """A date without a zone is one of the place where the ticket was written."""
    there = NOON.astimezone(timezone(timedelta(hours=2)))

    async def scenario() -> None:
        for moment in (NOON, there, NOON):
            asked = [Ticket(text="tomorrow", created_at=moment)]
            await cache.answer(ASKED, asked, bundle.compute)

    asyncio.run(scenario())
    assert len(bundle.asked) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"version": "invented-77aa01f3"},
        {"runtime": "torch"},
        {"detail": "decision"},
        {"cascade": False},
        {"lost": {"category": {"printer": "why"}}},
    ],
)
def test_a_bundle_asked_otherwise_does_not_answer_from_memory(
    cache: AnswerCache, bundle: Bundle, other: dict[str, object]
) -> None:
    async def scenario() -> None:
        await cache.answer(ASKED, tickets("printer"), bundle.compute)
        await cache.answer(
            Asked(**{**ASKED._asdict(), **other}), tickets("printer"), bundle.compute
        )
        await cache.answer(ASKED, tickets("printer"), bundle.compute)

    asyncio.run(scenario())
    assert len(bundle.asked) == 2


def test_why_a_certificate_was_lost_does_not_matter() -> None:
    first = ASKED._replace(lost={"a": {"x": "1", "y": "2"}, "b": {}})
    second = ASKED._replace(lost={"b": [], "a": ("y", "x")})
    assert first.told() == second.told() != ASKED.told()


def test_a_burst_of_one_ticket_is_computed_once(
    cache: AnswerCache, bundle: Bundle, registry: CollectorRegistry
) -> None:
    async def scenario() -> list[list[Prediction]]:
        bundle.open.clear()
        requests = [
            asyncio.create_task(
                cache.answer(ASKED, [Ticket(id=str(i), text="wifi")], bundle.compute)
            )
            for i in range(50)
        ]
        await settle()
        bundle.open.set()
        return await asyncio.gather(*requests)

    found = asyncio.run(scenario())
    assert [one.ticket_id for [one] in found] == [str(i) for i in range(50)]
    assert bundle.asked == [["wifi"]]
    assert counts(registry) == (0, 49, 1)


def test_a_ticket_that_stands_twice_in_a_batch_is_computed_once(
    cache: AnswerCache, bundle: Bundle, registry: CollectorRegistry
) -> None:
    asked = tickets("wifi", "printer", "wifi", "wifi")
    found = asyncio.run(cache.answer(ASKED, asked, bundle.compute))
    assert found == bundle.rule.predict(asked)
    assert bundle.asked == [["wifi", "printer"]]
    assert counts(registry) == (0, 2, 2)


def test_two_requests_that_wait_for_each_other_both_end(cache: AnswerCache, bundle: Bundle) -> None:
    async def scenario() -> None:
        bundle.open.clear()
        for texts in ("ab", "bc", "cda", "da"):
            requests.append(
                asyncio.create_task(cache.answer(ASKED, tickets(*texts), bundle.compute))
            )
            await settle()
        bundle.open.set()
        for request, texts in zip(requests, ("ab", "bc", "cda", "da"), strict=True):
            assert await request == bundle.rule.predict(tickets(*texts))

    requests: list[asyncio.Task[list[Prediction]]] = []
    asyncio.run(asyncio.wait_for(scenario(), 10))
    assert bundle.asked == [["a", "b"], ["c"], ["d"]]


def test_when_the_request_in_front_is_given_up_one_of_those_behind_takes_its_place(
    cache: AnswerCache, bundle: Bundle
) -> None:
    async def scenario() -> None:
        bundle.open.clear()
        first, *others = [
            asyncio.create_task(cache.answer(ASKED, tickets("wifi"), bundle.compute))
            for _ in range(5)
        ]
        await settle()
        first.cancel()
        await settle()
        assert first.cancelled()
        assert bundle.asked == [["wifi"], ["wifi"]]
        others[1].cancel()
        await settle()
        assert bundle.asked == [["wifi"], ["wifi"]], "one that only waits is not missed"
        bundle.open.set()
        for request in (others[0], *others[2:]):
            assert await request == bundle.rule.predict(tickets("wifi"))

    asyncio.run(asyncio.wait_for(scenario(), 10))
    assert bundle.asked == [["wifi"], ["wifi"]]


def test_when_the_request_in_front_fails_those_behind_ask_for_themselves(
    cache: AnswerCache, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    """The fault may lie in a ticket that stood beside the one they wait for."""

    async def scenario() -> None:
        bundle.open.clear()
        first = asyncio.create_task(cache.answer(ASKED, tickets("bad", "wifi"), bundle.compute))
        await settle()
        second, third = [
            asyncio.create_task(cache.answer(ASKED, tickets("wifi"), bundle.compute))
            for _ in range(2)
        ]
        await settle()
        bundle.failures = [ArithmeticError("front"), ArithmeticError("its own")]
        bundle.open.set()
        with pytest.raises(ArithmeticError, match="front"):
            await first
        with pytest.raises(ArithmeticError, match="its own"):
            await second
        assert await third == bundle.rule.predict(tickets("wifi"))

    asyncio.run(asyncio.wait_for(scenario(), 10))
    assert bundle.asked == [["bad", "wifi"], ["wifi"], ["wifi"]]
    assert "never retrieved" not in caplog.text


def test_a_failure_is_not_remembered(cache: AnswerCache, bundle: Bundle) -> None:
    async def scenario() -> None:
        bundle.failures = [ArithmeticError()]
        with pytest.raises(ArithmeticError):
            await cache.answer(ASKED, tickets("wifi"), bundle.compute)
        assert await cache.answer(ASKED, tickets("wifi"), bundle.compute)

    asyncio.run(scenario())


def test_an_answer_without_a_member_is_told_and_not_remembered(
    cache: AnswerCache, bundle: Bundle
) -> None:
    async def scenario() -> None:
        bundle.change = lambda answer: answer.model_copy(update={"degraded": ("finetuned",)})
        [found] = await cache.answer(ASKED, tickets("wifi"), bundle.compute)
        assert found.degraded == ("finetuned",)
        bundle.change = lambda answer: answer
        [found] = await cache.answer(ASKED, tickets("wifi"), bundle.compute)
        assert found.degraded == ()

    asyncio.run(scenario())


def test_an_erasure_by_any_worker_makes_all_forget(
    cache: AnswerCache, bundle: Bundle, erasures: Erasures, registry: CollectorRegistry
) -> None:
    async def scenario() -> None:
        await cache.answer(ASKED, tickets("wifi", "printer"), bundle.compute)
        erasures.tell()
        await cache.answer(ASKED, tickets("vpn"), bundle.compute)
        assert registry.get_sample_value("tickets_cache_entries") == 1
        await cache.answer(ASKED, tickets("wifi"), bundle.compute)

    asyncio.run(scenario())
    assert bundle.asked == [["wifi", "printer"], ["vpn"], ["wifi"]]


@pytest.mark.parametrize("noticed", [True, False])
def test_what_was_being_computed_when_something_was_erased_is_not_remembered(
    cache: AnswerCache, bundle: Bundle, erasures: Erasures, noticed: bool
) -> None:
    async def scenario() -> None:
        bundle.open.clear()
        request = asyncio.create_task(cache.answer(ASKED, tickets("wifi"), bundle.compute))
        await settle()
        erasures.tell()
        other = asyncio.create_task(cache.answer(ASKED, tickets("vpn"), bundle.compute))
        if noticed:
            await settle()
        bundle.open.set()
        await asyncio.gather(request, other)
        await cache.answer(ASKED, tickets("wifi"), bundle.compute)

    asyncio.run(scenario())
    assert bundle.asked.count(["wifi"]) == 2


def test_keys_and_contents_hold_nothing_of_the_ticket(
    erasures: Erasures, metrics: CacheMetrics, bundle: Bundle
) -> None:
    kept: dict[bytes, bytes] = {}

    class Spy(MemoryAnswers):
        async def put(self, contents: object) -> None:
            assert isinstance(contents, dict)
            kept.update(contents)

    asked = [Ticket(id="hunter2-id", subject="hunter2", text="my password is hunter2")]
    for _ in range(2):
        cache = AnswerCache(Spy(10_000, 60), erasures, metrics)
        asyncio.run(cache.answer(ASKED, asked, bundle.compute))
    assert len(kept) == 2, "the secret of the keys is drawn for each process"
    assert all(len(key) == 16 for key in kept)
    assert b"hunter2" not in b"".join([*kept, *kept.values()])


def test_a_cache_is_there_only_where_it_is_asked_for(tmp_path: Path, metrics: CacheMetrics) -> None:
    assert AnswerCache.find(Settings(), metrics) is None
    told = {"cache": "process", "jobs_folder": tmp_path}
    assert AnswerCache.find(Settings.model_validate(told), metrics) is not None
