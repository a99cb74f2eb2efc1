"""The register knows every bundle once, and who of them is champion."""

from pathlib import Path

import pytest

from data.errors import ModelError
from models.bundle import verify
from models.registry import Registry


@pytest.fixture
def registry(repository: Path) -> Registry:
    return Registry.open(repository, "tickets")


def test_a_registered_bundle_comes_back_whole(
    registry: Registry, sealed: Path, tmp_path: Path
) -> None:
    manifest = verify(sealed)
    assert registry.register(sealed, manifest) is True
    assert registry.holds(manifest.version)
    assert verify(registry.download(manifest.version, tmp_path)) == manifest


def test_registering_twice_does_nothing(registry: Registry, sealed: Path) -> None:
    manifest = verify(sealed)
    registry.register(sealed, manifest)
    runs = len(registry.client.search_runs([registry.experiment]))
    assert registry.register(sealed, manifest) is False
    assert registry.versions() == [manifest.version]
    assert len(registry.client.search_runs([registry.experiment])) == runs == 1


def test_a_registered_bundle_tells_its_facts(
    registry: Registry, sealed: Path, repository: Path
) -> None:
    manifest = verify(sealed)
    registry.register(sealed, manifest)
    [version] = registry.client.search_model_versions("name = 'tickets'")
    assert version.source == f"runs:/{version.run_id}/bundle"
    assert version.tags["data_fingerprint"] == "f" * 64
    assert version.tags["fallback"] == "true"
    assert version.tags["git.commit"] == "none"
    run = registry.client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["prepare.language.targets"] == "['en', 'nl']"
    assert run.data.metrics["targets.category.accuracy_ci.0"] == 0.88
    assert run.info.artifact_uri.startswith((repository / "mlartifacts").as_uri())


def test_a_registration_that_fails_can_be_repeated(registry: Registry, sealed: Path) -> None:
    manifest = verify(sealed)
    real = registry.client.create_model_version

    def fail(*arguments: object, **named: object) -> None:
        raise OSError("the server went away")

    registry.client.create_model_version = fail  # type: ignore[method-assign]
    with pytest.raises(OSError, match="the server went away"):
        registry.register(sealed, manifest)
    registry.client.create_model_version = real  # type: ignore[method-assign]
    [run] = registry.client.search_runs([registry.experiment])
    assert run.info.status == "FAILED"
    assert registry.register(sealed, manifest) is True


def test_a_decision_is_an_artefact_and_tags_of_its_version(
    registry: Registry, sealed: Path
) -> None:
    manifest = verify(sealed)
    with pytest.raises(ModelError, match="is registered"):
        registry.keep_decision(manifest.version, "first", "{}", {})
    registry.register(sealed, manifest)
    registry.keep_decision(manifest.version, "first", '{"passed": false}', {"gate": "refused"})
    registry.keep_decision(manifest.version, "second", '{"passed": true}', {"gate": "passed"})
    [version] = registry.client.search_model_versions("name = 'tickets'")
    assert version.tags["gate"] == "passed"
    kept = registry.client.list_artifacts(version.run_id, "decisions")
    assert [one.path for one in kept] == ["decisions/first.json", "decisions/second.json"]


def test_an_alias_points_where_it_was_moved(registry: Registry, sealed: Path) -> None:
    manifest = verify(sealed)
    registry.register(sealed, manifest)
    assert registry.find_alias("champion") is None
    registry.move_alias("challenger", manifest.version, share=0.25)
    assert registry.find_alias("challenger") == manifest.version
    assert registry.find_share(manifest.version) == 0.25
    assert registry.find_share("invented-00000000") is None


def test_a_challenger_that_becomes_champion_challenges_no_more(
    registry: Registry, sealed: Path
) -> None:
    manifest = verify(sealed)
    registry.register(sealed, manifest)
    registry.move_alias("challenger", manifest.version, share=0.25)
    registry.move_alias("champion", manifest.version)
    assert registry.find_alias("champion") == manifest.version
    assert registry.find_alias("challenger") is None


def test_an_unknown_version_is_refused_with_those_that_are_known(
    registry: Registry, sealed: Path
) -> None:
    with pytest.raises(ModelError, match="known: none yet; run python"):
        registry.move_alias("champion", "invented-00000000")
    manifest = verify(sealed)
    registry.register(sealed, manifest)
    with pytest.raises(ModelError, match=f"known: {manifest.version}"):
        registry.move_alias("champion", "invented-00000000")


def test_opening_a_register_twice_finds_the_same_one(repository: Path, sealed: Path) -> None:
    Registry.open(repository, "tickets").register(sealed, verify(sealed))
    assert Registry.open(repository, "tickets").versions() == [verify(sealed).version]
    assert Registry.open(repository, "others").versions() == []
