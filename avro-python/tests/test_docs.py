"""The examples of `docs/python.md` and of the package's README run."""

from __future__ import annotations

import re
import struct

import pytest
from conftest import EVENT, WORKSPACE, container, event
from test_messages import confluent, datum

import avro_sql

PAGE = (WORKSPACE / "docs/python.md").read_text(encoding="utf-8")
SECTIONS = {
    section.split("\n", 1)[0]: re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    for section in PAGE.split("\n## ")[1:]
}


class Message:
    def __init__(self, value):
        self.value = lambda: value
        self.partition = lambda: 3
        self.offset = lambda: 42


class Consumer:
    def consume(self, _count, timeout):
        schema = {"type": "record", "name": "Event", "fields": [{"name": "id", "type": "long"}]}
        values = [struct.pack(">bI", 0, 7) + datum(schema, {"id": at}) for at in range(10)]
        return [Message(value) for value in [*values, None, b"bad"]]


class Producer:
    def __init__(self):
        self.messages = []

    def produce(self, topic, message):
        self.messages.append((topic, message))


class Registry:
    def register_schema(self, subject, schema):
        return 7

    def get_schema(self, key):
        assert key == 7
        self.schema_str = '{"type": "record", "name": "Event", "fields": [{"name": "id", "type": "long"}]}'
        return self


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "events").mkdir()
    for at in range(3):
        rows = [event(n) for n in range(at * 1_000, at * 1_000 + 1_000)]
        (tmp_path / f"events/{at}.avro").write_bytes(container(EVENT, rows, sync_interval=2_000))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(section, **names):
    assert SECTIONS[section], section
    for code in SECTIONS[section]:
        exec(compile(code, f"docs/python.md, {section}", "exec"), names)
    return names


def test_all_sections_with_code_are_tested():
    # test_spark.py has that of PySpark.
    tested = {"PySpark", "Polars", "pandas", "DuckDB", "A Kafka consumer", "A Kafka producer", "Parquet", "DataFusion", "SQL"}
    tested |= {"Schemas", "Errors"}
    assert {name for name, code in SECTIONS.items() if code} == tested


def test_polars(folder):
    names = run("Polars")
    assert names["top"]["len"].to_list() == [30, 30, 30]
    assert len(avro_sql.read_avro("top.avro")) == 3 and len(avro_sql.read_avro("buys.avro")) == 1_500


def test_pandas(folder):
    run("pandas")
    assert avro_sql.read_avro("frame.avro").to_pyarrow()["name"][0].as_py() == "USER 1"


def test_duckdb(folder):
    run("DuckDB")


def test_kafka(capsys):
    names = run("A Kafka consumer", consumer=Consumer(), registry=Registry())
    assert names["frame"]["id"].to_list() == list(range(10)) and names["frame"]["note"].to_list() == [""] * 10
    assert capsys.readouterr().out.startswith("partition 3, offset 42: not a message in Confluent's framing")


def test_kafka_producer():
    from confluent_kafka.schema_registry import Schema

    names = run("A Kafka producer", producer=Producer(), registry=Registry(), Schema=Schema)
    schema = names["schema"].to_python()
    rows = [{"id": 1, "note": "a"}, {"id": 2, "note": "b"}]
    assert names["producer"].messages == [("events", confluent(7, schema, row)) for row in rows]


def test_parquet(folder):
    names = run("Parquet")
    assert names["count"] == 3_000
    [(count,)] = avro_sql.sql("SELECT count(*) FROM 'other.parquet'").fetchall()
    assert count == 3_000


@pytest.mark.parametrize("section", ["DataFusion", "SQL", "Schemas", "Errors"])
def test_other_sections(section, folder):
    run(section)


def test_defaults_are_as_documented(folder):
    import pyarrow as pa

    schema = avro_sql.read_avro("events/").schema
    assert pa.types.is_dictionary(schema.field("kind").type)
    assert pa.types.is_struct(schema.field("value").type)
    assert schema.field("user").type.field("name").type == pa.string()
