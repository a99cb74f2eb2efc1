"""E-mail addresses and URLs."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from models.entity_rules.passage import Passage, Span

_EMAIL = re.compile(
    r"(?<![\w.%+'-])[\w%+][\w.%+'-]{0,63}@(?:[^\W_][\w-]{0,62}\.){1,8}[^\W\d_]{2,24}(?![\w@-])"
)
_URL = re.compile(
    r"(?<![\w+.-])(?:(?:jdbc:)?[A-Za-z][A-Za-z0-9+-]{1,15}://|www\.(?=[\w.-]{1,190}/))[^\s<>\"`{}|\\^\ud800-\udfff]+"
)
_BRACKET = re.compile(r"[()\[\]]")
_OPENING = {")": "(", "]": "["}
# RFC 3986 allows most of these inside a URL, but at its end they belong to the sentence.
_SENTENCE_MARKS = ".,;:!?'*_~…»”’"


def find_emails(passage: Passage) -> Iterator[Span]:
    """Addresses of the ordinary form of RFC 5322; the domain is lower-cased, the rest kept."""
    if "@" not in passage.text:
        return
    for match in _EMAIL.finditer(passage.text):
        local, _, domain = match[0].rpartition("@")
        if ".." not in local and not local.endswith("."):
            yield Span(*match.span(), "email", f"{local}@{domain.lower()}")


def find_urls(passage: Passage) -> Iterator[Span]:
    """Whatever has a scheme, or www and a path; scheme and host are lower-cased."""
    if "://" not in passage.text and "www." not in passage.text:
        return
    for match in _URL.finditer(passage.text):
        url = without_sentence_marks(match[0])
        value = normal_url(url)
        if value is not None:
            yield Span(match.start(), match.start() + len(url), "url", value)


def without_sentence_marks(url: str) -> str:
    """A URL up to the first bracket closed but not opened, without the punctuation at its end."""
    depth = {"(": 0, "[": 0}
    for place in _BRACKET.finditer(url):
        opening = _OPENING.get(place[0])
        if opening is None:
            depth[place[0]] += 1
        elif depth[opening] == 0:
            url = url[: place.start()]
            break
        else:
            depth[opening] -= 1
    return url.rstrip(_SENTENCE_MARKS)


def normal_url(url: str) -> str | None:
    """A URL with scheme and host in lower case, None where there is no host."""
    if url.startswith("jdbc:"):
        inner = normal_url(url.removeprefix("jdbc:"))
        return inner and f"jdbc:{inner}"
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host = parts.hostname
    except ValueError:
        return None
    if not host and not (parts.scheme == "file" and parts.path):
        return None
    credentials, at, place = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{credentials}{at}{place.lower()}").geturl()
