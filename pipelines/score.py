"""Command: score a file of any size, one row out per row in.

python -m pipelines.score tickets.csv scored.parquet --text body --subject title --id key

Reads and writes CSV, TSV, JSONL and parquet, by the ending. A row that is no ticket is told in the
column `error`, never left out. An interrupted run goes on where it stopped when it is begun again.

With `--engine ray` the output is a folder of parts, written by a Ray cluster that sees this folder,
the input and the bundle under the names they have here; see `pipelines/score_ray.py`.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import get_args

from data.errors import BundleError, ModelError, TicketAssistantError
from data.row_streams import RowSource, file_kind
from data.schema import Detail
from models.bundle import load
from models.manifest import MANIFEST, is_version, read_manifest
from models.publishing import BundleStore, open_store
from models.runtime_choice import AUTO, Precision
from pipelines import run
from pipelines.score_workers import Workers, default_count
from pipelines.scored_rows import TicketColumns
from pipelines.scoring import BATCH, Assistant, Done, Loader, score

logger = logging.getLogger(__name__)

CACHE = Path(".cache/bundles")
"""Where bundles of a remote store are kept, as in serving."""

WHOLE, STOPPED, SOME_ERRORS, INTERRUPTED = 0, 1, 3, 130
EXITS = (
    "exit status: 0 every row was answered; 3 the output is whole, some of its rows tell an "
    "error; 1 there is no output, for the reason told; 130 interrupted, begin again to go on"
)


def find_bundle(named: str | None, store: BundleStore, cache: Path = CACHE) -> Path:
    """The folder of a bundle: a folder itself, a published version, or by default the champion.

    Raises
    ------
    BundleError
        If there is none.
    """
    if named and (Path(named) / MANIFEST).is_file():
        return Path(named)
    version = named
    if version is None:
        deployment = store.find_deployment()
        if deployment is None or deployment.champion is None:
            raise BundleError(
                "the bundle store names no champion: publish a bundle, or name one by --bundle"
            )
        version = deployment.champion.version
    folder = store.find(version, cache) if is_version(version) else None
    if folder is None:
        raise BundleError(f"{version!r} is neither the folder of a bundle nor a published version")
    return folder


def load_assistant(folder: Path, precision: Precision = "same") -> Assistant:
    """The assistant of a bundle, verified, on the fastest runtime that may answer."""
    return load(folder, runtime=AUTO, precision=precision)[1]


def main(
    arguments: Sequence[str] | None = None,
    loaded: Loader | None = None,
) -> int:
    """Score as the arguments say; gives the exit status."""
    asked = read_arguments(arguments)
    loaded = loaded or partial(load_assistant, precision=asked.precision)
    run.begin()
    try:
        file_kind(asked.output)  # before minutes are spent on loading
        source = RowSource(asked.input, asked.encoding, asked.separator)
        columns = TicketColumns(asked.text, asked.subject, asked.id, asked.language)
        source.require(tuple(columns.named.values()))
        folder = find_bundle(asked.bundle, open_store())
        if asked.engine == "ray":
            version = read_manifest(folder).version
            done = _score_on_ray(source, folder, columns, asked, loaded)
        else:
            count = asked.workers or default_count(asked.input)
            assistant: Assistant | Workers
            if count == 1:
                assistant = loaded(folder)
            else:
                told = read_manifest(folder)
                assistant = Workers(
                    folder, told.version, told.targets, columns, asked.detail, count, loaded
                )
            version = assistant.version
            done = score(source, asked.output, assistant, columns, asked.batch, detail=asked.detail)
    except (TicketAssistantError, OSError) as error:
        logger.error("%s", error)
        return STOPPED
    except KeyboardInterrupt:
        logger.warning("interrupted; the same command goes on from here")
        return INTERRUPTED
    sys.stdout.write(f"{asked.output}: {done}; bundle {version}\n")
    return SOME_ERRORS if done.errors else WHOLE


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.score",
        description=(__doc__ or "").splitlines()[0],
        epilog=EXITS,
    )
    parser.add_argument("input", type=Path, help="CSV, TSV, JSONL or parquet")
    parser.add_argument("output", type=Path, help="the same, by its ending")
    parser.add_argument("--bundle", help="folder or published version; default: the champion")
    parser.add_argument("--text", default="text", help="column of the text (default: %(default)s)")
    parser.add_argument("--subject", help="column of the subject, read before the text")
    parser.add_argument("--id", help="column that names a row, told beside its answer")
    parser.add_argument("--language", help="column of the language; detected without")
    parser.add_argument(
        "--batch", type=_positive, default=BATCH, help="rows read and answered together"
    )
    parser.add_argument(
        "--detail",
        choices=get_args(Detail),
        default="full",
        help="decision: what is to be done with each ticket and nothing beside it, in a fraction "
        "of the time where the bundle has a cascade",
    )
    parser.add_argument(
        "--engine", choices=("here", "ray"), default="here",
        help="ray: on a cluster, into a folder of parts",
    )  # fmt: skip
    parser.add_argument("--cluster", help="for ray; default: RAY_ADDRESS, else one of its own")
    parser.add_argument(
        "--workers", type=_positive,
        help="processes, each with the whole bundle; default: one per processor, for a small file "
        "one",
    )  # fmt: skip
    parser.add_argument(
        "--precision", choices=get_args(Precision), default="same",
        help="fast: bfloat16 too, where the processor has it the fastest",
    )  # fmt: skip
    parser.add_argument("--encoding", default="utf-8", help="of a text file (default: %(default)s)")
    parser.add_argument("--separator", help="between the fields of a CSV")
    return parser.parse_args(arguments)


def _score_on_ray(
    source: RowSource,
    folder: Path,
    columns: TicketColumns,
    asked: argparse.Namespace,
    loaded: Loader,
) -> Done:
    try:
        from pipelines.score_ray import score_on_ray
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise ModelError("ray is not installed: pip install 'ray[data]'") from None
    return score_on_ray(
        source, asked.output, folder, columns, asked.batch, asked.detail,
        loaded=loaded, workers=asked.workers, address=asked.cluster,
    )  # fmt: skip


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


if __name__ == "__main__":
    sys.exit(main())
