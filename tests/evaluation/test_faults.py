"""What drills kept, as tables."""

from pathlib import Path

import pytest

from data.errors import DataError
from evaluation import faults
from evaluation.bench_records import Machine, Soak
from evaluation.fault_records import Availability, FaultReport, FaultRow, Interruption
from evaluation.faults import (
    read_availability,
    read_faults,
    render_availability,
    render_faults,
    table_row,
)
from tests.bench_fakes import make_point
from tests.conftest import ROOT

MACHINE = Machine(processor="Invented 3000", cores=2, instructions=(), memory_mib=8, system="L")


def make_row(**facts: object) -> FaultRow:
    known = {
        "fault": "worker-killed", "promise": "the others go on", "observed": "they did",
        "requests_sent": 1_200, "requests_failed": 2, "records_acknowledged": 1_198,
        "records_lost": 0, "held": True, "seconds": 12.3,
    }  # fmt: skip
    return FaultRow.model_validate({**known, **facts})


def make_report(*rows: FaultRow) -> FaultReport:
    return FaultReport(
        machine=MACHINE, bundle="sample-0a1b2c3d", begun_at="2026-11-26T12:00:00+00:00", rows=rows
    )


def make_availability() -> Availability:
    point = make_point(answers=9_990, failures={"503": 10}, rate=50.0, workers=2)
    soak = Soak(point=point, minutes=5, mib=tuple((10.0 * i, 400.0 + i) for i in range(8)))
    return Availability(
        machine=MACHINE, bundle="sample-0a1b2c3d", soak=soak,
        interruptions=(Interruption(at_seconds=60, what="a worker is killed"),),
        records_acknowledged=400, records_lost=0, available=0.999,
    )  # fmt: skip


def test_a_row_tells_what_was_promised_seen_and_lost() -> None:
    assert table_row(make_row()) == (
        "| worker-killed | the others go on | they did "
        "| 1\u2009200 | 2 | 1\u2009198 | 0 | yes | 12 s |"
    )
    given_up = make_row(records_lost=3, loss_allowed=3)
    assert "| 3 (3 given up) | yes |" in table_row(given_up)
    broken = make_row(held=False, broken=("late | 503",))
    assert "they did; late / 503" in table_row(broken)
    assert "**no**" in table_row(broken)


def test_a_fault_that_is_injected_again_keeps_its_place() -> None:
    report = make_report(make_row(), make_row(fault="disk-full"))
    again = report.with_row(make_row(observed="they did again"))
    assert [row.fault for row in again.rows] == ["worker-killed", "disk-full"]
    assert again.rows[0].observed == "they did again"
    without = again.without("disk-full", "no disk")
    assert [row.fault for row in without.rows] == ["worker-killed"]
    assert "Not run: disk-full, no disk." in render_faults(without)
    assert without.with_row(make_row(fault="disk-full")).not_run == {}


def test_the_soak_tells_its_share_and_what_was_broken() -> None:
    told = render_availability(make_availability())
    assert "99.900 % of 10\u2009000" in told
    assert "| at 60 s | a worker is killed |" in told
    assert "| failed | 10 x 503 |" in told
    assert "+360 MiB an hour" in told


def test_nothing_kept_is_told(tmp_path: Path) -> None:
    assert "make faults" in render_faults(read_faults(tmp_path / "none"))
    assert "make soak" in render_availability(read_availability(tmp_path / "none"))


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(DataError, match="FaultReport"):
        read_faults(tmp_path / "a.json")


def test_the_page_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (faults.PAGE, faults.REPORT):
        path.parent.mkdir(parents=True)
    faults.PAGE.write_text((ROOT / "docs/faults.md").read_text("utf-8"), "utf-8")
    faults.REPORT.write_text(make_report(make_row()).model_dump_json(), "utf-8")
    faults.AVAILABILITY.write_text(make_availability().model_dump_json(), "utf-8")
    faults.main()
    page = faults.PAGE.read_text("utf-8")
    assert table_row(make_row()) in page
    assert "99.900 %" in page


def test_the_page_shows_what_is_kept() -> None:
    page = (ROOT / "docs/faults.md").read_text("utf-8")
    assert render_faults(read_faults(ROOT / faults.REPORT)) in page
    assert render_availability(read_availability(ROOT / faults.AVAILABILITY)) in page
