"""IP addresses and ports."""

import ipaddress
import re
from collections.abc import Iterator

from models.entity_rules.hosts import TOP_LEVELS
from models.entity_rules.passage import Passage, Span

_IP4 = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)")
_IP6 = re.compile(
    r"(?<![\w:.])(?=[0-9A-Fa-f:]{0,39}\d)(?:[0-9A-Fa-f]{0,4}:){2,7}"
    r"(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]{1,4})?(?![\w:]|\.\d)"
)
_VERSION_BEFORE = re.compile(
    r"(?:\b(?:version|versión|versão|versione|release|build|firmware|driver|patch|hotfix|v)[.:]? ?|"
    r"[A-Za-z][-_])$",
    re.IGNORECASE,
)
# Four small numbers in a sentence about updates are no machine: "upgrade to 1.1.10.1".
_UPDATE_BEFORE = re.compile(
    r"\b(?:up(?:grad|dat)|downgrad|bump|install|aktualisier|mise à jour|actualiz|aggiorn|atualiz)"
    r"[^\n]*$",
    re.IGNORECASE,
)
_SMALL_OCTET = 20

_PORT = re.compile(
    r"(?<!\w)(?:port|puerto|porta|tcp|udp|(?P<several>ports|puertos|portas|porte))\b"
    r"[ :=#/.-]{0,3}(?P<port>\d{1,5})(?![\w-]|[.,:]\d)",
    re.IGNORECASE,
)
_NEXT_PORT = re.compile(
    r"(?:\s?[,/]\s?|\s(?:and|und|et|y|e|or|oder|ou|o|to|bis)\s)"
    r"(?P<port>\d{2,5})(?![\w-]|[.,:]\d)"
)
_PORT_OF_ADDRESS = re.compile(
    r"(?:\d\.\d{1,3}|[0-9a-fA-F]\]|(?<![\w.-])localhost|\.(?P<top>[a-z]{2,24})|-\d{1,3})"
    r":(?P<port>\d{2,5})(?![\w-]|[.,:]\d)"
)
_PORT_OF_PROTOCOL = re.compile(r"(?<![\w./:-])(\d{1,5})/(?:tcp|udp)\b", re.IGNORECASE)
_LAST_PORT = 65_535


def find_ips(passage: Passage) -> Iterator[Span]:
    """IPv4 and IPv6 addresses as the ipaddress module reads them; the value is the short form."""
    if passage.text.count(".") >= 3:
        for match in _IP4.finditer(passage.text):
            value = normal_ip(match[0])
            if value and not _is_version(passage, match):
                yield Span(*match.span(), "ip", value)
    if passage.text.count(":") >= 2:
        for match in _IP6.finditer(passage.text):
            value = normal_ip(match[0])
            if value:
                yield Span(*match.span(), "ip", value)


def _is_version(passage: Passage, match: re.Match[str]) -> bool:
    before = passage.before(match.start(), 60)
    if _VERSION_BEFORE.search(before):
        return True
    small = max(map(int, match[0].split("."))) <= _SMALL_OCTET
    return small and _UPDATE_BEFORE.search(before) is not None


def normal_ip(address: str) -> str | None:
    """An address in its shortest form, None where it is none."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return None


def find_ports(passage: Passage) -> Iterator[Span]:
    """Ports after a word for one, after the colon of an address, or before /tcp."""
    text = passage.text
    for match in _PORT.finditer(text):
        found: re.Match[str] | None = match
        while found is not None and int(found["port"]) <= _LAST_PORT:
            yield Span(*found.span("port"), "port", str(int(found["port"])))
            # "port 80 and 40 users" goes on with something else, "ports 80 and 443" does not.
            found = _NEXT_PORT.match(text, found.end()) if match["several"] else None
    if ":" in text:
        for match in _PORT_OF_ADDRESS.finditer(text):
            # What stands before "client.go:88" is a file, and 88 a line of it.
            is_address = match["top"] is None or match["top"] in TOP_LEVELS
            if is_address and int(match["port"]) <= _LAST_PORT:
                yield Span(*match.span("port"), "port", str(int(match["port"])))
    for match in _PORT_OF_PROTOCOL.finditer(text):
        if int(match[1]) <= _LAST_PORT:
            yield Span(*match.span(1), "port", str(int(match[1])))
