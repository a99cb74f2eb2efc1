from pathlib import Path

import pytest

from data.catalog import PREPARED_COLUMNS, read_catalog
from data.errors import CatalogError

SHA = "a" * 64
OWN = "path: t.csv\n  text: body\n  targets: {queue: department}\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "catalog.yaml"
    path.write_text(text, "utf-8")
    return path


def one(tmp_path: Path, entry: str):
    return read_catalog(written(tmp_path, f"mine:\n  {entry}"))["mine"]


@pytest.fixture(scope="module")
def shipped():
    return read_catalog(Path(__file__).parents[2] / "data/catalog.yaml")


def test_the_shipped_catalog_states_where_each_data_set_comes_from(shipped):
    assert shipped.names[:2] == ("sample", "it-service-tickets")
    for name in shipped.names:
        dataset = shipped[name]
        assert dataset.licence != "not stated"
        assert dataset.citation and dataset.origin
        assert bool(dataset.files) != bool(dataset.path)


def test_names_of_files_are_unique_within_each_data_set(shipped):
    for name in shipped.names:
        files = shipped[name].files
        assert len({file.name for file in files}) == len(files)


def test_the_default_data_set_has_two_published_splits(shipped):
    tickets = shipped["it-service-tickets"]
    assert tickets.targets == {"category": "Topic_group"}
    assert tickets.find_split("default") == "luna"
    assert tickets.find_split("phongisnoob") == "phongisnoob"
    assert tickets.find_split("none") is None
    with pytest.raises(CatalogError, match="known: default, none, luna, phongisnoob"):
        tickets.find_split("other")


def test_a_data_set_without_columns_can_be_fetched_but_not_trained_on(shipped):
    shipped["it-service-tickets"].require_table()
    with pytest.raises(CatalogError, match="wnut17 has no column mapping"):
        shipped["wnut17"].require_table()


def test_an_unknown_data_set_is_answered_with_the_nearest_name(shipped):
    with pytest.raises(CatalogError, match="no data set 'it-service-ticket'; did you mean it-serv"):
        shipped["it-service-ticket"]


def test_one_entry_of_five_lines_is_enough_for_own_tickets(tmp_path):
    mine = one(tmp_path, OWN)
    assert (mine.tables, mine.text, mine.splits) == (("t.csv",), ("body",), ())
    assert mine.find_split("default") is None


def test_a_two_letter_language_speaks_for_all_tickets_and_a_longer_one_is_a_column(tmp_path):
    assert one(tmp_path, OWN + "  language: en").language == "en"
    assert one(tmp_path, OWN + "  language: lang").language.column == "lang"
    assert one(tmp_path, OWN + "  language: {column: en}").language.column == "en"


def test_a_split_column_counts_as_published(tmp_path):
    mine = one(tmp_path, OWN + "  split: part")
    assert mine.find_split("default") == "column"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("path: t.csv\n  txet: body", "mine.txet: unknown key"),
        ("title: x", "mine: needs files .* or path"),
        ("path: t.csv\n  text: body", "text and targets are needed together"),
        (OWN + "  labels: {other: [a]}", "labels.other: no such target"),
        (OWN + "  split_by: time", "needs the time column"),
        (OWN + "  default_split: x", "no published split 'x'"),
        (OWN + "  split: a\n  published: {p: {test: {file: t.csv}}}", "exclude each other"),
        (OWN + "  published: {p: {tset: {file: t.csv}}}", r"mine.published.p.tset.\[key\]"),
        (OWN + "  published: {p: {test: {file: f, sha256_of: a}}}", "exactly one column"),
        (OWN + "  encoding: utf-9", "Python knows no encoding 'utf-9'"),
        (OWN + "  separator: ';;'", "mine.separator: "),
        (OWN + "  text: again", "the key 'text' is given twice"),
        (
            "files: [{path: ../x, url: 'http://x', bytes: 1, sha256: " + SHA + "}]",
            "below the mirror",
        ),
        ("files: [{path: x, url: 'ftp://x', bytes: 1, sha256: " + SHA + "}]", r"files.0.url"),
        ("files: [{path: x, url: 'http://x', bytes: 1, sha256: abc}]", r"files.0.sha256"),
        (
            "files: [{path: x, url: 'http://x', bytes: 1, sha256: " + SHA + "}]\n"
            "  text: a\n  targets: {b: c}",
            "read must say",
        ),
    ],
)
def test_a_faulty_entry_is_refused_with_entry_and_key(tmp_path, entry, message):
    with pytest.raises(CatalogError, match=message):
        one(tmp_path, entry)


@pytest.mark.parametrize("column", PREPARED_COLUMNS)
def test_a_target_may_not_take_the_name_of_a_prepared_column(tmp_path, column):
    entry = f"path: t.csv\n  text: {column}\n  targets: {{{column}: {column}}}"
    with pytest.raises(CatalogError, match=f"targets.{column}: that name .* ticket_{column}"):
        one(tmp_path, entry)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a list", "expected a mapping"),
        ("mine: 3", "mine: expected a mapping"),
        ("mine: [", "not valid YAML"),
        ("Mine:\n  path: x", "Mine.name"),
    ],
)
def test_a_file_that_is_no_catalog_is_refused(tmp_path, text, message):
    with pytest.raises(CatalogError, match=message):
        read_catalog(written(tmp_path, text))


def test_a_missing_catalog_says_where_to_run(tmp_path):
    with pytest.raises(CatalogError, match="run from the root"):
        read_catalog(tmp_path / "none.yaml")
