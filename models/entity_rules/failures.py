"""Error codes and exceptions."""

import errno
import re
from collections.abc import Iterator
from http import HTTPStatus

from models.entity_rules.passage import Passage, Span, words

_ERRNO = frozenset(errno.errorcode.values())
_HTTP = frozenset(map(int, HTTPStatus))

_NAME = re.compile(r"(?<![\w$-])E[A-Z]{3,15}\d?(?!\w)")
_SNAKE = re.compile(r"(?<![\w$.-])[A-Z][A-Z0-9]{1,20}(?:_[A-Z0-9]{1,20}){1,7}(?!\w)")
_SNAKE_WORDS = re.compile(
    r"(?:^|_)(?:E|ERR|ERROR|ERRORS|INVALID|FAILED|FAILURE|DENIED|REFUSED|TIMEDOUT|EXCEEDED|"
    r"MISSING|EXPIRED|FORBIDDEN|UNAUTHORIZED|REJECTED|UNAVAILABLE|ABORTED|CONFLICT|UNKNOWN|"
    r"UNSUPPORTED|FOUND|MISMATCH|LOCKED|REVOKED|OVERFLOW|VIOLATION|BAD|CRASH|FAULT)(?:_|$)"
)
_SNAKE_CUES = words(
    "error errors errore erreur fehler erro code código codice fehlercode fails failed"
)
_LETTERED = re.compile(r"(?<![\w$./-])(?:E|ERR|AADSTS|[A-Z]{1,4}(?=\d))\d{3,6}(?![\w-]|\.\d)")
_CUES = words(
    "error errors err errore errori erreur erreurs fehler fehlercode fehlermeldung erro erros "
    "code codes código codice errno fatal fails failed says reports reported throws exception "
    "meldet wirft dice lanza devuelve affiche renvoie segnala mostra"
)
_NUMBERED = re.compile(
    r"(?<!\w)(?:error|errore|erreur|fehler|erro|errno|err)"
    r"(?:[ -]?(?:code|no\.?|nr\.?|number|nummer|id))?[ :#=]{1,3}[\"'(\[]?"
    r"(-?\d{2,10})(?![\w%]|[.,:]\d)",
    re.IGNORECASE,
)
_CODE_WORD = re.compile(
    r"(?<!\w)(?:error[_ -]?code|fehler-?code|código de error|codice(?: di)? errore|"
    r"code d['’]erreur|código de erro|errorcode|error_id|(?<=[\"'])code(?=[\"']))"
    r"[\"']?[ :#=]{1,3}[\"'(]?([A-Z0-9][A-Z0-9_.-]{1,30}[A-Z0-9]|\d{2,10})(?!\w)",
    re.IGNORECASE,
)
_HEX = re.compile(r"(?<![\w$])0[xX][0-9A-Fa-f]{1,16}(?!\w)")
# HRESULT and NTSTATUS with the bit for a failure; other long numbers are addresses in memory.
_RESULT = re.compile(r"0x[8CcdD][0-9A-Fa-f]{7}")
_SQLSTATE = re.compile(r"(?<![\w-])(?:SQLSTATE\W{0,3})([0-9A-Z]{5})(?!\w)")
_BRACKETED_STATE = re.compile(r"[(\[]([0-9A-Z]{5})[)\]]")
# Classes of ISO/IEC 9075-2, table 38, and those PostgreSQL adds.
_STATE_CLASSES = words(
    "01 02 03 08 09 0A 0B 0F 0L 0P 0Z 20 21 22 23 24 25 26 27 28 2B 2D 2F 34 38 39 3B 3D 3F 40 42 "
    "44 53 54 55 57 58 F0 HV HY P0 XX IM S1"
)
_DATABASE_WORDS = re.compile(
    r"sql|constraint|duplicate|deadlock|violat|table|key|relation|column|transaction|error|fehler",
    re.IGNORECASE,
)
# RFC 3463: class.subject.detail, behind the reply code of RFC 5321.
_MAIL = re.compile(r"(?<![\w.])[245]\d\d[ -]([245]\.\d{1,3}\.\d{1,3})(?![\w.])")

_EXCEPTION = re.compile(r"(?:Error|Exception)(?!\w)")
_NOT_IN_A_NAME = re.compile(r"[^\w.$]")
_CLASS = re.compile(r"[A-Z]\w*[a-z]\w*|[A-Z]{2,8}(?:Error|Exception)")
_BUILTIN = re.compile(
    r"(?<![\w.])(?:KeyboardInterrupt|SystemExit|StopIteration|GeneratorExit)(?!\w)"
)


def find_error_codes(passage: Passage) -> Iterator[Span]:
    """Names and numbers of errors; the value is upper-cased.

    ECONNRESET (errno), INVALID_SESSION_ID, E1043, ERROR 1205, 0x80070005, SQLSTATE 40P01, the
    5.7.1 of a mail server. Codes such as ORA-01653 look like the number of a ticket: both are
    told apart in `references`.
    """
    text = passage.text
    for match in _NAME.finditer(text):
        if match[0] in _ERRNO:
            yield Span(*match.span(), "error_code", match[0])
    for match in _SNAKE.finditer(text):
        if _SNAKE_WORDS.search(match[0]) or _has_cue(passage, match, _SNAKE_CUES, 2):
            yield Span(*match.span(), "error_code", match[0])
    if not any(map(str.isdigit, text)):
        return
    for match in _LETTERED.finditer(text):
        if match[0].startswith(("E", "AADSTS")) or _has_cue(passage, match, _CUES, 2):
            yield Span(*match.span(), "error_code", match[0])
    for pattern in (_NUMBERED, _CODE_WORD, _SQLSTATE, _MAIL):
        for match in pattern.finditer(text):
            if not _is_http(match[1]):
                yield Span(*match.span(1), "error_code", match[1].upper())
    for match in _HEX.finditer(text):
        if _RESULT.fullmatch(match[0]) or _has_cue(passage, match, _CUES, 2):
            yield Span(*match.span(), "error_code", f"0x{match[0][2:].upper()}")
    for match in _BRACKETED_STATE.finditer(text):
        if _is_state(passage, match):
            yield Span(*match.span(1), "error_code", match[1])


def _has_cue(passage: Passage, match: re.Match[str], cues: frozenset[str], n: int) -> bool:
    return not cues.isdisjoint(passage.words_before(match.start(), n))


def _is_http(number: str) -> bool:
    return number.isdigit() and int(number) in _HTTP


def _is_state(passage: Passage, match: re.Match[str]) -> bool:
    state = match[1]
    if state[:2] not in _STATE_CLASSES or not any(map(str.isdigit, state)):
        return False
    return not state.isdigit() or bool(_DATABASE_WORDS.search(passage.before(match.start(), 60)))


def find_exceptions(passage: Passage) -> Iterator[Span]:
    """Names of classes that end in Error or Exception, with their packages, as they stand."""
    text = passage.text
    for match in _EXCEPTION.finditer(text):
        name = _NOT_IN_A_NAME.split(passage.before(match.end(), 200))[-1].lstrip(".$0123456789")
        if _CLASS.fullmatch(re.split(r"[.$]", name)[-1]) and len(name) > len(match[0]):
            yield Span(match.end() - len(name), match.end(), "exception", name)
    for match in _BUILTIN.finditer(text):
        yield Span(*match.span(), "exception", match[0])
