"""The settings as a command needs them: read, or told in a few lines why they cannot be.

Nobody who mistypes a variable wants a traceback. What is told names the variable, the fault and the
way out, and never what a variable holds.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from data.errors import DataError
from serving.profiles import SEPARATOR
from serving.settings import Settings

PREFIX = "TICKETS_"
NAME = re.compile(r"\b[a-z][a-z0-9_]*\b")
QUOTED = re.compile(r'field "(\w+)"')
"""How pydantic-settings names the setting whose JSON it cannot read."""

ADVICE = """\
Each may stand in the environment, or in a file that TICKETS_<NAME>_FILE names. docs/operations.md
tells what a production installation sets, docs/security.md where its secrets come from."""


def read_settings() -> Settings:
    """The settings of the environment.

    Raises
    ------
    SystemExit
        If they are not right; its text is for standard error.
    """
    try:
        return Settings()
    except (ValidationError, SettingsError) as error:
        sys.exit(explain_settings(error))


def require_files(settings: Settings) -> None:
    """Read the files that settings name once, before any worker is started.

    Raises
    ------
    SystemExit
        If one of them cannot be used; its text is for standard error.
    """
    faults = []
    for setting, read in (("webhooks", _read_webhooks), ("cost_matrix", _read_costs)):
        file = getattr(settings, setting)
        try:
            if file is not None:
                read(file)
        except DataError as error:
            faults.append(f"{variable(setting)}: {error}")
    if faults:
        sys.exit(_as_lines(faults))


def explain_settings(error: ValidationError | SettingsError) -> str:
    """What is wrong with which variable, a line each, and what to do about it."""
    if isinstance(error, ValidationError):
        return _as_lines(_faults(error.errors()))
    found = QUOTED.search(str(error))
    if found is None:  # our own, which names the variable
        return _as_lines([str(error)])
    return _as_lines([f"{variable(found[1])}: expected JSON{_meaning(found[1])}"])


def variable(setting: str) -> str:
    """The variable of a setting."""
    return f"{PREFIX}{setting}".upper()


def _faults(details: Sequence[ErrorDetails]) -> list[str]:
    of_settings: dict[str, list[str]] = {}
    told: list[str] = []
    for one in details:
        message = one["msg"].removeprefix("Value error, ")
        if one["loc"]:
            of_settings.setdefault(str(one["loc"][0]), []).append(message)
        else:
            told += map(_of_several, message.split(SEPARATOR))
    # Of a setting that may be one thing or another, each tells why it is not that.
    single = [
        f"{variable(setting)}: {' or '.join(messages)}{_meaning(setting)}"
        for setting, messages in of_settings.items()
    ]
    return single + told


def _of_several(message: str) -> str:
    """A fault that several settings make together: their names, a colon, what is wrong."""
    names, colon, what = message.partition(": ")
    return NAME.sub(_spelt, names) + colon + what


def _spelt(found: re.Match[str]) -> str:
    return variable(found[0]) if found[0] in Settings.model_fields else found[0]


def _meaning(setting: str) -> str:
    field = Settings.model_fields.get(setting)
    return f" ({field.description})" if field is not None and field.description else ""


# What reads them is imported only where there is something to read: BentoML's parent process looks
# before any worker starts.
def _read_webhooks(file: Path) -> None:
    from serving.webhook_endpoints import read_endpoints

    read_endpoints(file)


def _read_costs(file: Path) -> None:
    from serving.costs import Costs

    Costs.read(file)


def _as_lines(faults: list[str]) -> str:
    return "\n".join(
        ["not started, as the settings are not right:", *(f"  {one}" for one in faults), ADVICE]
    )
