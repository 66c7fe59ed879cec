"""Writing Avro files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from . import _native
from ._polars import is_lazy, reader_of
from ._scan import Path, SchemaLike, option_pairs, schema_text, storage_pairs
from ._sql import stream_of
from ._table import Rows
from .errors import StorageError


def write_avro(
    rows: Any,
    path: Path,
    *,
    schema: SchemaLike | None = None,
    codec: str | None = None,
    level: int | None = None,
    block_size: int | None = None,
    metadata: Mapping[str, str] | None = None,
    partition_by: Sequence[str] | None = None,
    append: bool = False,
    options: Mapping[str, object] | None = None,
    storage_options: Mapping[str, object] | None = None,
) -> int:
    """Writes rows to Avro files and returns their number. If it fails, no file appears, and a file there before stays.

    Args:
        rows: any object with `__arrow_c_stream__` (a frame of Polars or pandas, a table or reader of pyarrow, a scan,
            the result of `sql`), or a list of dicts. A stream is written as it comes, in bounded memory.
        path: a file, or a directory, ending with `/`, or the URL of one in an object store.
        schema: the Avro schema of the files; columns are matched by name. Default: the schema that the rows were read
            with, or one of their types.
        codec: `null`, `deflate`, `snappy` (the default), `zstandard`, `bzip2` or `xz`.
        level: the compression level, on the codec's own scale.
        block_size: bytes of a block before compression. Default: 131,072.
        metadata: entries of the file header.
        partition_by: columns whose values name directories `key=value`; `path` is then a directory.
        append: whether rows are added to the local file, which keeps its schema, codec and metadata. A file that does
            not exist is created. The file is copied and then replaced, so no reader sees a part of the rows, and a
            killed process leaves it as it was; add files to a directory rather than rows to a large file.
        options: other write options by the names that SQL has for them, such as `write_index`.
        storage_options: options of the object store, such as `aws.region`. Default: the environment.

    Raises:
        QueryError: if an option is wrong, or the columns do not fit the schema.
        StorageError: if the path cannot be written.
    """
    if isinstance(partition_by, str):
        raise TypeError(f"partition_by: expected a list of names, found the text {partition_by!r}")
    target = os.fspath(path)
    name = target.rstrip("/").rsplit("/", 1)[-1]
    if partition_by:
        target = target if target.endswith("/") else target + "/"
    elif not target.endswith("/") and "." not in name.lstrip("."):
        raise ValueError(f"write_avro: {target!r} has no extension; name a file, as in '{name}.avro', or end a directory with '/'")
    pairs: list[tuple[str, str]] = []
    if schema is not None:
        pairs.append(("schema", schema_text(schema)))
    if codec is not None:
        pairs.append(("codec", codec))
    if level is not None:
        pairs.append(("level", str(level)))
    if block_size is not None:
        pairs.append(("block_size", str(block_size)))
    pairs.extend((f"metadata::{key}", value) for key, value in (metadata or {}).items())
    pairs.extend(option_pairs(options))
    if append:
        return append_to(stream_to_write(rows), target, pairs, storage_options, partition_by)
    return _native.write(
        stream_to_write(rows), target, pairs, list(partition_by or ()), storage_pairs(storage_options, [target])
    )


def stream_to_write(rows: Any) -> Any:
    """Returns rows as an object with `__arrow_c_stream__`."""
    if isinstance(rows, Rows):
        return rows._open(plain_strings=False, dense_unions=False)
    if is_lazy(rows):
        return reader_of(rows)
    return rows if hasattr(rows, "__arrow_c_stream__") else stream_of(rows)


def append_to(
    rows: Any,
    target: str,
    pairs: list[tuple[str, str]],
    storage_options: Mapping[str, object] | None,
    partition_by: Sequence[str] | None,
) -> int:
    """Adds rows to a local file, or creates it."""
    if "://" in target or storage_options:
        raise ValueError(
            f"append: {target!r} is not a local file, and objects of a store cannot grow; write another object"
        )
    if partition_by or target.endswith("/") or os.path.isdir(target):
        raise ValueError(f"append: {target!r} is a directory; without append=True, the rows become a file in it")
    if any(name == "write_index" for name, _ in pairs):
        raise ValueError("append: an index is of a whole file; leave write_index out, and index the file later")
    if os.path.exists(target):
        return _native.append(rows, target, pairs)
    # Under a name of its own first, so that a file that appears meanwhile is not replaced.
    directory = os.path.dirname(target)
    if directory:
        os.makedirs(directory, exist_ok=True)
    import tempfile

    with tempfile.TemporaryDirectory(prefix=".avro-sql-", dir=directory or ".") as folder:
        written = os.path.join(folder, os.path.basename(target))
        count = _native.write(rows, written, pairs, [], {})
        try:
            os.link(written, target)
        except FileExistsError:
            raise StorageError(f"{target}: another writer created the file meanwhile; append the rows again") from None
        except OSError:
            # A file system without links.
            os.replace(written, target)
    return count
