"""Tables of the package `datafusion`, whose engine is another one: answers equal those of its own Arrow tables."""

from __future__ import annotations

import datafusion
import pyarrow
import pyarrow.compute
import pytest
from conftest import container

import avro_sql


def lines(frame):
    return sorted(map(str, frame.to_pylist()))


@pytest.fixture
def contexts(events):
    """A context whose table is a scan, and one whose table has the same rows in memory."""
    scanned, in_memory = datafusion.SessionContext(), datafusion.SessionContext()
    scanned.register_table("t", avro_sql.read_avro(events))
    in_memory.from_arrow(avro_sql.read_avro(events, strings="view"), "t")
    return scanned, in_memory


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*), sum(id) FROM t",
        "SELECT kind, count(*) AS n, max(id) FROM t GROUP BY kind",
        "SELECT id, kind FROM t WHERE id BETWEEN 10 AND 20 OR id IN (5, 7) OR id = 9999",
        "SELECT id FROM t WHERE kind = 'buy' AND NOT (id > 100) ORDER BY id LIMIT 3",
        "SELECT id FROM t WHERE kind >= 'b' AND kind <> 'view' LIMIT 0",
        'SELECT "user" FROM t WHERE id < 5',
        "SELECT \"user\"['name'] AS name FROM t WHERE \"user\"['name'] IS NOT NULL AND id < 9",
        "SELECT id, tags FROM t WHERE array_length(tags) = 2 AND id < 30",
        "SELECT id FROM t WHERE upper(kind) = 'BUY' AND id % 1000 = 1",
        "SELECT id FROM t WHERE kind LIKE 'b%' AND id < 10",
        "SELECT id FROM t WHERE id = 3.0 OR CAST(id AS VARCHAR) = '17'",
        "SELECT a.id FROM t a JOIN t b ON a.id = b.id + 9990",
        "SELECT count(*) FROM (SELECT DISTINCT kind FROM t)",
    ],
)
def test_queries(contexts, query):
    scanned, in_memory = contexts
    assert lines(scanned.sql(query)) == lines(in_memory.sql(query))


def test_functions_of_the_other_engine(contexts):
    double = datafusion.udf(
        lambda ids: pyarrow.compute.multiply(ids, 2), [pyarrow.int64()], pyarrow.int64(), "immutable", "unknown_here"
    )
    for context in contexts:
        context.register_udf(double)
    scanned, in_memory = contexts
    query = "SELECT id FROM t WHERE unknown_here(id) = 8 OR unknown_here(id) > 19990"
    assert lines(scanned.sql(query)) == lines(in_memory.sql(query))


def test_plan_has_columns_and_filters(contexts):
    scanned, _ = contexts
    plan = str(scanned.sql("SELECT kind FROM t WHERE id < 10").execution_plan().display_indent())
    assert "avro_sql" in plan and "decoded=[id, kind]" in plan and "id@0 < 10" in plan, plan


def test_selection(events):
    context = datafusion.SessionContext()
    scan = avro_sql.read_avro(events, columns=["id", "user.name"], where="kind = 'buy'", n_rows=100)
    context.register_table("t", scan)
    expected = [{"n": 100, "id": max(scan.to_pyarrow()["id"].to_pylist())}]
    assert context.sql("SELECT count(*) AS n, max(id) AS id FROM t").to_pylist() == expected
    assert context.sql('SELECT "user.name" FROM t WHERE id < 0').to_pylist() == []


def test_table_lives_longer_than_its_scan(events):
    context = datafusion.SessionContext()
    context.register_table("t", avro_sql.read_avro(events))
    for _ in range(3):
        assert context.sql("SELECT count(*) AS n FROM t").to_pylist() == [{"n": 10_000}]
    batches = context.sql("SELECT id FROM t").execute_stream()
    next(iter(batches))
    context.deregister_table("t")
    del context
    assert sum(batch.to_pyarrow().num_rows for batch in batches) > 0


def test_damaged_file_is_an_error(tmp_path):
    path = tmp_path / "damaged.avro"
    damaged = container({"type": "record", "name": "R", "fields": [{"name": "x", "type": "int"}]}, [{"x": 1}] * 1000)
    path.write_bytes(damaged[:-20])
    context = datafusion.SessionContext()
    context.register_table("t", avro_sql.read_avro(str(path)))
    with pytest.raises(Exception, match=r"damaged\.avro"):
        context.sql("SELECT sum(x) FROM t").collect()


def test_stored_as_avro(events, tmp_path):
    context = datafusion.SessionContext()
    context.register_table_factory("AVRO", avro_sql.AvroTableFactory())
    context.sql(f"CREATE EXTERNAL TABLE t STORED AS AVRO LOCATION '{events}'")
    assert context.sql("SELECT count(*) AS n, sum(id) AS s FROM t WHERE kind = 'buy'").to_pylist() == [
        {"n": 5_000, "s": 25_000_000}
    ]
    context.sql(f"CREATE EXTERNAL TABLE v STORED AS AVRO LOCATION '{events}' OPTIONS (virtual_columns true)")
    assert context.sql("SELECT max(_row) AS row FROM v").to_pylist() == [{"row": 9_999}]
    with pytest.raises(Exception, match="no such file"):
        context.sql(f"CREATE EXTERNAL TABLE n STORED AS AVRO LOCATION '{tmp_path}/none.avro'")
    with pytest.raises(Exception, match="unknown Avro option"):
        context.sql(f"CREATE EXTERNAL TABLE o STORED AS AVRO LOCATION '{events}' OPTIONS (wrong 1)")


def test_other_version_is_refused(events, monkeypatch):
    monkeypatch.setattr(datafusion, "__version__", "54.1.0")
    with pytest.raises(ImportError, match=r"tables for datafusion 55, and 54\.1\.0 is installed"):
        avro_sql.read_avro(events).__datafusion_table_provider__(None)
    with pytest.raises(ImportError):
        avro_sql.AvroTableFactory().__datafusion_table_provider_factory__(None)
