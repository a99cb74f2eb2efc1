"""What the gate decided: kept with the bundle, recorded, and asked for before a promotion."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from data.errors import DataError, ModelError
from data.store import Event
from evaluation.gate_decision import GateDecision, Override, parse_decision
from models.publishing import BundleStore
from models.registry import Registry

logger = logging.getLogger(__name__)

Log = Callable[[Event], None]
"""Appends a line to the audit log; `Store.log`."""

MOST_REASONS = 50
"""Told in the audit log; the decision itself holds them all."""


def keep(
    decision: GateDecision, bundles: BundleStore, registry: Registry, actor: str, log: Log
) -> None:
    """Store a decision with the bundle and in the register, and log it.

    A candidate that is not registered yet is recorded in the bundle store and the log alone.
    """
    text = decision.to_json()
    bundles.keep_decision(decision.candidate, text)
    verdict = "passed" if decision.passed else "refused"
    if decision.override:
        verdict = "overridden"
    if registry.holds(decision.candidate):
        moment = (decision.override or decision).at.astimezone(UTC)
        tags = {"gate": verdict, "gate.champion": decision.champion or "none"}
        name = f"{moment:%Y%m%dT%H%M%S.%fZ}"
        registry.keep_decision(decision.candidate, name, text, tags)
    else:
        logger.info("%s is not registered: its decision is not recorded there", decision.candidate)
    log(_event(decision, actor))


def find_decision(bundles: BundleStore, version: str) -> GateDecision | None:
    """What was decided about a version last.

    Raises
    ------
    DataError
        If what is kept is no decision.
    """
    text = bundles.find_decision(version)
    return None if text is None else parse_decision(text, f"the decision about {version}")


def require_passing(bundles: BundleStore, version: str) -> GateDecision | None:
    """The decision that lets a version compete with the champion of now, or take its place.

    None where nobody is champion, or it is the champion itself: there is nothing to decide.

    Raises
    ------
    ModelError
        If there is no decision, it was taken against another champion, or it refused the version.
    DataError
        If what is kept is no decision.
    """
    champion = champion_of(bundles)
    if champion in {None, version}:
        return None
    decision = find_decision(bundles, version)
    if fault := _fault(decision, version, str(champion)):
        raise ModelError(f"{fault}, or give a reason with --override")
    return decision


def admit(
    registry: Registry,
    bundles: BundleStore,
    version: str,
    reason: str | None,
    actor: str,
    log: Log,
) -> list[str]:
    """Why a version may compete with the champion or take its place.

    Parameters
    ----------
    reason : given to override the gate; kept only where the gate would not let it pass

    Raises
    ------
    ModelError
        If it may not, or is not registered.
    """
    if not registry.holds(version):
        raise ModelError(f"no bundle {version!r} is registered: python -m pipelines.register first")
    if reason is not None:
        given = Override(by=actor, reason=reason, at=datetime.now(UTC))
        if override(bundles, registry, version, given, log) is not None:
            return [f"the gate was overridden: {reason}"]
    decision = require_passing(bundles, version)
    if decision is None:
        return ["there is no other champion to be compared with"]
    if decision.override:
        return [f"the gate was overridden: {decision.override.reason}"]
    return [f"the gate passed it against {decision.champion}"]


def override(
    bundles: BundleStore, registry: Registry, version: str, given: Override, log: Log
) -> GateDecision | None:
    """Let a version pass that the gate refused or did not see; who and why is kept and logged.

    None where no passing decision is asked for, or there is one: nothing is overridden then.
    """
    try:
        require_passing(bundles, version)
    except (ModelError, DataError) as error:
        fault = str(error).removesuffix(", or give a reason with --override")
    else:
        return None
    champion = champion_of(bundles)
    try:
        decision = find_decision(bundles, version)
    except DataError:
        decision = None
    if decision is None or decision.champion != champion:
        decision = GateDecision(
            passed=False, candidate=version, champion=champion, rules=(), reasons=(fault,),
            at=given.at,
        )  # fmt: skip
    decided = decision.overridden(given)
    keep(decided, bundles, registry, given.by, log)
    return decided


def champion_of(bundles: BundleStore) -> str | None:
    """Version of the champion of now."""
    deployment = bundles.find_deployment()
    return deployment.champion.version if deployment and deployment.champion else None


def _fault(decision: GateDecision | None, version: str, champion: str) -> str | None:
    """Why a version may not compete; None if it may."""
    again = f"run `python -m pipelines.gate {version}`"
    if decision is None:
        return f"the gate has not decided about {version}: {again}"
    if decision.champion != champion:
        before = decision.champion or "nobody"
        return f"the gate compared {version} with {before}, and the champion is {champion}: {again}"
    if decision.passed or decision.override:
        return None
    return f"the gate refused {version}: {'; '.join(decision.reasons)}; improve it"


def _event(decision: GateDecision, actor: str) -> Event:
    given = decision.override
    return Event(
        at=given.at if given else decision.at,
        actor=actor,
        action="gate.overridden" if given else "gate.decided",
        subject=decision.candidate,
        detail={
            "passed": decision.passed,
            "champion": decision.champion,
            "reasons": [*([given.reason] if given else []), *decision.reasons][:MOST_REASONS],
            "failed": sorted({rule.name for rule in decision.rules if rule.passed is False}),
            **({"by": given.by} if given else {}),
        },
    )
