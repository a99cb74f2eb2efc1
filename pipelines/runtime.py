"""Stage `runtime`: networks that answer without torch, and the proof that they answer the same.

Each runtime that is offered answers calibration tickets, which no network was fitted on. One that
changes more decisions or more learned entities than allowed is not shipped, and runtime.json says
so. Torch in f32 is what they are compared with; torch as it trains here, in bfloat16 where the
processor has it, is told beside them as a yardstick.
"""

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.prepared import Prepared, read_prepared
from data.schema import Ticket
from evaluation.parity import ask, compare
from models.assistant import Facts, TicketAssistant
from models.content import READERS, sha256_of
from models.embedding import EmbeddingMember
from models.finetuned import FinetunedMember
from models.precision import full_precision, has_bfloat16
from models.readers import LOWER
from models.runtime import RUNTIMES, Runtime, one_by_one
from models.runtime_file import (
    FOLDER,
    Examined,
    Parity,
    RuntimeFile,
    graph_file,
    table_file,
    write_runtime_file,
)
from models.runtime_parts import TAGGER, RuntimeParts, part_of
from models.runtime_sessions import is_installed
from pipelines import run
from pipelines.params import RuntimeParams, read_params
from pipelines.train import PREPARED, RECORDS, TRAINED

if TYPE_CHECKING:
    from onnx import ModelProto
    from sentence_transformers import SentenceTransformer

    from models.rounding import Entering

logger = logging.getLogger(__name__)

Load = Callable[[RuntimeParts | None], TicketAssistant]
"""An assistant of the trained parts, its networks opened so; None: by torch."""


ROUNDED = 150
"""Train tickets on which weights are rounded."""


def export_parts(
    assistant: TicketAssistant, trained: Path, texts: Sequence[str] = ()
) -> tuple[dict[str, str], list[str]]:
    """Write the graphs of all networks of an assistant in torch, in f32 and in 8 bits.

    Parameters
    ----------
    texts : weights of the encoders are rounded on these; without any, each for itself

    Returns
    -------
    graphs, sources : part -> folder of its tokenizer; files that the graphs were made of
    """
    # Here and not above: importing this module is to load neither torch nor onnx.
    from models.export import export_encoder, export_tagger, write_graph
    from models.quantise import quantise
    from models.rounding import measure_entering
    from models.tagger import EntityTagger

    places: dict[str, str] = {}
    sources: list[str] = []

    def write(
        part: str,
        graph: "ModelProto",
        place: str,
        entering: "Mapping[str, Entering] | None" = None,
    ) -> None:
        write_graph(graph, trained / FOLDER / f"{part}.f32.onnx")
        write_graph(quantise(graph, entering), trained / FOLDER / f"{part}.int8.onnx")
        places[part] = place

    for place, encoder in _encoders(assistant):
        graph = export_encoder(encoder)
        calls = one_by_one(trained / place / "tokenizer.json", int(encoder.max_seq_length), texts)
        entering = measure_entering(graph, calls) if texts else None
        write(part_of(trained / place, trained), graph, place, entering)
        sources += [f"{place}/model.safetensors", f"{place}/tokenizer.json"]
    if isinstance(tagger := assistant.readers.tagger, EntityTagger):
        lower = f"{READERS}/{LOWER}"
        write(TAGGER, export_tagger(tagger), lower)
        sources += [f"{READERS}/{TAGGER}/tagger.safetensors", f"{lower}/model.safetensors"]
        sources.append(f"{lower}/tokenizer.json")
    return places, sources


def examine(runtime: Runtime, parity: Parity, params: RuntimeParams) -> Examined:
    """Whether a runtime of this parity may serve."""
    reasons = [
        f"{share:.2%} of the tickets got {what}, allowed are {most:.2%}"
        for what, share, most in (
            ("another decision", parity.decisions_changed, params.budget),
            ("other entities", parity.entities_changed, params.entity_budget),
        )
        if share > most
    ]
    return Examined(
        engine=runtime.engine,
        precision=runtime.precision,
        shipped=not reasons,
        reason="; ".join(reasons) or None,
        parity=parity,
    )


def prove(
    trained: Path,
    tickets: Sequence[Ticket],
    params: RuntimeParams,
    load: Load,
    texts: Sequence[str] = (),
) -> RuntimeFile | None:
    """Export the networks, ask torch and every runtime offered the same tickets.

    What may serve is left in the folder `runtime`, with runtime.json. None, and an empty folder,
    where no network carries weight.

    Parameters
    ----------
    texts : see `export_parts`; none of those of `tickets`
    """
    folder = trained / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    assistant = load(None)
    graphs, sources = export_parts(assistant, trained, texts)
    if not graphs:
        return None
    told = RuntimeFile(
        graphs=graphs,
        sources={name: sha256_of(trained / name) for name in sources},
        decision_budget=params.budget,
        entity_budget=params.entity_budget,
        torch=None,
        runtimes={},
    )
    with full_precision():
        reference = ask(assistant, tickets)
    yardstick = compare(reference, ask(assistant, tickets)) if has_bfloat16("cpu") else None
    del assistant
    examined: dict[str, Examined] = {}
    for name in params.offered:
        runtime = RUNTIMES[name]
        if not is_installed(runtime):
            logger.warning("%s is not tried: %s is not installed", name, runtime.engine)
            continue
        answers = ask(load(RuntimeParts(trained, told, runtime)), tickets)
        examined[name] = examine(runtime, compare(reference, answers), params)
        logger.info("%s: %s", name, examined[name].reason or "may serve")
    told = told.model_copy(update={"torch": yardstick, "runtimes": examined})
    _keep(folder, told)
    write_runtime_file(told, folder)
    return told


def choose_tickets(prepared: Prepared, n: int, seed: int) -> list[Ticket]:
    """Calibration tickets, drawn with the seed."""
    rows, texts = prepared.rows("calibration"), prepared.texts()
    chosen = np.random.default_rng(seed).permutation(rows)[:n]
    return [Ticket(text=texts[row]) for row in np.sort(chosen)]


def choose_texts(prepared: Prepared, n: int, seed: int) -> list[str]:
    """Train texts as the members read them, drawn with the seed."""
    rows, texts = prepared.rows("train"), prepared.texts()
    chosen = np.random.default_rng(seed).permutation(rows)[:n]
    return [texts[row] for row in np.sort(chosen)]


def _encoders(assistant: TicketAssistant) -> Iterator[tuple[str, "SentenceTransformer"]]:
    """Folder and encoder of every network."""
    for name, member in assistant.members.items():
        if isinstance(member, EmbeddingMember):
            yield f"{name}/encoder", member.model
        elif isinstance(member, FinetunedMember):
            for number, model in enumerate(member.models, start=1):
                yield f"{name}/network-{number}/encoder", model


def _keep(folder: Path, told: RuntimeFile) -> None:
    """Remove the graphs that no runtime reads which may serve."""
    wanted = {graph_file(part, runtime) for part in told.graphs for runtime in told.shipped}
    for path in folder.glob("*.onnx"):
        if path.name not in wanted:
            path.unlink()
            table_file(path).unlink(missing_ok=True)


def main() -> None:
    params = read_params()
    section = params.runtime.model_dump(mode="json")
    with run.stage(
        "runtime", record=RECORDS / "runtime.json", params=section, seed=params.seed
    ) as tracked:
        prepared = read_prepared(PREPARED)
        language = params.prepare.language
        facts = Facts(languages=language.targets, language_detector=language.detector)
        told = prove(
            TRAINED,
            choose_tickets(prepared, params.runtime.tickets, params.seed),
            params.runtime,
            lambda served: TicketAssistant.load_parts(TRAINED, facts, served),
            choose_texts(prepared, ROUNDED, params.seed),
        )
        if told is None:
            logger.warning("nothing is exported: no network carries weight")
            return
        for name, found in told.runtimes.items():
            changed = found.parity.decisions_changed
            tracked.log_metrics({f"{name}.decisions_changed": changed})


if __name__ == "__main__":
    main()
