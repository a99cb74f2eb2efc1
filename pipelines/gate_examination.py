"""What one bundle shows the gate: its answers to all rows, its behaviour, speed and size."""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from evaluation.behavior import run_behavior
from evaluation.costs import measure_latency
from evaluation.gate import Contestant
from evaluation.gate_decision import Source
from evaluation.gate_rows import Answers, Assistant, Rows, ask
from evaluation.suites import BehaviorReport, Suites
from models.assistant import TicketAssistant
from models.base import Probabilities
from models.manifest import Manifest

logger = logging.getLogger(__name__)


class Asked(Assistant, Protocol):
    """What the gate asks: decisions on tickets, and probabilities for the behavioural suites."""

    def predict_proba(self, texts: Sequence[str]) -> dict[str, Probabilities]: ...


Opened = Callable[[Path], tuple[Manifest, Any]]
"""From the folder of a bundle to its manifest and assistant, verified; `models.bundle.load`."""


@dataclass(frozen=True)
class Examined:
    """All that was found out about one bundle.

    Attributes
    ----------
    answers : source -> target -> answers to all its rows
    learned : ids of the tickets it learned from; None where it does not remember them
    """

    manifest: Manifest
    contestant: Contestant
    answers: Mapping[Source, Mapping[str, Answers]]
    learned: frozenset[str] | None


def examine(
    folder: Path,
    sources: Sequence[Rows],
    suites: Suites,
    *,
    opened: Opened,
    seed: int,
    toned: Collection[str] = (),
    lost: Mapping[str, Mapping[str, Collection[str]]] | None = None,
) -> Examined:
    """Ask a bundle everything the gate wants to know, and let go of it.

    Parameters
    ----------
    sources : the first of them are the test rows, which suites and latency are measured on
    toned : targets that the tone of a ticket may change
    lost : version -> target -> labels whose certificate was lost live: it routes none of them

    Raises
    ------
    BundleError
        If the bundle is not whole or does not answer its probes.
    """
    manifest, assistant = opened(folder)
    began = time.perf_counter()
    plain = _without_readers(assistant, (lost or {}).get(manifest.version))
    answers = {rows.source: ask(plain, rows) for rows in sources}
    test = sources[0]
    texts = [ticket.full_text for ticket in test.tickets]
    latency = measure_latency(assistant, texts)
    examined = Examined(
        manifest=manifest,
        contestant=Contestant(
            version=manifest.version,
            targets=manifest.targets,
            promised={
                target: float(str(found["accuracy"]))
                for target, found in manifest.certificate.items()
            },
            size=sum(entry.bytes for entry in manifest.files.values()),
            latency_ms=latency.get("p50_ms"),
            behavior=_behave(assistant, suites, manifest, test, texts, seed, toned),
        ),
        answers=answers,
        learned=_learned(assistant),
    )
    logger.info(
        "%s answered %d rows; examined in %.1f s",
        manifest.version, sum(map(len, sources)), time.perf_counter() - began,
    )  # fmt: skip
    return examined


def _behave(
    assistant: Asked,
    suites: Suites,
    manifest: Manifest,
    test: Rows,
    texts: Sequence[str],
    seed: int,
    toned: Collection[str],
) -> BehaviorReport:
    return run_behavior(
        assistant, suites, manifest.dataset, test.ids, texts, test.truth, seed, toned
    )


class _Withholding:
    """An assistant as it answers while some classes are withheld."""

    def __init__(self, assistant: TicketAssistant, lost: Mapping[str, Collection[str]]) -> None:
        self.targets = assistant.targets
        self._assistant = assistant
        self._lost = lost

    def predict(self, tickets: Sequence[Any]) -> Any:
        return self._assistant.predict(tickets, self._lost)


def _without_readers(assistant: Asked, lost: Mapping[str, Collection[str]] | None) -> Assistant:
    """The same without what is read beside the targets: it takes time, and nothing here judges it.

    Sentiment and entities change no decision.
    """
    if not isinstance(assistant, TicketAssistant):
        return assistant
    plain = TicketAssistant(
        assistant.members, assistant.ensemble, assistant.facts, memory=assistant.memory
    )
    return _Withholding(plain, lost) if lost else plain


def _learned(assistant: Asked) -> frozenset[str] | None:
    memory = assistant.memory if isinstance(assistant, TicketAssistant) else None
    return None if memory is None else frozenset(memory.index.ids)
