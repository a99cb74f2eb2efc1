"""Amounts of data, normalised to bytes."""

import re
from collections.abc import Iterator

from models.entity_rules.numbers import NUMBER, read_number
from models.entity_rules.passage import Passage, Span

_PREFIXES = "kmgtpe"
_SIZE = re.compile(
    rf"(?<![\w.,:/#+$€%-])(?P<number>{NUMBER})[ \xa0-]?"
    r"(?:(?P<prefix>[kKMGTPE])(?P<binary>i)?(?P<octet>[Bbo])?|(?P<bytes>[Bb]ytes?|octets?|B)|"
    r"(?P<word>(?i:kilo|mega|giga|tera|peta))(?:bytes?|octets?))(?!\w)"
)


def find_sizes(passage: Passage) -> Iterator[Span]:
    """A number and a unit of data; GB is 10^9 and GiB (or Gi) 2^30 bytes, as IEC 80000-13 says."""
    for match in _SIZE.finditer(passage.text):
        factor = _factor(match)
        if factor:
            value = str(round(read_number(match["number"]) * factor))
            yield Span(*match.span(), "size", value)


def _factor(match: re.Match[str]) -> int:
    """Bytes of the unit, 0 where it is none."""
    if match["bytes"]:
        return 1
    power = _PREFIXES.index((match["word"] or match["prefix"])[0].lower()) + 1
    if match["binary"]:
        return 0 if match["octet"] == "o" else 1024**power  # "3 Mio" are German millions
    # "40k" rows and "5 M" people are counts. Who writes 30 Mb of a file means bytes.
    return 1000**power if match["word"] or match["octet"] else 0
