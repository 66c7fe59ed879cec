"""`write_avro`: rows in, files out, whole or not at all."""

from __future__ import annotations

import fastavro
import polars as pl
import pyarrow as pa
import pytest

import avro_sql

TABLE = pa.table({"a": [1, 2, None], "b": ["x", "y", "z"]})


def read(path):
    with open(path, "rb") as file:
        reader = fastavro.reader(file)
        return reader.metadata, list(reader)


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"])
def test_codecs(codec, tmp_path):
    path = tmp_path / "x.avro"
    assert avro_sql.write_avro(TABLE, path, codec=codec, level=None if codec in ("null", "snappy") else 5) == 3
    metadata, rows = read(path)
    assert metadata["avro.codec"] == codec and rows == TABLE.to_pylist()


def test_schema_metadata_and_block_size(tmp_path):
    path = tmp_path / "x.avro"
    schema = {"type": "record", "name": "Row", "namespace": "n", "fields": [
        {"name": "b", "type": "string"}, {"name": "a", "type": ["null", "int"]}]}
    avro_sql.write_avro(TABLE, path, schema=schema, metadata={"by": "it's me"}, block_size=1)
    metadata, rows = read(path)
    assert metadata["by"] == "it's me" and rows == TABLE.to_pylist()
    scan = avro_sql.read_avro(path)
    assert scan.avro_schema == schema and scan.columns == ["b", "a"]
    assert avro_sql.read_avro(path, virtual_columns=True).to_pyarrow()["_block"].to_pylist() == [0, 1, 2]


def test_partitions_and_directories(tmp_path):
    table = pa.table({"day of": ["1", "2", "1"], "x": [1, 2, 3]})
    assert avro_sql.write_avro(table, tmp_path / "p", partition_by=["day of"]) == 3
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == ["day of=1", "day of=2"]
    assert sorted(avro_sql.read_avro(f"{tmp_path}/p/").to_pyarrow()["x"].to_pylist()) == [1, 2, 3]
    avro_sql.write_avro(table, f"{tmp_path}/d/")
    assert len(list((tmp_path / "d").glob("*.avro"))) == 1


def test_streams_and_lazy_frames(tmp_path):
    path = tmp_path / "x.avro"
    batches = (pa.record_batch({"a": list(range(at, at + 100))}) for at in range(0, 10_000, 100))
    reader = pa.RecordBatchReader.from_batches(pa.schema([("a", pa.int64())]), batches)
    assert avro_sql.write_avro(reader, path) == 10_000
    assert avro_sql.read_avro(path).to_pyarrow()["a"].to_pylist() == list(range(10_000))
    lazy = pl.LazyFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]}).filter(pl.col("a") > 1)
    assert avro_sql.write_avro(lazy, path) == 2
    assert read(path)[1] == [{"a": 2, "b": "y"}, {"a": 3, "b": "z"}]
    assert avro_sql.write_avro([{"a": 1, "b": [1.5]}], path) == 1
    assert avro_sql.write_avro(TABLE.slice(0, 0), path) == 0 and read(path)[1] == []


def test_scan_to_file_keeps_the_schema(events, tmp_path):
    path = tmp_path / "x.avro"
    avro_sql.write_avro(avro_sql.read_avro(events), path, codec="null")
    assert avro_sql.read_avro(path).avro_schema == avro_sql.read_avro(events).avro_schema
    with open(events, "rb") as a, open(path, "rb") as b:
        assert list(fastavro.reader(a)) == list(fastavro.reader(b))


def test_failed_write_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "x.avro"
    avro_sql.write_avro(TABLE, path)

    def batches():
        yield pa.record_batch({"a": [1]})
        raise RuntimeError("no \0 more")

    reader = pa.RecordBatchReader.from_batches(pa.schema([("a", pa.int64())]), batches())
    with pytest.raises(avro_sql.AvroError, match="rows to write: .*no"):
        avro_sql.write_avro(reader, path)
    assert read(path)[1] == TABLE.to_pylist()
    assert [found.name for found in tmp_path.iterdir()] == ["x.avro"]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"path": "no/such/directory.x/y.avro"}, None, None),
        ({"path": "none"}, ValueError, "no extension"),
        ({"codec": "lz4"}, avro_sql.QueryError, "option `codec`"),
        ({"level": 99, "codec": "zstandard"}, avro_sql.QueryError, "level 99"),
        ({"schema": '{"type": "record", "name": "R", "fields": []}'}, avro_sql.QueryError, "no field `a`"),
        ({"schema": "{"}, avro_sql.AvroError, ""),
        ({"options": {"nope": 1}}, avro_sql.QueryError, "nope"),
        ({"partition_by": ["nope"]}, avro_sql.QueryError, "nope"),
    ],
)
def test_errors(options, error, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = {"path": "x.avro", **options}
    if error is None:
        # Directories of the path are created, as in SQL.
        assert avro_sql.write_avro(TABLE, arguments["path"]) == 3
        return
    with pytest.raises(error) as raised:
        avro_sql.write_avro(TABLE, **arguments)
    assert text in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_objects_without_rows():
    with pytest.raises(TypeError, match="expected a table"):
        avro_sql.write_avro(7, "x.avro")
