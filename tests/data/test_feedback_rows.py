"""What is said of a prediction becomes a row in the right file."""

from datetime import timedelta

from data.feedback_rows import make_rows
from data.schema import Candidate
from data.store import Answered, StoredFeedback
from tests.stores import NOON, make_feedback, make_prediction


def said(stored, status="accepted", **facts):
    feedback = StoredFeedback(**make_feedback("k", 1, **facts).model_dump(), status=status)
    return list(make_rows(Answered(stored=stored, feedback=(feedback,))))


def test_a_confirmation_tells_the_label_of_the_model():
    ((part, row),) = said(make_prediction(1), author="anna")
    assert (part, row.label, row.predicted, row.flipped) == ("rows", "network", "network", False)
    assert (row.author, row.name, row.bundle) == ("anna", "anna", "bundle-1")
    assert row.at == NOON + timedelta(hours=1)
    assert row.ticket.text == "invented ticket 1"


def test_a_correction_tells_its_own():
    ((part, row),) = said(make_prediction(1), verdict="correct", label="printer")
    assert (part, row.label, row.flipped, row.name) == ("rows", "printer", True, "")


def test_a_rejection_teaches_nothing_and_says_so():
    ((part, row),) = said(make_prediction(1), verdict="reject")
    assert part == "rejected"
    assert row.label is None
    assert not row.flipped
    assert "not what is right" in str(row.reason)


def test_an_unknown_label_is_a_proposal():
    ((part, row),) = said(make_prediction(1), "proposal", verdict="correct", label="robot")
    assert (part, row.label) == ("proposals", "robot")
    assert "does not know" in str(row.reason)


def test_how_it_came_that_a_person_spoke_is_kept():
    audited = make_prediction(1, audit=True, audit_propensity=0.2)
    reviewed = make_prediction(1, decisions={"category": "review"})
    watched = make_prediction(1, decisions={"category": "review"}, arm="shadow")
    found = [said(stored)[0][1] for stored in (audited, reviewed, make_prediction(1), watched)]
    assert [(row.origin, row.propensity) for row in found] == [
        ("audit", 0.2),
        ("review", 1.0),
        ("unasked", None),
        ("unasked", None),
    ]


def test_the_shortlist_is_kept():
    stored = make_prediction(1)
    answer = stored.prediction.targets["category"]
    listed = answer.model_copy(update={"shortlist": (Candidate(label="printer", probability=0.4),)})
    prediction = stored.prediction.model_copy(update={"targets": {"category": listed}})
    ((_, row),) = said(stored.model_copy(update={"prediction": prediction}))
    assert row.shortlist == ("printer",)


def test_what_waits_for_its_prediction_or_target_is_left_for_later():
    assert said(make_prediction(1), "pending") == []
    assert said(make_prediction(1), target="mood") == []
