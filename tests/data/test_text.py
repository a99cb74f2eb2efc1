import html
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.text import model_text, prepare_text

MARKUP = [
    "<p>",
    "</p>",
    "<br>",
    "<b>",
    "<style>",
    "</style>",
    "<!--",
    "-->",
    "&amp;",
    "&lt;",
    "&gt;",
    "lt;",
    "amp;",
    "&#38;",
    "&#60;",
    "&#x41;",
    "&nbsp;",
    "&eacute;",
    "<",
    "b>",
    ">",
    "e",
    "x",
    "1",
    ";",
    "#",
    "&",
]
MAIL = [
    "> quoted",
    ">>> x",
    "On 3 May 2024, Ann wrote:",
    "On Mon 3 June, Ann",
    "wrote:",
    "--",
    "-- ",
    "Best regards",
    "Ann",
    "-----Original Message-----",
    "From: a",
    "Sent: b",
    "To: c",
    "Von: x",
    "An: z",
    "hello there my friend",
    "we cannot log in",
    "Sent from my iPhone",
    "---------- Forwarded message ---------",
]
ODD = ["\n", "\n\n", "\r\n", " ", "\u200b", "\u0301", "\u037e", "\ud800", "\t", "\x00"]
PIECES = st.sampled_from([*MARKUP, *MAIL, *ODD])
MESSY = st.lists(PIECES, max_size=14).map("".join) | st.text(max_size=200)


@settings(max_examples=400, deadline=None)
@given(MESSY)
def test_preparing_twice_is_preparing_once(text):
    once = prepare_text(text)
    assert prepare_text(once) == once


@settings(max_examples=300, deadline=None)
@given(MESSY)
def test_text_with_a_letter_in_it_never_becomes_empty(text):
    while (plain := html.unescape(text)) != text:
        text = plain
    assert prepare_text(text) or not any(map(str.isalnum, text))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_what_comes_out_can_be_encoded(text):
    model_text(text).encode("utf-8")


@pytest.mark.parametrize(
    ("raw", "prepared"),
    [
        ("e\u0301te\u0301", "été"),
        ("pass\u200bword\u00ad", "password"),
        ("a\x00b\x1b c\u00a0d\t e", "ab c d e"),
        ("one\r\n\r\n\r\n\r\ntwo \n three", "one\n\ntwo\nthree"),
        ("\ufefftext", "text"),
        ("half \ud83d of a pair", "half \ufffd of a pair"),
        ("", ""),
        (" \n\u200b ", ""),
    ],
)
def test_characters_that_show_nothing_are_resolved(raw, prepared):
    assert prepare_text(raw) == prepared


@pytest.mark.parametrize(
    ("raw", "prepared"),
    [
        ("<p>Hello&nbsp;there</p><p>no <b>mail</b></p>", "Hello there\n\nno mail"),
        ("<html><style>p {x: 1}</style><body>Down<br/>again</body></html>", "Down\nagain"),
        ("<p>a</p><!-- hidden --><script>run()</script>b", "a\nb"),
        ("Tom &amp;amp; Ann &lt; 3 caf&eacute; &#8364;5", "Tom & Ann < 3 café €5"),
        ("AT&T; &unknown; &#0; &#99999999;", "AT&T; &unknown;  &#99999999;".replace("  ", " ")),
    ],
)
def test_markup_is_resolved_where_it_is_markup(raw, prepared):
    assert prepare_text(raw) == prepared


@pytest.mark.parametrize(
    "text",
    [
        "The <b> tag in the title field breaks the page",
        "List<String> names = new ArrayList<>(); if (a < b && c > d)",
        "Exception in thread main java.lang.NullPointerException\n"
        "at com.example.Foo.bar(Foo.java:12)\n"
        "at com.example.Main.main(Main.java:3)\nCaused by: java.io.IOException: disk full",
        "Traceback (most recent call last):\nFile app.py, line 3\n"
        ">>> import tickets\nKeyError: 'id'",
    ],
)
def test_code_and_stack_traces_stay(text):
    assert prepare_text(text) == text


def test_markup_without_content_is_kept_rather_than_nothing():
    assert prepare_text("<p><img src=x></p>") == "<p><img src=x></p>"


def test_a_style_that_is_never_closed_does_not_swallow_the_ticket():
    assert prepare_text("<p>a</p><style>still here") == "a\nstill here"


def test_letters_that_grow_in_lower_case_do_not_shift_what_is_cut():
    assert "İstanbul" in prepare_text("<p>İstanbul</p><style>x</style>")


def test_model_text_is_masked():
    assert model_text("Mail  ann@example.org please") == "Mail [email] please"


SLOW_UNITS = [
    "a",
    "<p ",
    "<",
    "<!--",
    "<style>",
    "&",
    "&amp;",
    "amp;",
    "\n",
    ">\n",
    "On 1\n",
    "--\n",
]
SLOW_UNITS += ["From: x\n", "on 1 wrote:\n", "best regards\n", "On 1 wrote ", "\u0301", "1 "]


@pytest.mark.parametrize("unit", SLOW_UNITS)
def test_time_is_linear_in_the_length(unit):
    text = "</p>" + unit * (50_000 // len(unit))
    began = time.process_time()
    prepare_text(text)
    assert time.process_time() - began < 2
