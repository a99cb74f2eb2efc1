"""The detectors of languages that are compared, and what each holds in memory."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING, NamedTuple, Protocol

import psutil

from data.language import LANGDETECT, LANGID, LINGUA, LanguageDetector
from data.templates import count_letters, own_words

if TYPE_CHECKING:
    from lingua import LanguageDetector as Lingua

MIN_LETTERS = 10

_MIB = 2**20
_FIRST = "Der Drucker im zweiten Stock antwortet seit gestern nicht mehr"
"""A first text: models are read when they are needed."""


class Detector(Protocol):
    """What tells the language of a text."""

    def detect(self, text: str) -> str | None: ...


Build = Callable[[Sequence[str]], Detector]


class BareLingua:
    """lingua as it comes, behind the same look at a text's own words.

    Parameters
    ----------
    targets : ISO 639-1 codes, at least two; `no` stands for bokmål and nynorsk
    every : know all 75 languages, not only those
    low_accuracy : look at three letters at a time only

    Raises
    ------
    ValueError
        If lingua does not know a language.
    """

    def __init__(
        self, targets: Sequence[str], *, every: bool = False, low_accuracy: bool = False
    ) -> None:
        from lingua import IsoCode639_1, LanguageDetectorBuilder

        codes = [code for target in targets for code in _WRITTEN.get(target, (target,))]
        try:
            known = [getattr(IsoCode639_1, code.upper()) for code in codes]
        except AttributeError as error:
            raise ValueError(f"lingua does not know one of {', '.join(targets)}") from error
        builder = (
            LanguageDetectorBuilder.from_all_languages()
            if every
            else LanguageDetectorBuilder.from_iso_codes_639_1(*known)
        )
        if low_accuracy:
            builder = builder.with_low_accuracy_mode()
        self._detector: Lingua = builder.with_preloaded_language_models().build()

    def detect(self, text: str) -> str | None:
        """The likeliest language of a text, None if it is too short or in another script."""
        text = own_words(text, MIN_LETTERS)
        if count_letters(text) < MIN_LETTERS:
            return None
        found = self._detector.detect_language_of(text)
        if found is None:
            return None
        code = found.iso_code_639_1.name.lower()
        return next((name for name, codes in _WRITTEN.items() if code in codes), code)


_WRITTEN = {"no": ("nb", "nn")}

DETECTORS: dict[str, Build] = {
    LANGID: partial(LanguageDetector, min_letters=MIN_LETTERS, detector=LANGID),
    LINGUA: partial(LanguageDetector, min_letters=MIN_LETTERS, detector=LINGUA),
    LANGDETECT: partial(LanguageDetector, min_letters=MIN_LETTERS, detector=LANGDETECT),
    "bare lingua": BareLingua,
    "bare lingua, all languages": partial(BareLingua, every=True),
    "bare lingua, low accuracy": partial(BareLingua, low_accuracy=True),
}
"""Ours, for every value of `prepare.language.detector`, and lingua without what we add."""


class Cost(NamedTuple):
    """What a detector takes before it has answered once: resident memory, seconds of processor."""

    mib: float
    seconds: float


def measure_costs(names: Sequence[str], targets: Sequence[str]) -> Mapping[str, Cost]:
    """What detectors take, each in a process of its own: lingua keeps models for all of one."""
    found = {}
    for name in names:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            found[name] = process.submit(_cost, name, tuple(targets)).result()
    return found


def _cost(name: str, targets: Sequence[str]) -> Cost:
    process = psutil.Process()
    held, began = process.memory_info().rss, time.process_time()
    DETECTORS[name](targets).detect(_FIRST)
    seconds = time.process_time() - began
    return Cost((process.memory_info().rss - held) / _MIB, seconds)
