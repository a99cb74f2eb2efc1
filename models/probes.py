"""A few tickets with the answers a bundle must give, on every machine that loads it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol

from pydantic import Field, ValidationError

from data.errors import BundleError
from data.schema import Decision, NonEmpty, Prediction, Record, Ticket
from models.base import Probabilities
from models.manifest import PROBES
from models.runtime import TORCH

TOLERANCE = 0.02
"""How far a probability may stray: processors round differently, bf16 above all.

The same for every runtime, because each is held to what it answered itself when the bundle was
sealed; how far those answers are from torch's is the matter of `models.runtime_file.Parity`.
"""

TOGETHER = 8
"""Probes asked at once, those of like length: little is computed for padding.

Of 24 probes of 270 characters on average a load takes 1.2 instead of 1.7 s of a processor by it.
"""


def probes_file(runtime: str = TORCH) -> str:
    """Name of the file with the answers that a runtime gave when the bundle was sealed."""
    return PROBES if runtime == TORCH else f"probes.{runtime}.jsonl"


class Assistant(Protocol):
    """What a bundle holds, as far as sealing and loading need to know it."""

    @property
    def targets(self) -> Mapping[str, tuple[str, ...]]: ...

    def predict_with_probabilities(
        self, tickets: Sequence[Ticket]
    ) -> tuple[list[Prediction], Mapping[str, Probabilities]]: ...


class ProbeAnswer(Record):
    """What was answered about one target; probabilities follow the target's class order."""

    label: NonEmpty
    decision: Decision
    novel: bool = Field(default=False, description="sent to a person for that reason")
    threshold: float | None = None
    probabilities: tuple[float, ...]


class Probe(Record):
    """One ticket and its answers when the bundle was sealed."""

    ticket: Ticket
    targets: dict[str, ProbeAnswer]


def answer(assistant: Assistant, tickets: Sequence[Ticket]) -> list[Probe]:
    """The tickets with what the assistant says about them.

    Raises
    ------
    BundleError
        If a member of the assistant does not answer.
    """
    probes: dict[int, Probe] = {}
    by_length = sorted(range(len(tickets)), key=lambda row: len(tickets[row].full_text))
    for start in range(0, len(by_length), TOGETHER):
        rows = by_length[start : start + TOGETHER]
        found = _answer([tickets[row] for row in rows], assistant)
        probes.update(zip(rows, found, strict=True))
    return [probes[row] for row in range(len(tickets))]


def _answer(tickets: Sequence[Ticket], assistant: Assistant) -> list[Probe]:
    predictions, probabilities = assistant.predict_with_probabilities(tickets)
    if failed := sorted({name for prediction in predictions for name in prediction.degraded}):
        raise BundleError(f"members that do not answer: {', '.join(failed)}")
    return [
        Probe(
            ticket=ticket,
            targets={
                target: ProbeAnswer(
                    label=found.label,
                    decision=found.decision,
                    novel=found.reason == "novel",
                    threshold=found.threshold,
                    probabilities=tuple(float(p) for p in probabilities[target][row].round(6)),
                )
                for target, found in prediction.targets.items()
            },
        )
        for row, (ticket, prediction) in enumerate(zip(tickets, predictions, strict=True))
    ]


def to_jsonl(probes: Sequence[Probe]) -> str:
    """One probe per line."""
    return "".join(f"{probe.model_dump_json(exclude_none=True)}\n" for probe in probes)


def read_probes(path: Path) -> list[Probe]:
    """The probes of a bundle.

    Raises
    ------
    BundleError
        If a line is not a probe, or there are none: such a bundle proves nothing.
    """
    probes = []
    # Not splitlines(): a ticket may hold U+2028 and its like, which JSON leaves as they are.
    lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    for number, line in enumerate(lines if lines != [""] else [], start=1):
        try:
            probes.append(Probe.model_validate_json(line))
        except ValidationError:
            raise BundleError(f"{path}, line {number} is not a probe") from None
    if not probes:
        raise BundleError(f"{path} holds no probes, so the bundle cannot prove its answers")
    return probes


def replay(assistant: Assistant, probes: Sequence[Probe]) -> None:
    """Ask every probe again.

    Probabilities may stray by `TOLERANCE`. Labels and decisions must be the same unless that much
    could turn them: two classes less than twice as far apart, or a confidence that near its
    threshold. What is novel in one of the two may be known in the other: a few novel probes lie at
    the edge of what is known.

    Raises
    ------
    BundleError
        Naming up to three differences, by the probes' numbers and never by their texts.
    """
    again = answer(assistant, [probe.ticket for probe in probes])
    found = (
        f"probe {number}, {target}: {difference}"
        for number, (before, now) in enumerate(zip(probes, again, strict=True), start=1)
        for target, sealed in before.targets.items()
        for difference in _differences(
            sealed, now.targets.get(target), assistant.targets.get(target, ())
        )
    )
    if first := list(islice(found, 3)):
        raise BundleError(f"the bundle does not answer as it did when sealed: {'; '.join(first)}")


def _differences(
    sealed: ProbeAnswer, now: ProbeAnswer | None, classes: Sequence[str]
) -> Iterator[str]:
    if now is None:
        yield "not answered"
        return
    if len(now.probabilities) != len(sealed.probabilities):
        yield f"{len(now.probabilities)} classes, sealed with {len(sealed.probabilities)}"
        return
    before = dict(zip(classes, sealed.probabilities, strict=False))
    strayed = [abs(p - q) for p, q in zip(now.probabilities, sealed.probabilities, strict=True)]
    # Not `any(far > TOLERANCE)`, which NaN would pass.
    if not all(far <= TOLERANCE for far in strayed):
        yield f"a probability strayed by {max(strayed):.3f}, allowed are {TOLERANCE}"
    if now.label != sealed.label:
        if abs(before.get(sealed.label, 1) - before.get(now.label, 0)) > 2 * TOLERANCE:
            yield f"label {now.label!r}, sealed as {sealed.label!r}"
    elif (
        now.decision != sealed.decision
        and not (now.novel or sealed.novel)
        and (
            sealed.threshold is None
            or abs(max(sealed.probabilities) - sealed.threshold) > TOLERANCE
        )
    ):
        yield f"decision {now.decision!r}, sealed as {sealed.decision!r}"
