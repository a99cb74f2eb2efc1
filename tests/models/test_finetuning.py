"""The training loop: what it promises about order, rate, missing labels and interruption."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models import finetuning
from models.batching import IGNORED, bucketed_batches, encode_labels, pad_states, pad_tokens
from models.finetuned import FinetunedMember
from models.finetuned_params import FinetunedParams
from models.finetuning import one_cycle
from models.finetuning_inputs import Inputs, Sampling, pad_drawn, pad_sampled
from models.frozen_states import FrozenStates

SMALL = FinetunedParams(
    max_tokens=24, epochs=2, frozen_layers=5, dropout=0.1, batch_size=8, evaluations=2
)


def test_every_text_is_in_exactly_one_batch() -> None:
    tokens = [[0] * length for length in np.random.default_rng(0).integers(1, 60, 501)]
    batches = bucketed_batches(tokens, 32, seed=1)
    assert sorted(np.concatenate(batches).tolist()) == list(range(501))
    spread = [np.ptp([len(tokens[i]) for i in batch]) for batch in batches]
    assert np.mean(spread) < 10  # unsorted batches of 32 would spread over more than 50


def test_texts_are_padded_to_few_lengths_and_nothing_of_them_is_lost() -> None:
    cpu = torch.device("cpu")
    ids, mask = pad_tokens([[7, 8], [9] * 11], cpu)
    assert ids.shape == mask.shape == (2, 16)
    assert mask.sum(dim=1).tolist() == [2, 11]
    assert ids[0].tolist() == [7, 8, *[0] * 14]
    states = [torch.ones(8, 4).half(), torch.ones(3, 4).half()]
    hidden, mask = pad_states(states, np.array([1, 0]), cpu)
    assert hidden.shape == (2, 8, 4)
    assert hidden.dtype == torch.float32
    assert mask.sum(dim=1).tolist() == hidden[:, :, 0].sum(dim=1).tolist() == [3, 8]


def test_long_texts_are_learned_by_samples_of_their_tokens() -> None:
    sampling = Sampling(most=8, seed=1)
    whole, *long = sampling.drawn([8, 30, 30], step=4)
    assert whole is None
    for positions in long:
        assert positions is not None
        assert len(set(positions.tolist())) == 8
        assert positions.tolist() == sorted(positions.tolist())
        assert 0 <= positions[0] <= positions[-1] < 30
    again, other = sampling.drawn([30], step=4)[0], sampling.drawn([30], step=5)[0]
    assert again is not None and other is not None
    np.testing.assert_array_equal(again, sampling.drawn([30], step=4)[0])
    assert again.tolist() != other.tolist()
    counts = np.zeros(30)
    for step in range(2000):
        counts[sampling.drawn([30], step)[0]] += 1
    # Each of 30 is drawn with chance 8/30; 0.05 is five standard errors.
    np.testing.assert_allclose(counts / 2000, 8 / 30, atol=0.05)


def test_sampled_states_are_those_drawn() -> None:
    states = [torch.arange(5.0).half()[:, None], torch.arange(30.0).half()[:, None]]
    positions = np.array([2, 7, 11, 12, 20, 29])
    hidden, mask = pad_sampled(states, np.array([1, 0]), [positions, None], torch.device("cpu"))
    assert hidden.shape == (2, 8, 1)
    assert hidden[0, :, 0].tolist() == [*positions.tolist(), 0, 0]
    assert hidden[1, :, 0].tolist() == [0, 1, 2, 3, 4, 0, 0, 0]
    assert mask.sum(1).tolist() == [6, 5]


def test_drawn_tokens_keep_their_places() -> None:
    tokens, positions = [list(range(100, 130)), [7, 8, 9]], np.array([2, 7, 29])
    ids, places, mask = pad_drawn(tokens, [positions, None], torch.device("cpu"))
    assert ids[:, :4].tolist() == [[102, 107, 129, 0], [7, 8, 9, 0]]
    assert places[:, :3].tolist() == [[2, 7, 29], [0, 1, 2]]
    assert mask.sum(1).tolist() == [3, 3]


@pytest.mark.parametrize("frozen_layers", [0, SMALL.frozen_layers])
def test_a_sample_is_learned_from_and_the_whole_text_answered(
    tickets, monkeypatch: pytest.MonkeyPatch, frozen_layers: int
) -> None:
    read: list[tuple[bool, int]] = []
    real = finetuning.pooled

    def watched(encoder, inputs, rows, drawn=None):
        read.extend((drawn is not None, len(inputs.tokens[row])) for row in rows)
        assert drawn is None or all(p is None or len(p) == 8 for p in drawn)
        return real(encoder, inputs, rows, drawn)

    monkeypatch.setattr(finetuning, "pooled", watched)
    params = SMALL.model_copy(
        update={"learned_tokens": 8, "epochs": 1, "frozen_layers": frozen_layers}
    )
    labels = {t: c[:24] for t, c in tickets.labels.items()}
    FinetunedMember(params).fit(tickets.texts[:24], labels, valid=(tickets.texts[:24], labels))
    assert max(length for sampled, length in read if sampled) > 8
    assert sum(sampled for sampled, _ in read) == 24  # one epoch
    assert sum(not sampled for sampled, _ in read) == 24 * SMALL.evaluations  # looks at valid


def test_embeddings_alone_can_be_left_as_they_are(tickets) -> None:
    texts, labels = tickets.texts[:40], {t: c[:40] for t, c in tickets.labels.items()}
    params = SMALL.model_copy(
        update={"epochs": 1, "layers": 1, "frozen_layers": 0, "frozen_embeddings": True}
    )
    begun = FinetunedMember(params).fit(texts, labels)
    weights = begun.models[0].state_dict()
    trained = FinetunedMember(params).fit(texts, labels, start=[begun]).models[0].state_dict()
    same = {name: torch.equal(weights[name], trained[name]) for name in weights}
    assert all(same[name] for name in same if ".embeddings." in name)
    assert not any(same[name] for name in same if ".layer." in name)


def test_the_rate_rises_then_falls_to_nothing() -> None:
    rates = [one_cycle(step, 100, 0.1) for step in range(100)]
    assert rates[9] == pytest.approx(1)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.02


def test_a_missing_label_is_passed_over() -> None:
    truth = encode_labels({"a": ("x", "y")}, {"a": ["y", None, "x", "unknown"]})
    assert truth[:, 0].tolist() == [1, IGNORED, 0, IGNORED]


@pytest.mark.parametrize("frozen_layers", [0, SMALL.frozen_layers])
def test_an_interrupted_fit_ends_in_the_weights_of_an_uninterrupted_one(
    tickets, tmp_path: Path, monkeypatch, frozen_layers: int
) -> None:
    params = SMALL.model_copy(update={"frozen_layers": frozen_layers})
    texts = tickets.texts[:48]
    labels = {target: column[:48] for target, column in tickets.labels.items()}
    valid = (tickets.texts[48:72], {t: column[48:72] for t, column in tickets.labels.items()})
    straight = FinetunedMember(params).fit(texts, labels, valid=valid)

    monkeypatch.setattr(finetuning, "CHECKPOINT_SECONDS", 0.0)

    class PowerCutError(Exception):
        pass

    class Power:
        """Goes off in the seventh of twelve steps."""

        steps = 0

        def __call__(self, *args: object, **kwargs: object) -> object:
            Power.steps += 1
            if Power.steps == 7:
                raise PowerCutError
            return real(*args, **kwargs)

    real = torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", Power())
    with pytest.raises(PowerCutError):
        FinetunedMember(params).fit(texts, labels, valid=valid, checkpoint=tmp_path)
    assert (tmp_path / "state.json").is_file()
    assert len(list(tmp_path.glob("*.safetensors"))) == 1

    resumed = FinetunedMember(params).fit(texts, labels, valid=valid, checkpoint=tmp_path)
    assert Power.steps < 7 + 12
    assert resumed.history_ == straight.history_
    for target, before in straight.predict_proba(texts[:4]).items():
        np.testing.assert_array_equal(resumed.predict_proba(texts[:4])[target], before)


def test_it_stops_when_valid_gets_no_better(tickets) -> None:
    params = SMALL.model_copy(update={"epochs": 8, "patience": 1, "learning_rate": 0.5})
    member = FinetunedMember(params)
    member.fit(
        tickets.texts[:32],
        {t: column[:32] for t, column in tickets.labels.items()},
        valid=(tickets.texts[32:48], {t: c[32:48] for t, c in tickets.labels.items()}),
    )
    assert len(member.history_) < 16
    losses = [look["valid_loss"] for look in member.history_]
    assert losses[-1] >= min(losses)


def test_progress_ends_at_one(tickets) -> None:
    seen: list[float] = []
    params = SMALL.model_copy(update={"epochs": 1, "frozen_layers": 0})
    member = FinetunedMember(params, progress=lambda share, text: seen.append(share))
    member.fit(tickets.texts[:16], {t: c[:16] for t, c in tickets.labels.items()})
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_classes_that_a_fit_goes_on_from_stay_known(tickets) -> None:
    params = SMALL.model_copy(update={"epochs": 1, "frozen_layers": 0})
    target = next(iter(tickets.labels))
    column = tickets.labels[target]
    known = sorted(set(column))
    first = [i for i, label in enumerate(column) if label != known[0]][:24]
    then = [i for i, label in enumerate(column) if label != known[1]][:16]

    def fit(rows: list[int], start: list[FinetunedMember]) -> FinetunedMember:
        labels = {target: [column[i] for i in rows]}
        return FinetunedMember(params).fit([tickets.texts[i] for i in rows], labels, start=start)

    before = fit(first, [])
    after = fit(then, [before])
    assert set(after.targets_[target]) == set(before.targets_[target]) | {column[i] for i in then}
    assert len(after.predict_proba(tickets.texts[:2])[target][0]) == len(after.targets_[target])


def test_a_fit_goes_on_from_the_mean_of_others(tickets) -> None:
    params = SMALL.model_copy(update={"epochs": 1, "learning_rate": 1e-12, "weight_decay": 0.0})
    rows = [slice(0, 40), slice(40, 80)]
    folds = [
        FinetunedMember(SMALL).fit(
            tickets.texts[part], {t: column[part] for t, column in tickets.labels.items()}
        )
        for part in rows
    ]
    texts, labels = tickets.texts[:80], {t: c[:80] for t, c in tickets.labels.items()}
    member = FinetunedMember(params).fit(texts, labels, start=folds)
    # At a rate of nothing the weights stay the mean, head rows matched by class name.
    for i, (target, names) in enumerate(member.targets_.items()):
        for position, name in enumerate(names):
            known = [m for m in folds if name in m.targets_[target]]
            mean = np.mean(
                [
                    m._networks[0].heads[f"{i}.weight"][m.targets_[target].index(name)]
                    for m in known
                ],
                axis=0,
            )
            np.testing.assert_allclose(
                member._networks[0].heads[f"{i}.weight"][position], mean, atol=1e-6
            )
    vectors = [m.encode(texts[:1]) for m in (*folds, member)]
    assert not np.allclose(vectors[0], vectors[1], atol=1e-3)
    assert np.linalg.norm(vectors[2] - (vectors[0] + vectors[1]) / 2) < np.linalg.norm(
        vectors[0] - vectors[1]
    )


def test_states_that_are_kept_give_the_same_answers(tickets) -> None:
    texts, labels = tickets.texts[:40], {t: c[:40] for t, c in tickets.labels.items()}
    member = FinetunedMember(SMALL, frozen=FrozenStates(SMALL.frozen_layers)).fit(texts, labels)
    kept = member.predict_proba(tickets.texts[30:60])
    member._frozen = None
    for target, probabilities in member.predict_proba(tickets.texts[30:60]).items():
        np.testing.assert_allclose(kept[target], probabilities, atol=0.01)


def test_rows_of_a_lesson_count_by_their_share_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two texts among eight tickets weigh a fifth, however few they are."""
    pooled = torch.randn(10, 4, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(finetuning, "pooled", lambda *a: pooled)
    heads = torch.nn.ModuleList(torch.nn.Linear(4, 3) for _ in range(3))
    truth = torch.full((10, 3), IGNORED)
    truth[:8, 0], truth[:4, 1], truth[8:, 2] = 1, 2, 0
    inputs = Inputs([], None, 0, truth)
    encoder = type("Encoder", (), {"device": torch.device("cpu")})()
    loss = torch.nn.functional.cross_entropy
    own = loss(heads[0](pooled[:8]), truth[:8, 0]) + loss(heads[1](pooled[:4]), truth[:4, 1])
    lesson = loss(heads[2](pooled[8:]), truth[8:, 2])
    params = FinetunedParams(lesson_weight=3.0, label_smoothing=0.0)
    rows = np.arange(10)
    found = finetuning._loss(encoder, heads, inputs, rows, params, [2])
    assert found.item() == pytest.approx((own / 2 * 0.8 + 3 * lesson * 0.2).item(), rel=1e-5)
    plain = finetuning._loss(encoder, heads, inputs, rows)
    assert plain.item() == pytest.approx(((own + lesson) / 3).item(), rel=1e-5)


def test_a_row_that_weighs_twice_counts_as_two(monkeypatch: pytest.MonkeyPatch) -> None:
    pooled = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(finetuning, "pooled", lambda encoder, inputs, rows, *a: pooled[rows])
    heads = torch.nn.ModuleList(torch.nn.Linear(4, 3) for _ in range(2))
    truth = torch.tensor([[1, IGNORED], [2, IGNORED], [0, IGNORED], [IGNORED, 1]])
    inputs = Inputs([], None, 0, truth)
    encoder = type("Encoder", (), {"device": torch.device("cpu")})()
    params = FinetunedParams(label_smoothing=0.1)
    weights = torch.tensor([1.0, 2.0, 1.0, 1.0])
    rows, twice = np.arange(4), np.array([0, 1, 1, 2, 3])
    found = finetuning._loss(encoder, heads, inputs, rows, params, [1], weights=weights)
    expected = finetuning._loss(encoder, heads, inputs, twice, params, [1])
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


def test_an_easy_text_is_learned_in_every_other_epoch(
    tickets, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, labels = tickets.texts[:48], {t: c[:48] for t, c in tickets.labels.items()}
    params = SMALL.model_copy(update={"epochs": 2, "batch_size": 4})
    learned: list[int] = []
    real = finetuning._loss

    def counted(encoder, heads, inputs, rows, params=None, *others, **named):
        if params is not None:
            learned.extend(rows.tolist())
        return real(encoder, heads, inputs, rows, params, *others, **named)

    monkeypatch.setattr(finetuning, "_loss", counted)
    easy = np.arange(48) < 20
    FinetunedMember(params).fit(texts, labels, easy=easy)
    np.testing.assert_array_equal(np.bincount(learned), np.where(easy, 1, 2))
