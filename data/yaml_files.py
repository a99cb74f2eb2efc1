"""YAML that a person wrote: read strictly, refused with the key that is wrong."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from data.errors import CatalogError, DataError

_KINDS = TypeAdapter(dict[str, tuple[str, ...]])


class Section(BaseModel):
    """A frozen piece of a YAML file that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def explain(error: ValidationError, where: str) -> str:
    """A pydantic error as lines of `where.key: what is wrong`."""
    lines = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        key = ".".join(str(step) for step in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = "unknown key"
        lines.append(f"{where}{'.' if key else ''}{key}: {message}")
    return "\n".join(lines)


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key given twice, of which YAML would keep the last in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is given twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_kinds(path: Path, holds: str) -> dict[str, tuple[str, ...]]:
    """Kind -> what a YAML file lists of it.

    Parameters
    ----------
    holds : what is listed, for whoever has to mend the file

    Raises
    ------
    DataError
        If the file is no mapping of kinds to lists.
    """
    try:
        return _KINDS.validate_python(read_yaml(path))
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise DataError(f"{path}: {place}: expected a kind with a list of {holds}") from None


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; CatalogError if it is missing, broken or no mapping."""
    try:
        content = yaml.load(path.read_text("utf-8"), Loader=_UniqueKeys)  # noqa: S506
    except FileNotFoundError:
        raise CatalogError(f"{path} does not exist; run from the root of the project") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise CatalogError(f"{path}: expected a mapping of keys")
    return content
