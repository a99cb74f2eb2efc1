"""`python -m deploy.bento` builds a bento: sources, lock, and the bundles or a place for them.

`--published STORE` puts what is published inside; without it TICKETS_BUNDLE_STORE names the folder
or address at the start. BentoML keeps it below BENTOML_HOME.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.sources import ROOT, copy_published, copy_sources

BENTOFILE = "bentofile.yaml"


def build(version: str | None = None, store: Path | None = None) -> str:
    """The tag of the bento built.

    Raises
    ------
    subprocess.CalledProcessError
        If BentoML refuses.
    """
    # Beside the repository and not in it: BentoML takes all that it finds below.
    with tempfile.TemporaryDirectory(prefix="bento-") as made:
        folder = Path(made)
        copy_sources(folder)
        shutil.copyfile(ROOT / BENTOFILE, folder / BENTOFILE)
        if store is not None:
            copy_published(store, folder)
        command = [sys.executable, "-m", "bentoml", "build", "--output", "tag"]
        if version is not None:
            command += ["--version", version]
        built = subprocess.run(  # noqa: S603
            [*command, "."],
            cwd=folder,  # BentoML reads no file above it
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "BENTOML_DO_NOT_TRACK": "True"},
        )
    return built.stdout.strip().removeprefix("__tag__:")


def main() -> None:
    """Build, and print the tag."""
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--version", help="of the bento; by default BentoML draws one")
    asked.add_argument("--published", type=Path, help="a bundle store whose bundles come along")
    told = asked.parse_args()
    sys.stdout.write(build(told.version, told.published) + "\n")


if __name__ == "__main__":
    main()
