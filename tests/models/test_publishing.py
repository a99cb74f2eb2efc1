"""A store holds whole bundles and one file that says who answers."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest

from data.errors import BundleError
from models.assistant import TicketAssistant
from models.bundle import load, verify
from models.deployment import Arm, Challenger, Deployment, parse_deployment
from models.publishing import BundleStore, FolderStore, UrlStore, open_store

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(params=["folder", "file url", "memory url"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BundleStore]:
    if request.param == "folder":
        yield open_store(tmp_path / "store")
    elif request.param == "file url":
        yield open_store((tmp_path / "store").as_uri())
    else:
        name = uuid4().hex
        yield open_store(f"memory://{name}")
        fsspec.filesystem("memory").rm(f"/{name}", recursive=True)


def deployment(version: str) -> Deployment:
    return Deployment(champion=Arm(version=version), published_at=NOW)


def test_a_published_bundle_loads_from_the_store(
    store: BundleStore, sealed: Path, tmp_path: Path, keywords: Callable[[Path], TicketAssistant]
) -> None:
    version = verify(sealed).version
    assert not store.holds(version)
    assert store.add(sealed) is True
    assert store.holds(version)
    folder = store.find(version, tmp_path / "cache")
    assert folder is not None
    assert load(folder, keywords)[0] == verify(sealed)


def test_publishing_twice_does_nothing(store: BundleStore, sealed: Path) -> None:
    store.add(sealed)
    assert store.add(sealed) is False


def test_what_does_not_verify_is_not_published(store: BundleStore, sealed: Path) -> None:
    version = verify(sealed).version
    (sealed / "README.md").write_text("altered")
    with pytest.raises(BundleError):
        store.add(sealed)
    store.deploy(deployment(version))
    assert not store.holds(version)


def test_a_store_without_deployment_names_nobody(store: BundleStore) -> None:
    assert store.find_deployment() is None
    store.deploy(deployment("invented-00000000"))


def test_the_last_deployment_counts(store: BundleStore) -> None:
    store.deploy(deployment("invented-00000000"))
    store.deploy(deployment("invented-11111111"))
    assert store.find_deployment() == deployment("invented-11111111")


def test_a_bundle_that_was_never_published_is_not_found(store: BundleStore, tmp_path: Path) -> None:
    store.deploy(deployment("invented-00000000"))
    assert store.find("invented-00000000", tmp_path / "cache") is None


@pytest.mark.parametrize("version", ["../../etc", "/etc", "", "invented", "a/b-00000000"])
def test_a_version_cannot_lead_out_of_the_store(
    store: BundleStore, version: str, tmp_path: Path
) -> None:
    store.deploy(deployment("invented-00000000"))
    with pytest.raises(BundleError, match="is not the version of a bundle"):
        store.find(version, tmp_path / "cache")


def test_a_broken_published_copy_is_replaced(tmp_path: Path, sealed: Path) -> None:
    store = FolderStore(tmp_path / "store")
    store.add(sealed)
    version = verify(sealed).version
    (tmp_path / "store" / version / "README.md").unlink()
    assert store.add(sealed) is True
    verify(tmp_path / "store" / version)
    assert [path.name for path in (tmp_path / "store").iterdir()] == [version]


@pytest.fixture
def remote() -> Iterator[UrlStore]:
    root = f"/{uuid4().hex}"
    files = fsspec.filesystem("memory")
    yield UrlStore(files, root)
    if files.exists(root):
        files.rm(root, recursive=True)


def test_a_bundle_half_uploaded_does_not_exist_yet(
    remote: UrlStore, sealed: Path, tmp_path: Path
) -> None:
    remote.add(sealed)
    version = verify(sealed).version
    remote.files.rm(f"{remote.root}/{version}/manifest.json")
    assert not remote.holds(version)
    assert remote.find(version, tmp_path / "cache") is None
    assert remote.add(sealed) is True


def test_a_bundle_that_lost_a_file_in_the_store_is_refused(
    remote: UrlStore, sealed: Path, tmp_path: Path
) -> None:
    remote.add(sealed)
    version = verify(sealed).version
    remote.files.rm(f"{remote.root}/{version}/README.md")
    with pytest.raises(BundleError, match="is incomplete in the bundle store"):
        remote.find(version, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_a_bundle_is_downloaded_once(remote: UrlStore, sealed: Path, tmp_path: Path) -> None:
    remote.add(sealed)
    version = verify(sealed).version
    first = remote.find(version, tmp_path / "cache")
    remote.files.rm(f"{remote.root}/{version}/README.md")
    assert remote.find(version, tmp_path / "cache") == first


def test_a_spoilt_download_is_repeated(remote: UrlStore, sealed: Path, tmp_path: Path) -> None:
    remote.add(sealed)
    version = verify(sealed).version
    folder = remote.find(version, tmp_path / "cache")
    assert folder
    (folder / "README.md").write_text("spoilt")
    assert remote.find(version, tmp_path / "cache") == folder
    verify(folder)


def test_the_environment_names_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TICKETS_BUNDLE_STORE", raising=False)
    default = open_store()
    assert isinstance(default, FolderStore)
    assert default.root == tmp_path / "models" / "published"
    monkeypatch.setenv("TICKETS_BUNDLE_STORE", "memory://elsewhere")
    assert isinstance(open_store(), UrlStore)


def test_a_deployment_keeps_its_form() -> None:
    whole = Deployment(
        champion=Arm(version="a-00000000"),
        challenger=Challenger(version="b-11111111", share=0.1),
        shadows=(Arm(version="c-22222222"), Arm(version="a-00000000")),
        published_at=NOW,
    )
    assert parse_deployment(whole.to_json().encode()) == whole
    assert whole.versions == ("a-00000000", "b-11111111", "c-22222222")
    minimal = b'{"format": 1, "champion": null, "published_at": "2026-11-23T12:00:00Z"}'
    assert parse_deployment(minimal).versions == ()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "is not JSON"),
        (b'{"format": 2, "arms": []}', "has format 2, this program reads 1: update the program"),
        (b"[]", "is malformed"),
        (b'{"format": 1}', "is malformed: champion: Field required"),
        (
            b'{"format": 1, "champion": {"version": "../x"}, "published_at": "2026-11-23T12:00Z"}',
            "is malformed: champion.version",
        ),
    ],
)
def test_a_deployment_that_cannot_be_read_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(BundleError, match=reason):
        parse_deployment(content)
