from pathlib import Path

import pytest
import yaml

from data.errors import CatalogError
from pipelines.params import Params, read_params

SHIPPED = Path(__file__).parents[2] / "params.yaml"
PROFILES = sorted((SHIPPED.parent / "pipelines/profiles").glob("*.txt"))


def with_change(tmp_path: Path, dotted: str, value: object, start: Path = SHIPPED) -> Path:
    content = yaml.safe_load(start.read_text("utf-8"))
    *sections, key = dotted.split(".")
    place = content
    for section in sections:
        place = place[section]
    place[key] = value
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    return path


def test_the_shipped_params_are_read():
    params = read_params(SHIPPED)
    assert params.dataset == "it-service-tickets"
    assert params.prepare.split.calibration > 0
    assert params.prepare.language.targets[0] == "en"
    assert params.prepare.language.detector == "langid"


def test_every_knob_of_fetch_and_prepare_stands_in_the_shipped_file():
    written = yaml.safe_load(SHIPPED.read_text("utf-8"))
    params = read_params(SHIPPED).model_dump(mode="json")
    for section in ("fetch", "prepare"):
        assert written[section].keys() == params[section].keys()


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_every_profile_changes_params_that_exist(profile: Path, tmp_path: Path):
    path = SHIPPED
    for line in profile.read_text("utf-8").splitlines():
        key, value = line.split("=")
        path = with_change(tmp_path, key, yaml.safe_load(value), path)
    assert read_params(path) != read_params(SHIPPED)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("prepare.fold", 2, "params.yaml.prepare.fold: unknown key"),
        ("else", {}, "params.yaml.else: unknown key"),
        ("fetch.fallback", "maybe", "params.yaml.fetch.fallback: .*'sample' or 'none'"),
        ("prepare.folds", 1, "prepare.folds: must be 0 .off. or at least 2"),
        ("prepare.folds", -1, "prepare.folds: "),
        ("prepare.split", {"valid": 0.5, "calibration": 0.3, "test": 0.2}, "must stay below 1"),
        ("prepare.split.valid", -0.1, "prepare.split.valid"),
        ("prepare.near_duplicates.threshold", 1.1, "near_duplicates.threshold"),
        ("prepare.language.targets", ["en"], "at least two different"),
        ("prepare.language.detector", "ear", "'langid', 'lingua' or 'langdetect'"),
        ("prepare.language.targets", ["en", "english"], "'english' is not a language code"),
        ("seed", "x", "params.yaml.seed"),
    ],
)
def test_a_faulty_value_is_refused_with_its_key(tmp_path, key, value, message):
    with pytest.raises(CatalogError, match=message):
        read_params(with_change(tmp_path, key, value))


def test_params_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Params(dataset="x", seed=1).dataset = "y"  # type: ignore[misc]
