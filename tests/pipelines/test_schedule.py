"""The clock: what is due, what runs, what is left behind by whoever is killed."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
import yaml

from data.errors import DataError, LockedError
from data.locks import exclusive
from pipelines import drift, experiment, monitor, report_period, schedule
from pipelines.params import read_params
from pipelines.schedule import Scheduler, render_list, run_once
from pipelines.schedule_jobs import COMMANDS, Job, make_jobs
from pipelines.schedule_params import JobParams, ScheduleParams
from pipelines.schedule_run import LOGS_KEPT, Run, _born, end_group
from pipelines.schedule_state import TRIES, JobState, find_due, read_state, tell_end, write_state
from tests.conftest import ROOT

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)  # a Wednesday

STEPS = """
import os, sys, time
what = sys.argv[1]
if what == "sleep":
    print("begun", os.getpid(), flush=True)
    time.sleep(60)
if what == "deaf":
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("begun", flush=True)
    time.sleep(60)
print("did", what)
sys.exit(int(what) if what.isdigit() else 0)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run in, whose module `step` ends with the code it is given, or sleeps."""
    (tmp_path / "step.py").write_text(STEPS)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def job(what: str = "0", name: str = "monitor", **facts: object) -> Job:
    usual = {"lane": "watch", "when": "5 * * * *", "limit_seconds": 30.0}
    return Job(name=name, arguments=("step", what), **(usual | facts))


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def settle(scheduler: Scheduler) -> None:
    """Step until nothing runs."""
    until = time.monotonic() + 15
    scheduler.step()
    while scheduler.running and time.monotonic() < until:
        time.sleep(0.02)
        scheduler.step()
    assert not scheduler.running


def said(path: Path, words: str, seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while words not in path.read_text() and time.monotonic() < until:
        time.sleep(0.02)
    assert words in path.read_text()


def test_a_job_runs_at_its_moment_and_once(place: Path) -> None:
    clock = Clock()
    scheduler = Scheduler({"monitor": job("7")}, place, clock)
    settle(scheduler)
    assert read_state("monitor", NOON, place).started is None, "nothing before it is known is due"
    clock.now = NOON + timedelta(minutes=5)
    settle(scheduler)
    state = read_state("monitor", NOON, place)
    assert (state.started, state.result, state.code) == (clock.now, "failed", 7)
    assert Path(str(state.log)).read_text() == "did 7\n"


def test_what_was_missed_is_made_up_for_by_one_run(place: Path) -> None:
    clock = Clock()
    jobs = {"monitor": job("0")}
    settle(Scheduler(jobs, place, clock))
    clock.now = NOON + timedelta(days=3)
    scheduler = Scheduler(jobs, place, clock)
    settle(scheduler)
    assert read_state("monitor", NOON, place).result == "done"
    settle(scheduler)
    assert len(list((place / "logs").iterdir())) == 1


def test_exit_code_3_is_attention_and_is_not_tried_again(place: Path) -> None:
    clock = Clock()
    scheduler = Scheduler({"monitor": job("3")}, place, clock)
    scheduler.step()
    clock.now += timedelta(minutes=5)
    settle(scheduler)
    state = read_state("monitor", NOON, place)
    assert state.result == "attention"
    assert find_due(job(), state) == NOON + timedelta(hours=1, minutes=5)


def test_a_failed_run_is_tried_three_times_for_each_moment(place: Path) -> None:
    weekly = job(when="0 20 * * 6")
    state = JobState(since=NOON)
    tries = 0
    now = find_due(weekly, state)
    saturday = datetime(2026, 11, 28, 20, tzinfo=UTC)
    while now is not None and now < saturday + timedelta(days=14):
        tries += 1
        begun = state.model_copy(update={"started": now, "ended": None})
        state = tell_end(begun, 1, now + timedelta(minutes=1), None)
        now = find_due(weekly, state)
    assert tries == 2 * TRIES


def test_one_lane_runs_one_job_at_a_time_and_lanes_run_beside_each_other(place: Path) -> None:
    clock = Clock()
    jobs = {
        "monitor": job("0"),
        "drift": job("0", "drift", when="4 * * * *"),
        "retrain": job("0", "retrain", lane="learn"),
    }
    scheduler = Scheduler(jobs, place, clock)
    scheduler.step()
    clock.now += timedelta(minutes=10)
    scheduler.step()
    names = {lane: one.job.name for lane, one in scheduler.running.items()}
    assert names == {"watch": "drift", "learn": "retrain"}, "what waits longest comes first"
    settle(scheduler)
    assert read_state("monitor", NOON, place).result == "done"


def test_what_takes_too_long_is_ended(place: Path) -> None:
    one = Run(job("sleep", limit_seconds=0.3), place)
    assert one.finish().result == "timed out"
    assert not psutil.pid_exists(one.process.pid)


def test_what_does_not_listen_is_killed(place: Path) -> None:
    one = Run(job("deaf"), place)
    assert one.log is not None
    said(one.log, "begun")
    end_group(one.process, grace=0.2)
    assert one.process.returncode == -signal.SIGKILL
    assert one.finish().result == "failed"


def test_a_scheduler_that_ends_passes_it_on_and_its_run_begins_anew(place: Path) -> None:
    clock, stop = Clock(), threading.Event()
    scheduler = Scheduler({"monitor": job("sleep")}, place, clock)
    scheduler.step()
    clock.now += timedelta(minutes=5)
    thread = threading.Thread(target=scheduler.run, args=(stop,))
    thread.start()
    until = time.monotonic() + 10
    while not read_state("monitor", NOON, place).running and time.monotonic() < until:
        time.sleep(0.02)
    pid = read_state("monitor", NOON, place).pid
    stop.set()
    thread.join(15)
    state = read_state("monitor", NOON, place)
    assert pid is not None
    assert state.result == "interrupted" and not psutil.pid_exists(pid)
    settle(Scheduler({"monitor": job("0")}, place, clock))
    assert read_state("monitor", NOON, place).result == "done"


def test_a_run_left_by_a_killed_scheduler_is_waited_for_then_done_again(place: Path) -> None:
    code = (
        "import os, signal; from pathlib import Path\n"
        "from pipelines.schedule_jobs import Job; from pipelines.schedule_run import Run\n"
        "Run(Job('monitor', 'watch', ('step', 'sleep'), '5 * * * *', 30.0), Path('.'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    path = os.pathsep.join([str(ROOT), str(place)])
    environment = os.environ | {"PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", code], check=False, cwd=place, env=environment)
    state = read_state("monitor", NOON, place)
    assert state.running and state.pid and find_due(job(), state) is None
    with pytest.raises(LockedError, match=f"still runs as process {state.pid}"):
        Run(job("0"), place)
    os.killpg(state.pid, signal.SIGKILL)
    until = time.monotonic() + 10
    while state.running and time.monotonic() < until:
        time.sleep(0.02)
    assert state.interrupted and find_due(job(), state) == state.started
    assert "interrupted" in render_list({"monitor": job()}, NOON, place)
    settle(Scheduler({"monitor": job("0")}, place))
    assert read_state("monitor", NOON, place).result == "done"


def test_a_job_that_runs_elsewhere_waits(place: Path) -> None:
    clock = Clock()
    scheduler = Scheduler({"monitor": job("0")}, place, clock)
    scheduler.step()
    clock.now += timedelta(minutes=5)
    with exclusive("schedule-monitor", place / "locks"):
        scheduler.step()
        assert not scheduler.running
    settle(scheduler)
    assert read_state("monitor", NOON, place).result == "done"


@pytest.mark.parametrize(("what", "code"), [("0", 0), ("3", 0), ("1", 1)])
def test_once_ends_well_where_the_work_was_done(
    place: Path, capfd: pytest.CaptureFixture[str], what: str, code: int
) -> None:
    assert run_once(job(what), place) == code
    assert capfd.readouterr().out == f"did {what}\n"


def test_once_passes_on_that_it_was_told_to_end(place: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert run_once(job("sleep"), place, stop) == 1
    assert read_state("monitor", NOON, place).result == "interrupted"


def test_old_logs_go(place: Path) -> None:
    (place / "logs").mkdir()
    for number in range(LOGS_KEPT + 5):
        (place / f"logs/monitor-2025{number:04}.log").touch()
    Run(job("0"), place).finish()
    assert len(list((place / "logs").iterdir())) == LOGS_KEPT


def test_a_state_that_is_none_is_refused(place: Path) -> None:
    (place / "monitor.json").write_text("{}")
    with pytest.raises(DataError, match="remove it"):
        read_state("monitor", NOON, place)


def test_a_process_that_cannot_be_noted_does_not_go_on(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []

    def full(self: Run, began: datetime) -> None:
        begun.append(self.process)
        raise OSError(28, "no space")

    monkeypatch.setattr(Run, "_write_begin", full)
    with pytest.raises(OSError, match="no space"):
        Run(job("sleep"), place)
    assert begun[0].returncode is not None
    with exclusive("schedule-monitor", place / "locks"):
        pass


@pytest.fixture
def handlers() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_the_command_lists_runs_one_and_ends_on_sigterm(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(COMMANDS, "monitor", ("watch", ("step", "3")))
    folder = place / "state"
    assert schedule.main(["--once", "monitor"], folder) == 0
    assert schedule.main(["--list"], folder) == 0
    told = capfd.readouterr().out.splitlines()
    monitored = next(line for line in told if line.startswith("monitor"))
    assert "attention" in monitored and monitored.endswith("python -m step 3")
    with exclusive("schedule", folder / "locks"):
        assert schedule.main([], folder) == 1
    before = signal.getsignal(signal.SIGTERM)

    def end() -> None:
        while (heard := signal.getsignal(signal.SIGTERM)) is before:
            time.sleep(0.01)
        # Called, not sent: a signal crashes a process in which tests ran OpenVINO in bfloat16.
        assert callable(heard)
        heard(signal.SIGTERM, None)

    threading.Thread(target=end, daemon=True).start()
    assert schedule.main([], folder) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_command(place: Path, number: signal.Signals) -> None:
    told = place / "told"
    with told.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.schedule"],
            cwd=place, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=stderr,
        )  # fmt: skip
        try:
            said(told, "on the clock", seconds=60)
            process.send_signal(number)
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()
    assert f"{number.name}: ending" in told.read_text()


def test_a_job_without_a_clock_never_runs_by_itself(place: Path) -> None:
    jobs = {"monitor": job(when=None)}
    Scheduler(jobs, place).step()
    assert find_due(jobs["monitor"], JobState(since=NOON)) is None
    assert "never" in render_list(jobs, NOON, place)


def test_the_list_tells_what_runs_and_what_is_due(place: Path) -> None:
    one = Run(job("sleep"), place)
    try:
        assert " running " in render_list({"monitor": job()}, NOON, place)
    finally:
        one.finish("interrupted")
    write_state("monitor", JobState(since=NOON), place)
    assert " now " in render_list({"monitor": job()}, NOON + timedelta(days=1), place)


def test_a_process_that_is_not_there_any_more_does_not_run() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert not JobState(since=NOON, started=NOON, pid=gone.pid, born=1.0).running
    assert _born(gone.pid) is None


def test_a_job_may_have_no_clock_in_params() -> None:
    params = ScheduleParams(retrain=JobParams(when=None, limit_minutes=1, arguments=("--x",)))
    made = make_jobs(params)["retrain"]
    assert (made.when, made.arguments) == (None, ("pipelines.retrain", "--x"))


@pytest.mark.parametrize("when", ["5 * * *", "61 * * * *", "0 0 * * * *", "0 0 31 2 *", "hourly"])
def test_a_clock_that_is_none_is_refused(when: str) -> None:
    with pytest.raises(ValueError, match="cron expression"):
        JobParams(when=when, limit_minutes=1)


def test_every_job_has_a_clock_and_every_command_is_there() -> None:
    params = read_params(ROOT / "params.yaml").schedule
    assert params == ScheduleParams()
    assert list(ScheduleParams.model_fields) == list(make_jobs(params))
    for one in make_jobs(params).values():
        module = ROOT / (one.arguments[0].replace(".", "/") + ".py")
        assert module.is_file(), one.name


def test_the_commands_understand_their_arguments() -> None:
    words = {name: list(one.arguments[1:]) for name, one in make_jobs(ScheduleParams()).items()}
    assert not monitor.make_parser().parse_args(words["monitor"]).dry_run
    assert experiment.make_parser().parse_args(words["experiment"]).auto
    looks = drift.read_arguments(words["drift"])
    assert (looks.looks, looks.log, looks.html) == (365, True, False)
    assert report_period.make_parser().parse_args(words["report"]).month is None


CRONJOBS = sorted((ROOT / "deploy/kubernetes").glob("cronjob-*.yaml"))


def test_kubernetes_runs_the_same_jobs_at_the_same_moments() -> None:
    jobs = make_jobs(ScheduleParams())
    found = {}
    for path in CRONJOBS:
        cronjob = yaml.safe_load(path.read_text("utf-8"))
        assert (cronjob["apiVersion"], cronjob["kind"]) == ("batch/v1", "CronJob")
        spec = cronjob["spec"]
        assert spec["concurrencyPolicy"] == "Forbid"
        assert spec["timeZone"] == "Etc/UTC"
        work = spec["jobTemplate"]["spec"]
        pod = work["template"]["spec"]
        assert pod["restartPolicy"] == "Never"
        (container,) = pod["containers"]
        *command, name = container["command"]
        assert command == ["python", "-m", "pipelines.schedule", "--once"]
        assert path.name == f"cronjob-{name}.yaml"
        assert cronjob["metadata"]["name"].endswith(f"-{name}")
        # Ended by ourselves, which is told, and only then by Kubernetes.
        assert work["activeDeadlineSeconds"] == jobs[name].limit_seconds + 60
        assert pod["terminationGracePeriodSeconds"] >= 30
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        assert mounts <= {volume["name"] for volume in pod["volumes"]}
        found[name] = spec["schedule"]
    assert found == {name: one.when for name, one in jobs.items()}


def test_the_crontab_runs_the_same_jobs_at_the_same_moments() -> None:
    lines = (ROOT / "deploy/cron/crontab").read_text("utf-8").splitlines()
    found = {}
    for line in lines:
        if line and line[0] in "0123456789*":
            *when, command = line.split(maxsplit=5)
            words = command.split()
            found[words[words.index("--once") + 1]] = " ".join(when)
    assert found == {name: one.when for name, one in make_jobs(ScheduleParams()).items()}
    assert "CRON_TZ=UTC" in lines
