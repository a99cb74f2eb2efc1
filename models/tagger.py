"""Entities that no rule can list (an application, a library, a device), found by a trained tagger.

The lower layers of the sentence encoder are left as they are; copies of the upper ones are trained
together with what a word shows of itself (`tagger_features`) and a chain of BIO tags
(`tagger_crf`).
"""

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from data.conll import OUTSIDE
from data.errors import BundleError, NotFittedError
from data.schema import Entity
from models.base import Progress
from models.encoders import find_encoder, keep_layers, open_encoder
from models.tagger_batches import lower_states, make_batch
from models.tagger_decoding import best_tags
from models.tagger_features import Lexicon
from models.tagger_network import TaggerNetwork, TaggerParams
from models.tagger_reading import SERVED_PIECES, bio_tags, find_entities
from models.tagger_training import train_network
from models.tagger_windows import Pieces, Window, alike, cut_windows

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class EntityTagger:
    """Finds spans of the kinds it was shown, with exact offsets into the text.

    Parameters
    ----------
    encoder : shares an encoder that is open already, the published one, unchanged; the tagger
        reads its lower layers and changes nothing

    Attributes
    ----------
    labels_ : kinds of entities, sorted
    tags_ : BIO tags in column order
    """

    def __init__(
        self,
        params: TaggerParams | None = None,
        *,
        seed: int = 0,
        progress: Progress | None = None,
        encoder: "SentenceTransformer | None" = None,
    ) -> None:
        self.params = params or TaggerParams()
        self.seed = seed
        self.labels_: tuple[str, ...] = ()
        self.tags_: tuple[str, ...] = ()
        self._progress = progress
        self._encoder = encoder
        self._network: TaggerNetwork | None = None
        self._lexicon = Lexicon(())

    def fit(
        self,
        sentences: Sequence[Sequence[str]],
        tags: Sequence[Sequence[str]],
        groups: Sequence[str] | None = None,
    ) -> Self:
        """Learn from words and their BIO tags.

        Parameters
        ----------
        groups : which document a sentence is from; neighbours of one document are read together,
            and what the lexicon tells of a word leaves the word's own document out. None: each
            sentence is a document.

        Raises
        ------
        ValueError
            If sentences and tags differ in length, or nothing is tagged.
        """
        if [len(sentence) for sentence in sentences] != [len(found) for found in tags]:
            raise ValueError("sentences and tags differ in length")
        names = groups if groups is not None else [str(i) for i in range(len(sentences))]
        self._set_labels({tag[2:] for found in tags for tag in found if tag != OUTSIDE})
        if not self.labels_:
            raise ValueError("no entity is tagged")
        kinds = [["" if tag == OUTSIDE else tag[2:] for tag in found] for found in tags]
        self._lexicon = Lexicon(self.labels_).fit(sentences, kinds, names)
        windows = self._documents(sentences, names)
        flat = [tag for found in tags for tag in found]
        column = {tag: i for i, tag in enumerate(self.tags_)}
        position = 0
        for window in windows:
            window.tags = [column[tag] for tag in flat[position : position + len(window.words)]]
            position += len(window.words)
        self._add_states(windows)
        torch.manual_seed(self.seed)
        self._network = self._new_network()
        train_network(self._network, windows, self._lexicon, self.params, self.seed, self._progress)
        return self

    def tag(
        self, sentences: Sequence[Sequence[str]], groups: Sequence[str] | None = None
    ) -> list[list[str]]:
        """BIO tags of sentences that are cut into words already; `groups` as in `fit`."""
        names = groups if groups is not None else [str(i) for i in range(len(sentences))]
        windows = self._documents(sentences, names)
        for window in windows:
            window.group = None
        flat = iter([tag for found in self._decode(windows) for tag in found])
        return [[next(flat) for _ in sentence] for sentence in sentences]

    def find(
        self, texts: Sequence[str], names: tuple[str, ...] | None = None
    ) -> list[tuple[Entity, ...]]:
        """Entities of each text in order; see `models.tagger_reading.find_entities`."""
        return find_entities(
            texts, self._pieces(), self.params.max_pieces, self._decode, self._lexicon, names
        )

    def save(self, folder: Path) -> None:
        """Write tagger.json and tagger.safetensors; `save_lower` writes the frozen layers."""
        network = self.network
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
        words = sorted(self._lexicon.counts)
        tensors["lexicon"] = torch.from_numpy(np.stack([self._lexicon.counts[w] for w in words]))
        save_file(tensors, folder / "tagger.safetensors")
        facts = {
            "params": self.params.model_dump(mode="json"),
            "seed": self.seed,
            "labels": self.labels_,
            "lexicon": words,
        }
        (folder / "tagger.json").write_text(json.dumps(facts), encoding="utf-8")

    def save_lower(self, folder: Path) -> None:
        """Write an encoder of the frozen layers alone, which `load` can be given."""
        params = self.params
        lower = open_encoder(find_encoder(params.encoder), params.max_pieces, normalise=False)
        keep_layers(lower, params.frozen_layers)
        lower.save_pretrained(str(folder), create_model_card=False)

    @classmethod
    def load(cls, folder: Path, encoder: "SentenceTransformer | None" = None) -> Self:
        """Read what `save` wrote; the frozen layers are those of `encoder` or of the published one.

        Raises
        ------
        BundleError
            If the files are incomplete or do not fit each other.
        """
        try:
            facts = json.loads((folder / "tagger.json").read_text(encoding="utf-8"))
            tagger = cls(
                TaggerParams.model_validate(facts["params"]), seed=facts["seed"], encoder=encoder
            )
            tagger._set_labels(set(facts["labels"]))
            tensors = load_file(folder / "tagger.safetensors")
            counts = tensors.pop("lexicon").numpy()
            tagger._lexicon = Lexicon(tagger.labels_)
            tagger._lexicon.remember(dict(zip(facts["lexicon"], counts, strict=True)))
            tagger._network = tagger._new_network()
            tagger._network.load_state_dict(tensors)
            tagger._network.eval()
        except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
            raise BundleError(f"{folder.name} is no tagger: {type(error).__name__}") from error
        return tagger

    def _set_labels(self, labels: set[str]) -> None:
        self.labels_ = tuple(sorted(labels))
        self.tags_ = bio_tags(self.labels_)

    def _open(self) -> "SentenceTransformer":
        if self._encoder is None:
            folder = find_encoder(self.params.encoder)
            self._encoder = open_encoder(folder, self.params.max_pieces, normalise=False).cpu()
        return self._encoder

    def _new_network(self) -> TaggerNetwork:
        network = self._open()[0].auto_model
        return TaggerNetwork(network, self.tags_, self._lexicon.width, self.params)

    @property
    def encoder(self) -> "SentenceTransformer":
        """Whose lower layers it reads."""
        return self._open()

    @property
    def lexicon(self) -> Lexicon:
        """What it remembers of the words it learned from."""
        return self._lexicon

    @property
    def network(self) -> TaggerNetwork:
        """What was trained; NotFittedError before."""
        if self._network is None:
            raise NotFittedError("EntityTagger")
        return self._network

    def _pieces(self) -> Pieces:
        tokenizer = self._open().tokenizer

        def tokenise(words: list[str]) -> list[list[int]]:
            ids: list[list[int]] = tokenizer(words, add_special_tokens=False)["input_ids"]
            return ids

        return Pieces(tokenise, tokenizer.unk_token_id)

    def _documents(self, sentences: Sequence[Sequence[str]], names: Sequence[str]) -> list[Window]:
        """Windows over neighbouring sentences of one group, in order."""
        pieces, most = self._pieces(), self.params.max_pieces
        windows: list[Window] = []
        together = groupby(zip(names, sentences, strict=True), key=lambda pair: pair[0])
        for number, (name, pairs) in enumerate(together):
            words: list[str] = []
            ends: list[bool] = []
            for _, sentence in pairs:
                words += sentence
                ends += [i == len(sentence) - 1 for i in range(len(sentence))]
            cut = cut_windows(number, words, ends, pieces.of(words), most)
            for window in cut:
                window.group = name
            windows += cut
        return windows

    def _add_states(self, windows: Sequence[Window]) -> None:
        states = lower_states(self._open(), windows, self.params.frozen_layers)
        for window, state in zip(windows, states, strict=True):
            window.states = state

    @torch.inference_mode()
    def _decode(self, windows: Sequence[Window]) -> list[list[str]]:
        network = self.network
        steps, first, last = (score.numpy() for score in network.chain.scores())
        found: list[list[str]] = [[] for _ in windows]
        for rows in alike(windows, SERVED_PIECES):
            part = [windows[row] for row in rows]
            self._add_states(part)
            emissions = network(make_batch(part, self._lexicon)).float().numpy()
            for row, scores in zip(rows, emissions, strict=True):
                path = best_tags(scores[: len(windows[row].words)], steps, first, last)
                found[row] = [self.tags_[column] for column in path]
                windows[row].states = None
        return found
