"""What we stand on is permissive, or an exception with its reason."""

import importlib.metadata
from email.message import Message

import pytest
from packaging.utils import canonicalize_name

from deploy import licences
from deploy.licences import ALLOWED, EXCEPTIONS, UNSAID, declared, is_allowed, locked, refused
from deploy.serving_lock import LOCK, read_requirements


@pytest.fixture(scope="module")
def found() -> dict[str, importlib.metadata.Distribution]:
    return {str(canonicalize_name(one.metadata["Name"])): one for one in locked()}


def test_every_distribution_of_the_lock_is_allowed_or_an_exception(
    found: dict[str, importlib.metadata.Distribution],
) -> None:
    assert len(found) > 200
    assert not refused(found.values())


def test_the_image_needs_no_exception() -> None:
    pins = {str(canonicalize_name(one.name)) for one in read_requirements(LOCK)}
    assert not pins & set(EXCEPTIONS)


def test_every_exception_is_still_needed_and_says_why(
    found: dict[str, importlib.metadata.Distribution],
) -> None:
    for name, reason in EXCEPTIONS.items():
        assert not is_allowed(declared(found[name])), name
        assert len(reason) > 20


def test_who_is_silent_still_is(
    found: dict[str, importlib.metadata.Distribution], monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = list(UNSAID)
    monkeypatch.setattr(licences, "UNSAID", {})
    assert not any(declared(found[name]) for name in silent)


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT OR GPL-2.0-or-later", True),
        ("GPL-2.0-or-later OR MIT", True),
        ("MIT AND GPL-2.0-or-later", False),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("MIT OR Apache-2.0 AND GPL-2.0-only", True),
        ("(MIT OR Apache-2.0) AND GPL-2.0-only", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-3.0-only WITH GCC-exception-3.1", False),
        ("", False),
        ("MIT AND", False),
        ("MIT OR", True),
        ("MIT MIT", False),
        ("Proprietary", False),
    ],
)
def test_an_expression_is_allowed_as_spdx_reads_it(expression: str, allowed: bool) -> None:
    assert is_allowed(expression) is allowed


class Distribution(importlib.metadata.Distribution):
    """One that says of itself what it is given."""

    def __init__(self, *headers: tuple[str, str]) -> None:
        self._headers = headers

    @property
    def metadata(self) -> Message:  # type: ignore[override]
        told = Message()
        for name, value in (("Name", "invented"), *self._headers):
            told[name] = value
        return told

    def read_text(self, filename: str) -> str | None:
        return None

    def locate_file(self, path: object) -> object:  # type: ignore[override]
        raise NotImplementedError  # an invented distribution has no files


@pytest.mark.parametrize(
    ("headers", "licence"),
    [
        ([("License-Expression", "MIT"), ("License", "GPL")], "MIT"),
        ([("Classifier", "License :: OSI Approved :: MIT License")], "MIT"),
        ([("Classifier", "License :: OSI Approved"), ("License", "BSD")], "BSD"),
        ([("License", "MIT License\n\nCopyright …")], "MIT"),
        ([], ""),
    ],
)
def test_what_is_said_is_read_wherever_it_stands(
    headers: list[tuple[str, str]], licence: str
) -> None:
    assert declared(Distribution(*headers)) == licence


def test_one_that_is_not_allowed_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = Distribution(("License-Expression", "AGPL-3.0-only"))
    assert refused([bad]) == {"invented": "AGPL-3.0-only"}
    monkeypatch.setattr(licences, "locked", lambda: iter([bad]))
    with pytest.raises(SystemExit, match=r"invented \(AGPL-3.0-only\)"):
        licences.main()
    assert "AGPL" in capsys.readouterr().out


def test_no_licence_that_binds_others_is_allowed() -> None:
    assert not any(name.startswith(("GPL", "AGPL", "LGPL", "SSPL", "BUSL")) for name in ALLOWED)
