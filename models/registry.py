"""MLflow as the register: which bundles there are, and which of them is the champion.

MLflow only records here; nothing is loaded through it. Importing it takes two seconds, so that it
is imported where it is first needed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from data.errors import ModelError
from models.manifest import Manifest
from models.recording import connect, log_metrics, log_params, numbers

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

ARTIFACT = "bundle"
DECISIONS = "decisions"
Alias = Literal["champion", "challenger"]


@dataclass(frozen=True)
class Registry:
    """The versions of one registered model, each a bundle; named by the bundle's version."""

    client: "MlflowClient"
    experiment: str
    name: str

    @classmethod
    def open(cls, root: Path, name: str) -> Self:
        """The register at the tracking URI; the registered model is made where it is missing."""
        from mlflow.exceptions import MlflowException

        client, experiment = connect(root)
        try:
            client.create_registered_model(name, description="Sealed bundles of Ticket Assistant")
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return cls(client, experiment, name)

    def versions(self) -> list[str]:
        """Bundle versions registered, the newest first."""
        found = self.client.search_model_versions(
            f"name = '{self.name}'", order_by=["version_number DESC"]
        )
        return [one.tags["bundle"] for one in found if "bundle" in one.tags]

    def holds(self, version: str) -> bool:
        """Whether a bundle of this version is registered."""
        return self._find(version) is not None

    def register(self, folder: Path, manifest: Manifest) -> bool:
        """Record a verified bundle as a model version whose source is the logged folder.

        Returns
        -------
        False where this version is registered already, and nothing is done
        """
        if self.holds(manifest.version):
            return False
        tags = {
            "bundle": manifest.version,
            "dataset": manifest.dataset,
            "fallback": str(manifest.fallback).lower(),
            "data_fingerprint": manifest.data_fingerprint,
            "git.commit": manifest.commit or "none",
            "git.dirty": str(manifest.dirty).lower(),
        }
        run = self.client.create_run(
            self.experiment, run_name=f"register {manifest.version}", tags=tags
        ).info.run_id
        status = "FAILED"
        try:
            log_params(self.client, run, manifest.params)
            log_metrics(self.client, run, numbers(manifest.metrics))
            self.client.log_artifacts(run, str(folder), ARTIFACT)
            self.client.create_model_version(
                self.name, f"runs:/{run}/{ARTIFACT}", run_id=run, tags=tags
            )
            status = "FINISHED"
        finally:
            self.client.set_terminated(run, status)
        return True

    def find_alias(self, alias: Alias) -> str | None:
        """Bundle version an alias points at."""
        return self._aliases().get(alias)

    def find_share(self, version: str) -> float | None:
        """Share of the tickets a challenger is to answer, as given when it was promoted."""
        found = self._find(version)
        share = found.tags.get("share") if found else None
        return None if share is None else float(share)

    def move_alias(self, alias: Alias, version: str, share: float | None = None) -> None:
        """Point an alias at a registered bundle.

        A challenger that becomes champion is no challenger any more.

        Raises
        ------
        ModelError
            If no bundle of this version is registered.
        """
        number = self._get(version).version
        self.client.set_registered_model_alias(self.name, alias, str(number))
        if share is not None:
            self.client.set_model_version_tag(self.name, str(number), "share", str(share))
        if alias == "champion" and self.find_alias("challenger") == version:
            self.client.delete_registered_model_alias(self.name, "challenger")

    def keep_decision(self, version: str, name: str, text: str, tags: Mapping[str, str]) -> None:
        """Record what was decided about a registered bundle: an artefact of its run, and tags.

        Raises
        ------
        ModelError
            If no bundle of this version is registered.
        """
        found = self._get(version)
        self.client.log_text(found.run_id, text, f"{DECISIONS}/{name}.json")
        for key, value in tags.items():
            self.client.set_model_version_tag(self.name, str(found.version), key, value)

    def download(self, version: str, folder: Path) -> Path:
        """A copy of a registered bundle inside `folder`; not verified."""
        run = self._get(version).run_id
        return Path(self.client.download_artifacts(run, ARTIFACT, str(folder)))

    def _aliases(self) -> dict[str, str]:
        numbers = self.client.get_registered_model(self.name).aliases
        return {
            alias: self.client.get_model_version(self.name, str(number)).tags["bundle"]
            for alias, number in numbers.items()
        }

    def _find(self, version: str) -> "ModelVersion | None":
        found = self.client.search_model_versions(
            f"name = '{self.name}' and tags.bundle = '{version}'"
        )
        return found[0] if found else None

    def _get(self, version: str) -> "ModelVersion":
        if found := self._find(version):
            return found
        known = ", ".join(self.versions()[:5]) or "none yet; run python -m pipelines.register"
        raise ModelError(f"no bundle {version!r} is registered; known: {known}")
