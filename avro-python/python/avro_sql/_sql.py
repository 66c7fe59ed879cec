"""SQL over Avro files and over the tables of other libraries."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Literal

from . import _native
from ._scan import Scan
from ._table import Rows

QUERY = re.compile(
    r"(?:\s+|--[^\n]*\n|/\*.*?\*/|\()*(select|with|from|values|table|show|describe|desc|explain|summarize|pivot|unpivot)\b",
    re.IGNORECASE | re.DOTALL,
)
"""How statements begin that return rows and change nothing; all others run at once, and once."""


class Result(Rows):
    """The rows of a statement.

    A query runs when its rows are read, and again for each reader. Other statements have run when `sql` returns.
    """

    def __init__(
        self, connection: Connection, statement: str, parameters: list[tuple[str, str]], dense_unions: bool
    ) -> None:
        self._connection = connection
        self._statement = statement
        self._parameters = parameters
        self._dense_unions = dense_unions
        self._done: _native.Batches | None = None
        if QUERY.match(statement):
            # Errors of the statement show now, not when rows are read.
            self._columns(plain_strings=True)
        else:
            stream = self._session.execute(statement, parameters, False, dense_unions)
            self._done = stream.collect()

    @property
    def _session(self) -> _native.Connection:
        return self._connection._native

    def _dense(self, dense_unions: bool | None) -> bool:
        return self._dense_unions if dense_unions is None else dense_unions

    def _open(self, *, plain_strings: bool, dense_unions: bool | None = None) -> _native.Stream:
        if self._done is not None:
            return self._done.open(plain_strings)
        return self._session.execute(
            self._statement, self._parameters, plain_strings, self._dense(dense_unions)
        )

    def _columns(self, *, plain_strings: bool, dense_unions: bool | None = None) -> _native.ArrowSchema:
        if self._done is not None:
            return self._done.open(plain_strings).columns
        return self._session.columns(
            self._statement, self._parameters, plain_strings, self._dense(dense_unions)
        )

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Returns all rows as tuples of Python values."""
        return [tuple(row.values()) for row in self.to_pyarrow().to_pylist()]


class Connection:
    """A session of SQL with tables, views and settings of its own. Made by `connect`."""

    def __init__(self, native: _native.Connection) -> None:
        self._native = native

    def sql(
        self,
        statement: str,
        params: Mapping[str, object] | None = None,
        *,
        unions: Literal["struct", "dense"] = "struct",
        **tables: Any,
    ) -> Result:
        """Runs a statement, or prepares a query, which runs when its rows are read.

        Args:
            statement: one statement of SQL. Paths in quotes are tables: `FROM 'logs/'`.
            params: the values of `$name` in the statement. A value is never read as SQL.
            unions: Arrow type of unions in the result.
            tables: objects to register as tables of these names, as by `register`.
        """
        for name, table in tables.items():
            self.register(name, table)
        parameters = [(name, parameter(name, value)) for name, value in (params or {}).items()]
        return Result(self, statement, parameters, unions == "dense")

    def register(self, name: str, table: Any) -> None:
        """Makes an object a table.

        A scan of `read_avro` is read for each query, and only the columns and blocks that the query needs. The rows of
        any other object with `__arrow_c_stream__`, such as a frame, are taken now.
        """
        if isinstance(table, Scan):
            self._native.register_scan(name, table._source, table._selected, table._where, table._n_rows)
        elif isinstance(table, Rows):
            self._native.register(name, table._open(plain_strings=False, dense_unions=False))
        elif hasattr(table, "__arrow_c_stream__"):
            self._native.register(name, table)
        else:
            self._native.register(name, stream_of(table))

    def deregister(self, name: str) -> bool:
        """Removes a table; `False` if there is none of this name."""
        return self._native.deregister(name)

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The damaged blocks that queries have skipped, as of `Scan.errors`."""
        return self._native.skipped()

    @property
    def warnings(self) -> list[str]:
        """What should be known and is not an error."""
        return self._native.warnings()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def connect(
    *,
    threads: int | None = None,
    memory_limit: int | None = None,
    batch_size: int | None = None,
    column_cache: int | None = None,
) -> Connection:
    """Opens a session of SQL.

    Args:
        threads: how many parts of a query run at the same time. Default: one for each CPU.
        memory_limit: bytes that a query may hold before it spills to disk or fails. Default: 80 % of the memory.
        batch_size: rows of a batch. Default: 8,192.
        column_cache: bytes of decoded columns that stay in memory, of files that a second statement reads; 0 for none.
            Default: a quarter of the memory limit.
    """
    return Connection(_native.Connection(threads, memory_limit, batch_size, column_cache))


def sql(
    statement: str,
    params: Mapping[str, object] | None = None,
    *,
    unions: Literal["struct", "dense"] = "struct",
    **tables: Any,
) -> Result:
    """Runs a statement in a session of its own. See `Connection.sql`."""
    return connect().sql(statement, params, unions=unions, **tables)


def parameter(name: str, value: object) -> str:
    """Returns a value in the form that the command has for `-p name=value`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return repr(value)
    if isinstance(value, float):
        # With an exponent, a number is not a decimal in SQL.
        return repr(value) if "e" in repr(value) else f"{value!r}e0" if math.isfinite(value) else f"'{value!r}'"
    if isinstance(value, (bytes, bytearray, memoryview, dict, list, tuple, set)):
        raise TypeError(f"params: ${name} is a {type(value).__name__}; expected a number, text, date, time or None")
    return f"'{value}'"


def stream_of(table: Any) -> Any:
    """Returns an object with `__arrow_c_stream__` for one that has none: a frame of an old library, rows as dicts."""
    import pyarrow

    if isinstance(table, list) and all(isinstance(row, Mapping) for row in table):
        # Of all rows: pyarrow takes the names of the first row only.
        names = dict.fromkeys(name for row in table for name in row)
        return pyarrow.table({name: [row.get(name) for row in table] for name in names})
    if hasattr(table, "__arrow_c_array__"):
        return pyarrow.Table.from_batches([pyarrow.record_batch(table)])
    if hasattr(table, "to_arrow"):
        return stream_of_arrow(table.to_arrow())
    if hasattr(table, "__dataframe__"):
        from pyarrow.interchange import from_dataframe

        return from_dataframe(table)
    raise TypeError(
        f"expected a table with __arrow_c_stream__, or a list of dicts, found {type(table).__name__}"
    )


def stream_of_arrow(table: Any) -> Any:
    """Returns the table that a `to_arrow` method gave."""
    if hasattr(table, "__arrow_c_stream__"):
        return table
    raise TypeError(f"expected an Arrow table, found {type(table).__name__}")
