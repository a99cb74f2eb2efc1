import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from data.archives import Limits, unpack
from data.errors import FetchError

SMALL = Limits(members=3, bytes=10_000, ratio=1000)


def zipped(path: Path, members: dict[str, bytes], mode: int = 0o100644) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


def tarred(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_zip_and_tar_are_unpacked_with_their_folders(tmp_path):
    info = tarfile.TarInfo("a/b.txt")
    folder = tarfile.TarInfo("a")
    folder.type = tarfile.DIRTYPE
    for number, archive in enumerate(
        (
            zipped(tmp_path / "x.zip", {"a/": b"", "a/b.txt": b"hello"}),
            tarred(tmp_path / "x.tgz", (folder, b""), (info, b"hello")),
        )
    ):
        out = tmp_path / str(number)
        written = unpack(archive, out)
        assert written == {"a/b.txt": out / "a/b.txt"}
        assert (out / "a/b.txt").read_bytes() == b"hello"


def test_only_wanted_members_are_written_and_only_with_their_checksum(tmp_path):
    archive = zipped(tmp_path / "x.zip", {"a": b"1", "b": b"2"})
    right = {"a": hashlib.sha256(b"1").hexdigest()}
    assert list(unpack(archive, tmp_path / "out", right)) == ["a"]
    assert not (tmp_path / "out/b").exists()
    with pytest.raises(FetchError, match=r"a in x.zip: sha256 .*, expected 0"):
        unpack(archive, tmp_path / "wrong", {"a": "0" * 64})
    assert not (tmp_path / "wrong/a").exists()
    with pytest.raises(FetchError, match=r"lacks c"):
        unpack(archive, tmp_path / "wrong", {"c": "0" * 64})


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "a/../../evil", "C:\\evil", "..\\evil", "C:evil"]
)
def test_nothing_is_written_outside_the_folder(tmp_path, name):
    out = tmp_path / "deep" / "out"
    for archive in (
        zipped(tmp_path / "x.zip", {"fine": b"x", name: b"x"}),
        tarred(tmp_path / "x.tar", (tarfile.TarInfo("fine"), b"x"), (tarfile.TarInfo(name), b"x")),
    ):
        with pytest.raises(FetchError, match=r"outside the folder"):
            unpack(archive, out)
        assert not [path for path in tmp_path.rglob("*") if path.is_file() and "evil" in path.name]
        assert not (out / "fine").exists()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar_file_are_refused(tmp_path, kind):
    info = tarfile.TarInfo("link")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(FetchError, match=r"a link, a device or encrypted"):
        unpack(tarred(tmp_path / "x.tar", (info, b"")), tmp_path / "out")


def test_links_in_a_zip_file_are_refused(tmp_path):
    archive = zipped(tmp_path / "x.zip", {"link": b"/etc/passwd"}, mode=0o120777)
    with pytest.raises(FetchError, match=r"a link"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({str(n): b"" for n in range(4)}, "more than 3 members"),
        ({"big": b"0" * 10_001}, "more than the 10,000 bytes"),
        ({"a": b"0" * 6_000, "b": b"0" * 6_000}, "more than the 10,000 bytes"),
        ({"A": b"1", "a": b"2"}, "holds a twice"),
    ],
)
def test_archives_beyond_the_limits_are_refused(tmp_path, members, message):
    with pytest.raises(FetchError, match=message):
        unpack(zipped(tmp_path / "x.zip", members), tmp_path / "out", limits=SMALL)
    assert not list((tmp_path / "out").glob("*"))


def test_a_bomb_is_known_by_its_ratio(tmp_path):
    archive = zipped(tmp_path / "x.zip", {"zeros": b"0" * 1_000_000})
    with pytest.raises(FetchError, match=r"unpacks to more than"):
        unpack(archive, tmp_path / "out")


def test_a_member_larger_than_its_header_says_is_refused(tmp_path):
    archive = zipped(tmp_path / "x.zip", {"a": b"0123456789" * 50})
    content = archive.read_bytes()
    size = (500).to_bytes(4, "little")
    assert content.count(size) >= 2
    archive.write_bytes(content.replace(size, (100).to_bytes(4, "little")))
    with pytest.raises(FetchError):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out/a").exists()


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"no archive")
    with pytest.raises(FetchError, match=r"neither a zip nor a tar"):
        unpack(tmp_path / "x.zip", tmp_path / "out")


def test_a_damaged_archive_is_refused(tmp_path):
    archive = zipped(tmp_path / "x.zip", {"a": bytes(range(256)) * 8})
    content = bytearray(archive.read_bytes())
    content[60] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(FetchError, match=r"x.zip"):
        unpack(archive, tmp_path / "out")
