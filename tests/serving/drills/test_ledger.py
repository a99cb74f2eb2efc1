"""What was told, and when."""

import time

from serving.drills.ledger import Failure, Ledger, in_words


def test_what_is_acknowledged_is_counted_with_when_it_was_told() -> None:
    ledger = Ledger()
    asked = ledger.asked()
    ledger.predicted("p", asked)
    ledger.took("k", "stored")
    ledger.took("l", "spooled")
    now = time.monotonic()
    assert (ledger.sent, ledger.acknowledged, ledger.spooled) == (1, 3, 1)
    assert ledger.told_between(asked, now) == {"p"}
    assert ledger.told_between(now + 1, now + 2) == set()
    assert 0 <= ledger.slowest(asked, now) <= now - asked
    assert ledger.slowest(now + 1, now + 2) == 0


def test_a_failure_belongs_to_a_fault_that_its_request_met() -> None:
    before, across, after = (
        Failure(0.0, 0.9, "/", "503"),
        Failure(0.9, 1.1, "/", "503"),
        Failure(2.1, 2.2, "/", "OSError"),
    )
    ledger = Ledger(failures=[before, across, after])
    assert ledger.outside(1.0, 2.0) == [before, after]
    assert in_words(ledger.failures) == "2 x 503, 1 x OSError"
    assert in_words([]) == "none"
