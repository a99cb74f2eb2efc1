"""Settings that are not right are told in a few lines."""

from pathlib import Path

import pytest

from serving import webhooks
from serving.settings import Settings
from serving.starting import ADVICE, read_settings, require_files

SECRET = "nobody-knows-4711"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> "Told":
    return Told(monkeypatch)


class Told:
    """What a start with these variables is refused with."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, **variables: object) -> list[str]:
        with self._monkeypatch.context() as environment:
            for name, value in variables.items():
                environment.setenv(f"TICKETS_{name}", str(value))
            with pytest.raises(SystemExit) as caught:
                require_files(read_settings())
        text = str(caught.value.code)
        assert text.endswith(ADVICE)
        assert SECRET not in text
        first, *faults = text.removesuffix(ADVICE).splitlines()
        assert first == "not started, as the settings are not right:"
        return [fault.strip() for fault in faults]


def test_what_is_right_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKETS_MAX_TICKETS", "8")
    assert read_settings() == Settings.model_validate({"max_tickets": 8})


def test_every_wrong_variable_has_a_line_with_what_it_means(told: Told) -> None:
    tickets, cache, workers = told(MAX_TICKETS=SECRET, CACHE=SECRET, WORKERS="many")[:3]
    assert {tickets.partition(":")[0], cache.partition(":")[0], workers.partition(":")[0]} == {
        "TICKETS_MAX_TICKETS", "TICKETS_CACHE", "TICKETS_WORKERS",
    }  # fmt: skip
    assert any(
        "valid integer" in one and "batch request" in one for one in (tickets, cache, workers)
    )


def test_production_names_each_secret_that_is_missing_and_how_to_make_it(told: Told) -> None:
    salt, who = told(PROFILE="production")
    assert salt.startswith("TICKETS_SALT: production needs 16 characters")
    assert "openssl rand" in salt
    assert who.startswith("TICKETS_KEY_FILE or TICKETS_JWT_ISSUER: ")
    assert "python -m serving.keys create" in who


@pytest.mark.parametrize("address", ["mysql://tickets:{}@db/tickets", "{}", ""])
def test_a_store_of_a_kind_that_is_not_known_is_refused(told: Told, address: str) -> None:
    [fault] = told(STORE=address.format(SECRET))
    assert fault.startswith("TICKETS_STORE: a store is kept in sqlite or postgresql (where")


def test_no_secret_stands_in_what_is_told(told: Told, tmp_path: Path) -> None:
    (tmp_path / "salt").write_text(SECRET)
    [both] = told(SALT=SECRET, SALT_FILE=tmp_path / "salt")
    assert both == "TICKETS_SALT and TICKETS_SALT_FILE are both set: set one of them"
    address = f"postgresql://tickets:postgres@{SECRET}/tickets"
    faults = told(PROFILE="production", SALT=SECRET, STORE=address)
    assert faults[0] == "TICKETS_STORE: its password stands in examples"


def test_settings_that_do_not_fit_together_are_both_named(told: Told) -> None:
    [fault] = told(MAX_TICKETS="9", MAX_WAITING="8")
    assert fault.startswith("TICKETS_MAX_WAITING (8) is below TICKETS_MAX_TICKETS (9): ")


@pytest.mark.parametrize("from_file", [False, True])
def test_what_should_be_json_and_is_not_is_named(
    told: Told, tmp_path: Path, from_file: bool
) -> None:
    (tmp_path / "roles").write_text(SECRET)
    variables = {"JWT_ROLES_FILE": tmp_path / "roles"} if from_file else {"JWT_ROLES": SECRET}
    [fault] = told(**variables)
    assert fault.startswith("TICKETS_JWT_ROLES")
    assert "JSON" in fault


def test_a_file_that_a_setting_names_is_looked_at_before_any_worker_starts(
    told: Told, tmp_path: Path
) -> None:
    (tmp_path / "costs.yaml").write_text("severity: {low: {high: much}}")
    hooks, costs = told(WEBHOOKS=tmp_path / "none.yaml", COST_MATRIX=tmp_path / "costs.yaml")
    assert hooks.startswith("TICKETS_WEBHOOKS: ")
    assert "does not exist" in hooks
    assert costs.startswith("TICKETS_COST_MATRIX: ")


def test_a_command_tells_them_as_the_service_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKETS_STORE_THREADS", "0")
    with pytest.raises(SystemExit, match="TICKETS_STORE_THREADS: Input should be greater than 0"):
        webhooks.main(["list"])
