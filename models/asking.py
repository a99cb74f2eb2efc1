"""What the members make of texts, and what is decided by it."""

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from data.errors import BundleError
from data.schema import TargetPrediction
from models.base import Features, Member, Probabilities, align_columns
from models.decision import decide, withheld
from models.ensemble import Ensemble, TargetEnsemble
from models.memory import Memory

logger = logging.getLogger(__name__)

Answers = Mapping[str, Probabilities]
"""Target -> probabilities (n, k), columns in the order of the ensemble's classes."""

FAILURES = (RuntimeError, ValueError, MemoryError)
"""What a member may raise on a text; it is then left out."""


class Answered(NamedTuple):
    """What the members made of some texts.

    `features` are those of the memory's member; `apart` is what each member said by itself, as it
    said it.
    """

    probabilities: dict[str, Probabilities]
    failed: tuple[str, ...]
    features: Features | None
    apart: dict[str, dict[str, Probabilities]]
    n: int


class Novelty(NamedTuple):
    """Per text: how unlike the learned tickets it is, and whether that is too much."""

    p_value: list[float | None]
    novel: list[bool]


def ask(
    members: Mapping[str, Member],
    ensemble: Ensemble,
    texts: Sequence[str],
    *,
    remembered: str | None = None,
    given: Mapping[str, Answers] | None = None,
) -> Answered:
    """Ask the members, each once; one that fails is left out and named.

    Parameters
    ----------
    remembered : the member whose features are wanted too
    given : member -> answers that are known already

    Raises
    ------
    BundleError
        If no member answers.
    """
    answers: dict[str, Answers] = {}
    apart: dict[str, dict[str, Probabilities]] = {}
    failed: list[str] = []
    features: Features | None = None
    for name, member in members.items():
        if given and name in given:
            answers[name] = given[name]
            continue
        try:
            if name == remembered:
                features = member.encode(texts)
                found = member.predict_features(features)
            else:
                found = member.predict_proba(texts)
            answers[name], apart[name] = aligned(member, found, ensemble), found
        except FAILURES as error:
            logger.error("member %s failed: %s", name, type(error).__name__)
            failed.append(name)
    if not answers:
        raise BundleError(f"no member answered; failed: {', '.join(failed)}")
    return Answered(ensemble.combine(answers, texts), tuple(failed), features, apart, len(texts))


def aligned(member: Member, answers: Answers, ensemble: Ensemble) -> dict[str, Probabilities]:
    """A member's answers with the columns of the ensemble."""
    return {
        name: align_columns(answers[name], member.targets_[name], target.classes)
        for name, target in ensemble.targets.items()
    }


def find_novelty(memory: Memory | None, answered: Answered) -> Novelty:
    """How novel the texts are; nothing is where nobody remembers the learned tickets."""
    if memory is None or answered.features is None or not answered.n:
        return Novelty([None] * answered.n, [False] * answered.n)
    scores = memory.novelty.score(answered.features)
    return Novelty(
        memory.novelty.p_value(scores).tolist(), memory.novelty.is_novel(scores).tolist()
    )


def decide_targets(
    targets: Mapping[str, TargetEnsemble],
    answered: Answered,
    languages: Sequence[str | None],
    novel: Sequence[bool],
    lost: Mapping[str, Collection[str]],
) -> dict[str, list[TargetPrediction]]:
    """Target -> what is decided about each text, in order.

    Parameters
    ----------
    lost : target -> labels whose certificate was lost live
    """
    degraded = bool(answered.failed)
    return {
        name: decide(
            target,
            answered.probabilities[name],
            [
                withheld(target.routing, language, degraded=degraded, novel=unlike)
                for language, unlike in zip(languages, novel, strict=True)
            ],
            lost.get(name, ()),
        )
        for name, target in targets.items()
    }
