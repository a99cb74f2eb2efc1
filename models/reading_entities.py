"""What a ticket's reader is shown: entities of the rules and of the tagger as one list."""

from collections.abc import Iterable, Sequence
from itertools import chain

from data.schema import Entity
from models.entities import KINDS

SHOWN_KINDS = ("application", "os", "programming_language", "device", "file_type")
"""Learned kinds that tell whoever reads a ticket which product or thing it is about.

The corpus the tagger learns from is made of developers' questions, so most of its kinds speak of a
program's text (class, function, variable, value, code, data structure, ...). `version`, `file_name`
and `user_name` are left to the rules (version, path, user), which give a normal form as well.
`library`, `ui_element` and `website` were chosen against on the bundled sample: the corpus counts
"page" and "button" as elements of an interface, a third of the libraries found were "API", and
among the websites were weekdays and persons.
"""

_RANK = {kind: rank for rank, kind in enumerate(chain(KINDS, SHOWN_KINDS))}


def shown(text: str, entities: Iterable[Entity]) -> tuple[Entity, ...]:
    """Those of `SHOWN_KINDS` that are written like a name, in the order given.

    The corpus counts "server", "browser" and "phone" as well; to a reader they tell nothing. One
    capital makes a name of it, which on the bundled sample raises the precision of applications
    and devices, in either half of it, at some cost of recall.
    """
    return tuple(
        entity
        for entity in entities
        if entity.label in SHOWN_KINDS and any(map(str.isupper, text[entity.start : entity.end]))
    )


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
