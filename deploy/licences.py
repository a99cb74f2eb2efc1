"""Under which licences we stand: `python -m deploy.licences` fails where one is not allowed.

What a distribution says of itself is read from its metadata, so that nothing is looked up.
"""

import importlib.metadata
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution

from packaging.utils import canonicalize_name

from deploy.serving_lock import FULL, read_requirements

ALLOWED = {
    "0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BSD-3-Clause-Clear", "BSL-1.0",
    "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "TCL",
    "Unlicense", "ZPL-2.1", "Zlib",
}  # fmt: skip
"""Permissive, and MPL-2.0, which asks for the source of its own files alone."""

SPOKEN = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Zope Public License": "ZPL-2.1",
}
"""What stands in older metadata, and what is meant."""

UNSAID = {"huey": "MIT", "skops": "MIT"}
"""Distributions whose metadata is silent, and what their LICENSE file says."""

EXCEPTIONS = {
    "asyncssh": "EPL-2.0, which asks for the source of its own files alone; DVC's remotes over SSH",
    "grandalf": "GPL-2.0; `dvc dag` draws with it, in a process of its own. In no image of serving",
    "pygit2": "GPL-2.0 with an exception for linking; DVC reads git by it. In no image of serving",
}
"""Distributions we use all the same, and why that is all right."""


def declared(found: Distribution) -> str:
    """What a distribution says of itself: an SPDX expression where that can be told, else words."""
    name = canonicalize_name(found.metadata["Name"])
    told = found.metadata
    if expressions := told.get_all("License-Expression"):
        return str(expressions[0])
    if name in UNSAID:
        return UNSAID[name]
    classified = [
        line.rpartition("::")[2].strip()
        for line in told.get_all("Classifier", [])
        if line.startswith("License ::") and not line.endswith("OSI Approved")
    ]
    words = classified or [str((told.get_all("License") or [""])[0]).partition("\n")[0].strip()]
    return " OR ".join(SPOKEN.get(word, word) for word in words)


def is_allowed(expression: str, allowed: Iterable[str] = frozenset(ALLOWED)) -> bool:
    """Whether one may be chosen of those with OR, and all of those with AND are allowed.

    AND binds closer than OR; `WITH` an exception allows more than the licence it stands behind.
    """
    words = re.findall(r"\(|\)|[^\s()]+", re.sub(r" WITH \S+", "", expression))
    known, place = frozenset(allowed), 0

    def either() -> bool:
        nonlocal place
        found = both()
        while place < len(words) and words[place] == "OR":
            place += 1
            found = both() or found
        return found

    def both() -> bool:
        nonlocal place
        found = one()
        while place < len(words) and words[place] == "AND":
            place += 1
            found = one() and found
        return found

    def one() -> bool:
        nonlocal place
        if place >= len(words):
            return False
        word = words[place]
        place += 1
        if word != "(":
            return word in known
        found = either()
        place += 1
        return found

    return either() and place == len(words)


def locked() -> Iterator[Distribution]:
    """What the full lock names and is installed here; what is for other machines is not."""
    for one in read_requirements(FULL):
        if one.marker is None or one.marker.evaluate():
            yield importlib.metadata.distribution(one.name)


def refused(distributions: Iterable[Distribution]) -> dict[str, str]:
    """Those under a licence that is neither allowed nor an exception, with what they say."""
    return {
        found.metadata["Name"]: declared(found)
        for found in distributions
        if canonicalize_name(found.metadata["Name"]) not in EXCEPTIONS
        and not is_allowed(declared(found))
    }


def main() -> None:
    """Print how many there are of each; fail where one is not allowed."""
    found = list(locked())
    counts: dict[str, int] = {}
    for one in found:
        counts[declared(one)] = counts.get(declared(one), 0) + 1
    for licence, number in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        sys.stdout.write(f"{number:4} {licence}\n")
    if bad := refused(found):
        raise SystemExit(
            f"not allowed: {', '.join(f'{name} ({says})' for name, says in bad.items())}"
        )


if __name__ == "__main__":
    main()
