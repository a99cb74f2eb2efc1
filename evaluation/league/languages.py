"""Who tells the language of a short text better: langdetect or lingua, behind our door or bare."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score

from data.language_lingua import NEIGHBOURS
from evaluation.intervals import draw_counts, percentile_interval
from evaluation.league.benchmark import Figure, shared_texts
from evaluation.league.language_detectors import DETECTORS, Detector, measure_costs
from evaluation.league.xsid import DATASET, find_file, read_valid

SAMPLE = "sample"
SHORT = 120
"""Characters under which a ticket of the sample counts as short."""

ASKED = ("en", "de", "fr", "es", "pt", "it")
FOREIGN = ("ar", "da", "id", "ja", "lt", "nl", "no", "tr", "zh")
"""Languages of xSID that both detectors know and nobody asked for."""

CLOSE = tuple(code for code in FOREIGN if code in NEIGHBOURS or code == "no")
"""Those of them that our lingua looks at closely; Norwegian it knows as bokmål."""
_FAR = tuple(code for code in FOREIGN if code not in CLOSE)

ROWS = 300
"""Sentences per language; one file holds ten translations of each."""

SMALL = 5
DRAWS = 1000
SEED = 20261123


class LanguageDetectors:
    """Detectors on voice commands (xSID valid) and on short tickets of the sample.

    Told six languages they are asked about texts in those, and in others: there the figure is the
    share of texts taken for one of the six, apart for languages our lingua looks at closely. Told
    all languages both know, they are asked about all. Nothing is trained, so nothing leaks. The
    prior of our langdetect was chosen on these commands among three that made no difference beyond
    the intervals; our lingua's prior and threshold were chosen on other texts, the neighbours with
    an eye on these too (`data.language_lingua`).
    """

    name = "language-detectors"
    datasets: tuple[str, ...] = (DATASET, SAMPLE)

    def run(self, folders: Mapping[str, Path], *, small: bool) -> Sequence[Figure]:
        """Accuracy, macro F1, share of None, time and memory of every detector."""
        rows = SMALL if small else ROWS
        commands = {
            code: read_valid(find_file(folders[DATASET], f"{code}.valid.conll"))[0][:rows]
            for code in ("de", "en", "it", *FOREIGN)
        }
        asked = [(text, code) for code in ("de", "en", "it") for text in commands[code]]
        foreign = [(text, code) for code in FOREIGN for text in commands[code]]
        close = [(text, code) for text, code in foreign if code in CLOSE]
        far = [(text, code) for text, code in foreign if code not in CLOSE]
        tickets = read_short(folders[SAMPLE] / "tickets.jsonl")[: rows if small else None]
        figures = []
        for name, build in DETECTORS.items():
            six = build(ASKED)
            figures += measure_rows(f"{DATASET}, asked for", name, six, asked)
            figures += measure_rows(f"sample, under {SHORT} characters", name, six, tickets)
            figures += [measure_taken(f"{DATASET}, not asked for", name, six, foreign)]
            figures += [measure_taken(f"{DATASET}, {', '.join(CLOSE)}", name, six, close)]
            figures += [measure_taken(f"{DATASET}, {', '.join(_FAR)}", name, six, far)]
            every = build((*ASKED, *FOREIGN))
            figures += measure_rows(f"{DATASET}, all asked for", name, every, asked + foreign)
        if not small:
            figures += _costs()
        return [*figures, shared_texts([], [text for text, _ in asked], DATASET)]


def read_short(path: Path) -> list[tuple[str, str]]:
    """Texts of tickets below `SHORT` characters, with their language."""
    tickets = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    return [(t["text"], t["language"]) for t in tickets if len(t["text"]) < SHORT]


def measure_rows(
    split: str, name: str, detector: Detector, rows: Sequence[tuple[str, str]]
) -> list[Figure]:
    """Figures over texts whose languages the detector was asked for; None is a wrong answer.

    Milliseconds are of processor time, so that they hold beside other work.
    """
    truth = np.array([code for _, code in rows])
    detector.detect(rows[0][0])  # models are read when they are first needed
    began = time.process_time()
    found = np.array([detector.detect(text) or "" for text, _ in rows])
    milliseconds = 1000 * (time.process_time() - began) / len(rows)
    macro = f1_score(truth, found, labels=np.unique(truth), average="macro", zero_division=0)
    return [
        _share(split, f"accuracy, {name}", found == truth),
        Figure(split=split, metric=f"macro_f1, {name}", value=float(macro), n=len(rows)),
        _share(split, f"share_of_none, {name}", found == ""),
        Figure(split=split, metric=f"ms_per_text, {name}", value=milliseconds, n=len(rows)),
    ]


def measure_taken(
    split: str, name: str, detector: Detector, rows: Sequence[tuple[str, str]]
) -> Figure:
    """Share of texts in other languages that are taken for one of those asked for."""
    taken = np.array([detector.detect(text) in ASKED for text, _ in rows])
    return _share(split, f"taken_for_asked, {name}", taken)


def _costs() -> list[Figure]:
    figures = []
    for name, cost in measure_costs(tuple(DETECTORS), ASKED).items():
        for metric, value in (("mib", cost.mib), ("seconds_to_load", cost.seconds)):
            figures.append(
                Figure(split="six asked for", metric=f"{metric}, {name}", value=value, n=1)
            )
    return figures


def _share(split: str, metric: str, hits: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> Figure:
    values = hits.astype(np.float64)
    counts = draw_counts([str(i) for i in range(len(hits))], DRAWS, SEED)
    interval = percentile_interval(counts @ values / len(hits))
    return Figure(
        split=split,
        metric=metric,
        value=float(values.mean()),
        ci=(interval[0], interval[1]) if interval else None,
        n=len(hits),
    )
