"""S3, as moto has it: reading, writing, SQL, credentials, failures."""

from __future__ import annotations

import io
import subprocess
import sys

import boto3
import fastavro
import polars as pl
import pyarrow as pa
import pytest
from moto.server import ThreadedMotoServer

import avro_sql

SECRET = "s3cr3t/of+nobody"
TABLE = pa.table({"id": list(range(1_000)), "kind": [("view", "buy")[at % 2] for at in range(1_000)]})


@pytest.fixture(scope="module")
def s3():
    """A client of a server with the bucket `bucket`; its attribute `endpoint` is the URL of the server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1", aws_access_key_id="key",
                          aws_secret_access_key=SECRET)
    client.create_bucket(Bucket="bucket")
    client.endpoint = f"http://{host}:{port}"
    yield client
    server.stop()


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch, tmp_path):
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def options(s3):
    return {"endpoint": s3.endpoint, "region": "us-east-1", "access_key_id": "key", "secret_access_key": SECRET,
            "allow_http": True, "max_retries": 0}


@pytest.fixture
def environment(s3):
    """The variables of a process that has the store in its environment."""
    return {"AWS_ENDPOINT_URL": s3.endpoint, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_EC2_METADATA_DISABLED": "true", "PYTHONPATH": ":".join(sys.path)}


def keys(s3, prefix):
    return sorted(found["Key"] for found in s3.list_objects_v2(Bucket="bucket", Prefix=prefix).get("Contents", []))


def test_objects_are_written_and_read(s3, options):
    assert avro_sql.write_avro(TABLE, "s3://bucket/a/x.avro", codec="zstandard", storage_options=options) == 1_000
    body = s3.get_object(Bucket="bucket", Key="a/x.avro")["Body"].read()
    assert list(fastavro.reader(io.BytesIO(body))) == TABLE.to_pylist()
    scan = avro_sql.read_avro("s3://bucket/a/", storage_options=options)
    assert scan.files == ["s3://bucket/a/x.avro"] and len(scan) == 1_000
    assert scan.to_pyarrow().equals(TABLE.cast(scan.schema))
    lazy = avro_sql.scan_avro("s3://bucket/a/*.avro", storage_options=options)
    assert lazy.filter(pl.col("kind") == "buy", pl.col("id") < 10).select("id").collect()["id"].to_list() == [1, 3, 5, 7, 9]
    connection = avro_sql.connect()
    connection.register("events", scan)
    assert connection.sql("SELECT count(*) FROM events WHERE kind = 'buy'").fetchall() == [(500,)]


@pytest.mark.parametrize("spelling", ["aws.{}", "aws_{}", "{}"])
def test_spellings_of_options(spelling, s3, options):
    avro_sql.write_avro(TABLE, "s3://bucket/s/x.avro", storage_options=options)
    spelled = {spelling.format(name): value for name, value in options.items()}
    assert len(avro_sql.read_avro("s3://bucket/s/x.avro", storage_options=spelled)) == 1_000


def test_partitions_and_directories(s3, options):
    assert avro_sql.write_avro(TABLE, "s3://bucket/p", partition_by=["kind"], storage_options=options) == 1_000
    assert [key.split("/")[1] for key in keys(s3, "p/")] == ["kind=buy", "kind=view"]
    scan = avro_sql.read_avro("s3://bucket/p/", storage_options=options, where="id < 3")
    assert sorted(scan.to_pyarrow()["id"].to_pylist()) == [0, 1, 2]
    avro_sql.write_avro(TABLE, "s3://bucket/d/", storage_options=options)
    assert len(keys(s3, "d/")) == 1


def test_large_objects_are_uploads_of_parts(s3, options):
    rows = pa.table({"text": [f"{at:0100}" for at in range(200_000)]})
    avro_sql.write_avro(rows, "s3://bucket/large.avro", codec="null", storage_options=options)
    assert s3.head_object(Bucket="bucket", Key="large.avro")["ContentLength"] > 20_000_000
    assert avro_sql.read_avro("s3://bucket/large.avro", storage_options=options).to_pyarrow().equals(rows)


def test_failed_write_leaves_nothing(s3, options):
    def batches():
        for at in range(100):
            yield pa.record_batch({"text": [f"{n:01000}" for n in range(at, at + 200)]})
        raise RuntimeError("no more")

    reader = pa.RecordBatchReader.from_batches(pa.schema([("text", pa.string())]), batches())
    with pytest.raises(avro_sql.AvroError, match="no more"):
        avro_sql.write_avro(reader, "s3://bucket/f/x.avro", codec="null", storage_options=options)
    assert keys(s3, "f/") == []
    assert s3.list_multipart_uploads(Bucket="bucket").get("Uploads", []) == []


def test_environment(s3, options, environment):
    code = """
        import avro_sql
        rows = [{"id": at, "kind": "buy"} for at in range(10)]
        avro_sql.write_avro(rows, "s3://bucket/e/x.avro")
        assert len(avro_sql.read_avro("s3://bucket/e/")) == 10
        assert avro_sql.scan_avro("s3://bucket/e/x.avro").collect().height == 10
        avro_sql.sql("COPY (SELECT id FROM 's3://bucket/e/' WHERE id > 4) TO 's3://bucket/e2.parquet'")
        print(avro_sql.sql("SELECT sum(id) FROM 's3://bucket/e2.parquet'").fetchall())
    """
    lines = "\n".join(line.strip() for line in code.splitlines())
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, env=environment, timeout=120)
    assert done.stdout == "[(35,)]\n", done.stderr


def test_failures_are_typed_and_show_no_secret(s3, options):
    url = "s3://bucket/no/such.avro"
    calls = [
        (FileNotFoundError, lambda: avro_sql.read_avro(url, storage_options=options)),
        (OSError, lambda: avro_sql.read_avro("s3://no-such-bucket/x.avro", storage_options=options)),
        (OSError, lambda: avro_sql.write_avro(TABLE, "s3://no-such-bucket/x.avro", storage_options=options)),
        (OSError, lambda: avro_sql.read_avro(url, storage_options={**options, "endpoint": "http://127.0.0.1:1"})),
        (ValueError, lambda: avro_sql.read_avro(url, storage_options={**options, "secret": SECRET})),
        (ValueError, lambda: avro_sql.write_avro(TABLE, url, append=True, storage_options=options)),
    ]
    for kind, call in calls:
        with pytest.raises(kind) as raised:
            call()
        texts = f"{raised.value} {raised.value!r} {raised.value.__cause__!r}"
        assert SECRET not in texts and "\n" not in str(raised.value), texts


def test_append_names_the_remedy():
    with pytest.raises(ValueError, match="objects of a store cannot grow; write another object"):
        avro_sql.write_avro(TABLE, "s3://bucket/x.avro", append=True)
