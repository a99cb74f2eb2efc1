"""Our row stands only beside figures of the same test split."""

import pytest

from evaluation.league.published import make_tables, read_league

FIGURES = {
    "category": {
        "accuracy": 0.9,
        "macro_f1": 0.89,
        "ece": 0.01,
        "certified_automation": 0.7,
        "automatic_accuracy": 0.97,
    }
}


def test_every_published_row_names_its_source_and_a_figure() -> None:
    for entry in read_league().values():
        rows = [*entry.elsewhere, *(row for split in entry.splits.values() for row in split.rows)]
        for row in rows:
            assert row.source.count("/") == 1
            assert row.place
            assert row.accuracy or row.coverage


def test_the_class_table_of_the_first_peer_gives_the_figures_computed_from_it() -> None:
    # README of Lunalykaya/IT-Service-Ticket-Classification, section 6: recall, F1, support.
    table = [
        (0.86, 0.87, 2724),
        (0.90, 0.89, 2183),
        (0.93, 0.91, 1425),
        (0.84, 0.84, 1412),
        (0.91, 0.90, 555),
        (0.90, 0.91, 493),
        (0.88, 0.88, 424),
        (0.74, 0.78, 352),
    ]
    row = read_league()["it-service-tickets"].splits["luna"].rows[0]
    total = sum(support for _, _, support in table)
    assert total == 9568
    assert row.accuracy == pytest.approx(sum(r * n for r, _, n in table) / total, abs=5e-4)
    assert row.macro_f1 == pytest.approx(sum(f1 for _, f1, _ in table) / 8, abs=5e-4)


@pytest.mark.parametrize(("split", "n_test"), [("luna", 9568), ("phongisnoob", 4787)])
def test_our_row_joins_the_table_of_our_split_which_comes_first(split: str, n_test: int) -> None:
    tables = make_tables(read_league(), "it-service-tickets", split, n_test, FIGURES)
    assert [table.same_split for table in tables] == [True, False, False]
    assert [any(row.ours for row in table.rows) for table in tables] == [True, False, False]
    assert tables[0].rows[0].ours  # 0.9 is the highest accuracy


@pytest.mark.parametrize(("split", "n_test"), [(None, 9568), ("luna", 9000), ("other", 9568)])
def test_another_split_or_another_size_of_it_gives_us_no_row(
    split: str | None, n_test: int
) -> None:
    tables = make_tables(read_league(), "it-service-tickets", split, n_test, FIGURES)
    assert len(tables) == 3
    assert not any(row.ours for table in tables for row in table.rows)


def test_a_data_set_or_target_nobody_published_on_has_no_league() -> None:
    assert make_tables(read_league(), "sample", None, 10, FIGURES) == []
    assert make_tables(read_league(), "it-service-tickets", "luna", 9568, {"mood": {}}) == []


def test_rows_without_accuracy_come_last() -> None:
    tables = make_tables(read_league(), "it-service-tickets", None, 1, FIGURES)
    for table in tables:
        known = [row.accuracy for row in table.rows if row.accuracy is not None]
        assert known == sorted(known, reverse=True)
        assert all(row.accuracy is None for row in table.rows[len(known) :])
