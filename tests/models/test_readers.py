"""What is read beside the targets: whose layers are shared, what is merged, what breaks alone."""

import json
from pathlib import Path

import numpy as np
import pytest

from data.errors import BundleError
from data.schema import Entity, Ticket
from models.assistant import TicketAssistant
from models.encoders import encode_texts, find_encoder, open_encoder
from models.ensemble import Ensemble, TargetEnsemble
from models.finetuned import FinetunedMember, FinetunedParams
from models.readers import (
    FILE,
    LEARNED_CHARACTERS,
    SENTIMENT,
    TAGGER,
    ReaderFacts,
    Readers,
    ReadersFile,
)
from models.routing import ClassCertificate, RoutingPolicy
from models.sentiment import SentimentParams, SentimentReader
from models.sentiment_network import TowerParams, lower_states
from models.shared_pass import encode_with_states, lower_digest
from models.shortlist import Shortlist
from models.tagger import EntityTagger
from models.tagger_network import TaggerParams

LAYERS = 5
TOWER = TowerParams(frozen_layers=LAYERS, upper_layers=1, epochs=2, max_tokens=24)
TEXTS = [f"the {thing} is {word}" for word in ("bad", "there", "great") for thing in "abcdefgh"]
TONES = ["negative"] * 8 + ["neutral"] * 8 + ["positive"] * 8
FACTS = ReaderFacts(
    dataset="made up", fallback=False, rows=24, figures={"macro_f1": 0.5}, test_rows=9
)


@pytest.fixture(scope="module")
def encoder():
    return open_encoder(find_encoder("minilm"), 24, normalise=False)


@pytest.fixture(scope="module")
def finetuned(tickets) -> FinetunedMember:
    params = FinetunedParams(max_tokens=24, epochs=1, frozen_layers=LAYERS)
    return FinetunedMember(params).fit(
        tickets.texts[:64], {"category": tickets.labels["category"][:64]}
    )


@pytest.fixture(scope="module")
def folder(encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Readers as the stage writes them."""
    place = tmp_path_factory.mktemp("readers")
    sentiment = SentimentReader(SentimentParams(tower=TOWER, held_out=0.25), encoder=encoder)
    sentiment.fit(TEXTS, TONES).save(place / SENTIMENT)
    words = ["start", "Outlook", "on", "the", "server"]
    tags = ["O", "B-application", "O", "O", "B-device"]
    tagger = EntityTagger(
        TaggerParams(frozen_layers=LAYERS, upper_layers=1, epochs=8), encoder=encoder
    )
    tagger.fit([words] * 40, [tags] * 40).save(place / TAGGER)
    told = ReadersFile(
        encoder="minilm",
        layers=LAYERS,
        digest=lower_digest(encoder, LAYERS),
        readers={SENTIMENT: FACTS, TAGGER: FACTS},
    )
    (place / FILE).write_text(told.model_dump_json(), encoding="utf-8")
    return place


def test_one_pass_gives_the_vectors_and_the_states(encoder) -> None:
    texts = ["a printer", "", "the connection breaks off every afternoon at four", "x"]
    vectors, states = encode_with_states(encoder, texts, 3)
    np.testing.assert_allclose(vectors, encode_texts(encoder, texts), atol=1e-5)
    for found, expected in zip(states, lower_states(encoder, texts, 3, 24), strict=True):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found.float(), expected.float(), atol=2e-3)
    assert encode_with_states(encoder, [], 3)[0].shape == (0, 384)


def test_a_member_of_several_networks_shares_the_first(finetuned: FinetunedMember) -> None:
    both = finetuned.joined([finetuned])
    texts = ["a printer", "no network"]
    vectors, states = both.encode_with_states(texts, LAYERS)
    np.testing.assert_allclose(vectors, both.encode(texts), atol=1e-5)
    assert len(states) == 2


def test_layers_left_as_published_are_shared(
    folder: Path, finetuned: FinetunedMember, encoder
) -> None:
    readers = Readers.load(folder, finetuned)
    assert readers.shared_layers == LAYERS
    assert readers.facts[SENTIMENT] == FACTS
    texts = ["the update is great"]
    _, states = finetuned.encode_with_states(texts, LAYERS)
    shared = readers.read(texts, texts, [None], states).sentiment[0]
    alone = SentimentReader.load(folder / SENTIMENT, encoder).predict_proba(texts)[0]
    assert shared is not None
    assert shared.probability == pytest.approx(alone.max(), abs=1e-3)


def test_where_training_changed_those_layers_only_rules_read(
    folder: Path, tickets, caplog: pytest.LogCaptureFixture
) -> None:
    params = FinetunedParams(max_tokens=24, epochs=1, frozen_layers=LAYERS - 1)
    other = FinetunedMember(params).fit(
        tickets.texts[:32], {"category": tickets.labels["category"][:32]}
    )
    for member in (other, None):
        readers = Readers.load(folder, member)
        assert readers.shared_layers is None
        assert readers.facts == {}
        assert "does not share" in caplog.text
        found = readers.read(["mail a@b.example"], ["mail a@b.example"], [None])
        assert found.sentiment == [None]
        assert [e.label for e in found.entities[0]] == ["email"]
        caplog.clear()


def test_a_final_fit_from_the_mean_of_the_folds_shares_as_well(
    finetuned: FinetunedMember, encoder, tickets
) -> None:
    """The way of the shipped params; the mean of -0.0 is 0.0, whose bytes differ."""
    labels = {"category": tickets.labels["category"][:32]}
    final = FinetunedMember(finetuned.params).fit(
        tickets.texts[:32], labels, start=[finetuned, finetuned]
    )
    network, published = final.base[0].auto_model, encoder[0].auto_model
    for name, tensor in published.embeddings.state_dict().items():
        assert (network.embeddings.state_dict()[name] == tensor).all()
    assert lower_digest(final.base, LAYERS) == lower_digest(encoder, LAYERS)


def test_altered_layers_are_noticed_by_their_digest(
    folder: Path, finetuned: FinetunedMember, tmp_path: Path
) -> None:
    told = json.loads((folder / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps(told | {"digest": "0" * 64}))
    assert Readers.load(tmp_path, finetuned).facts == {}


def test_learned_entities_stand_beside_those_of_the_rules(
    folder: Path, finetuned: FinetunedMember
) -> None:
    text = "start Outlook on the server of a@b.example"
    found = Readers.load(folder, finetuned).read([text], [text], [None]).entities[0]
    named = {text[e.start : e.end]: (e.label, e.source) for e in found}
    assert named["Outlook"] == ("application", "model")
    assert named["a@b.example"][0] == "email"
    assert "server" not in named  # the corpus counts it, a reader learns nothing from it


class Listening:
    """A tagger that notes what it is asked and finds the first word."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def find(self, texts):
        self.asked += texts
        return [(Entity(start=0, end=2, label="application", source="model"),) for _ in texts]


def test_only_texts_with_a_capital_are_tagged_and_only_their_first_part() -> None:
    tagger = Listening()
    readers = Readers(tagger=tagger)
    texts = ["all small letters", "Jira hangs", "Jira " * LEARNED_CHARACTERS]
    found = readers.read(texts, texts, [None] * 3)
    assert tagger.asked == ["Jira hangs", ("Jira " * LEARNED_CHARACTERS)[:LEARNED_CHARACTERS]]
    assert [bool(entities) for entities in found.entities] == [False, True, True]


class Broken:
    """Every question is too much for it."""

    classes_ = ("negative", "neutral", "positive")
    params = SentimentParams()

    def find(self, texts):
        raise RuntimeError("secret text")

    def predict_proba(self, texts, states=None):
        raise ValueError("secret text")


def test_a_reader_that_breaks_is_named_and_the_others_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    text = "Mail A@b.example"
    found = Readers(Broken(), Broken()).read([text], [text], [None])
    assert set(found.failed) == {SENTIMENT, TAGGER}
    assert [e.label for e in found.entities[0]] == ["email"]
    assert found.sentiment == [None]
    assert "secret" not in caplog.text


def test_readers_can_be_left_out(folder: Path, finetuned: FinetunedMember) -> None:
    readers = Readers.load(folder, finetuned)
    assert set(readers.without(SENTIMENT).facts) == {TAGGER}
    assert readers.without(SENTIMENT).shared_layers is None
    assert readers.without(TAGGER).shared_layers == LAYERS


def test_a_folder_that_names_readers_it_does_not_hold_is_refused(
    folder: Path, finetuned: FinetunedMember, tmp_path: Path
) -> None:
    assert Readers.load(tmp_path / "none", finetuned).facts == {}
    (tmp_path / FILE).write_bytes((folder / FILE).read_bytes())
    with pytest.raises(BundleError, match="no sentiment reader"):
        Readers.load(tmp_path, finetuned)
    (tmp_path / FILE).write_text("{}")
    with pytest.raises(BundleError, match="names no readers"):
        Readers.load(tmp_path, finetuned)


def test_an_assistant_answers_with_tone_and_learned_entities_from_one_pass(
    folder: Path, finetuned: FinetunedMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    assistant = assistant_of(finetuned, Readers.load(folder, finetuned))
    asked = []
    monkeypatch.setattr(
        "models.sentiment.SentimentReader._states",
        lambda self, texts: asked.extend(texts) or [],
    )
    [answer] = assistant.predict([Ticket(id="7", text="start Outlook on the server")])
    assert asked == []  # the states came with the member's own pass
    assert answer.sentiment is not None
    assert answer.sentiment.label in SentimentReader.classes_
    assert [e.label for e in answer.entities] == ["application"]
    assert answer.degraded == ()


def test_a_target_of_the_tickets_own_goes_before_the_shipped_reader(
    folder: Path, finetuned: FinetunedMember
) -> None:
    """Nobody reads the tone twice, and nobody contradicts the organisation's own labels."""
    readers = Readers.load(folder, finetuned)
    member = FinetunedMember(finetuned.params).fit(TEXTS, {SENTIMENT: TONES})
    assistant = assistant_of(member, readers, target=SENTIMENT)
    [answer] = assistant.predict([Ticket(id="7", text="the update is great")])
    assert answer.sentiment is None
    assert SENTIMENT in answer.targets
    assert set(assistant.readers.facts) == {TAGGER}


def assistant_of(
    member: FinetunedMember, readers: Readers, target: str = "category"
) -> TicketAssistant:
    classes = member.targets_[target]
    policy = RoutingPolicy(
        accuracy=0.95, confidence=0.95, family="class", method="made up", rows=9,
        certified_automation=0.0,
        classes={
            name: ClassCertificate(
                threshold=None, certified=False, rows=1, automatic=0, errors=0, lower_bound=0.0,
                reason="made up",
            )
            for name in classes
        },
    )  # fmt: skip
    shortlist = Shortlist(coverage=0.95, threshold=0.15, rows=9)
    ensemble = Ensemble(
        targets={
            target: TargetEnsemble(
                classes=classes, weights={"finetuned": 1.0}, temperatures={"finetuned": 1.0},
                temperature=1.0, routing=policy, shortlist=shortlist,
            )
        }
    )  # fmt: skip
    return TicketAssistant({"finetuned": member}, ensemble, readers=readers)


def test_a_manifest_names_what_is_read_and_not_what_lies_unused(
    folder: Path, finetuned: FinetunedMember
) -> None:
    from models.bundle import _read_beside

    reading = assistant_of(finetuned, Readers.load(folder, finetuned))
    assert _read_beside(reading)[SENTIMENT] == FACTS.model_dump(mode="json")
    assert _read_beside(assistant_of(finetuned, Readers.load(folder, None))) == {}


def test_the_tone_of_a_language_that_was_not_learned_is_not_guessed(
    folder: Path, finetuned: FinetunedMember
) -> None:
    sentiment = SentimentReader.load(folder / SENTIMENT, finetuned.base)
    texts = ["the a is great", "der Drucker ist toll", "ok"]
    facts = FACTS.model_copy(update={"languages": ("en",)})
    readers = Readers(sentiment, None, {SENTIMENT: facts})
    _, states = finetuned.encode_with_states(texts, LAYERS)
    for given in (states, None):
        found = readers.read(texts, texts, [None] * 3, given, ["en", "de", None]).sentiment
        assert found[0] is not None
        assert found[1:] == [None, None]
        everything = readers.read(texts, texts, [None] * 3, given).sentiment
        assert None not in everything
        assert everything[0].probability == pytest.approx(found[0].probability, abs=1e-3)
