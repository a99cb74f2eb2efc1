"""A place of its own for a replay: the code, params, catalog, DVC, register and store of a desk."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import yaml

from data.catalog import CATALOG
from data.durable import fill_folder, write_text
from data.errors import DataError
from data.yaml_files import read_yaml
from pipelines.replay_commands import Commands, Ended
from pipelines.replay_params import Profile, merge
from pipelines.replay_tickets import Story, as_row, labels_of

PACKAGES = ("data", "models", "evaluation", "pipelines", "serving")
ARTEFACTS = ("raw", "prepared", "trained", "bundles", "published", "reports", "golden",
             "former", "__pycache__")  # fmt: skip
EMPTY = ("data/raw/feedback", "data/golden", "models/former")
"""Folders that stages read, and that this desk fills by itself or never."""

FIRST = "data/first.jsonl"
DATASET = "replay"
MEMBERS = ("linear", "embedding", "finetuned")


class Workspace:
    """A folder that commands run in as in a clone of the project; parts of it belong to an arm.

    Parameters
    ----------
    root : of the workspace; made by `set_out`
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._free: SimpleQueue[Commands] = SimpleQueue()

    def arm_folder(self, arm: str) -> Path:
        """Where the service of an arm keeps everything."""
        return self.root / "arms" / arm

    def store_url(self, arm: str) -> str:
        """Of the store of an arm."""
        return f"sqlite:///{self.arm_folder(arm) / 'store.db'}"

    def environment(self, arm: str, **more: str) -> dict[str, str]:
        """What commands and the service of an arm are told."""
        folder = self.arm_folder(arm)
        own = {
            # Two would follow the store each at its own moment, and figures differ by luck.
            "TICKETS_WORKERS": "1",
            "TICKETS_BUNDLE_STORE": str(folder / "published"),
            "TICKETS_STORE": self.store_url(arm),
            "TICKETS_TRACKING": "off",
            "TICKETS_LOG_LEVEL": "WARNING",
            "PYTHONPATH": "",
            "BENTOML_HOME": str(self.root / ".bentoml"),
            # Both arms work at once: threads of each would only wait for those of the other.
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
            # A desk of its own: what is set for the project around it must not reach it.
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.root / 'mlflow.db'}",
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DVC_")}
        return {**kept, **own, **more}

    @contextmanager
    def warm(self, number: int) -> Iterator[None]:
        """Keep so many processes that have imported what commands need, while the block runs."""
        kept = [Commands(self.root, self.environment("none")) for _ in range(number)]
        for one in kept:
            self._free.put(one)
        try:
            yield
        finally:
            while not self._free.empty():
                self._free.get()
            for one in kept:
                one.close()

    def command(self, arm: str, name: str, *arguments: str) -> Ended:
        """Run `python -m pipelines.<name>` as the people of an arm would; its output is logged.

        It waits for one of the processes that `warm` keeps.
        """
        free = self._free.get()
        try:
            done = free.run(name, arguments, self.environment(arm))
        finally:
            self._free.put(free)
        self.note(f"$ {arm}: {name} {' '.join(arguments)} -> {done.code}", done.said, done.warned)
        return done

    def note(self, *parts: str) -> None:
        """Append to the log of the workspace."""
        with (self.root / "commands.log").open("a", encoding="utf-8") as log:
            log.write("\n".join(part.rstrip() for part in parts if part) + "\n")

    def learn_first(self, arms: Sequence[str]) -> str:
        """Train the bundle that all arms begin with; gives its version.

        Raises
        ------
        DataError
            If a stage fails; commands.log in the workspace tells why.
        """
        first, *others = arms
        done = subprocess.run(
            ["dvc", "repro"], cwd=self.root, env=self.environment(first), capture_output=True,  # noqa: S607
            text=True, check=False,
        )  # fmt: skip
        self.note("$ dvc repro", done.stdout, done.stderr)
        with self.warm(1):
            registered = done.returncode == 0 and self.command(first, "register").code == 0
        if not registered:
            raise DataError(f"nothing to begin with: see {self.root / 'commands.log'}")
        published = self.arm_folder(first) / "published"
        for arm in others:
            shutil.copytree(published, self.arm_folder(arm) / "published", dirs_exist_ok=True)
        deployment = json.loads((published / "deployment.json").read_text(encoding="utf-8"))
        return str(deployment["champion"]["version"])

    def add_label(self, target: str, label: str) -> None:
        """Let a label into the catalog; the next retrain learns it."""
        path = self.root / CATALOG
        entries = read_yaml(path)
        known = entries[DATASET]["labels"][target]
        entries[DATASET]["labels"][target] = sorted({*known, label})
        write_text(path, yaml.safe_dump(entries, sort_keys=False))


def set_out(root: Path, source: Path, profile: Profile, story: Story, looks: int) -> Workspace:
    """Make a workspace, whole or not at all; one that is there is kept as it is.

    Parameters
    ----------
    source : root of the project, whose code is copied
    looks : at drift, that the false alarms allowed are spread over
    """
    if root.exists():
        return Workspace(root)
    with fill_folder(root) as partial:
        for package in PACKAGES:
            shutil.copytree(
                source / package, partial / package, ignore=shutil.ignore_patterns(*ARTEFACTS)
            )
        for folder in EMPTY:
            (partial / folder).mkdir(parents=True)
        params = merge(read_yaml(source / "params.yaml"), profile.params)
        params = merge(params, {
            "dataset": DATASET,
            "ensemble": {"members": list(profile.members)},
            "drift": {"looks": looks},
            # Months last minutes here, and windows of the monitor days: `pipelines.drift` is told
            # the moments between which a month lies, and the monitor finds nothing to look at.
            "monitor": {"window_days": 1e-6},
        })  # fmt: skip
        write_text(partial / "params.yaml", yaml.safe_dump(params, sort_keys=False))
        write_text(partial / CATALOG, yaml.safe_dump({DATASET: _entry(story)}, sort_keys=False))
        stages = without_members(read_yaml(source / "dvc.yaml"), profile.members)
        write_text(partial / "dvc.yaml", yaml.safe_dump(stages, sort_keys=False))
        lines = [json.dumps(as_row(ticket, story.target)) for ticket in story.first]
        write_text(partial / FIRST, "\n".join(lines) + "\n")
        _begin_dvc(partial)
    return Workspace(root)


def without_members(pipeline: dict[str, Any], members: Sequence[str]) -> dict[str, Any]:
    """The stages of dvc.yaml where only some members are trained."""
    left_out = {f"models/trained/{name}" for name in MEMBERS if name not in members}
    stages = {}
    for name, stage in pipeline["stages"].items():
        kept = [dep for dep in stage.get("deps", ()) if dep not in left_out]
        stages[name] = {**stage, "deps": kept}
    stages["train"]["matrix"] = {"member": list(members)}
    return {"stages": stages}


def _entry(story: Story) -> Mapping[str, Any]:
    return {
        "title": "what a desk knows before the replay begins",
        "path": FIRST,
        "id": "id",
        "text": ["text"],
        "targets": {story.target: story.target},
        "labels": {story.target: list(labels_of(story.first))},
        "language": "en",
        **({"time": "created_at"} if all(ticket.created_at for ticket in story.first) else {}),
    }


def _begin_dvc(root: Path) -> None:
    done = subprocess.run(
        ["dvc", "init", "--no-scm", "--quiet"],  # noqa: S607
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise DataError(f"dvc init in {root}: {done.stderr.strip()}")
