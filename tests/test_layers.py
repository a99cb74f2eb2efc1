"""Imports point one way, importing does nothing, and nothing installed shadows us."""

import ast
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "data": set(),
    "models": {"data"},
    "evaluation": {"data", "models"},
    "pipelines": {"data", "models", "evaluation"},
    "serving": {"data", "models", "evaluation"},
}
SOURCES = sorted(path for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))
UNSAFE = {"pickle", "joblib", "cloudpickle", "dill", "shelve", "marshal"}


def imported_packages(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_left(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    ours = imported_packages(path) & set(MAY_IMPORT)
    assert ours <= MAY_IMPORT[package] | {package}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_source_file_imports_a_format_that_runs_code(path: Path) -> None:
    assert not imported_packages(path) & UNSAFE
    assert "torch.load(" not in path.read_text(encoding="utf-8")


def test_every_package_explains_itself_and_holds_nothing_else() -> None:
    for package in MAY_IMPORT:
        tree = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))
        assert ast.get_docstring(tree)
        assert len(tree.body) == 1


def test_nothing_installed_shadows_our_packages() -> None:
    installed = importlib.metadata.packages_distributions()
    assert not set(MAY_IMPORT) & set(installed)


def test_importing_any_module_does_nothing(tmp_path: Path) -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in SOURCES
        if path.name != "__init__.py" and path.relative_to(ROOT).as_posix() != "serving/service.py"
    ]
    code = (
        "import sys, os, logging, random; sys.path.insert(0, sys.argv[1]);"
        "import numpy; seeded = []; random.seed = numpy.random.seed = seeded.append;"
        "import importlib;"
        f"[importlib.import_module(name) for name in {modules!r}];"
        "assert not logging.getLogger().handlers, 'logging was configured';"
        "assert not seeded, 'a seed was set';"
        "assert not os.listdir('.'), 'something was written'"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
