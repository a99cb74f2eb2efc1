"""The parts of a bundle that a runtime stands in for, opened from their graphs."""

from pathlib import Path

from models.runtime import Runtime, Session, SessionEncoder
from models.runtime_file import FOLDER, RuntimeFile, graph_file
from models.runtime_sessions import open_session
from models.tagger_session import SessionTagger

TAGGER = "tagger"
"""Name of the tagger's graph."""


def part_of(folder: Path, parts: Path) -> str:
    """Name of the graph of an encoder: `finetuned/network-1/encoder` is `finetuned-network-1`."""
    return "-".join(folder.relative_to(parts).parent.parts)


class RuntimeParts:
    """Opens the networks of a folder of parts by one runtime.

    Parameters
    ----------
    parts : holds the folders of the members and that of the graphs
    threads : of one call's arithmetic
    """

    def __init__(self, parts: Path, told: RuntimeFile, runtime: Runtime, threads: int = 1) -> None:
        self.runtime = runtime
        self._parts = parts
        self._told = told
        self._threads = threads

    def open_encoder(self, folder: Path, max_tokens: int, *, normalise: bool) -> SessionEncoder:
        """The encoder of a member; see `models.runtime.OpenEncoder`."""
        session = self._open(part_of(folder, self._parts))
        return SessionEncoder(session, folder / "tokenizer.json", max_tokens, normalise=normalise)

    def open_first(self, max_tokens: int) -> SessionEncoder:
        """The first encoder that was exported, to see how long it takes."""
        part, folder = next(found for found in self._told.graphs.items() if found[0] != TAGGER)
        tokenizer = self._parts / folder / "tokenizer.json"
        return SessionEncoder(self._open(part), tokenizer, max_tokens, normalise=False)

    def open_tagger(self, folder: Path) -> SessionTagger | None:
        """The tagger; None where it was not exported, because no member shares its layers."""
        if TAGGER not in self._told.graphs:
            return None
        tokenizer = self._parts / self._told.graphs[TAGGER] / "tokenizer.json"
        return SessionTagger.load(folder, self._open(TAGGER), tokenizer)

    def _open(self, part: str) -> Session:
        path = self._parts / FOLDER / graph_file(part, self.runtime)
        return open_session(path, self.runtime, self._threads)
