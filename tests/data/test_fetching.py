import hashlib
import json
import zipfile
from pathlib import Path

import httpx
import pytest

from data.catalog import Dataset
from data.errors import CatalogError, DataError, FetchError
from data.fetching import Places, fetch_dataset, find_mirror, read_source

TABLE = b"text,label\nhello,a\n"


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def file(path: str, content: bytes, **more) -> dict:
    url = f"https://example.org/{path}"
    return {"path": path, "url": url, "bytes": len(content), "sha256": sha(content), **more}


def offline(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("offline")


def client_of(content: dict[str, bytes]) -> httpx.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=content[request.url.path.lstrip("/")])

    return httpx.Client(transport=httpx.MockTransport(answer))


OFFLINE = httpx.Client(transport=httpx.MockTransport(offline))


@pytest.fixture
def places(tmp_path: Path) -> Places:
    mirror = tmp_path / "mirror"
    (mirror / "set").mkdir(parents=True)
    (mirror / "set/t.csv").write_bytes(TABLE)
    raw = tmp_path / "root/raw"
    return Places(tmp_path / "root", raw / "dataset", raw / "downloads", mirror, attempts=1)


PUBLISHED = Dataset(name="set", files=[file("set/t.csv", TABLE)])


def test_the_mirror_is_asked_first(places):
    record = fetch_dataset(PUBLISHED, places, OFFLINE)
    assert record == {
        "dataset": "set",
        "fallback": False,
        "sources": {"t.csv": "mirror"},
        "files": {"t.csv": {"bytes": len(TABLE), "sha256": sha(TABLE)}},
    }
    assert (places.folder / "t.csv").read_bytes() == TABLE
    assert read_source(places.folder) == record


def test_an_altered_mirror_is_passed_over_for_the_origin(places, caplog):
    (places.mirror / "set/t.csv").write_bytes(b"altered")
    record = fetch_dataset(PUBLISHED, places, client_of({"set/t.csv": TABLE}))
    assert record["sources"] == {"t.csv": "origin"}
    assert "set/t.csv: 7 bytes, expected 19" in caplog.text


def test_what_came_from_the_origin_is_not_asked_for_again(places):
    without = Places(places.root, places.folder, places.downloads, attempts=1)
    fetch_dataset(PUBLISHED, without, client_of({"set/t.csv": TABLE}))
    (places.folder / "t.csv").unlink()  # as DVC does before a stage runs
    assert fetch_dataset(PUBLISHED, without, OFFLINE)["sources"] == {"t.csv": "origin"}


def test_a_file_that_is_there_and_right_is_kept(places):
    fetch_dataset(PUBLISHED, places, OFFLINE)
    alone = Places(places.root, places.folder, places.downloads, attempts=1)
    assert fetch_dataset(PUBLISHED, alone, OFFLINE)["sources"] == {"t.csv": "mirror"}
    (places.folder / "t.csv").write_bytes(b"altered")
    with pytest.raises(FetchError, match="ConnectError"):
        fetch_dataset(PUBLISHED, alone, OFFLINE)
    assert (places.folder / "t.csv").read_bytes() == b"altered"  # a failure changes nothing


def test_archives_are_unpacked_and_files_of_another_data_set_go(places):
    archive = places.mirror / "set/x.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("inner.csv", TABLE)
    unpacked = file("set/x.zip", archive.read_bytes(), unpack={"inner.csv": sha(TABLE)})
    fetch_dataset(PUBLISHED, places, OFFLINE)
    record = fetch_dataset(Dataset(name="zipped", files=[unpacked]), places, OFFLINE)
    assert record["sources"] == {"inner.csv": "mirror"}
    assert sorted(path.name for path in places.folder.iterdir()) == ["inner.csv", "source.json"]


def test_own_files_are_local_and_the_sample_says_that_it_is_one(places, tmp_path):
    (places.root / "t.csv").parent.mkdir(exist_ok=True)
    (places.root / "t.csv").write_bytes(TABLE)
    own = {"path": "t.csv", "text": "text", "targets": {"kind": "label"}}
    mine = Dataset(name="mine", **own)
    assert fetch_dataset(mine, places, OFFLINE)["sources"] == {"t.csv": "local"}
    sample = Dataset(name="sample", **own)
    record = fetch_dataset(sample, places, OFFLINE, fallback_for="set")
    assert record["sources"] == {"t.csv": "sample"}
    assert (record["fallback"], record["requested"]) == (True, "set")


def test_a_missing_file_of_ones_own_is_named(places):
    with pytest.raises(CatalogError, match=r"mine.path: no file .*none.csv"):
        fetch_dataset(Dataset(name="mine", path="none.csv"), places, OFFLINE)


def test_two_own_files_of_one_name_are_refused(places):
    for folder in ("a", "b"):
        (places.root / folder).mkdir(parents=True)
        (places.root / folder / "t.csv").write_bytes(TABLE)
    with pytest.raises(CatalogError, match=r"two files are called t.csv"):
        fetch_dataset(Dataset(name="mine", path=["a/t.csv", "b/t.csv"]), places, OFFLINE)


def test_the_mirror_is_what_the_variable_names_else_a_folder_beside_the_root(tmp_path):
    root = tmp_path / "root"
    assert find_mirror(root, {}) is None
    (tmp_path / "shared/data").mkdir(parents=True)
    root.mkdir()
    assert find_mirror(root, {}).resolve() == (tmp_path / "shared/data").resolve()
    assert find_mirror(root, {"TICKETS_MIRROR": str(root)}) == root
    with pytest.raises(FetchError, match="TICKETS_MIRROR=/none is not a folder"):
        find_mirror(root, {"TICKETS_MIRROR": "/none"})


def test_a_folder_that_was_not_fetched_says_what_to_run(tmp_path):
    with pytest.raises(DataError, match=r"pipelines\.fetch"):
        read_source(tmp_path)
    (tmp_path / "source.json").write_text("{")
    with pytest.raises(DataError, match=r"pipelines\.fetch"):
        read_source(tmp_path)
    (tmp_path / "source.json").write_text(json.dumps({"dataset": "x"}))
    assert read_source(tmp_path)["dataset"] == "x"
