"""A period counted and told: figures against their rows, sentences against the facts."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest

from data.sql import open_sql_store
from data.store import Query, Store
from evaluation.live import estimate
from evaluation.period_advice import FEW, NOTHING_TO_DO, advise, tell_changes
from evaluation.period_counts import count_period, week_of
from evaluation.period_events import MOST, find_spells, read_events
from evaluation.period_report import PeriodReport, report_period
from tests.periods import DECEMBER, NEW, NOVEMBER, OCTOBER, OLD, fill, log, two_months
from tests.stores import MemoryStore, make_feedback, make_prediction

DAY = timedelta(days=1)


def make(store: Store, since: datetime, until: datetime, **facts: object) -> PeriodReport:
    return report_period(store, since, until, until, **({"minutes_per_ticket": 3} | facts))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = open_sql_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}")
    two_months(store)
    yield store
    store.close()


@pytest.fixture(scope="module")
def november(store: Store) -> PeriodReport:
    return make(store, NOVEMBER, DECEMBER, promised={"category": 0.95})


def test_figures_are_those_of_the_rows(store: Store, november: PeriodReport) -> None:
    rows = list(store.stream(Query(since=NOVEMBER, until=DECEMBER)))
    category = [row.stored.prediction.targets["category"] for row in rows]
    automatic = [row for row, one in zip(rows, category, strict=True) if one.decision == "auto"]
    first = november.first
    assert first is not None
    assert (november.tickets, first.tickets) == (len(rows), len(rows))
    assert first.automatic == len(automatic)
    assert first.looked_at == sum(bool(row.feedback) for row in automatic)
    unseen = len(automatic) - first.looked_at
    assert november.hours_saved == pytest.approx(unseen * 3 / 60)
    judged = [row for row in automatic if row.stored.audit and row.feedback]
    right = [float(row.feedback[0].verdict == "confirm") for row in judged]
    expected = estimate(right, [row.stored.audit_propensity for row in judged])
    assert first.automatic_right.rows == len(judged)
    assert first.automatic_right.value == pytest.approx(expected.value)
    assert first.automatic_right.low == pytest.approx(expected.low)
    assert november.champion == NEW and set(november.bundles) == {OLD, NEW}
    assert november.targets["severity"].right.value is None


def test_parts_add_up_and_begin_inside_the_period(november: PeriodReport) -> None:
    first = november.first
    assert first is not None
    for parts in (first.fine, first.coarse):
        assert sum(part.tickets for part in parts) == first.tickets
        assert sum(part.automatic for part in parts) == first.automatic
        assert sum(part.right.rows for part in parts if part.right) == first.automatic_right.rows
    assert len(first.fine) == 30
    assert [part.begin for part in first.coarse][:2] == [date(2026, 11, 1), date(2026, 11, 2)]


def test_a_year_is_told_by_weeks_and_four_weeks() -> None:
    store = MemoryStore()
    fill(store, OCTOBER, OCTOBER + 200 * DAY, right=0.9, seed=4, gap=timedelta(days=1))
    first = make(store, OCTOBER, OCTOBER + 200 * DAY).first
    assert first is not None
    begins = [part.begin for part in first.coarse]
    assert begins[0] == OCTOBER.date()
    assert begins[1] == week_of(OCTOBER.date()) + timedelta(days=28)
    assert {(b - a).days for a, b in pairwise(begins[1:])} == {28}
    assert sum(part.tickets for part in first.coarse) == first.tickets == 200


def test_what_nobody_was_told_and_whom_the_caller_named_is_no_evidence() -> None:
    store = MemoryStore()
    store.add_predictions(
        [
            make_prediction(1, audit=True),
            make_prediction(2, audit=True, arm="shadow", beside=f"{1:032x}"),
            make_prediction(3, audit=True, explicit=True),
        ]
    )
    store.add_feedback([make_feedback(f"k{number}", number) for number in (1, 2, 3)])
    counts = count_period(store.stream(Query()))
    assert counts.tickets == 2
    assert counts.targets["category"].audited == counts.targets["category"].answered == 1


def test_agreement_and_proposals_are_counted() -> None:
    store = MemoryStore()
    store.know_bundle("bundle-1", {"category": ("network", "printer")})
    store.add_predictions([make_prediction(number) for number in (1, 2, 3)])
    store.add_feedback(
        [
            make_feedback("a", 1, author="ann"),
            make_feedback("b", 1, author="ben"),
            make_feedback("c", 2, author="ann"),
            make_feedback("d", 2, author="ben", verdict="correct", label="printer"),
            make_feedback("e", 3, verdict="correct", label="moon"),
        ]
    )
    report = make(store, NOVEMBER, DECEMBER)
    quality = report.quality
    assert (quality.said, quality.authors, quality.several, quality.agreed) == (5, 3, 2, 1)
    assert quality.proposals == {"category: moon": 1}
    assert any("1 label that no model knows" in line for line in report.advice)


def test_feedback_that_may_not_count_is_left_out_and_told() -> None:
    store = MemoryStore()
    store.know_bundle("bundle-1", {"category": ("network", "printer")})
    store.add_predictions([make_prediction(number, audit=True) for number in (1, 2, 3)])
    store.add_feedback(
        [
            make_feedback("a", 1, author="ann"),
            make_feedback("b", 1, author="mallory", verdict="correct", label="moon"),
            make_feedback("c", 2, author="mallory", verdict="correct", label="printer"),
        ]
    )

    def tell(**facts: object) -> PeriodReport:
        return make(store, NOVEMBER, DECEMBER, **facts)

    every, doubted = tell(), tell(believed=lambda said: said.author != "mallory")
    assert every.quality.left_out == 0
    assert (doubted.quality.said, doubted.quality.left_out) == (1, 2)
    assert (doubted.quality.authors, doubted.quality.several) == (1, 0)
    assert (every.quality.proposals, doubted.quality.proposals) == ({"category: moon": 1}, {})
    shares = [
        (report.targets["category"].answered, report.targets["category"].right.value)
        for report in (every, doubted)
    ]
    assert shares == [(2, pytest.approx(0)), (1, pytest.approx(1))]
    assert doubted.targets["category"].looked_at == 1


def test_what_changed_and_what_to_do_are_told(november: PeriodReport) -> None:
    changes, advice = "\n".join(november.changes), "\n".join(november.advice)
    assert "More routed without a person" in changes
    assert f"16 Nov: A new model answers: {NEW} (the verdict was better)." in changes
    assert "Feedback was revoked: 20261117-1 (a script went wrong)." in changes
    assert advice.startswith("category: account goes to people since 21 Nov")
    assert "mail" not in advice, "what the former champion lost went with it"
    assert "python -m pipelines.experiment stop 20261122-cccc" in advice
    assert "show 20261124-1" in advice
    assert "20261117-1" not in advice, "what was revoked waits no more"


def test_the_events_of_a_period_are_told(november: PeriodReport) -> None:
    events = november.events
    assert [(one.action, one.looks) for one in events.drift] == [
        ("nothing", 9), ("relabel", 3), ("nothing", 16),
    ]  # fmt: skip
    first, second = events.trials
    assert (first.version, first.end, first.outcome) == (NEW, "A new model answers", "better")
    assert (second.ended, second.outcome) == (None, "worse")
    assert events.waiting == ("20261124-1",)
    assert events.watched == 28
    assert events.cut == ()
    told = [one.told for one in events.happenings]
    assert "The gate let a model pass" in told and "A retrain ended: challenger" in told
    assert [one.at for one in events.happenings] == sorted(one.at for one in events.happenings)


def test_only_lines_of_the_period_are_read(store: Store) -> None:
    before = read_events(store, OCTOBER, NOVEMBER)
    assert (before.happenings, before.trials, before.withheld) == ((), (), ())
    after = read_events(store, DECEMBER, DECEMBER + DAY)
    assert after.happenings == ()
    assert [one.version for one in after.trials] == ["20261122-cccc"], "it runs still"
    assert after.waiting == ("20261124-1",)


def test_an_experiment_that_was_begun_again_counts_from_then() -> None:
    store = MemoryStore()
    for number, kind in enumerate(("started", "stopped", "started", "started")):
        log(store, NOVEMBER + number * DAY, f"experiment.{kind}", NEW, "because")
    (trial,) = read_events(store, NOVEMBER, DECEMBER).trials
    assert (trial.started, trial.ended, trial.outcome) == (NOVEMBER + 2 * DAY, None, None)


def test_a_rollback_is_told_by_who_answers_again_and_ends_what_ran_as_its_trial() -> None:
    store = MemoryStore()
    fill(store, NOVEMBER, NOVEMBER + DAY, right=1, seed=10)
    log(store, NOVEMBER, "experiment.started", OLD, "as a shadow", part="shadow")
    log(store, NOVEMBER + DAY, "rollback", OLD, "asked for by anna", former=NEW, published="x")
    report = make(store, NOVEMBER, DECEMBER)
    line = f"02 Nov: The former model answers again: {OLD} (asked for by anna)."
    assert line in report.changes
    (trial,) = report.events.trials
    assert (trial.version, trial.end) == (OLD, "The former model answers again")


def test_a_restored_class_and_released_feedback_are_over() -> None:
    store = MemoryStore()
    for number, kind in enumerate(("withheld", "restored")):
        log(store, NOVEMBER + number * DAY, f"certificate.{kind}", OLD, "why",
            target="category", label="mail")  # fmt: skip
    for number, kind in enumerate(("quarantined", "released")):
        log(store, NOVEMBER + number * DAY, f"feedback.{kind}", "batch", "why")
    log(store, NOVEMBER, "certificate.withheld", OLD, "of another version of the program")
    events = read_events(store, NOVEMBER, DECEMBER)
    assert (events.withheld, events.waiting) == ((), ())


def test_what_another_version_wrote_is_passed_over() -> None:
    store = MemoryStore()
    log(
        store, NOVEMBER, "drift.checked", OLD, action="nothing", enough=False, checks=[], effects={}
    )
    log(store, NOVEMBER, "drift.checked", OLD, action="unheard of")
    log(store, NOVEMBER, "gate.decided", OLD, "no", passed=False)
    store.log(store.lines[0].model_copy(update={"action": "rollback", "detail": {"reasons": 7}}))
    assert list(find_spells(store.events(10, "drift.checked"))) == []
    events = read_events(store, NOVEMBER, DECEMBER)
    assert {one.told for one in events.happenings} == {
        "The gate refused a model", "The former model answers again",
    }  # fmt: skip


def test_lines_that_were_not_read_are_confessed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST >= 366 * 24, "a year of hourly looks"
    monkeypatch.setattr("evaluation.period_events.MOST", 3)
    store = MemoryStore()
    for number in range(5):
        log(store, NOVEMBER + number * DAY, "live.checked", OLD)
    assert read_events(store, NOVEMBER, DECEMBER).cut == ("live.checked",)
    assert read_events(store, NOVEMBER + 3 * DAY, DECEMBER).cut == ()


def test_an_empty_period_says_so() -> None:
    report = make(MemoryStore(), NOVEMBER, DECEMBER)
    assert (report.first, report.hours_saved, report.tickets) == (None, 0, 0)
    assert report.advice == (
        "No ticket came: if that is not meant, look whether the service is asked.",
    )
    assert PeriodReport.model_validate_json(report.to_json()) == report


def test_a_period_that_is_none_or_a_target_nobody_answered_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="ends after it begins"):
        make(store, NOVEMBER, NOVEMBER)
    with pytest.raises(ValueError, match="'mood' was not answered; answered: category, severity"):
        make(store, NOVEMBER, DECEMBER, target="mood")
    assert make(store, NOVEMBER, DECEMBER, target="severity").target == "severity"


@pytest.fixture
def quiet() -> Iterator[MemoryStore]:
    store = MemoryStore()
    fill(store, NOVEMBER, NOVEMBER + 9 * DAY, right=1, seed=6, audit=0.6)
    log(store, NOVEMBER + DAY, "live.checked", OLD)
    return store


def test_where_all_is_well_nothing_is_to_be_done(quiet: MemoryStore) -> None:
    report = make(quiet, NOVEMBER, NOVEMBER + 9 * DAY)
    assert report.first is not None and report.first.automatic_right.rows >= FEW
    assert report.advice == (NOTHING_TO_DO,)
    log(quiet, NOVEMBER, "experiment.started", NEW, "why")
    log(quiet, NOVEMBER, "experiment.verdict", NEW, "few answers", outcome="too early")
    assert make(quiet, NOVEMBER, NOVEMBER + 9 * DAY).advice == (NOTHING_TO_DO,)
    assert report.changes == ("There are no tickets of the time before to compare with.",)


def test_silence_few_audits_and_failures_are_told(quiet: MemoryStore) -> None:
    begin = NOVEMBER + 8 * DAY
    few = make(quiet, begin, begin + DAY)
    assert any(line.startswith("Audit more") for line in few.advice)
    assert any("Nobody watched" in line for line in few.advice)
    fill(quiet, begin + DAY, begin + 3 * DAY, right=1, seed=7)
    quiet.feedback.clear()
    log(quiet, begin + DAY, "retrain.finished", NEW, "the gate refused it", outcome="refused")
    log(quiet, begin + DAY, "drift.checked", OLD, action="retrain", enough=True, checks=[],
        effects={})  # fmt: skip
    log(quiet, begin + DAY, "experiment.started", NEW, "why")
    log(quiet, begin + DAY, "experiment.verdict", NEW, "why", outcome="better")
    told = "\n".join(make(quiet, begin + DAY, begin + 3 * DAY).advice)
    assert "Answer the audit queue" in told
    assert "The last retrain brought no new model: the gate refused it" in told
    assert "retrain now" in told
    assert f"experiment promote {NEW}" in told


def test_better_and_worse_are_told_where_intervals_are_apart() -> None:
    good, bad = MemoryStore(), MemoryStore()
    days, gap = 6 * DAY, timedelta(hours=1)
    for store, before, now in ((good, 0.5, 1.0), (bad, 1.0, 0.5)):
        fill(store, NOVEMBER, NOVEMBER + days, right=before, seed=8, audit=1, gap=gap)
        fill(
            store,
            NOVEMBER + days,
            NOVEMBER + 2 * days,
            right=now,
            seed=9,
            audit=1,
            gap=gap,
            share=0.5,
        )
    reports = [make(s, NOVEMBER + days, NOVEMBER + 2 * days) for s in (good, bad)]
    for report, word in zip(reports, ("better", "worse"), strict=True):
        assert any(f"became {word}" in line for line in report.changes)
        assert any(line.startswith("Fewer routed") for line in report.changes)
    first = reports[0].first
    assert first is not None
    events = read_events(MemoryStore(), NOVEMBER, DECEMBER)
    assert tell_changes(first, first, events) == ("Nothing that was shown to be more than chance.",)
    twice = first.model_copy(update={"tickets": 2 * first.tickets})
    assert tell_changes(twice, first, events)[0].startswith("More tickets")
    assert tell_changes(first, twice, events)[0].startswith("Fewer tickets")
    assert advise(None, reports[0].quality, events)[0].startswith("No ticket came")
