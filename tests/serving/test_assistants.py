import logging
import time
from pathlib import Path

import pytest

from data.errors import BundleError
from models.deployment import Deployment
from models.manifest import Manifest
from serving.assistants import Assistants, Status
from serving.problems import NotReadyError
from tests.serving.fakes import VERSION, MemoryStore, RuleAssistant, make_manifest

OTHER = "invented-ffffffff"


class Loader:
    """Loads whatever the folder's name says, but what it was told to refuse."""

    def __init__(self) -> None:
        self.refuses: dict[str, Exception] = {}
        self.loaded: list[str] = []

    def __call__(self, folder: Path) -> tuple[Manifest, RuleAssistant]:
        self.loaded.append(folder.name)
        if folder.name in self.refuses:
            raise self.refuses[folder.name]
        return make_manifest(folder.name), RuleAssistant()


@pytest.fixture
def loader() -> Loader:
    return Loader()


@pytest.fixture
def assistants(store: MemoryStore, loader: Loader, tmp_path: Path) -> Assistants:
    return Assistants(store, loader, tmp_path)


def test_an_empty_store_is_not_ready_with_the_reason(assistants: Assistants) -> None:
    assert assistants.status.state == "loading"
    assistants.refresh()
    assert assistants.status.state == "not_ready"
    assert "publish a bundle first" in (assistants.why_not_ready or "")
    with pytest.raises(NotReadyError, match="publish a bundle first"):
        _ = assistants.champion


def test_the_champion_is_loaded_once(
    assistants: Assistants, store: MemoryStore, loader: Loader
) -> None:
    store.publish()
    assistants.refresh()
    assistants.refresh()
    assert assistants.champion.manifest.version == VERSION
    assert assistants.status == Status("ready")
    assert assistants.why_not_ready is None
    assert loader.loaded == [VERSION]


def test_a_deployment_without_champion_is_not_ready(
    assistants: Assistants, store: MemoryStore
) -> None:
    store.publish()
    assert store.deployment is not None
    store.deployment = Deployment(champion=None, published_at=store.deployment.published_at)
    assistants.refresh()
    assert assistants.status.state == "not_ready"


def test_a_newly_published_bundle_takes_over(assistants: Assistants, store: MemoryStore) -> None:
    store.publish()
    assistants.refresh()
    former = assistants.champion
    store.publish(OTHER)
    assistants.refresh()
    assert assistants.champion.manifest.version == OTHER
    assert former.manifest.version == VERSION


def test_publishing_the_same_bundle_again_loads_nothing(
    assistants: Assistants, store: MemoryStore, loader: Loader
) -> None:
    store.publish()
    assistants.refresh()
    store.publish()
    assistants.refresh()
    assert loader.loaded == [VERSION]


def test_a_refused_bundle_leaves_the_former_one_in_place_and_is_not_tried_again(
    assistants: Assistants, store: MemoryStore, loader: Loader
) -> None:
    store.publish()
    assistants.refresh()
    loader.refuses[OTHER] = BundleError("linear/weights.skops is altered")
    store.publish(OTHER)
    assistants.refresh()
    assistants.refresh()
    assert assistants.champion.manifest.version == VERSION
    assert assistants.status == Status("ready", "linear/weights.skops is altered")
    assert loader.loaded == [VERSION, OTHER]
    store.publish(VERSION)
    assistants.refresh()
    assert assistants.status == Status("ready")


def test_a_bundle_under_another_name_is_refused(store: MemoryStore, tmp_path: Path) -> None:
    assistants = Assistants(store, lambda _: (make_manifest(OTHER), RuleAssistant()), tmp_path)
    store.publish()
    assistants.refresh()
    assert "it was renamed" in (assistants.why_not_ready or "")


def test_a_bundle_that_is_named_and_missing_is_looked_for_again(
    assistants: Assistants, store: MemoryStore
) -> None:
    store.publish()
    store.holds.clear()
    assistants.refresh()
    assert "not in the bundle store" in (assistants.why_not_ready or "")
    store.holds.add(VERSION)
    assistants.refresh()
    assert assistants.why_not_ready is None


def test_an_unreachable_store_changes_nothing_but_the_reason(
    assistants: Assistants, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.publish()
    assistants.refresh()
    store.failure = ConnectionError("token=abc was refused")
    with caplog.at_level(logging.INFO):
        assistants.refresh()
        assistants.refresh()
    assert assistants.champion.manifest.version == VERSION
    assert assistants.status == Status(
        "ready", "the published bundle cannot be read: ConnectionError"
    )
    assert "token=abc" not in caplog.text
    assert caplog.text.count("reading the store failed") == 1
    store.failure = None
    assistants.refresh()
    assert assistants.status == Status("ready")


def test_the_reason_of_a_refusal_comes_back_after_the_store_was_away(
    assistants: Assistants, store: MemoryStore, loader: Loader
) -> None:
    loader.refuses[VERSION] = BundleError("altered")
    store.publish()
    assistants.refresh()
    store.failure = OSError()
    assistants.refresh()
    store.failure = None
    assistants.refresh()
    assert assistants.status == Status("not_ready", "altered")


def test_a_bundle_from_the_sample_is_announced_loudly(
    assistants: Assistants, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.publish()
    with caplog.at_level(logging.WARNING):
        assistants.refresh()
    assert "bundled sample" in caplog.text


def test_following_picks_up_what_is_published_later(
    assistants: Assistants, store: MemoryStore
) -> None:
    assistants.follow(0.01)
    try:
        store.publish()
        until = time.monotonic() + 5
        while assistants.why_not_ready and time.monotonic() < until:
            time.sleep(0.01)
        assert assistants.champion.manifest.version == VERSION
    finally:
        assistants.close()
