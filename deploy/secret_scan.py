"""Looks for secrets in the repository: `python -m deploy.secret_scan` fails where it finds one.

In every file that git holds or would take. What is found is told by file, line and kind, never as
it stands.
"""

import math
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent

FORMS = {
    "private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----",
    "AWS key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "Google key": r"\bAIza[0-9A-Za-z_-]{35}\b",
    "GitHub token": r"\b(?:gh[pousr]_[0-9A-Za-z]{36}|github_pat_[0-9A-Za-z_]{40,})",
    "GitLab token": r"\bglpat-[0-9A-Za-z_-]{20}",
    "Hugging Face token": r"\bhf_[0-9A-Za-z]{34}\b",
    "Slack token": r"\bxox[abprs]-[0-9A-Za-z-]{20,}",
    "Stripe key": r"\b[rs]k_live_[0-9A-Za-z]{20,}",
    "token (JWT)": r"\beyJ[0-9A-Za-z_-]{15,}\.eyJ[0-9A-Za-z_-]{15,}\.[0-9A-Za-z_-]{15,}",
    "key of ours": r"\bta_[0-9a-zA-Z]{6,}_[0-9A-Za-z_-]{30,}",
    "webhook secret": r"\bwhsec_[0-9A-Za-z+/]{32,}",
}
"""Kind -> how it looks; each is nothing else by accident."""

ASSIGNED = re.compile(
    r"""(?:password|passwd|secret|token|api[-_]?key|salt|credential)s?["']?[ ]*[:=][ ]*"""
    r"""["'](?P<value>[0-9A-Za-z+/=_-]{16,})["']""",
    re.IGNORECASE,
)
ADDRESS = re.compile(r"\b[a-z][a-z0-9+]+://[^\s/:@'\"]*:(?P<value>[^\s/@'\"]{8,})@", re.IGNORECASE)

RANDOM_BITS = 3.5
"""Entropy of a character, from which on a value counts as drawn: 16 hex digits have some 3.4 to 3.8
and words of a language, run together, 3.0 to 3.6; base64 of 24 bytes above 4."""

INVENTED = ("tests/",)
"""Where secrets are made up to be looked for; only what has the form of a real one counts there."""

KNOWN = {
    "tests/data/test_privacy.py": "invented, to be masked",
    "tests/serving/test_webhook_signing.py": "the example of the Standard Webhooks specification",
}
"""Files that hold what looks like a secret -> why it is none."""

_FORM = re.compile("|".join(f"(?P<form{i}>{form})" for i, form in enumerate(FORMS.values())))


class Finding(NamedTuple):
    """Where something looks like a secret."""

    path: str
    line: int
    kind: str


def files() -> list[str]:
    """What git holds or would take, relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return sorted(name for name in listed.stdout.split("\0") if name)


def entropy(value: str) -> float:
    """Bits of a character, by how often each stands there (Shannon, 1948)."""
    shares = [number / len(value) for number in Counter(value).values()]
    return -sum(share * math.log2(share) for share in shares)


def scan(text: str, path: str) -> Iterator[Finding]:
    """What looks like a secret in a text."""
    kinds = list(FORMS)
    found = [
        (match.start(), kinds[int((match.lastgroup or "form0")[4:])])
        for match in _FORM.finditer(text)
    ]
    if not path.startswith(INVENTED):
        for pattern, kind in ((ASSIGNED, "value of a secret"), (ADDRESS, "password in an address")):
            found += [
                (match.start(), kind)
                for match in pattern.finditer(text)
                if entropy(match["value"]) >= RANDOM_BITS
            ]
    for start, kind in sorted(found):
        yield Finding(path, text.count("\n", 0, start) + 1, kind)


def scan_files(names: Iterable[str]) -> list[Finding]:
    """What looks like a secret in these files; those that hold no text are passed over."""
    found: list[Finding] = []
    for name in names:
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
        found += scan(text, name)
    return found


def main() -> None:
    """Print what is found; fail where it is not known to be none."""
    names = files()
    found = scan_files(names)
    bad = [one for one in found if one.path not in KNOWN]
    for path, line, kind in bad:
        sys.stdout.write(f"{path}:{line}: {kind}\n")
    sys.stdout.write(f"{len(names)} files, {len(bad)} secrets, {len(found) - len(bad)} known\n")
    if bad:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
