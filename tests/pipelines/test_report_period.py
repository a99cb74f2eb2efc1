"""The command `python -m pipelines.report_period`, from its arguments to files."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data.errors import DataError
from data.feedback_files import FeedbackFiles
from data.feedback_rows import FeedbackRow
from data.schema import Ticket
from data.sql import open_sql_store
from data.store import Query, StoredFeedback
from evaluation.period_report import PeriodReport
from models.publishing import FolderStore
from pipelines import report_period
from pipelines.report_period import find_period, make_parser, name_period, read_month
from tests.conftest import ROOT
from tests.periods import DECEMBER, NOVEMBER, fill
from tests.pipelines.monitoring import champion_alone
from tests.serving.arm_fakes import A

NOW = datetime(2026, 12, 1, 6, tzinfo=UTC)
GAP = timedelta(hours=1)


def learned(said: StoredFeedback) -> FeedbackRow:
    """As `collect` writes it."""
    return FeedbackRow(
        key=said.key, prediction_id=said.prediction_id, target=said.target, verdict=said.verdict,
        label="mail", author=said.author, at=said.at, origin="audit", propensity=0.15,
        predicted="mail", confidence=0.9, decision="auto", bundle=A, arm="champion",
        answered_at=said.at, language="en", customer=None, ticket=Ticket(text="invented"),
    )  # fmt: skip


def report_of(place: Path) -> PeriodReport:
    report_period.main([], clock=lambda: NOW)
    written = place / "evaluation/reports/periods/2026-11.json"
    return PeriodReport.model_validate_json(written.read_bytes())


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.setenv("TICKETS_STORE", f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.setenv("TICKETS_BUNDLE_STORE", str(tmp_path / "published"))
    champion_alone(FolderStore(tmp_path / "published"))
    store = open_sql_store(f"sqlite:///{tmp_path / 'store.db'}")
    fill(store, NOVEMBER, NOVEMBER + timedelta(hours=72), right=1, seed=1, gap=GAP, bundle=A)
    store.close()
    return tmp_path


def test_the_month_before_is_written_as_page_and_figures(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report_period.main([], clock=lambda: NOW)
    path = Path(capsys.readouterr().out.strip())
    assert path == Path("evaluation/reports/periods/2026-11.html")
    assert "Ticket Assistant: November 2026" in path.read_text("utf-8")
    report = PeriodReport.model_validate_json(path.with_suffix(".json").read_bytes())
    assert report.promised == 0.95
    assert report.minutes_per_ticket == 3
    assert report.tickets == 72, "one an hour"


def test_revoked_feedback_does_not_count(place: Path) -> None:
    before = report_of(place)
    store = open_sql_store(f"sqlite:///{place / 'store.db'}")
    files = FeedbackFiles(Path("data/raw/feedback"))
    said = [one for answered in store.stream(Query()) for one in answered.feedback]
    batch = files.add({"rows": [learned(one) for one in said[:2]]}, "me", NOW)
    files.revoke(batch.name, "a test account", "me", NOW)
    store.close()
    after = report_of(place)
    assert (after.quality.said, after.quality.left_out) == (before.quality.said - 2, 2)


def test_days_minutes_target_and_folder_may_be_given(place: Path) -> None:
    report_period.main(
        ["--since", "2026-11-02", "--until", "2026-11-03", "--minutes", "6", "--target",
         "severity", "--output", "here"], clock=lambda: NOW,
    )  # fmt: skip
    facts = json.loads(Path("here/20261102-20261103.json").read_text())
    assert (facts["minutes_per_ticket"], facts["target"]) == (6, "severity")
    assert facts["promised"] is None, "its certificate says nothing of severity"


def test_a_store_without_answers_makes_a_page_too(place: Path) -> None:
    report_period.main(
        ["--url", f"sqlite:///{place / 'new.db'}", "--month", "2026-01"], clock=lambda: NOW
    )
    assert "No ticket was answered" in Path("evaluation/reports/periods/2026-01.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--month", "2026-13"], "no month such as"),
        (["--month", "2026-11", "--until", "2026-12-01"], "exclude each other"),
        (["--until", "2026-12-01"], "--until needs --since"),
        (["--since", "2026-12-01", "--until", "2026-11-01"], "ends after it begins"),
        (["--since", "yesterday"], "no moment such as"),
        (["--minutes", "0"], "more than 0"),
        (["--target", "mood"], "'mood' was not answered"),
    ],
)
def test_what_makes_no_sense_is_refused(place: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        report_period.main(arguments, clock=lambda: NOW)


def test_periods_are_found_and_named() -> None:
    def found(*arguments: str) -> tuple[datetime, datetime]:
        return find_period(make_parser().parse_args(arguments), NOW)

    assert found() == (NOVEMBER, DECEMBER)
    assert find_period(make_parser().parse_args([]), datetime(2027, 1, 31, 23, tzinfo=UTC)) == (
        DECEMBER, datetime(2027, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    assert found("--since", "2026-11-05")[1] == NOW
    assert name_period(NOVEMBER, DECEMBER) == "2026-11"
    assert name_period(NOVEMBER, NOW) == "20261101T000000Z-20261201T060000Z"
    assert read_month("2028-02")[1] == datetime(2028, 3, 1, tzinfo=UTC)
    with pytest.raises(DataError):
        read_month("0000-01")
