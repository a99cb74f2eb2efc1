"""docs/security.md tells what is so."""

import ast
import re
from pathlib import Path

import pytest

from serving.permissions import ANONYMOUS, GRANTED, PERMISSIONS, ROLES
from serving.settings import Settings
from tests.conftest import ROOT

PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
ITEMS = [line for line in PAGE.splitlines() if re.match(r"\| API\d+ \|", line)]


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_every_test_that_is_named_exists(file: str, name: str) -> None:
    tree = ast.parse(Path(ROOT / file).read_text(encoding="utf-8"))
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert name in found


def test_every_item_of_the_list_is_there_and_proved() -> None:
    assert [line.split("|")[1].strip() for line in ITEMS] == [f"API{n}" for n in range(1, 11)]
    for line in ITEMS:
        assert re.search(r"`tests/[\w/]+\.py::test_\w+`", line), line


def test_the_table_of_roles_is_the_one_of_the_code() -> None:
    rows = re.findall(r"^\| `(probe|[a-z]+:[a-z]+)` \|(.*)\|$", PAGE, re.MULTILINE)
    told = {name: [bool(cell.strip()) for cell in cells.split("|")] for name, cells in rows}
    roles = [ANONYMOUS, *(ROLES[role] for role in GRANTED)]
    assert told == {name: [name in role for role in roles] for name in PERMISSIONS}


def test_every_setting_that_is_named_exists() -> None:
    named = set(re.findall(r"TICKETS_([A-Z_]+)\b", PAGE))
    for name in {name.removesuffix("_FILE") for name in named} - {"KEY"}:
        assert name.lower() in Settings.model_fields, name
    assert "key_file" in Settings.model_fields
