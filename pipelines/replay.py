"""Command: years of real tickets, month by month, through the real service and commands.

    python -m pipelines.replay                    # or: make replay
    python -m pipelines.replay --profile full
    python -m pipelines.replay --only real
    python -m pipelines.replay --profile incidents

Apache's bug reports 2009-2018 are routed by the model of the first years (`fixed`) and by the same
model in the loop: corrected by people, watched, retrained and replaced (`loop`). Two stationary
controls tell how often drift is flagged where there is none. Interrupted, it is started again and
goes on with the month it was in. Writes evaluation/reports/replay.json and replay.html.

A profile with incidents plays one arm in which things go wrong, staged, and writes
evaluation/reports/replay_incidents.json.
"""

import argparse
import logging
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from data.catalog import CATALOG, Catalog, read_catalog
from data.download import new_client
from data.durable import write_text
from data.errors import DataError, TicketAssistantError
from data.fetching import find_mirror
from data.locks import exclusive
from evaluation.files import write_json
from evaluation.gate_params import GateParams
from evaluation.replay_incident_records import Staged
from evaluation.replay_incident_report import summarise_incidents
from evaluation.replay_incident_summary import INCIDENTS, read_incidents, render_incidents
from evaluation.replay_page import render_page
from evaluation.replay_records import Played
from evaluation.replay_report import summarise
from pipelines import run
from pipelines.params import read_params
from pipelines.progress import counted
from pipelines.replay_incidents import ARM, play_incidents
from pipelines.replay_months import LEARNING, WATCHING, play
from pipelines.replay_params import Profile, read_profile
from pipelines.replay_state import read_state
from pipelines.replay_tickets import (
    Known,
    Story,
    at_random,
    by_calendar,
    fetch_known,
    limit,
    shuffled,
)
from pipelines.replay_workspace import set_out

logger = logging.getLogger(__name__)

FOLDER = Path(".cache/replay")
JSON = Path("evaluation/reports/replay.json")
PAGE = Path("evaluation/reports/replay.html")
STATE = "state.json"
TERMINATED = 143
"""Exit status of a process that was asked to end."""

REAL, SHUFFLED, OTHER = "real", "shuffled", "other"
TICKETS = ("apache-bugfix", "project_category")
STATIONARY = "it-service-tickets"

Stories = dict[str, tuple[str, Story]]
"""Scenario -> data set and what is played of it."""


def tell_stories(
    profile: Profile, seed: int, known: Callable[[str, str], list[Known]], catalog: Catalog
) -> Stories:  # fmt: skip
    """What each scenario plays.

    Parameters
    ----------
    known : gives the tickets of a data set with a label of a target
    """
    name, target = TICKETS
    real = by_calendar(target, known(name, target), profile.first_months, profile.skip_months)
    stories: Stories = {REAL: (name, limit(real, profile.months, profile.tickets_a_month, seed))}
    if months := profile.controls.shuffled:
        mixed = limit(shuffled(real, seed), months, profile.tickets_a_month, seed)
        stories[SHUFFLED] = (name, mixed)
    if months := profile.controls.other:
        of = next(iter(catalog[STATIONARY].targets))
        tickets, first = known(STATIONARY, of), len(real.first)
        drawn = at_random(of, tickets, first, months, profile.control_tickets, seed)
        stories[OTHER] = (STATIONARY, drawn)
    return stories


def replay(
    stories: Stories, wanted: Sequence[str], profile: Profile, folder: Path, source: Path,
    keep: Callable[[dict[str, Played]], object],
) -> dict[str, Played]:  # fmt: skip
    """Play the scenarios wanted to their end; what is done already is not done again.

    Parameters
    ----------
    folder : where the workspaces lie
    source : root of the project
    keep : is given all that was played, whenever a scenario ends, however it ends
    """
    done: dict[str, Played] = {}
    for scenario, (dataset, story) in stories.items():
        fresh = Played(
            scenario=scenario,
            dataset=dataset,
            target=story.target,
            first=len(story.first),
            planned=len(story.months),
        )
        done[scenario] = read_state(folder / scenario / STATE, fresh)
    asked = [done[scenario] for scenario in wanted]
    total, so_far = sum(one.planned for one in asked), sum(one.done for one in asked)
    with counted("replay", total, so_far, unit="month") as advance:
        for scenario in wanted:
            story = stories[scenario][1]
            if done[scenario].done == done[scenario].planned:
                continue
            arms = LEARNING if scenario == REAL else WATCHING
            state = folder / scenario / STATE
            desk = folder / scenario / "desk"
            space = set_out(desk, source, profile, story, len(story.months))
            if not (space.arm_folder(arms[-1]) / "published" / "deployment.json").exists():
                logger.info("%s: %d tickets are learned first", scenario, len(story.first))
                space.learn_first(arms)
            try:
                play(space, story, profile, done[scenario], arms, state, advance)
            finally:
                done[scenario] = read_state(state, done[scenario])
                keep(done)
    keep(done)
    return done


def replay_incidents(
    story: Story, profile: Profile, folder: Path, source: Path, keep: Callable[[Staged], object]
) -> Staged:  # fmt: skip
    """Play a desk in which things go wrong to its end.

    Parameters
    ----------
    folder : where the workspace lies
    source : root of the project
    keep : is given all that was played, however it ends
    """
    fresh = Staged(
        scenario=REAL, dataset=TICKETS[0], target=story.target, first=len(story.first),
        planned=len(story.months),
    )  # fmt: skip
    state = folder / STATE
    done = read_state(state, fresh)
    space = set_out(folder / "desk", source, profile, story, len(story.months))
    if not (space.arm_folder(ARM) / "published" / "deployment.json").exists():
        logger.info("%d tickets are learned first", len(story.first))
        space.learn_first([ARM])
    with counted("replay", done.planned, done.done, unit="month") as advance:
        try:
            return play_incidents(space, story, profile, done, state, advance)
        finally:
            keep(read_state(state, done))


def tell_incidents(story: Story, profile: Profile, name: str, folder: Path, root: Path) -> int:
    """Play the incidents of a profile, write what they showed and print it in short."""
    plan = profile.incidents
    assert plan is not None

    def keep(staged: Staged) -> None:
        facts = summarise_incidents(staged, name, profile.settings, plan.mislabelled)
        write_json(INCIDENTS, facts)

    replay_incidents(story, profile, folder, root, keep)
    report = read_incidents()
    sys.stdout.write(f"{render_incidents(report)}\n\n{INCIDENTS}\n")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay as the arguments say; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", default="quick", help="of pipelines/profiles/replay.yaml")
    parser.add_argument("--only", choices=(REAL, SHUFFLED, OTHER), help="one scenario")
    parser.add_argument("--fresh", action="store_true", help="from the beginning again")
    asked = parser.parse_args(arguments)
    params = read_params()
    run.begin(params.seed)
    # Services are processes of their own: whoever ends this one ends them as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    root = Path.cwd()
    folder = FOLDER / asked.profile
    try:
        with exclusive("replay"), new_client() as client:
            profile = read_profile(asked.profile)
            if asked.fresh:
                shutil.rmtree(folder, ignore_errors=True)
            catalog, mirror = read_catalog(CATALOG), find_mirror(root)

            def known(name: str, target: str) -> list[Known]:
                place = FOLDER / "raw" / name
                return fetch_known(name, target, catalog, root, place, client, mirror)

            def keep(done: dict[str, Played]) -> None:
                gate = GateParams.model_validate(
                    {**params.gate.model_dump(), **profile.params.get("gate", {})}
                )
                facts = summarise(done, asked.profile, profile.settings, gate)
                write_json(JSON, facts)
                write_text(PAGE, render_page(facts))

            stories = tell_stories(profile, params.seed, known, catalog)
            if profile.incidents:
                return tell_incidents(stories[REAL][1], profile, asked.profile, folder, root)
            if asked.only and asked.only not in stories:
                raise DataError(f"{asked.only} is left out of the profile {asked.profile}")
            wanted = [asked.only] if asked.only else list(stories)
            replay(stories, wanted, profile, folder, root, keep)
    except TicketAssistantError as error:
        logger.error("%s", error)
        return 1
    sys.stdout.write(f"{JSON}\n{PAGE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
