"""Languages told apart by the n-gram profiles of langdetect."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory
from langdetect.lang_detect_exception import LangDetectException

MIN_PROBABILITY = 0.7
"""Below it, languages are too close to call."""

PRIOR = 0.99
"""Share of the prior that the languages asked for have together; all others share the rest.

Measured on voice commands (xSID valid, ~6 words): with no other language known, 63 % of the
sentences in eleven other languages came out as one of six; with this prior 8 %, and of those in the
six 88 % came out right instead of 91 %. A prior of 0.9 gives 8 and 88 %, an even one 7 and 88 %.
"""

# langdetect draws at random; without a seed the same ticket changes language.
_SEED = 0


class ProfileDetector:
    """The likeliest of all languages with a profile, of which those asked for are likelier at once.

    The profiles hold 60 MB, once per process; less accurate than lingua and slower
    (`data.language_lingua`), but no other detector holds so little.

    Parameters
    ----------
    targets : ISO 639-1 codes

    Raises
    ------
    ValueError
        If there is no profile for a language.
    """

    def __init__(self, targets: Sequence[str]) -> None:
        profiles = Counter(map(_language, _profiles()))
        for code in targets:
            if code not in profiles:
                known = ", ".join(profiles)
                raise ValueError(f"no language profile for {code!r}; known: {known}")
        self._factory = _factory()
        asked = PRIOR / len(targets)
        other = (1 - PRIOR) / (len(profiles) - len(targets))
        self._prior = {
            profile: (asked if code in targets else other) / profiles[code]
            for profile in _profiles()
            for code in [_language(profile)]
        }

    def find_language(self, text: str) -> str | None:
        """The language of a text, None where two are too close or it is in no script we know."""
        detector = self._factory.create()
        detector.set_prior_map(self._prior)
        # Written all in capitals, a text has no n-grams: those are taken for abbreviations.
        detector.append(text.lower() if text.isupper() else text)
        try:
            found = detector.get_probabilities()
        except LangDetectException:
            return None
        if not found or found[0].prob < MIN_PROBABILITY:
            return None
        return _language(str(found[0].lang))


def _language(profile: str) -> str:
    """`zh` for `zh-cn` and `zh-tw`."""
    return profile.partition("-")[0]


def _profiles() -> list[str]:
    return sorted(entry.name for entry in Path(PROFILES_DIRECTORY).iterdir())


@cache
def _factory() -> DetectorFactory:
    # An own factory: the module's global one is filled on first use without a lock.
    factory = DetectorFactory()
    paths = (Path(PROFILES_DIRECTORY) / code for code in _profiles())
    factory.load_json_profile([path.read_text("utf-8") for path in paths])
    factory.set_seed(_SEED)
    return factory
