"""Domain names, and the names of single machines."""

import re
from collections.abc import Iterator

import phonenumbers

from models.entity_rules.addresses import normal_url, without_sentence_marks
from models.entity_rules.passage import Passage, Span, words

_DOMAIN = re.compile(
    r"(?:(?<![\w.@$\\-])|(?<=\*\.))((?:[^\W_][\w-]{0,62}\.){1,8}([^\W\d_]{2,24}))(?![\w@($-]|\.\w)"
    r"(/[\w./~%?=&#+-]*)?"
)
_HOST = re.compile(
    r"(?<![\w.@/\\-])[A-Za-z][A-Za-z0-9]{0,30}(?:-[A-Za-z0-9]{1,30}){1,6}(?![\w@/\\-]|\.\w)"
)
_NUMBERED_HOST = re.compile(r"[a-z][a-z0-9]{0,30}(?:-[a-z][a-z0-9]{0,30}){1,5}-\d{2,3}|[a-z]+-0\d")
_CUED_HOST = re.compile(
    r"(?<!\w)(?:host(?:name)?|server|servidor|serveur|machine|máquina|macchina|node|nodo|nœud|nó|"
    r"knoten|rechner|maschine)(?: name)?[ :=]{1,3}[\"'`(]?"
    r"([A-Za-z][A-Za-z0-9]{0,30}(?:[-_][A-Za-z0-9]{1,30}){0,6})(?![\w@/\\-]|\.\w)",
    re.IGNORECASE,
)
_NO_HOST = re.compile(r"v\d+|ipv[46]|x(?:64|86)|a(?:rm|md)64|http[123]|utf-?8", re.IGNORECASE)

# RFC 2606 and RFC 6761 (reserved), RFC 6762 appendix G and ICANN's .internal (private networks).
_PRIVATE = words(
    "example test invalid localhost local localdomain internal intranet intern lan home corp "
    "private arpa onion"
)
_GENERIC = words(
    "com org net edu gov mil int info biz name pro mobi app dev cloud online site website store "
    "shop tech xyz blog agency digital solutions systems services company network email support "
    "software studio group media academy bank finance health legal energy "
    "hosting host page web top club design team expert consulting "
    "berlin hamburg koeln bayern wien paris bzh cat barcelona london amsterdam asia eus gal"
)
# ISO 3166 codes as the phone library knows them, and the top levels that are no ISO code.
_COUNTRIES = {code.lower() for code in phonenumbers.SUPPORTED_REGIONS} | {"uk", "eu", "su"}
_FILE_ENDINGS = words("cc md ml mk pm ps py rs sh so")
TOP_LEVELS = frozenset(_PRIVATE | _GENERIC | _COUNTRIES) - _FILE_ENDINGS
"""Last labels of domain names, lower-case, without those that are rather endings of files."""

# Top levels that are rather fields in code ("events.id") or words ("we wait.it is late").
_FIELDS = words(
    "id info name pro app top page host team group email support network media design web st co ms"
)
_WORDS = words("it is in to at so me my no be as am do us la il al se si mi tu va et")
_NO_WORD = re.compile(r"[\d-]")
_CUES = words(
    "host hostname domain domäne domaine dominio domínio server servidor serveur site website "
    "seite sito página url dns subdomain zone tenant webseite"
)
# Written like domains, but products.
_PRODUCTS = frozenset({"asp.net", "ado.net", "vb.net", "socket.io", "draw.io", "crates.io"})


def find_domains(passage: Passage) -> Iterator[Span]:
    """Domain names with a known top level; with a path behind them they are URLs."""
    if "." not in passage.text:
        return
    for match in _DOMAIN.finditer(passage.text):
        name, top = match[1], match[2]
        if not _is_domain(passage, match.start(), name, top):
            continue
        # A colon and a tag behind the path make it the name of an image: registry.example/app:4.8.
        is_image = passage.text[match.end() : match.end() + 1] == ":"
        if match[3] and len(match[3]) > 1 and not is_image:
            url = without_sentence_marks(match[0])
            yield Span(match.start(), match.start() + len(url), "url", normal_url(url))
        else:
            yield Span(*match.span(1), "domain", name.lower())


def find_hosts(passage: Passage) -> Iterator[Span]:
    """Machines: a name with a number such as db-prod-03, or what follows a word for a machine."""
    if "-" in passage.text:
        for match in _HOST.finditer(passage.text):
            if _NUMBERED_HOST.fullmatch(match[0]):
                yield Span(*match.span(), "domain", match[0].lower())
    for match in _CUED_HOST.finditer(passage.text):
        if any(map(str.isdigit, match[1])) and not _NO_HOST.fullmatch(match[1]):
            yield Span(*match.span(1), "domain", match[1].lower())


def _is_domain(passage: Passage, start: int, name: str, top: str) -> bool:
    if name == name.upper():
        name, top = name.lower(), top.lower()
    if top not in TOP_LEVELS or name.lower() in _PRODUCTS:
        return False
    if top not in _FIELDS and (top not in _WORDS or name.count(".") > 1 or _NO_WORD.search(name)):
        return True
    return name == name.lower() and not _CUES.isdisjoint(passage.words_before(start, 3))
