"""Base weights are the published ones, or there are none."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from data.errors import WeightsError
from models.encoders import ENCODERS, encode_texts, find_encoder, open_encoder, verify_files


def test_the_installed_package_holds_the_published_weights() -> None:
    assert (find_encoder("minilm") / "model.safetensors").is_file()


def test_an_unknown_encoder_names_the_known_ones() -> None:
    with pytest.raises(WeightsError, match="known: minilm"):
        find_encoder("gpt")


def test_a_local_folder_goes_first_and_is_checked(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "minilm").mkdir()
    monkeypatch.setenv("TICKETS_ENCODERS", str(tmp_path))
    with pytest.raises(WeightsError, match="missing"):
        find_encoder("minilm")
    for file in ENCODERS["minilm"].sha256:
        shutil.copy(_package() / file, tmp_path / "minilm" / file)
    assert find_encoder("minilm") == tmp_path / "minilm"


def test_one_altered_byte_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(WeightsError, match="not the published file"):
        verify_files(tmp_path, {"config.json": ENCODERS["minilm"].sha256["config.json"]})


def test_offline_without_package_says_where_it_looked(monkeypatch) -> None:
    from models import encoders

    monkeypatch.setattr(encoders, "_packaged", lambda published: None)
    monkeypatch.delenv("TICKETS_ENCODERS", raising=False)
    with pytest.raises(WeightsError, match="TICKETS_ENCODERS"):
        find_encoder("minilm")


def test_like_texts_lie_closer_than_unlike_ones() -> None:
    encoder = open_encoder(find_encoder("minilm"), 64, normalise=True)
    a, b, c = encode_texts(encoder, ["cannot log in", "sign-on fails", "invoice is too high"])
    assert a @ b > a @ c
    np.testing.assert_allclose(np.linalg.norm(a), 1, atol=1e-3)


def _package() -> Path:
    return find_encoder_without_environment()


def find_encoder_without_environment() -> Path:
    from models.encoders import _packaged

    folder = _packaged(ENCODERS["minilm"])
    assert folder is not None
    return folder
