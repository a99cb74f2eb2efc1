"""A converted encoder is an ordinary one, with its prefix where no caller can forget it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.errors import WeightsError
from models.encoders import encode_texts, open_encoder
from models.multilingual import (
    build_tokenizer,
    cached,
    convert_packed,
    convert_published,
    state_of,
)
from models.packed_weights import PackedEncoder, read_packed
from tests.models.packed_files import HIDDEN, write_packed

QUERY, COLON, MAIL, POST = 4, 5, 7, 8
FIRST, LAST = 0, 2


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> PackedEncoder:
    path = tmp_path_factory.mktemp("packed") / "tiny.bin"
    write_packed(path)
    return read_packed(path)


@pytest.fixture(scope="module")
def folder(packed: PackedEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoders") / "tiny"
    convert_packed(packed, folder, "query: ")
    return folder


def test_every_text_gets_the_prefix(folder: Path) -> None:
    tokenizer = open_encoder(folder, 16, normalise=False).tokenizer
    assert tokenizer("mail")["input_ids"] == [FIRST, QUERY, COLON, MAIL, LAST]
    assert tokenizer("mail", add_special_tokens=False)["input_ids"] == [MAIL]


def test_a_long_text_is_cut_behind_the_prefix(folder: Path) -> None:
    tokenizer = open_encoder(folder, 16, normalise=False).tokenizer
    ids = tokenizer("mail post " * 9, truncation=True, max_length=5)["input_ids"]
    assert ids == [FIRST, QUERY, COLON, MAIL, LAST]


def test_the_prefix_is_kept_when_the_encoder_is_saved(folder: Path, tmp_path: Path) -> None:
    encoder = open_encoder(folder, 16, normalise=False)
    encoder.save_pretrained(str(tmp_path), create_model_card=False)
    again = open_encoder(tmp_path, 16, normalise=False)
    assert again.tokenizer("post")["input_ids"] == [FIRST, QUERY, COLON, POST, LAST]
    np.testing.assert_array_equal(
        encode_texts(again, ["mail", "post"]), encode_texts(encoder, ["mail", "post"])
    )


def test_vectors_follow_the_equations_of_the_network(packed: PackedEncoder, folder: Path) -> None:
    encoder = open_encoder(folder, 16, normalise=False)
    found = encode_texts(encoder, ["mail post"])[0]
    wanted = _forward(packed, [FIRST, QUERY, COLON, MAIL, POST, LAST])
    assert np.corrcoef(found, wanted)[0, 1] > 0.999  # bfloat16 where the processor has it
    np.testing.assert_allclose(found, wanted, atol=0.05)


def test_characters_are_read_as_the_file_says(packed: PackedEncoder) -> None:
    normaliser = build_tokenizer(packed).normalizer
    assert normaliser.normalize_str("a\tb\x01  a ﬁ") == "a b a fi"


def test_an_unknown_character_is_one_unknown_token(packed: PackedEncoder) -> None:
    assert build_tokenizer(packed).encode("☃").ids == [6, 3]


def test_a_missing_tensor_is_named(packed: PackedEncoder) -> None:
    fewer = {name: tensor for name, tensor in packed.tensors.items() if name != "l1.fo.w"}
    with pytest.raises(WeightsError, match=r"lack the tensor l1\.fo\.w"):
        state_of(replace(packed, tensors=fewer))


def test_a_tensor_of_another_size_is_refused(packed: PackedEncoder) -> None:
    wrong = {**packed.tensors, "l0.q.b": np.zeros(3, np.float32)}
    with pytest.raises(WeightsError, match=r"l0\.q\.b has 3 numbers, expected 32"):
        state_of(replace(packed, tensors=wrong))


def test_published_files_get_the_prefix_and_stay_as_they_are(
    folder: Path, tmp_path: Path, packed: PackedEncoder
) -> None:
    source = tmp_path / "published"
    convert_packed(packed, source, "")
    build_tokenizer(packed).save(str(source / "tokenizer.json"))
    (source / "tokenizer_config.json").write_text('{"tokenizer_class": "XLMRobertaTokenizer"}')
    before = (source / "tokenizer.json").read_bytes()
    convert_published(source, tmp_path / "made", "query: ")
    assert (source / "tokenizer.json").read_bytes() == before
    made, ours = (open_encoder(one, 16, normalise=True) for one in (tmp_path / "made", folder))
    np.testing.assert_array_equal(encode_texts(made, ["post"]), encode_texts(ours, ["post"]))


def test_a_folder_is_made_once_and_never_half(tmp_path: Path) -> None:
    made = []

    def make(folder: Path) -> None:
        folder.mkdir()
        (folder / "a").write_text("a")
        made.append(folder)

    def fail(folder: Path) -> None:
        make(folder)
        raise WeightsError("no")

    with pytest.raises(WeightsError):
        cached(tmp_path / "x", fail)
    assert list(tmp_path.iterdir()) == []
    assert cached(tmp_path / "x", make) == cached(tmp_path / "x", make) == tmp_path / "x"
    assert len(made) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_who_comes_second_takes_what_the_first_made(tmp_path: Path) -> None:
    def race(folder: Path) -> None:
        folder.mkdir()
        (tmp_path / "x").mkdir()
        (tmp_path / "x" / "first").write_text("")

    assert [path.name for path in cached(tmp_path / "x", race).iterdir()] == ["first"]


def test_settings_are_those_of_the_file(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    assert config["layer_norm_eps"] == 1e-12
    assert config["hidden_size"] == HIDDEN


def _forward(packed: PackedEncoder, ids: list[int]) -> np.ndarray:
    """BERT by hand: Devlin et al. 2019, post-norm layers, mean over the tokens."""
    sizes, tensors = packed.sizes, packed.tensors
    hidden = sizes.hidden

    def matrix(name: str, rows: int) -> np.ndarray:
        return tensors[name].reshape(rows, -1)

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + sizes.epsilon)
        return x * tensors[f"{name}.w"] + tensors[f"{name}.b"]

    def dense(x: np.ndarray, name: str, rows: int = hidden) -> np.ndarray:
        return x @ matrix(f"{name}.w", rows).T + tensors[f"{name}.b"]

    def gelu(x: np.ndarray) -> np.ndarray:
        from scipy.special import erf

        return x * (1 + erf(x / np.sqrt(2))) / 2

    x = matrix("emb.word", sizes.vocabulary)[ids] + matrix("emb.pos", sizes.positions)[: len(ids)]
    x = norm(x + matrix("emb.type", sizes.types)[0], "emb.ln")
    for layer in range(sizes.layers):
        q, k, v = (
            dense(x, f"l{layer}.{part}").reshape(len(ids), sizes.heads, -1).swapaxes(0, 1)
            for part in "qkv"
        )
        scores = np.exp(q @ k.swapaxes(1, 2) / np.sqrt(hidden / sizes.heads))
        mixed = (scores / scores.sum(-1, keepdims=True) @ v).swapaxes(0, 1).reshape(len(ids), -1)
        x = norm(x + dense(mixed, f"l{layer}.ao"), f"l{layer}.aln")
        wide = gelu(dense(x, f"l{layer}.fi", sizes.feed_forward))
        x = norm(x + dense(wide, f"l{layer}.fo"), f"l{layer}.oln")
    mean: np.ndarray = x.mean(axis=0)
    return mean
