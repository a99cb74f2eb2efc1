"""A text as its tone is written: signs, denials, words of feeling."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DataError
from models.tone_words import READ, ToneWords, read_tone_words

WORDS = ToneWords({"joy": ("glad", "wont", "love*"), "distaste": ("bad", "awful*")})


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("It works :-)", "it works tonesmile"),
        ("broken :( again", "broken tonefrown again"),
        ("see http://a.b/c", "see http a b c"),  # no face in a link
        ("f(8) and x[:3]", "f 8 and x 3"),
        ("Why?! Stop!!! Please!", "why toneexclaimsmuch stop toneexclaimsmuch please toneexclaims"),
        ("well... ok?", "well tonedots ok toneasks"),
        ("this is SLOW in IE 6", "this is slow tonecapitals in ie 6"),
        ("don\u2019t know", "dont know_n"),
    ],
)
def test_signs_become_words(text: str, written: str) -> None:
    assert WORDS.write(text) == written


def test_a_denial_speaks_of_three_words_of_its_clause() -> None:
    assert WORDS.write("not a b c d") == "not a_n b_n c_n d"
    assert WORDS.write("not a, b") == "not a_n b"


def test_kinds_of_feeling_follow_the_words() -> None:
    assert WORDS.write("glad") == "glad tonejoy"
    assert WORDS.write("Lovely, not BAD") == (
        "lovely not bad_n tonecapitals tonejoy tonedistaste_n"
    )
    assert WORDS.write("won't") == "wont tonejoy"
    assert WORDS.write("love" * 30) == "love" * 30  # no word of anybody's
    assert WORDS.write("glads") == "glads"  # whole words, unless a star says otherwise
    assert WORDS.write("awfully") == "awfully tonedistaste"


@pytest.mark.parametrize(
    "lexicon", [{"joy": ()}, {"joy": ("glad", "*")}, {"joy": ("well done",)}, {"joy": ("a**",)}]
)
def test_a_kind_needs_words(lexicon: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(DataError, match="every kind needs words, of letters alone"):
        ToneWords(lexicon)


def test_the_lexicon_is_read_and_a_damaged_one_refused(tmp_path: Path) -> None:
    lexicon = read_tone_words()
    assert {"thanks", "praise", "anger"} <= set(lexicon)
    ToneWords(lexicon)
    (tmp_path / "words.yaml").write_text("joy:\n  - glad\n  - yes\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"joy\.1: expected a kind with a list of words"):
        read_tone_words(tmp_path / "words.yaml")


def test_no_word_of_the_lexicon_stands_twice_in_a_kind() -> None:
    for kind, words in read_tone_words().items():
        assert len(set(words)) == len(words), kind


@given(st.text(max_size=300))
def test_any_text_is_written_in_words(text: str) -> None:
    written = WORDS.write(text)
    assert written == WORDS.write(text)
    assert "  " not in written


def test_a_long_text_is_read_in_part() -> None:
    assert WORDS.write("bad " * READ).count("tonedistaste") == READ // 4
