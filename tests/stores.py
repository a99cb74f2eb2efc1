"""A store in memory, as plain as its protocol allows, and rows to put into stores."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from data.cursor import read_cursor, write_cursor
from data.errors import ConflictError, DataError
from data.schema import Prediction, TargetPrediction, Ticket
from data.store import (
    MAX_PAGE,
    Answered,
    Erased,
    Erasure,
    Event,
    Feedback,
    FeedbackStatus,
    Page,
    Query,
    StoredFeedback,
    StoredPrediction,
)

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
LABELS = {"category": ("network", "printer"), "severity": ("low", "high")}


def make_prediction(number: int, **facts: Any) -> StoredPrediction:
    """Prediction number n, made n seconds after noon; `facts` replace fields wherever they stand.

    `labels` are target -> label, `decisions` target -> decision; `text`, `subject` and `ticket_id`
    are the ticket's, `bundle` and `language` the prediction's.
    """
    labels = facts.pop("labels", {"category": "network", "severity": "low"})
    decisions = facts.pop("decisions", {})
    ticket = Ticket(
        id=facts.pop("ticket_id", f"t-{number}"),
        subject=facts.pop("subject", ""),
        text=facts.pop("text", f"invented ticket {number}"),
    )
    answers = {
        target: TargetPrediction(
            label=label,
            confidence=0.5,
            decision=decisions.get(target, "auto"),
            reason="certified" if decisions.get(target, "auto") == "auto" else "below_threshold",
        )
        for target, label in labels.items()
    }
    prediction = Prediction(
        ticket_id=ticket.id,
        bundle=facts.pop("bundle", "bundle-1"),
        fallback=False,
        language=facts.pop("language", "en"),
        targets=answers,
    )
    usual: dict[str, Any] = {
        "id": f"{number:032x}",
        "at": NOON + timedelta(seconds=number),
        "arm": "champion",
        "propensity": 1,
        "audit": False,
        "audit_propensity": 0.1,
    }
    return StoredPrediction(ticket=ticket, prediction=prediction, **(usual | facts))


def make_feedback(key: str, number: int, **facts: Any) -> Feedback:
    """A confirmation of prediction number n's category; `facts` replace fields."""
    usual = {"target": "category", "verdict": "confirm", "at": NOON + timedelta(hours=1)}
    return Feedback(key=key, prediction_id=f"{number:032x}", **(usual | facts))


def matches(query: Query, answered: Answered) -> bool:
    """Whether a prediction is meant by a query, in plain words."""
    row = answered.stored
    answers = row.prediction.targets.items()
    return (
        (query.text is None or query.text.casefold() in row.ticket.full_text.casefold())
        and any(
            query.target in {None, target}
            and query.label in {None, answer.label}
            and query.decision in {None, answer.decision}
            for target, answer in answers
        )
        | (query.target is query.label is query.decision is None)
        and query.language in {None, row.prediction.language}
        and (query.arm is None or row.arm in query.arm)
        and query.bundle in {None, row.prediction.bundle}
        and (query.audit is None or query.audit == row.audit)
        and (query.explicit is None or query.explicit == row.explicit)
        and query.beside in {None, row.beside}
        and (query.answered is None or query.answered == bool(answered.feedback))
        and query.ticket_id in {None, row.ticket.id}
        and query.customer in {None, row.customer}
        and (query.since is None or row.at >= query.since)
        and (query.until is None or row.at < query.until)
    )


class MemoryStore:
    """Everything in dictionaries, nothing on disk; for one thread."""

    def __init__(self) -> None:
        self.bundles: dict[str, Mapping[str, Sequence[str]]] = {}
        self.predictions: dict[str, StoredPrediction] = {}
        self.feedback: dict[str, StoredFeedback] = {}
        self.erasures: list[tuple[Erasure, datetime]] = []
        self.lines: list[Event] = []

    def know_bundle(self, version: str, targets: Mapping[str, Sequence[str]]) -> None:
        self.bundles.setdefault(version, targets)

    def add_predictions(self, rows: Sequence[StoredPrediction]) -> None:
        for row in rows:
            said = {k: f for k, f in self.feedback.items() if f.prediction_id == row.id}
            if any(at >= row.asked_at and _is_of(row, erasure) for erasure, at in self.erasures):
                for key in [key for key, given in said.items() if given.status == "pending"]:
                    del self.feedback[key]
            elif row.id not in self.predictions:
                self.predictions[row.id] = row
                for key, given in said.items():
                    status = self._judge(row, given)
                    self.feedback[key] = given.model_copy(update={"status": status})

    def add_feedback(self, rows: Sequence[Feedback]) -> tuple[StoredFeedback, ...]:
        kept = dict(self.feedback)
        for row in rows:
            if row.key in kept:
                then = kept[row.key].model_dump(exclude={"status", "at", "correlation"})
                if then != row.model_dump(exclude={"at", "correlation"}):
                    raise ConflictError("a feedback key was used before for something else")
                continue
            status: FeedbackStatus = "pending"
            if prediction := self.predictions.get(row.prediction_id):
                if row.target not in prediction.prediction.targets:
                    raise DataError(f"the prediction {row.prediction_id} answered no such target")
                status = self._judge(prediction, row)
            kept[row.key] = StoredFeedback(**row.model_dump(), status=status)
        self.feedback = kept
        return tuple(kept[row.key] for row in rows)

    def find(self, prediction_id: str) -> Answered | None:
        row = self.predictions.get(prediction_id)
        return None if row is None else self._answered(row)

    def search(self, query: Query, limit: int = 50, cursor: str | None = None) -> Page:
        if not 1 <= limit <= MAX_PAGE:
            raise DataError(f"a page holds 1 to {MAX_PAGE} predictions, not {limit}")
        before = None if cursor is None else read_cursor(query, cursor)
        found = [
            row
            for row in reversed(list(self.stream(query)))
            if before is None or row.stored.id < before
        ]
        more = write_cursor(query, found[limit - 1].stored.id) if len(found) > limit else None
        return Page(found=tuple(found[:limit]), next=more)

    def stream(self, query: Query) -> Iterator[Answered]:
        for name in sorted(self.predictions):
            found = self.find(name)
            if found and matches(query, found):
                yield found

    def to_review(self, targets: Sequence[str] | None = None, limit: int = 50) -> list[Answered]:
        costs: dict[str, float] = {}
        for row in self.predictions.values():
            said = {f.target for f in self.feedback.values() if f.prediction_id == row.id}
            for target, answer in row.prediction.targets.items():
                asked = targets is None or target in targets
                wanted = row.audit or answer.decision == "review"
                if asked and wanted and target not in said and not row.shadow:
                    costs[row.id] = costs.get(row.id, 0.0) + row.cost.get(target, 0.0)
        order = sorted(costs, key=lambda name: (-costs[name], name))
        return [self._answered(self.predictions[name]) for name in order[:limit]]

    def erase(self, erasure: Erasure, actor: str, at: datetime) -> Erased:
        gone = self._remove([row for row in self.predictions.values() if _is_of(row, erasure)])
        self.erasures.append((erasure, at))
        subject = f"erasure {len(self.erasures)}"
        detail = {
            "of": "ticket" if erasure.ticket_id is not None else "customer",
            **gone.model_dump(),
        }
        self.log(Event(at=at, actor=actor, action="erase", subject=subject, detail=detail))
        return gone

    def is_erased(self, *, ticket_id: str | None = None, customer: str | None = None) -> bool:
        return any(
            (ticket_id is not None and erasure.ticket_id == ticket_id)
            or (customer is not None and erasure.customer == customer)
            for erasure, _ in self.erasures
        )

    def drop_before(self, moment: datetime, actor: str, at: datetime) -> Erased:
        gone = self._remove([row for row in self.predictions.values() if row.at < moment])
        waiting = [
            key for key, f in self.feedback.items() if f.status == "pending" and f.at < moment
        ]
        for key in waiting:
            del self.feedback[key]
        gone = Erased(predictions=gone.predictions, feedback=gone.feedback + len(waiting))
        subject = moment.isoformat()
        self.log(
            Event(at=at, actor=actor, action="retain", subject=subject, detail=gone.model_dump())
        )
        return gone

    def log(self, event: Event) -> None:
        self.lines.append(event)

    def events(self, limit: int = 100, action: str | None = None) -> list[Event]:
        newest = sorted(enumerate(self.lines), key=lambda line: (line[1].at, line[0]), reverse=True)
        return [line for _, line in newest if action in {None, line.action}][:limit]

    def ping(self) -> None:
        pass

    def close(self) -> None:
        pass

    def _judge(self, row: StoredPrediction, given: Feedback) -> FeedbackStatus:
        if given.target not in row.prediction.targets:
            return "proposal"
        known = self.bundles.get(row.prediction.bundle, {}).get(given.target, ())
        return "accepted" if given.label is None or given.label in known else "proposal"

    def _answered(self, row: StoredPrediction) -> Answered:
        said = [f for f in self.feedback.values() if f.prediction_id == row.id]
        return Answered(stored=row, feedback=tuple(sorted(said, key=lambda f: (f.at, f.key))))

    def _remove(self, rows: Sequence[StoredPrediction]) -> Erased:
        names = {row.id for row in rows}
        said = [key for key, given in self.feedback.items() if given.prediction_id in names]
        for name in names:
            del self.predictions[name]
        for key in said:
            del self.feedback[key]
        return Erased(predictions=len(names), feedback=len(said))


def _is_of(row: StoredPrediction, erasure: Erasure) -> bool:
    if erasure.ticket_id is not None:
        return row.ticket.id == erasure.ticket_id
    return row.customer == erasure.customer
