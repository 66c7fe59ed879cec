"""Each type of Avro in each library, both ways: the values are those that fastavro reads."""

from __future__ import annotations

import datetime
import decimal
import io
import uuid

import duckdb
import fastavro
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from conftest import container

import avro_sql

UTC = datetime.timezone.utc
DAY = datetime.date(2024, 2, 29)
TIME = datetime.datetime(2024, 2, 29, 12, 30, 15, 123000)

# The Avro type, a value, and the libraries that lack the type: they get another form of it, or an error.
TYPES = {
    "null": ("null", None, ()),
    "boolean": ("boolean", True, ()),
    "int": ("int", -(2**31), ()),
    "long": ("long", 2**63 - 1, ()),
    "float": ("float", 1.5, ()),
    "double": ("double", -2.25, ()),
    "bytes": ("bytes", b"\x00\xff", ()),
    "string": ("string", "äö 日 \x00 x", ()),
    "fixed": ({"type": "fixed", "name": "F", "size": 3}, b"abc", ()),
    "enum": ({"type": "enum", "name": "E", "symbols": ["a", "b"]}, "b", ()),
    "array": ({"type": "array", "items": "string"}, ["x", "y"], ()),
    "array of arrays": ({"type": "array", "items": {"type": "array", "items": "long"}}, [[1], [], [2, 3]], ()),
    "record": ({"type": "record", "name": "N", "fields": [{"name": "p", "type": "int"}]}, {"p": 7}, ()),
    "nullable": (["null", "string"], "x", ()),
    "decimal": ({"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 3},
                decimal.Decimal("12345678901234567.125"), ()),
    "date": ({"type": "int", "logicalType": "date"}, DAY, ()),
    "time-micros": ({"type": "long", "logicalType": "time-micros"}, TIME.time(), ()),
    "timestamp-millis": ({"type": "long", "logicalType": "timestamp-millis"}, TIME.replace(tzinfo=UTC), ()),
    "timestamp-micros": ({"type": "long", "logicalType": "timestamp-micros"}, TIME.replace(tzinfo=UTC), ()),
    "local-timestamp-micros": ({"type": "long", "logicalType": "local-timestamp-micros"}, TIME, ()),
    "big decimal": ({"type": "bytes", "logicalType": "decimal", "precision": 50, "scale": 2},
                    decimal.Decimal("123456789012345678901234567890123456789.25"), ("duckdb", "polars")),
    "uuid": ({"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}, uuid.UUID(int=2**100 + 7).bytes, ()),
}


def file_of(name: str) -> bytes:
    schema, value, _ = TYPES[name]
    record = {"type": "record", "name": "R", "fields": [{"name": "x", "type": schema}]}
    return container(record, [{"x": value}, {"x": value}])


def plain(value: object) -> object:
    """Returns a value without the differences between libraries that mean nothing."""
    if isinstance(value, pd.Timestamp):
        value = value.to_pydatetime()
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, uuid.UUID):
        return value.bytes
    return value


def expected(name: str) -> object:
    [first, _] = fastavro.reader(io.BytesIO(file_of(name)))
    return plain(first["x"])


@pytest.mark.parametrize("name", TYPES)
def test_pyarrow(name):
    table = avro_sql.read_avro(file_of(name)).to_pyarrow()
    assert plain(table["x"][1].as_py()) == expected(name)


@pytest.mark.parametrize("name", TYPES)
def test_polars(name):
    frame = avro_sql.read_avro(file_of(name)).to_polars()
    value = plain(frame["x"][1] if not isinstance(frame["x"][1], pl.Series) else frame["x"][1].to_list())
    assert value == (str(expected(name)) if "polars" in TYPES[name][2] else expected(name))
    if "polars" not in TYPES[name][2]:
        assert pl.DataFrame(avro_sql.read_avro(file_of(name)))["x"].to_list() == frame["x"].to_list()


@pytest.mark.parametrize("name", TYPES)
def test_pandas(name):
    frame = avro_sql.read_avro(file_of(name)).to_pandas()
    value = frame["x"][1]
    assert plain(value) == expected(name) or (name == "null" and pd.isna(value))


@pytest.mark.parametrize("name", TYPES)
def test_duckdb(name):
    scan = avro_sql.read_avro(file_of(name))
    if "duckdb" in TYPES[name][2]:
        with pytest.raises(duckdb.Error):
            duckdb.sql("from scan").fetchall()
        return
    assert plain(duckdb.sql("from scan").fetchall()[1][0]) == expected(name)
    assert duckdb.sql("select count(*) from scan where x is not null").fetchall() == [(0 if name == "null" else 2,)]


@pytest.mark.parametrize("name", TYPES)
def test_written_again(name, tmp_path):
    """Each library's rows, written, are what fastavro reads."""
    scan = avro_sql.read_avro(file_of(name))
    frames = {"scan": scan, "pyarrow": scan.to_pyarrow(), "stream": pa.RecordBatchReader.from_stream(scan)}
    if "polars" not in TYPES[name][2]:
        frames["polars"] = scan.to_polars()
    if name not in ("null", "fixed", "uuid"):
        frames["pandas"] = scan.to_pandas()
    for library, frame in frames.items():
        path = tmp_path / f"{library}.avro"
        assert avro_sql.write_avro(frame, path) == 2
        with path.open("rb") as file:
            [_, row] = fastavro.reader(file)
        assert plain(row["x"]) == expected(name), library


def test_map_values():
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": {"type": "map", "values": "int"}}]}
    scan = avro_sql.read_avro(container(schema, [{"x": {"a": 1, "b": 2}}]))
    assert dict(scan.to_pyarrow()["x"][0].as_py()) == {"a": 1, "b": 2}
    assert duckdb.sql("select x['b'] from scan").fetchall() == [(2,)]
    assert scan.to_pandas()["x"][0] == [("a", 1), ("b", 2)]
    assert len(scan.to_polars()) == 1


def test_unions_are_structs_for_polars_and_pandas():
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": ["null", "int", "string"]}]}
    scan = avro_sql.read_avro(container(schema, [{"x": 1}, {"x": "a"}, {"x": None}]), unions="dense")
    assert scan.to_pyarrow()["x"].to_pylist() == [1, "a", None]
    assert scan.to_polars()["x"].struct.field("string").to_list() == [None, "a", None]
    assert scan.to_pandas()["x"][1] == {"int": None, "string": "a"}
    structs = avro_sql.read_avro(container(schema, [{"x": 1}, {"x": "a"}, {"x": None}]))
    assert duckdb.sql("select x.string from structs").fetchall() == [(None,), ("a",), (None,)]


def test_union_struct_is_written_as_union(tmp_path):
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": ["null", "int", "string"]}]}
    scan = avro_sql.read_avro(container(schema, [{"x": 1}, {"x": "a"}, {"x": None}]))
    avro_sql.write_avro(scan, tmp_path / "x.avro")
    with (tmp_path / "x.avro").open("rb") as file:
        assert list(fastavro.reader(file)) == [{"x": 1}, {"x": "a"}, {"x": None}]


def test_duration_is_text_for_polars():
    schema = {"type": "record", "name": "R", "fields": [
        {"name": "x", "type": {"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}}]}
    value = (1).to_bytes(4, "little") + (2).to_bytes(4, "little") + (3_500).to_bytes(4, "little")
    scan = avro_sql.read_avro(container(schema, [{"x": value}]))
    assert scan.to_polars()["x"].to_list() == ["P1M2DT3.5S"]
    nested = {"type": "record", "name": "O", "fields": [{"name": "in", "type": schema}]}
    with pytest.raises(avro_sql.QueryError, match="column `in`: Polars cannot hold"):
        avro_sql.read_avro(container(nested, [{"in": {"x": value}}])).to_polars()


def test_pandas_list_of_strings(events):
    assert list(avro_sql.read_avro(events, columns=["tags"]).to_pandas()["tags"][3]) == ["t0", "t1", "t2"]


def test_duckdb_query_is_that_of_the_rows(events):
    scan = avro_sql.read_avro(events)
    assert duckdb.sql("select sum(id), count(*) from scan where kind = 'buy'").fetchall() == [(25_000_000, 5_000)]
    assert duckdb.sql("select a.id from scan a join scan b on a.id = b.id + 9990 order by 1").fetchall() == [
        (at,) for at in range(9_990, 10_000)
    ]


def test_datafusion_of_others(events):
    import datafusion

    context = datafusion.SessionContext()
    frame = context.from_arrow(avro_sql.read_avro(events), "events")
    assert frame.count() == 10_000


def test_empty_file():
    scan = avro_sql.read_avro(container({"type": "record", "name": "R", "fields": [{"name": "x", "type": "int"}]}, []))
    assert len(scan) == 0 and bool(scan)
    assert scan.to_pyarrow().schema.names == scan.to_polars().columns == list(scan.to_pandas().columns) == ["x"]
    assert list(scan) == []
