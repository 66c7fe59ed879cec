"""`read_avro`: sources, selections, errors."""

from __future__ import annotations

import io
import pathlib

import pyarrow as pa
import pytest
from conftest import EVENT, TESTDATA, container, event

import avro_sql


def test_rows_are_those_of_fastavro(events, rows):
    table = avro_sql.read_avro(events, enums="string").to_pyarrow()
    assert table.drop(["value"]).to_pylist() == [{k: v for k, v in row.items() if k != "value"} for row in rows]
    values = table["value"].to_pylist()
    assert [v if v is None else next((x for x in v.values() if x is not None), None) for v in values] == [
        row["value"] for row in rows
    ]


@pytest.mark.parametrize("kind", ["path", "str", "list", "glob", "directory", "bytes", "bytearray", "file", "BytesIO"])
def test_sources(kind, events, rows):
    path = pathlib.Path(events)
    source = {
        "path": path,
        "str": events,
        "list": [events],
        "glob": str(path.parent / "*.avro"),
        "directory": str(path.parent) + "/",
        "bytes": path.read_bytes(),
        "bytearray": bytearray(path.read_bytes()),
        "file": path.open("rb"),
        "BytesIO": io.BytesIO(path.read_bytes()),
    }[kind]
    scan = avro_sql.read_avro(source)
    assert len(scan) == len(rows)
    assert scan.to_pyarrow()["id"].to_pylist() == list(range(len(rows)))


def test_several_sources_are_one_table_in_order():
    files = [container(EVENT, [event(at) for at in range(from_, from_ + 10)]) for from_ in (0, 10, 20)]
    assert avro_sql.read_avro(files).to_pyarrow()["id"].to_pylist() == list(range(30))
    wider = container({"type": "record", "name": "Event", "fields": [{"name": "id", "type": "long"}]}, [{"id": 5}])
    assert avro_sql.read_avro([files[0], wider]).to_pyarrow()["user"].null_count == 1


def test_selection(events):
    scan = avro_sql.read_avro(events, columns=["user.name", "id"], where="kind = 'buy' AND id < 10 -- comment", n_rows=3)
    assert scan.columns == ["user.name", "id"]
    assert scan.to_pyarrow().to_pylist() == [{"user.name": f"user {n}", "id": n} for n in (1, 3, 5)]
    assert len(scan) == 3
    assert len(avro_sql.read_avro(events, where="kind = 'buy'")) == 5_000
    assert len(avro_sql.read_avro(events, n_rows=7)) == 7


def test_names_with_dots_and_quotes(tmp_path):
    table = pa.table({'a"b': [1], "Ab": [3], "r": [{"x y": 4, "q": {"z": 5}}]})
    assert avro_sql.sql('SELECT "a""b", "Ab" FROM t', t=table).fetchall() == [(1, 3)]
    path = tmp_path / "x.avro"
    avro_sql.write_avro(table.drop(['a"b']), path)
    scan = avro_sql.read_avro(path)
    assert scan.columns == ["Ab", "r"]
    with pytest.raises(avro_sql.QueryError, match="no column `ab`"):
        avro_sql.read_avro(path, columns=["ab"]).to_pyarrow()
    assert avro_sql.read_avro(path, columns=["r.q.z"]).to_pyarrow().to_pylist() == [{"r.q.z": 5}]


def test_reading_again_and_again(events):
    scan = avro_sql.read_avro(events, columns=["id"])
    first = scan.to_pyarrow()
    assert scan.to_pyarrow().equals(first)
    assert pa.table(scan).equals(first)
    assert pa.RecordBatchReader.from_stream(scan).read_all().equals(first)
    assert pa.schema(scan) == first.schema == scan.schema


def test_repr(events):
    assert repr(avro_sql.read_avro(events, columns=["id"])) == "<avro_sql.Scan of id>"
    assert "no column `x`" in repr(avro_sql.read_avro(events, columns=["x"]))


def test_batches(events):
    scan = avro_sql.read_avro(events, batch_size=1_000)
    batches = list(scan)
    assert sum(len(batch) for batch in batches) == 10_000
    assert all(batch.num_rows <= 1_000 and batch.num_columns == 5 for batch in batches)
    assert pa.record_batch(batches[0])["id"][0].as_py() == 0
    # A reader that stops early cancels the query.
    assert next(iter(scan)).to_pyarrow()["id"][0].as_py() == 0


def test_reader_schema_and_avro_schema(events):
    reader = {"type": "record", "name": "Event", "fields": [
        {"name": "id", "type": "double"}, {"name": "new", "type": "string", "default": "x"}]}
    scan = avro_sql.read_avro(events, reader_schema=reader)
    assert scan.schema.names == ["id", "new"] and scan.schema.field("id").type == pa.float64()
    assert scan.to_pyarrow().slice(3, 1).to_pylist() == [{"id": 3.0, "new": "x"}]
    assert avro_sql.read_avro(events).avro_schema["name"] == "Event"


def test_unions_and_strings(events):
    dense = avro_sql.read_avro(events, unions="dense")
    assert pa.types.is_union(dense.schema.field("value").type)
    assert dense.to_pyarrow()["value"].to_pylist()[:5] == [None, 1, "text 2", None, 4]
    assert avro_sql.read_avro(events, strings="view").schema.field("user").type.field("name").type == pa.string_view()


def test_ignore_errors_lists_skipped_blocks(events):
    damaged = bytearray(pathlib.Path(events).read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    with pytest.raises(avro_sql.DataError) as error:
        avro_sql.read_avro(bytes(damaged)).to_pyarrow()
    assert error.value.block is not None and error.value.path
    scan = avro_sql.read_avro(bytes(damaged), ignore_errors=True)
    n_rows = scan.to_pyarrow().num_rows
    assert 0 < n_rows < 10_000
    [skipped] = scan.errors
    assert skipped["block"] == error.value.block and n_rows + skipped["rows"] == 10_000


def test_virtual_columns_and_options(events):
    scan = avro_sql.read_avro(events, virtual_columns=True, columns=["_row", "_file"], n_rows=2)
    assert scan.to_pyarrow().to_pylist() == [{"_row": n, "_file": events} for n in (0, 1)]
    wide = avro_sql.read_avro(events, options={"enums": "string"})
    assert wide.schema.field("kind").type == pa.string()


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda path: avro_sql.read_avro("no/such.avro"), FileNotFoundError, "no such file or directory: no/such.avro"),
        (lambda path: avro_sql.read_avro(__file__), avro_sql.DataError, "not an Avro container file"),
        (lambda path: avro_sql.read_avro(b""), avro_sql.DataError, ""),
        (lambda path: avro_sql.read_avro([]), ValueError, "at least one source"),
        (lambda path: avro_sql.read_avro(7), TypeError, ""),
        (lambda path: avro_sql.read_avro(io.StringIO("x")), TypeError, "mode 'rb'"),
        (lambda path: avro_sql.read_avro([path, b"x"]), ValueError, "all paths"),
        (lambda path: avro_sql.read_avro(path, columns=["user.nme"]).columns, ValueError, "no column `user.nme`"),
        (lambda path: avro_sql.read_avro(path, columns=[]).columns, avro_sql.QueryError, "empty"),
        (lambda path: avro_sql.read_avro(path, where="nope > 1").to_pyarrow(), avro_sql.QueryError, "no column `nope`"),
        (lambda path: avro_sql.read_avro(path, where="1 +").to_pyarrow(), avro_sql.QueryError, "expected"),
        (lambda path: avro_sql.read_avro(path, batch_size=0).to_pyarrow(), ValueError, "at least 1"),
        (lambda path: avro_sql.read_avro(path, n_rows=-1), ValueError, "0 or more"),
        (lambda path: avro_sql.read_avro(path, columns="id"), TypeError, "a list of names"),
        (lambda path: avro_sql.read_avro(path, unions="x"), ValueError, "'struct' or 'dense'"),
        (lambda path: avro_sql.read_avro(path, options={"nope": 1}), avro_sql.QueryError, "unknown Avro option `nope`"),
        (lambda path: avro_sql.read_avro(path, reader_schema="int").to_pyarrow(), avro_sql.SchemaError, ""),
        (lambda path: avro_sql.read_avro("s3://b/x", storage_options={"nope": 1}), avro_sql.QueryError, "`aws.nope`"),
    ],
)
def test_errors(call, error, text, events):
    with pytest.raises(error) as raised:
        call(events)
    assert text in str(raised.value)
    assert "\n" not in str(raised.value)


def test_error_attributes(events):
    damaged = container({"type": "record", "name": "R", "fields": [{"name": "a", "type": {"type": "array", "items": {
        "type": "record", "name": "B", "fields": [{"name": "s", "type": "string"}]}}}]}, [{"a": [{"s": "xyz"}]}])
    at = damaged.index(b"\x06xyz")
    damaged = damaged[:at] + b"\x05" + damaged[at + 1 :]
    with pytest.raises(avro_sql.AvroError) as error:
        avro_sql.read_avro(damaged).to_pyarrow()
    assert isinstance(error.value, ValueError)
    assert error.value.block == 0 and error.value.row == 0 and error.value.field == "a[].s"
    assert error.value.offset is not None and error.value.path.endswith(".avro")


def test_every_valid_file_can_be_read():
    for path in sorted((TESTDATA / "valid").glob("*.avro")):
        scan = avro_sql.read_avro(path)
        assert scan.to_pyarrow().num_rows == len(scan), path
