"""Makes an ordinary encoder folder that carries its prefix from packed weights or hub files.

E5 was trained with "query: " before every text (Wang et al., "Multilingual E5 Text Embeddings: A
Technical Report", 2024). Here the prefix belongs to the tokenizer, beside the tokens for first and
last: encoding, fine-tuning and an export all add it, and no caller can forget it.
"""

import json
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from data.errors import WeightsError
from models.packed_weights import PackedEncoder, Vocabulary

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_KIND = {"w": "weight", "b": "bias"}


def convert_packed(packed: PackedEncoder, folder: Path, prefix: str) -> None:
    """Write an encoder that sentence-transformers opens, its weights as float32.

    The values are those of 4 bits; what was lost in packing does not come back.

    Raises
    ------
    WeightsError
        If a tensor is missing or has another size than the network needs.
    """
    (folder / "1_Pooling").mkdir(parents=True)
    save_file(state_of(packed), folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer = build_tokenizer(packed)
    _add_prefix(tokenizer, packed.vocabulary.pieces, prefix)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    sizes = packed.sizes
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "dtype": "float32",
        "hidden_size": sizes.hidden,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "intermediate_size": sizes.feed_forward,
        "vocab_size": sizes.vocabulary,
        "max_position_embeddings": sizes.positions,
        "type_vocab_size": sizes.types,
        "layer_norm_eps": float(f"{sizes.epsilon:.6g}"),
        "hidden_act": "gelu",
        "pad_token_id": packed.vocabulary.padding,
    }
    _write_json(folder / "config.json", config)
    _write_settings(folder, packed.vocabulary.pieces, packed.vocabulary, sizes.positions)
    _write_modules(folder, sizes.hidden)


def convert_published(source: Path, folder: Path, prefix: str) -> None:
    """Copy an encoder of the XLM-RoBERTa vocabulary as its authors publish it, with its prefix."""
    from tokenizers import Tokenizer

    shutil.copytree(source, folder, dirs_exist_ok=True)
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokens = tuple(sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__))
    places = {token: tokens.index(token) for token in ("<s>", "</s>", "<pad>", "<unk>")}
    vocabulary = Vocabulary(
        tokens,
        np.zeros(0, np.float32),
        *(places[token] for token in ("<s>", "</s>", "<pad>", "<unk>")),
    )
    _add_prefix(tokenizer, tokens, prefix)
    (folder / "tokenizer.json").unlink()  # of a link, the original would be overwritten
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    positions = json.loads((source / "config.json").read_text("utf-8"))["max_position_embeddings"]
    _write_settings(folder, tokens, vocabulary, positions)


def cached(folder: Path, make: Callable[[Path], None]) -> Path:
    """A folder that is there whole or not at all; made where it is missing.

    Two processes may make it at once: the first to be done wins, the other's is thrown away.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        made = Path(scratch) / folder.name
        make(made)
        try:
            made.replace(folder)
        except OSError:
            if not folder.is_dir():
                raise
    return folder


def state_of(packed: PackedEncoder) -> dict[str, NDArray[np.float32]]:
    """The tensors under the names of a `BertModel`; its pooler, which nobody reads, is 0."""
    sizes, left = packed.sizes, dict(packed.tensors)

    def take(name: str, *shape: int) -> NDArray[np.float32]:
        if name not in left:
            raise WeightsError(f"the packed weights lack the tensor {name}")
        tensor = left.pop(name)
        if tensor.size != np.prod(shape):
            raise WeightsError(f"{name} has {tensor.size} numbers, expected {np.prod(shape)}")
        return np.ascontiguousarray(tensor.reshape(shape))

    hidden, wide = sizes.hidden, sizes.feed_forward
    state = {
        "embeddings.word_embeddings.weight": take("emb.word", sizes.vocabulary, hidden),
        "embeddings.position_embeddings.weight": take("emb.pos", sizes.positions, hidden),
        "embeddings.token_type_embeddings.weight": take("emb.type", sizes.types, hidden),
        "embeddings.LayerNorm.weight": take("emb.ln.w", hidden),
        "embeddings.LayerNorm.bias": take("emb.ln.b", hidden),
        "pooler.dense.weight": np.zeros((hidden, hidden), np.float32),
        "pooler.dense.bias": np.zeros(hidden, np.float32),
    }
    shapes = {"fi": (wide, hidden), "fo": (hidden, wide), "aln": (hidden,), "oln": (hidden,)}
    for layer in range(sizes.layers):
        for short, full in _LAYER.items():
            shape = shapes.get(short, (hidden, hidden))
            for part, dimensions in (("w", shape), ("b", shape[:1])):
                name = f"encoder.layer.{layer}.{full}.{_KIND[part]}"
                state[name] = take(f"l{layer}.{short}.{part}", *dimensions)
    return state


def build_tokenizer(packed: PackedEncoder) -> "Tokenizer":
    """The tokenizer of SentencePiece unigrams, without prefix and without first and last token.

    Characters are normalised by NFKC, plus what the file says otherwise. It says more only for
    sequences that NFKC composes as well; 74 characters younger than the file it would leave alone.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    vocabulary = packed.vocabulary
    differing: dict[str, list[str]] = {}
    for character, read in packed.replaced.items():
        if unicodedata.normalize("NFKC", character) != read:
            differing.setdefault(read, []).append(character)
    pairs = zip(vocabulary.pieces, vocabulary.scores.tolist(), strict=True)
    tokenizer = Tokenizer(models.Unigram(list(pairs), vocabulary.unknown, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            *(
                normalizers.Replace(Regex(f"[{''.join(map(re.escape, characters))}]"), read)
                for read, characters in sorted(differing.items())
            ),
            normalizers.NFKC(),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    first, last, padding, unknown = _roles(vocabulary.pieces, vocabulary)
    tokenizer.add_special_tokens([first, last, padding, unknown])
    return tokenizer


def _add_prefix(tokenizer: "Tokenizer", pieces: tuple[str, ...], prefix: str) -> None:
    from tokenizers.processors import TemplateProcessing

    # Without its blank: the text brings that one along.
    read = tokenizer.encode(prefix.strip(), add_special_tokens=False)
    own = {"id": "prefix", "ids": read.ids, "tokens": read.tokens}
    first, last = (
        {"id": token, "ids": [pieces.index(token)], "tokens": [token]} for token in ("<s>", "</s>")
    )
    tokenizer.post_processor = TemplateProcessing(
        single="<s> prefix $A </s>",
        pair="<s> prefix $A </s> </s> $B </s>",
        special_tokens=[first, own, last],
    )


def _roles(pieces: tuple[str, ...], vocabulary: Vocabulary) -> tuple[str, str, str, str]:
    return (
        pieces[vocabulary.first],
        pieces[vocabulary.last],
        pieces[vocabulary.padding],
        pieces[vocabulary.unknown],
    )


def _write_settings(
    folder: Path, pieces: tuple[str, ...], vocabulary: Vocabulary, positions: int
) -> None:
    """Settings that make transformers take tokenizer.json as it is.

    Under the name of its own class it would build the tokenizer anew, without the prefix.
    """
    first, last, padding, unknown = _roles(pieces, vocabulary)
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": positions,
        "cls_token": first,
        "bos_token": first,
        "sep_token": last,
        "eos_token": last,
        "pad_token": padding,
        "unk_token": unknown,
    }
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)
    _write_json(folder / "tokenizer_config.json", settings)


def _write_modules(folder: Path, hidden: int) -> None:
    kinds = ("Transformer", "Pooling", "Normalize")
    modules = [
        {
            "idx": i,
            "name": str(i),
            "path": f"{i}_{kind}" if i else "",
            "type": f"sentence_transformers.models.{kind}",
        }
        for i, kind in enumerate(kinds)
    ]
    _write_json(folder / "modules.json", modules)
    pooling = {"word_embedding_dimension": hidden, "pooling_mode_mean_tokens": True}
    _write_json(folder / "1_Pooling" / "config.json", pooling)


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
