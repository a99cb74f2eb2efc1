import logging
import threading
import time
from pathlib import Path

import pytest

from data.errors import BundleError
from models.deployment import Deployment
from models.manifest import Manifest
from serving.assistants import Assistants, Status
from serving.problems import NotReadyError
from serving.telemetry import Telemetry
from tests.serving.arm_fakes import A, B, C, D, deployment, publish
from tests.serving.fakes import VERSION, MemoryStore, RuleAssistant, make_manifest
from tests.serving.test_telemetry import samples

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


def test_a_worker_that_starts_waits_for_its_bundle_and_not_for_ever(
    store: MemoryStore, tmp_path: Path
) -> None:
    opened = threading.Event()

    def load(folder: Path) -> tuple[Manifest, RuleAssistant]:
        opened.wait(10)
        return Loader()(folder)

    store.publish()
    impatient, patient = (Assistants(store, load, tmp_path) for _ in range(2))
    try:
        impatient.follow(10.0, patience=0.01)
        assert impatient.why_not_ready, "it takes requests, and has to refuse them"
        threading.Timer(0.2, opened.set).start()
        patient.follow(10.0, patience=10.0)
        assert patient.why_not_ready is None
    finally:
        opened.set()
        impatient.close()
        patient.close()


def test_where_nothing_is_published_a_start_waits_for_nothing(assistants: Assistants) -> None:
    began = time.monotonic()
    assistants.follow(10.0, patience=60.0)
    assistants.close()
    assert time.monotonic() - began < 30
    assert assistants.why_not_ready


def several(store: MemoryStore, wanted: Deployment, tmp_path: Path) -> tuple[Assistants, Loader]:
    loader = Loader()
    publish(store, wanted)
    assistants = Assistants(store, loader, tmp_path)
    assistants.refresh()
    return assistants, loader


def test_every_bundle_named_is_loaded_the_champion_first(
    store: MemoryStore, tmp_path: Path
) -> None:
    wanted = deployment(A, {B: 0.1, C: 0.2}, {D: 0.5})
    assistants, loader = several(store, wanted, tmp_path)
    assert loader.loaded == [A, B, C, D]
    running = assistants.take()
    assert running.deployment == wanted
    assert {version: one.manifest.version for version, one in running.bundles.items()} == {
        version: version for version in (A, B, C, D)
    }
    assert running.champion.manifest.version == A


def test_only_what_is_new_is_loaded_and_what_is_named_no_more_goes(
    store: MemoryStore, tmp_path: Path
) -> None:
    assistants, loader = several(store, deployment(A, {B: 0.1}), tmp_path)
    before = assistants.take()
    publish(store, deployment(B, {A: 0.5}, {C: 1}))
    assistants.refresh()
    running = assistants.take()
    assert loader.loaded == [A, B, C]
    assert running.bundles[A] is before.bundles[A]
    assert running.champion is before.bundles[B]
    publish(store, deployment(B, {A: 0.4}))
    assistants.refresh()
    assert loader.loaded == [A, B, C]
    assert set(assistants.take().bundles) == {A, B}
    assert assistants.take().deployment.rest == 0.6
    assert before.deployment == deployment(A, {B: 0.1})


@pytest.mark.parametrize(
    "error", [BundleError("altered"), MemoryError(), RuntimeError("a ticket's text")]
)
def test_a_broken_challenger_or_shadow_leaves_all_others_in_place(
    store: MemoryStore, tmp_path: Path, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = deployment(A, {B: 0.1, C: 0.2}, {D: 0.5})
    loader = Loader()
    loader.refuses = {B: error, D: error}
    publish(store, wanted)
    assistants = Assistants(store, loader, tmp_path)
    with caplog.at_level(logging.INFO):
        assistants.refresh()
        assistants.refresh()
    assert assistants.take().deployment.versions == (A, C)
    assert assistants.take().deployment.rest == 0.8
    assert assistants.why_not_ready is None
    assert [(fault.kind, fault.version) for fault in assistants.faults] == [
        ("challenger", B),
        ("shadow", D),
    ]
    assert assistants.status.state == "ready"
    assert assistants.status.reason
    assert assistants.status.reason.startswith("challenger: ")
    assert "; shadow: " in assistants.status.reason
    assert loader.loaded == [A, B, C, D]
    assert caplog.text.count("refused as challenger") == 1
    assert "a ticket's text" not in caplog.text


def test_a_refused_champion_leaves_the_former_one_beside_the_new_challengers(
    store: MemoryStore, tmp_path: Path
) -> None:
    assistants, loader = several(store, deployment(A), tmp_path)
    loader.refuses[B] = BundleError("altered")
    publish(store, deployment(B, {A: 0.2, C: 0.1}, {D: 1}))
    assistants.refresh()
    running = assistants.take()
    assert running.champion.manifest.version == A
    assert [one.version for one in running.deployment.challengers] == [C]
    assert [one.version for one in running.deployment.shadows] == [D]
    assert assistants.status == Status("ready", "altered")


def test_a_missing_shadow_is_looked_for_again_and_nothing_else_is(
    store: MemoryStore, tmp_path: Path
) -> None:
    loader = Loader()
    loader.refuses[B] = BundleError("altered")
    publish(store, deployment(A, {B: 0.1}, {C: 1}))
    store.holds.remove(C)
    assistants = Assistants(store, loader, tmp_path)
    assistants.refresh()
    assistants.refresh()
    assert assistants.take().deployment.versions == (A,)
    store.holds.add(C)
    assistants.refresh()
    assert assistants.take().deployment.versions == (A, C)
    assert loader.loaded == [A, B, C]
    assert assistants.status == Status("ready", "challenger: altered")


def test_a_shadow_that_answers_too_is_not_asked_twice(store: MemoryStore, tmp_path: Path) -> None:
    assistants, _ = several(store, deployment(A, {B: 0.1}, {A: 1, B: 1, C: 1}), tmp_path)
    assert [one.version for one in assistants.take().deployment.shadows] == [C]


def test_the_champion_answers_while_its_challenger_is_being_loaded(
    store: MemoryStore, tmp_path: Path
) -> None:
    seen: list[tuple[str | None, str]] = []

    def load(folder: Path) -> tuple[Manifest, RuleAssistant]:
        champion = following.serving.manifest.version if following.serving else None
        seen.append((champion, following.status.state))
        return make_manifest(folder.name), RuleAssistant()

    following = Assistants(store, load, tmp_path)
    publish(store, deployment(A, {B: 0.1}))
    following.refresh()
    assert seen == [(None, "loading"), (A, "ready")]


def test_loads_and_refusals_are_measured(
    store: MemoryStore, tmp_path: Path, telemetry: Telemetry
) -> None:
    loader = Loader()
    loader.refuses[C] = BundleError("altered")
    assistants = Assistants(store, loader, tmp_path, telemetry)
    publish(store, deployment(A))
    assistants.refresh()
    publish(store, deployment(B, {C: 0.1}))
    assistants.refresh()
    found = samples(telemetry)
    assert found["tickets_bundle_loading_seconds_count",] == 2
    assert found["tickets_bundle_reload_seconds_count",] == 1
    assert found["tickets_bundle_refusals_total", "challenger"] == 1
    assert found["tickets_bundles_refused",] == 1
    assert found["tickets_resident_bytes",] > 2**20
    publish(store, deployment(B))
    assistants.refresh()
    assert samples(telemetry)["tickets_bundles_refused",] == 0
