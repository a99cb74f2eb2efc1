"""The bill of materials is valid CycloneDX and tells of all that the image installs."""

import json
import sys
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.utils import canonicalize_name

from deploy import sbom
from deploy.serving_lock import LOCK, read_requirements


@pytest.fixture(scope="module")
def told() -> dict[str, object]:
    return sbom.describe()


def test_it_is_cyclonedx(told: dict[str, object]) -> None:
    errors = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(told))
    assert errors is None


def test_it_holds_every_pin_and_nothing_else(told: dict[str, object]) -> None:
    components = told["components"]
    assert isinstance(components, list)
    held = {one["purl"] for one in components}
    assert held == {
        f"pkg:pypi/{canonicalize_name(one.name)}@{one.specifier.__str__().removeprefix('==')}"
        for one in read_requirements(LOCK)
    }
    assert all(one["licenses"][0]["license"]["name"] for one in components)


def test_every_part_is_needed_by_something(told: dict[str, object]) -> None:
    dependencies = told["dependencies"]
    assert isinstance(dependencies, list)
    needs = {one["ref"]: one["dependsOn"] for one in dependencies}
    waiting, seen = [sbom.ROOT_REF], {sbom.ROOT_REF}
    while waiting:
        for other in needs[waiting.pop()]:
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    assert set(needs) == seen


def test_the_same_lock_gives_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    for name in ("one", "other"):
        monkeypatch.setattr(sys, "argv", ["sbom", str(tmp_path / name / "sbom.json")])
        sbom.main()
        written.append((tmp_path / name / "sbom.json").read_bytes())
    assert written[0] == written[1]
