"""The parts of an answer, each called as the assistant calls it and timed by itself."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.errors import ModelError
from data.language import LanguageDetector
from data.schema import Ticket
from data.text import model_text
from evaluation.costs import WARM_UP, one_thread
from models.assistant import TicketAssistant
from models.decision import decide, withheld
from models.distances import Vectors
from models.entities import EntityFinder
from models.explanation import WordExplainer
from models.linear import LinearMember
from models.novelty import NoveltyDetector
from models.readers import SENTIMENT, TAGGER

SPINE, TOTAL = "spine", "total"
OFF = "without "

_LEARNED = {SENTIMENT: "sentiment", TAGGER: "learned_entities"}
"""Readers that can be left out, and what they are called here."""

ROUNDS = 5
"""Every ticket is timed so often, and the fastest counts: what runs beside it only adds."""

Milliseconds = dict[str, NDArray[np.float64]]
"""Name -> the fastest time of each ticket, shape (n,)."""


def measure_parts(
    assistant: TicketAssistant, texts: Sequence[str], rounds: int = ROUNDS
) -> Milliseconds:
    """Times of the spine, of each part the assistant has, and of the whole answer.

    Parameters
    ----------
    texts : at least one, as customers wrote them

    Raises
    ------
    ModelError
        If a part fails: its time would be that of the failure.
    """
    parts = _Parts(assistant)
    with one_thread():
        calls = [parts.of(Ticket(text=text)) for text in texts]
        for timed in (timed for some in calls[:WARM_UP] for timed in some.values()):
            timed.measure()
        names = list(calls[0])
        taken = np.empty((rounds, len(texts), len(names)))
        for turn in range(rounds):
            for row, by_name in enumerate(calls):
                for place in range(len(names)):
                    column = (place + turn) % len(names)
                    taken[turn, row, column] = by_name[names[column]].measure()
    fastest = taken.min(axis=0)  # (n, n_names)
    return _differences({name: fastest[:, column] for column, name in enumerate(names)})


class _Timed(NamedTuple):
    """What is timed, and what is done before it without being timed."""

    call: Callable[[], object]
    before: Callable[[], object] | None = None

    def measure(self) -> float:
        """Milliseconds of one call."""
        if self.before:
            self.before()
        began = time.perf_counter()
        self.call()
        return 1000 * (time.perf_counter() - began)


class _Parts:
    """What is timed of a ticket: each part's own method, called as the assistant calls it."""

    def __init__(self, assistant: TicketAssistant) -> None:
        self._assistant = assistant
        members, ensemble, readers = assistant.members, assistant.ensemble, assistant.readers
        self._spine = TicketAssistant(
            members, ensemble, assistant.facts, readers=readers.without(*_LEARNED)
        )
        self._without = {
            f"{OFF}{name}": TicketAssistant(
                members,
                ensemble,
                assistant.facts,
                memory=assistant.memory,
                readers=readers.without(name),
            )
            for name in _LEARNED
            if name in readers.facts
        }
        facts = assistant.facts
        self._detector = LanguageDetector(facts.languages, detector=facts.language_detector)
        self._rules = EntityFinder()
        linear = members.get("linear")
        self._linear = linear if isinstance(linear, LinearMember) else None
        self._explainer = WordExplainer(self._linear) if self._linear else None

    def of(self, ticket: Ticket) -> dict[str, _Timed]:
        """Name -> what is to be timed under it."""
        [answer] = self._assistant.predict([ticket])
        if answer.degraded:
            raise ModelError(f"{', '.join(answer.degraded)} failed and cannot be timed")
        written, text = ticket.full_text, model_text(ticket.full_text)
        calls = {
            SPINE: _Timed(partial(_answer_targets, self._spine, written, answer.language)),
            "language": _Timed(partial(self._detector.detect, text)),
            "entities": _Timed(partial(self._rules.find, written, reference=ticket.created_at)),
        }
        if self._linear and self._explainer:
            classes = self._linear.targets_
            known = {
                name: classes[name].index(found.label)
                for name, found in answer.targets.items()
                if found.label in classes[name]
            }
            calls["words"] = _Timed(partial(self._explainer.explain, text, known))
        if self._assistant.ensemble.evidence is not None:
            calls["evidence"] = _Timed(partial(self._assistant.ensemble.evidence.find, written))
        if (memory := self._assistant.memory) is not None:
            encode = partial(self._assistant.members[memory.member].encode, [text])
            features = encode()
            calls["novelty"] = _Timed(partial(_judge, memory.novelty, features), encode)
            if told := memory.params.neighbours:
                search = partial(memory.index.search, features, told)
                calls["neighbours"] = _Timed(search, encode)
        for name, without in self._without.items():
            calls[name] = _Timed(partial(without.predict, [ticket]))
        return {**calls, TOTAL: _Timed(partial(self._assistant.predict, [ticket]))}


def _judge(novelty: NoveltyDetector, features: Vectors) -> None:
    scores = novelty.score(features)
    novelty.p_value(scores)
    novelty.is_novel(scores)


def _answer_targets(assistant: TicketAssistant, written: str, language: str | None) -> None:
    """All that an answer about the targets alone needs, from the text to the decision."""
    probabilities = assistant.predict_proba([written])
    for name, target in assistant.ensemble.targets.items():
        reason = withheld(target.routing, language, degraded=False, novel=False)
        decide(target, probabilities[name], [reason])


def _differences(taken: Milliseconds) -> Milliseconds:
    """Answers without a reader become what it adds; the total stays last."""
    total = taken[TOTAL]
    parts = {n: times for n, times in taken.items() if n != TOTAL and not n.startswith(OFF)}
    for name, told in _LEARNED.items():
        if (without := taken.get(f"{OFF}{name}")) is not None:
            parts[told] = total - without
    return {**parts, TOTAL: total}
