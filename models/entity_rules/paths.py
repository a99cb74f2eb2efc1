"""Paths of files and folders, Unix and Windows."""

import re
from collections.abc import Iterator

from models.entity_rules.passage import Passage, Span, words

_UNIX = re.compile(r"(?<![\w./:~@$}\])-])(?:~|\.{1,2})?(?:/[\w.@+%=-]{1,255})+/?")
_RELATIVE = re.compile(r"(?<![\w./:~@$%=\\-])[\w@][\w.@+-]{0,63}(?:/[\w.@+-]{1,64}){1,20}")
# What no Windows name holds, and what ends one in a sentence.
_NOT_IN_NAME = r"[^\s\\/:*?\"<>|,;\ud800-\udfff]"
# A blank may stand in the name of a folder only: in a sentence, nothing tells where a file's ends.
_WINDOWS = re.compile(
    r"(?<![\w\\])(?:[A-Za-z]:[\\/]|\\\\[\w.$-]{1,64}\\)"
    rf"(?:{_NOT_IN_NAME}{{1,255}}+(?: {_NOT_IN_NAME}{{1,64}}+){{0,3}}[\\/])*"
    rf"(?:{_NOT_IN_NAME}{{1,255}})?"
)
_VARIABLE = re.compile(rf"%[A-Z]{{3,20}}%(?:\\{_NOT_IN_NAME}{{1,255}}+)+")

# The Filesystem Hierarchy Standard 3.0 and the roots of macOS, Android and container images.
_ROOTS = words(
    "bin boot dev etc home lib lib64 media mnt opt proc root run sbin srv sys tmp usr var "
    "backup backups data Applications Library System Users Volumes private nix snap sdcard "
    "storage efs nfs"
)
_LONELY_ROOTS = frozenset({"etc", "opt", "proc", "srv", "sys", "tmp", "usr", "var", "dev", "mnt"})
_FILE = re.compile(
    r"\.(?:bak|bash|bat|bin|c|cc|cert|cfg|class|cnf|conf|config|cpp|crt|cs|css|csv|db|dll|dmp|docx?|"
    r"dump|env|exe|gz|go|gradle|h|hprof|html?|ini|jar|java|jks|jpe?g|js|json|jsonl|jsx|key|kts?|"
    r"less|lock|log|lua|md|msi|p12|parquet|pdf|pem|pfx|php|pid|pl|plist|png|ps1|properties|py|rb|"
    r"rpm|rs|scala|scss|service|sh|so|sock|sql|sqlite|svg|swift|tar|tf|tgz|toml|ts|tsx|txt|vue|war|"
    r"whl|xlsx?|xml|ya?ml|zip)$",
    re.IGNORECASE,
)
_CALL_BEFORE = re.compile(r"\b(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)\s$")


def find_paths(passage: Passage) -> Iterator[Span]:
    """Paths from a known root, a home or a drive, or that end in the name of a file.

    `/v2/orders` is a resource of an interface, not a path. The value is the path as it stands.
    """
    text = passage.text
    if "/" in text:
        for pattern in (_UNIX, _RELATIVE):
            for match in pattern.finditer(text):
                path = match[0].rstrip(".")
                if _is_unix(path) and not _CALL_BEFORE.search(passage.before(match.start(), 8)):
                    yield Span(match.start(), match.start() + len(path), "path", path)
    if "\\" in text or ":/" in text:
        for pattern in (_WINDOWS, _VARIABLE):
            for match in pattern.finditer(text):
                path = match[0].rstrip(".)]'")
                if len(path) > 3 and path[1:3] != "//":
                    yield Span(match.start(), match.start() + len(path), "path", path)


def _is_unix(path: str) -> bool:
    first, _, rest = path.lstrip("/").partition("/")
    if path[0] in "~.":
        return len(path) > 2 and path[1] in "/."
    if path[0] == "/" and first in _ROOTS:
        return bool(rest) or first in _LONELY_ROOTS
    if path[0] == "/" and re.fullmatch(r"v\d+|api", first):
        return False
    return is_file_name(path)


def is_file_name(name: str) -> bool:
    """Whether it ends as files do whose sort is widely known."""
    return _FILE.search(name) is not None
