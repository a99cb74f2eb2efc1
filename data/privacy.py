"""Personal data and secrets replaced by words that say what stood there.

A ticket is masked before it is written to data/prepared and before a model reads it in serving, so
neither ever holds an address or a password. Placeholders carry no digits, masking twice is masking
once, and the time is linear in the length of the text.
"""

import ipaddress
import re
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

# Signs without which an expression cannot match, and which are looked for in a tenth of its time;
# most tickets show none. Words of lower case are looked for in the folded text. An expression that
# begins with a character, not with a look behind it, lets `re` skip to where that character stands.
_TOKEN_SIGNS = (
    "eyJ", "AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox",
    "AIza", "sk-", "sk_", "pk-", "pk_", "rk-", "rk_", "hf_", "npm_", "pypi-",
)  # fmt: skip
_LOCK_SIGNS = ("pass", "pwd", "kennwort", "contraseña", "clave", "senha")
_KEY_SIGNS = ("key", "secret", "token", "pin", "otp", "authorization")
_DIGIT = re.compile(r"\d")
_IBAN_SIGN = re.compile(r"[A-Z]{2}\d{2}")
_IP6_SIGN = re.compile(r":[0-9A-Fa-f]{0,4}:")
_IP4_SIGN = re.compile(r"\.\d{1,3}\.")
_LONG_NUMBER = re.compile(r"\d(?:[ ().\-/]{0,2}\d){6}")  # a phone's or a card's
_PHONE_SIGNS = (
    re.compile(r"\+|00[1-9]"),
    re.compile(r"0[1-9]\d{0,4}\)?[ /.-]\d\d"),
    re.compile(r"\d{3}[.-]\d{4}"),
)  # of `_PHONES`, one each
_PHONE_WORDS = (
    "tel", "phone", "fon", "fax", "mobil", "cell", "handy", "móvil", "celular", "whatsapp",
    "rufnummer", "call me ", "reach me ",
)  # fmt: skip

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
)
_LABELLED_PHONE = re.compile(
    r"(?:(?<!\w)(?:tel|telefon|telephone|téléphone|teléfono|telefone|telefono|phone|fon|fax|"
    r"mobile?|cell|handy|móvil|celular|whatsapp|rufnummer|call me (?:at|on)|reach me (?:at|on))"
    rf"(?: (?:number|nummer|no))?[.:]{{0,2}} ?)(\+?{_NUMBER}{{5,16}})(?!\w)",
    re.IGNORECASE,
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
    found: list[str] = []
    # What a masked neighbour hid may show only now; a text without findings costs one round.
    for _ in range(_MAX_ROUNDS):
        before = len(found)
        text = _mask_once(text, found)
        if len(found) == before:
            break
    return Masked(text, {kind: found.count(kind) for kind in KINDS if kind in found})


def _mask_once(text: str, found: list[str]) -> str:
    """The text after one round; the kinds of what was hidden are added to `found`."""
    text = _mask_secrets(text, found)
    if "@" in text:
        text = _hide(_EMAIL, "email", text, found)
    return _mask_numbers(text, found) if _DIGIT.search(text) else text


def _mask_secrets(text: str, found: list[str]) -> str:
    if "-----BEGIN" in text:
        text = _hide(_PRIVATE_KEY, "secret", text, found)
    if _shows(_TOKEN_SIGNS, text):
        text = _hide(_TOKENS, "secret", text, found)
    if "://" in text:
        text = _hide(_CREDENTIALS, "secret", text, found)
    folded = _fold(text)
    labelled = ":" in text or "=" in text
    if _shows(_LOCK_SIGNS, folded):
        if labelled:
            text = _hide_labelled(_LABELLED_PASSWORD, text, found)
        text = _hide_labelled(_TOLD_PASSWORD, text, found)
    if labelled and _shows(_KEY_SIGNS, folded):
        text = _hide_labelled(_LABELLED_KEY, text, found)
    if "bearer" in folded:
        text = _hide_labelled(_BEARER, text, found)
    return text


def _mask_numbers(text: str, found: list[str]) -> str:
    if _IBAN_SIGN.search(text):
        text = _hide(_IBAN, "iban", text, found, _is_iban)
    long = _LONG_NUMBER.search(text)
    if long:
        text = _hide(_CARD, "card", text, found, _is_card)
    if _IP6_SIGN.search(text):
        text = _hide(_IP6, "ip", text, found, _is_ip6)
    if _IP4_SIGN.search(text):
        text = _hide(_IP4, "ip", text, found, lambda match: not _is_version(match))
    if long:
        for sign, pattern in zip(_PHONE_SIGNS, _PHONES, strict=True):
            if sign.search(text):
                text = pattern.sub(lambda match: _phone(match, found), text)
        if _shows(_PHONE_WORDS, _fold(text)):
            text = _LABELLED_PHONE.sub(lambda match: _phone(match, found), text)
    return text


def _fold(text: str) -> str:
    """In lower case, with all that an expression takes for an i or s when it ignores case."""
    folded = text.lower()
    if not text.isascii():
        folded = folded.replace("i\u0307", "i").replace("ı", "i").replace("ſ", "s")
    return folded


def _shows(signs: tuple[str, ...], text: str) -> bool:
    return any(sign in text for sign in signs)


def _hide(
    pattern: re.Pattern[str],
    kind: str,
    text: str,
    found: list[str],
    accept: Callable[[re.Match[str]], bool] = bool,
) -> str:
    """The text with a placeholder for all that matches and is accepted."""

    def put(match: re.Match[str]) -> str:
        if not accept(match):
            return match[0]
        found.append(kind)
        return f"[{kind}]"

    return pattern.sub(put, text)


def _hide_labelled(pattern: re.Pattern[str], text: str, found: list[str]) -> str:
    """The text with a placeholder for each secret that follows the first group."""

    def put(match: re.Match[str]) -> str:
        found.append("secret")
        return f"{match[1]}[secret]"

    return pattern.sub(put, text)


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


def _phone(match: re.Match[str], found: list[str]) -> str:
    number = match[match.lastindex or 0]
    digits = sum(map(str.isdigit, number))
    if not 7 <= digits <= 17 or _DATE.search(number):
        return match[0]
    found.append("phone")
    label = match[0][: len(match[0]) - len(number)]
    return f"{label}[phone]"
