"""Addresses, dates, versions, codes and the like in a ticket, where they stand and what they mean.

Rules read them, not a model: each kind has a form that a registry or a standard defines, so a
pattern proposes, a library (`ipaddress`, `phonenumbers`, `urllib`, `uuid`, `datetime`, `http`,
`errno`) accepts, and words nearby in six languages decide the rest.

spaCy's matcher was tried for those words and left out: 25 patterns of three tokens cost 0.33 ms a
ticket of 225 characters, all rules here together 0.4, and its tokenizer is not linear: 50,000
opening brackets take it 196 s, where the slowest text known here takes 0.3.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from data.schema import Entity
from models.entity_rules import (
    addresses,
    dates,
    durations,
    failures,
    hosts,
    http,
    identifiers,
    network,
    paths,
    phones,
    references,
    sizes,
    users,
    versions,
)
from models.entity_rules.passage import Passage, Rule, Span

KINDS = (
    "url",
    "email",
    "uuid",
    "cve",
    "exception",
    "path",
    "ip",
    "datetime",
    "phone",
    "hash",
    "order",
    "ticket",
    "error_code",
    "http_status",
    "domain",
    "port",
    "size",
    "duration",
    "user",
    "version",
)
"""All kinds, the more certain first: of two readings of the same characters that one stays."""

_RULES: tuple[Rule, ...] = (
    addresses.find_urls,
    addresses.find_emails,
    hosts.find_domains,
    hosts.find_hosts,
    network.find_ips,
    network.find_ports,
    paths.find_paths,
    users.find_users,
    phones.find_phones,
    dates.find_datetimes,
    durations.find_durations,
    sizes.find_sizes,
    versions.find_versions,
    failures.find_error_codes,
    failures.find_exceptions,
    http.find_http_statuses,
    identifiers.find_uuids,
    identifiers.find_cves,
    identifiers.find_hashes,
    references.find_codes,
    references.find_numbers,
)


@dataclass(frozen=True, slots=True)
class EntityFinder:
    """Finds the entities of `KINDS` in a text of any length, in time linear in it.

    Holds no state: one finder serves all threads.

    Parameters
    ----------
    day_first : 03/04/2025 is 3 April, unless another date of the text tells
    coarse_dates : years and weekdays standing alone are dates too; some annotate them, the
        bundled sample does not
    """

    day_first: bool = True
    coarse_dates: bool = False

    def find(self, text: str, *, reference: datetime | None = None) -> tuple[Entity, ...]:
        """Entities by rising start; no two share a character.

        Of overlapping readings the longest stays; of equally long ones the one whose kind comes
        first in `KINDS`; then the leftmost. A URL so keeps its host, port and path to itself.

        Parameters
        ----------
        text : the customer's own: offsets count its characters
        reference : when it was written; "12 March" is put into the year nearest to it

        Returns
        -------
        Each with its normal form in `value`: ISO 8601 for dates, times and durations, bytes for
        sizes, E.164 for international phone numbers, lower case for hosts, hashes and UUIDs.
        """
        passage = Passage(text, reference, self.day_first, self.coarse_dates)
        proposals = chain.from_iterable(rule(passage) for rule in _RULES)
        return tuple(
            Entity(start=span.start, end=span.end, label=span.kind, value=span.value)
            for span in resolve(proposals, len(text))
        )


_RANK = {kind: rank for rank, kind in enumerate(KINDS)}


def resolve(spans: Iterable[Span], length: int) -> list[Span]:
    """Spans of a text of this length that share no character, by rising start.

    Longest first, then by the order of `KINDS`, then leftmost; each stays that touches none kept
    before it.
    """
    taken = bytearray(length)
    kept = []
    for span in sorted(spans, key=lambda s: (s.start - s.end, _RANK[s.kind], s.start)):
        if not any(taken[span.start : span.end]):
            taken[span.start : span.end] = b"\x01" * (span.end - span.start)
            kept.append(span)
    return sorted(kept, key=lambda span: span.start)
