"""An image holds what answers tickets, and neither tickets nor what trains."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.sources import (
    LEFT_OUT,
    PACKAGES,
    ROOT,
    copy_published,
    copy_sources,
    published,
    sources,
)


def tracked(*suffixes: str) -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *PACKAGES],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return {name for name in listed.stdout.splitlines() if name.endswith(suffixes)}


def test_all_code_is_taken_but_what_is_left_out_by_name() -> None:
    taken = {path.as_posix() for path in sources()}
    left = {name for name in tracked(".py") - taken if (ROOT / name).exists()}
    assert all(name.startswith(LEFT_OUT) for name in left)
    assert taken <= tracked(""), "nothing that git does not hold"


def test_what_code_reads_beside_it_is_taken() -> None:
    taken = {path.as_posix() for path in sources()}
    kinds = (".yaml", ".csv", ".html", ".css", ".js", ".mako")
    beside = {name for name in tracked(*kinds) if not name.startswith(LEFT_OUT)}
    assert beside <= taken
    assert "serving/page/docs.html" in taken
    assert "data/migrations/script.py.mako" in taken


def test_no_ticket_and_no_weight_is_taken() -> None:
    taken = list(sources())
    assert not any(path.suffix in {".jsonl", ".parquet", ".safetensors", ".onnx"} for path in taken)
    assert not any(path.parts[:2] in {("data", "raw"), ("data", "sample")} for path in taken)


def test_copies_are_the_same_and_need_nothing_installed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c",
         "import runpy, sys; sys.path.insert(0, sys.argv[1]); sys.argv[1:] = sys.argv[2:];"
         "runpy.run_module('deploy.sources', run_name='__main__')", str(ROOT),
         str(tmp_path / "app")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for place in sources():
        assert (tmp_path / "app" / place).read_bytes() == (ROOT / place).read_bytes()


def make_store(folder: Path, **arms: object) -> Path:
    for version in ("a-1", "b-2", "c-3", "old-0"):
        (folder / version).mkdir(parents=True)
        (folder / version / "manifest.json").write_text("{}")
    (folder / "deployment.json").write_text(json.dumps(arms))
    return folder


def test_what_is_published_comes_along_and_no_older_bundle(tmp_path: Path) -> None:
    store = make_store(
        tmp_path / "store", champion={"version": "a-1"}, challengers=[{"version": "b-2"}],
        shadows=[{"version": "c-3"}, {"version": "a-1"}],
    )  # fmt: skip
    assert published(store) == ["a-1", "b-2", "c-3"]
    copy_sources(tmp_path / "app")
    assert copy_published(store, tmp_path / "app") == ["a-1", "b-2", "c-3"]
    inside = tmp_path / "app/models/published"
    assert sorted(path.name for path in inside.iterdir()) == [
        "a-1",
        "b-2",
        "c-3",
        "deployment.json",
    ]


def test_a_store_without_a_champion_is_told(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="nothing is published"):
        published(tmp_path)
    with pytest.raises(SystemExit, match="no champion"):
        published(make_store(tmp_path / "store", champion=None))
