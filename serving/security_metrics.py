"""Whose credentials are worth nothing, and whether limits are kept together."""

from typing import get_args

from prometheus_client import CollectorRegistry, Counter

from serving.principals import CredentialKind, RefusalReason


class SecurityMetrics:
    """Counts what is refused at the door; labels are the few words of `serving.principals`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._credentials = Counter(
            "tickets_credentials_refused", "Requests whose credential is worth nothing",
            ["kind", "reason"], registry=registry,
        )  # fmt: skip
        # From the start at 0: of a series that begins at 1, its first rise is never seen.
        for kind in get_args(CredentialKind):
            for reason in get_args(RefusalReason):
                self._credentials.labels(kind, reason)
        self.limits_unshared = Counter(
            "tickets_limits_unshared", "Requests that one worker counted for itself, not all "
            "together", registry=registry,
        )  # fmt: skip

    def refused(self, kind: CredentialKind, reason: RefusalReason) -> None:
        """Count a credential."""
        self._credentials.labels(kind, reason).inc()
