"""Phone numbers, checked by the phonenumbers library."""

import re
from collections.abc import Iterator

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult

from models.entity_rules.passage import Passage, Span, words

_PHONE = re.compile(
    r"(?<![\w.:/+#-])(?<!\d,)(?:\+|\(\+?|00)?\d(?:[ ().\-/\xa0]{0,2}\d){5,16}"
    r"(?: ?(?:x|ext\.?) ?\d{1,6})?(?!\w|[.,:]\d)"
)
_PHONE_WORDS = words(
    "phone telephone tel telefon téléphone teléfono telefone telefono tél telf fon fax mobile "
    "mobil cell cellulare handy móvil celular telemóvel portable whatsapp rufnummer durchwahl "
    "call calls ring dial reachable answering text texts sms message messages hotline "
    "landline anrufen ruf appelez appeler joindre llámame llamar ligar ligue chiamare "
    "chiami chiamate contact rückruf"
)
_PHONE_WORDS_AFTER = words("fax mobile office cell home desk tel phone mobil handy")
_NETWORK = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
_DATE = re.compile(
    r"(?:19|20)\d\d[-./](?:0\d|1[0-2])[-./]\d\d(?!\d)|[0-3]?\d[-./][01]?\d[-./](?:19|20)\d\d(?!\d)"
)


def find_phones(passage: Passage) -> Iterator[Span]:
    """Numbers the phonenumbers library holds possible, in E.164 where they are international.

    A number without a country code must look like one and stand beside a word for phoning; its
    value is its digits.
    """
    for match in _PHONE.finditer(passage.text):
        number = match[0]
        value = normal_phone(number)
        if value is None or _DATE.match(number) or _NETWORK.match(number):
            continue
        if value[0] == "+" or _beside_a_phone_word(passage, match):
            yield Span(*match.span(), "phone", value)


def normal_phone(number: str) -> str | None:
    """E.164 for an international number, its digits for any other, None where it is none."""
    digits = "".join(filter(str.isdigit, number.lower().partition("x")[0]))
    international = "+" in number or number.startswith("00")
    if not international:
        return digits if 7 <= len(digits) <= 13 else None
    try:
        parsed = phonenumbers.parse(number if "+" in number else f"+{number[2:]}", None)
    except NumberParseException:
        return None
    possible = phonenumbers.is_possible_number_with_reason(parsed)
    if possible not in (ValidationResult.IS_POSSIBLE, ValidationResult.IS_POSSIBLE_LOCAL_ONLY):
        return None
    return phonenumbers.format_number(parsed, PhoneNumberFormat.E164)


def _beside_a_phone_word(passage: Passage, match: re.Match[str]) -> bool:
    before = passage.words_before(match.start(), 4)
    after = passage.words_after(match.end(), 1, width=12)
    return not _PHONE_WORDS.isdisjoint(before) or not _PHONE_WORDS_AFTER.isdisjoint(after)
