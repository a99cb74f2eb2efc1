"""What the image is made of: `python -m deploy.sbom FILE` writes a CycloneDX 1.6 document.

Of every distribution in requirements-serving.lock its version, licence and what it needs. The same
lock gives the same file, to the last byte.
"""

import hashlib
import importlib.metadata
import json
import sys
import tomllib
from pathlib import Path
from typing import Any
from uuid import UUID

from packaging.utils import canonicalize_name

from deploy.licences import declared
from deploy.serving_lock import LOCK, ROOT, WANTED, depended, needed, read_requirements

ROOT_REF = "ticket-assistant"


def describe(lock: Path = LOCK, wanted: Path = WANTED) -> dict[str, Any]:
    """The document."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = [str(canonicalize_name(one.name)) for one in read_requirements(lock)]
    found = {name: importlib.metadata.distribution(name) for name in pins}
    refs = {name: f"pkg:pypi/{name}@{one.version}" for name, one in found.items()}
    direct = [refs[str(canonicalize_name(one.name))] for one in read_requirements(wanted)]
    components = [
        {
            "type": "library",
            "bom-ref": refs[name],
            "name": one.metadata["Name"],
            "version": one.version,
            "purl": refs[name],
            "licenses": [{"license": {"name": declared(one)}}],
            "scope": "required",
        }
        for name, one in found.items()
    ]
    needs = [
        {
            "ref": refs[name],
            "dependsOn": sorted(
                {refs[str(canonicalize_name(one.name))] for one in depended(name, extras)}
            ),
        }
        for name, extras in sorted(needed(read_requirements(wanted)).items())
    ]
    content = {
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": ROOT_REF,
                "name": project["name"],
                "version": project["version"],
                "licenses": [{"license": {"id": project["license"]}}],
            }
        },
        "components": components,
        "dependencies": [{"ref": ROOT_REF, "dependsOn": sorted(direct)}, *needs],
    }
    # Of the content, so that a document tells whether it is another one.
    number = UUID(bytes=hashlib.sha256(json.dumps(content).encode()).digest()[:16], version=5)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{number}",
        "version": 1,
        **content,
    }


def main() -> None:
    """Write the file named, or to standard output."""
    text = json.dumps(describe(), indent=1) + "\n"
    if len(sys.argv) > 1:
        path = Path(sys.argv[1])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
