"""What a benchmark measured of a reader, in the words that a bundle keeps of it."""

from collections.abc import Sequence

from evaluation.league.benchmark import Figure
from models.reader_facts import ReaderFacts


def facts_of(name: str, fallback: bool, rows: int, figures: Sequence[Figure]) -> ReaderFacts:
    """What is told of a reader: its data set, the rows it learned from, its figures on test."""
    told = [figure for figure in figures if figure.split == "test"]
    return ReaderFacts(
        dataset=name,
        fallback=fallback,
        rows=rows,
        figures={figure.metric: round(figure.value, 4) for figure in told},
        intervals={
            figure.metric: (round(figure.ci[0], 4), round(figure.ci[1], 4))
            for figure in told
            if figure.ci
        },
        test_rows=max((figure.n for figure in told), default=0),
    )
