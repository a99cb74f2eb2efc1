"""At which rate a soak is held."""

from pathlib import Path

import pytest

from data.errors import DataError
from evaluation.bench_tables import REPORT
from serving.drills.soak import half_of_peak
from tests.bench_fakes import make_point, make_report


def test_half_of_the_peak_with_as_many_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="--rate"):
        half_of_peak()
    points = [
        make_point("ours", 2, clients=clients, requests_per_second=rate)
        for clients, rate in ((1, 90.0), (32, 140.0))
    ]
    points += [make_point("ours", 1, clients=32, requests_per_second=500.0)]
    REPORT.parent.mkdir(parents=True)
    REPORT.write_text(make_report(points=tuple(points)).model_dump_json(), encoding="utf-8")
    assert half_of_peak() == 70
