"""What has to be there before the service starts in the production profile."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import DataError
from data.keys import read_ring

if TYPE_CHECKING:
    from serving.settings import Settings

MIN_SECRET = 16
"""Characters of a secret, at least: 64 bits where they are random hex digits."""

SEPARATOR = "; "
"""Between two faults; in none of them."""

PLACEHOLDERS = re.compile(
    r"((change[-_ ]?me|password|secret|example|default|placeholder|todo|admin|postgres|tickets?"
    r"|test|x|\*|\.|<[^>]*>|\$\{[^}]*\})[-_ !0-9]*)+",
    re.IGNORECASE,
)
"""What stands in examples, and is known to everybody."""

PASSWORD = re.compile(r"^[a-z0-9+]+://[^/@]*?:(?P<password>[^@]*)@", re.IGNORECASE)
"""The password of an address, where it holds one."""


def faults_of(settings: "Settings") -> list[str]:
    """Why the service must not start, by the name of the setting; never what it holds."""
    told = _token_faults(settings)
    if settings.profile == "development":
        return told
    if len(settings.salt) < MIN_SECRET:
        told.append(
            f"salt: production needs {MIN_SECRET} characters that nobody can guess: "
            "`openssl rand -hex 32` prints some"
        )
    elif PLACEHOLDERS.fullmatch(settings.salt):
        told.append("salt: this one stands in examples")
    for name in ("store", "redis", "cache_url"):
        found = PASSWORD.match(getattr(settings, name))
        if found and PLACEHOLDERS.fullmatch(found["password"]):
            told.append(f"{name}: its password stands in examples")
    if settings.key_file is None and not settings.jwt_issuer:
        told.append(
            "key_file or jwt_issuer: production has to know who asks: "
            "`python -m serving.keys create` makes a file of keys"
        )
    elif settings.key_file is not None and (fault := _key_fault(settings.key_file)):
        told.append(f"key_file: {fault}")
    return told


def _key_fault(file: Path) -> str | None:
    try:
        ring = read_ring(file)
    except FileNotFoundError:
        return f"{file} is not there: make it with `python -m serving.keys create`"
    except DataError as error:
        return str(error)
    now = datetime.now(UTC)
    if any(key.state(now) == "valid" for key in ring.keys):
        return None
    return f"{file} holds no key that is valid"


def _token_faults(settings: "Settings") -> list[str]:
    parts = {name: getattr(settings, name) for name in ("jwt_issuer", "jwt_audience", "jwt_keys")}
    missing = [name for name, value in parts.items() if not value]
    if len(missing) == len(parts):
        return []
    if missing:
        return [f"{', '.join(missing)}: tokens need all of {', '.join(parts)}"]
    source = settings.jwt_keys
    if "://" not in source:
        return [] if Path(source).is_file() else [f"jwt_keys: {source} is not there"]
    local = re.match(r"http://(localhost|127\.0\.0\.1|\[::1\])[:/]", source)
    if source.startswith("https://") or local:
        return []
    return ["jwt_keys: keys come from a file, or by https, so that they are the issuer's"]
