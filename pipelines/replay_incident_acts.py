"""What the supervisor of a desk does when something goes wrong, all by the commands of the product.

The acts and their reasons are staged; what follows from them is the product's.
"""

import csv
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from typing import NamedTuple

from data.durable import write_text
from data.sql import open_sql_store
from evaluation.replay_incident_records import Outcome, Retrained, Said
from evaluation.replay_records import Happened
from pipelines.prepare import SET_ASIDE
from pipelines.replay_loop import REFUSED, Loop
from pipelines.replay_params import Profile
from pipelines.replay_service import Client
from pipelines.replay_tickets import Story, as_row
from pipelines.replay_workspace import FIRST, Workspace

LOOKED = "its supervisor looked at it: people said it, and it is right"
UNREAD = "staged: let go unread"
NOTICED = "staged: one of the authors said what is wrong"
ANYWAY = "staged: the new export has to be live today"


class Learned(NamedTuple):
    """A retrain, and labels that entered before it."""

    retrained: Retrained
    entered: tuple[Happened, ...]


class Supervisor(Loop):
    """The arm that learns, with somebody who decides what it learns from and who answers.

    Parameters
    ----------
    client : of its service
    story : whose labels only the replay knows
    """

    def __init__(
        self, space: Workspace, arm: str, client: Client, profile: Profile, story: Story
    ) -> None:
        super().__init__(space, arm, client, profile)
        self._story = story
        self._truth = story.truth

    def collect(self, month: str) -> Said | None:
        """Collect what was said; None where nothing was."""
        before = set(self._files.batches)
        self._run("collect")
        files = self._files
        new = [name for name in files.batches if name not in before]
        if not new:
            return None
        batch = files.batches[new[0]]
        held = {True: 0, False: 0}
        rows = [*files.read(batch), *files.read(batch, "proposals")]
        for row in rows:
            if batch.held_by(row) is not None:
                held[row.label != self._truth[row.ticket.id or ""]] += 1
        wrong = sum(row.label != self._truth[row.ticket.id or ""] for row in rows)
        reasons = tuple(
            f"{link.scope}: {why}" if link.scope else why
            for link in files.chain.links
            if link.batch == batch.name and link.kind == "quarantined"
            for why in link.reasons
        )
        return Said(
            month=month, batch=batch.name, rows=len(rows), wrong=wrong,
            wrong_held=held[True], right_held=held[False], reasons=reasons,
        )  # fmt: skip

    def release(self, but: Collection[str], reason: str) -> None:
        """Let go what the product holds back, of all batches but some."""
        for name, batch in self._files.batches.items():
            if batch.quarantines and not batch.revoked and name not in but:
                self._run("feedback", "release", name, "--reason", reason)

    def revoke(self, names: Sequence[str], reason: str) -> None:
        """Never learn from these batches again."""
        for name in names:
            if not self._files.batches[name].revoked:
                self._run("feedback", "revoke", name, "--reason", reason)

    def retrain(self, month: str, number: int, override: str | None = None) -> Learned:
        """Retrain, and promote what the gate passed, or whatever it said with a reason.

        Raises
        ------
        DataError
            If a command fails; the log of the workspace tells why.
        """
        entered = self._let_labels_in(month)
        self._run("retrain", allowed=(0, REFUSED))
        version, came, reasons = self._came_of_it()
        outcome: Outcome = "refused" if came == "refused" else "unchanged"
        if self._promote(month):
            outcome = "promoted"
        elif outcome == "refused" and override:
            self._override(version, override)
            outcome = "overridden"
        retrained = Retrained.model_validate(
            {
                "month": month, "number": number, "version": version, "outcome": outcome,
                "reasons": reasons, **self._wrong(),
            }
        )  # fmt: skip
        return Learned(retrained, tuple(entered))

    def roll_back(self, reason: str) -> None:
        """Let the former champion answer again, and nobody watch."""
        self._run("promote", "--rollback", "--reason", reason)
        for shadow in self.deployment.shadows:
            self._run("promote", shadow.version, "--stop")
        self.follow()

    def export(self, labels: Mapping[str, str]) -> None:
        """Write the tickets that are learned first anew, with other labels for some of them."""
        target = self._story.target
        rows = [dict(as_row(ticket, target)) for ticket in self._story.first]
        for row in rows:
            row[target] = labels.get(row[target] or "", row[target])
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        write_text(self._space.root / FIRST, lines)

    def _override(self, version: str, reason: str) -> None:
        former = self.champion
        self._run("promote", version, "--as", "champion", "--override", reason)
        for shadow in self.deployment.shadows:
            self._run("promote", shadow.version, "--stop")
        self._run("promote", former, "--as", "shadow")
        self.follow()

    def _came_of_it(self) -> tuple[str, str, tuple[str, ...]]:
        """Version, outcome and reasons of the newest retrain, from the audit log."""
        with closing(open_sql_store(self._space.store_url(self._arm))) as store:
            (event,) = store.events(1, "retrain.finished")
        reasons = event.detail.get("reasons")
        told = tuple(map(str, reasons)) if isinstance(reasons, list) else ()
        return event.subject, str(event.detail.get("outcome")), told

    def _wrong(self) -> dict[str, object]:
        """What became of feedback that is wrong, in the last retrain."""
        files = self._files
        rows = [row for batch in files.batches.values() for row in files.read(batch)]
        wrong = {row.key for row in rows if row.label != self._truth[row.ticket.id or ""]}
        with (self._space.root / SET_ASIDE).open(encoding="utf-8", newline="") as stream:
            aside = {row["key"]: row["reason"] for row in csv.DictReader(stream)}
        why = Counter(aside[key] for key in wrong if key in aside)
        return {
            "feedback_rows": len(rows),
            "wrong_rows": len(wrong),
            "wrong_learned": len(wrong) - why.total(),
            "wrong_set_aside": dict(sorted(why.items())),
        }
