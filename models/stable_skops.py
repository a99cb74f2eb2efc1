"""skops files whose bytes depend on the estimator alone.

skops names arrays by memory address and stamps them with the time, so that the same estimator
gives other bytes in every process: no hash could tell whether a model changed.
"""

import io
import json
import re
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

SCHEMA = "schema.json"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first time that a zip archive can state."""


def stabilise(dumped: bytes) -> bytes:
    """The same skops archive with objects numbered in order of appearance, and no time."""
    with ZipFile(io.BytesIO(dumped)) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    renamed: dict[str, str] = {}
    schema = _renumber(json.loads(content.pop(SCHEMA)), {}, renamed)
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", ZIP_STORED) as archive:
        for name, data in sorted((renamed[name], data) for name, data in content.items()):
            archive.writestr(_entry(name), data)
        archive.writestr(_entry(SCHEMA), json.dumps(schema))
    return buffer.getvalue()


def _renumber(node: Any, ids: dict[str, int], renamed: dict[str, str]) -> Any:
    if isinstance(node, list):
        return [_renumber(item, ids, renamed) for item in node]
    if not isinstance(node, dict):
        return node
    changed: dict[str, Any] = {}
    for key, value in node.items():
        # An address too, by which a vectoriser knows what it has checked; it checks again without.
        if key == "_stop_words_id" and "fixed_vocabulary_" in node:
            continue
        if key == "__id__" and isinstance(value, int):
            changed[key] = ids.setdefault(str(value), len(ids))
        elif key == "file" and (found := re.fullmatch(r"(\d+)(\.\w+)", str(value))):
            number = ids.setdefault(found[1], len(ids))
            renamed[value] = changed[key] = f"{number:06d}{found[2]}"
        else:
            changed[key] = _renumber(value, ids, renamed)
    return changed


def _entry(name: str) -> ZipInfo:
    return ZipInfo(name, EPOCH)
