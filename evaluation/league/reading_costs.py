"""What it costs to read a ticket beyond its targets: milliseconds of each part, one at a time."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.catalog import CATALOG, read_catalog
from data.errors import BundleError
from data.text import model_text
from evaluation.costs import TICKETS
from evaluation.intervals import percentile_interval
from evaluation.league.benchmark import Figure
from evaluation.league.glossary import read_categories
from evaluation.league.reading_parts import ROUNDS, SPINE, TOTAL, Milliseconds, measure_parts
from evaluation.league.rule_entities import read_sample
from models import bundle
from models.assistant import TicketAssistant
from models.ensemble import Ensemble, TargetEnsemble
from models.linear import LinearMember, LinearParams
from models.manifest import MANIFEST
from models.routing import ClassCertificate, RoutingPolicy
from models.runtime_choice import AUTO
from models.shortlist import Shortlist

SAMPLE = "sample"
SERVICE = "it-service-tickets"
TARGET = "category"
ROOT = Path(__file__).parents[2]
CANDIDATE = ROOT / "models" / "bundles" / "candidate"

MOST_ADDED = 0.4
"""All parts together may add at most this share of the spine."""

_DRAWS = 2_000
_SMALL = 8
_TINY = 120


class ReadingCosts:
    """Milliseconds of one ticket at a time on one thread, by the sealed bundle.

    What serves here answers: the fastest of the runtimes that the bundle ships, which each split
    names; its networks are most of the spine and of the learned entities.

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
            for name, asked in ((SERVICE, tested), (SAMPLE, some))
            for figure in summarise(
                f"{name}, {assistant.facts.runtime.name}", measure_parts(assistant, asked, rounds)
            )
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
    return bundle.load(folder, runtime=AUTO)[1]


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
