"""The command an operator types."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data.outbox import open_outbox
from data.outbox_records import Outcome
from data.sql import open_sql_store
from serving import webhooks
from serving.webhook_signing import read_secret
from tests.serving.webhook_fakes import WRITTEN, Receiver, receiving, status
from tests.stores import LABELS, make_prediction

DEAD = f"msg_{1:032x}_classified"
WAITING = f"msg_{2:032x}_classified"


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver named in a file; one event was given up, another one waits."""
    with receiving() as started:
        (tmp_path / "secret").write_text(WRITTEN)
        (tmp_path / "webhooks.yaml").write_text(
            f"endpoints:\n  crm:\n    url: {started.url}\n    events: [ticket.classified]\n"
            f"    secret_files: [{tmp_path / 'secret'}]\n    allow: ['127.0.0.0/8', '::1/128']\n"
            "    http: true\n"
        )
        url = f"sqlite:///{tmp_path}/store.db"
        monkeypatch.setenv("TICKETS_STORE", url)
        monkeypatch.setenv("TICKETS_WEBHOOKS", str(tmp_path / "webhooks.yaml"))
        store, outbox = open_sql_store(url), open_outbox(url)
        outbox.subscribe({"crm": ("ticket.classified",)})
        store.know_bundle("bundle-1", LABELS)
        store.add_predictions([make_prediction(1)])
        [entry] = outbox.take("crm", 1, datetime.now(UTC), lambda _: timedelta(seconds=1))
        outbox.settle([Outcome(entry, False, "refused 500", None)])
        store.add_predictions([make_prediction(2)])
        store.close()
        outbox.close()
        yield started


@pytest.mark.usefixtures("receiver")
def test_what_waits_and_what_was_given_up_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert webhooks.main(["list"]) == 0
    told = capsys.readouterr().out
    assert f"dead crm ticket.classified {DEAD} attempts=1" in told
    assert "last=refused_500" in told
    assert f"waiting crm ticket.classified {WAITING} attempts=0" in told
    assert told.endswith("crm: 1 waiting, 1 dead\n")
    webhooks.main(["list", "--dead", "--endpoint", "crm"])
    assert WAITING not in capsys.readouterr().out


@pytest.mark.usefixtures("receiver")
def test_an_event_is_shown_as_it_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    webhooks.main(["show", DEAD])
    assert json.loads(capsys.readouterr().out)["data"]["prediction_id"] == f"{1:032x}"
    with pytest.raises(SystemExit, match="there is no event msg_0"):
        webhooks.main(["show", "msg_0"])


@pytest.mark.usefixtures("receiver")
def test_a_dead_letter_is_sent_again(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="not among the dead letters"):
        webhooks.main(["replay", WAITING])
    webhooks.main(["replay", DEAD])
    webhooks.main(["replay", "--all"])
    webhooks.main(["list", "--dead"])
    told = capsys.readouterr().out
    assert told == "1 events are sent again\n0 events are sent again\ncrm: 2 waiting, 0 dead\n"
    with pytest.raises(SystemExit):
        webhooks.main(["replay"])


def test_a_test_event_tells_how_it_was_taken(
    receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    assert webhooks.main(["test", "crm"]) == 0
    assert receiver.received[0].is_signed()
    receiver.answers.append(status(500))
    assert webhooks.main(["test", "crm"]) == webhooks.FAILED
    told = capsys.readouterr().out.splitlines()
    assert [line.partition(" ")[2] for line in told] == ["delivered 204", "refused 500"]
    with pytest.raises(SystemExit, match="no endpoint 'erp'; known: crm"):
        webhooks.main(["test", "erp"])


def test_a_secret_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    webhooks.main(["secret"])
    assert len(read_secret(capsys.readouterr().out, "here")) == 32
