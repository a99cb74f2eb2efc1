"""Raw tickets through the text door: cleaned, masked, told by language, and grouped by likeness."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tqdm import tqdm

from data.duplicates import Groups, join_near_duplicates
from data.language import LanguageDetector
from data.privacy import mask
from data.records import RawTicket, Rejected
from data.text import prepare_text
from pipelines.params import PrepareParams


@dataclass(frozen=True, slots=True)
class CleanTicket:
    """A raw ticket and what is learned from of it: its masked text, and the language if known."""

    raw: RawTicket
    text: str
    language: str | None


def clean_tickets(
    raw: Sequence[RawTicket], rejected: list[Rejected], params: PrepareParams
) -> tuple[list[CleanTicket], dict[str, int]]:
    """Tickets through the text door; what is empty behind it joins the rejected."""
    language = params.language
    detector = LanguageDetector(language.targets, language.min_letters, detector=language.detector)
    masked: Counter[str] = Counter()
    clean = []
    for ticket in tqdm(raw, desc="text", unit=" tickets"):
        text = prepare_text(ticket.text)
        if not text:
            row = ticket.row
            rejected.append(
                Rejected(row.file, row.number, ticket.id, "empty_text", "nothing to read in it")
            )
            continue
        spoken = ticket.language or detector.detect(text)
        result = mask(text)
        masked.update(result.counts)
        clean.append(CleanTicket(ticket, result.text, spoken))
    return clean, dict(sorted(masked.items()))


def group_tickets(
    clean: Sequence[CleanTicket], params: PrepareParams, seed: int
) -> tuple[list[str], int]:
    """The group of each ticket, named after its first id, and the near-duplicate pairs joined."""
    groups = Groups(len(clean))
    near = params.near_duplicates
    pairs = join_near_duplicates(
        groups, [t.text for t in clean], near.threshold, near.permutations, near.shingle, seed
    )
    groups.join_equal(t.raw.group for t in clean)
    return [clean[root].raw.id for root in groups.roots()], pairs
