"""`python -m deploy.bento` builds a bento that BentoML itself reads."""

from pathlib import Path

import pytest
import yaml

from deploy import bento
from deploy.sources import LOCK, ROOT, sources
from tests.deploy.test_sources import make_store


def test_a_bento_holds_the_sources_the_lock_and_what_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    store = make_store(tmp_path / "store", champion={"version": "a-1"})
    tag = bento.build("v1", store)
    assert tag == "ticket-assistant:v1"
    folder = tmp_path / "home/bentos/ticket-assistant/v1"
    inside = {path.relative_to(folder / "src") for path in (folder / "src").rglob("*")}
    assert set(sources()) <= inside
    assert Path("models/published/a-1/manifest.json") in inside
    assert not any(path.parts[0] in {"tests", "pipelines", "deploy"} for path in inside)
    lock = (folder / "env/python/requirements.txt").read_text("utf-8")
    # BentoML names itself a second time.
    assert set(lock.split()) == set((ROOT / LOCK).read_text("utf-8").split())
    told = yaml.safe_load((folder / "bento.yaml").read_text("utf-8"))
    assert told["service"] == "serving.service:TicketAssistantService"
    assert {"name": "BENTOML_DO_NOT_TRACK", "value": "True"}.items() <= {
        key: value
        for env in told["envs"]
        if env["name"] == "BENTOML_DO_NOT_TRACK"
        for key, value in env.items()
    }.items()
