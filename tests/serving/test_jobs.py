"""A job survives what happens to its workers, and gives way to single tickets."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from data.schema import Prediction, Ticket
from serving.batching import Batcher
from serving.job_claim import claim
from serving.job_runner import JobRunner
from serving.job_state import BatchJob, JobState
from serving.job_upload import Incoming, LineTooLongError, NoTicketsError
from serving.jobs import INPUT, LEFTOVER_SECONDS, OUTPUT, STATE, Jobs
from serving.problems import JobNotFinishedError, JobsFullError, NotReadyError
from serving.settings import Settings
from tests.serving.fakes import RuleAssistant

SETTINGS = Settings.model_validate({"encoder_batch": 4})


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    return Jobs(tmp_path / "jobs", max_unfinished=3)


def submit(jobs: Jobs, *texts: str, max_line: int = 1_000) -> JobState:
    with Incoming(jobs, max_line) as incoming:
        for i, text in enumerate(texts):
            incoming.feed(json.dumps({"id": f"T-{i}", "text": text}).encode() + b"\n")
        return incoming.finish()


def runner_of(
    jobs: Jobs, rule: RuleAssistant, crowded: Callable[[], bool] | None = None
) -> JobRunner:
    """Answers through a batcher of its own, as a worker does."""
    batcher = Batcher(SETTINGS.encoder_batch)

    async def answer(tickets: tuple[Ticket, ...], _: str | None) -> Sequence[Prediction]:
        return await batcher.predict(rule, tickets)

    return JobRunner(jobs, SETTINGS, answer, crowded or (lambda: False))


def run(jobs: Jobs, rule: RuleAssistant) -> None:
    async def all_of_them() -> None:
        runner = runner_of(jobs, rule)
        while await runner.step():
            pass

    asyncio.run(all_of_them())


def answers_of(jobs: Jobs, job: str) -> list[dict[str, Any]]:
    found = jobs.open_result(job)
    assert found is not None
    state, file = found
    with file:
        content = file.read()
    assert len(content) == state.output_bytes
    return [json.loads(line) for line in content.splitlines()]


def ids_of(answers: list[dict[str, Any]]) -> list[str]:
    return [answer["prediction"]["ticket_id"] for answer in answers]


def state_of(jobs: Jobs, job: str) -> JobState:
    state = jobs.find(job)
    assert state is not None
    return state


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not what():
            await asyncio.sleep(0.005)


def test_a_job_is_answered_line_by_line_and_in_order(jobs: Jobs, rule: RuleAssistant) -> None:
    job = submit(jobs, *(f"printer {i}" for i in range(10)))
    assert (job.state, job.tickets) == ("queued", 10)
    run(jobs, rule)
    state = state_of(jobs, job.id)
    assert (state.state, state.done, state.errors) == ("done", 10, 0)
    assert state.started_at is not None
    assert state.finished_at is not None
    answers = answers_of(jobs, job.id)
    assert [answer["index"] for answer in answers] == list(range(10))
    assert ids_of(answers) == [f"T-{i}" for i in range(10)]
    assert rule.calls == [4, 4, 2]


def test_bad_lines_are_told_in_their_place(jobs: Jobs, rule: RuleAssistant) -> None:
    with Incoming(jobs, 1_000) as incoming:
        incoming.feed(b'\xef\xbb\xbf{"text": "printer"}\r\n\n  \n{"te')
        incoming.feed(b'xt": ""}\nno json\n{"text": "wifi"}')
        job = incoming.finish()
    assert job.tickets == 4
    run(jobs, rule)
    assert state_of(jobs, job.id).errors == 2
    answers = answers_of(jobs, job.id)
    assert [answer["problem"] is None for answer in answers] == [True, False, False, True]
    problem = answers[1]["problem"]
    assert isinstance(problem, dict)
    assert problem["errors"][0]["pointer"] == "#/tickets/1/text"


def test_what_customers_wrote_goes_when_the_job_ends(jobs: Jobs, rule: RuleAssistant) -> None:
    job = submit(jobs, "printer")
    assert (jobs.root / job.id / INPUT).exists()
    run(jobs, rule)
    assert not (jobs.root / job.id / INPUT).exists()
    assert jobs.root.stat().st_mode & 0o077 == 0


def stop_after(jobs: Jobs, rule: RuleAssistant, done: int) -> None:
    """Answer so many tickets, then vanish: the lock is let go, nothing else is written."""

    async def a_while() -> None:
        stuck = asyncio.Event()

        async def answer(tickets: tuple[Ticket, ...], _: str | None) -> Sequence[Prediction]:
            if sum(rule.calls) >= done:
                stuck.set()
                await asyncio.Event().wait()
            return rule.predict(tickets)

        with claim(jobs) as taken:
            assert taken is not None
            runner = JobRunner(jobs, SETTINGS, answer, lambda: False)
            task = asyncio.create_task(runner._finish(taken))
            await stuck.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(a_while())


@pytest.mark.parametrize("torn", [b"", b'{"index": 4, "predic', b'{"index": 4}', b"\x00\x00\x00\n"])
def test_a_killed_worker_costs_no_answer_and_repeats_none(
    jobs: Jobs, rule: RuleAssistant, torn: bytes
) -> None:
    job = submit(jobs, *(f"printer {i}" for i in range(10)))
    stop_after(jobs, rule, 4)
    with (jobs.root / job.id / OUTPUT).open("ab") as file:
        file.write(torn)
    # Written when the job was taken, before the first answer: the lines themselves must tell.
    assert state_of(jobs, job.id).output_bytes == 0
    rule.calls.clear()
    run(Jobs(jobs.root), rule)
    assert sum(rule.calls) == 6
    answers = answers_of(jobs, job.id)
    assert ids_of(answers) == [f"T-{i}" for i in range(10)]
    state = state_of(jobs, job.id)
    assert (state.state, state.done, state.errors) == ("done", 10, 0)


def test_problems_before_a_kill_are_still_counted(jobs: Jobs, rule: RuleAssistant) -> None:
    job = submit(jobs, "printer", "", "", *(f"printer {i}" for i in range(9)))
    stop_after(jobs, rule, 6)
    run(Jobs(jobs.root), rule)
    assert state_of(jobs, job.id).errors == 2


def test_a_job_whose_answers_were_lost_begins_anew(jobs: Jobs, rule: RuleAssistant) -> None:
    job = submit(jobs, *(f"printer {i}" for i in range(8)))
    with claim(jobs) as taken:
        assert taken is not None
        jobs.write(taken.state.model_copy(update={"done": 4, "output_bytes": 999}))
    run(jobs, rule)
    assert len(answers_of(jobs, job.id)) == 8


def test_one_worker_owns_a_job(jobs: Jobs, rule: RuleAssistant) -> None:
    first, second = submit(jobs, "a"), submit(jobs, "b")
    other = Jobs(jobs.root)
    with claim(jobs) as one, claim(other) as two, claim(Jobs(jobs.root)) as three:
        assert one is not None
        assert two is not None
        assert [one.state.id, two.state.id] == [first.id, second.id]
        assert three is None
    run(other, rule)
    assert {state.state for state in jobs.all()} == {"done"}


def test_a_job_makes_way_while_single_tickets_wait(jobs: Jobs, rule: RuleAssistant) -> None:
    job = submit(jobs, *"abcdefgh")
    looks: list[bool] = []

    def crowded() -> bool:
        looks.append(len(looks) < 3)
        assert rule.calls == [] or not looks[-1]
        return looks[-1]

    async def scenario() -> None:
        runner = runner_of(jobs, rule, crowded)
        runner.start()
        await until(lambda: state_of(jobs, job.id).state == "done")
        await runner.stop()

    asyncio.run(scenario())
    assert looks[:4] == [True, True, True, False]
    assert rule.calls == [4, 4]


def test_a_single_ticket_waits_for_one_encoder_call_of_a_job_at_most(
    jobs: Jobs, rule: RuleAssistant
) -> None:
    submit(jobs, *"abcdefghijkl")

    async def scenario() -> list[int]:
        batcher = Batcher(SETTINGS.encoder_batch)

        async def answer(tickets: tuple[Ticket, ...], _: str | None) -> Sequence[Prediction]:
            return await batcher.predict(rule, tickets)

        runner = JobRunner(jobs, SETTINGS, answer, lambda: batcher.waiting > 0)
        rule.gate.clear()
        working = asyncio.create_task(runner.step())
        await until(rule.asked.is_set)
        single = asyncio.create_task(batcher.predict(rule, [Ticket(text="me")]))
        await asyncio.sleep(0)
        rule.gate.set()
        await single
        before = list(rule.calls)
        await working
        return before

    assert asyncio.run(scenario())[:2] == [4, 1]


def test_a_job_waits_for_a_model(jobs: Jobs, rule: RuleAssistant) -> None:
    job = submit(jobs, "a")
    asked = []

    class SoonError(NotReadyError):
        retry_after = 0.01

    async def answer(tickets: tuple[Ticket, ...], _: str | None) -> Sequence[Prediction]:
        asked.append(len(tickets))
        if len(asked) < 3:
            raise SoonError
        return rule.predict(tickets)

    asyncio.run(JobRunner(jobs, SETTINGS, answer, lambda: False).step())
    assert asked == [1, 1, 1]
    assert state_of(jobs, job.id).state == "done"
    assert state_of(jobs, job.id).errors == 0


def test_a_waiting_job_is_cancelled_at_once(jobs: Jobs, rule: RuleAssistant) -> None:
    job = submit(jobs, "a")
    cancelled = jobs.cancel(job.id)
    assert cancelled is not None
    assert cancelled.state == "cancelled"
    run(jobs, rule)
    assert rule.calls == []
    assert answers_of(jobs, job.id) == []


def test_a_running_job_is_cancelled_before_its_next_tickets(
    jobs: Jobs, rule: RuleAssistant
) -> None:
    job = submit(jobs, *"abcdefgh")

    async def scenario() -> None:
        rule.gate.clear()
        working = asyncio.create_task(runner_of(jobs, rule).step())
        await until(rule.asked.is_set)
        asked = Jobs(jobs.root).cancel(job.id)  # as another worker does
        assert asked is not None
        assert asked.state == "running"
        rule.gate.set()
        await working

    asyncio.run(scenario())
    state = state_of(jobs, job.id)
    assert (state.state, state.done) == ("cancelled", 4)
    assert len(answers_of(jobs, job.id)) == 4


def test_a_finished_job_is_not_cancelled(jobs: Jobs, rule: RuleAssistant) -> None:
    job = submit(jobs, "a")
    run(jobs, rule)
    state = jobs.cancel(job.id)
    assert state is not None
    assert state.state == "done"


def test_a_job_whose_files_are_gone_fails_and_does_not_stand_in_the_way(
    jobs: Jobs, rule: RuleAssistant
) -> None:
    broken, other = submit(jobs, "a"), submit(jobs, "b")
    (jobs.root / broken.id / INPUT).unlink()
    run(jobs, rule)
    assert state_of(jobs, broken.id).state == "failed"
    assert state_of(jobs, broken.id).reason == "its files are gone: FileNotFoundError"
    assert state_of(jobs, other.id).state == "done"


def test_an_unexpected_error_fails_the_job_and_not_the_runner(jobs: Jobs) -> None:
    job = submit(jobs, "secret text")

    async def answer(_: tuple[Ticket, ...], __: str | None) -> Sequence[Prediction]:
        return []  # one too few, which nobody expects

    assert asyncio.run(JobRunner(jobs, SETTINGS, answer, lambda: False).step())
    state = state_of(jobs, job.id)
    assert state.state == "failed"
    assert "secret" not in str(state.reason)


def test_no_more_jobs_wait_than_may(jobs: Jobs, rule: RuleAssistant) -> None:
    for _ in range(3):
        submit(jobs, "a")
    with pytest.raises(JobsFullError, match="3 jobs are not finished"):
        submit(jobs, "a")
    run(jobs, rule)
    submit(jobs, "a")


def test_the_last_room_is_given_once(jobs: Jobs) -> None:
    submit(jobs, "a")
    submit(jobs, "b")
    with Incoming(jobs, 100) as first, Incoming(jobs, 100) as second:
        for incoming in (first, second):
            incoming.feed(b'{"text": "c"}\n')
        first.finish()
        with pytest.raises(JobsFullError):
            second.finish()
    assert len(jobs.all()) == 3
    assert not list(jobs.root.glob(".*.partial"))


def test_jobs_are_listed_newest_first_and_in_stable_pages(jobs: Jobs) -> None:
    jobs.max_unfinished = 100
    names = [submit(jobs, "a").id for _ in range(5)]
    first, after = jobs.page(2)
    assert [state.id for state in first] == names[:2:-1]
    submit(jobs, "newer than the page")
    second, after = jobs.page(2, after)
    assert [state.id for state in second] == names[2:0:-1]
    third, after = jobs.page(2, after)
    assert [state.id for state in third] == names[:1]
    assert after is None


def test_old_and_surplus_results_are_removed(jobs: Jobs, rule: RuleAssistant) -> None:
    names = [submit(jobs, "a").id for _ in range(3)]
    run(jobs, rule)
    jobs.max_finished = 2
    jobs.tidy()
    assert [state.id for state in jobs.all()] == names[:0:-1]
    jobs.keep = timedelta(0)
    waiting = submit(jobs, "a")
    assert [state.id for state in jobs.all()] == [waiting.id]


def test_what_was_never_sent_to_its_end_is_swept_away(jobs: Jobs) -> None:
    abandoned, living = Incoming(jobs, 100), Incoming(jobs, 100)
    past = time.time() - LEFTOVER_SECONDS - 1
    os.utime(jobs.root / f".{abandoned.id}.partial" / INPUT, (past, past))
    jobs.tidy()
    assert [path.name for path in jobs.root.glob(".*.partial")] == [f".{living.id}.partial"]
    assert jobs.all() == []


def test_lines_too_long_and_files_without_lines_are_refused(jobs: Jobs) -> None:
    with pytest.raises(LineTooLongError, match="line 2 has more than 40 bytes"):
        submit(jobs, "a", "b" * 100, max_line=40)
    with Incoming(jobs, 40) as incoming, pytest.raises(LineTooLongError, match="line 1"):
        for _ in range(41):
            incoming.feed(b"x")
    with Incoming(jobs, 40) as incoming, pytest.raises(NoTicketsError):
        incoming.feed(b"\n \r\n")
        incoming.finish()
    assert not [path for path in jobs.root.iterdir() if path.is_dir()]


def test_an_id_that_is_none_of_ours_is_no_path(jobs: Jobs) -> None:
    job = submit(jobs, "a")
    (jobs.root.parent / STATE).write_bytes((jobs.root / job.id / STATE).read_bytes())
    for name in ("..", ".", "", f"../{jobs.root.name}/{job.id}", job.id.upper() + "/", "0" * 32):
        assert jobs.find(name) is None


def test_a_result_is_told_when_there_is_one(jobs: Jobs) -> None:
    job = submit(jobs, "a", "b")
    with pytest.raises(JobNotFinishedError, match="queued: 0 of 2"):
        jobs.open_result(job.id)
    assert jobs.open_result("0" * 32) is None


def test_the_time_left_is_that_of_the_pace_so_far(jobs: Jobs) -> None:
    queued = submit(jobs, *"abcdefgh")
    assert BatchJob.of(queued).seconds_left is None
    running = queued.model_copy(update={"state": "running", "done": 2, "seconds": 5.0})
    assert BatchJob.of(running).seconds_left == 15.0
    assert BatchJob.of(running).progress == 0.25
    assert BatchJob.of(running.ended("done")).seconds_left is None
