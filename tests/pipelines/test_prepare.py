import csv
import json
from pathlib import Path

import pytest

from data.catalog import Dataset
from data.errors import CatalogError, DataError, RejectedRowsError
from data.feedback_files import FeedbackFiles
from data.golden import GoldenTicket
from data.prepared import read_prepared
from pipelines import prepare as stage
from pipelines.params import LanguageParams, PrepareParams
from pipelines.prepare import Said, prepare, require_no_errors
from tests.feedback import make_row, write_batches
from tests.stores import NOON

SOURCE = {"dataset": "mine", "fallback": False}
THINGS = ("printer", "mailbox", "laptop", "keyboard", "monitor", "badge", "phone", "router")
FAULTS = ("does not start", "was stolen", "is very slow", "shows an error", "needs an update")
ENTRY = {
    "name": "mine",
    "path": "t.jsonl",
    "text": "text",
    "targets": {"kind": "kind", "urgency": "urgency"},
    "licence": "CC0-1.0",
}


def rows(repeats: int = 3) -> list[dict]:
    """Different texts on eight things; the second target is often missing."""
    return [
        {
            "text": f"Hello, the {thing} in room {THINGS[n]} {fault} since {FAULTS[n % 5]} again",
            "kind": "hardware" if thing in THINGS[:4] else "other",
            "urgency": "high" if n == 0 else None,
        }
        for n in range(repeats)
        for thing in THINGS
        for fault in FAULTS
    ]


def written(folder: Path, content: list[dict]) -> Path:
    (folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in content))
    return folder


def run(folder: Path, content: list[dict], entry: dict | None = None, **params):
    source, said = params.pop("source", SOURCE), params.pop("said", None)
    dataset = Dataset(**(ENTRY | (entry or {})))
    language = LanguageParams(targets=("en", "de"))
    settings = PrepareParams(language=language, **params)
    return prepare(dataset, written(folder, content), settings, 1, source, said)


def test_rows_become_tickets_with_splits_folds_and_labels(tmp_path):
    outcome = run(tmp_path, rows(), split={"valid": 0.1, "calibration": 0.1, "test": 0.2})
    frame, summary = outcome.prepared.frame, outcome.prepared.summary
    assert len(frame) == 120
    assert summary["splits"] == {"train": 72, "valid": 12, "calibration": 12, "test": 24}
    assert outcome.prepared.targets == {"kind": ("hardware", "other"), "urgency": ("high",)}
    assert set(frame["language"]) == {"en"}
    assert set(frame.loc[frame["split"] == "train", "fold"]) == {0, 1}
    assert outcome.prepared.labels("urgency").count(None) == 80
    assert summary["classes"]["kind"]["other"]["train"] == 36
    assert summary["licence"] == "CC0-1.0"
    assert frame["id"].is_monotonic_increasing


def test_no_more_tickets_are_learned_from_than_wanted_and_the_rest_is_counted(tmp_path):
    shares = {"valid": 0.1, "calibration": 0.1, "test": 0.2}
    outcome = run(tmp_path, rows(), split=shares, max_train=30)
    frame, summary = outcome.prepared.frame, outcome.prepared.summary
    assert summary["splits"] == {"train": 30, "valid": 12, "calibration": 12, "test": 24}
    assert summary["unused"] == 42
    assert (frame.loc[frame["split"] == "unused", "fold"] == -1).all()
    assert "42 train tickets are set aside" in outcome.report


def test_the_order_of_the_rows_changes_nothing(tmp_path):
    forward = run(tmp_path, rows()).prepared.frame
    backward = run(tmp_path, rows()[::-1]).prepared.frame
    assert forward.equals(backward)


def test_personal_data_never_reaches_the_prepared_folder(tmp_path):
    secret = [
        {"text": "mail bob@example.org, password: tiger7", "kind": "hardware", "urgency": "low"},
        {"text": "from 10.1.2.3 by carol@example.org", "kind": "", "urgency": ""},
        {"text": "dave@example.org " * 2000, "kind": "other", "urgency": "low"},
    ]
    outcome = run(tmp_path, rows() + secret)
    everything = outcome.prepared.frame.to_json() + str(outcome.rejected) + outcome.report
    for word in ("bob@", "tiger7", "10.1.2.3", "carol@", "dave@"):
        assert word not in everything
    assert outcome.prepared.summary["masked"] == {"email": 1, "secret": 1}
    assert [row["reason"] for row in outcome.rejected] == ["no_label", "over_long"]
    assert len(outcome.rejected[1]["text"]) == 200


def test_every_bad_row_is_told_with_its_number_and_reason(tmp_path):
    bad = [
        {"text": "", "kind": "other"},
        {"text": "\u200b\u00ad", "kind": "other"},
        {"text": 3, "kind": "other"},
        {"text": "broken \ud800", "kind": "other"},
        {"text": "nobody knows what kind", "kind": "strange"},
    ]
    labels = {"labels": {"kind": ["hardware", "other"]}}
    outcome = run(tmp_path, rows(1) + bad, labels)
    assert [(row["row"], row["reason"]) for row in outcome.rejected] == [
        (41, "empty_text"),
        (42, "empty_text"),
        (43, "wrong_type"),
        (44, "broken_encoding"),
        (45, "unknown_label"),
    ]
    summary = outcome.prepared.summary
    assert summary["rows"] == {"read": 45, "accepted": 40, "rejected": 5}
    assert summary["rejected"]["empty_text"] == 2
    assert "- empty_text: 2" in outcome.report


def test_copies_and_threads_share_a_side(tmp_path):
    content = rows()
    for number, row in enumerate(content):
        row["thread"] = f"thread {number // 4}"
    content += [dict(content[0], thread=None), dict(content[0], thread="thread 0", kind="other")]
    outcome = run(tmp_path, content, {"group": "thread"})
    frame = outcome.prepared.frame
    assert frame.groupby("group")["split"].nunique().max() == 1
    assert frame["group"].isin(frame["id"]).all()
    groups = outcome.prepared.summary["groups"]
    assert (groups["count"], groups["largest"], groups["copies"]) == (30, 6, 2)
    conflicts = [c for c in outcome.prepared.summary["checks"] if c["name"] == "conflicting_labels"]
    assert conflicts[0]["count"] == 1  # reported, and nothing was dropped
    assert len(frame) == len(content)


def test_a_published_test_split_is_honoured_and_its_siblings_are_flagged(tmp_path):
    content = rows()
    for number, row in enumerate(content):
        row["part"] = "test" if number < 30 else None
    content.append(dict(content[0], part=None))  # a copy of a test ticket outside test
    outcome = run(tmp_path, content, {"split": "part"})
    frame, summary = outcome.prepared.frame, outcome.prepared.summary
    assert summary["splits"]["test"] == 30
    assert summary["near_train"] == int(frame["near_train"].sum()) == 1
    assert summary["published_split"] == "column"
    drawn = run(tmp_path, content, {"split": "part"}, published_split="none").prepared.summary
    assert drawn["published_split"] is None


def test_a_split_column_is_not_read_where_no_published_split_is_wanted(tmp_path):
    content = [dict(row, part="test") for row in rows()]
    outcome = run(tmp_path, content, {"split": "part"}, published_split="none")
    assert outcome.prepared.summary["splits"]["train"] > 0


def test_by_time_the_newest_tickets_are_the_test(tmp_path):
    content = [
        dict(row, at=f"2024-03-{n // 24 + 1:02d}T{n % 24:02d}:00") for n, row in enumerate(rows())
    ]
    frame = run(tmp_path, content, {"time": "at", "split_by": "time"}).prepared.frame
    newest = frame.groupby("split")["created_at"].agg(["min", "max"])
    assert newest.loc["train", "max"] < newest.loc["valid", "min"]
    assert newest.loc["calibration", "max"] < newest.loc["test", "min"]


def test_some_targets_can_be_chosen(tmp_path):
    outcome = run(tmp_path, rows(), targets=("kind",))
    assert list(outcome.prepared.targets) == ["kind"]
    with pytest.raises(CatalogError, match=r"prepare.targets: mine has no target 'x'; known: kind"):
        run(tmp_path, rows(), targets=("x",))


def test_for_the_sample_that_stands_in_wishes_meant_for_another_data_set_are_dropped(tmp_path):
    source = {"dataset": "sample", "fallback": True}
    wishes = {"targets": ("topic", "kind"), "published_split": "luna"}
    outcome = run(tmp_path, rows(), source=source, **wishes)
    assert list(outcome.prepared.targets) == ["kind"]
    assert outcome.prepared.summary["fallback"] is True
    assert "stands in" in outcome.report
    with pytest.raises(CatalogError, match="no published split 'luna'"):
        run(tmp_path, rows(), published_split="luna")


def test_a_file_without_a_single_ticket_is_refused(tmp_path):
    with pytest.raises(DataError, match="none of 1 rows is a ticket: empty_text 1"):
        run(tmp_path, [{"text": "", "kind": "a", "urgency": "b"}])


def test_checks_of_level_error_stop_the_run():
    with pytest.raises(DataError, match=r"one label. See checks.md"):
        require_no_errors([{"level": "error", "message": "one label"}], Path("checks.md"))
    require_no_errors([{"level": "warning", "message": "rare"}], Path("checks.md"))


@pytest.fixture
def fetched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TICKETS_TRACKING", "off")
    raw = tmp_path / "data/raw/dataset"
    raw.mkdir(parents=True)
    (raw / "source.json").write_text(json.dumps(SOURCE))
    (tmp_path / "params.yaml").write_text("dataset: mine\nseed: 1\n")
    (tmp_path / "data/catalog.yaml").write_text(
        "mine:\n  path: t.jsonl\n  text: text\n  targets: {kind: kind}\n  language: en\n"
    )
    return raw


def test_the_stage_writes_what_the_reader_reads(fetched):
    written(fetched, rows())
    stage.main()
    prepared = read_prepared(Path("data/prepared"))
    assert len(prepared) == 120
    assert prepared.summary["dataset"] == "mine"


def test_the_stage_writes_the_rejected_rows_before_it_stops(fetched):
    written(fetched, rows(1) + [{"text": "", "kind": "other"}] * 5)
    with pytest.raises(RejectedRowsError, match=r"data/prepared/rejected.csv"):
        stage.main()
    with Path("data/prepared/rejected.csv").open() as stream:
        assert [row["reason"] for row in csv.DictReader(stream)] == ["empty_text"] * 5
    assert not Path("data/prepared/tickets.parquet").exists()


def test_a_resolution_is_kept_and_masked(tmp_path):
    content = [row | {"fix": "wrote to jo@example.org"} for row in rows(1)]
    frame = run(tmp_path, content, {"resolution": "fix"}).prepared.frame
    assert set(frame["resolution"]) == {"wrote to [email]"}
    assert run(tmp_path, rows(1)).prepared.frame["resolution"].isna().all()


def test_feedback_joins_train_and_moves_no_ticket_of_the_data_set(tmp_path):
    before = run(tmp_path, rows()).prepared
    said = [
        make_row(n, target="kind", label=("hardware", "other")[n % 2], predicted="other")
        for n in range(20)
    ]
    tested = before.frame.loc[before.frame["split"] == "test", "text"].iloc[0]
    said.append(make_row(99, target="kind", label="other", predicted="other", text=tested))
    write_batches(tmp_path / "feedback", said)
    outcome = run(tmp_path, rows(), said=Said(FeedbackFiles(tmp_path / "feedback")))
    frame = outcome.prepared.frame
    assert frame.iloc[: len(before)].equals(before.frame)
    more = frame.iloc[len(before) :]
    assert set(more["split"]) == {"train"}
    assert set(more["fold"]) <= {0, 1}
    assert more["kind"].tolist() == [row.label for row in said[:20]]
    assert more["urgency"].isna().all()
    assert frame.dtypes.equals(before.frame.dtypes)
    assert outcome.prepared.summary["feedback"] == {"tickets": 20, "labels": 20}
    assert outcome.learned.facts["set_aside"] == {"near_test": 1}
    assert "20 of the train tickets come from feedback" in outcome.report


def test_a_revoked_batch_leaves_what_was_prepared_without_it(tmp_path):
    before = run(tmp_path, rows()).prepared.frame
    row = make_row(1, target="kind", label="other", predicted="other")
    (name,) = write_batches(tmp_path / "feedback", [row])
    files = FeedbackFiles(tmp_path / "feedback")
    assert len(run(tmp_path, rows(), said=Said(files)).prepared) == len(before) + 1
    files.revoke(name, "a test", "carol", NOON)
    assert run(tmp_path, rows(), said=Said(files)).prepared.frame.equals(before)


def test_tickets_like_golden_ones_are_learned_from_by_nothing(tmp_path):
    before = run(tmp_path, rows()).prepared.frame
    text = before.loc[before["split"] == "train", "text"].iloc[0]
    golden = [GoldenTicket(id="g", text=text, labels={"kind": "other"})]
    outcome = run(tmp_path, rows(), said=Said(FeedbackFiles(tmp_path / "none"), golden))
    frame = outcome.prepared.frame
    assert set(frame.loc[frame["text"] == text, "split"]) == {"unused"}
    assert outcome.prepared.summary["like_golden"] == 1
    assert "1 are like golden ones" in outcome.report
    assert (frame["split"] == before["split"]).sum() == len(frame) - 1
