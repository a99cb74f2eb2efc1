import hashlib
from pathlib import Path

import httpx
import pytest

from data.catalog import Catalog, Dataset
from data.errors import CatalogError, FetchError
from data.fetching import Places, read_source
from pipelines import fetch as stage
from pipelines.fetch import fetch
from pipelines.params import FetchParams

TABLE = b"text,label\nhello there,a\n"


def offline(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("offline")


OFFLINE = httpx.Client(transport=httpx.MockTransport(offline))


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "sample.csv").write_bytes(TABLE)
    raw = tmp_path / "data/raw"
    return Places(tmp_path, raw / "dataset", raw / "downloads", attempts=1)


@pytest.fixture
def catalog() -> Catalog:
    digest = hashlib.sha256(TABLE).hexdigest()
    remote = {"path": "t.csv", "url": "https://example.org/t.csv", "bytes": len(TABLE)}
    own = {"path": "sample.csv", "text": "text", "targets": {"kind": "label"}}
    return Catalog(
        {
            "remote": Dataset(name="remote", files=[remote | {"sha256": digest}]),
            "sample": Dataset(name="sample", **own),
            "mine": Dataset(name="mine", **own | {"path": "none.csv"}),
        }
    )


def test_where_nothing_answers_the_sample_stands_in_and_says_so(catalog, places, caplog):
    record = fetch("remote", catalog, FetchParams(fallback="sample"), places, OFFLINE)
    assert (record["dataset"], record["requested"]) == ("sample", "remote")
    assert record["fallback"] is True
    assert read_source(places.folder) == record
    assert "remote could not be fetched" in caplog.text
    assert "SAMPLE" in caplog.text


def test_without_fallback_the_failure_is_the_answer(catalog, places):
    with pytest.raises(FetchError, match=r"example.org/t.csv: ConnectError"):
        fetch("remote", catalog, FetchParams(fallback="none"), places, OFFLINE)
    assert not places.folder.exists()


def test_the_sample_chosen_on_purpose_is_no_fallback(catalog, places, caplog):
    record = fetch("sample", catalog, FetchParams(), places, OFFLINE)
    assert record["fallback"] is False
    assert "SAMPLE" not in caplog.text


def test_a_missing_file_of_ones_own_is_an_error_and_no_case_for_the_sample(catalog, places):
    with pytest.raises(CatalogError, match=r"mine.path: no file"):
        fetch("mine", catalog, FetchParams(fallback="sample"), places, OFFLINE)


def test_the_stage_reads_params_and_catalog_and_writes_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TICKETS_TRACKING", "off")
    monkeypatch.setenv("TICKETS_MIRROR", "")
    (tmp_path / "data").mkdir()
    (tmp_path / "params.yaml").write_text("dataset: mine\nseed: 1\n")
    (tmp_path / "t.csv").write_bytes(TABLE)
    (tmp_path / "data/catalog.yaml").write_text(
        "mine:\n  path: t.csv\n  text: text\n  targets: {kind: label}\n"
    )
    stage.main()
    assert read_source(Path("data/raw/dataset"))["sources"] == {"t.csv": "local"}
    assert Path("data/raw/dataset/t.csv").read_bytes() == TABLE
