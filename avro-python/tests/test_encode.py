"""`MessageEncoder`: rows as messages, compared with fastavro's encoding and confluent-kafka's framing."""

from __future__ import annotations

import io
import struct
import uuid

import fastavro
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from conftest import EVENT, event
from test_messages import confluent, datum

import avro_sql

SCHEMA = {"type": "record", "name": "E", "fields": [
    {"name": "id", "type": "long"}, {"name": "k", "type": ["null", "string"], "default": None}]}
ROWS = [{"id": at, "k": None if at % 3 == 0 else f"text {at}"} for at in range(100)]
EXPECTED = [confluent(7, SCHEMA, row) for row in ROWS]


@pytest.mark.parametrize("rows", [
    lambda: ROWS, lambda: pa.Table.from_pylist(ROWS), lambda: pl.DataFrame(ROWS), lambda: pl.DataFrame(ROWS).lazy(),
    lambda: pa.concat_tables([pa.Table.from_pylist(ROWS[:30]), pa.Table.from_pylist(ROWS[30:])]),
    lambda: pa.Table.from_pylist(ROWS).to_reader(max_chunksize=7), lambda: pa.RecordBatch.from_pylist(ROWS),
    lambda: pd.DataFrame(ROWS), lambda: avro_sql.sql("SELECT * FROM t", t=pa.Table.from_pylist(ROWS)),
])
def test_rows_of_all_kinds(rows):
    encoder = avro_sql.MessageEncoder(SCHEMA, id=7)
    for _ in range(2):
        assert encoder.encode(rows()).to_list() == EXPECTED


def test_messages_are_a_sequence_and_an_arrow_array():
    messages = avro_sql.MessageEncoder(SCHEMA, id=7).encode(ROWS)
    assert len(messages) == 100 and list(messages) == EXPECTED and messages[-1] == EXPECTED[-1]
    assert messages[98:] == EXPECTED[98:] and messages.index(EXPECTED[5]) == 5 and messages == messages
    with pytest.raises(IndexError):
        messages[100]
    array = messages.to_pyarrow()
    assert array.type == pa.binary() and array.to_pylist() == EXPECTED
    assert pl.Series("m", messages).to_list() == EXPECTED
    assert avro_sql.MessageDecoder(schemas={7: SCHEMA}).decode(messages).to_pyarrow().to_pylist() == ROWS
    assert pa.table({"value": messages}).column("value").to_pylist() == EXPECTED


@pytest.mark.parametrize(("framing", "key", "prefix"), [
    ("confluent", 7, b"\0" + struct.pack(">I", 7)),
    ("confluent", 2**32 - 1, b"\0\xff\xff\xff\xff"),
    ("confluent", uuid.UUID(int=2**90 + 3), b"\1" + uuid.UUID(int=2**90 + 3).bytes),
    ("confluent", str(uuid.UUID(int=5)), b"\1" + uuid.UUID(int=5).bytes),
    ("apicurio", 2**40, b"\0" + struct.pack(">Q", 2**40)),
    ("apicurio-4", 9, b"\0" + struct.pack(">I", 9)),
    ("single-object", None, b"\xc3\x01" + avro_sql.Schema(SCHEMA).fingerprint()),
    ("bare", None, b""),
])
def test_framings(framing, key, prefix):
    encoder = avro_sql.MessageEncoder(SCHEMA, framing=framing, id=key)
    assert encoder.encode(ROWS[:3]).to_list() == [prefix + datum(SCHEMA, row) for row in ROWS[:3]]


def test_confluent_reads_the_messages():
    """The serializer of confluent-kafka makes the same bytes, and its deserializer the rows."""
    from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
    from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    client = SchemaRegistryClient.new_client({"url": "mock://"})
    text = avro_sql.Schema(EVENT).json
    key = client.register_schema("events-value", Schema(text, "AVRO"))
    context = SerializationContext("events", MessageField.VALUE)
    rows = [event(at) for at in range(50)]
    messages = avro_sql.MessageEncoder(EVENT, id=key).encode(
        [{**row, "value": {"long": row["value"] if isinstance(row["value"], int) else None,
                           "string": row["value"] if isinstance(row["value"], str) else None}} for row in rows])
    serialize, deserialize = AvroSerializer(client, text), AvroDeserializer(client)
    assert messages.to_list() == [serialize(row, context) for row in rows]
    assert [deserialize(message, context) for message in messages] == rows


def test_scans_keep_their_schema(events, rows):
    encoder = avro_sql.MessageEncoder(framing="bare")
    assert encoder.schema is None
    messages = encoder.encode(avro_sql.read_avro(events))
    assert encoder.schema.to_python()["name"] == "Event"
    parsed = fastavro.parse_schema(EVENT)
    assert [fastavro.schemaless_reader(io.BytesIO(message), parsed) for message in messages] == rows


def test_schema_of_the_columns():
    encoder = avro_sql.MessageEncoder(id=1)
    assert encoder.encode(pa.table({"a": [1]})).to_list() == [b"\0\0\0\0\1\2\2"]
    assert [field["name"] for field in encoder.schema.to_python()["fields"]] == ["a"]
    assert encoder.encode(pa.table({"b": ["x"]})).to_list() == [b"\0\0\0\0\1\2\2x"]
    assert [field["name"] for field in encoder.schema.to_python()["fields"]] == ["b"]
    assert avro_sql.MessageEncoder("long", id=1).encode(pa.table({"x": [3]})).to_list() == [b"\0\0\0\0\1\6"]


def test_no_rows():
    encoder = avro_sql.MessageEncoder(SCHEMA, id=7)
    empty = encoder.encode(pa.Table.from_pylist(ROWS).slice(0, 0))
    assert len(empty) == 0 and empty.to_list() == [] and empty.to_pyarrow().to_pylist() == []


def test_keys_of_later_rows_are_columns():
    rows = [{"id": 1}, {"id": 2, "k": "x"}]
    assert avro_sql.MessageEncoder(SCHEMA, id=7).encode(rows).to_list() == [
        confluent(7, SCHEMA, {"id": 1, "k": None}), confluent(7, SCHEMA, {"id": 2, "k": "x"})]


@pytest.mark.parametrize(("arguments", "rows", "kind", "text"), [
    ({"id": None}, None, ValueError, "id: pass the id"),
    ({"id": 1, "framing": "bare"}, None, ValueError, "carry no id"),
    ({"id": 1, "framing": "nope"}, None, ValueError, "framing"),
    ({"id": 2**32}, None, avro_sql.QueryError, "four bytes"),
    ({"id": str(uuid.UUID(int=1)), "framing": "apicurio"}, None, avro_sql.QueryError, "cannot carry"),
    ({"id": "x"}, None, ValueError, "id: expected an integer or a GUID"),
    ({"id": 1}, [{"nope": 1}], avro_sql.QueryError, "nope"),
    ({"id": 1}, pa.table({"id": [1, None], "k": ["x", "y"]}), avro_sql.AvroError, "id"),
    ({"id": 1}, 7, TypeError, "expected a table"),
])
def test_errors(arguments, rows, kind, text):
    with pytest.raises(kind, match=text):
        avro_sql.MessageEncoder(SCHEMA, **arguments).encode(rows)


def test_error_has_the_row():
    batches = [pa.record_batch({"id": pa.array(ids, pa.int64())}) for ids in ([1, 2, 3], [4, None])]
    with pytest.raises(avro_sql.AvroError) as error:
        avro_sql.MessageEncoder(SCHEMA, id=1).encode(pa.Table.from_batches(batches))
    assert error.value.row == 4 and error.value.field == "id"
