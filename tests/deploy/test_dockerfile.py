"""The images: what reaches the builder, what stays in the last stage, and who runs there."""

import fnmatch
import json
import re
from pathlib import Path

import pytest

from deploy.sources import LICENCE_FILES, ROOT, sources
from tests.deploy.settings_names import is_known

FILE = ROOT / "deploy/docker/Dockerfile"
IGNORED = ROOT / "deploy/docker/Dockerfile.dockerignore"

Stage = list[tuple[str, str]]


def read_stages() -> dict[str, Stage]:
    """Stage -> its instructions with their arguments; the first one says what it stands on."""
    lines = [line for line in FILE.read_text("utf-8").splitlines() if not line.startswith("#")]
    stages: dict[str, Stage] = {"": []}
    name = ""
    for whole in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if not whole.strip():
            continue
        instruction, _, argument = whole.strip().partition(" ")
        if instruction == "FROM":
            on, _, name = argument.partition(" AS ")
            stages[name] = [("FROM", on)]
        else:
            stages[name].append((instruction, argument.strip()))
    return stages


STAGES = read_stages()
SERVING = STAGES["serving"]


def all_of(stage: Stage, instruction: str) -> list[str]:
    return [argument for name, argument in stage if name == instruction]


def environment(stage: Stage) -> dict[str, str]:
    told = " ".join(all_of(stage, "ENV"))
    return dict(re.findall(r"(\w+)=(\S+)", told))


def reaches_the_builder(place: str) -> bool:
    """As Docker reads the file: the last pattern that fits a path, or a folder of it, decides."""
    kept = True
    parts = Path(place).parts
    heads = ["/".join(parts[: i + 1]) for i in range(len(parts))]
    for line in IGNORED.read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!").removesuffix("/**")
        tail = pattern.removeprefix("**/")
        if any(fnmatch.fnmatch(head, pattern) for head in heads) or (
            tail != pattern and tail in parts
        ):
            kept = line.startswith("!")
    return kept


def test_every_stage_stands_on_a_pinned_image_or_another_stage() -> None:
    [(_, argument)] = STAGES[""]
    assert re.fullmatch(r"PYTHON=3\.11-slim-\w+", argument)
    for name, stage in STAGES.items():
        if name:
            assert stage[0][1] in {"python:${PYTHON}", *STAGES}, name


def test_every_file_copied_is_there_and_reaches_the_builder() -> None:
    for stage in STAGES.values():
        for argument in all_of(stage, "COPY"):
            options, paths = [], []
            for word in argument.split():
                (options if word.startswith("--") else paths).append(word)
            if any(option.startswith("--from=") for option in options):
                [origin] = [word[7:] for word in options if word.startswith("--from=")]
                assert origin in STAGES or origin == "store"
            else:
                for path in paths[:-1]:
                    assert (ROOT / path).exists()
                    assert path == "." or reaches_the_builder(path)


def test_what_answers_tickets_reaches_the_builder_and_no_ticket_does() -> None:
    assert all(reaches_the_builder(path.as_posix()) for path in sources())
    assert all(reaches_the_builder(name) for name in LICENCE_FILES)
    for place in (
        "data/raw/it.csv", "data/prepared/train.parquet", "models/trained/linear/x.safetensors",
        "models/published/deployment.json", "models/bundles/candidate/manifest.json", "mlflow.db",
        "evaluation/reports/report.html", ".git/config", ".env", "tests/conftest.py",
        ".cache/store.db", "deploy/compose/secrets/salt", "deploy/compose/keys/keys.json",
        "serving/__pycache__/app.cpython-311.pyc", "keys.json", "models/former/fits.json",
    ):  # fmt: skip
        assert not reaches_the_builder(place), place


def test_the_jobs_find_what_they_run_on() -> None:
    for place in ("params.yaml", "dvc.yaml", "dvc.lock", "pipelines/store.py", "pyproject.toml",
                  "data/sample/tickets.jsonl", "data/migrations/env.py",
                  "models/former/.gitignore"):  # fmt: skip
        assert (ROOT / place).exists()
        assert reaches_the_builder(place), place


def test_the_last_stage_installs_and_compiles_nothing() -> None:
    told = " ".join(all_of(SERVING, "RUN"))
    for word in ("apt-get", "pip", "gcc", "curl", "wget", "build-essential"):
        assert not re.search(rf"\b{word}\b", told)
    assert "requirements-serving.lock" in " ".join(all_of(STAGES["environment"], "COPY"))
    assert "--only-binary=:all:" in " ".join(all_of(STAGES["environment"], "RUN"))


@pytest.mark.parametrize("name", ["serving", "jobs"])
def test_nobody_is_root(name: str) -> None:
    [user] = all_of(STAGES[name], "USER")
    number, _, group = user.partition(":")
    assert int(number) >= 1000
    assert int(group) >= 1000
    assert [one for one, _ in STAGES[name]].index("USER") > max(
        i for i, (one, _) in enumerate(STAGES[name]) if one == "RUN"
    )


def test_health_is_asked_where_the_service_listens() -> None:
    [check] = all_of(SERVING, "HEALTHCHECK")
    [command] = all_of(SERVING, "CMD")
    words = json.loads(command)
    assert words[:3] == ["bentoml", "serve", "serving.service:TicketAssistantService"]
    port = words[words.index("--port") + 1]
    assert f"http://127.0.0.1:{port}/readyz" in check
    assert all_of(SERVING, "EXPOSE") == [port]
    # The form of a list: signals reach the service and no shell.
    assert isinstance(json.loads(check.partition(" CMD ")[2]), list)


def test_nothing_calls_home_and_every_setting_is_one() -> None:
    found = environment(SERVING)
    assert found["BENTOML_DO_NOT_TRACK"] == "True", "BentoML compares with this word"
    assert found["DO_NOT_TRACK"] == "true"
    assert found["HF_HUB_OFFLINE"] == "1"
    assert environment(STAGES["jobs"])["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert all(is_known(name) for name in found if name.startswith("TICKETS_"))
    assert found["TICKETS_PROFILE"] == "production"


def test_bundles_have_one_place_inside_or_mounted() -> None:
    place = environment(SERVING)["TICKETS_BUNDLE_STORE"]
    assert all_of(STAGES["with-bundle"], "FROM") == ["serving"]
    [copied] = all_of(STAGES["with-bundle"], "COPY")
    assert copied.split()[-1] == place


def test_no_secret_is_built_in() -> None:
    text = FILE.read_text("utf-8")
    assert not re.search(r"(?i)(password|secret|salt|api_?key)\w*=", text)
