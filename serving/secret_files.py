"""Settings from files: `TICKETS_<NAME>_FILE` names one that holds the value.

As secrets of Docker, Kubernetes and agents of vaults come, so that none has to stand in the
environment, which is inherited, dumped and printed.
"""

import os
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource, SettingsError

SUFFIX = "_FILE"


class SecretFiles(PydanticBaseSettingsSource):
    """Reads every setting whose file is named."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The value of one setting, None where no file is named.

        Raises
        ------
        SettingsError
            If the file cannot be read, or the setting stands in the environment too. The message
            names the variable, and never what it holds.
        """
        variable = f"{self.config.get('env_prefix', '')}{field_name}".upper()
        file = os.environ.get(variable + SUFFIX)
        if not file:
            return None, field_name, False
        if os.environ.get(variable):
            raise SettingsError(f"{variable} and {variable}{SUFFIX} are both set: set one of them")
        try:
            value = Path(file).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not text"
            raise SettingsError(f"{variable}{SUFFIX}: {file} cannot be read: {reason}") from None
        return value, field_name, self.field_is_complex(field)

    def __call__(self) -> dict[str, Any]:
        """Setting -> value, of those that have a file.

        Raises
        ------
        SettingsError
            As `get_field_value`, or if a file should hold JSON and does not.
        """
        found: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            value, key, is_complex = self.get_field_value(field, name)
            if value is None:
                continue
            try:
                found[key] = self.prepare_field_value(name, field, value, is_complex)
            except ValueError:
                variable = f"{self.config.get('env_prefix', '')}{name}{SUFFIX}".upper()
                raise SettingsError(f"{variable}: what the file holds is no JSON") from None
        return found
