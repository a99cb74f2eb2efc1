"""Clients that ask and say what was right, at a steady pace, and never try anything again."""

import http.client
import json
import threading
import time
from collections.abc import Mapping
from typing import Any, NamedTuple, Self
from uuid import uuid4

from serving.bench.systems.catalogue import HOST
from serving.drills.ledger import Ledger

TEXTS = (
    "cannot reach the shared drive since the update",
    "the printer on the second floor prints blank pages",
    "please reset my password, I am locked out",
    "the build is red and nobody knows why",
    "need a new laptop for a colleague who starts on Monday",
    "invoices are sent twice since yesterday",
)
"""Invented; each is made new by a number behind it."""

PREDICT, FEEDBACK = "/v1/predict", "/v1/feedback"
JSON = {"content-type": "application/json"}


class Answer(NamedTuple):
    """What came back."""

    status: int
    media_type: str
    body: bytes
    seconds: float

    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    port: int,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] = JSON,
    timeout: float = 20.0,
) -> Answer:
    """Ask over a connection of its own.

    Raises
    ------
    OSError, http.client.HTTPException
        If there is no answer.
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout)
    began = time.monotonic()
    try:
        content = None if body is None else json.dumps(body).encode()
        connection.request(method, path, content, dict(headers))
        response = connection.getresponse()
        told = response.read()
        media_type = response.headers.get("content-type", "")
        return Answer(response.status, media_type, told, time.monotonic() - began)
    finally:
        connection.close()


class Steady:
    """So many clients in threads, from `with` to its end.

    Parameters
    ----------
    rate : tickets a second, of all together; what is answered is confirmed by every second client
    timeout : seconds until an answer that does not come has failed
    """

    def __init__(
        self, port: int, ledger: Ledger, rate: float = 16.0, clients: int = 4, timeout: float = 20.0
    ) -> None:
        self.port = port
        self.ledger = ledger
        self._timeout = timeout
        self._pause = clients / rate
        self._stop = threading.Event()
        self._name = uuid4().hex[:8]
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True)
            for number in range(clients)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(self._timeout + 5)

    def _run(self, client: int) -> None:
        number = 0
        due = time.monotonic() + self._pause * client / len(self._threads)
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            # A slow answer puts off what comes next: nothing is made up for.
            due = max(due + self._pause, time.monotonic())
            number += 1
            self._step(number, f"{self._name}-{client}-{number}", says=client % 2 == 0)

    def _step(self, number: int, name: str, *, says: bool) -> None:
        text = f"{TEXTS[number % len(TEXTS)]} ({name})"
        told = self._ask(PREDICT, {"id": name, "text": text}, {200})
        if told is None:
            return
        answer = told[0].json()
        self.ledger.predicted(answer["id"], told[1])
        if not says:
            return
        target = next(iter(answer["targets"]))
        said = {"key": name, "prediction_id": answer["id"], "target": target, "verdict": "confirm"}
        taken = self._ask(FEEDBACK, said, {200, 202})
        if taken is not None:
            self.ledger.took(name, taken[0].json()["feedback"][0]["kept"])

    def _ask(self, path: str, body: Any, good: set[int]) -> tuple[Answer, float] | None:
        asked = self.ledger.asked()
        try:
            answer = ask(self.port, "POST", path, body, timeout=self._timeout)
        except (OSError, http.client.HTTPException) as error:
            self.ledger.failed(path, type(error).__name__, asked)
            return None
        if answer.status not in good:
            self.ledger.failed(path, str(answer.status), asked)
            return None
        return answer, asked
