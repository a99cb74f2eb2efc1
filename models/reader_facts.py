"""What a reader of tickets tells of itself: where it learned, and what it is worth."""

from pydantic import Field

from data.schema import Record


class ReaderFacts(Record):
    """Where a reader comes from and what it is worth."""

    dataset: str = Field(description="it learned from; an entry of data/catalog.yaml")
    fallback: bool = Field(description="true when the bundled sample stood in")
    rows: int = Field(ge=0, description="texts or sentences it learned from")
    figures: dict[str, float] = Field(description="measured on test rows of the data set, by name")
    intervals: dict[str, tuple[float, float]] = Field(default={}, description="95 %, by name")
    test_rows: int = Field(ge=0)
    languages: tuple[str, ...] = Field(
        default=(), description="it learned from, and reads; empty: whatever it is given"
    )
