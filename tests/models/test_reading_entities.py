"""One list of two origins: nothing overlaps, nothing is invented, the rules come first."""

from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from data.schema import Entity
from evaluation.league.learned_entities import STACKOVERFLOW_KINDS
from models.entities import KINDS, EntityFinder, resolve
from models.entity_rules.passage import Span
from models.reading_entities import SHOWN_KINDS, merge, shown

FINDER = EntityFinder()


def spans(kinds: tuple[str, ...], source: str) -> st.SearchStrategy[list[Entity]]:
    one = st.builds(
        lambda start, length, label: Entity(
            start=start, end=start + length, label=label, source=source
        ),
        st.integers(0, 60),
        st.integers(1, 12),
        st.sampled_from(kinds),
    )
    return st.lists(one, max_size=12)


RULES = spans(KINDS, "rule")
LEARNED = spans((*SHOWN_KINDS, "algorithm", "person"), "model")


def learned(start: int, end: int, label: str) -> Entity:
    return Entity(start=start, end=end, label=label, source="model")


def overlap(one: Entity, other: Entity) -> bool:
    return one.start < other.end and other.start < one.end


@given(RULES, LEARNED)
def test_no_two_overlap_and_all_were_given(rules: list[Entity], model: list[Entity]) -> None:
    found = merge(rules, model)
    assert all(one.end <= other.start for one, other in pairwise(found))
    assert all(one in [*rules, *model] for one in found)


@given(RULES, LEARNED)
def test_only_what_overlaps_something_kept_is_left_out(
    rules: list[Entity], model: list[Entity]
) -> None:
    found = merge(rules, model)
    assert all(any(overlap(one, kept) for kept in found) for one in (*rules, *model))


@given(RULES, LEARNED)
def test_what_the_tagger_finds_moves_no_entity_of_the_rules(
    rules: list[Entity], model: list[Entity]
) -> None:
    kept = [one for one in merge(rules, model) if one.source == "rule"]
    assert kept == list(merge(rules, []))


@given(RULES, LEARNED, st.randoms())
def test_the_order_given_changes_nothing(
    rules: list[Entity], model: list[Entity], random: Random
) -> None:
    found = merge(rules, model)
    random.shuffle(rules)
    random.shuffle(model)
    assert merge(rules, model) == found


@given(RULES)
def test_the_rules_alone_are_resolved_as_the_finder_does(rules: list[Entity]) -> None:
    proposals = [Span(one.start, one.end, one.label) for one in rules]
    kept = [(span.start, span.end, span.kind) for span in resolve(proposals, 80)]
    assert [(one.start, one.end, one.label) for one in merge(rules, [])] == kept


@given(LEARNED)
def test_merging_what_was_merged_changes_nothing(model: list[Entity]) -> None:
    once = merge([], model)
    assert merge([], once) == once


def test_a_version_stays_though_the_tagger_took_it_for_the_name() -> None:
    text = "Chrome 126.0.1 hangs on Windows"
    rules = FINDER.find(text)
    model = [learned(0, 14, "application"), learned(24, 31, "os")]
    found = [(text[one.start : one.end], one.label) for one in merge(rules, model)]
    assert found == [("126.0.1", "version"), ("Windows", "os")]


def test_of_equally_long_learned_ones_the_kind_told_first_stays() -> None:
    found = merge([], [learned(0, 5, "device"), learned(0, 5, "application")])
    assert [one.label for one in found] == ["application"]


def test_shown_are_names_of_the_kinds_of_the_list_only() -> None:
    text = "Map in Firefox, a browser"
    found = [learned(0, 3, "class"), learned(7, 14, "application"), learned(18, 25, "application")]
    assert [text[one.start : one.end] for one in shown(text, found)] == ["Firefox"]


def test_every_kind_shown_is_learned_from_the_corpus() -> None:
    assert set(SHOWN_KINDS) < set(STACKOVERFLOW_KINDS.values())


def test_no_kind_is_both_a_rule_and_learned() -> None:
    assert set(KINDS).isdisjoint(SHOWN_KINDS)


def test_nothing_is_merged_of_nothing() -> None:
    assert merge([], []) == ()
