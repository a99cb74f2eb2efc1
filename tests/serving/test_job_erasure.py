"""An erasure reaches jobs in every state, and the one that is being answered at that moment."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from data.errors import StoreError
from data.schema import Prediction, Ticket
from data.sql import open_sql_store
from data.store import Erasure, Query
from serving.archive import Archive
from serving.job_claim import Claim, claim
from serving.job_erasure import erase_in_jobs
from serving.job_runner import JobRunner
from serving.job_state import JobState
from serving.job_upload import Incoming
from serving.jobs import INPUT, OUTPUT, STATE, Jobs
from serving.settings import Settings
from tests.serving.fakes import VERSION, RuleAssistant
from tests.serving.store_fakes import LABELS, told

SETTINGS = Settings.model_validate({"encoder_batch": 4})
SECRET = "S3CRET4711"
ERASED = "urn:ticket-assistant:problem:erased"


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    return Jobs(tmp_path / "jobs")


def submit(
    jobs: Jobs, *names: str | None, customer: str | None = None, more: bytes = b""
) -> JobState:
    """A job of tickets with these ids; the secret stands in the text of `it`."""
    with Incoming(jobs, 10_000, customer) as incoming:
        for name in names:
            text = f"printer {SECRET if name == 'it' else name}"
            incoming.feed(json.dumps({"id": name, "text": text}).encode() + b"\n")
        incoming.feed(more)
        return incoming.finish()


def runner_of(jobs: Jobs, rule: RuleAssistant, **more: Any) -> JobRunner:
    async def answer(tickets: tuple[Ticket, ...], _: str | None) -> Sequence[Prediction]:
        return await asyncio.to_thread(rule.predict, tickets)

    return JobRunner(jobs, SETTINGS, answer, lambda: False, **more)


def run(jobs: Jobs, rule: RuleAssistant) -> None:
    async def all_of_them() -> None:
        runner = runner_of(jobs, rule)
        while await runner.step():
            pass

    asyncio.run(all_of_them())


def result(jobs: Jobs, job: str) -> list[str | None]:
    """What each line tells: the id of the ticket answered, or the type of its problem."""
    found = jobs.open_result(job)
    assert found is not None
    with found[1] as file:
        content = file.read()
    assert len(content) == found[0].output_bytes
    answers = [json.loads(line) for line in content.splitlines()]
    assert [answer["index"] for answer in answers] == list(range(len(answers)))
    return [
        answer["problem"]["type"] if answer["problem"] else answer["prediction"]["ticket_id"]
        for answer in answers
    ]


def kept(jobs: Jobs) -> bytes:
    """All bytes of all files."""
    return b"".join(path.read_bytes() for path in jobs.root.rglob("*") if path.is_file())


def erase(jobs: Jobs, *tickets: str, customer: str | None = None) -> int:
    erasure = Erasure(customer=customer) if customer else Erasure(ticket_id=tickets[0])
    return erase_in_jobs(jobs, erasure, tickets)


def test_a_job_that_waits_answers_the_others(jobs: Jobs, rule: RuleAssistant) -> None:
    job, other = submit(jobs, "a", "it", "b", "it"), submit(jobs, "c")
    assert erase(jobs, "it") == 2
    assert SECRET.encode() not in kept(jobs)
    run(jobs, rule)
    assert result(jobs, job.id) == ["a", ERASED, "b", ERASED]
    assert result(jobs, other.id) == ["c"]
    assert jobs.find(job.id).errors == 2  # type: ignore[union-attr]
    assert erase(jobs, "it") == 0


def test_the_result_of_a_finished_job_forgets_it(jobs: Jobs, rule: RuleAssistant) -> None:
    job = submit(jobs, "a", "it", None)
    run(jobs, rule)
    assert erase(jobs, "it") == 1
    assert result(jobs, job.id) == ["a", ERASED, None]
    state = jobs.find(job.id)
    assert state is not None
    assert (state.state, state.done, state.errors) == ("done", 3, 1)
    assert b'"it"' not in kept(jobs)


@pytest.mark.parametrize(
    "line",
    [
        b'{"text": "S3CRET4711", "\\u0069d": "\\u0069t"}\n',
        b'{"id": "it", "text": "S3CRET4711", "extra": 1}\n',
        b'{"id": "it", "text": "S3CRET4711"\n',
        b'{"text": "S3CRET4711 of it"\n',
    ],
    ids=["escaped", "not valid", "no JSON", "no JSON, in the text"],
)
def test_an_id_is_found_however_it_is_written(jobs: Jobs, line: bytes) -> None:
    submit(jobs, "a", "bit", more=line)
    assert erase(jobs, "it") == 1
    assert SECRET.encode() not in kept(jobs)
    assert b'"bit"' in kept(jobs)


def test_text_that_names_an_id_is_not_of_that_ticket(jobs: Jobs, rule: RuleAssistant) -> None:
    job = submit(jobs, more=b'{"id": "a", "text": "about it"}\n{"text": "\\"id\\": \\"it\\""}\n')
    assert erase(jobs, "it") == 0
    run(jobs, rule)
    assert erase(jobs, "it") == 0
    assert result(jobs, job.id) == ["a", None]


def test_many_ids_are_erased_at_once(jobs: Jobs) -> None:
    submit(jobs, *(f"t-{n}" for n in range(50)))
    assert erase(jobs, *(f"t-{n}" for n in range(5, 45))) == 40
    assert erase(jobs, "t-7") == 0


def test_the_job_of_a_customer_goes_altogether(jobs: Jobs, rule: RuleAssistant) -> None:
    waiting, others = submit(jobs, "a", "b", customer="C-1"), submit(jobs, "c", customer="C-2")
    run(jobs, rule)
    again = submit(jobs, "it", customer="C-1")
    assert erase(jobs, customer="C-1") == 3
    assert [state.id for state in jobs.all()] == [others.id]
    assert not {waiting.id, again.id} & {path.name for path in jobs.root.iterdir()}
    assert SECRET.encode() not in kept(jobs)


def test_a_ticket_of_a_customer_goes_from_the_files_of_others(jobs: Jobs) -> None:
    submit(jobs, "a", "it")
    assert erase(jobs, "it", customer="C-1") == 1
    assert SECRET.encode() not in kept(jobs)


class Interrupted:
    """A job whose first tickets are being answered when something happens."""

    def __init__(self, jobs: Jobs, rule: RuleAssistant) -> None:
        self.jobs, self.rule = jobs, rule
        self.again: list[Erasure] = []

    def run(self, meanwhile: Callable[[], object]) -> None:
        async def again(erasure: Erasure) -> None:
            self.again.append(erasure)
            if len(self.again) == 1:
                raise StoreError("down, but only once")

        async def scenario() -> None:
            self.rule.gate.clear()
            working = asyncio.create_task(runner_of(self.jobs, self.rule, erase_again=again).step())
            await asyncio.to_thread(self.rule.asked.wait, 10)
            await asyncio.to_thread(meanwhile)
            self.rule.gate.set()
            await working

        asyncio.run(scenario())


@pytest.fixture
def interrupted(jobs: Jobs, rule: RuleAssistant, monkeypatch: pytest.MonkeyPatch) -> Interrupted:
    monkeypatch.setattr("serving.job_runner.LOOK_EVERY", 0.01)
    return Interrupted(jobs, rule)


def test_a_job_that_runs_goes_on_without_the_ticket(
    jobs: Jobs, rule: RuleAssistant, interrupted: Interrupted
) -> None:
    job = submit(jobs, "a", "it", "b", "c", "d", "it", "e")
    # As another worker would: it holds nothing of the job.
    interrupted.run(lambda: erase(Jobs(jobs.root), "it"))
    assert result(jobs, job.id) == ["a", ERASED, "b", "c", "d", ERASED, "e"]
    state = jobs.find(job.id)
    assert state is not None
    assert (state.state, state.done, state.errors) == ("done", 7, 2)
    assert rule.calls == [4, 2]
    assert SECRET.encode() not in kept(jobs)
    assert interrupted.again == [Erasure(ticket_id="it")] * 2, "what was being answered, till it is"


def test_a_line_without_an_id_is_erased_while_it_is_looked_at(
    jobs: Jobs, rule: RuleAssistant, interrupted: Interrupted
) -> None:
    job = submit(jobs, "a", more=b'{"half of it"\n')
    interrupted.run(lambda: erase(Jobs(jobs.root), "it"))
    assert result(jobs, job.id) == ["a", ERASED]
    assert interrupted.again == [], "there is no id to erase by, and it was not answered"


def test_without_an_archive_nobody_is_told_to_erase_again(jobs: Jobs, rule: RuleAssistant) -> None:
    job = submit(jobs, "a", "it")

    async def scenario() -> None:
        rule.gate.clear()
        working = asyncio.create_task(runner_of(jobs, rule).step())
        await asyncio.to_thread(rule.asked.wait, 10)
        await asyncio.to_thread(erase, jobs, "it")
        rule.gate.set()
        await working

    asyncio.run(scenario())
    assert result(jobs, job.id) == ["a", ERASED]


def test_answers_given_before_are_erased_while_the_job_runs(
    jobs: Jobs, rule: RuleAssistant
) -> None:
    job = submit(jobs, "a", "it", "b", "c", "d")

    async def first_batch() -> None:
        with claim(jobs) as taken:
            assert taken is not None
            lines, answers = taken.read(4), await answer_all(rule, taken)
            assert taken.write(lines, answers) == []
            assert erase(Jobs(jobs.root), "it") == 1
            assert len(taken.read(4)) == 1
            assert taken.state.errors == 1
            taken.keep()

    asyncio.run(first_batch())
    run(jobs, rule)
    assert result(jobs, job.id) == ["a", ERASED, "b", "c", "d"]


async def answer_all(rule: RuleAssistant, taken: Claim) -> list[Any]:
    from serving.each import answer_each, read_line

    async def answer(tickets: tuple[Ticket, ...]) -> Sequence[Prediction]:
        return rule.predict(tickets)

    read = [read_line(line, i, SETTINGS) for i, line in enumerate(taken.read(4))]
    return await answer_each(read, answer)


def test_a_job_that_runs_ends_when_its_customer_is_erased(
    jobs: Jobs, rule: RuleAssistant, interrupted: Interrupted
) -> None:
    job = submit(jobs, *"abcdefgh", None, customer="C-1")
    interrupted.run(lambda: erase(Jobs(jobs.root), customer="C-1"))
    assert rule.calls == [4]
    assert jobs.find(job.id) is None
    assert not (jobs.root / job.id / STATE).exists()
    assert not (jobs.root / job.id / OUTPUT).exists()
    assert interrupted.again[1:] == [
        *(Erasure(ticket_id=name) for name in "abcd"), Erasure(customer="C-1"),
    ]  # fmt: skip


def test_what_a_killed_worker_left_unfinished_is_erased_too(
    jobs: Jobs, rule: RuleAssistant
) -> None:
    job = submit(jobs, "a", "it")
    with (jobs.root / job.id / OUTPUT).open("ab") as file:
        file.write(b'{"index": 0, "prediction": {"ticket_id": "it", "S3CRET')
    assert erase(jobs, "it") == 2
    assert b"S3CRET" not in kept(jobs)
    run(jobs, rule)
    assert result(jobs, job.id) == ["a", ERASED]


def test_a_disk_that_fails_is_told_and_leaves_the_file_whole(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(jobs, "a", "it")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(StoreError, match="No space left"):
            erase(jobs, "it")
    assert (jobs.root / job.id / INPUT).read_bytes().count(b"\n") == 2
    assert not list((jobs.root / job.id).glob(".*"))
    assert erase(jobs, "it") == 1


def test_a_job_removed_meanwhile_is_nobodys_worry(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(jobs, "it")
    seen = jobs.all()
    jobs.remove(job.id)
    jobs.remove(job.id)
    monkeypatch.setattr(jobs, "all", lambda: seen)
    assert erase(jobs, "it") == 0
    jobs.write(job)
    jobs.end(job.ended("done"))
    assert not (jobs.root / job.id).exists()


@pytest.fixture
def archive(jobs: Jobs, tmp_path: Path) -> Iterator[Archive]:
    """Everything on SQLite, and jobs."""
    settings = Settings.model_validate(
        {"spool": tmp_path / "spool", "record_lag_ms": 0, "spool_seconds": 0.01}
    )
    archive = Archive(settings, open_sql_store(f"sqlite:///{tmp_path / 'store.db'}"), jobs=jobs)
    archive.know(VERSION, LABELS)
    yield archive
    archive.close()


def test_the_archive_tells_how_many_went_and_knows_a_customers_tickets(
    archive: Archive, jobs: Jobs
) -> None:
    asyncio.run(archive.keep([told(1, customer="C-1"), told(2, customer="C-2")]))
    submit(jobs, "T-1", "T-2", "it", "T-1")
    gone = asyncio.run(archive.erase(Erasure(customer="C-1"), "api", datetime.now(UTC)))
    assert (gone.predictions, gone.jobs) == (1, 2)
    gone = asyncio.run(archive.erase(Erasure(ticket_id="it"), "api", datetime.now(UTC)))
    assert (gone.predictions, gone.jobs) == (0, 1)


def test_nothing_of_a_ticket_is_stored_that_a_job_answers_while_it_is_erased(
    archive: Archive, jobs: Jobs, rule: RuleAssistant
) -> None:
    submit(jobs, "a", "it")
    number = iter(range(1, 100))

    async def answer(tickets: tuple[Ticket, ...], _: str | None) -> Sequence[Prediction]:
        found = await asyncio.to_thread(rule.predict, tickets)
        # Made after the erasure, as if the clock had been read late.
        at = datetime.now(UTC)
        await archive.keep(
            [told(next(number), ticket=ticket, at=at, prediction=one)
             for ticket, one in zip(tickets, found, strict=True)]
        )  # fmt: skip
        return found

    async def scenario() -> None:
        runner = JobRunner(jobs, SETTINGS, answer, lambda: False, archive.erase_again)
        rule.gate.clear()
        working = asyncio.create_task(runner.step())
        await asyncio.to_thread(rule.asked.wait, 10)
        asked = datetime.now(UTC)
        gone = await archive.erase(Erasure(ticket_id="it"), "api", asked)
        assert gone.jobs == 1
        threading.Timer(0.05, rule.gate.set).start()
        await working

    asyncio.run(scenario())
    assert [row.stored.ticket.id for row in archive.store.stream(Query())] == ["a"]
    assert [event.actor for event in archive.store.events(action="erase")] == ["jobs", "api"]
