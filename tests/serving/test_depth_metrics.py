import time
from pathlib import Path

from prometheus_client import CollectorRegistry

from serving.depth_metrics import SELDOM, DepthMetrics


def test_what_waits_is_shown_and_folders_are_looked_at_seldom(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    asked: list[int] = []
    depths = DepthMetrics(
        registry, lambda: 3, lambda: 2, lambda: asked.append(1) or 5, tmp_path / "not there yet"
    )
    for _ in range(SELDOM + 1):
        depths.look()
    assert registry.get_sample_value("tickets_waiting") == 3
    assert registry.get_sample_value("tickets_shadows_waiting") == 2
    assert registry.get_sample_value("tickets_jobs_unfinished") == 5
    assert (registry.get_sample_value("tickets_disk_free_bytes") or 0) > 0
    assert len(asked) == 2


def test_every_look_has_what_is_unstored_told() -> None:
    looks: list[int] = []
    depths = DepthMetrics(CollectorRegistry(), tell=lambda: looks.append(1))
    depths.look()
    depths.look()
    assert len(looks) == 2


def test_a_folder_that_cannot_be_read_is_no_end() -> None:
    def broken() -> int:
        raise PermissionError

    registry = CollectorRegistry()
    DepthMetrics(registry, lambda: 3, jobs=broken).look()
    assert registry.get_sample_value("tickets_waiting") == 3


def test_it_goes_on_by_itself_until_it_is_closed() -> None:
    looks: list[int] = []
    depths = DepthMetrics(CollectorRegistry(), lambda: looks.append(1) or 0)
    depths.follow(0.01)
    until = time.monotonic() + 10
    while len(looks) < 3:
        assert time.monotonic() < until
        time.sleep(0.01)
    depths.close()
    after = len(looks)
    time.sleep(0.05)
    assert len(looks) == after
