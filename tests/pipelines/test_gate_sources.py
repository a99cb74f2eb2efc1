"""Rows come from the test split, the golden set and the audit, with what is right of them."""

from datetime import timedelta

from data.golden import GoldenTicket
from evaluation.gate_rows import Rows
from pipelines.gate_sources import audit_rows, copies_of, golden_rows, read_test_rows
from tests.pipelines.gate_fakes import make_prepared
from tests.stores import NOON, MemoryStore, make_feedback, make_prediction


def test_the_test_split_carries_labels_groups_and_language():
    rows = read_test_rows(make_prepared(4))
    assert rows.source == "test"
    assert rows.ids == ["t-20", "t-21", "t-22", "t-23"]
    assert rows.groups == ["g-20", "g-21", "g-22", "g-23"]
    assert rows.truth == {"category": ["network", "printer"] * 2}
    assert rows.tickets[0].text.startswith("the network is down")
    assert {ticket.language for ticket in rows.tickets} == {"en"}


def test_a_language_that_the_entry_speaks_for_is_left_to_detection():
    rows = read_test_rows(make_prepared(2, language="entry"))
    assert [ticket.language for ticket in rows.tickets] == [None, None]


def test_golden_tickets_may_leave_a_target_open():
    golden = [
        GoldenTicket(id="a", text="no paper", labels={"category": "printer"}, language="en"),
        GoldenTicket(id="b", text="No paper!", labels={"severity": "low"}),
    ]
    rows = golden_rows(golden, ["category", "severity"])
    assert rows.truth == {"category": ["printer", None], "severity": [None, "low"]}
    assert rows.groups[0] == rows.groups[1]
    assert rows.tickets[0].language == "en"
    assert len(golden_rows([], ["category"])) == 0


def audited(*feedback: dict[str, object], **facts: object) -> Rows:
    store = MemoryStore()
    given = {"audit": True, **facts}
    store.add_predictions([make_prediction(number, **given) for number in range(len(feedback))])
    store.add_feedback(
        [make_feedback(f"k{number}", number, **said) for number, said in enumerate(feedback)]
    )
    return audit_rows(store, ["category"], NOON)


def test_audited_tickets_carry_what_people_said():
    rows = audited({}, {"verdict": "correct", "label": "printer"}, {"verdict": "reject"})
    assert rows.ids == ["t-0", "t-1"]
    assert rows.truth == {"category": ["network", "printer"]}


def test_what_was_not_audited_or_told_to_nobody_is_no_evidence():
    assert len(audited({}, audit=False)) == 0
    assert len(audited({}, arm="shadow")) == 0
    store = MemoryStore()
    store.add_predictions([make_prediction(1, audit=True)])
    store.add_feedback([make_feedback("k", 1)])
    assert len(audit_rows(store, ["category"], NOON + timedelta(days=1))) == 0
    assert len(audit_rows(store, ["category"], NOON, lambda said: said.author == "anna")) == 0


def test_a_ticket_without_an_id_is_named_by_its_prediction():
    assert audited({}, ticket_id=None).ids == [f"{0:032x}"]


def test_copies_of_what_was_learned_are_found_by_their_text():
    prepared = make_prepared(2)
    texts = prepared.texts()
    golden = [
        GoldenTicket(id="copy", text=texts[3].upper(), labels={"category": "printer"}),
        GoldenTicket(id="test", text=texts[20], labels={"category": "network"}),
    ]
    assert copies_of(golden_rows(golden, ["category"]), prepared) == {"copy"}
