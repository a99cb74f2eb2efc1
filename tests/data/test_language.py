from concurrent.futures import ThreadPoolExecutor

import pytest

from data.language import LanguageDetector

TEXTS = {
    "en": "The printer on the second floor does not answer any more",
    "de": "Der Drucker im zweiten Stock antwortet nicht mehr",
    "fr": "L'imprimante du deuxième étage ne répond plus depuis hier",
    "es": "La impresora del segundo piso ya no responde desde ayer",
    "pt": "A impressora do segundo andar não responde mais desde ontem",
    "it": "La stampante al secondo piano non risponde più da ieri",
}


@pytest.fixture(scope="module")
def detector():
    return LanguageDetector(tuple(TEXTS))


@pytest.mark.parametrize("language", TEXTS)
def test_languages_are_told_apart(detector, language):
    assert detector.detect(TEXTS[language]) == language


@pytest.mark.parametrize(
    "text", ["", "123 456", "!!!", "ok", "😀" * 30, "ORD-12345", "日本語" * 20]
)
def test_what_is_too_short_or_no_language_of_ours_is_none(detector, text):
    assert detector.detect(text) is None


def test_capitals_are_read_too(detector):
    assert detector.detect(TEXTS["en"].upper()) == "en"


def test_a_coin_flip_between_languages_is_none(detector, monkeypatch):
    monkeypatch.setattr("data.language.MIN_PROBABILITY", 1.1)
    assert detector.detect(TEXTS["en"]) is None


def test_the_answer_is_the_same_each_time_and_from_every_thread(detector):
    mixed = "quero reembolso por favor gracias merci"
    alone = detector.detect(mixed)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(detector.detect, [mixed] * 40)) == {alone}


def test_a_language_without_a_profile_is_refused():
    with pytest.raises(ValueError, match="no language profile for 'xx'; known: af, "):
        LanguageDetector(("en", "xx"))
