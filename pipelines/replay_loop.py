"""What the loop does with what was said and seen: new labels, a retrain, another champion."""

from contextlib import suppress

from data.catalog import CATALOG
from data.errors import DataError
from data.feedback_files import FEEDBACK, FeedbackFiles
from data.yaml_files import read_yaml
from evaluation.gate_decision import parse_decision
from evaluation.replay_records import Happened, Played, Promotion, losses_of
from models.deployment import Deployment
from models.publishing import BundleStore, open_store
from pipelines.new_labels import find_proposals
from pipelines.replay_params import Profile
from pipelines.replay_service import Client
from pipelines.replay_workspace import DATASET, Workspace

REFUSED = 3
"""Exit status of a retrain whose candidate the gate refused."""

OLD_TICKETS = "4000"
"""That a proposed label is tried with."""

AT_ONCE = "the gate passed it, and the months of the replay leave no time for an experiment"
RELEASED = "people of the desk said it, and its supervisor looked at it"
NO_PART = "it was not promoted"


def is_due(played: Played, profile: Profile) -> bool:
    """Whether the months since the last retrain, and what was seen in them, ask for another."""
    months = played.done - played.retrained
    if months >= profile.retrain_every:
        return True
    return played.alerted and months >= profile.retrain_apart


class Loop:
    """The arm that learns.

    Parameters
    ----------
    client : of its service
    """

    def __init__(self, space: Workspace, arm: str, client: Client, profile: Profile) -> None:
        self._space = space
        self._arm = arm
        self._client = client
        self._profile = profile

    @property
    def _bundles(self) -> BundleStore:
        return open_store(self._space.arm_folder(self._arm) / "published")

    @property
    def deployment(self) -> Deployment:
        """Who answers now; DataError where nobody does."""
        found = self._bundles.find_deployment()
        if found is None or found.champion is None:
            raise DataError(f"nobody answers in {self._space.arm_folder(self._arm)}")
        return found

    @property
    def champion(self) -> str:
        """Version of the bundle that answers now."""
        champion = self.deployment.champion
        return champion.version if champion else ""

    def follow(self) -> None:
        """Wait until the service answers from the champion of now."""
        self._client.wait_for(self.champion)

    def learn(self, month: str) -> tuple[list[Happened], Promotion | None]:
        """Collect, let new labels in, retrain, and promote what the gate passed.

        Raises
        ------
        DataError
            If a command fails; the log of the workspace tells why.
        """
        self._run("collect")
        self._release()
        entered = self._let_labels_in(month)
        self._run("retrain", allowed=(0, REFUSED))
        return entered, self._promote(month)

    def _promote(self, month: str) -> Promotion | None:
        """Let the challenger answer, and the former champion watch it as its shadow."""
        before = self.deployment
        if not before.challengers:
            return None
        version, former = before.challengers[0].version, self.champion
        self._run("experiment", "promote", version, "--override", AT_ONCE, allowed=(0, 1))
        if self.champion != version:
            self._run("experiment", "stop", version, "--reason", NO_PART)
            return None
        for shadow in self.deployment.shadows:
            self._run("promote", shadow.version, "--stop")
        self._run("promote", former, "--as", "shadow")
        self.follow()
        text = self._bundles.find_decision(version)
        gate = losses_of(parse_decision(text, version)) if text else ()
        return Promotion(month=month, version=version, former=former, gate=gate)

    def _release(self) -> None:
        """The desk's people are right: what the product suspects is looked at and let go."""
        for name, batch in self._files.batches.items():
            if batch.quarantines and not batch.revoked:
                self._run("feedback", "release", name, "--reason", RELEASED)

    def _let_labels_in(self, month: str) -> list[Happened]:
        """Labels that enough people proposed enter the catalog, tried before."""
        entry = read_yaml(self._space.root / CATALOG)[DATASET]
        target = self._client.target
        new = {
            label: rows
            for (of, label), rows in find_proposals(self._files).items()
            if of == target and label not in entry["labels"][target]
            and len(rows) >= self._profile.new_label
        }  # fmt: skip
        if not new:
            return []
        tried = self._run("feedback", "labels", "--rows", OLD_TICKETS)
        for label in new:
            self._space.add_label(target, label)
        return [
            Happened(month=month, action="label.entered", subject=label,
                     reasons=tuple(_told_of(f"{target}: {label}", tried)))
            for label in new
        ]  # fmt: skip

    @property
    def _files(self) -> FeedbackFiles:
        return FeedbackFiles(self._space.root / FEEDBACK)

    def _run(self, name: str, *arguments: str, allowed: tuple[int, ...] = (0,)) -> str:
        ended = self._space.command(self._arm, name, *arguments)
        if ended.code not in allowed:
            log = self._space.root / "commands.log"
            raise DataError(f"{name} of {self._arm} ended with {ended.code}: see {log}")
        return ended.said


def _told_of(heading: str, told: str) -> list[str]:
    """The lines under a heading that are set in."""
    lines = iter(told.splitlines())
    with suppress(StopIteration):
        while not next(lines).startswith(heading):
            pass
    found = []
    for line in lines:
        if not line.startswith("  "):
            break
        found.append(line.strip())
    return found
