"""What every member promises; a new member is done when it is in MEMBERS and this passes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.base import Member
from models.embedding import EmbeddingMember, EmbeddingParams
from models.finetuned import FinetunedMember
from models.finetuned_params import FinetunedParams
from models.linear import LinearMember

NEW: dict[str, Callable[[], Member]] = {
    "linear": LinearMember,
    "embedding": lambda: EmbeddingMember(EmbeddingParams(max_tokens=32)),
    "finetuned": lambda: FinetunedMember(FinetunedParams(max_tokens=32, epochs=1, frozen_layers=5)),
}


@pytest.fixture(scope="module", params=sorted(NEW))
def new(request: pytest.FixtureRequest) -> Callable[[], Member]:
    return NEW[request.param]


@pytest.fixture(scope="module")
def fitted(new: Callable[[], Member], tickets) -> Member:
    return new().fit(tickets.texts, tickets.labels)


def test_classes_are_the_labels_that_occur_in_order(fitted: Member, tickets) -> None:
    for target, column in tickets.labels.items():
        assert fitted.targets_[target] == tuple(sorted({label for label in column if label}))


def test_rows_are_distributions(fitted: Member, tickets) -> None:
    for target, probabilities in fitted.predict_proba(tickets.texts[:16]).items():
        assert probabilities.shape == (16, len(fitted.targets_[target]))
        assert (probabilities >= 0).all()
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_no_texts_give_no_rows(fitted: Member) -> None:
    for target, probabilities in fitted.predict_proba([]).items():
        assert probabilities.shape == (0, len(fitted.targets_[target]))


def test_one_vector_per_text(fitted: Member, tickets) -> None:
    assert fitted.encode(tickets.texts[:5]).shape[0] == 5


def test_any_text_is_answered(fitted: Member) -> None:
    odd = ["x", "🙂", "\u4e2d\u6587", "a" * 50_000, "\n\n", "0"]
    for probabilities in fitted.predict_proba(odd).values():
        assert np.isfinite(probabilities).all()


def test_an_answer_does_not_depend_on_its_neighbours(fitted: Member, tickets) -> None:
    together = fitted.predict_proba(tickets.texts[:8])
    for target, probabilities in together.items():
        alone = fitted.predict_proba([tickets.texts[3]])[target]
        np.testing.assert_allclose(probabilities[3:4], alone, atol=0.02)


def test_a_saved_member_answers_the_same(fitted: Member, tickets, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    restored = type(fitted).load(tmp_path)
    assert restored.targets_ == fitted.targets_
    before, after = (
        fitted.predict_proba(tickets.texts[:8]),
        restored.predict_proba(tickets.texts[:8]),
    )
    for target in fitted.targets_:
        np.testing.assert_array_equal(before[target], after[target])


def test_it_learns_more_than_the_most_frequent_class(fitted: Member, tickets) -> None:
    truth = np.array(tickets.labels["category"])
    names = np.array(fitted.targets_["category"])
    guessed = names[fitted.predict_proba(tickets.texts)["category"].argmax(axis=1)]
    most_frequent = max((truth == name).mean() for name in names)
    assert (guessed == truth).mean() > most_frequent


def test_the_same_seed_gives_the_same_answers(new, fitted: Member, tickets) -> None:
    again = new().fit(tickets.texts, tickets.labels)
    before, after = fitted.predict_proba(tickets.texts[:8]), again.predict_proba(tickets.texts[:8])
    for target in before:
        np.testing.assert_array_equal(before[target], after[target])


def test_an_unfitted_member_says_so(new, tmp_path: Path) -> None:
    from data.errors import NotFittedError

    with pytest.raises(NotFittedError):
        new().predict_proba(["printer on fire"])
    with pytest.raises(NotFittedError):
        new().save(tmp_path)
