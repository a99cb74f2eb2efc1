"""What drills keep: each fault with what was promised, what was seen and what was lost."""

from pydantic import Field

from data.schema import NonEmpty, Record
from evaluation.bench_records import Machine, Soak


class FaultRow(Record):
    """One fault, injected into a service that answers."""

    fault: NonEmpty
    promise: NonEmpty
    observed: NonEmpty
    requests_sent: int = Field(ge=0, description="of the steady client, which tries nothing again")
    requests_failed: int = Field(ge=0, description="of these, not answered with 200 or 202")
    records_acknowledged: int = Field(ge=0, description="predictions told and feedback taken")
    records_lost: int = Field(ge=0, description="of these, neither in the store nor in the spool")
    loss_allowed: int = Field(
        default=0, ge=0, description="of the lost, predictions that the promise gives up"
    )
    broken: tuple[NonEmpty, ...] = Field(default=(), description="what the promise had otherwise")
    held: bool = Field(description="whether the promise was kept")
    seconds: float = Field(ge=0)


class FaultReport(Record):
    """All of one run: what `evaluation/reports/faults.json` holds."""

    machine: Machine
    bundle: NonEmpty
    begun_at: NonEmpty
    rows: tuple[FaultRow, ...] = ()
    not_run: dict[str, str] = Field(default={}, description="fault -> what this machine lacks")

    def with_row(self, row: FaultRow) -> "FaultReport":
        """The report with a row, in place of an earlier one of the same fault."""
        others = {name: why for name, why in self.not_run.items() if name != row.fault}
        return self.model_copy(update={"rows": self._placed(row), "not_run": others})

    def _placed(self, row: FaultRow) -> tuple[FaultRow, ...]:
        if all(known.fault != row.fault for known in self.rows):
            return (*self.rows, row)
        return tuple(row if known.fault == row.fault else known for known in self.rows)

    def without(self, fault: str, why: str) -> "FaultReport":
        """The report with a fault that could not be injected here."""
        rows = tuple(row for row in self.rows if row.fault != fault)
        return self.model_copy(update={"rows": rows, "not_run": {**self.not_run, fault: why}})


class Interruption(Record):
    """Something done to a service while it was measured."""

    at_seconds: float = Field(ge=0, description="since the measurement began")
    what: NonEmpty


class Availability(Record):
    """A rate held with faults inside: what `evaluation/reports/availability.json` holds."""

    machine: Machine
    bundle: NonEmpty
    soak: Soak
    interruptions: tuple[Interruption, ...]
    records_acknowledged: int = Field(ge=0, description="of a client that also sent feedback")
    records_lost: int = Field(ge=0)
    available: float = Field(
        ge=0, le=1, description="share of the requests answered with 200, none tried again"
    )
