"""Classes that lost their certificate live: sent to people until somebody restores them.

A bundle keeps what it was sealed with; what it withholds stands beside it in deployment.json, so
that a live server follows a change without loading anything anew. What is withheld goes with the
version of the bundle through every part it is given, and ends by `restore` or with a new bundle.
"""

from collections.abc import Mapping
from datetime import datetime

from data.errors import ModelError
from models.deployment import Deployment, Withheld, revised


def withhold(
    deployment: Deployment, version: str, target: str, labels: Mapping[str, str], moment: datetime
) -> Deployment:
    """The same with more classes of a bundle withheld; one that is already keeps its reason.

    Parameters
    ----------
    labels : label -> why, in words for people

    Raises
    ------
    ModelError
        If the bundle has no part.
    """
    now = _of_part(deployment, version)
    return _with(deployment, version, {**now, target: {**labels, **now.get(target, {})}}, moment)


def restore(
    deployment: Deployment, version: str, target: str, label: str, moment: datetime
) -> Deployment:
    """The same with a withheld class of a bundle routed by its certificate again.

    Raises
    ------
    ModelError
        If the bundle has no part, or does not withhold the class.
    """
    now = _of_part(deployment, version)
    if label not in now.get(target, {}):
        known = ", ".join(f"{name} {one}" for name, its in now.items() for one in its) or "none"
        raise ModelError(f"{version} does not withhold {target} {label}; withheld are: {known}")
    rest = {name: why for name, why in now[target].items() if name != label}
    return _with(deployment, version, {**now, target: rest}, moment)


def _of_part(deployment: Deployment, version: str) -> Withheld:
    if version not in deployment.versions:
        known = ", ".join(deployment.versions) or "none"
        raise ModelError(f"{version} has no part; bundles that have one: {known}")
    return deployment.withheld_of(version)


def _with(deployment: Deployment, version: str, wanted: Withheld, moment: datetime) -> Deployment:
    wanted = {target: labels for target, labels in wanted.items() if labels}
    if wanted == deployment.withheld_of(version):
        return deployment
    return revised(deployment, moment, {**deployment.all_withheld, version: wanted})
