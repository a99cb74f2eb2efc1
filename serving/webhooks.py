"""Command: what waits to be told to others, what was given up, and sending it again.

python -m serving.webhooks list [--dead] [--endpoint NAME]
python -m serving.webhooks show ID                 an event as it is sent
python -m serving.webhooks replay ID...            have dead letters sent again; --all: all of them
python -m serving.webhooks test NAME               send an event that means nothing, now
python -m serving.webhooks secret                  make a new secret

Endpoints stand in the file that TICKETS_WEBHOOKS names, the outbox in the store of TICKETS_STORE.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime

from data.errors import DataError, TicketAssistantError
from data.outbox import Outbox, open_outbox
from data.outbox_events import announce_test
from data.outbox_records import State
from serving.starting import read_settings
from serving.webhook_courier import HEADERS, Terms
from serving.webhook_endpoints import Endpoints, read_endpoints
from serving.webhook_posting import post
from serving.webhook_signing import new_secret, sign

FAILED = 3


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.webhooks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    listed = commands.add_parser("list", help="what waits and what was given up")
    listed.add_argument("--dead", action="store_true", help="only what was given up")
    listed.add_argument("--endpoint")
    listed.add_argument("--limit", type=int, default=100)
    shown = commands.add_parser("show", help="an event as it is sent")
    shown.add_argument("id")
    replayed = commands.add_parser("replay", help="send dead letters again")
    replayed.add_argument("id", nargs="*")
    replayed.add_argument("--all", action="store_true")
    replayed.add_argument("--endpoint")
    tested = commands.add_parser("test", help="send an event that means nothing")
    tested.add_argument("endpoint")
    commands.add_parser("secret", help="make a secret")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; gives the exit status."""
    parser = make_parser()
    asked = parser.parse_args(arguments)
    if asked.command == "secret":
        sys.stdout.write(f"{new_secret()}\n")
        return 0
    if asked.command == "replay" and asked.all == bool(asked.id):
        parser.error("name events, or ask for --all")
    settings = read_settings()
    try:
        if asked.command == "test":
            return send_test(asked.endpoint, read_endpoints(settings.webhooks))
        with closing(open_outbox(settings.store)) as outbox:
            return obey(asked, outbox)
    except TicketAssistantError as error:
        sys.exit(f"webhooks: {error}")


def obey(asked: argparse.Namespace, outbox: Outbox) -> int:
    """List, show or replay."""
    if asked.command == "replay":
        number = outbox.replay(asked.id or None, asked.endpoint)
        sys.stdout.write(f"{number} events are sent again\n")
    elif asked.command == "show":
        found = outbox.find(asked.id)
        if not found:
            raise DataError(f"there is no event {asked.id}: it was delivered, or never was")
        sys.stdout.write(f"{found[0].body}\n")
    else:
        state: State | None = "dead" if asked.dead else None
        for one in outbox.entries(state, asked.endpoint, asked.limit):
            sys.stdout.write(
                f"{one.at:%Y-%m-%dT%H:%M:%SZ} {one.state} {one.endpoint} {one.kind} {one.id} "
                f"attempts={one.attempts} next={one.next_at:%Y-%m-%dT%H:%M:%SZ} "
                f"last={(one.outcome or '-').replace(' ', '_')}\n"
            )
        for endpoint, depth in sorted(outbox.depths().items()):
            sys.stdout.write(f"{endpoint}: {depth.waiting} waiting, {depth.dead} dead\n")
    return 0


def send_test(name: str, endpoints: Endpoints) -> int:
    """Send an event that means nothing and tell how it was taken."""
    endpoint = endpoints.endpoints.get(name)
    if endpoint is None:
        known = ", ".join(endpoints.endpoints) or "none: TICKETS_WEBHOOKS names no file"
        raise DataError(f"there is no endpoint {name!r}; known: {known}")
    now = datetime.now(UTC)
    event = announce_test(now)
    body = event.body.encode()
    signed = sign(endpoint.secrets(), event.id, now, body)
    attempt = post(endpoint, {**signed, **HEADERS}, body, Terms().seconds)
    sys.stdout.write(f"{event.id} {attempt.told}\n")
    return 0 if attempt.result == "delivered" else FAILED


if __name__ == "__main__":
    sys.exit(main())
