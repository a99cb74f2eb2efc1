import asyncio
import random
import threading
from collections.abc import Sequence

import pytest

from data.errors import ModelError
from data.schema import Neighbour, Prediction, Ticket
from serving.batching import Batcher
from serving.grouping import CallLimits, estimate_tokens
from serving.problems import OverloadedError
from tests.serving.fakes import RuleAssistant


def tickets(*texts: str) -> list[Ticket]:
    return [Ticket(id=text, text=text) for text in texts]


def ids(predictions: Sequence[Prediction]) -> list[str | None]:
    return [prediction.ticket_id for prediction in predictions]


def test_requests_that_arrive_together_share_one_call(rule: RuleAssistant) -> None:
    async def scenario() -> list[list[Prediction]]:
        batcher = Batcher()
        rule.gate.clear()
        first = asyncio.create_task(batcher.predict(rule, tickets("a")))
        await asyncio.sleep(0.01)
        others = [asyncio.create_task(batcher.predict(rule, tickets(t))) for t in "bcd"]
        await asyncio.sleep(0.01)
        rule.gate.set()
        return list(await asyncio.gather(first, *others))

    answers = asyncio.run(scenario())
    assert [ids(answer) for answer in answers] == [["a"], ["b"], ["c"], ["d"]]
    assert rule.calls == [1, 3]


def test_an_idle_batcher_answers_a_lone_ticket_at_once(rule: RuleAssistant) -> None:
    assert ids(asyncio.run(Batcher().predict(rule, tickets("a")))) == ["a"]
    assert rule.calls == [1]


def test_a_large_request_comes_back_in_order_and_in_parts(rule: RuleAssistant) -> None:
    names = [str(i) for i in range(10)]
    answer = asyncio.run(Batcher(encoder_batch=4).predict(rule, tickets(*names)))
    assert ids(answer) == names
    assert rule.calls == [4, 4, 2]


def test_a_single_ticket_passes_between_the_parts_of_a_large_request(rule: RuleAssistant) -> None:
    async def scenario() -> list[str]:
        batcher = Batcher(encoder_batch=2)
        order: list[str] = []

        async def ask(name: str, *texts: str) -> None:
            await batcher.predict(rule, tickets(*texts))
            order.append(name)

        rule.gate.clear()
        large = asyncio.create_task(ask("large", *"abcdefgh"))
        await asyncio.sleep(0.01)
        single = asyncio.create_task(ask("single", "x"))
        await asyncio.sleep(0.01)
        rule.gate.set()
        await asyncio.gather(large, single)
        return order

    assert asyncio.run(scenario()) == ["single", "large"]


class Recording:
    """Remembers the tickets of every call; the first call waits until it may go on."""

    def __init__(self) -> None:
        self.calls: list[list[Ticket]] = []
        self.may_go_on = threading.Event()

    def predict(self, tickets: Sequence[Ticket], lost: object = None) -> list[Prediction]:
        assert self.may_go_on.wait(10)
        self.calls.append(list(tickets))
        facts = {"bundle": "invented", "fallback": True, "language": None, "targets": {}}
        return [Prediction(ticket_id=ticket.id, **facts) for ticket in tickets]

    def find_similar(self, texts: Sequence[str], k: int) -> list[tuple[Neighbour, ...]]:
        raise NotImplementedError  # no test of batching asks for neighbours

    @property
    def names(self) -> list[list[str | None]]:
        return [[ticket.id for ticket in call] for call in self.calls]


def recorded(batcher: Batcher, requests: Sequence[Sequence[Ticket]]) -> Recording:
    """What is called when the first request runs while all the others wait."""
    assistant = Recording()

    async def scenario() -> None:
        tasks = []
        for request in requests:
            tasks.append(asyncio.create_task(batcher.predict(assistant, request)))
            await asyncio.sleep(0.001)
        assistant.may_go_on.set()
        answers = await asyncio.gather(*tasks)
        assert [ids(answer) for answer in answers] == [[t.id for t in r] for r in requests]

    asyncio.run(scenario())
    return assistant


def of_length(name: str, tokens: int) -> Ticket:
    ticket = Ticket(id=name, text="x" * (4 * (tokens - 2)))
    assert estimate_tokens(ticket) == tokens
    return ticket


@pytest.mark.parametrize("overtaken_ms", [0, 10_000])
def test_no_call_ever_exceeds_its_limits(overtaken_ms: float) -> None:
    draw = random.Random(7)
    requests = [
        [of_length(f"{i}-{j}", draw.randint(3, 300)) for j in range(draw.choice([1, 1, 1, 9]))]
        for i in range(60)
    ]
    limits = CallLimits(tickets=6, tokens=900)
    batcher = Batcher(6, encoder_tokens=900, max_overtaken_ms=overtaken_ms)
    calls = recorded(batcher, requests).calls
    assert sum(len(call) for call in calls) == sum(len(request) for request in requests)
    for call in calls:
        assert limits.allow(len(call), max(map(estimate_tokens, call)))
    assert max(map(len, calls)) == 6


def test_the_oldest_is_joined_by_those_of_like_length() -> None:
    lengths = {"first": 3, "a": 10, "long": 200, "b": 12, "longer": 250, "c": 11}
    batcher = Batcher(encoder_tokens=500, max_overtaken_ms=10_000)
    found = recorded(batcher, [[of_length(name, n)] for name, n in lengths.items()])
    assert found.names == [["first"], ["a", "c", "b"], ["long", "longer"]]


def test_who_has_waited_long_enough_is_overtaken_by_nobody() -> None:
    lengths = {"first": 3, "a": 10, "long": 200, "b": 12, "longer": 250, "c": 11}
    batcher = Batcher(encoder_tokens=500, max_overtaken_ms=0)
    found = recorded(batcher, [[of_length(name, n)] for name, n in lengths.items()])
    assert found.names == [["first"], ["a", "long"], ["b", "longer"], ["c"]]


def test_a_ticket_longer_than_a_call_may_be_is_answered_alone() -> None:
    requests = [[of_length("first", 3)], [of_length("huge", 900)], [of_length("small", 3)]]
    batcher = Batcher(encoder_tokens=100, max_overtaken_ms=10_000)
    assert recorded(batcher, requests).names == [["first"], ["huge"], ["small"]]


def test_as_many_tickets_wait_as_may_and_not_one_more(rule: RuleAssistant) -> None:
    async def scenario() -> None:
        batcher = Batcher(max_waiting=5)
        rule.gate.clear()
        accepted = [
            asyncio.create_task(batcher.predict(rule, tickets(*names))) for names in ("ab", "cde")
        ]
        await asyncio.sleep(0.01)
        assert batcher.waiting == 5
        with pytest.raises(OverloadedError) as refused:
            await batcher.predict(rule, tickets("f"))
        assert not any(one.done() for one in accepted), "whoever is refused does not wait for them"
        assert refused.value.retry_after
        rule.gate.set()
        assert [ids(found) for found in await asyncio.gather(*accepted)] == [["a", "b"], [*"cde"]]
        assert ids(await batcher.predict(rule, tickets(*"fghij"))) == [*"fghij"]

    asyncio.run(scenario())


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(rule: RuleAssistant) -> None:
    async def scenario() -> OverloadedError:
        batcher = Batcher(max_waiting=3)
        rule.gate.clear()
        first = asyncio.create_task(batcher.predict(rule, tickets("a", "b")))
        await asyncio.sleep(0.01)
        with pytest.raises(OverloadedError) as refused:
            await batcher.predict(rule, tickets("c", "d"))
        rule.gate.set()
        await first
        assert batcher.waiting == 0
        assert ids(await batcher.predict(rule, tickets("c", "d"))) == ["c", "d"]
        return refused.value

    error = asyncio.run(scenario())
    assert error.retry_after is not None
    assert error.retry_after > 0


def test_a_ticket_that_breaks_the_model_fails_alone(rule: RuleAssistant) -> None:
    rule.fails_on = "poison"

    async def scenario() -> list[list[Prediction] | BaseException]:
        batcher = Batcher()
        rule.gate.clear()
        first = asyncio.create_task(batcher.predict(rule, tickets("a")))
        await asyncio.sleep(0.01)
        others = [
            asyncio.create_task(batcher.predict(rule, tickets(t))) for t in ("b", "poison", "c")
        ]
        await asyncio.sleep(0.01)
        rule.gate.set()
        return list(await asyncio.gather(first, *others, return_exceptions=True))

    a, b, poisoned, c = asyncio.run(scenario())
    assert isinstance(poisoned, ArithmeticError)
    assert [ids(answer) for answer in (a, b, c) if isinstance(answer, list)] == [
        ["a"],
        ["b"],
        ["c"],
    ]


def test_requests_for_different_bundles_never_share_a_call(rule: RuleAssistant) -> None:
    other = RuleAssistant()

    async def scenario() -> None:
        batcher = Batcher()
        rule.gate.clear()
        first = asyncio.create_task(batcher.predict(rule, tickets("a")))
        await asyncio.sleep(0.01)
        rest = [
            asyncio.create_task(batcher.predict(assistant, tickets("x", "y")))
            for assistant in (rule, other, rule)
        ]
        await asyncio.sleep(0.01)
        rule.gate.set()
        await asyncio.gather(first, *rest)

    asyncio.run(scenario())
    assert rule.calls == [1, 4]
    assert other.calls == [2]


def test_tickets_of_a_request_that_was_given_up_are_not_encoded(rule: RuleAssistant) -> None:
    async def scenario() -> None:
        batcher = Batcher()
        rule.gate.clear()
        first = asyncio.create_task(batcher.predict(rule, tickets("a")))
        await asyncio.sleep(0.01)
        given_up = asyncio.create_task(batcher.predict(rule, tickets("b")))
        await asyncio.sleep(0.01)
        given_up.cancel()
        first.cancel()
        await asyncio.wait([first, given_up])
        assert batcher.waiting == 0
        rule.gate.set()
        await batcher.predict(rule, tickets("c"))

    asyncio.run(scenario())
    assert rule.calls == [1, 1]


def test_a_model_that_loses_a_ticket_is_an_error() -> None:
    class Forgetful:
        def predict(self, tickets: Sequence[Ticket], lost: object = None) -> list[Prediction]:
            return []

    with pytest.raises(ModelError, match="1 tickets got 0 predictions"):
        asyncio.run(Batcher().predict(Forgetful(), tickets("a")))


def test_every_call_is_observed(rule: RuleAssistant) -> None:
    seen: list[tuple[int, float]] = []
    batcher = Batcher(encoder_batch=2, observe=lambda size, seconds: seen.append((size, seconds)))
    asyncio.run(batcher.predict(rule, tickets("a", "b", "c")))
    assert [size for size, _ in seen] == [2, 1]
    assert all(seconds >= 0 for _, seconds in seen)


def test_a_hanging_call_shows_how_long_it_hangs(rule: RuleAssistant) -> None:
    async def scenario() -> None:
        batcher = Batcher()
        assert batcher.busy_seconds == 0
        rule.gate.clear()
        task = asyncio.create_task(batcher.predict(rule, tickets("a")))
        await asyncio.sleep(0.05)
        assert batcher.busy_seconds > 0.01
        rule.gate.set()
        await task
        assert batcher.busy_seconds == 0
        batcher.close()

    asyncio.run(scenario())
