"""Who tells the language of a short text better: langdetect behind our door, or lingua."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from sklearn.metrics import f1_score

from data.language import LanguageDetector
from data.templates import count_letters, own_words
from evaluation.intervals import draw_counts, percentile_interval
from evaluation.league.benchmark import Figure, shared_texts
from evaluation.league.xsid import DATASET, find_file, read_valid

if TYPE_CHECKING:
    from lingua import LanguageDetector as Lingua

SAMPLE = "sample"
SHORT = 120
"""Characters under which a ticket of the sample counts as short."""

ASKED = ("en", "de", "fr", "es", "pt", "it")
FOREIGN = ("ar", "da", "id", "ja", "lt", "nl", "no", "tr", "zh")
"""Languages of xSID that both detectors know and nobody asked for."""

MIN_LETTERS = 10
ROWS = 300
"""Sentences per language; one file holds ten translations of each."""

SMALL = 5
DRAWS = 1000
SEED = 20261123


class Detector(Protocol):
    """What tells the language of a text."""

    def detect(self, text: str) -> str | None: ...


class LinguaDetector:
    """lingua with the languages asked for and no other: the models of one take 30 MB.

    All 75 hold 1,260 MB; in its mode of low accuracy six hold 19 and all 93 MB.

    Parameters
    ----------
    targets : ISO 639-1 codes, at least two; `no` stands for bokmål and nynorsk
    min_letters : texts with fewer letters are too short to tell
    low_accuracy : look at three letters at a time only

    Raises
    ------
    ValueError
        If lingua does not know a language.
    """

    def __init__(
        self,
        targets: Sequence[str],
        min_letters: int = MIN_LETTERS,
        *,
        low_accuracy: bool = False,
    ) -> None:
        from lingua import IsoCode639_1, LanguageDetectorBuilder

        codes = [code for target in targets for code in _WRITTEN.get(target, (target,))]
        try:
            known = [getattr(IsoCode639_1, code.upper()) for code in codes]
        except AttributeError as error:
            raise ValueError(f"lingua does not know one of {', '.join(targets)}") from error
        builder = LanguageDetectorBuilder.from_iso_codes_639_1(*known)
        if low_accuracy:
            builder = builder.with_low_accuracy_mode()
        self.targets = tuple(targets)
        self.min_letters = min_letters
        self._detector: Lingua = builder.with_preloaded_language_models().build()

    def detect(self, text: str) -> str | None:
        """The likeliest language of a text, None if it is too short or in another script."""
        text = own_words(text, self.min_letters)
        if count_letters(text) < self.min_letters:
            return None
        found = self._detector.detect_language_of(text)
        if found is None:
            return None
        code = found.iso_code_639_1.name.lower()
        return next((name for name, codes in _WRITTEN.items() if code in codes), code)


_WRITTEN = {"no": ("nb", "nn")}

DETECTORS: dict[str, Callable[[Sequence[str]], Detector]] = {
    "langdetect": partial(LanguageDetector, min_letters=MIN_LETTERS),
    "lingua": LinguaDetector,
    "lingua, low accuracy": partial(LinguaDetector, low_accuracy=True),
}


class LanguageDetectors:
    """Both detectors on voice commands (xSID valid) and on short tickets of the sample.

    Told six languages they are asked about texts in those, and in others: there the figure is the
    share of texts taken for one of the six. Told all languages both know, they are asked about all.
    Nothing is trained, so nothing leaks; the prior of ours was chosen on these texts among three
    that made no difference beyond the intervals.
    """

    name = "language-detectors"
    datasets: tuple[str, ...] = (DATASET, SAMPLE)

    def run(self, folders: Mapping[str, Path], *, small: bool) -> Sequence[Figure]:
        """Accuracy, macro F1, share of None and milliseconds per text of every detector."""
        rows = SMALL if small else ROWS
        commands = {
            code: read_valid(find_file(folders[DATASET], f"{code}.valid.conll"))[0][:rows]
            for code in ("de", "en", "it", *FOREIGN)
        }
        asked = [(text, code) for code in ("de", "en", "it") for text in commands[code]]
        foreign = [(text, code) for code in FOREIGN for text in commands[code]]
        tickets = read_short(folders[SAMPLE] / "tickets.jsonl")[: rows if small else None]
        figures = []
        for name, build in DETECTORS.items():
            six = build(ASKED)
            figures += measure_rows(f"{DATASET}, asked for", name, six, asked)
            figures += measure_rows(f"sample, under {SHORT} characters", name, six, tickets)
            figures += [measure_taken(f"{DATASET}, not asked for", name, six, foreign)]
            twelve = build((*ASKED, *FOREIGN))
            figures += measure_rows(f"{DATASET}, all asked for", name, twelve, asked + foreign)
        return [*figures, shared_texts([], [text for text, _ in asked], DATASET)]


def read_short(path: Path) -> list[tuple[str, str]]:
    """Texts of tickets below `SHORT` characters, with their language."""
    tickets = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    return [(t["text"], t["language"]) for t in tickets if len(t["text"]) < SHORT]


def measure_rows(
    split: str, name: str, detector: Detector, rows: Sequence[tuple[str, str]]
) -> list[Figure]:
    """Figures over texts whose languages the detector was asked for; None is a wrong answer."""
    truth = np.array([code for _, code in rows])
    began = time.perf_counter()
    found = np.array([detector.detect(text) or "" for text, _ in rows])
    milliseconds = 1000 * (time.perf_counter() - began) / len(rows)
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
