"""The compose file: valid, closed, without defaults for secrets, and in step with the code."""

import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from deploy.sources import ROOT
from serving.secret_files import SUFFIX
from tests.deploy.settings_names import is_known
from tests.deploy.test_dockerfile import STAGES

FOLDER = ROOT / "deploy/compose"
FILE = FOLDER / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]

MADE_BY_HAND = {"metrics-key"}
"""A key of the role viewer: it can only be made once there is a key file."""

PARTS = {"redis-password"}
"""Drawn, and mounted as part of others."""

ONCE = {"migrate"}


def environment(service: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in (service.get("environment") or {}).items()}


def test_it_is_a_compose_file() -> None:
    merged = {name: part for name, part in COMPOSE.items() if not name.startswith("x-")}
    told = PyCompose.from_yaml(yaml.safe_dump(merged, sort_keys=False))
    assert set(told.to_dict()["services"]) == set(SERVICES)


def test_everything_a_platform_needs_is_there() -> None:
    assert {"service", "postgres", "redis", "mlflow", "prometheus", "grafana"} <= set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned(name: str) -> None:
    image, _, tag = SERVICES[name]["image"].rpartition(":")
    assert image
    assert re.search(r"\d+\.\d+", tag), "a tag that names a release"


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_hardened(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "privileged" not in service
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", ()))


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ONCE))
def test_every_service_tells_whether_it_works(name: str) -> None:
    service = SERVICES[name]
    if "build" in service:
        stage = STAGES[service["build"]["target"]]
        assert any(instruction == "HEALTHCHECK" for instruction, _ in stage)
    else:
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert service["restart"] == "unless-stopped"


def test_ports_are_open_to_this_machine_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    hosts = [port.split(":")[1] for port in ports]
    assert len(set(hosts)) == len(hosts)
    for name in ("postgres", "redis", "mlflow", "prometheus"):
        assert "ports" not in SERVICES[name]
        assert SERVICES[name]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}


def test_every_setting_is_one() -> None:
    names = [name for name in environment(SERVICES["service"]) if name.startswith("TICKETS_")]
    assert names
    assert all(is_known(name) for name in names)


def test_no_secret_has_a_default_and_none_stands_in_the_file() -> None:
    text = FILE.read_text("utf-8")
    assert ":-" not in text, "no default of a variable"
    for service in SERVICES.values():
        for name, value in environment(service).items():
            if re.search(r"PASSWORD|SECRET|SALT|STORE|REDIS|TOKEN", name) and name.startswith(
                ("TICKETS_", "POSTGRES_", "GF_SECURITY")
            ):
                assert value.startswith("/run/secrets/"), name
                assert name.endswith((SUFFIX, "__FILE"))


def test_secrets_are_all_declared_used_and_made_and_kept_out_of_git() -> None:
    used = {name for service in SERVICES.values() for name in service.get("secrets", ())}
    assert used == set(COMPOSE["secrets"])
    for name, told in COMPOSE["secrets"].items():
        assert told == {"file": f"./secrets/{name}"}
    for place in ("secrets/salt", "keys/keys.json"):
        ignored = subprocess.run(
            ["git", "check-ignore", "--quiet", str(FOLDER / place)], cwd=ROOT, check=False
        )
        assert ignored.returncode == 0
    for service in SERVICES.values():
        for value in environment(service).values():
            if value.startswith("/run/secrets/"):
                assert value.rpartition("/")[2] in service["secrets"]


def test_what_is_mounted_is_there_and_volumes_are_declared() -> None:
    made = {"../../models/published"}
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert source in made or (FOLDER / source).exists(), source
                assert volume.endswith(":ro")
            else:
                assert source in COMPOSE["volumes"]


def test_who_is_waited_for_is_there_and_can_be_waited_for() -> None:
    for service in SERVICES.values():
        waited = service.get("depends_on", {})
        assert set(waited) <= set(SERVICES)
        for name, told in waited.items() if isinstance(waited, dict) else ():
            if told["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[name]
    waited = SERVICES["service"]["depends_on"]
    assert waited["migrate"]["condition"] == "service_completed_successfully"
    assert waited["redis"]["condition"] == "service_started", "nobody waits for a cache"


def test_prometheus_asks_where_the_service_listens_and_knows_the_alerts() -> None:
    told = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))
    [job] = told["scrape_configs"]
    [target] = job["static_configs"][0]["targets"]
    host, port = target.split(":")
    assert host in SERVICES
    [expose] = [one for name, one in STAGES["serving"] if name == "EXPOSE"]
    assert port == expose
    mounted = {
        Path(volume.split(":")[1]).name: volume.split(":")[0]
        for volume in SERVICES["prometheus"]["volumes"]
    }
    for file in told["rule_files"]:
        assert (FOLDER / mounted[file]).exists()
    assert job["authorization"]["credentials_file"].rpartition("/")[2] == "metrics-key"


def test_the_script_draws_every_secret_once(tmp_path: Path) -> None:
    script = tmp_path / "make-secrets"
    script.write_bytes((FOLDER / "make-secrets").read_bytes())
    (tmp_path / "secrets").mkdir()
    assert os.access(FOLDER / "make-secrets", os.X_OK)

    def run() -> dict[str, str]:
        subprocess.run(["bash", str(script)], check=True, capture_output=True)
        return {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}

    first = run()
    assert set(first) - PARTS == set(COMPOSE["secrets"]) - MADE_BY_HAND
    assert run() == first, "what is there stays"
    drawn = [first[name] for name in ("salt", "postgres-password", "redis-password")
             if name in first]  # fmt: skip
    assert len(set(drawn)) == len(drawn)
    assert all(len(value) >= 40 for value in drawn)
    assert f":{first['postgres-password']}@postgres/tickets" in first["store"]
    assert first["redis"].endswith("@redis:6379/0")
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    postgres = environment(SERVICES["postgres"])
    assert (postgres["POSTGRES_USER"], postgres["POSTGRES_DB"]) == ("tickets", "tickets")
