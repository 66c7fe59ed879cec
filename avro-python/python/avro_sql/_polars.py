"""Polars: lazy scans."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ._conditions import condition_of, schema_of
from ._scan import Input, Scan, read_avro

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars


def scan_avro(source: Input | Iterable[Input], **options: Any) -> polars.LazyFrame:
    """Returns Avro files as a `polars.LazyFrame`.

    Only the columns that a query needs are decoded. Conditions on numbers, texts, booleans and nulls skip blocks that
    an index excludes, and rows before their other columns are decoded. `head` stops the scan early.

    Args:
        source: as of `read_avro`.
        options: the options of `read_avro`.
    """
    import polars
    from polars.io.plugins import register_io_source

    scan = read_avro(source, **options)
    schema = schema_of(scan._columns(plain_strings=False, dense_unions=False))

    def read(
        with_columns: list[str] | None,
        predicate: polars.Expr | None,
        n_rows: int | None,
        batch_size: int | None,
    ) -> Iterator[polars.DataFrame]:
        columns = with_columns
        if columns is not None and predicate is not None:
            columns = [*columns, *(name for name in predicate.meta.root_names() if name not in columns)]
        # Polars limits the rows first, so then a condition must not exclude rows before the limit.
        condition = condition_of(predicate, schema) if n_rows is None and scan._n_rows is None else None
        part = narrowed(scan, columns, condition, n_rows, batch_size)
        for batch in part._open(plain_strings=False, dense_unions=False):
            frame = polars.DataFrame(batch.for_polars())
            if predicate is not None:
                frame = frame.filter(predicate)
            yield frame.select(with_columns) if with_columns else frame

    return register_io_source(read, schema=schema, is_pure=True)


def narrowed(
    scan: Scan, columns: list[str] | None, condition: str | None, n_rows: int | None, batch_size: int | None
) -> Scan:
    """Returns a part of a scan."""
    conditions = [f"(\n{each}\n)" for each in (scan._where, condition) if each is not None]
    limits = [limit for limit in (scan._n_rows, n_rows) if limit is not None]
    if columns is None:
        columns = scan._selected
    elif not columns:
        # Polars asks for no columns to count rows; any column has their number.
        columns = scan.columns[:1]
    return Scan(
        scan._source,
        columns,
        " AND ".join(conditions) or None,
        min(limits) if limits else None,
        scan._batch_size or batch_size,
        "struct",
        scan._strings,
    )


def reader_of(frame: polars.LazyFrame) -> Any:
    """Returns the rows of a lazy frame as a stream, which runs the query as they are read."""
    import polars
    import pyarrow

    schema = polars.DataFrame(schema=frame.collect_schema()).to_arrow().schema
    batches = (
        batch.cast(schema)
        for part in frame.collect_batches(maintain_order=True)
        for batch in part.to_arrow().to_batches()
    )
    return pyarrow.RecordBatchReader.from_batches(schema, batches)


def is_lazy(rows: Any) -> bool:
    """Whether this is a lazy frame of Polars."""
    kind = type(rows)
    return kind.__name__ == "LazyFrame" and kind.__module__.split(".")[0] == "polars"

