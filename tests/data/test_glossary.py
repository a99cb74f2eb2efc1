"""Short forms are spelled out once, and definitions are read from brackets."""

import string
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DataError
from data.glossary import (
    Definition,
    Entry,
    Glossary,
    find_definitions,
    find_long_form,
    learn_glossary,
    read_glossary,
)

VPN = Entry("vpn", "virtual private network")


def write(folder: Path, text: str) -> Path:
    path = folder / "own.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_short_form_is_spelled_out_once_at_the_end() -> None:
    assert Glossary([VPN]).expand("VPN down, vpn again") == (
        "VPN down, vpn again\nvirtual private network"
    )


def test_a_long_form_the_text_says_itself_is_not_added() -> None:
    text = "The Virtual  Private\nNetwork (VPN) is down"
    assert Glossary([VPN]).expand(text) == text


def test_a_short_form_inside_a_word_means_nothing() -> None:
    assert Glossary([VPN]).expand("openvpn2 and vpns") == "openvpn2 and vpns"


def test_parts_of_a_compound_are_read_after_the_whole() -> None:
    glossary = Glossary([VPN, Entry("ci", "integration"), Entry("ci/cd", "delivery")])
    assert glossary.find("CI/CD over VPN-gateway") == (
        "delivery",
        "integration",
        "virtual private network",
    )


def test_the_languages_own_entry_comes_before_the_general_one() -> None:
    glossary = Glossary([Entry("br", "branch"), Entry("br", "Betriebsrat", "de")])
    assert glossary.find("BR", "de") == ("Betriebsrat",)
    assert glossary.find("BR", "fr") == ("branch",)
    assert glossary.find("BR") == ("branch",)


SHIPPED = read_glossary()
JARGON = st.sampled_from([*(entry.short for entry in SHIPPED.entries), "printer", "the", "."])


@given(st.lists(JARGON, max_size=8).map(" ".join), st.sampled_from([None, "de", "fr"]))
def test_expanding_twice_is_expanding_once(text: str, language: str | None) -> None:
    once = SHIPPED.expand(text, language)
    assert once.startswith(text)
    assert SHIPPED.expand(once, language) == once


def test_the_shipped_glossary_knows_what_help_desks_say() -> None:
    assert SHIPPED.find("MFA for sso fails") == ("multi-factor authentication", "single sign-on")
    assert len(SHIPPED) >= 80


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("short;long\nvpn;network\n", "line 1: expected the columns"),
        ("", "line 1: expected the columns"),
        ("short,long\nvpn,\n", "line 2: long is empty"),
        ("short,long\n\n ,network\n", "line 3: short is empty"),
        ("short,long\nvpn,a,b\n", "line 2: 3 values, expected 2"),
        ("short,long\nvpn,a\nssh,b\nVPN,c\n", "line 4: 'VPN' stands in line 2 already"),
        ("short,long,language\nbr,a,de\nbr,b,de\n", "line 3: 'br' stands in line 2 already"),
        ("short,long\nblue screen,a\n", "line 2: short: expected one word"),
    ],
)
def test_a_faulty_line_is_refused_with_its_number(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_glossary(write(tmp_path, text))


def test_a_short_form_may_differ_by_language(tmp_path: Path) -> None:
    glossary = read_glossary(write(tmp_path, "\ufeffshort,long,language\nbr,a,\nbr,b,de\n"))
    assert glossary.entries == (Entry("br", "a"), Entry("br", "b", "de"))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="FileNotFoundError"):
        read_glossary(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(b"short,long\nvpn,r\xe9seau\n")
    with pytest.raises(DataError, match="UnicodeDecodeError"):
        read_glossary(tmp_path / "latin.csv")


@pytest.mark.parametrize(
    ("text", "short", "long"),
    [
        ("Use the Virtual Private Network (VPN).", "VPN", "Virtual Private Network"),
        ("HSF (heat shock factor) binds", "HSF", "heat shock factor"),
        ("a denial of\n service (DoS; see below)", "DoS", "denial of service"),
        ("one. Two Factor Authentication (2FA)", "2FA", None),
        ("General Purpose v2 (GPv2) accounts", "GPv2", "General Purpose v2"),
        ("Hadoop (Hdfs) is code", "Hdfs", None),
        ("it is down (see below)", "see", None),
        ("the rows (ROWS)", "ROWS", None),
        ("end of text. Nothing (NOT) here", "NOT", None),
        ("x = new Object(OBJ)", "OBJ", None),
        ("the value xyz (XY", "XY", None),
        ("(VPN) alone", "VPN", None),
        ("VPN (a thing of its own)", "VPN", None),
    ],
)
def test_a_definition_is_read_as_a_person_would(text: str, short: str, long: str | None) -> None:
    found = {one.short: one.long for one in find_definitions([text])}
    assert found.get(short) == long


def test_definitions_are_counted_by_text_whatever_their_case() -> None:
    texts = ["Name Server (NS), name server (NS)", "the name server (NS)", "Net Share (NS)"]
    assert find_definitions(texts) == (
        Definition("NS", "Name Server", 2),
        Definition("NS", "Net Share", 1),
    )


def test_only_what_several_texts_define_alike_is_learned() -> None:
    texts = ["Name Server (NS)", "name server (NS)", "Net Share (NS)", "Key Store (KS)"]
    assert learn_glossary(texts).entries == (Entry("NS", "Name Server"),)
    torn = [*texts, "Net Share (NS)", "no show (NS)"]
    assert learn_glossary(torn).entries == ()


WORDS = st.lists(
    st.text(string.ascii_lowercase, min_size=2, max_size=8), min_size=3, max_size=5
).filter(lambda words: "".join(word[0] for word in words) not in " ".join(words))


@given(WORDS)
def test_initials_are_found_again_from_the_right(words: list[str]) -> None:
    short = "".join(word[0] for word in words).upper()
    long = find_long_form(short, f"before that , {' '.join(words)}")
    assert long is not None
    assert " ".join(words).endswith(long)
    assert long[0].upper() == short[0]


@given(st.text(st.sampled_from("aAbB().;, \n-"), max_size=60))
def test_any_definition_found_stands_in_the_text(text: str) -> None:
    squeezed = " ".join(text.split())
    for one in find_definitions([text]):
        assert one.short in squeezed
        assert one.long in squeezed
        assert len(one.long) > len(one.short)


@pytest.mark.parametrize("piece", ["(", "(AB)", "AB (", "a b (AB) ", "vpn ", "ad-", "a", "vpn/dns"])
def test_long_texts_take_no_longer_per_character(piece: str) -> None:
    text = piece * (50_000 // len(piece))
    start = time.process_time()
    find_definitions([text])
    SHIPPED.expand(text)
    assert time.process_time() - start < 1
