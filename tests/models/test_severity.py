"""What the levels of an ordered target are read from."""

import numpy as np

from models.evidence import read_lexicon
from models.ordinal import OrdinalAdjustment
from models.severity import FAILURE, LevelEvidence

TEXT = "All users get a java.lang.NullPointerException in production!!"


def test_failures_and_phrases_are_found_in_place() -> None:
    pieces = LevelEvidence(read_lexicon()).find(TEXT)
    told = {(piece.kind, TEXT[piece.start : piece.end]) for piece in pieces}
    assert ("scope", "All users") in told
    assert (FAILURE, "java.lang.NullPointerException") in told
    assert [piece.start for piece in pieces] == sorted(piece.start for piece in pieces)


def test_features_hold_counts_and_what_is_believed_of_others() -> None:
    evidence = LevelEvidence(read_lexicon(), {"sentiment": ("negative", "neutral", "positive")})
    assert evidence.names[-2:] == ("sentiment=negative", "sentiment=neutral")
    features = evidence.features([TEXT, "hello"], {"sentiment": np.array([[0.7, 0.2, 0.1]] * 2)})
    assert features.shape == (2, len(evidence.names))
    column = evidence.names.index(FAILURE)
    np.testing.assert_allclose(features[:, column], [np.log(2), 0])
    np.testing.assert_allclose(features[:, -2:], [[0.7, 0.2]] * 2)
    assert evidence.features([], {"sentiment": np.zeros((0, 3))}).shape == (0, len(evidence.names))


def test_an_ensemble_hears_the_evidence_of_an_ordered_target() -> None:
    from models.ensemble import Ensemble
    from tests.models.test_assistant import ensemble

    plain = ensemble({"one": 1.0}).targets["category"]
    names = LevelEvidence(read_lexicon()).names
    # Each step of the scale: the ensemble's own log-odds, and two more for every failure.
    heard = tuple(2.0 * (name == FAILURE) for name in names)
    adjustment = OrdinalAdjustment(
        evidence=names,
        coefficients=((1.0, 0.0, *heard), (0.0, 1.0, *heard)),
        intercepts=(0.0, 0.0),
    )
    target = plain.model_copy(update={"ordinal": adjustment})
    made = Ensemble(targets={"category": target}, lexicon=read_lexicon())
    answer = {"one": {"category": np.array([[0.5, 0.3, 0.2]] * 2)}}
    calm, failing = made.combine(answer, ["a calm text", TEXT])["category"]
    np.testing.assert_allclose(calm, [0.5, 0.3, 0.2], atol=1e-6)
    assert failing[2] > calm[2]
    assert failing[0] < calm[0]
