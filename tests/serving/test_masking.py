import json

from hypothesis import given
from hypothesis import strategies as st

from data.privacy import mask
from data.schema import MAX_TEXT, Entity, Evidence, Prediction, TargetPrediction, Ticket
from serving.masking import mask_answered
from tests.serving.store_fakes import prediction_row

HIDDEN = ["mallory@example.org", "+49 30 1234567", "password: hunter2!", "192.168.17.4"]


def answered(ticket: Ticket, spans: list[tuple[int, int]]) -> Prediction:
    """An answer that points at these places, with their characters as value."""
    text = ticket.full_text
    target = TargetPrediction(
        label="high",
        confidence=0.9,
        decision="auto",
        reason="certified",
        evidence=tuple(Evidence(kind="blocked", start=s, end=e) for s, e in spans),
    )
    return Prediction(
        ticket_id=None,
        bundle="b",
        fallback=True,
        language=None,
        targets={"severity": target},
        entities=tuple(Entity(start=s, end=e, label="word", value=text[s:e]) for s, e in spans),
    )


def test_what_holds_no_personal_data_stays_as_it_is() -> None:
    row = prediction_row(1)
    assert mask_answered(row.ticket, row.prediction) == (row.ticket, row.prediction)


def test_entities_move_with_their_text_and_hidden_ones_go() -> None:
    ticket = Ticket(
        id="T-1", subject="From mallory@example.org", text="port 8080 on 192.168.17.4 is shut"
    )
    text = ticket.full_text
    port, host = text.index("8080"), text.index("192")
    prediction = answered(ticket, [(5, 24), (port, port + 4), (host, host + 12)])
    masked, kept = mask_answered(ticket, prediction)
    assert masked.subject == "From [email]"
    assert masked.text == "port 8080 on [ip] is shut"
    assert masked.id == "T-1"
    (entity,) = kept.entities
    assert (entity.value, masked.full_text[entity.start : entity.end]) == ("8080", "8080")
    (evidence,) = kept.targets["severity"].evidence
    assert (evidence.start, evidence.end) == (entity.start, entity.end)


pieces = st.one_of(st.sampled_from(HIDDEN), st.text("ab .,:\n4[]", max_size=8), st.text(max_size=5))


@given(subject=st.lists(pieces, max_size=3), parts=st.lists(pieces, min_size=1), data=st.data())
def test_an_entity_is_kept_only_where_its_characters_are(
    subject: list[str], parts: list[str], data: st.DataObject
) -> None:
    ticket = Ticket(subject=" ".join(subject), text=" ".join(parts) + ".")
    length = len(ticket.full_text)
    starts = data.draw(st.lists(st.integers(0, length - 1), max_size=5))
    spans = [(s, min(length, s + data.draw(st.integers(1, 12)))) for s in starts]
    masked, kept = mask_answered(ticket, answered(ticket, spans))
    assert masked.text == mask(ticket.text).text
    for entity in kept.entities:
        assert masked.full_text[entity.start : entity.end] == entity.value


@given(st.sampled_from(HIDDEN), st.text("ab \n", max_size=20), st.text("ab \n", max_size=20))
def test_nothing_hidden_is_left_anywhere(secret: str, before: str, after: str) -> None:
    ticket = Ticket(text=f"{before} {secret} {after}")
    start = ticket.text.index(secret)
    spans = [(start, start + len(secret)), (start + 10, start + len(secret))]
    masked, kept = mask_answered(ticket, answered(ticket, spans))
    told = json.dumps([masked.model_dump(mode="json"), kept.model_dump(mode="json")])
    assert secret.rpartition(": ")[2] not in told
    assert not kept.entities


def test_a_masked_ticket_still_fits_a_ticket() -> None:
    filler = "token=a1 " * (MAX_TEXT // 9)
    ticket = Ticket(subject="pwd: a " * 142, text=filler)
    masked, _ = mask_answered(ticket, answered(ticket, [(0, 3), (MAX_TEXT - 20, MAX_TEXT - 10)]))
    assert len(mask(filler).text) > MAX_TEXT
    assert Ticket.model_validate(masked.model_dump()) == masked
