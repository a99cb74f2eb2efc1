"""What counts as written by the customer when the language is looked for."""

import pytest

from data.templates import own_words

SENTENCE = "Der Drucker im zweiten Stock antwortet nicht mehr"


@pytest.mark.parametrize(
    "line",
    [
        "-----Original Message-----",
        "##- Please type your reply above this line -##",
        "Please do not reply to this email.",
        "Sent from my iPhone",
        "Ticket ID: 4711",
        "Description:",
        "This is an automated notification from the service desk.",
        "> The printer was fine yesterday",
        "To unsubscribe click here",
    ],
)
def test_a_line_of_a_template_goes(line):
    assert own_words(f"{line}\n{SENTENCE}\n{line}", 10).strip() == SENTENCE


@pytest.mark.parametrize(
    "line",
    [
        SENTENCE,
        "I have a problem since this morning: the printer is out",
        "Your printers are broken",
        "This message appears each time",
        ">>> import numpy",
        'The button "Save" is gone',
    ],
)
def test_a_sentence_stays(line):
    assert own_words(f"{line}\n{SENTENCE}", 10) == f"{line}\n{SENTENCE}"


def test_fields_stay_where_there_is_nothing_else():
    assert own_words("Fehler: Verbindung unterbrochen", 10) == "Fehler: Verbindung unterbrochen"


def test_a_quoted_message_stays_where_there_is_nothing_else():
    assert own_words('"Verbindung wurde unterbrochen"', 10) == '"Verbindung wurde unterbrochen"'


def test_a_quoted_message_goes_from_a_sentence():
    text = f'{SENTENCE}: "The connection was closed" seit heute'
    assert "connection" not in own_words(text, 10)


def test_a_long_text_takes_no_longer_than_its_length():
    assert own_words('"' * 50_000 + "a " * 50_000 + ": " * 20_000, 10)
