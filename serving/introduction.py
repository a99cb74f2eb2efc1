"""A bundle that begins to answer is made known to the archive, then to whoever watches."""

import logging
from collections.abc import Sequence

from data.errors import CatalogError
from data.schema import ArmKind
from models.manifest import Manifest
from serving.archive import Archive
from serving.assistants import Watcher

logger = logging.getLogger(__name__)


class Introduction:
    """Stands between `Assistants` and its watcher.

    A cost matrix that names labels which a bundle does not know is told in the log and refuses no
    bundle: costs order the review queue, and answering tickets does not wait for that.
    """

    def __init__(self, watcher: Watcher, archive: Archive) -> None:
        self._watcher = watcher
        self._archive = archive

    def bundle_changed(self, manifest: Manifest, others: Sequence[Manifest] = ()) -> None:
        """Make the labels of all that run known, the champion's first."""
        for one in (manifest, *others):
            try:
                self._archive.know(one.version, one.targets)
            except CatalogError as error:
                logger.error("%s: %s", one.version, error)
        self._watcher.bundle_changed(manifest, others)

    def bundle_loaded(self, seconds: float, since_published: float | None) -> None:
        """Pass it on."""
        self._watcher.bundle_loaded(seconds, since_published)

    def bundle_refused(self, kind: ArmKind) -> None:
        """Pass it on."""
        self._watcher.bundle_refused(kind)

    def store_followed(self, refused: int) -> None:
        """Pass it on."""
        self._watcher.store_followed(refused)
