"""A store holds whole bundles and one file that says who answers."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest

from data.errors import BundleError
from models.assistant import TicketAssistant
from models.bundle import load, verify
from models.deployment import Arm, Deployment
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


def test_the_last_decision_about_a_version_is_kept_beside_the_bundles(store: BundleStore) -> None:
    assert store.find_decision("invented-00000000") is None
    store.keep_decision("invented-00000000", '{"passed": false}')
    store.keep_decision("invented-00000000", '{"passed": true, "why": "größer"}')
    assert store.find_decision("invented-00000000") == '{"passed": true, "why": "größer"}'
    assert store.find_decision("invented-11111111") is None
    with pytest.raises(BundleError, match="is not the version of a bundle"):
        store.find_decision("../deployment")


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


def test_every_deployment_that_was_replaced_is_in_the_history(store: BundleStore) -> None:
    assert store.history() == []
    versions = [f"invented-{digit * 8}" for digit in "012"]
    moments = [NOW, NOW + timedelta(microseconds=1), NOW + timedelta(seconds=1)]
    for version, moment in zip(versions, moments, strict=True):
        store.deploy(Deployment(champion=Arm(version=version), published_at=moment))
    assert [one.versions for one in store.history()] == [(versions[0],), (versions[1],)]
    found = store.find_deployment()
    assert found
    assert found.versions == (versions[2],)


def test_the_history_leaves_out_what_it_cannot_read(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.deploy(deployment("invented-00000000"))
    store.deploy(deployment("invented-11111111"))
    (tmp_path / "deployments/20261124T000000.000000Z.json").write_text("{")
    assert [one.versions for one in store.history()] == [("invented-00000000",)]


def test_a_broken_deployment_can_be_replaced(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    (tmp_path / "deployment.json").write_text("{")
    store.deploy(deployment("invented-00000000"))
    assert store.find_deployment() == deployment("invented-00000000")
    assert store.history() == []
