"""PySpark, if it is installed: the data source reads what the package reads."""

from __future__ import annotations

import os
import sys

import pytest
from conftest import EVENT, WORKSPACE, container, event

import avro_sql

pyspark = pytest.importorskip("pyspark", minversion="4.1")


@pytest.fixture(scope="module")
def spark():
    from pyspark.sql import SparkSession

    from avro_sql.spark import AvroDataSource

    # Spark starts workers, which must find this package.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.python.filterPushdown.enabled", "true")
        .getOrCreate()
    )
    session.dataSource.register(AvroDataSource)
    yield session
    session.stop()


def test_rows_and_conditions(spark, tmp_path):
    for at in range(3):
        (tmp_path / f"{at}.avro").write_bytes(container(EVENT, [event(n) for n in range(at * 100, at * 100 + 100)]))
    frame = spark.read.format("avro_sql").load(str(tmp_path) + "/")
    assert frame.rdd.getNumPartitions() == 3
    assert frame.count() == 300
    expected = avro_sql.read_avro(tmp_path, enums="string").to_pyarrow()
    rows = [row.asDict(recursive=True) for row in frame.orderBy("id").collect()]
    assert rows == expected.to_pylist()
    assert frame.where("id > 250 and kind = 'buy' and user.age is not null").select("id").orderBy("id").toPandas()[
        "id"
    ].tolist() == [n for n in range(251, 300) if n % 2 and n % 3]
    few = spark.read.format("avro_sql").schema("id long, kind string").option("where", "id < 3").load(str(tmp_path))
    assert [tuple(row) for row in few.orderBy("id").collect()] == [(0, "view"), (1, "buy"), (2, "view")]


def test_example_of_the_docs(spark, tmp_path, monkeypatch):
    (tmp_path / "events").mkdir()
    (tmp_path / "events/a.avro").write_bytes(container(EVENT, [event(1)]))
    monkeypatch.chdir(tmp_path)
    page = (WORKSPACE / "docs/python.md").read_text(encoding="utf-8")
    code = page.split("## PySpark", 1)[1].split("```python\n", 1)[1].split("```", 1)[0]
    code = code.replace('"events/"', repr(f"{tmp_path}/events/"))  # Spark's workers have a folder of their own
    exec(compile(code, "docs/python.md", "exec"), {"spark": spark})


def test_files_of_two_schemas(spark, tmp_path):
    (tmp_path / "a.avro").write_bytes(container(EVENT, [event(1)]))
    narrow = {"type": "record", "name": "Event", "fields": [{"name": "id", "type": "int"}]}
    (tmp_path / "b.avro").write_bytes(container(narrow, [{"id": 7}]))
    frame = spark.read.format("avro_sql").load(str(tmp_path))
    assert [(row.id, row.kind) for row in frame.orderBy("id").collect()] == [(1, "buy"), (7, None)]


def test_errors(spark):
    with pytest.raises(Exception, match="no such file"):
        spark.read.format("avro_sql").load("no/such.avro").count()
