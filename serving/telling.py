"""Where errors and spans are told, if anywhere."""

from typing import TYPE_CHECKING

from serving.settings import Settings

if TYPE_CHECKING:
    from serving.tracing import Tracing


def start_telling(settings: Settings) -> "Tracing | None":
    """Tell Sentry of errors and make spans, where the settings ask for it."""
    # Neither is loaded where it is not asked for.
    if settings.sentry_dsn:
        from serving.sentry import start_sentry

        start_sentry(settings.sentry_dsn)
    if not settings.traces_endpoint:
        return None
    from serving.tracing import open_tracing

    return open_tracing(settings.traces_endpoint, settings.traces_share)
