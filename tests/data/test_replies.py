import pytest

from data.text import prepare_text

MESSAGE = "The export has failed since this morning"


@pytest.mark.parametrize(
    "below",
    [
        "> We shipped it\n> on Friday\n>> really?",
        "On Mon, 3 Jun 2024 at 10:12, Ann Lee <ann@example.org> wrote:\n> Hello\n> again",
        "On Monday, 3 June 2024, Ann Lee\n<ann@example.org> wrote:\n> Hello",
        "Am 03.06.2024 um 10:12 schrieb Ann Lee:\n> Hallo",
        "Le lun. 3 juin 2024 à 10:12, Ann Lee <ann@example.org> a écrit :\n> Bonjour",
        "El 3 jun 2024, Ann Lee escribió:\n> Hola",
        "On 3 June 2024 Ann wrote:\nan answer without marks\nover two lines",
        "-----Original Message-----\nFrom: Ann\nSent: Monday\nTo: Bob\nSubject: Hi\n\nold text",
        "-----Ursprüngliche Nachricht-----\nVon: Ann\nalter Text",
        "From: Ann Lee\nSent: Monday, June 3\nTo: Support\nSubject: RE: export\n\nold text",
        "Von: Ann Lee\nGesendet: Montag\nAn: Support\nBetreff: AW: Export\n\nalter Text",
        "De : Ann Lee\nEnvoyé : lundi\nÀ : Support\nObjet : export\n\nancien",
        "-- \nAnn Lee\nAccounts\nExample Ltd",
        "Best regards,\nAnn Lee\nAccounts",
        "Mit freundlichen Grüßen\n\nAnn Lee",
        "Sent from my iPhone",
        "Kind regards\nAnn\n-- \nExample Ltd",
    ],
)
def test_what_is_not_the_message_is_dropped(below):
    assert prepare_text(f"{MESSAGE}\n\n{below}") == MESSAGE


def test_answers_between_quotes_are_kept():
    text = "On 3 June 2024 Ann wrote:\n> Which version?\nVersion 4.2\n> Which system?\nLinux"
    assert prepare_text(text) == "Version 4.2\n\nLinux"


def test_a_forward_keeps_what_was_forwarded():
    text = (
        "FYI\n---------- Forwarded message ---------\nFrom: Ann\nDate: Monday\nSubject: Export\n"
        f"To: Bob\n\n{MESSAGE}"
    )
    assert prepare_text(text) == f"FYI\n\n{MESSAGE}"


def test_history_below_a_word_or_two_is_the_ticket():
    text = f"see below\n\n-----Original Message-----\nFrom: Ann\nTo: Bob\nSubject: x\n\n{MESSAGE}"
    assert prepare_text(text) == f"see below\n\n{MESSAGE}"


@pytest.mark.parametrize(
    "text",
    [
        "> everything is quoted\n> really everything",
        "Best regards,\nAnn",
        "From: the start\nthe export fails",
        "On 3 June 2024 the export failed and nobody wrote\nabout it",
        "Regards to the team, but\nthe export fails",
        "Best regards\n"
        + "\n".join(f"a long line of content number {n} that goes on" for n in range(4)),
        "steps\n--\n" + "\n".join(f"step {n}" for n in range(12)),
    ],
)
def test_what_is_not_certain_stays(text):
    assert prepare_text(text) == text
