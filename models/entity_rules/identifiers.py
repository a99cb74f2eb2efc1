"""UUIDs, hashes and names of vulnerabilities."""

import re
import uuid
from collections.abc import Iterator

from models.entity_rules.passage import Passage, Span

_UUID = re.compile(r"(?<![\w-])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![\w-])")
_CVE = re.compile(r"(?<![\w-])CVE-(?:19|20)\d\d-\d{4,7}(?![\w-])", re.IGNORECASE)
_HASH = re.compile(
    r"(?<![\w./@-])(?:[0-9a-f]{7,128}|[0-9A-F]{7,128})(?![\w-]|\.\w)"
    r"|(?<=[a-z]\.)[0-9a-f]{7,40}(?=\.(?:js|css|map|mjs)(?!\w))"  # app.5e1b7c9.js
)
# MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512
_DIGEST_LENGTHS = frozenset({32, 40, 56, 64, 96, 128})
_KEY_ID_LENGTH = 16  # of OpenPGP, RFC 4880


def find_uuids(passage: Passage) -> Iterator[Span]:
    """UUIDs of RFC 9562, lower-cased."""
    if passage.text.count("-") < 4:
        return
    for match in _UUID.finditer(passage.text):
        yield Span(*match.span(), "uuid", str(uuid.UUID(match[0])))


def find_cves(passage: Passage) -> Iterator[Span]:
    """Names of vulnerabilities, upper-cased."""
    for match in _CVE.finditer(passage.text):
        yield Span(*match.span(), "cve", match[0].upper())


def find_hashes(passage: Passage) -> Iterator[Span]:
    """Hexadecimal digests, whole or abbreviated, that hold digits and letters; lower-cased."""
    for match in _HASH.finditer(passage.text):
        letters = sum(map(str.isalpha, match[0]))
        digits = len(match[0]) - letters
        whole = len(match[0]) in _DIGEST_LENGTHS
        # 1234567e and 20250318a are no commits, and nobody abbreviates in capitals.
        if (
            digits
            and letters >= (1 if whole else 2)
            and (whole or match[0].islower() or len(match[0]) == _KEY_ID_LENGTH)
        ):
            yield Span(*match.span(), "hash", match[0].lower())
