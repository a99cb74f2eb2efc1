"""A command that is forked ends as one that Python was started for."""

import io
import sys
from pathlib import Path

import pytest

from pipelines import replay_commands
from pipelines.replay_commands import Asked, execute, main, serve

COMMAND = """
import sys
print("said", sys.argv)
ends = {"-": None, "--alert": 3, "--refuse": "refused: why"}
if sys.argv[1] == "--break":
    raise ValueError("broken")
if sys.argv[1] != "--end":
    sys.exit(ends[sys.argv[1]])
"""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a command that does what its argument tells."""
    import pipelines

    (tmp_path / "invented_command.py").write_text(COMMAND)
    monkeypatch.setattr(pipelines, "__path__", [*pipelines.__path__, str(tmp_path)])
    monkeypatch.setattr(sys, "argv", sys.argv)
    return "invented_command"


@pytest.mark.parametrize(
    ("argument", "code", "warned"),
    [
        ("-", 0, ""),
        ("--end", 0, ""),
        ("--alert", 3, ""),
        ("--refuse", 1, "refused: why\n"),
        ("--break", 1, "ValueError: broken\n"),
    ],
)
def test_the_status_is_the_one_python_would_end_with(
    command: str, argument: str, code: int, warned: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(command, [argument]) == code
    told = capsys.readouterr()
    assert argument in told.out
    assert told.err.endswith(warned)
    assert bool(told.err) == bool(warned)


def asked(command: str, folder: Path, argument: str) -> str:
    return Asked(
        name=command, arguments=(argument,), environment={"LANG": "C"},
        said=str(folder / "said"), warned=str(folder / "warned"),
    ).model_dump_json()  # fmt: skip


def test_every_line_is_a_process_of_its_own_with_files_of_its_own(
    command: str, tmp_path: Path
) -> None:
    lines = (asked(command, tmp_path, argument) for argument in ("--alert", "--refuse", "-"))
    codes = serve(lines)
    assert next(codes) == 3
    assert "--alert" in (tmp_path / "said").read_text()
    assert next(codes) == 1
    assert (tmp_path / "warned").read_text() == "refused: why\n"
    assert list(codes) == [0]
    assert (tmp_path / "warned").read_text() == ""


def test_the_process_answers_a_line_with_a_status(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(replay_commands, "WARM", ("json",))
    monkeypatch.setattr(sys, "stdin", io.StringIO(asked(command, tmp_path, "--alert") + "\n"))
    main()
    assert capsys.readouterr().out == "3\n"
