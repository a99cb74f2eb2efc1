from concurrent.futures import ThreadPoolExecutor

import pytest

from data.language import LANGDETECT, LANGID, LINGUA, LanguageDetector
from data.language_langid import LangidDetector
from data.language_profiles import ProfileDetector

TEXTS = {
    "en": "The printer on the second floor does not answer any more",
    "de": "Der Drucker im zweiten Stock antwortet nicht mehr",
    "fr": "L'imprimante du deuxième étage ne répond plus depuis hier",
    "es": "La impresora del segundo piso ya no responde desde ayer",
    "pt": "A impressora do segundo andar não responde mais desde ontem",
    "it": "La stampante al secondo piano non risponde più da ieri",
}


@pytest.fixture(scope="module", params=[LANGID, LINGUA, LANGDETECT])
def detector(request):
    return LanguageDetector(tuple(TEXTS), detector=request.param)


@pytest.mark.parametrize("language", TEXTS)
def test_languages_are_told_apart(detector, language):
    assert detector.detect(TEXTS[language]) == language


@pytest.mark.parametrize(
    "text", ["", "123 456", "!!!", "ok", "😀" * 30, "ORD-12345", "\u16a0\u16b1" * 20]
)
def test_what_is_too_short_or_in_no_script_we_know_is_none(detector, text):
    assert detector.detect(text) is None


def test_capitals_are_read_too(detector):
    assert detector.detect(TEXTS["en"].upper()) == "en"


def test_a_coin_flip_between_languages_is_none(detector, monkeypatch):
    monkeypatch.setattr("data.language_langid.MIN_PROBABILITY", 1.1)
    monkeypatch.setattr("data.language_lingua.MIN_PROBABILITY", 1.1)
    monkeypatch.setattr("data.language_profiles.MIN_PROBABILITY", 1.1)
    assert detector.detect(TEXTS["en"]) is None


def test_the_answer_is_the_same_each_time_and_from_every_thread(detector):
    mixed = "quero reembolso por favor gracias merci"
    alone = detector.detect(mixed)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(detector.detect, [mixed] * 40)) == {alone}


@pytest.mark.parametrize("name", [LANGID, LINGUA, LANGDETECT])
def test_a_language_the_detector_does_not_know_is_refused(name):
    with pytest.raises(ValueError, match=r"no language (profile|model) for 'xx'; known: af, "):
        LanguageDetector(("en", "xx"), detector=name)


def test_a_detector_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="'ear'; known: langid, lingua, langdetect"):
        LanguageDetector(("en", "de"), detector="ear")


def test_langid_tells_unless_another_detector_is_asked_for():
    assert isinstance(LanguageDetector(("en", "de"))._detector, LangidDetector)
    named = LanguageDetector(("en", "de"), detector=LANGDETECT)
    assert isinstance(named._detector, ProfileDetector)


FOREIGN = {
    "nl": "De printer op de tweede verdieping reageert sinds gisteren niet meer",
    "tr": "İkinci kattaki yazıcı dünden beri hiç yanıt vermiyor",
    "pl": "Drukarka na drugim piętrze nie odpowiada od wczoraj",
    "ru": "Принтер на втором этаже не отвечает со вчерашнего дня",
    "zh": "二楼的打印机从昨天开始就没有反应了",
    "ja": "二階のプリンターが昨日から反応しません",
    "ko": "이층에 있는 프린터가 어제부터 응답하지 않습니다",
}


@pytest.mark.parametrize("language", FOREIGN)
def test_a_language_nobody_asked_for_is_told_as_what_it_is(detector, language):
    assert detector.detect(FOREIGN[language]) == language


def test_the_languages_asked_for_are_preferred_where_it_is_close():
    both = "Hun kan ikke se listen over kunder"  # Danish and Norwegian alike
    assert LanguageDetector(("no", "en"), detector=LANGDETECT).detect(both) == "no"
    assert LanguageDetector(("da", "en"), detector=LANGDETECT).detect(both) != "en"


def test_a_language_far_from_those_asked_for_must_be_likelier_by_far(monkeypatch):
    swahili = "Mashine ya kuchapisha haifanyi kazi tangu jana"
    told = LanguageDetector(tuple(TEXTS), detector=LINGUA)
    assert told.detect(swahili) == "sw"
    monkeypatch.setattr("data.language_lingua.PRIOR", 1.0)
    assert told.detect(swahili) != "sw"


TEMPLATE = """Please type your reply above this line.
Ticket ID: 48213
Priority: High
Your request (48213) has been updated by our support team.
-----Original Message-----
{}
This e-mail is confidential and intended only for the person it is addressed to.
If you have received it in error, please delete it. If you are not the recipient, tell us.
Thank you for contacting our service desk.
Sent from my iPhone"""


@pytest.mark.parametrize("language", TEXTS)
def test_an_english_template_does_not_decide(detector, language):
    assert detector.detect(TEMPLATE.format(TEXTS[language])) == language


@pytest.mark.parametrize("language", TEXTS)
def test_a_quoted_message_does_not_decide(detector, language):
    message = "The application was unable to start correctly, please contact your administrator"
    assert detector.detect(f'{TEXTS[language]}: "{message}"') == language


def test_templates_alone_have_no_language(detector):
    notices = [line for line in TEMPLATE.splitlines() if ":" not in line and "{" not in line]
    assert len(notices) == 7
    assert detector.detect("\n".join(notices)) is None


def test_asking_twice_for_profiles_reads_them_once():
    assert ProfileDetector(("en", "de"))._factory is ProfileDetector(("fr", "it"))._factory


@pytest.mark.parametrize("name", [LANGID, LINGUA, LANGDETECT])
def test_a_language_with_two_profiles_is_asked_for_by_one_code(name):
    assert LanguageDetector(("zh", "en"), detector=name).detect(FOREIGN["zh"]) == "zh"


@pytest.mark.parametrize(
    "text", ["Jeg får ikke logget meg inn på kontoen", "Eg får ikkje logga meg inn"]
)
@pytest.mark.parametrize("name", [LANGID, LINGUA])
def test_both_ways_to_write_norwegian_have_one_code(name, text):
    assert LanguageDetector(("no", "en"), detector=name).detect(text) == "no"


def test_what_is_asked_for_is_preferred_by_the_prior(monkeypatch):
    # Danish and Norwegian alike
    both = "Hun kan ikke se listen over kunder"
    monkeypatch.setattr("data.language_langid.PRIOR", 1 - 1e-9)
    assert LanguageDetector(("no", "en"), detector=LANGID).detect(both) == "no"
    assert LanguageDetector(("da", "en"), detector=LANGID).detect(both) == "da"


def test_a_text_in_a_language_without_a_two_letter_code_is_told_as_a_near_one():
    venetian = "La stanpante del secondo pian no la risponde pi da geri, sior"
    assert LanguageDetector(tuple(TEXTS), detector=LANGID).detect(venetian) == "it"


@pytest.mark.parametrize("code", ["zxx", "vec", "ace"])
def test_only_languages_with_a_two_letter_code_can_be_asked_for(code):
    with pytest.raises(ValueError, match="no language model"):
        LanguageDetector(("en", code), detector=LANGID)


def test_identifiers_and_markup_have_no_language():
    told = LanguageDetector(tuple(TEXTS), detector=LANGID)
    assert told.detect("<div><td><tr></tr></td></div><td><tr></tr></td>") is None


def test_reading_the_model_twice_reads_it_once():
    first, second = LangidDetector(("en", "de")), LangidDetector(("fr", "it"))
    assert first._identifier is second._identifier
