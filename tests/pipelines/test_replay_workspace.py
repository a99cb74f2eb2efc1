"""A workspace is a whole, small copy of the project with params, catalog and stages of its own."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from data.catalog import read_catalog
from data.errors import DataError
from pipelines import replay_workspace as workspace
from pipelines.params import read_params
from pipelines.replay_params import read_profile
from pipelines.replay_tickets import Known, Month, Story
from pipelines.replay_workspace import Workspace, set_out, without_members

ROOT = Path(__file__).parent.parent.parent
FIRST = tuple(
    Known(f"t{n}", f"words {n}", "ab"[n % 2], "2009-01", f"2009-01-0{n + 1}") for n in range(4)
)
STORY = Story("kind", FIRST, (Month("2009-02", FIRST),))


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("replay") / "desk"
    return set_out(root, ROOT, read_profile("quick"), STORY, looks=7)


def test_params_are_those_of_the_project_with_the_changes_of_the_desk(space: Workspace) -> None:
    params = read_params(space.root / "params.yaml")
    shipped = read_params(ROOT / "params.yaml")
    assert params.dataset == "replay"
    assert params.ensemble.members == ("linear",)
    assert params.drift.looks == 7
    assert params.gate.margin > shipped.gate.margin
    assert params.gate.class_budget == shipped.gate.class_budget
    assert params.routing == shipped.routing


def test_the_catalog_knows_the_first_tickets_alone(space: Workspace) -> None:
    entry = read_catalog(space.root / "data/catalog.yaml")["replay"]
    assert entry.labels == {"kind": ("a", "b")}
    assert entry.time == "created_at"
    lines = (space.root / entry.path[0]).read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["a", "b", "a", "b"]


def test_code_is_copied_and_artefacts_are_not(space: Workspace) -> None:
    assert (space.root / "pipelines/retrain.py").exists()
    assert (space.root / "serving/service.py").exists()
    assert not list((space.root / "data/raw").rglob("*.*"))
    assert not list(space.root.rglob("__pycache__"))
    assert (space.root / ".dvc").is_dir()


def test_stages_of_members_that_are_left_out_are_left_out(space: Workspace) -> None:
    stages = yaml.safe_load((space.root / "dvc.yaml").read_text())["stages"]
    assert stages["train"]["matrix"] == {"member": ["linear"]}
    deps = [dep for stage in stages.values() for dep in stage["deps"]]
    assert "models/trained/linear" in deps
    assert not {"models/trained/embedding", "models/trained/finetuned"} & set(deps)


def test_all_members_leave_the_stages_as_they_are() -> None:
    shipped = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    kept = without_members(shipped, ("linear", "embedding", "finetuned"))["stages"]
    assert {name: stage["deps"] for name, stage in kept.items()} == {
        name: stage["deps"] for name, stage in shipped["stages"].items()
    }


def test_a_workspace_that_is_there_is_kept(space: Workspace) -> None:
    (space.root / "kept").touch()
    assert set_out(space.root, ROOT, read_profile("quick"), STORY, 9).root == space.root
    assert (space.root / "kept").exists()
    assert read_params(space.root / "params.yaml").drift.looks == 7


def test_a_label_enters_the_catalog_once(space: Workspace) -> None:
    for _ in range(2):
        space.add_label("kind", "c")
    entry = read_catalog(space.root / "data/catalog.yaml")["replay"]
    assert entry.labels == {"kind": ("a", "b", "c")}


def test_months_without_times_need_none(tmp_path: Path) -> None:
    timeless = tuple(Known(t.id, t.text, t.label, "", None) for t in FIRST)
    assert "time" not in workspace._entry(Story("kind", timeless, ()))


@pytest.fixture
def project(tmp_path: Path) -> Workspace:
    """A workspace with commands of two lines in place of ours, and the real forks."""
    (tmp_path / "pipelines").mkdir()
    for module in ("replay_commands", "params", "tracking"):
        (tmp_path / f"pipelines/{module}.py").touch()
    text = (ROOT / "pipelines/replay_commands.py").read_text()
    (tmp_path / "pipelines/replay_commands.py").write_text(
        text.replace(text[text.index("WARM = (") : text.index("class Asked")], "WARM = ()\n\n")
    )
    for package in ("data", "models"):
        (tmp_path / package).symlink_to(ROOT / package)
    return Workspace(tmp_path)


COMMAND = """
import os, sys
print(os.environ["TICKETS_STORE"], sys.argv[1:], "DVC_STAGE" in os.environ)
if "--refuse" in sys.argv: sys.exit("refused: why")
if "--break" in sys.argv: raise ValueError("broken")
sys.exit(3 if "--alert" in sys.argv else None)
"""


def test_commands_of_an_arm_meet_its_own_store_and_are_logged(
    project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_STAGE", "outer")
    (project.root / "pipelines/told.py").write_text(COMMAND)
    with project.warm(1):
        ended = project.command("loop", "told", "--alert")
        fine, refused, broken = (
            project.command("fixed", "told", option) for option in ("-", "--refuse", "--break")
        )
    assert ended.code == 3
    assert ended.said.split(" [")[0] == f"sqlite:///{project.root}/arms/loop/store.db"
    assert "['--alert'] False" in ended.said
    assert "/arms/fixed/store.db" in fine.said
    assert [one.code for one in (fine, refused, broken)] == [0, 1, 1]
    assert refused.warned.strip() == "refused: why"
    assert "ValueError: broken" in broken.warned
    log = (project.root / "commands.log").read_text()
    assert "$ loop: told --alert -> 3" in log
    assert "refused: why" in log


def test_a_process_that_is_gone_is_an_error(project: Workspace) -> None:
    (project.root / "pipelines/replay_commands.py").write_text("")
    with project.warm(1), pytest.raises(DataError, match="cannot be run"):
        project.command("loop", "told")


def test_all_arms_begin_with_the_same_bundle(
    project: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "dvc").write_text(f"#!{sys.executable}\nprint('reproduced')\n")
    (programs / "dvc").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    (tmp_path / "pipelines/register.py").write_text(
        "import os, pathlib\n"
        "folder = pathlib.Path(os.environ['TICKETS_BUNDLE_STORE'])\n"
        "folder.mkdir(parents=True)\n"
        '(folder / \'deployment.json\').write_text(\'{"champion": {"version": "b-1"}}\')\n'
    )
    assert project.learn_first(("loop", "fixed")) == "b-1"
    assert (project.arm_folder("fixed") / "published/deployment.json").exists()
    shutil.rmtree(tmp_path / "arms")
    (programs / "dvc").write_text(f"#!{sys.executable}\nraise SystemExit(1)\n")
    with pytest.raises(DataError, match="commands"):
        project.learn_first(("loop", "fixed"))
