"""What it costs to read a ticket beyond its targets: milliseconds of each part, one at a time."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.catalog import CATALOG, read_catalog
from data.errors import BundleError, ModelError
from data.language import LanguageDetector
from data.schema import Ticket
from data.text import model_text
from evaluation.costs import TICKETS, WARM_UP, one_thread
from evaluation.intervals import percentile_interval
from evaluation.league.benchmark import Figure
from evaluation.league.glossary import read_categories
from evaluation.league.rule_entities import read_sample
from models import bundle
from models.assistant import TicketAssistant
from models.decision import decide, withheld
from models.distances import Vectors
from models.ensemble import Ensemble, TargetEnsemble
from models.entities import EntityFinder
from models.explanation import WordExplainer
from models.linear import LinearMember, LinearParams
from models.manifest import MANIFEST
from models.novelty import NoveltyDetector
from models.readers import SENTIMENT, TAGGER
from models.routing import ClassCertificate, RoutingPolicy
from models.shortlist import Shortlist

SAMPLE = "sample"
SERVICE = "it-service-tickets"
TARGET = "category"
ROOT = Path(__file__).parents[2]
CANDIDATE = ROOT / "models" / "bundles" / "candidate"

SPINE, TOTAL = "spine", "total"
OFF = "without "

_LEARNED = {SENTIMENT: "sentiment", TAGGER: "learned_entities"}
"""Readers that can be left out, and what they are called here."""

MOST_ADDED = 0.4
"""All parts together may add at most this share of the spine."""

ROUNDS = 5
"""Every ticket is timed so often, and the fastest counts: what runs beside it only adds."""

_DRAWS = 2_000
_SMALL = 8
_TINY = 120

Milliseconds = dict[str, NDArray[np.float64]]
"""Name -> the fastest time of each ticket, shape (n,)."""


class ReadingCosts:
    """Milliseconds of one ticket at a time on one thread, by the sealed bundle.

    `spine_ms` is what the targets need: the text made ready, the members, the ensemble and the
    decision; `total_ms` is the whole answer. Between them stand the parts, each timed by itself,
    novelty and neighbours with the caches as the encoder leaves them. Only sentiment and learned
    entities share work with the members: they are the difference between an answer with them and
    one without, ticket by ticket. All take turns, so that a machine that becomes slower slows all
    of them. `added_share` is (total - spine) / spine, asked are at most `MOST_ADDED`; each part has
    a share of the spine too. What is left between their sum and the total is the making of the
    answer itself.

    Medians over the tickets, with intervals by bootstrap. The times are of one machine, and no
    interval tells how far those of another lie.
    """

    name = "reading-costs"
    datasets: tuple[str, ...] = (SERVICE, SAMPLE)

    def __init__(self, folder: Path = CANDIDATE) -> None:
        self.folder = folder

    def run(self, folders: Mapping[str, Path], *, small: bool) -> Sequence[Figure]:
        """Figures of `TICKETS` test tickets and of as many of the sample, evenly spread.

        The service tickets come in small letters and without punctuation, the sample in several
        languages and with both.

        Raises
        ------
        BundleError
            If there is no bundle to be timed, or it does not load.
        """
        texts = [one.text for one in read_sample(folders[SAMPLE])]
        assistant = fit_tiny(folders[SAMPLE]) if small else open_candidate(self.folder)
        n, rounds = (_SMALL, 1) if small else (TICKETS, ROUNDS)
        service = read_catalog(ROOT / CATALOG)[SERVICE]
        # With neither capitals nor punctuation, they are what `model_text` makes of them.
        tested = read_categories(folders[SERVICE], service, 0, n).texts
        some = [texts[i * len(texts) // n] for i in range(n)]
        return [
            figure
            for split, asked in ((SERVICE, tested), (SAMPLE, some))
            for figure in summarise(split, measure_parts(assistant, asked, rounds))
        ]


def open_candidate(folder: Path) -> TicketAssistant:
    """The assistant of a sealed bundle.

    Raises
    ------
    BundleError
        If there is none, or it does not load.
    """
    if not (folder / MANIFEST).is_file():
        raise BundleError(f"{folder} holds no sealed bundle to be timed; run `make` first")
    return bundle.load(folder)[1]


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


def summarise(split: str, taken: Milliseconds, draws: int = _DRAWS) -> list[Figure]:
    """Medians in milliseconds, then shares of the spine, with bootstrap intervals over tickets."""
    n = len(taken[SPINE])
    drawn = np.random.default_rng(0).integers(0, n, (draws, n))
    medians = {
        name: (float(np.median(times)), np.median(times[drawn], axis=1))
        for name, times in taken.items()
    }
    spine, spine_draws = medians[SPINE]

    def figure(metric: str, value: float, values: NDArray[np.float64]) -> Figure:
        found = percentile_interval(values)
        return Figure(
            split=split, metric=metric, value=value, ci=(found[0], found[1]) if found else None, n=n
        )

    total, total_draws = medians[TOTAL]
    return [
        figure("added_share", total / spine - 1, total_draws / spine_draws - 1),
        *(figure(f"{name}_ms", *found) for name, found in medians.items()),
        *(
            figure(f"{name}_share", value / spine, values / spine_draws)
            for name, (value, values) in medians.items()
            if name not in {SPINE, TOTAL}
        ),
    ]


def fit_tiny(folder: Path) -> TicketAssistant:
    """A linear member on the sample that certifies nothing, to see that the rest works."""
    lines = (folder / "tickets.jsonl").read_text(encoding="utf-8").splitlines()[:_TINY]
    rows = [json.loads(line) for line in lines]
    labels = [row[TARGET] for row in rows]
    member = LinearMember(LinearParams(max_features=2_000))
    member.fit([model_text(row["text"]) for row in rows], {TARGET: labels})
    classes = member.targets_[TARGET]
    none = ClassCertificate(
        threshold=None,
        certified=False,
        rows=0,
        automatic=0,
        errors=0,
        lower_bound=0.0,
        reason="nothing was held out",
    )
    target = TargetEnsemble(
        classes=classes,
        weights={"linear": 1.0},
        temperatures={"linear": 1.0},
        temperature=1.0,
        routing=RoutingPolicy(
            accuracy=0.95,
            confidence=0.95,
            family="class",
            method="none",
            rows=0,
            certified_automation=0.0,
            classes=dict.fromkeys(classes, none),
        ),
        shortlist=Shortlist(coverage=0.95, threshold=0.1, rows=0),
    )
    return TicketAssistant({"linear": member}, Ensemble(targets={TARGET: target}))


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
