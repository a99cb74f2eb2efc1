"""Tickets in another tone: which, what is added, and that nothing else changes."""

from evaluation.league.sentiment import Posts
from pipelines.toning import LONGEST, Tones

TEXTS = [f"ticket {number} about a printer" for number in range(400)]


def test_short_posts_with_a_feeling_are_added_and_no_others() -> None:
    long = " ".join(["awful"] * (LONGEST + 1))
    posts = Posts(
        ["Great!", "It is installed.", "I hate this", long],
        ["positive", "neutral", "negative", "negative"],
    )
    tones = Tones.of_posts(posts, 0.2, 1)
    assert tones is not None
    assert tones.asides == ("Great!", "I hate this")
    assert Tones.of_posts(posts, 0.0, 1) is None
    assert Tones.of_posts(Posts(["It is installed."], ["neutral"]), 0.2, 1) is None


def test_so_many_tickets_change_and_keep_their_own_words() -> None:
    told = Tones(("Great!", "I hate this"), 0.25, 7).of(TEXTS)
    changed = [(text, new) for text, new in zip(TEXTS, told, strict=True) if new != text]
    assert 60 < len(changed) < 140
    assert all(
        new.replace("Great!", "").replace("I hate this", "").strip() == text
        for text, new in changed
    )
    behind = sum(new.startswith(text) for text, new in changed)
    assert 0.5 < behind / len(changed) < 0.83
    assert {new.replace(text, "").strip() for text, new in changed} == {"Great!", "I hate this"}


def test_a_ticket_is_told_the_same_way_whatever_stands_beside_it() -> None:
    tones = Tones(("Great!",), 0.5, 3)
    assert tones.of(TEXTS[100:200]) == tones.of(TEXTS)[100:200]
    assert tones.of(TEXTS) != Tones(("Great!",), 0.5, 4).of(TEXTS)
    assert Tones(("Great!",), 1.0, 3).of(["\ud800"]) in (["\ud800\nGreat!"], ["Great!\n\ud800"])
