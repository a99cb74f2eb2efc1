"""The command asks for one thing, which the gate or a reason lets happen, and logs it."""

from pathlib import Path

import pytest

from data.errors import ModelError
from models.publishing import FolderStore
from models.registry import Registry
from pipelines import promote as command
from pipelines.deploying import Part
from pipelines.promote import obey, parse
from tests.pipelines.conftest import Check
from tests.stores import MemoryStore


def test_the_command_reads_its_arguments(
    repository: Path, monkeypatch: pytest.MonkeyPatch, first: str, sealed: Path
) -> None:
    bundles = FolderStore(repository / "models" / "published")
    bundles.add(sealed)
    (repository / "params.yaml").write_text("dataset: invented\nseed: 1\n")
    monkeypatch.setattr("sys.argv", ["promote", first, "--as", "champion"])
    command.main()
    deployment = bundles.find_deployment()
    assert deployment
    assert deployment.versions == (first,)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["invented-00000000"],
        ["--as", "champion"],
        ["--stop"],
        ["invented-00000000", "--rollback"],
        ["invented-00000000", "--as", "shadow", "--stop"],
        ["invented-00000000", "--as", "shadow", "--override", "a reason"],
        ["invented-00000000", "--as", "champion", "--override", " "],
        ["--rollback", "--override", "a reason"],
        ["invented-00000000", "--as", "champion", "--reason", "a reason"],
        ["--rollback", "--reason", " "],
    ],
)
def test_a_command_that_asks_for_nothing_or_too_much_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        parse(arguments)


@pytest.mark.parametrize("part", ["challenger", "champion"])
def test_without_the_gate_only_a_reason_lets_a_bundle_compete_or_answer(
    registry: Registry, bundles: FolderStore, first: str, second: str, check: Check, part: Part
) -> None:
    facts = MemoryStore()
    obey(parse([first, "--as", "champion"]), registry, bundles, facts, "anna", check)
    before = bundles.find_deployment()
    with pytest.raises(ModelError, match=f"has not decided about {second}"):
        obey(parse([second, "--as", part]), registry, bundles, facts, "anna", check)
    assert bundles.find_deployment() == before
    asked = parse([second, "--as", part, "--override", "the printers wait"])
    published = obey(asked, registry, bundles, facts, "anna", check)
    assert second in published.versions
    actions = [event.action for event in facts.lines]
    last = "promotion" if part == "champion" else "experiment.started"
    assert actions == ["promotion", "gate.overridden", last]
    assert facts.lines[-1].subject == second
    assert facts.lines[-1].detail["reasons"] == [
        "asked for by anna", "the gate was overridden: the printers wait",
    ]  # fmt: skip


def test_shadows_rollbacks_and_stops_ask_no_gate_and_are_logged(
    registry: Registry, bundles: FolderStore, first: str, second: str, check: Check
) -> None:
    facts = MemoryStore()

    def do(*arguments: str) -> None:
        obey(parse([*arguments]), registry, bundles, facts, "anna", check)

    do(first, "--as", "champion")
    do(second, "--as", "shadow")
    do(second, "--stop")
    do(second, "--as", "champion", "--override", "to go back from")
    do("--rollback", "--reason", "it is worse")
    assert [(event.action, event.subject) for event in facts.lines] == [
        ("promotion", first),
        ("experiment.started", second),
        ("experiment.stopped", second),
        ("gate.overridden", second),
        ("promotion", second),
        ("rollback", first),
    ]
    assert facts.lines[-1].detail == {
        "reasons": ["asked for by anna", "it is worse"],
        "former": second,
        "published": f"champion {first}",
    }


def test_a_command_that_is_refused_says_so(
    repository: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    (repository / "params.yaml").write_text("dataset: invented\nseed: 1\n")
    monkeypatch.setattr("sys.argv", ["promote", first, "--stop"])
    with pytest.raises(SystemExit, match=r"promote: .* is no challenger or shadow"):
        command.main()


def test_a_rollback_needs_no_version() -> None:
    assert parse(["--rollback"]).rollback
