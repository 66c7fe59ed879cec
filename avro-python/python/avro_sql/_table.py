"""What scans and answers of SQL have in common: rows that every dataframe library can take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from . import _native
from .errors import AvroError

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow


class Batch:
    """Some rows. Any library that knows Arrow's PyCapsule interface takes it, as in `polars.DataFrame(batch)`."""

    __slots__ = ("_native",)

    def __init__(self, native: _native.Batch) -> None:
        self._native = native

    @property
    def num_rows(self) -> int:
        """The number of rows."""
        return self._native.num_rows

    @property
    def num_columns(self) -> int:
        """The number of columns."""
        return self._native.num_columns

    def __len__(self) -> int:
        return self._native.num_rows

    def __arrow_c_schema__(self) -> object:
        return self._native.__arrow_c_schema__()

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        return self._native.__arrow_c_array__(requested_schema)

    def to_pyarrow(self) -> pyarrow.RecordBatch:
        """Returns the rows as a `pyarrow.RecordBatch`, without a copy."""
        import pyarrow

        return pyarrow.record_batch(self._native)

    def to_polars(self) -> polars.DataFrame:
        """Returns the rows as a `polars.DataFrame`."""
        import polars

        return polars.DataFrame(self._native.for_polars())

    def to_pandas(self) -> pandas.DataFrame:
        """Returns the rows as a `pandas.DataFrame`."""
        frame: pandas.DataFrame = self.to_pyarrow().to_pandas()
        return frame


class Rows:
    """Rows that can be read again and again: each reader starts a query of its own.

    Any library that knows Arrow's PyCapsule interface takes them: `polars.DataFrame(rows)`, `pyarrow.table(rows)`,
    `duckdb.sql("from rows")`.
    """

    def _open(self, *, plain_strings: bool, dense_unions: bool | None = None) -> _native.Stream:
        raise NotImplementedError

    def _columns(self, *, plain_strings: bool, dense_unions: bool | None = None) -> _native.ArrowSchema:
        raise NotImplementedError

    @property
    def schema(self) -> pyarrow.Schema:
        """The columns, as a `pyarrow.Schema`. No row is read."""
        import pyarrow

        return pyarrow.schema(self._columns(plain_strings=True))

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return self._columns(plain_strings=True).names

    def __arrow_c_schema__(self) -> object:
        return self._columns(plain_strings=True).__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._open(plain_strings=True).__arrow_c_stream__(requested_schema)

    def __iter__(self) -> Iterator[Batch]:
        return map(Batch, self._open(plain_strings=True))

    def __bool__(self) -> bool:
        return True

    def to_pyarrow(self) -> pyarrow.Table:
        """Returns all rows as a `pyarrow.Table`."""
        import pyarrow

        stream = self._open(plain_strings=True)
        schema = pyarrow.schema(stream.columns)
        return pyarrow.Table.from_batches([pyarrow.record_batch(batch) for batch in stream], schema)

    def to_pandas(self, **options: Any) -> pandas.DataFrame:
        """Returns all rows as a `pandas.DataFrame`. The options are those of `pyarrow.Table.to_pandas`."""
        import pyarrow

        # pandas has no unions: a struct with a column for each branch, of which one is set, holds all values.
        stream = self._open(plain_strings=True, dense_unions=False)
        schema = pyarrow.schema(stream.columns)
        table = pyarrow.Table.from_batches([pyarrow.record_batch(batch) for batch in stream], schema)
        frame: pandas.DataFrame = table.to_pandas(**options)
        return frame

    def to_polars(self) -> polars.DataFrame:
        """Returns all rows as a `polars.DataFrame`.

        Polars has no decimals of more than 38 digits and no intervals of months, days and nanoseconds: such columns
        become text. Unions become structs with a field for each branch, of which one is set.
        """
        stream = self._open(plain_strings=False, dense_unions=False)
        import polars

        frames = [polars.DataFrame(batch.for_polars()) for batch in stream]
        frames = frames or [polars.DataFrame(stream.columns.empty().for_polars())]
        return polars.concat(frames, rechunk=False)

    def __repr__(self) -> str:
        try:
            columns = ", ".join(self.columns)
        except AvroError as error:
            columns = str(error)
        return f"<avro_sql.{type(self).__name__} of {columns}>"

