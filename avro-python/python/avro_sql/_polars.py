"""Polars: lazy scans."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

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
    schema = polars.DataFrame(
        scan._columns(plain_strings=False, dense_unions=False).empty().for_polars()
    ).schema

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


OPERATORS = {"Eq": "=", "NotEq": "<>", "Lt": "<", "LtEq": "<=", "Gt": ">", "GtEq": ">="}
"""Comparisons that mean the same in SQL for numbers without NaN, texts and booleans."""


INTEGERS = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32")
"""The types of literals that SQL has, too."""


def condition_of(predicate: polars.Expr | None, schema: polars.Schema) -> str | None:
    """Returns a condition in SQL that is true for all rows for which the predicate is, or `None`.

    Polars applies the predicate itself afterwards; the condition only saves work.
    """
    if predicate is None:
        return None
    try:
        tree = json.loads(predicate.meta.serialize(format="json"))
    except Exception:  # the form of the tree is not promised
        return None
    return translated(tree, schema)


def translated(tree: Any, schema: polars.Schema) -> str | None:
    """Translates a part of a predicate. Of a conjunction, the parts that have a translation suffice."""
    match tree:
        case {"BinaryExpr": {"left": left, "op": "And", "right": right}}:
            parts = [part for part in (translated(left, schema), translated(right, schema)) if part is not None]
            return " AND ".join(parts) or None
        case {"BinaryExpr": {"left": left, "op": "Or", "right": right}}:
            one, other = translated(left, schema), translated(right, schema)
            return f"({one} OR {other})" if one is not None and other is not None else None
        case {"BinaryExpr": {"left": {"Column": str(name)}, "op": str(op), "right": {"Literal": literal}}}:
            value = literal_of(literal, schema.get(name))
            return f"{quoted(name)} {OPERATORS[op]} {value}" if op in OPERATORS and value is not None else None
        case {"Function": {"input": [{"Column": str(name)}], "function": {"Boolean": "IsNotNull"}}}:
            return f"{quoted(name)} IS NOT NULL" if name in schema else None
        case {"Function": {"input": [{"Column": str(name)}], "function": {"Boolean": "IsNull"}}}:
            return f"{quoted(name)} IS NULL" if name in schema else None
    return None


def literal_of(literal: Any, kind: polars.DataType | None) -> str | None:
    """Returns a literal in SQL if it compares with a column of this type alike in SQL and in Polars."""
    import polars

    match literal:
        case {"Scalar": {"String": str(text)}} if kind == polars.String and "\0" not in text:
            return "'" + text.replace("'", "''") + "'"
        case {"Scalar": {"Boolean": bool(flag)}} if kind == polars.Boolean:
            return "true" if flag else "false"
        case {"Dyn": {"Int": int(number)}} if kind is not None and kind.is_integer():
            return str(number)
        case {"Scalar": dict(scalar)} if kind is not None and kind.is_integer():
            values = [value for name, value in scalar.items() if name in INTEGERS and type(value) is int]
            return str(values[0]) if values else None
    return None


def quoted(name: str) -> str:
    """Returns a name in the quotes of SQL."""
    return '"' + name.replace('"', '""') + '"'


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

