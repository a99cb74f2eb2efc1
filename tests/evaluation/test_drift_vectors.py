"""Vectors without a model keep what is alike together."""

import numpy as np

from evaluation.drift_vectors import DIMENSION, HASHED, encode_by, encoder_of, hash_vectors


def test_texts_that_share_words_lie_close() -> None:
    printer, paper, network = hash_vectors(
        ["the printer has no paper left", "no paper in the printer", "vpn tunnel times out"]
    )
    assert printer.shape == (DIMENSION,)
    assert printer @ paper > 0.5 > abs(printer @ network)


def test_lengths_are_kept_but_for_some_per_cent() -> None:
    texts = [f"word{i} other{i} third{i} fourth{i}" for i in range(300)]
    lengths = np.linalg.norm(hash_vectors(texts), axis=1)
    assert abs(lengths.mean() - 1) < 0.1


def test_a_text_has_the_same_vector_in_every_window() -> None:
    alone, among = hash_vectors(["a printer"])[0], hash_vectors(["vpn", "a printer"])[1]
    np.testing.assert_array_equal(alone, among)


def test_the_frozen_encoder_comes_first() -> None:
    assert encoder_of(("linear", "finetuned", "embedding")) == "embedding"
    assert encoder_of(("linear", "finetuned")) == "finetuned"
    assert encoder_of(("linear",)) == HASHED


def test_vectors_are_made_by_the_encoder_named() -> None:
    class Ones:
        def encode(self, texts: list[str]) -> list[list[int]]:
            return [[1, 1] for _ in texts]

    found = encode_by("embedding", ["a", "b"], {"embedding": Ones()}.__getitem__)
    assert found.dtype == np.float32
    assert found.tolist() == [[1, 1], [1, 1]]
    assert encode_by(HASHED, ["a"], {}.__getitem__).shape == (1, DIMENSION)
