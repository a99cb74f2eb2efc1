"""The real service of an arm: started as a process, spoken to over HTTP, stopped."""

import itertools
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx

from data.errors import ModelError
from pipelines.replay_tickets import Known
from pipelines.replay_workspace import Workspace

SERVICE = "serving.service:TicketAssistantService"
BATCH = 64
MOST_FEEDBACK = 100
START_SECONDS = 300.0
"""Until a service must be ready, or have taken over a bundle; a busy machine takes minutes."""

TRIES = 8
PAGE = 500


class Told(NamedTuple):
    """What the service told of one ticket."""

    ticket: str
    prediction: str
    label: str
    automatic: bool
    bundle: str


class Client:
    """What a help desk asks of the service.

    Parameters
    ----------
    http : with the address of the service
    target : what is asked for
    """

    def __init__(self, http: httpx.Client, target: str) -> None:
        self._http = http
        self.target = target

    def predict(self, tickets: Sequence[Known]) -> list[Told]:
        """Answers to tickets, in their order."""
        told = []
        for start in range(0, len(tickets), BATCH):
            part = [
                {"id": ticket.id, "text": ticket.text, "created_at": ticket.created_at}
                for ticket in tickets[start : start + BATCH]
            ]
            answer = self._ask("POST", "/v1/predict/batch", json={"tickets": part})
            told += [self._told(found) for found in answer["predictions"]]
        return told

    def audits(self, since: str) -> list[dict[str, Any]]:
        """Predictions since a moment that the audit drew and nobody answered."""
        asked = {"audit": "true", "answered": "false", "since": since}
        return [row for row in self._pages(asked) if row["arm"] != "shadow"]

    def silent(self, since: str | None, most: int) -> list[dict[str, Any]]:
        """Predictions, since a moment or ever, of which nobody said anything."""
        asked = {"answered": "false", **({"since": since} if since else {})}
        told = (row for row in self._pages(asked) if row["arm"] != "shadow")
        return list(itertools.islice(told, most))

    def shadows(self, since: str) -> dict[str, Told]:
        """Prediction id -> what the shadow would have told beside it."""
        found = self._pages({"arm": "shadow", "since": since})
        return {str(row["beside"]): self._told(row["prediction"]) for row in found}

    def review(self, limit: int) -> list[dict[str, Any]]:
        """The head of the review queue."""
        asked = {"limit": min(limit, PAGE), "target": self.target}
        return list(self._ask("GET", "/v1/review", params=asked)["items"])

    def find(self, prediction: str) -> dict[str, Any]:
        """One stored prediction."""
        return self._ask("GET", f"/v1/predictions/{prediction}")

    def say(self, feedback: Sequence[Mapping[str, str | None]]) -> None:
        """Give feedback, all of it."""
        for start in range(0, len(feedback), MOST_FEEDBACK):
            part = list(feedback[start : start + MOST_FEEDBACK])
            self._ask("POST", "/v1/feedback", json={"feedback": part})

    def wait_for(self, version: str, seconds: float = START_SECONDS) -> None:
        """Wait until a bundle answers.

        Raises
        ------
        ModelError
            If it does not within these seconds.
        """
        deadline = time.monotonic() + seconds
        while self._ask("GET", "/v1/model")["version"] != version:
            if time.monotonic() > deadline:
                raise ModelError(f"the service did not take over {version} in {seconds:.0f} s")
            time.sleep(0.5)

    def _told(self, found: Mapping[str, Any]) -> Told:
        answer = found["targets"][self.target]
        return Told(
            str(found["ticket_id"]),
            str(found["id"]),
            str(answer["label"]),
            answer["decision"] == "auto",
            str(found["bundle"]),
        )

    def _pages(self, asked: dict[str, str]) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        while True:
            more = {"cursor": cursor} if cursor else {}
            page = self._ask("GET", "/v1/predictions", params={**asked, **more, "limit": PAGE})
            yield from page["predictions"]
            cursor = page["next"]
            if cursor is None:
                return

    def _ask(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        """A JSON answer; what is refused for a moment (503, 504) is asked again.

        Raises
        ------
        ModelError
            If it is refused for good, or the service cannot be reached.
        """
        why = ""
        for attempt in range(TRIES):
            try:
                answer = self._http.request(method, path, **content)
            except httpx.TransportError as error:
                why = type(error).__name__
            else:
                if answer.is_success:
                    found: dict[str, Any] = answer.json()
                    return found
                why = f"{answer.status_code} {answer.json().get('title', '')}"
                if answer.status_code not in {503, 504}:
                    break
            time.sleep(0.5 * 2**attempt)
        raise ModelError(f"{method} {path}: {why}")


@contextmanager
def served(space: Workspace, arm: str, target: str, audit_share: float) -> Iterator[Client]:
    """The service of an arm, ready; stopped afterwards.

    Raises
    ------
    ModelError
        If it does not become ready; its log lies in the folder of the arm.
    """
    port = _free_port()
    folder = space.arm_folder(arm)
    environment = space.environment(
        arm,
        TICKETS_AUDIT_SHARE=str(audit_share),
        TICKETS_RECORD_LAG_MS="0",
        TICKETS_FOLLOW_SECONDS="0.5",
        TICKETS_SPOOL=str(folder / "spool"),
        TICKETS_JOBS_FOLDER=str(folder / "jobs"),
        TICKETS_TIMEOUT_SECONDS="120",
        TICKETS_ACCESS_LOG="false",
    )
    command = ["bentoml", "serve", SERVICE, "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "service.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603
            command, cwd=space.root, env=environment, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=150) as http:
                _wait_until_ready(http, process, folder / "service.log")
                yield Client(http, target)
        finally:
            _stop(process)


def _wait_until_ready(http: httpx.Client, process: "subprocess.Popen[bytes]", log: object) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if http.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise ModelError(f"the service did not become ready: see {log}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End the service with the workers it has started, which share its group."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(timeout=30)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
        return


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
