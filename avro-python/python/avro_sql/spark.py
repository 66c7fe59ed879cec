"""Avro files as a data source of PySpark 4.1 and newer, and of engines that take such sources, as Sail does.

    >>> from avro_sql.spark import AvroDataSource
    >>> spark.dataSource.register(AvroDataSource)
    >>> spark.read.format("avro_sql").load("events/").where("id > 5").show()

Each file is a partition. Options are those of `avro_sql.read_avro` that are texts, and `where`. Directories `key=value`
are not columns. Conditions that Spark pushes down are applied here; columns are not pushed by Spark, so declare those
that a job needs: `spark.read.format("avro_sql").schema("id long, kind string").load("events/")`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from typing import Any

from pyspark.sql.datasource import (
    DataSource,
    DataSourceReader,
    EqualTo,
    Filter,
    GreaterThan,
    GreaterThanOrEqual,
    InputPartition,
    IsNotNull,
    IsNull,
    LessThan,
    LessThanOrEqual,
)
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema
from pyspark.sql.types import ArrayType, IntegralType, MapType, StringType, StructField, StructType

from ._scan import Scan, read_avro
from ._conditions import quoted

COMPARISONS: dict[type[Filter], str] = {
    EqualTo: "=",
    GreaterThan: ">",
    GreaterThanOrEqual: ">=",
    LessThan: "<",
    LessThanOrEqual: "<=",
}
"""The conditions of Spark that mean the same in SQL for integers and texts."""


class AvroDataSource(DataSource):
    """The data source `avro_sql`."""

    def __init__(self, options: MutableMapping[str, str]) -> None:
        # Spark's options have no case.
        self._options = {name.lower(): value for name, value in options.items()}
        super().__init__(options)

    @classmethod
    def name(cls) -> str:
        """Returns the name for `spark.read.format`."""
        return "avro_sql"

    def schema(self) -> StructType:
        """Returns the columns, from the headers of the files."""
        found = from_arrow_schema(scan_of(self._options).schema)
        # A record that a file lacks is null, and so are its fields.
        nullable: StructType = with_nulls(found)
        return nullable

    def reader(self, schema: StructType) -> AvroReader:
        """Returns the reader of these columns."""
        return AvroReader(self._options, schema)


def with_nulls(kind: Any) -> Any:
    """Returns a type whose values may be null at any depth."""
    if isinstance(kind, StructType):
        return StructType([StructField(field.name, with_nulls(field.dataType), True) for field in kind])
    if isinstance(kind, ArrayType):
        return ArrayType(with_nulls(kind.elementType), True)
    if isinstance(kind, MapType):
        return MapType(kind.keyType, with_nulls(kind.valueType), True)
    return kind


class FilePartition(InputPartition):
    """A file."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class AvroReader(DataSourceReader):
    """Reads some columns of the files, with the conditions that Spark pushes."""

    def __init__(self, options: dict[str, str], schema: StructType) -> None:
        self._options = options
        self._schema = schema
        self._conditions: list[str] = []
        scan = scan_of(options)
        self._files = scan.files
        # Each file is resolved to the schema of all.
        self._avro_schema: str | None = None if len(self._files) == 1 else json.dumps(scan.avro_schema)

    def pushFilters(self, filters: list[Filter]) -> Iterable[Filter]:
        """Takes the conditions that are applied here, and returns the others."""
        for condition in filters:
            translated = self._translated(condition)
            if translated is None:
                yield condition
            else:
                self._conditions.append(translated)

    def _translated(self, condition: Filter) -> str | None:
        attribute: tuple[str, ...] = getattr(condition, "attribute", ())
        if len(attribute) != 1 or attribute[0] not in self._schema.names:
            return None
        column, kind = quoted(attribute[0]), self._schema[attribute[0]].dataType
        if isinstance(condition, IsNull):
            return f"{column} IS NULL"
        if isinstance(condition, IsNotNull):
            return f"{column} IS NOT NULL"
        operator, value = COMPARISONS.get(type(condition)), getattr(condition, "value", None)
        if operator is None:
            return None
        if isinstance(kind, IntegralType) and type(value) is int:
            return f"{column} {operator} {value}"
        if isinstance(kind, StringType) and isinstance(value, str) and "\0" not in value:
            escaped = value.replace("'", "''")
            return f"{column} {operator} '{escaped}'"
        return None

    def partitions(self) -> Sequence[InputPartition]:
        """Returns the files."""
        return [FilePartition(path) for path in self._files]

    def read(self, partition: InputPartition) -> Iterator[Any]:
        """Yields the rows of a file as `pyarrow.RecordBatch`."""
        assert isinstance(partition, FilePartition)
        scan = scan_of(
            {**self._options, "path": partition.path},
            columns=list(self._schema.names),
            conditions=self._conditions,
            reader_schema=self._avro_schema,
        )
        import pyarrow

        schema = to_arrow_schema(self._schema)
        for batch in scan:
            columns = batch.to_pyarrow().columns
            cast = [column.cast(field.type) for column, field in zip(columns, schema)]
            yield pyarrow.RecordBatch.from_arrays(cast, schema=schema)


def scan_of(
    options: dict[str, str],
    columns: list[str] | None = None,
    conditions: Sequence[str] = (),
    reader_schema: str | None = None,
) -> Scan:
    """Returns the scan of the options of a data source."""
    others = {name: value for name, value in options.items() if name not in ("path", "where", "reader_schema")}
    if "path" not in options:
        raise ValueError("avro_sql: name the files, as in spark.read.format('avro_sql').load('events/')")
    parts = [f"(\n{part}\n)" for part in (options.get("where"), *conditions) if part is not None]
    stores = {name: others.pop(name) for name in list(others) if "." in name}
    return read_avro(
        options["path"],
        columns=columns,
        where=" AND ".join(parts) or None,
        reader_schema=options.get("reader_schema", reader_schema),
        enums="string",
        options={"partitions": "ignore", **others},
        storage_options=stores,
    )
