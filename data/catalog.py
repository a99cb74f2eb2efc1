"""The catalog of data sets: where each one is, what it promises, which columns mean what."""

import difflib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from data.errors import CatalogError
from data.yaml_files import Section, explain, read_yaml

CATALOG = Path("data/catalog.yaml")

PREPARED_COLUMNS = (
    "id",
    "text",
    "language",
    "created_at",
    "group",
    "split",
    "fold",
    "near_train",
    "resolution",
)
"""Columns of the prepared table that stand before the targets; no target may take their names."""

SPLIT_COLUMN = "column"
"""Name of the published split of an entry that names a `split` column."""

Split = Literal["train", "valid", "calibration", "test"]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")]
# A target names a column, an array in .npz files and a key in reports.
TargetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
Column = Annotated[str, StringConstraints(min_length=1)]


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Columns = Annotated[tuple[Column, ...], BeforeValidator(_listed)]
"""One name or a list of names in YAML, always a tuple here."""


class File(Section):
    """One published file, its bytes known in advance."""

    path: Annotated[str, StringConstraints(min_length=1)] = Field(
        description="inside the mirror folder"
    )
    url: Annotated[str, StringConstraints(pattern=r"^https?://")]
    bytes: int = Field(gt=0)
    sha256: Sha256
    unpack: dict[str, Sha256] = Field(
        default_factory=dict,
        description="wanted members of the archive and their sha256",
    )

    @property
    def name(self) -> str:
        """Its name in the folder of the fetched data set."""
        return PurePosixPath(self.path).name

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise ValueError("must be a path below the mirror folder")
        return path


class Part(Section):
    """The rows that a published split puts into one of our splits.

    With `columns`, a ticket belongs to the part if the same values stand in those columns of
    `file`. With `sha256_of`, the one column holds the sha256 of the ticket's columns named there,
    blanks collapsed, joined by `separator`. With neither, `file` is one of the files read and all
    its rows belong to the part.
    """

    file: str
    columns: Columns = ()
    sha256_of: Columns = ()
    separator: str = "|"
    rows: int | None = Field(default=None, ge=0, description="how many there must be")

    @model_validator(mode="after")
    def _digests_stand_in_one_column(self) -> Self:
        if self.sha256_of and len(self.columns) != 1:
            raise ValueError("sha256_of needs exactly one column that holds the digests")
        return self


class LanguageColumn(Section):
    """The column that holds the language of each ticket."""

    column: Column


class Dataset(Section):
    """One entry of the catalog."""

    name: Name
    title: str = ""
    task: str = ""
    licence: str = "not stated"
    licence_read: str = ""
    origin: str = ""
    citation: str = ""
    notes: str = ""

    files: tuple[File, ...] = ()
    path: Columns = Field(default=(), description="your own files, relative to the root")

    read: Columns = Field(default=(), description="files that hold tickets; default: all of path")
    format: Literal["csv", "jsonl", "parquet"] | None = Field(
        default=None, description="default: by suffix"
    )
    separator: str | None = Field(default=None, min_length=1, max_length=1)
    encoding: str = "utf-8"
    header: Columns = Field(default=(), description="column names where the file has none")
    word_counts: bool = Field(default=False, description="texts are lists of word:count")

    text: Columns = ()
    targets: dict[TargetName, Column] = Field(default_factory=dict)
    labels: dict[TargetName, tuple[str, ...]] = Field(
        default_factory=dict, description="all labels a target may have; others are rejected"
    )
    ordered: tuple[TargetName, ...] = Field(
        default=(), description="targets whose labels stand in order, in `labels` from low to high"
    )
    id: Column | None = None
    group: Column | None = None
    time: Column | None = None
    time_format: str | None = Field(default=None, description="strptime; default: ISO 8601")
    language: LanguageColumn | str | None = Field(
        default=None, description="a two-letter code for all tickets, or a column"
    )
    resolution: Column | None = Field(
        default=None, description="how the ticket was solved; told with similar tickets"
    )
    split: Column | None = None
    split_by: Literal["label", "time"] = "label"
    published: dict[str, dict[Split, Part]] = Field(default_factory=dict)
    default_split: str | None = None

    @field_validator("language", mode="before")
    @classmethod
    def _longer_names_are_columns(cls, value: object) -> object:
        if isinstance(value, str) and not (len(value) == 2 and value.isalpha()):
            return {"column": value}
        return value

    @field_validator("encoding")
    @classmethod
    def _encoding_exists(cls, value: str) -> str:
        try:
            "".encode(value)
        except LookupError:
            raise ValueError(f"Python knows no encoding {value!r}") from None
        return value

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if not self.files and not self.path:
            raise ValueError("needs files (with url, bytes, sha256) or path (your own file)")
        if bool(self.text) != bool(self.targets):
            raise ValueError("text and targets are needed together")
        if self.files and self.text and not self.read:
            raise ValueError("read must say which of the files hold the tickets")
        for target in self.targets:
            if target in PREPARED_COLUMNS:
                raise ValueError(
                    f"targets.{target}: that name is a column of the prepared table; call the "
                    f"target otherwise, e.g. ticket_{target}: {self.targets[target]}"
                )
        for target in self.labels:
            if target not in self.targets:
                raise ValueError(f"labels.{target}: no such target")
        for target in self.ordered:
            if target not in self.labels:
                raise ValueError(f"ordered: {target} needs labels.{target}, from low to high")
        if self.split_by == "time" and not self.time:
            raise ValueError("split_by: time needs the time column")
        if self.published and self.split:
            raise ValueError("published and split exclude each other")
        if self.default_split and self.default_split not in self.published:
            raise ValueError(f"default_split: no published split {self.default_split!r}")
        return self

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the files that hold tickets, in the folder of the fetched data set."""
        return self.read or tuple(Path(path).name for path in self.path)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the published splits."""
        return (SPLIT_COLUMN,) if self.split else tuple(self.published)

    def require_table(self) -> None:
        """Raise CatalogError unless tickets can be read from this data set."""
        if not self.text:
            raise CatalogError(
                f"{self.name} has no column mapping (text, targets) in the catalog: it can be "
                "fetched, but not trained on"
            )

    def find_split(self, wanted: str) -> str | None:
        """The published split that `wanted` (default, none or a name) stands for."""
        if wanted == "none" or (wanted == "default" and not self.splits):
            return None
        if wanted == "default":
            return self.default_split or self.splits[0]
        if wanted not in self.splits:
            raise CatalogError(
                f"prepare.published_split: {self.name} has no published split {wanted!r}; "
                f"known: {', '.join(('default', 'none', *self.splits))}"
            )
        return wanted


class Catalog:
    """Data sets by name.

    Parameters
    ----------
    datasets : by name, in the order of the file
    """

    def __init__(self, datasets: Mapping[str, Dataset]) -> None:
        self._datasets = dict(datasets)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._datasets)

    def __getitem__(self, name: str) -> Dataset:
        """The data set of that name; CatalogError with the nearest names if there is none."""
        if name not in self._datasets:
            near = difflib.get_close_matches(name, self.names, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise CatalogError(
                f"the catalog has no data set {name!r}{hint} Known: {', '.join(self.names)}"
            )
        return self._datasets[name]


def read_catalog(path: Path = CATALOG) -> Catalog:
    """All entries of a catalog file, validated.

    Raises
    ------
    CatalogError
        If the file is no mapping of names to entries; the message names entry and key.
    """
    datasets = {}
    for name, entry in read_yaml(path).items():
        if not isinstance(entry, dict):
            raise CatalogError(f"{path}: {name}: expected a mapping of keys")
        try:
            datasets[str(name)] = Dataset.model_validate({"name": str(name), **entry})
        except ValidationError as error:
            raise CatalogError(explain(error, f"{path}: {name}")) from None
    return Catalog(datasets)
