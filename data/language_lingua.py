"""Languages told apart by lingua: a close look at few of them, a coarse one at all."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lingua import LanguageDetector as Lingua

NEIGHBOURS = ("nl", "da", "nb", "ca", "tr", "id")
"""Languages looked at as closely as those asked for, so that texts in them have where to go.

Near to what is mostly asked for (Dutch, Danish, Norwegian, Catalan), or written by many in Latin
letters (Turkish, Indonesian). Each takes some 20 MB; Polish beside them took 32 and changed no
figure by more than 0.2 points.
"""

PRIOR = 0.99
"""Share of the prior that the languages looked at closely have together, in the coarse look.

So a language outside has to be 99 times likelier than the likeliest of those.
"""

MIN_PROBABILITY = 0.2
"""Below it, languages are too close to call.

lingua's probabilities are flat, the more so the more languages it knows. Chosen on sentences of the
sample's long tickets (`LinguaDetector`): 1.0 % of them lose their answer by it, of which 65 % would
have been wrong; between 0.2 and 0.25, 1.4 % more would, and only 40 % of those.
"""

SURE = 0.98
"""Close look beyond which there is no coarse one, which takes twice as long.

Of 1,848 texts in the six languages none changes its answer by it (xSID valid, the sample, spaCy's
example sentences, all in sight when it was chosen), of 6,667 in others eight more are taken for one
of the six. Three in four of it-service-tickets, which are longer, are beyond it.
"""

_WRITTEN = {"nb": "no", "nn": "no"}
"""Both ways to write Norwegian."""


class LinguaDetector:
    """The likeliest of the languages asked for and `NEIGHBOURS`, unless another is so by far.

    lingua looks at one to five letters at a time and holds 20 to 30 MB per language, so only few
    are looked at in this way. At all 75 it looks three letters at a time, which shares the models
    of the close look and takes 5 MB more; what is likelier by far there (`PRIOR`) is the answer.

    Six languages asked for, n = 900 voice commands in three of them and 2,550 in nine others (xSID
    valid), 287 short tickets (sample, under 120 characters), memory before the first answer is out:

    |                        | commands | short tickets | others taken for the six | MB    |
    |------------------------|----------|---------------|--------------------------|-------|
    | this                   | 91.9 %   | 95.1 %        | 5.5 %                    | 330   |
    | langdetect with prior  | 88.0 %   | 96.5 %        | 8.2 %                    | 60    |
    | lingua, six languages  | 94.1 %   | 96.2 %        | 74.7 %                   | 185   |
    | lingua, all languages  | 91.4 %   | 95.5 %        | 4.2 %                    | 1,220 |

    On commands this alone is right 59 times and langdetect alone 24 times, on short tickets 8 and
    12 times, which may be chance; there 4.5 % get a wrong language, langdetect 1.0 %, which
    rather gives none (2.4 against 0.3 %); on commands it is 5.6 against 7.8 %. Of others that are
    neighbours 4.9 % are taken (langdetect 7.3 %), of Arabic, Japanese, Lithuanian and Chinese 6.3 %
    (9.3 %). An answer takes a third of langdetect's time, the first one 4 s.

    `MIN_PROBABILITY` and whether a coarse look is worth it were chosen on 2,504 sentences of the
    sample's tickets of 120 characters and more (languages weighing alike, 92.6 % right, langdetect
    89.4 %) and on the example sentences that come with spaCy. Of 46 of those in neighbours neither
    takes one for one of the six; of 185 in others in Latin letters this takes 16, of which 14 in
    languages lingua does not know, langdetect 10, and this without the coarse look 72. The figures
    on xSID were in sight meanwhile, and the neighbours were chosen with an eye on them.

    Parameters
    ----------
    targets : ISO 639-1 codes; `no` stands for both ways to write Norwegian

    Raises
    ------
    ValueError
        If there is no model for a language.
    """

    def __init__(self, targets: Sequence[str]) -> None:
        known = _known()
        for code in targets:
            if code not in known:
                raise ValueError(f"no language model for {code!r}; known: {', '.join(known)}")
        self._close_codes = frozenset(
            code for name in (*targets, *NEIGHBOURS) for code in known.get(name, (name,))
        )
        self._close = _build(self._close_codes)
        self._coarse = _build(None)

    def find_language(self, text: str) -> str | None:
        """The language of a text, None where two are too close or it is in no script we know."""
        code, probability = max(_probabilities(self._close, text), key=lambda found: found[1])
        if probability >= SURE:
            return _name(code)
        inside, outside = 0.0, (0.0, "")
        for other, share in _probabilities(self._coarse, text):
            if other in self._close_codes:
                inside = max(inside, share)
            else:
                outside = max(outside, (share, other))
        if outside[0] * (1 - PRIOR) > inside * PRIOR:
            return _name(outside[1])
        return _name(code) if probability >= MIN_PROBABILITY else None


def _probabilities(detector: "Lingua", text: str) -> list[tuple[str, float]]:
    return [
        (found.language.iso_code_639_1.name.lower(), found.value)
        for found in detector.compute_language_confidence_values(text)
    ]


def _name(code: str) -> str:
    return _WRITTEN.get(code, code)


def _known() -> dict[str, list[str]]:
    """Language -> how lingua writes it."""
    from lingua import Language

    known: dict[str, list[str]] = {}
    for code in sorted(language.iso_code_639_1.name.lower() for language in Language.all()):
        known.setdefault(_name(code), []).append(code)
    return known


def _build(codes: Iterable[str] | None) -> "Lingua":
    """A detector of some languages, or, three letters at a time, of all.

    Models are read when first asked for, 3 s for twelve languages, and lingua keeps them once per
    process, whatever detectors there are.
    """
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    if codes is None:
        return LanguageDetectorBuilder.from_all_languages().with_low_accuracy_mode().build()
    chosen = [getattr(IsoCode639_1, code.upper()) for code in sorted(codes)]
    return LanguageDetectorBuilder.from_iso_codes_639_1(*chosen).build()
