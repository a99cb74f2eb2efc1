"""The page of a period: what stands on it, and that it needs nothing from elsewhere."""

import re
from contextlib import closing
from datetime import timedelta

import pytest

from data.sql import open_sql_store
from evaluation.period_page import render_page, tell_hours, tell_period, tell_share
from evaluation.period_report import PeriodReport, report_period
from tests.periods import DECEMBER, NEW, NOVEMBER, fill, two_months
from tests.stores import MemoryStore


@pytest.fixture(scope="module")
def november(tmp_path_factory: pytest.TempPathFactory) -> PeriodReport:
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}"
    with closing(open_sql_store(url)) as store:
        two_months(store)
        return report_period(
            store, NOVEMBER, DECEMBER, DECEMBER, minutes_per_ticket=3, promised={"category": 0.95}
        )


def words(page: str) -> str:
    """What a reader sees."""
    bare = re.sub(r"<(style|svg).*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", bare).split())


def test_the_first_screen_tells_what_a_manager_asks(november: PeriodReport) -> None:
    told = words(render_page(november))
    first = november.first
    assert first is not None
    head = told[: told.index("Automation over time")]
    assert "Ticket Assistant: November 2026" in head
    assert f"Of {november.tickets} tickets, {tell_share(first.automation)} needed nobody" in head
    assert f"About {tell_share(first.automatic_right.value)} of these went right" in head
    assert f"Hours saved {tell_hours(november.hours_saved)} at 3 minutes a ticket" in head
    assert f"from {first.automatic_right.rows} audited and judged; promised 95%" in head
    for line in (*november.changes[:6], *november.advice):
        assert line.replace("'", "&#39;") in head


def test_every_part_of_the_loop_has_its_place(november: PeriodReport) -> None:
    told = words(render_page(november))
    assert "changed: label some" in told
    assert f"{NEW} challenger 12 Nov 00:00 16 Nov 00:00: A new model answers better" in told
    assert "Held back now: 20261124-1. Revoked in this period: 20261117-1." in told
    assert "category: account" in told
    assert "agreed in" in told


def test_it_needs_nothing_from_elsewhere_and_holds_no_ticket(november: PeriodReport) -> None:
    page = render_page(november)
    assert page.count("<svg") == 2
    assert not re.search(r"""(src|href)=["'](?!#)|@import|url\((?!#)|<script""", page)
    assert "invented" not in page
    assert "nan" not in words(page).casefold().split()


@pytest.mark.parametrize("hours", [0, 3, 24 * 200])
def test_small_and_large_periods_make_sensible_pages(hours: int) -> None:
    store = MemoryStore()
    end = NOVEMBER + timedelta(hours=hours)
    if hours:
        gap = timedelta(minutes=55) if hours < 24 else timedelta(days=2)
        fill(store, NOVEMBER, end, right=1, seed=5, gap=gap, audit=0.5)
    until = max(DECEMBER, end)
    report = report_period(store, NOVEMBER, until, NOVEMBER, minutes_per_ticket=3)
    told = words(render_page(report))
    assert not {"nan", "none", "inf"} & set(told.casefold().replace(",", " ").split()) - {"none"}
    assert "The period goes on." in told
    assert ("No ticket was answered" if not hours else "Too few were checked") in told


def test_feedback_that_does_not_count_is_told_by_its_number(november: PeriodReport) -> None:
    assert "Not counted" not in words(render_page(november))
    quality = november.quality.model_copy(update={"left_out": 1_200})
    told = words(render_page(november.model_copy(update={"quality": quality})))
    assert "held back or was revoked: 1,200 answers of people." in told
    silent = quality.model_copy(update={"said": 0, "left_out": 1})
    told = words(render_page(november.model_copy(update={"quality": silent})))
    assert "Nobody said anything that counts of the tickets of this period." in told
    assert "was revoked: 1 answer of people." in told


def test_where_people_did_all_or_nothing_was_judged_it_says_so() -> None:
    store = MemoryStore()
    fill(store, NOVEMBER, NOVEMBER + timedelta(days=1), right=1, seed=5, share=0.0)
    report = report_period(store, NOVEMBER, DECEMBER, DECEMBER, minutes_per_ticket=3)
    told = words(render_page(report))
    assert f"People routed all {report.tickets} tickets." in told
    assert "there is nothing to draw" in told


@pytest.mark.parametrize(
    ("share", "told"),
    [(None, "unknown"), (0.0, "0%"), (0.5, "50%"), (0.123, "12.3%"), (1.0, "100%"),
     (0.9994, "99.94%"), (0.0004, "0.04%"), (0.999999, "100%"), (0.9996, "99.96%")],
)  # fmt: skip
def test_a_share_is_told_as_people_read_it(share: float | None, told: str) -> None:
    assert tell_share(share) == told


def test_a_period_is_called_by_its_month_or_its_ends(november: PeriodReport) -> None:
    def name(**changes: object) -> str:
        return tell_period(november.model_copy(update=changes))

    assert name() == "November 2026"
    assert name(until=NOVEMBER + timedelta(days=7)) == "01 Nov 2026 to 08 Nov 2026"
    assert name(since=NOVEMBER + timedelta(hours=9)) == "01 Nov 2026 09:00 to 01 Dec 2026"
    assert tell_hours(0.04) == "0.0" and tell_hours(1234.4) == "1,234"
