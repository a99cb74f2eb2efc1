"""Which environment variables the service understands."""

from serving.settings import Settings

VARIABLES = {f"TICKETS_{name}".upper() for name in Settings.model_fields}
FILES = {f"{name}_FILE" for name in VARIABLES}
"""Those that name a file which holds the value."""


def is_known(variable: str) -> bool:
    """Whether the service reads it; `TICKETS_KEY_FILE` is a setting of its own."""
    return variable in VARIABLES | FILES
