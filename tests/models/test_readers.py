"""What is read beside the targets: whose layers are shared, what is merged, what breaks alone."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from data.errors import BundleError
from data.schema import Entity, Ticket
from data.text import model_text
from models.assistant import TicketAssistant
from models.encoders import find_encoder, open_encoder
from models.ensemble import Ensemble, TargetEnsemble
from models.finetuned import FinetunedMember
from models.finetuned_params import FinetunedParams
from models.reader_facts import ReaderFacts
from models.readers import (
    FILE,
    LEARNED_CHARACTERS,
    LOWER,
    SENTIMENT,
    TAGGER,
    Readers,
    ReadersFile,
)
from models.routing import ClassCertificate, RoutingPolicy
from models.sentiment import SENTIMENTS, SentimentReader
from models.shortlist import Shortlist
from models.tagger import EntityTagger
from models.tagger_network import TaggerParams

LAYERS = 5
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
    labels = {
        "category": [*tickets.labels["category"][:64], *[None] * len(TEXTS)],
        SENTIMENT: [*[None] * 64, *TONES],
    }
    return FinetunedMember(params).fit([*tickets.texts[:64], *TEXTS], labels, lessons=(SENTIMENT,))


@pytest.fixture(scope="module")
def tone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the stage of the member keeps beside it."""
    place = tmp_path_factory.mktemp("finetuned")
    SentimentReader(facts=FACTS, temperature=1.2).save(place)
    return place


@pytest.fixture(scope="module")
def folder(encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tagger as the stage writes it."""
    place = tmp_path_factory.mktemp("readers")
    words = ["start", "Outlook", "on", "the", "server"]
    tags = ["O", "B-application", "O", "O", "B-device"]
    tagger = EntityTagger(
        TaggerParams(frozen_layers=LAYERS, upper_layers=1, epochs=8), encoder=encoder
    )
    tagger.fit([words] * 40, [tags] * 40).save(place / TAGGER)
    tagger.save_lower(place / LOWER)
    told = ReadersFile(encoder="minilm", layers=LAYERS, readers={TAGGER: FACTS})
    (place / FILE).write_text(told.model_dump_json(), encoding="utf-8")
    return place


def test_the_tone_comes_from_what_the_member_answered(
    folder: Path, tone: Path, finetuned: FinetunedMember
) -> None:
    readers = Readers.load(folder, finetuned, tone)
    assert readers.facts == {SENTIMENT: FACTS, TAGGER: FACTS}
    scores = np.array([[0.1, 0.2, 0.7]])
    [told] = readers.read(["the update is great"], [None], scores).sentiment
    assert told is not None
    assert told.label == "positive"
    assert 0.5 < told.probability < 0.7  # cooled
    assert readers.read(["the update is great"], [None]).sentiment == [None]  # it did not answer


def test_the_words_are_read_as_the_models_read_them() -> None:
    """Without quotes and signatures, which are somebody else's words, and in learned languages."""
    asked: list[str] = []

    class Listener:
        facts = FACTS.model_copy(update={"languages": ("en",)})

        def answer(self, scores, texts):
            asked.extend(texts)
            return scores

    readers = Readers(Listener())
    written = ["It works now.\n\n> this is terrible", "das ist furchtbar"]
    readers.read(written, [None] * 2, np.full((2, 3), 1 / 3), ["en", "de"])
    assert asked == [model_text(written[0])]
    assert "terrible" not in asked[0]
    readers.read(written, [None] * 2, np.full((2, 3), 1 / 3), ["en", "de"], ["read", "gelesen"])
    assert asked[1:] == ["read"]


def test_entities_are_learned_whatever_became_of_the_members_layers(
    folder: Path, tickets, finetuned: FinetunedMember
) -> None:
    params = FinetunedParams(max_tokens=24, epochs=1, layers=2, frozen_layers=0)
    other = FinetunedMember(params).fit(
        tickets.texts[:32], {"category": tickets.labels["category"][:32]}
    )
    texts = ["start Outlook on the server", "is the Outlook server down"]
    expected = Readers.load(folder, finetuned, folder).read(texts, [None, None]).entities
    assert any(expected)
    for member in (other, None):
        readers = Readers.load(folder, member, folder)
        assert readers.facts == {TAGGER: FACTS}
        assert readers.read(texts, [None, None]).entities == expected


def test_a_folder_without_the_layers_below_reads_by_rules_and_says_so(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As bundles were sealed when the tagger stood on layers of the fine-tuned member."""
    told = json.loads((folder / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps(told | {"digest": "0" * 64}))
    readers = Readers.load(tmp_path, None, tmp_path)
    assert readers.facts == {}
    assert "train again" in caplog.text
    found = readers.read(["mail a@b.example"], [None])
    assert [e.label for e in found.entities[0]] == ["email"]


def test_learned_entities_stand_beside_those_of_the_rules(
    folder: Path, finetuned: FinetunedMember
) -> None:
    text = "start Outlook on the server of a@b.example"
    found = Readers.load(folder, finetuned, folder).read([text], [None]).entities[0]
    named = {text[e.start : e.end]: (e.label, e.source) for e in found}
    assert named["Outlook"] == ("application", "model")
    assert named["a@b.example"][0] == "email"
    assert "server" not in named  # the corpus counts it, a reader learns nothing from it


class Listening:
    """A tagger that notes what it is asked and finds the first word."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def find(self, texts, names=None):
        self.asked += texts
        return [(Entity(start=0, end=2, label="application", source="model"),) for _ in texts]


def test_only_texts_with_a_capital_are_tagged_and_only_their_first_part() -> None:
    tagger = Listening()
    readers = Readers(tagger=tagger)
    texts = ["all small letters", "Jira hangs", "Jira " * LEARNED_CHARACTERS]
    found = readers.read(texts, [None] * 3)
    assert tagger.asked == ["Jira hangs", ("Jira " * LEARNED_CHARACTERS)[:LEARNED_CHARACTERS]]
    assert [bool(entities) for entities in found.entities] == [False, True, True]


class Broken:
    """Every question is too much for it."""

    facts = FACTS

    def find(self, texts, names=None):
        raise RuntimeError("secret text")

    def answer(self, scores, texts):
        raise ValueError("secret text")


def test_a_reader_that_breaks_is_named_and_the_others_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    text = "Mail A@b.example"
    found = Readers(Broken(), Broken()).read([text], [None], np.full((1, 3), 1 / 3))
    assert set(found.failed) == {SENTIMENT, TAGGER}
    assert [e.label for e in found.entities[0]] == ["email"]
    assert found.sentiment == [None]
    assert "secret" not in caplog.text


def test_readers_can_be_left_out(folder: Path, tone: Path, finetuned: FinetunedMember) -> None:
    readers = Readers.load(folder, finetuned, tone)
    assert set(readers.without(SENTIMENT).facts) == {TAGGER}
    assert readers.without(SENTIMENT).sentiment is None
    assert set(readers.without(TAGGER).facts) == {SENTIMENT}


def test_a_folder_that_names_readers_it_does_not_hold_is_refused(
    folder: Path, finetuned: FinetunedMember, tmp_path: Path
) -> None:
    assert Readers.load(tmp_path / "none", finetuned, tmp_path).facts == {}
    (tmp_path / FILE).write_bytes((folder / FILE).read_bytes())
    shutil.copytree(folder / LOWER, tmp_path / LOWER)
    with pytest.raises(BundleError, match="tagger"):
        Readers.load(tmp_path, finetuned, tmp_path)
    (tmp_path / FILE).write_text("{}")
    with pytest.raises(BundleError, match="names no readers"):
        Readers.load(tmp_path, finetuned, tmp_path)


def test_an_assistant_answers_with_tone_and_learned_entities_from_one_pass(
    folder: Path, tone: Path, finetuned: FinetunedMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    assistant = assistant_of(finetuned, Readers.load(folder, finetuned, tone))
    asked = []
    encode = FinetunedMember.encode
    monkeypatch.setattr(
        FinetunedMember, "encode", lambda self, texts: asked.extend(texts) or encode(self, texts)
    )
    [answer] = assistant.predict([Ticket(id="7", text="start Outlook on the server")])
    assert len(asked) == 1
    assert answer.sentiment is not None
    assert answer.sentiment.label in SENTIMENTS
    assert [e.label for e in answer.entities] == ["application"]
    assert answer.degraded == ()


def test_a_target_of_the_tickets_own_goes_before_the_shipped_reader(
    folder: Path, tone: Path, finetuned: FinetunedMember
) -> None:
    """Nobody reads the tone twice, and nobody contradicts the organisation's own labels."""
    readers = Readers.load(folder, finetuned, tone)
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
    folder: Path, tone: Path, finetuned: FinetunedMember
) -> None:
    from models.sealing import _read_beside

    reading = assistant_of(finetuned, Readers.load(folder, finetuned, tone))
    assert _read_beside(reading)[SENTIMENT] == FACTS.model_dump(mode="json")
    unread = Readers.load(folder.with_name("none"), None, tone)
    assert _read_beside(assistant_of(finetuned, unread)) == {}


def test_the_tone_of_a_language_that_was_not_learned_is_not_guessed() -> None:
    facts = FACTS.model_copy(update={"languages": ("en",)})
    readers = Readers(SentimentReader(facts=facts, temperature=1.0))
    texts, scores = ["the a is great", "der Drucker ist toll", "ok"], np.full((3, 3), 1 / 3)
    found = readers.read(texts, [None] * 3, scores, ["en", "de", None]).sentiment
    assert found[0] is not None
    assert found[1:] == [None, None]
    assert None not in readers.read(texts, [None] * 3, scores).sentiment
