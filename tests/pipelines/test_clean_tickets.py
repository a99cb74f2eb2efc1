from data.records import RawTicket
from data.tables import Row
from pipelines.clean_tickets import clean_tickets, group_tickets
from pipelines.params import LanguageParams, NearDuplicateParams, PrepareParams

PARAMS = PrepareParams(language=LanguageParams(targets=("en", "de")))


def raw(number: int, text: str, **known: str) -> RawTicket:
    return RawTicket(Row("t.csv", number, {}), f"t{number}", text, {"kind": "other"}, **known)


def test_a_clean_ticket_has_a_masked_text_and_the_count_of_what_was_masked():
    [ticket], masked = clean_tickets([raw(1, "please write to bob@example.org")], [], PARAMS)
    assert ticket.text == "please write to [email]"
    assert masked == {"email": 1}


def test_a_language_that_the_source_tells_is_not_detected():
    text = "Der Drucker im zweiten Stock druckt seit gestern nicht mehr"
    clean, _ = clean_tickets([raw(1, text), raw(2, text, language="nl")], [], PARAMS)
    assert [ticket.language for ticket in clean] == ["de", "nl"]


def test_what_is_empty_behind_the_text_door_is_rejected_with_its_row():
    rejected = []
    clean, _ = clean_tickets([raw(1, "\u200b"), raw(2, "no paper")], rejected, PARAMS)
    assert [ticket.raw.id for ticket in clean] == ["t2"]
    assert [(r.file, r.number, r.reason) for r in rejected] == [("t.csv", 1, "empty_text")]


def test_a_thread_and_its_near_duplicates_are_one_group_named_after_the_first():
    alike = "the printer in the hall on the second floor prints only empty pages since this morning"
    clean, _ = clean_tickets(
        [
            raw(1, alike),
            raw(2, "nobody can log in", group="thread"),
            raw(3, f"{alike} again"),
            raw(4, "the mailbox is full", group="thread"),
        ],
        [],
        PARAMS,
    )
    params = PARAMS.model_copy(update={"near_duplicates": NearDuplicateParams(threshold=0.5)})
    assert group_tickets(clean, params, 0) == (["t1", "t2", "t1", "t2"], 1)
