import asyncio
from collections.abc import Sequence

import pytest

from data.errors import ModelError
from data.schema import Prediction, Ticket
from serving.batching import Batcher
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
    assert rule.calls == [1, 2, 2]
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
