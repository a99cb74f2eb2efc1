"""What a ticket's reader is shown: entities of the rules and of the tagger as one list."""

from collections.abc import Iterable, Sequence
from itertools import chain

from data.schema import Entity
from models.entities import KINDS

SHOWN_KINDS = (
    "application",
    "library",
    "os",
    "programming_language",
    "device",
    "ui_element",
    "website",
    "file_type",
)
"""Learned kinds that tell whoever reads a ticket which product, place or thing it is about.

The tagger's other kinds speak of a program's text (class, function, variable, value, data type,
code, HTML tag, data structure, algorithm): a developer's question is full of them, a ticket is
not. `version`, `user_name` and `file_name` are left to the rules (version, user, path), which say
the normal form as well.
"""

_RANK = {kind: rank for rank, kind in enumerate(chain(KINDS, SHOWN_KINDS))}


def shown(entities: Iterable[Entity]) -> tuple[Entity, ...]:
    """Those of `SHOWN_KINDS`, in the order given."""
    return tuple(entity for entity in entities if entity.label in SHOWN_KINDS)


def merge(rules: Sequence[Entity], learned: Sequence[Entity]) -> tuple[Entity, ...]:
    """Entities of one text by rising start; no two share a character.

    A rule's entity goes before a learned one, however short, since its form was checked; among
    those of one origin the longest stays, as in `models.entities.resolve`, then the one whose kind
    comes first in `KINDS` and `SHOWN_KINDS` (others behind, by name), then the leftmost. None is
    cut: one that touches another kept before it is left out.

    Parameters
    ----------
    rules, learned : in any order; offsets count the characters of the same text
    """
    taken: set[int] = set()
    kept = []
    for entity in (*sorted(rules, key=_precedence), *sorted(learned, key=_precedence)):
        places = range(entity.start, entity.end)
        if taken.isdisjoint(places):
            taken.update(places)
            kept.append(entity)
    return tuple(sorted(kept, key=lambda entity: entity.start))


def _precedence(entity: Entity) -> tuple[int, int, str, int]:
    rank = _RANK.get(entity.label, len(_RANK))
    return entity.start - entity.end, rank, entity.label, entity.start
