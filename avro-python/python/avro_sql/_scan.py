"""Reading Avro files."""

from __future__ import annotations

import io
import json
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any, Literal, Union

from . import _native
from ._conditions import Condition, condition_text
from ._datafusion import check_version
from ._table import Rows

Path = Union[str, "os.PathLike[str]"]
"""A path, directory, glob or URL."""

Input = Union[Path, bytes, bytearray, memoryview, IO[bytes]]
"""What one Avro file, or several, can be read from."""

SchemaLike = Union[str, Mapping[str, Any], Sequence[Any]]
"""An Avro schema: JSON, the path of a schema file, or parsed JSON."""


class Scan(Rows):
    """Avro files, a selection of their columns and rows, and how they are read.

    Made by `read_avro`. A scan can be read again and again; each reader sees the files as they are then.
    """

    def __init__(
        self,
        source: _native.Source,
        columns: Sequence[str] | None,
        where: str | None,
        n_rows: int | None,
        batch_size: int | None,
        unions: Literal["struct", "dense"],
        strings: Literal["plain", "view"] | None,
    ) -> None:
        self._source = source
        self._selected = None if columns is None else list(columns)
        self._where = where
        self._n_rows = n_rows
        self._batch_size = batch_size
        self._dense_unions = unions == "dense"
        self._strings = strings

    def _plain(self, plain_strings: bool) -> bool:
        return plain_strings if self._strings is None else self._strings == "plain"

    def _dense(self, dense_unions: bool | None) -> bool:
        return self._dense_unions if dense_unions is None else dense_unions

    def _open(self, *, plain_strings: bool, dense_unions: bool | None = None) -> _native.Stream:
        return self._source.open(
            self._selected,
            self._where,
            self._n_rows,
            self._batch_size,
            self._plain(plain_strings),
            self._dense(dense_unions),
        )

    def _columns(self, *, plain_strings: bool, dense_unions: bool | None = None) -> _native.ArrowSchema:
        return self._source.columns(
            self._selected, self._where, self._plain(plain_strings), self._dense(dense_unions)
        )

    def __datafusion_table_provider__(self, session: object) -> object:
        """Returns this scan as a table for `SessionContext.register_table` of the package `datafusion`."""
        check_version()
        return self._source.table(self._selected, self._where, self._n_rows)

    @property
    def avro_schema(self) -> Any:
        """The Avro schema as parsed JSON: that of the files, merged if they differ, or the reader's schema."""
        text = self._source.avro_schema()
        return None if text is None else json.loads(text)

    @property
    def files(self) -> list[str]:
        """The paths or URLs of the files, in the order in which they are read."""
        return self._source.files()

    def __len__(self) -> int:
        """Counts the rows. Without `where`, the headers of the blocks tell, and no row is decoded."""
        return self._source.count(self._where, self._n_rows)

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The damaged blocks that were skipped so far, with `ignore_errors=True`.

        Each has `path`, `block`, `offset`, `bytes`, `rows` (`None` if unknown) and `message`.
        """
        return self._source.skipped()

    @property
    def warnings(self) -> list[str]:
        """What should be known and is not an error, such as an index that does not match its file."""
        return self._source.warnings()


def read_avro(
    source: Input | Iterable[Input],
    *,
    columns: Sequence[str] | None = None,
    where: Condition | None = None,
    n_rows: int | None = None,
    batch_size: int | None = None,
    reader_schema: SchemaLike | None = None,
    unions: Literal["struct", "dense"] = "struct",
    strings: Literal["plain", "view"] | None = None,
    enums: Literal["dictionary", "string"] = "dictionary",
    ignore_errors: bool = False,
    virtual_columns: bool = False,
    options: Mapping[str, object] | None = None,
    storage_options: Mapping[str, object] | None = None,
) -> Scan:
    """Returns a scan of Avro files. Only their headers are read now.

    Args:
        source: a path, directory, glob or URL (`s3://`, `gs://`, `az://`, `https://`), the bytes of a file, a file
            object, or several of one kind. Several files make one table. A file object that can seek is read in parts
            while rows are read: leave it open, and do not move it meanwhile.
        columns: names of columns, and of fields inside records, as in `user.id`. Default: all columns.
        where: a condition in SQL, or as an expression of pyarrow or Polars that compares columns with values. Rows for
            which it is true are returned.
        n_rows: at most this many rows, the first ones.
        batch_size: rows of a batch. Default: 8,192.
        reader_schema: the Avro schema to which all files are resolved. Default: the merged schema of the files.
        unions: Arrow type of unions of several types. `"struct"` has a field for each branch, of which one is set.
        strings: Arrow type of strings and bytes. Default: views for Polars, plain strings for others.
        enums: Arrow type of enums.
        ignore_errors: whether damaged blocks are skipped; `Scan.errors` lists them.
        virtual_columns: whether there are the columns `_file`, `_block`, `_row` and `_offset`.
        options: other read options by the names that SQL has for them, such as `recursion_levels`.
        storage_options: options of the object store, such as `aws.region`. Default: the environment.

    Raises:
        NotFoundError: if there is no file.
        DataError: if a file is not Avro.
        SchemaError: if the schemas of the files cannot be merged.
        QueryError: if an option is wrong. A wrong column or condition is an error when rows are read.
    """
    paths, files = inputs(source)
    pairs = [("strings", "plain" if strings == "plain" else "view"), ("enums", enums)]
    if unions not in ("struct", "dense"):
        raise ValueError(f"unions: expected 'struct' or 'dense', found {unions!r}")
    if strings not in (None, "plain", "view"):
        raise ValueError(f"strings: expected 'plain' or 'view', found {strings!r}")
    if isinstance(columns, str):
        raise TypeError(f"columns: expected a list of names, found the text {columns!r}")
    if n_rows is not None and n_rows < 0:
        raise ValueError(f"n_rows: expected 0 or more, found {n_rows}")
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size: expected at least 1, found {batch_size}")
    if reader_schema is not None:
        pairs.append(("reader_schema", schema_text(reader_schema)))
    if ignore_errors:
        pairs.append(("damage", "skip"))
    if virtual_columns:
        pairs.append(("virtual_columns", "true"))
    pairs.extend(option_pairs(options))
    native = _native.Source(paths, files, pairs, storage_pairs(storage_options, paths))
    return Scan(native, columns, condition_text(where, native), n_rows, batch_size, unions, strings)


FileParts = tuple[Any, int, int]
"""A file object, the position at which its file begins, and the number of bytes after it."""


def inputs(source: Input | Iterable[Input]) -> tuple[list[str], list[bytes | FileParts]]:
    """Returns the paths, or the contents, of one or several sources."""
    if isinstance(source, (str, os.PathLike, bytes, bytearray, memoryview)) or hasattr(source, "read"):
        items: list[Any] = [source]
    else:
        items = list(source)
        if not items:
            raise ValueError("read_avro: expected at least one source, found none")
    n_paths = sum(isinstance(item, (str, os.PathLike)) for item in items)
    if 0 < n_paths < len(items):
        raise ValueError("read_avro: sources must be all paths, or all bytes and file objects")
    if n_paths:
        return [os.fspath(item) for item in items], []
    paths = [path for path in map(path_of, items) if path is not None]
    if len(paths) == len(items):
        return paths, []
    return [], [content(item) for item in items]


def path_of(source: Any) -> str | None:
    """Returns the path of a file object that `open` made, if its file still has this name and none of it was read.

    Such a file is read as its path: by several threads, and also after the object was closed.
    """
    # The file below may be another one, as that of a decompressor.
    raw = source.raw if type(source) is io.BufferedReader else source
    if type(raw) is not io.FileIO or raw.closed or not raw.readable():
        return None
    name = raw.name
    if not isinstance(name, str) or any(mark in name for mark in "*?[{"):
        return None
    try:
        found = os.fstat(source.fileno())
        same = stat.S_ISREG(found.st_mode) and os.path.samestat(found, os.stat(name)) and source.tell() == 0
    except OSError:
        return None
    return os.path.abspath(name) if same else None


WHOLE = ("gzip", "bz2", "lzma", "zipfile", "compression")
"""Modules whose file objects go back by decompressing from the start."""


def content(source: Any) -> bytes | FileParts:
    """Returns the bytes of a source that is not a path, or its parts if only those that are needed shall be read."""
    if isinstance(source, bytes):
        return source
    if isinstance(source, (bytearray, memoryview)):
        return bytes(source)
    if not hasattr(source, "read"):
        raise TypeError(f"read_avro: expected a path, bytes or a file object, found {type(source).__name__}")
    if isinstance(source, io.TextIOBase) or isinstance(source.read(0), str):
        raise TypeError("read_avro: the file object is open as text; open it with mode 'rb'")
    in_memory = isinstance(source, io.BytesIO) or type(source).__module__.split(".")[0] in WHOLE
    if in_memory or not hasattr(source, "seekable") or not source.seekable():
        return bytes(source.read())
    start = source.tell()
    source.seek(0, os.SEEK_END)
    end = source.tell()
    source.seek(start)
    return source, start, max(end - start, 0)


def schema_text(schema: SchemaLike) -> str:
    """Returns a schema as text: JSON, or the path of a file."""
    return schema if isinstance(schema, str) and schema not in PRIMITIVES else json.dumps(schema)


PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
"""The types whose names alone are schemas."""


def option_pairs(options: Mapping[str, object] | None) -> list[tuple[str, str]]:
    """Returns options as SQL has them."""
    return [(name, option_text(value)) for name, value in (options or {}).items()]


def option_text(value: object) -> str:
    """Returns the value of an option as SQL has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    return str(value)


PREFIXES = {"s3": "aws", "s3a": "aws", "gs": "gcp", "http": "http", "https": "http"}
"""The prefixes of options, by the scheme of a URL; all others are Azure's."""

SPELLINGS = {"aws_": "aws.", "google_": "gcp.", "gcp_": "gcp.", "azure_": "azure.", "http_": "http."}
"""How other libraries spell the prefixes."""


def storage_pairs(options: Mapping[str, object] | None, paths: Sequence[str]) -> dict[str, str]:
    """Returns options of object stores under the names of this package: `aws.region`, `aws_region` and `region`."""
    pairs: dict[str, str] = {}
    scheme = next((path.split("://")[0] for path in paths if "://" in path), "")
    for name, value in (options or {}).items():
        found = next((new + name[len(old) :] for old, new in SPELLINGS.items() if name.lower().startswith(old)), None)
        if found is None:
            found = name if "." in name else f"{PREFIXES.get(scheme, 'azure')}.{name}"
        pairs[found] = option_text(value)
    return pairs
