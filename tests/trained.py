"""A small folder of trained parts with real networks: a tuned encoder, a tagger, a tone."""

from pathlib import Path

from models.encoders import find_encoder, open_encoder
from models.ensemble import Ensemble, TargetEnsemble
from models.finetuned import FinetunedMember
from models.finetuned_params import FinetunedParams
from models.linear import LinearMember, LinearParams
from models.memory import Memory, MemoryParams
from models.reader_facts import ReaderFacts
from models.readers import FILE, LOWER, TAGGER, ReadersFile
from models.routing import ClassCertificate, RoutingPolicy
from models.sentiment import SENTIMENTS, TARGET, SentimentReader
from models.shortlist import Shortlist
from models.tagger import EntityTagger
from models.tagger_network import TaggerParams
from tests.conftest import Tickets

LAYERS = 5
FACTS = ReaderFacts(
    dataset="made up", fallback=False, rows=24, figures={"macro_f1": 0.5}, test_rows=9
)
WORDS = ["start", "Outlook", "on", "the", "server"]
TAGS = ["O", "B-application", "O", "O", "B-device"]


def certified(classes: tuple[str, ...]) -> TargetEnsemble:
    """Two members alike, and every answer of half a chance or more is automatic."""
    found = ClassCertificate(
        threshold=0.5, certified=True, rows=9, automatic=9, errors=0, lower_bound=0.9,
        reason="made up",
    )  # fmt: skip
    return TargetEnsemble(
        classes=classes,
        weights={"linear": 0.5, "finetuned": 0.5},
        temperatures={"linear": 1.0, "finetuned": 1.0},
        temperature=1.0,
        routing=RoutingPolicy(
            accuracy=0.95, confidence=0.95, family="class", method="made up", rows=9,
            certified_automation=0.5, classes=dict.fromkeys(classes, found),
        ),
        shortlist=Shortlist(coverage=0.95, threshold=0.1, rows=9),
    )  # fmt: skip


def make_parts(folder: Path, tickets: Tickets, *, tagger: bool = True) -> Path:
    """Fit everything on the sample and write it as the stages do."""
    texts = tickets.texts[:60]
    labels = {target: column[:60] for target, column in tickets.labels.items()}
    linear = LinearMember(LinearParams(max_features=2_000, min_df=1)).fit(texts, labels)
    tones = [SENTIMENTS[row % 3] for row in range(12)]
    lesson = [f"this is {tone}" for tone in tones]
    member = FinetunedMember(
        FinetunedParams(max_tokens=32, epochs=2, frozen_layers=LAYERS, learning_rate=1e-3)
    ).fit(
        [*texts, *lesson],
        {**{t: [*c, *[None] * 12] for t, c in labels.items()}, TARGET: [*[None] * 60, *tones]},
        lessons=(TARGET,),
    )
    linear.save(folder / "linear")
    member.save(folder / "finetuned")
    SentimentReader(facts=FACTS, temperature=1.2).save(folder / "finetuned")
    Ensemble(targets={t: certified(linear.targets_[t]) for t in labels}).write(folder / "ensemble")
    member = FinetunedMember.load(folder / "finetuned")
    Memory.build(
        MemoryParams(accepted=0.9),
        member.encode(texts[:40]),
        member.encode(texts[40:]),
        [str(row) for row in range(40)],
        {target: column[:40] for target, column in labels.items()},
        "category",
        [None] * 40,
    ).save(folder / "memory")
    if tagger:
        add_tagger(folder / "readers")
    return folder


def add_tagger(folder: Path) -> None:
    """Write a tagger that stands on the published encoder's lower layers."""
    encoder = open_encoder(find_encoder("minilm"), 128, normalise=False)
    params = TaggerParams(frozen_layers=LAYERS, upper_layers=1, epochs=8)
    tagger = EntityTagger(params, encoder=encoder).fit([WORDS] * 40, [TAGS] * 40)
    tagger.save(folder / TAGGER)
    tagger.save_lower(folder / LOWER)
    told = ReadersFile(encoder="minilm", layers=LAYERS, readers={TAGGER: FACTS})
    (folder / FILE).write_text(told.model_dump_json(), encoding="utf-8")
