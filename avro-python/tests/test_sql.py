"""SQL: statements, parameters, tables."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
from conftest import EVENT, container, event

import avro_sql


def test_paths_are_tables(events):
    result = avro_sql.sql(f"SELECT kind, count(*) AS n FROM '{events}' GROUP BY ALL ORDER BY kind")
    assert result.fetchall() == [("buy", 5_000), ("view", 5_000)]
    assert result.columns == ["kind", "n"]
    assert result.to_polars()["n"].to_list() == result.to_pandas()["n"].to_list() == [5_000, 5_000]
    assert pa.table(result).num_rows == 2


def test_sql_is_that_of_the_command(events):
    """The rows of the package are the output of the command, for syntax that the command adds to the engine's."""
    for statement in [
        f"FROM '{events}' SELECT count(*) AS n",
        f"SELECT user.name AS who, list_sum([1, 2]) AS s FROM '{events}' WHERE id IN (3, 4)",
        f"SELECT typeof(value) AS t, value::VARCHAR AS v FROM '{events}' LIMIT 3",
        "SELECT 7 // 2 AS a, 1_000 AS b, 'x' || 1 AS c",
        f"SUMMARIZE '{events}'",
    ]:
        rows = avro_sql.sql(statement).to_pyarrow().to_pylist()
        command = subprocess.run(
            [sys.executable, "-m", "avro_sql", "--format", "ndjson", "-c", statement], capture_output=True, text=True, check=True
        )
        assert len(command.stdout.splitlines()) == len(rows)
        if "SUMMARIZE" not in statement:
            assert [json.loads(line) for line in command.stdout.splitlines()] == rows


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, 1), (-2.5, -2.5), (True, True), (None, None), ("it's $x", "it's $x"), ("1", "1"), ("null", "null"),
     (datetime.date(2024, 5, 1), "2024-05-01"), ("'q'", "'q'")],
)
def test_parameters_are_values(value, expected):
    [(found,)] = avro_sql.sql("SELECT $x AS x", {"x": value}).fetchall()
    assert found == expected and type(found) is type(expected)


def test_parameter_errors():
    with pytest.raises(avro_sql.QueryError, match="no value"):
        avro_sql.sql("SELECT $y", {"x": 1})
    with pytest.raises(TypeError, match="a list"):
        avro_sql.sql("SELECT $y", {"y": [1]})


def test_tables_of_all_kinds(events):
    data = {"a": [1, 2, 3], "b": ["x", "y", None]}
    tables = [pl.DataFrame(data), pd.DataFrame(data), pa.table(data), pa.table(data).to_reader(),
              [dict(zip(data, row)) for row in zip(*data.values())], pa.record_batch(data),
              avro_sql.sql("SELECT * FROM t", t=pa.table(data))]
    for table in tables:
        assert avro_sql.sql("SELECT sum(a) AS s, count(b) AS n FROM t", t=table).fetchall() == [(6, 2)], type(table)
    with pytest.raises(TypeError, match="__arrow_c_stream__"):
        avro_sql.connect().register("t", object())


def test_fields_of_null_records_are_null():
    """A null record of pyarrow may have values in its fields."""
    records = pa.StructArray.from_arrays([pa.array([1, 2])], names=["x"], mask=pa.array([False, True]))
    connection = avro_sql.connect()
    connection.register("t", pa.table({"r": records}))
    rows = connection.sql("SELECT r.x AS x, r IS NULL AS gone FROM t").to_pyarrow().to_pylist()
    assert rows == [{"x": 1, "gone": False}, {"x": None, "gone": True}]


def test_scans_as_tables(events):
    connection = avro_sql.connect()
    connection.register("whole", avro_sql.read_avro(events))
    connection.register("part", avro_sql.read_avro(events, columns=["id", "user.name"], where="id >= 9990"))
    with open(events, "rb") as file:
        connection.register("bytes", avro_sql.read_avro(file))
    assert connection.sql("SELECT count(*) FROM whole").fetchall() == [(10_000,)]
    assert connection.sql('SELECT id, "user.name" FROM part ORDER BY id LIMIT 1').fetchall() == [(9_990, "user 90")]
    assert connection.sql("SELECT count(*) FROM bytes JOIN part USING (id)").fetchall() == [(10,)]
    assert connection.deregister("part") and not connection.deregister("part")
    with pytest.raises(avro_sql.QueryError, match="part"):
        connection.sql("SELECT * FROM part")


def test_statements_run_once(tmp_path):
    connection = avro_sql.connect(batch_size=100, threads=1)
    assert connection.sql("CREATE TABLE t AS SELECT 1 AS x").fetchall() == []
    connection.sql("INSERT INTO t VALUES (2)")
    assert connection.sql("SELECT count(*) FROM t").fetchall() == [(2,)]
    copied = connection.sql(f"COPY t TO '{tmp_path}/x.parquet'")
    assert copied.fetchall() == copied.fetchall() == [(2,)]
    assert pa.parquet.read_table(tmp_path / "x.parquet").num_rows == 2
    connection.sql("SET datafusion.execution.batch_size = 7")
    assert connection.sql("SHOW datafusion.execution.batch_size").fetchall()[0][1] == "7"


def test_columns_stay_in_memory(events):
    query = f"SELECT sum(id) FROM '{events}'"
    for column_cache, kept in [(None, True), (0, False)]:
        connection = avro_sql.connect(column_cache=column_cache)
        answers = [connection.sql(query).fetchall() for _ in range(3)]
        assert answers == [[(49_995_000,)]] * 3
        plan = str(connection.sql(f"EXPLAIN {query}").fetchall())
        assert ("memory=the file" in plan) == kept, plan


def test_queries_run_for_each_reader(tmp_path):
    path = tmp_path / "x.avro"
    path.write_bytes(container(EVENT, [event(1)]))
    result = avro_sql.sql(f"SELECT id FROM '{path}'")
    assert result.fetchall() == [(1,)]
    path.write_bytes(container(EVENT, [event(2)]))
    assert result.fetchall() == [(2,)]


@pytest.mark.parametrize(
    ("statement", "error", "text"),
    [
        ("SELECT nope FROM t", avro_sql.QueryError, "no column `nope`"),
        ("SELEC 1", avro_sql.QueryError, "line 1, column 1"),
        ("SELECT 1; SELECT 2", avro_sql.QueryError, "one SQL statement, found 2"),
        (" -- nothing", avro_sql.QueryError, "no SQL statement"),
        ("SELECT * FROM 'no/such.avro'", FileNotFoundError, "no/such.avro"),
        ("SELECT 1 / 0 FROM t", avro_sql.QueryError, "zero"),
    ],
)
def test_errors(statement, error, text):
    with pytest.raises(error) as raised:
        avro_sql.sql(statement, t=pa.table({"a": [1]})).fetchall()
    assert text in str(raised.value).lower() or text in str(raised.value)
    assert isinstance(raised.value, avro_sql.AvroError)


def test_command_exit_codes():
    command = [sys.executable, "-m", "avro_sql"]
    assert subprocess.run([*command, "--version"], capture_output=True, text=True).stdout.startswith("avro-sql ")
    done = subprocess.run([*command, "-c", "SELECT 1 AS x", "--format", "csv"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "x\n1\n")
    assert subprocess.run([*command, "-c", "SELECT nope"], capture_output=True).returncode == 1
    assert subprocess.run([*command, "--nope"], capture_output=True).returncode == 2
