"""The figures of the league, kept where programs find them."""

from pathlib import Path

from pydantic import TypeAdapter

from evaluation.league.benchmark import Result

LEAGUE = Path("evaluation/reports/league.json")


def read_results(path: Path = LEAGUE) -> list[Result]:
    """The figures kept by the last runs; none where there was no run."""
    if not path.is_file():
        return []
    return TypeAdapter(list[Result]).validate_json(path.read_bytes())
