"""Which feedback counts as evidence: none that is revoked or waits in quarantine."""

from data.feedback_files import FeedbackFiles
from data.store import StoredFeedback
from evaluation.judgement import Believed


def believed_feedback(files: FeedbackFiles | None = None) -> Believed:
    """Whether feedback may count; what was not collected yet may, as nobody has doubted it.

    Parameters
    ----------
    files : the batches of this project where left out

    Raises
    ------
    DataError
        If a batch was altered.
    """
    files = files or FeedbackFiles()
    refused = {
        row.key
        for batch in files.batches.values()
        if batch.revoked or batch.quarantines
        for row in files.read(batch)
        if batch.revoked or batch.held_by(row) is not None
    }

    def counts(said: StoredFeedback) -> bool:
        return said.key not in refused

    return counts
