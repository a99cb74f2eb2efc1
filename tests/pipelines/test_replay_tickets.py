"""What the replay plays: real months, shuffled months, months drawn at random."""

from collections import Counter
from pathlib import Path

import pytest

from data.catalog import Dataset
from data.errors import CatalogError, DataError
from pipelines.replay import OTHER, REAL, SHUFFLED, tell_stories
from pipelines.replay_params import Controls, merge, read_profile
from pipelines.replay_tickets import (
    Known,
    as_row,
    at_random,
    by_calendar,
    labels_of,
    limit,
    read_known,
    shuffled,
)


def tickets(months: int = 6, size: int = 5) -> list[Known]:
    return [
        Known(f"{month}-{n}", f"text {n}", "ab"[n % 2], name, f"{name}-0{n + 1}")
        for month, name in ((month, f"2009-{month:02}") for month in range(1, months + 1))
        for n in range(size)
    ]


def test_the_first_months_are_learned_and_the_others_played_in_order() -> None:
    story = by_calendar("kind", tickets(), 2)
    assert [ticket.month for ticket in story.first] == ["2009-01"] * 5 + ["2009-02"] * 5
    assert [month.name for month in story.months] == [f"2009-0{m}" for m in (3, 4, 5, 6)]
    assert story.truth["3-1"] == "b"
    assert "1-1" not in story.truth
    assert labels_of(story.first) == ("a", "b")


def test_months_need_times_and_something_to_play() -> None:
    with pytest.raises(DataError, match="time of every ticket"):
        by_calendar("kind", [Known("1", "t", "a", "", None)], 1)
    with pytest.raises(DataError, match="6 months"):
        by_calendar("kind", tickets(), 6)


def test_the_shuffled_copy_has_the_same_tickets_in_months_of_the_same_size() -> None:
    story = by_calendar("kind", tickets(), 2)
    mixed = shuffled(story, seed=1)
    everything = [t.id for t in mixed.first] + list(mixed.truth)
    assert Counter(everything) == Counter(ticket.id for ticket in tickets())
    assert [len(month.tickets) for month in mixed.months] == [5] * 4
    assert {ticket.month for ticket in mixed.months[0].tickets} != {"2009-03"}
    assert shuffled(story, seed=1) == mixed


def test_months_drawn_at_random_share_no_ticket() -> None:
    story = at_random("kind", tickets(), first=10, months=2, size=5, seed=1)
    drawn = [ticket.id for ticket in story.first] + list(story.truth)
    assert len(drawn) == len(set(drawn)) == 20
    assert [month.name for month in story.months] == ["month 001", "month 002"]
    with pytest.raises(DataError, match="of 30"):
        at_random("kind", tickets(), first=10, months=5, size=5, seed=1)


def test_fewer_tickets_of_a_month_stay_in_order() -> None:
    story = limit(by_calendar("kind", tickets(), 2), months=3, tickets=2, seed=4)
    assert [len(month.tickets) for month in story.months] == [2, 2, 2]
    for month in story.months:
        assert list(month.tickets) == sorted(month.tickets, key=lambda t: t.created_at or "")
    assert limit(story, None, None, 0) == story


def test_tickets_are_read_through_the_catalog_and_sorted_by_time(tmp_path: Path) -> None:
    (tmp_path / "bugs.csv").write_text(
        "Key;Words;Kind;At\n"
        "B-2;late:2 bug:1;cloud;2010-02-01T10:00:00.000+0000\n"
        "B-1;early:1;library;2009-01-02T10:00:00.000+0000\n"
        "B-3;nameless:1;;2010-02-01T10:00:00.000+0000\n"
    )
    dataset = Dataset.model_validate(
        {
            "name": "bugs", "path": "bugs.csv", "separator": ";", "word_counts": True,
            "id": "Key", "text": "Words", "targets": {"kind": "Kind"}, "time": "At",
        }
    )  # fmt: skip
    found = read_known(tmp_path, dataset, "kind")
    assert [(t.id, t.text, t.label, t.month) for t in found] == [
        ("B-1", "early", "library", "2009-01"),
        ("B-2", "late bug", "cloud", "2010-02"),
    ]
    assert as_row(found[0], "kind") == {
        "id": "B-1", "text": "early", "kind": "library", "created_at": "2009-01-02T10:00:00+00:00",
    }  # fmt: skip


def test_every_scenario_of_the_profile_is_told() -> None:
    profile = read_profile("quick").model_copy(
        update={
            "first_months": 2,
            "control_tickets": 3,
            "controls": Controls(shuffled=2, other=2),
        }
    )
    catalog = {"it-service-tickets": Dataset.model_validate(
        {"name": "x", "path": "x.csv", "text": "t", "targets": {"department": "d"}}
    )}  # fmt: skip
    stories = tell_stories(profile, 1, lambda name, target: tickets(), catalog)  # type: ignore[arg-type]
    assert list(stories) == [REAL, SHUFFLED, OTHER]
    assert [len(story.months) for _, story in stories.values()] == [4, 2, 2]
    assert stories[OTHER][1].target == "department"
    alone = profile.model_copy(update={"controls": Controls(shuffled=0, other=0)})
    assert list(tell_stories(alone, 1, lambda *_: tickets(), catalog)) == [REAL]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["quick", "full"])
def test_the_profiles_are_valid(name: str) -> None:
    profile = read_profile(name)
    assert profile.retrain_apart <= profile.retrain_every


def test_an_unknown_profile_and_an_unknown_key_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no profile 'slow'; known: quick, full"):
        read_profile("slow")
    (tmp_path / "replay.yaml").write_text("quick: {speed: 3}\n")
    with pytest.raises(CatalogError, match="speed: unknown key"):
        read_profile("quick", tmp_path / "replay.yaml")


def test_merging_changes_single_keys_however_deep() -> None:
    shipped = {"a": {"b": {"c": 1, "d": 2}}, "e": 3}
    assert merge(shipped, {"a": {"b": {"c": 5}}, "f": 6}) == {
        "a": {"b": {"c": 5, "d": 2}}, "e": 3, "f": 6,
    }  # fmt: skip
    assert shipped == {"a": {"b": {"c": 1, "d": 2}}, "e": 3}
