"""The tagger as it serves without torch: one graph from word pieces to the scores of tags."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from safetensors import SafetensorError, safe_open

from data.errors import BundleError
from data.schema import Entity
from models.runtime import Session, pad, read_tokenizer
from models.tagger_decoding import Steps, best_tags, forbidden_steps
from models.tagger_features import Lexicon
from models.tagger_inputs import length_of, word_inputs
from models.tagger_reading import SERVED_PIECES, bio_tags, find_entities
from models.tagger_windows import Pieces, Window, alike


class SessionTagger:
    """Finds what `models.tagger.EntityTagger` finds, by the graph that was exported of it."""

    def __init__(
        self,
        session: Session,
        tokenizer: Path,
        max_pieces: int,
        labels: Sequence[str],
        lexicon: Lexicon,
        steps: Steps,
    ) -> None:
        self.labels_ = tuple(labels)
        self.tags_ = bio_tags(self.labels_)
        if session.width != len(self.tags_):
            raise BundleError(f"the graph scores {session.width} tags, there are {len(self.tags_)}")
        self._session = session
        self._max_pieces = max_pieces
        self._lexicon = lexicon
        self._steps = steps
        reader = read_tokenizer(tokenizer)
        ends = reader.encode("").ids
        self._first, self._last = ends[0], ends[-1]

        def tokenise(words: list[str]) -> list[list[int]]:
            found = reader.encode_batch_fast(words, add_special_tokens=False)
            return [one.ids for one in found]

        self._pieces = Pieces(tokenise, _unknown_token(tokenizer))

    @classmethod
    def load(cls, folder: Path, session: Session, tokenizer: Path) -> Self:
        """Read what `EntityTagger.save` wrote, as far as it is not in the graph.

        Parameters
        ----------
        tokenizer : tokenizer.json of the encoder that the tagger stands on

        Raises
        ------
        BundleError
            If the files are incomplete or do not fit each other.
        """
        try:
            facts = json.loads((folder / "tagger.json").read_text(encoding="utf-8"))
            labels = sorted(facts["labels"])
            with safe_open(folder / "tagger.safetensors", framework="numpy") as tensors:
                counts = tensors.get_tensor("lexicon")
                steps, first, last = (
                    tensors.get_tensor(f"chain.{name}") for name in ("steps", "first", "last")
                )
            lexicon = Lexicon(labels)
            lexicon.remember(dict(zip(facts["lexicon"], counts, strict=True)))
            forbidden, forbidden_first = forbidden_steps(bio_tags(labels))
            return cls(
                session,
                tokenizer,
                int(facts["params"]["max_pieces"]),
                labels,
                lexicon,
                Steps(steps + forbidden, first + forbidden_first, last),
            )
        except (OSError, KeyError, ValueError, SafetensorError) as error:
            raise BundleError(f"{folder.name} is no tagger: {type(error).__name__}") from error

    def find(
        self, texts: Sequence[str], names: tuple[str, ...] | None = None
    ) -> list[tuple[Entity, ...]]:
        """Entities of each text in order; see `models.tagger_reading.find_entities`."""
        return find_entities(
            texts, self._pieces, self._max_pieces, self._decode, self._lexicon, names
        )

    def _decode(self, windows: Sequence[Window]) -> list[list[str]]:
        found: list[list[str]] = [[] for _ in windows]
        for rows in alike(windows, SERVED_PIECES):
            part = [windows[row] for row in rows]
            length = length_of(part)
            tokens, mask = pad([one.tokens(self._first, self._last) for one in part], length)
            words = word_inputs(part, self._lexicon, length)
            scores = self._session.run({"tokens": tokens, "mask": mask, **words._asdict()})
            for row, emissions in zip(rows, scores, strict=True):
                path = best_tags(emissions[: len(windows[row].words)], *self._steps)
                found[row] = [self.tags_[column] for column in path]
        return found


def _unknown_token(tokenizer: Path) -> int:
    """Token id of what the vocabulary does not hold; named or numbered, by kind of model."""
    model = json.loads(tokenizer.read_text(encoding="utf-8"))["model"]
    if (number := model.get("unk_id")) is None:
        number = read_tokenizer(tokenizer).token_to_id(model["unk_token"])
    return int(number)
