"""Messages: framings, schemas, bad messages; values as confluent-kafka's framing and fastavro's encoding have them."""

from __future__ import annotations

import io
import struct
import uuid

import fastavro
import polars as pl
import pyarrow as pa
import pytest
from conftest import EVENT, event

import avro_sql

V1 = {"type": "record", "name": "E", "fields": [{"name": "id", "type": "long"}, {"name": "k", "type": "string"}]}
V2 = {"type": "record", "name": "E", "fields": [*V1["fields"], {"name": "n", "type": "int"}]}
READER = {"type": "record", "name": "E", "fields": [
    {"name": "id", "type": "long"}, {"name": "n", "type": "int", "default": -1}]}


def datum(schema, value) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


def confluent(key: int, schema, value) -> bytes:
    return struct.pack(">bI", 0, key) + datum(schema, value)


def test_versions_resolve_to_the_reader_schema():
    decoder = avro_sql.MessageDecoder(READER, schemas={1: V1, 2: V2})
    rows = decoder.decode([confluent(1 + at % 2, (V1, V2)[at % 2], {"id": at, "k": "x", "n": at}) for at in range(1_000)])
    assert rows.to_pyarrow().to_pylist() == [{"id": at, "n": at if at % 2 else -1} for at in range(1_000)]
    assert rows.indexes == range(1_000) and rows.errors == []


def test_bad_messages_are_reported_by_index():
    good = confluent(1, V1, {"id": 5, "k": "x"})
    messages = [good, None, good[:-1], b"\x07", good, confluent(9, V1, {"id": 1, "k": ""}), b"", good]
    decoder = avro_sql.MessageDecoder(schemas={1: V1})
    for _ in range(2):  # indexes are those of the call
        rows = decoder.decode(messages)
        assert list(rows.indexes) == [0, 4, 7] and len(rows) == 3
        assert [at for at, _ in rows.errors] == [2, 3, 5, 6]
        assert [error.message_index for _, error in rows.errors] == [2, 3, 5, 6]
        kinds = [type(error) for _, error in rows.errors]
        assert kinds == [avro_sql.DataError, avro_sql.DataError, avro_sql.SchemaError, avro_sql.DataError]
        assert rows.errors[0][1].field == "k"


@pytest.mark.parametrize("messages", [
    lambda m: pa.array(m, pa.binary()), lambda m: pa.array(m, pa.large_binary()), lambda m: pa.array(m, pa.binary_view()),
    lambda m: pa.chunked_array([m[:2], m[2:]], pa.binary()), lambda m: pl.Series(m), lambda m: iter(m), lambda m: tuple(m),
    lambda m: pa.array([b"?", *m])[1:], lambda m: [bytearray(x) if x else x for x in m],
])
def test_inputs(messages):
    made = [confluent(1, V1, {"id": at, "k": "x" * at}) if at != 3 else None for at in range(20)]
    rows = avro_sql.MessageDecoder(schemas={1: V1}).decode(messages(made))
    assert rows.to_polars()["id"].to_list() == [at for at in range(20) if at != 3]
    assert list(rows.indexes) == [at for at in range(20) if at != 3]


def test_framings():
    value = {"id": 7, "k": "x"}
    bare = datum(V1, value)
    guid = uuid.UUID(int=2**90 + 3)
    rabin = avro_sql.Schema(V1).fingerprint()
    cases = [
        ("bare", V1, bare), ("single-object", [V2, V1], b"\xc3\x01" + rabin + bare),
        ("apicurio", {8: V1}, b"\0" + struct.pack(">Q", 8) + bare), ("apicurio-4", {8: V1}, b"\0\0\0\0\x08" + bare),
        ("confluent", {str(guid): V1}, b"\1" + guid.bytes + bare),
    ]
    for framing, schemas, message in cases:
        decoder = avro_sql.MessageDecoder(framing=framing, schemas=schemas)
        rows = decoder.decode([message])
        assert rows.errors == [] and rows.to_pyarrow().to_pylist() == [value], framing
        assert decoder.decode([b"\x55" * 3]).errors, framing


def test_function_is_asked_once_for_each_id():
    asked = []

    def schema_of(key):
        asked.append(key)
        return {1: V1}.get(key)

    decoder = avro_sql.MessageDecoder(schemas=schema_of)
    message = confluent(1, V1, {"id": 1, "k": "x"})
    for _ in range(3):
        rows = decoder.decode([message, confluent(2, V1, {"id": 1, "k": "x"}), message])
        assert len(rows) == 2 and [at for at, _ in rows.errors] == [1]
    assert asked == [1, 2]


def test_exception_of_the_function_is_raised_and_may_be_retried():
    down = [True]

    def schema_of(key):
        if down[0]:
            raise ConnectionError("the registry is down")
        return avro_sql.Schema(V1)

    decoder = avro_sql.MessageDecoder(schemas=schema_of)
    message = confluent(1, V1, {"id": 1, "k": "x"})
    with pytest.raises(ConnectionError, match="registry is down"):
        decoder.decode([message])
    down[0] = False
    assert len(decoder.decode([message])) == 1


def test_values_of_the_framing_of_confluent():
    from confluent_kafka.schema_registry.serde import SchemaId

    value = event(2)
    prefix = SchemaId("AVRO", 77).id_to_bytes()
    rows = avro_sql.MessageDecoder(schemas={77: EVENT}, enums="string").decode([prefix + datum(EVENT, value)])
    assert rows.errors == []
    [row] = rows.to_pyarrow().to_pylist()
    assert row == {**value, "value": {"long": None, "string": "text 2"}}


def test_errors():
    for arguments in [{}, {"framing": "bare"}, {"schemas": {1: V1}, "framing": "nope"}, {"schemas": {"x": V1}},
                      {"schemas": {1: {"type": "nope"}}}]:
        with pytest.raises(ValueError):
            avro_sql.MessageDecoder(**arguments)
    with pytest.raises(TypeError):
        avro_sql.MessageDecoder(schemas={1: V1}).decode(pa.array([1]))
    with pytest.raises(TypeError):
        avro_sql.MessageDecoder(schemas={1: V1}).decode(["text"])
    assert len(avro_sql.MessageDecoder(schemas={1: V1}).decode([])) == 0
