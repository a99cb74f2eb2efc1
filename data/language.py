"""The language of a text, None when too short to tell."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from data.language_langid import LangidDetector
from data.language_lingua import LinguaDetector
from data.language_profiles import ProfileDetector
from data.templates import count_letters, own_words

MAX_CHARACTERS = 300
"""Characters that are looked at: beyond them the answer changes no more, only the time grows.

None of 1,500 tickets of it-service-tickets is told another language by 600, nor any of the sample.
"""

LANGID, LINGUA, LANGDETECT = "langid", "lingua", "langdetect"

_DETECTORS: dict[str, type[LangidDetector] | type[LinguaDetector] | type[ProfileDetector]] = {
    LANGID: LangidDetector,
    LINGUA: LinguaDetector,
    LANGDETECT: ProfileDetector,
}

_EAST_ASIAN = re.compile(
    r"(?P<ja>[\u3041-\u30ff])|(?P<ko>[\u1100-\u11ff\uac00-\ud7af])|(?P<zh>[\u3400-\u9fff])"
)


class LanguageDetector:
    """Tells languages apart: those asked for, and others as what they are.

    What mail programs and help desks wrote around the text does not decide (`data.templates`), and
    Japanese, Korean and Chinese are known by their script. Asking is safe from several threads.

    Parameters
    ----------
    targets : ISO 639-1 codes, at least two
    min_letters : texts with fewer letters are too short to tell
    detector : langid | lingua | langdetect; what each is worth is measured in
        data/language_langid.py and data/language_lingua.py

    Raises
    ------
    ValueError
        If the detector does not exist or does not know a language.
    """

    def __init__(
        self, targets: Sequence[str], min_letters: int = 10, *, detector: str = LANGID
    ) -> None:
        if detector not in _DETECTORS:
            raise ValueError(f"no language detector {detector!r}; known: {', '.join(_DETECTORS)}")
        self.targets = tuple(targets)
        self.min_letters = min_letters
        self._detector: _Detector = _DETECTORS[detector](self.targets)

    def detect(self, text: str) -> str | None:
        """The language of a text, None if it is too short, has no letters or is too close.

        An ISO 639-1 code, not necessarily one of `targets`.
        """
        text = own_words(text[: 4 * MAX_CHARACTERS], self.min_letters)[:MAX_CHARACTERS]
        if count_letters(text) < self.min_letters:
            return None
        return _by_script(text) or self._detector.find_language(text)


class _Detector(Protocol):
    def find_language(self, text: str) -> str | None: ...


def _by_script(text: str) -> str | None:
    """Japanese, Korean or Chinese where most letters are theirs, else None.

    langdetect takes half of the short Chinese texts (xSID valid) for Korean, and lingua does not
    have to hold the models of these languages.
    """
    found = Counter(match.lastgroup for match in _EAST_ASIAN.finditer(text))
    if 2 * found.total() <= count_letters(text):
        return None
    # Japanese is written in Chinese characters with kana between them.
    return next(code for code in ("ja", "ko", "zh") if 5 * found[code] >= found.total())
