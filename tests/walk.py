"""A place of its own for a walk: params and catalog as in the root, everything else empty."""

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent

SMALL: dict[str, Any] = {
    "prepare": {"split": {"valid": 0.12, "calibration": 0.12, "test": 0.2}},
    "linear": {"max_features": 20_000, "min_df": 1},
    "embedding": {"max_tokens": 16},
    "finetuned": {
        "max_tokens": 16,
        "epochs": 1,
        "frozen_layers": 2,
        "final": [{"epochs": 1, "learning_rate": 1e-4}],
    },
    "readers": {"sentiment": None, "entities": None},
    "runtime": {"offered": ["onnxruntime-f32"], "tickets": 30},
    "evaluate": {"bootstrap": 50, "behavior_tickets": 20},
}
"""Params that make the walk a matter of seconds; the code it takes is the same."""


def set_out(folder: Path, monkeypatch: pytest.MonkeyPatch, **params: Any) -> None:
    """Make `folder` the current one, with params.yaml, the catalog and the sample in it."""
    shipped = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for changes in (SMALL, params):
        for key, value in changes.items():
            if isinstance(value, dict):
                shipped[key].update(value)
            else:
                shipped[key] = value
    (folder / "params.yaml").write_text(yaml.safe_dump(shipped), encoding="utf-8")
    (folder / "data").mkdir()
    catalog = (ROOT / "data/catalog.yaml").read_text(encoding="utf-8")
    (folder / "data/catalog.yaml").write_text(catalog, encoding="utf-8")
    (folder / "data/sample").symlink_to(ROOT / "data/sample")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TICKETS_BUNDLE_STORE", str(folder / "store"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def take(stage: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """Run `python -m pipelines.<stage>` in this process."""
    from importlib import import_module

    monkeypatch.setattr(sys, "argv", [stage, *arguments])
    import_module(f"pipelines.{stage}").main()


def take_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every stage and the registration, in the order of dvc.yaml."""
    take("fetch", monkeypatch)
    take("prepare", monkeypatch)
    for member in ("linear", "embedding", "finetuned"):
        take("train", monkeypatch, member)
    for stage in (
        "ensemble",
        "memory",
        "cascade",
        "readers",
        "runtime",
        "tradeoffs",
        "evaluate",
        "bundle",
        "register",
    ):
        take(stage, monkeypatch)
