"""Writes to another S3 server than that of the tests and reads back: moto (`pip install moto[server] boto3`).

    python3 testdata/foreign_store.py target/release/avro-sql

Every kind of output is written to a URL; rows are counted from the object, by the command and, for Avro, by fastavro
if it is installed. A failing and an interrupted statement must leave neither an object nor parts of one.
"""

import io
import os
import signal
import subprocess
import sys
import tempfile
import time

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "bucket"
ROWS = "SELECT value AS id, random() AS a, random() AS b, random() AS c FROM generate_series(1, {})"


def main(command):
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    keys = dict(AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret", AWS_REGION="us-east-1")
    os.environ.update(keys, AWS_ENDPOINT_URL=endpoint, AWS_DEFAULT_REGION="us-east-1")
    s3 = boto3.client("s3", endpoint_url=endpoint)
    s3.create_bucket(Bucket=BUCKET)
    folder = tempfile.mkdtemp()
    wrong = 0

    def run(*arguments):
        return subprocess.run([command, *arguments], cwd=folder, capture_output=True, text=True)

    def check(what, holds, detail=""):
        nonlocal wrong
        wrong += not holds
        print("ok   " if holds else "WRONG", what, "" if holds else detail)

    def keys_now():
        return sorted(item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []))

    def parts_now():
        return s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])

    n, large = 1_000, 700_000
    assert run("-c", f"COPY ({ROWS.format(n)}) TO 'x.avro'").returncode == 0
    with open(os.path.join(folder, "rows.json"), "w") as file:
        file.write('{"a":1}\n{"a":2}\n')
    with open(os.path.join(folder, "a.avsc"), "w") as file:
        file.write('{"type":"record","name":"R","fields":[{"name":"a","type":"long"}]}')
    url = f"s3://{BUCKET}/"
    cases = [
        (["-c", f"COPY 'x.avro' TO '{url}copy.{kind}'"], f"copy.{kind}", n)
        for kind in ["avro", "parquet", "csv", "ndjson", "json", "arrow"]
    ]
    cases += [
        (["-c", "SELECT * FROM 'x.avro'", "-o", f"{url}o.{kind}"], f"o.{kind}", n)
        for kind in ["avro", "parquet", "csv", "ndjson", "json", "arrow", "tsv"]
    ]
    cases += [
        (["convert", "x.avro", f"{url}c.parquet"], "c.parquet", n),
        (["convert", "x.avro", f"{url}days/", "--to", "avro", "--partition-by", "day", "--select", "*, id % 3 AS day"], "days/", n),
        (["cat", "x.avro", "-o", f"{url}cat.avro"], "cat.avro", n),
        (["concat", f"{url}cat.avro", f"{url}copy.avro", f"{url}concat.avro"], "concat.avro", 2 * n),
        (["recodec", f"{url}concat.avro", f"{url}recodec.avro", "--codec", "zstandard"], "recodec.avro", 2 * n),
        (["repair", f"{url}cat.avro", f"{url}repair.avro"], "repair.avro", n),
        (["fromjson", "rows.json", f"{url}json.avro", "--schema-file", "a.avsc"], "json.avro", 2),
        (["random", "a.avsc", f"{url}random.avro", "--count", "7"], "random.avro", 7),
        (["-c", f"COPY ({ROWS.format(large)}) TO '{url}large.avro'"], "large.avro", large),
        (["-c", f"COPY ({ROWS.format(large)}) TO '{url}large.parquet'"], "large.parquet", large),
        (["-c", ROWS.format(large), "-o", f"{url}large.csv"], "large.csv", large),
    ]
    for arguments, name, rows in cases:
        ran = run(*arguments)
        counted = run("-c", f"SELECT count(*) AS n FROM '{url}{name}'")
        check(" ".join(arguments[:2]) + f" -> {name}: {rows} rows", counted.stdout == f"n\n{rows}\n", ran.stderr + counted.stderr + counted.stdout)
        if name.endswith(".avro"):
            try:
                import fastavro
            except ImportError:
                continue
            body = io.BytesIO(s3.get_object(Bucket=BUCKET, Key=name)["Body"].read())
            check(f"fastavro reads {name}", sum(block.num_records for block in fastavro.block_reader(body)) == rows)
    split = "COPY (SELECT id, id % 3 AS day FROM 'x.avro')"
    ran = run("-c", f"{split} TO '{url}stats/' (FORMAT parquet, PARTITION_BY (day), RETURN_STATS)")
    lines = [line.split(",") for line in ran.stdout.splitlines()[1:]]
    sizes = {f"{url}{item['Key']}": item["Size"] for item in s3.list_objects_v2(Bucket=BUCKET, Prefix="stats/")["Contents"]}
    check("RETURN_STATS has each object", {name: int(size) for name, _, size in lines} == sizes, ran.stdout + ran.stderr)
    check("RETURN_STATS has all rows", sum(int(count) for _, count, _ in lines) == n, ran.stdout)
    check("no parts are left", parts_now() == [], str(parts_now()))
    before = keys_now()
    failing = ROWS.format(large).replace("random() AS c", f"1 / (value - {large - 1}) AS c")
    for name in ["bad.avro", "bad.parquet", "bad.csv"]:
        ran = run("-c", f"COPY ({failing}) TO '{url}{name}'")
        check(f"a failing COPY leaves no {name}", ran.returncode == 1 and keys_now() == before and parts_now() == [], ran.stderr)
    endless = ROWS.format(10**12)
    for name in ["stopped.avro", "stopped.parquet"]:
        child = subprocess.Popen([command, "-c", f"COPY ({endless}) TO '{url}{name}'"], stderr=subprocess.DEVNULL)
        for _ in range(600):
            if parts_now() or child.poll() is not None:
                break
            time.sleep(0.1)
        child.send_signal(signal.SIGINT)
        code = child.wait(60)
        for _ in range(50):
            if not parts_now():
                break
            time.sleep(0.1)
        check(f"an interrupted COPY leaves no {name}", code == 130 and keys_now() == before and parts_now() == [], f"{code} {parts_now()}")
    server.stop()
    print(f"{len(cases)} outputs, {wrong} wrong")
    return wrong


if __name__ == "__main__":
    sys.exit(1 if main(os.path.abspath(sys.argv[1])) else 0)
