"""Words are counted and told only where several customers used them."""

import numpy as np

from evaluation.drift_words import (
    KNOWN_BITS,
    KnownWords,
    WordCounts,
    count_words,
    plain_words,
    shifted_words,
)


def test_only_words_of_letters_are_read() -> None:
    text = "Crash (Printer-Queue)! mail [email], AB123, /etc/hosts john.doe 42 it's über\n«naïve»"
    assert plain_words(text) == ["crash", "printer-queue", "mail", "it's", "über", "naïve"]


def test_words_that_are_too_short_or_too_long_are_passed_over() -> None:
    assert plain_words("ab abc " + "x" * 31) == ["abc"]


def test_a_word_counts_once_per_ticket_and_customers_are_told_apart() -> None:
    counts = count_words([["disk", "disk"], ["disk"], ["mouse"]], ["c1", "c1", "c2"])
    assert (counts.tickets, counts.counts["disk"], counts.groups["disk"]) == (3, 2, 1)


def test_what_may_be_told_was_written_by_several_customers_in_several_tickets() -> None:
    words = [["everywhere", "secretive"]] * 3 + [["everywhere"]] * 3
    customers = ["a", "a", "a", "b", "c", "d"]
    common = count_words(words, customers).common()
    assert set(common.counts) == {"everywhere"}
    assert common.floor == 5


def test_of_many_words_the_commonest_are_kept_and_the_floor_says_so() -> None:
    counts = WordCounts(50, {"a": 30, "b": 20, "c": 10}, {"a": 9, "b": 9, "c": 9})
    common = counts.common(most=2)
    assert set(common.counts) == {"a", "b"}
    assert common.floor == 20


def test_words_of_training_are_known_and_others_are_not() -> None:
    counts = WordCounts(10, {"printer": 3, "rare": 2})
    known = KnownWords.of(counts)
    assert known.unknown_share(["printer", "rare", "hologram", "printer"]) == 0.5
    assert known.unknown_share([]) == 0.0
    assert KnownWords(known.bits).unknown_share(["printer"]) == 0.0


def test_few_other_words_look_known() -> None:
    names = [f"w{i:x}".translate(str.maketrans("0123456789", "ghijklmnop")) for i in range(50_000)]
    known = KnownWords.of(WordCounts(9, dict.fromkeys(names, 9)))
    others = [f"q{name}" for name in names[:5_000]]
    share = np.mean([known.unknown_share([word]) == 0 for word in others])
    assert share < 1.3 * 50_000 / KNOWN_BITS


def window(n: int, **shares: float) -> WordCounts:
    return WordCounts(
        n,
        {word: round(n * share) for word, share in shares.items()},
        dict.fromkeys(shares, 3),
    )


def test_words_are_told_with_the_commoner_ones_first() -> None:
    old = window(1000, printer=0.3, network=0.2, office=0.1)
    new = window(800, printer=0.3, network=0.05, office=0.4)
    found = shifted_words(old, new)
    assert [shift.word for shift in found] == ["office", "network"]
    assert found[0].z > 0 > found[1].z
    assert (found[0].reference, found[0].current) == (0.1, 0.4)


def test_a_word_of_one_customer_is_told_to_nobody() -> None:
    new = WordCounts(100, {"flood": 60, "printer": 30}, {"flood": 2, "printer": 9})
    assert shifted_words(window(100, printer=0.3), new) == ()
    told = WordCounts(100, new.counts, {"flood": 3, "printer": 9})
    assert [shift.word for shift in shifted_words(window(100, printer=0.3), told)] == ["flood"]


def test_a_word_that_the_reference_did_not_keep_counts_as_just_too_rare_to_be_kept() -> None:
    new = window(1000, hologram=0.03)
    whole = WordCounts(1000, {"printer": 300}, {"printer": 9})
    assert [shift.word for shift in shifted_words(whole, new) if shift.z > 0] == ["hologram"]
    kept = WordCounts(1000, {"printer": 300}, {"printer": 9}, floor=25)
    assert not [shift for shift in shifted_words(kept, new) if shift.z > 0]


def test_where_nothing_has_moved_words_are_told_by_chance_only_as_often_as_promised() -> None:
    random = np.random.default_rng(0)
    shares = random.uniform(0.005, 0.3, 200)
    names = [f"word{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(200)]
    runs = 100
    alarms = 0
    for _ in range(runs):
        pair = [
            WordCounts(
                1000,
                dict(zip(names, random.binomial(1000, shares).tolist(), strict=True)),
                dict.fromkeys(names, 9),
            )
            for _ in range(2)
        ]
        alarms += bool(shifted_words(*pair, level=0.05))
    assert alarms <= 0.05 * runs + 3 * np.sqrt(runs * 0.05 * 0.95)


def test_no_words_move_between_windows_without_words() -> None:
    assert shifted_words(WordCounts(9, {}), WordCounts(9, {"rare": 2})) == ()


def test_a_word_in_every_ticket_is_no_division_by_nothing() -> None:
    assert shifted_words(window(50, hello=1.0), window(50, hello=1.0)) == ()
