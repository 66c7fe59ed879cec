"""Schema tools, against fastavro."""

from __future__ import annotations

import fastavro.schema
import polars as pl
import pyarrow as pa
import pytest
from conftest import EVENT

import avro_sql
from avro_sql import Schema

OLD = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}
NEW = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}, {"name": "b", "type": "string"}]}


def test_canonical_form_and_fingerprints_are_those_of_fastavro():
    schema = Schema(EVENT)
    canonical = fastavro.schema.to_parsing_canonical_form(EVENT)
    assert schema.canonical_form == canonical
    for ours, theirs in [("rabin", "CRC-64-AVRO"), ("md5", "md5"), ("sha256", "sha256")]:
        assert schema.fingerprint(ours).hex() == fastavro.schema.fingerprint(canonical, theirs)


def test_forms(tmp_path):
    path = tmp_path / "x.avsc"
    path.write_text('{"type": "map", "values": "int"}')
    assert Schema(path) == Schema(str(path)) == Schema({"type": "map", "values": "int"})
    assert Schema(path).to_python() == {"type": "map", "values": "int"}
    assert Schema("long").to_python() == "long" and Schema(["null", "int"]).to_python() == ["null", "int"]
    assert Schema(Schema(EVENT)) == Schema(EVENT) and len({Schema(EVENT), Schema(EVENT)}) == 1


def test_compat():
    assert Schema(OLD).compat(OLD) == []
    assert [str(m) for m in Schema(NEW).compat(OLD)] == ["a: long cannot be read as int"]
    [mismatch] = Schema(OLD).compat(Schema(NEW))
    assert mismatch.always and "`b`" in mismatch.reason and str(mismatch) == mismatch.reason


def test_merge():
    merged = Schema.merge({"old": OLD, "new": NEW})
    assert [field["name"] for field in merged.to_python()["fields"]] == ["a", "b"]
    assert Schema(OLD).compat(merged) == [] and Schema(NEW).compat(merged) == []
    other = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]}
    with pytest.raises(avro_sql.SchemaError, match="old.*other"):
        Schema.merge({"old": OLD, "other": other})
    assert Schema.merge([OLD, other], widen=True).to_python()["fields"][0]["type"]


def test_arrow():
    schema = Schema.from_arrow(pa.schema([("a", pa.int32()), pa.field("b", pa.list_(pa.string()), nullable=False)]))
    assert schema.to_python()["fields"][0] == {"name": "a", "type": ["null", "int"], "default": None}
    assert schema.arrow.names == ["a", "b"] and pa.schema(schema).names == ["a", "b"]
    assert Schema.from_arrow(pl.DataFrame({"x": [1.5]}).to_arrow().schema).to_python()["fields"][0]["name"] == "x"
    with pytest.raises(avro_sql.SchemaError):
        Schema.from_arrow(pa.schema([("a", pa.month_day_nano_interval()), ("b", pa.decimal128(5, -1))]))


@pytest.mark.parametrize("schema", ["{", {"type": "nope"}, {"type": "record", "name": "a b", "fields": 3}, "nope", 7])
def test_errors(schema):
    with pytest.raises(avro_sql.SchemaError):
        Schema(schema)
