"""Personal data and secrets replaced by words that say what stood there.

A ticket is masked before it is written to data/prepared and before a model reads it in serving, so
neither ever holds an address or a password. Placeholders carry no digits, masking twice is masking
once, and the time is linear in the length of the text.
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

KINDS = ("secret", "email", "iban", "card", "ip", "phone")

_PLACEHOLDER = rf"\[(?:{'|'.join(KINDS)})\]"

_LOCKS = (
    r"password|passwort|passwd|pwd|passcode|passphrase|kennwort|mot de passe|contraseña|clave|"
    r"senha|palavra-passe"
)
_KEYS = (
    r"api[ _-]?key|(?:client|shared|app)[ _-]?secret|secret(?:[ _-]?(?:access[ _-]?)?key)?|"
    r"access[ _-]?(?:key|token)|auth[ _-]?token|token|pin|otp|authorization"
)
_VALUE = rf"(?!{_PLACEHOLDER})(?:\"[^\"\n]{{1,200}}\"|'[^'\n]{{1,200}}'|\S+)"

_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY-----"
    r"(?:(?:[^-]|-(?!----)){0,20000}-----END [A-Z0-9 ]{0,40}-----|(?:\s?[A-Za-z0-9+/=]{16,})*)"
)
_TOKENS = re.compile(
    r"(?<![\w-])(?:"
    r"eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"  # JSON web token, RFC 7519: {" in base64url is eyJ
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}"  # AWS access key id
    r"|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}"
    r"|xox[abeprs]-[\w-]{10,}"  # Slack
    r"|AIza[\w-]{35}"  # Google
    r"|(?:sk|pk|rk)[-_](?:live[-_]|test[-_]|proj[-_]|ant[-_])?[\w-]{16,}"  # Stripe, OpenAI
    r"|hf_\w{20,}|npm_\w{20,}|pypi-[\w-]{20,}"
    r")+"  # one after the other without a gap, they are hidden together
)
_BEARER = re.compile(
    rf"\b(bearer\s{{1,3}})(?!{_PLACEHOLDER})(?=\S{{0,200}}\d)\S{{8,}}", re.IGNORECASE
)
_CREDENTIALS = re.compile(rf"(?<=://)(?!{_PLACEHOLDER})[^\s/@:]{{1,200}}:[^\s/@]{{1,200}}(?=@)")
_LABELLED_PASSWORD = re.compile(
    rf"((?<![^\W_])(?:{_LOCKS})[\"']?\s{{0,3}}(?:[:=]|\b(?:is|ist|est|es|é)\s?:)\s{{0,3}})"
    rf"({_VALUE})",
    re.IGNORECASE,
)
_TOLD_PASSWORD = re.compile(
    rf"((?<![^\W_])(?:{_LOCKS})\s(?:is|was|ist|lautet|est|es|é)\s)"
    rf"(?=\S*[\d!#$%&*@^])({_VALUE})",
    re.IGNORECASE,
)
_LABELLED_KEY = re.compile(
    rf"((?<![^\W_])(?:{_KEYS})[\"']?\s{{0,3}}[:=]\s{{0,3}}(?:bearer\s|basic\s)?)"
    rf"(?=\S*\d|\S{{16,}})({_VALUE})",
    re.IGNORECASE,
)

_EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]+@(?:[\w-]+\.)+[^\W\d_]{2,}")

_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){13,18}(?![\w-]|\.\d)")

_IP4 = re.compile(
    r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
    r"(?!\w|\.\w)"
)
_IP6 = re.compile(
    r"(?<![\w:.])(?=[0-9A-Fa-f:]{0,39}\d)(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])"
)
# Four numbers are a version after a word for one, in the name of a file, or, as long as they are
# small, in a sentence about updates: "upgrade to 2.9.10.4" names no customer's machine.
_VERSION_BEFORE = re.compile(
    r"(?:version|ver|release|build|firmware|driver|patch|hotfix|jar|v)[.:]? ?(?:is )?$"
    r"|[A-Za-z][-_]$",
    re.IGNORECASE,
)
_UPDATE_BEFORE = re.compile(
    r"\b(?:up(?:grad|dat)|downgrad|bump|install|aktualisier|mise à jour|actualiz|aggiorn)[^\n]*$",
    re.IGNORECASE,
)
_SMALL_OCTET = 20

_NUMBER = r"\(?\d(?:[ ().\-/]{0,2}\d)"
_PHONES = (
    # +49 (0)30 1234-567, 0049 30 1234567
    re.compile(rf"(?<![\w+.-])(?:\+|00[1-9]\d{{0,2}}[ ./-]){_NUMBER}{{5,16}}(?!\w)"),
    # 030 1234567, 0171/2345678, (0221) 47 11 08 15, 06 12 34 56 78
    re.compile(r"(?<![\w./:+-])\(?0[1-9]\d{0,4}\)?[ /.-](?:\d{2,8}[ .-]?){1,4}(?<=\d)(?![\w:/-])"),
    # (555) 123-4567, 555-123-4567, 1-555-123-4567
    re.compile(r"(?<![\w.+-])(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}[.\- ])\d{3}[.-]\d{4}(?!\w|[.-]\d)"),
    re.compile(
        r"(?:(?<!\w)(?:tel|telefon|telephone|téléphone|teléfono|telefone|telefono|phone|fon|fax|"
        r"mobile?|cell|handy|móvil|celular|whatsapp|rufnummer|call me (?:at|on)|reach me (?:at|on))"
        rf"(?: (?:number|nummer|no))?[.:]{{0,2}} ?)(\+?{_NUMBER}{{5,16}})(?!\w)",
        re.IGNORECASE,
    ),
)
_DATE = re.compile(r"(?<!\d)(?:\d{4}([-./])\d{1,2}\1\d{1,2}|\d{1,2}([-./])\d{1,2}\2\d{2,4})(?!\d)")

_MAX_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Masked:
    """A text without personal data, and how much was found: kind -> number of places."""

    text: str
    counts: dict[str, int]


def mask(text: str) -> Masked:
    """Replace e-mail and IP addresses, phone, card and account numbers and secrets.

    Placeholders are `[email]`, `[ip]`, `[phone]`, `[card]`, `[iban]` and `[secret]`. Card numbers
    must satisfy Luhn's formula (ISO/IEC 7812-1) and a network's prefix, account numbers the check
    of ISO 13616; versions, error codes, dates, times and order numbers stay.
    """
    counts: Counter[str] = Counter()
    # What a masked neighbour hid may show only now; a text without findings costs one round.
    for _ in range(_MAX_ROUNDS):
        before = counts.total()
        text = _mask_once(text, counts)
        if counts.total() == before:
            break
    return Masked(text, {kind: counts[kind] for kind in KINDS if counts[kind]})


def _mask_once(text: str, counts: Counter[str]) -> str:
    def put(
        kind: str, accept: Callable[[re.Match[str]], bool] | None = None
    ) -> Callable[[re.Match[str]], str]:
        def replace(match: re.Match[str]) -> str:
            if accept is not None and not accept(match):
                return match[0]
            counts[kind] += 1
            return f"[{kind}]"

        return replace

    def put_after_label(match: re.Match[str]) -> str:
        counts["secret"] += 1
        return f"{match[1]}[secret]"

    if "-----BEGIN" in text:
        text = _PRIVATE_KEY.sub(put("secret"), text)
    text = _TOKENS.sub(put("secret"), text)
    if "://" in text:
        text = _CREDENTIALS.sub(put("secret"), text)
    text = _LABELLED_PASSWORD.sub(put_after_label, text)
    text = _TOLD_PASSWORD.sub(put_after_label, text)
    text = _LABELLED_KEY.sub(put_after_label, text)
    text = _BEARER.sub(put_after_label, text)
    if "@" in text:
        text = _EMAIL.sub(put("email"), text)
    if not any(map(str.isdigit, text)):
        return text
    text = _IBAN.sub(put("iban", _is_iban), text)
    text = _CARD.sub(put("card", _is_card), text)
    if ":" in text:
        text = _IP6.sub(put("ip", _is_ip6), text)
    text = _IP4.sub(put("ip", lambda match: not _is_version(match)), text)
    for pattern in _PHONES:
        text = pattern.sub(lambda match: _phone(match, counts), text)
    return text


def _is_iban(match: re.Match[str]) -> bool:
    compact = match[0].replace(" ", "")
    digits = "".join(str(int(character, 36)) for character in compact[4:] + compact[:4])
    return int(digits) % 97 == 1


def _is_card(match: re.Match[str]) -> bool:
    digits = [int(character) for character in match[0] if character.isdigit()]
    doubled = (2 * digit - 9 * (digit > 4) for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and _has_network(match[0])


def _has_network(number: str) -> bool:
    """Prefixes and lengths of Visa, Mastercard, American Express, Diners, Discover and JCB."""
    digits = re.sub(r"\D", "", number)
    length, prefix = len(digits), int(digits[:4])
    return (
        (length in (16, 19) and digits[0] == "4")
        or (length == 16 and (5100 <= prefix <= 5599 or 2221 <= prefix <= 2720))
        or (length == 15 and digits[:2] in ("34", "37"))
        or (length == 14 and (digits[:2] in ("36", "38", "39") or 3000 <= prefix <= 3059))
        or (length == 16 and (prefix == 6011 or 6440 <= prefix <= 6599 or 3528 <= prefix <= 3589))
    )


def _is_ip6(match: re.Match[str]) -> bool:
    try:
        ipaddress.IPv6Address(match[0])
    except ValueError:
        return False
    return True


def _is_version(match: re.Match[str]) -> bool:
    before = match.string[max(0, match.start() - 60) : match.start()]
    if _VERSION_BEFORE.search(before):
        return True
    small = max(map(int, match[0].split("."))) <= _SMALL_OCTET
    return small and _UPDATE_BEFORE.search(before) is not None


def _phone(match: re.Match[str], counts: Counter[str]) -> str:
    number = match[match.lastindex or 0]
    digits = sum(map(str.isdigit, number))
    if not 7 <= digits <= 17 or _DATE.search(number):
        return match[0]
    counts["phone"] += 1
    label = match[0][: len(match[0]) - len(number)]
    return f"{label}[phone]"
