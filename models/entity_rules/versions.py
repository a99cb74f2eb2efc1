"""Versions of software: 4.8.1, v2, 18.4 behind a name, 132 behind that of a known product."""

import re
from collections.abc import Iterator

from models.entity_rules.passage import Passage, Span, words

_SUFFIX = (
    r"(?:[-+._]?(?:alpha|beta|rc|pre|preview|snapshot|final|hotfix|patch|dev|sp|build|lts)"
    r"[-.]?\d{0,6})?"
)
_MARKED = re.compile(
    rf"(?<![\w.])v(?P<number>\d{{1,4}}(?:\.\d{{1,6}}){{0,4}}{_SUFFIX})(?![\w/]|\.\w)", re.IGNORECASE
)
_DOTTED = re.compile(
    rf"(?<![\w.,-])\d{{1,4}}(?:\.\d{{1,6}}){{1,4}}{_SUFFIX}(?![\w%/]|[.,-]\w)", re.IGNORECASE
)
_WHOLE = re.compile(r"(?<=[\w)] )\d{1,4}(?![\w%/]|[.,:-]\d)")
_THOUSANDS = re.compile(r"\d{1,3}(?:\.\d{3}){2,}")
_LIKE_AN_ADDRESS = re.compile(r"\d{3}(?:\.\d{1,3}){3}")

_NAMES = words(
    "windows server debian ubuntu fedora rhel centos linux suse sles macos osx ios ipados android "
    "chrome chromium firefox edge safari opera brave vivaldi java jdk jre openjdk python php ruby "
    "perl node js nodejs next.js node.js angular react vue django rails laravel spring kubernetes "
    "docker helm terraform postgresql postgres mysql mariadb oracle mongodb redis elasticsearch "
    "kafka tomcat nginx jenkins wordpress drupal sharepoint exchange outlook office excel openssl "
    "tls ssl net dotnet esxi vmware openshift gitlab jira solaris aix"
)
_VERSION_WORDS = words(
    "version versions ver versión versiones versão versione versioni versionen release releases "
    "update upgrade upgraded updated patch build firmware sdk agent client plugin widget module "
    "chart package library paket modul módulo modulo aktualisierung actualización mise"
)
# Before "4.11" with no name: fixed in 4.11, en la 4.9, seit 3.2.
_PLACES = words(
    "in since before after from to on with la a da de auf ab seit vor mit von bis depuis avant "
    "desde para dalla alla con than using run running"
)
# What follows a number that only counts.
_COUNTED = words(
    "million millions mio mrd billion percent prozent euro euros eur usd chf gbp dollar dollars "
    "times x points punkte hours seconds minutes tb gb mb kb kg km cm mm to of stars mal veces "
    "milioni millones milhões millionen k m s ms h"
)
_END = re.compile(r"$|[.,;:!?)\"'\n]| (?:that|and|und|et|y|e|is|was|the|on|we|i|there)\b", re.I)
_NO_NAMES = words(
    "eur usd chf gbp total summe betrag section chapter kapitel abschnitt table tabelle figure "
    "step schritt point page seite score average rating confidence about only"
)


def find_versions(passage: Passage) -> Iterator[Span]:
    """Versions; the value is lower-cased and has no leading v.

    Three numbers with dots between them are a version by themselves. Two need a name, a word for
    a version or a place in the sentence ("fixed in 4.11"), one a known product.
    """
    text = passage.text
    for match in _MARKED.finditer(text):
        if "." in match["number"] or (text[match.start()] == "v" and not _is_route(text, match)):
            yield Span(*match.span(), "version", match["number"].lower())
    if "." in text:
        for match in _DOTTED.finditer(text):
            if _is_dotted(passage, match):
                yield Span(*match.span(), "version", match[0].lower())
    for match in _WHOLE.finditer(text):
        if _stands_behind_a_product(passage, match.start()):
            yield Span(*match.span(), "version", match[0])


def _is_route(text: str, match: re.Match[str]) -> bool:
    return text[max(0, match.start() - 1) : match.start()] == "/"


def _is_dotted(passage: Passage, match: re.Match[str]) -> bool:
    before = passage.text[max(0, match.start() - 1) : match.start()]
    if match[0].count(".") >= 2:
        return not (_THOUSANDS.fullmatch(match[0]) or _LIKE_AN_ADDRESS.fullmatch(match[0]))
    if before in ("/", "$", "€", "£", "#", "+", ":", "="):
        return False
    after = passage.words_after(match.end(), 1, width=16)
    if not _VERSION_WORDS.isdisjoint(after):
        return True
    near = passage.words_before(match.start(), 2)
    if not _VERSION_WORDS.isdisjoint(near) or not _NAMES.isdisjoint(near):
        return True
    if len(match[0].rpartition(".")[2]) == 3:
        return False  # thousands: 8.400
    if not _COUNTED.isdisjoint(after):
        return False
    if _is_name(passage, match.start()):
        return True
    ends = _END.match(passage.after(match.end(), 12)) is not None
    return ends and not _PLACES.isdisjoint(near[-1:])


def _is_name(passage: Passage, start: int) -> bool:
    """Whether a name stands here: a capital that does not open a sentence, or several."""
    name = _word_just_before(passage, start)
    if len(name) < 3 or name.lower() in _NO_NAMES:
        return False
    if any(map(str.isupper, name[1:])):
        return True
    return name[0].isupper() and len(passage.words_before(start, 2)) > 1


def _word_just_before(passage: Passage, start: int) -> str:
    match = re.search(r"([\w.#+-]+) $", passage.before(start, 32))
    return match[1] if match else ""


def _stands_behind_a_product(passage: Passage, start: int) -> bool:
    name = _word_just_before(passage, start)
    is_product = name.lower() in _NAMES and name != name.lower()
    return is_product or name.lower() in {"version", "versión", "versão", "versione"}
