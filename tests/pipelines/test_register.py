"""Registering is done once, completed where it was interrupted, and decides nothing."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from data.errors import BundleError
from data.schema import Ticket
from models.assistant import TicketAssistant
from models.bundle import verify
from models.linear import LinearMember, LinearParams
from models.publishing import FolderStore
from models.registry import Registry
from models.sealing import Origin, seal
from pipelines import register as command
from pipelines.bundle import CANDIDATE
from pipelines.register import register
from tests.pipelines.conftest import Check


def test_the_first_bundle_becomes_champion_and_is_published(
    registry: Registry, bundles: FolderStore, sealed: Path, check: Check
) -> None:
    done = register(sealed, registry, bundles, check)
    assert done.version == done.champion == verify(sealed).version
    assert len(done.changes) == 4
    assert registry.find_alias("champion") == done.version
    deployment = bundles.find_deployment()
    assert deployment
    assert deployment.versions == (done.version,)
    assert bundles.holds(done.version)


def test_a_second_call_does_nothing(
    registry: Registry, bundles: FolderStore, sealed: Path, check: Check
) -> None:
    register(sealed, registry, bundles, check)
    before = bundles.find_deployment()

    def fail(folder: Path) -> None:
        pytest.fail("checked again")

    done = register(sealed, registry, bundles, fail)
    assert done.changes == ()
    assert bundles.find_deployment() == before
    assert len(registry.client.search_runs([registry.experiment])) == 1


def test_a_later_bundle_is_published_and_waits_for_its_promotion(
    registry: Registry,
    bundles: FolderStore,
    sealed: Path,
    trained_keywords: Path,
    tmp_path: Path,
    keywords: Callable[[Path], TicketAssistant],
    check: Check,
) -> None:
    first = register(sealed, registry, bundles, check).version
    (trained_keywords / "linear/words.json").write_text("[]")
    origin, probes = Origin("invented", False, "0" * 64, {}, {}), [Ticket(text="a network")]
    later = tmp_path / "later"
    seal(
        trained_keywords, later, origin,
        card="", reference={}, probes=probes, construct=keywords,
    )  # fmt: skip
    done = register(later, registry, bundles, check)
    assert done.version != first == done.champion
    assert done.changes == ("registered", "published")
    deployment = bundles.find_deployment()
    assert deployment
    assert deployment.versions == (first,)


def test_an_interrupted_registration_is_completed(
    registry: Registry, bundles: FolderStore, sealed: Path, check: Check
) -> None:
    registry.register(sealed, verify(sealed))
    done = register(sealed, registry, bundles, check)
    assert "registered" not in done.changes
    assert bundles.find_deployment()


def test_another_store_gets_the_champion_too(
    registry: Registry, bundles: FolderStore, sealed: Path, check: Check, tmp_path: Path
) -> None:
    register(sealed, registry, bundles, check)
    other = FolderStore(tmp_path / "other")
    done = register(sealed, registry, other, check)
    assert done.changes == ("published", "deployment.json replaced")
    assert other.holds(done.version)


def test_servers_look_again_at_a_bundle_that_was_repaired(
    registry: Registry, bundles: FolderStore, sealed: Path, check: Check
) -> None:
    version = register(sealed, registry, bundles, check).version
    (bundles.root / version / "README.md").unlink()
    before = bundles.find_deployment()
    done = register(sealed, registry, bundles, check)
    assert done.changes == ("published", "deployment.json replaced")
    assert bundles.find_deployment() != before


def test_a_bundle_that_fails_its_probes_is_not_registered(
    registry: Registry, bundles: FolderStore, sealed: Path
) -> None:
    def fail(folder: Path) -> None:
        raise BundleError("answers otherwise")

    with pytest.raises(BundleError, match="answers otherwise"):
        register(sealed, registry, bundles, fail)
    assert registry.versions() == []
    assert bundles.find_deployment() is None


def test_a_bundle_of_the_sample_is_registered_with_a_warning(
    registry: Registry,
    bundles: FolderStore,
    sealed: Path,
    check: Check,
    caplog: pytest.LogCaptureFixture,
) -> None:
    register(sealed, registry, bundles, check)
    assert "was trained on the bundled sample" in caplog.text


def test_the_command_says_that_there_is_nothing_to_do(
    repository: Path,
    trained_keywords: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    texts = ["the network is down", "no network", "printer jam", "printer has no paper"] * 3
    member = LinearMember(LinearParams(min_df=1))
    member.fit(texts, {"category": ["network", "network", "printer", "printer"] * 3})
    member.save(trained_keywords / "linear")
    origin, probes = Origin("invented", False, "0" * 64, {}, {}), [Ticket(text=texts[0])]
    seal(trained_keywords, CANDIDATE, origin, card="", reference={}, probes=probes)
    (repository / "params.yaml").write_text("dataset: invented\nseed: 1\n")
    monkeypatch.setattr("sys.argv", ["register"])
    with caplog.at_level(logging.INFO):
        command.main()
        assert "made champion, the first one" in caplog.text
        assert "nothing to do" not in caplog.text
        command.main()
    assert "is registered and published already: nothing to do" in caplog.text
    assert (repository / "models/published/deployment.json").exists()
