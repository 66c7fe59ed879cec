#!/usr/bin/env python3
"""Compares from_avro with fastavro: values and time, over messages in a Parquet file.

    python testdata/foreign_bytes.py AVRO_SQL [--messages 1000000]

fastavro writes random messages of ten fields, and reads them one by one with `schemaless_reader`. AVRO_SQL reads them
with one thread. Sums over all fields must be equal; then the times are compared, the best of three of each. A
hundredth of the messages is damaged for the second part: both must reject the same ones.
"""

import argparse
import datetime
import io
import json
import random
import subprocess
import tempfile
import time
from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = {
    "type": "record",
    "name": "Event",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "user", "type": "string"},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["VIEW", "CART", "BUY"]}},
        {"name": "amount", "type": ["null", "double"]},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "count", "type": "int"},
        {"name": "ok", "type": "boolean"},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "ref", "type": ["null", "string"]},
        {"name": "place", "type": {"type": "record", "name": "Place", "fields": [
            {"name": "x", "type": "float"}, {"name": "city", "type": "string"}]}},
    ],
}


def row(random, n):
    return {
        "id": n,
        "user": "user-%d" % random.randrange(100_000),
        "kind": random.choice(["VIEW", "CART", "BUY"]),
        "amount": random.choice([None, float(random.randrange(1000))]),
        "at": 1_700_000_000_000_000 + random.randrange(10**12),
        "count": random.randrange(-1000, 1000),
        "ok": random.random() < 0.5,
        "tags": ["t%d" % random.randrange(10) for _ in range(random.randrange(4))],
        "ref": random.choice([None, "campaign-%d" % random.randrange(50)]),
        "place": {"x": float(random.randrange(100)), "city": random.choice(["Quito", "Zürich", "Oslo"])},
    }


SQL = """
SELECT count(*), sum(e.id), sum(length(e.user)), sum(CASE e.kind WHEN 'VIEW' THEN 0 WHEN 'CART' THEN 1 ELSE 2 END),
  sum(e.amount), sum(epoch_us(e.at)::DECIMAL(38, 0)), sum(e.count), sum(CASE WHEN e.ok THEN 1 ELSE 0 END), sum(len(e.tags)),
  sum(length(e.ref)), sum(e.place.x), sum(length(e.place.city))
FROM (SELECT from_avro(v, 'event.avsc') AS e FROM 'messages.parquet')
"""


def sums(values):
    totals = [0] * 12
    for e in values:
        totals[0] += 1
        totals[1] += e["id"]
        totals[2] += len(e["user"])
        totals[3] += ["VIEW", "CART", "BUY"].index(e["kind"])
        totals[4] += e["amount"] or 0
        totals[5] += int(round((e["at"] - EPOCH).total_seconds() * 1_000_000))
        totals[6] += e["count"]
        totals[7] += e["ok"]
        totals[8] += len(e["tags"])
        totals[9] += len(e["ref"] or "")
        totals[10] += e["place"]["x"]
        totals[11] += len(e["place"]["city"])
    return totals


def best(n, run):
    times = []
    for _ in range(n):
        start = time.perf_counter()
        answer = run()
        times.append(time.perf_counter() - start)
    return min(times), answer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("avro_sql")
    parser.add_argument("--messages", type=int, default=1_000_000)
    args = parser.parse_args()
    binary = str(Path(args.avro_sql).resolve())
    folder = Path(tempfile.mkdtemp())
    schema = fastavro.parse_schema(json.loads(json.dumps(SCHEMA)))
    (folder / "event.avsc").write_text(json.dumps(SCHEMA))
    rand = random.Random(7)
    messages = []
    for n in range(args.messages):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema, row(rand, n))
        messages.append(out.getvalue())
    pq.write_table(pa.table({"v": pa.array(messages, pa.binary())}), folder / "messages.parquet", compression="none")

    def command(sql, *options):
        words = [binary, "--threads", "1", "--format", "json", *options, "-c", sql]
        return json.loads(subprocess.run(words, cwd=folder, check=True, stdout=subprocess.PIPE).stdout)

    theirs, values = best(3, lambda: [fastavro.schemaless_reader(io.BytesIO(m), schema) for m in messages])
    expected = sums(values)
    del values
    floor, _ = best(3, lambda: command("SELECT count(v) FROM 'messages.parquet'"))
    ours, answer = best(3, lambda: command(SQL))
    found = list(answer[0].values())
    assert [float(x) for x in found] == [float(x) for x in expected], (found, expected)
    print(f"{args.messages} messages, sums of all fields are equal")
    print(f"fastavro schemaless_reader  {theirs:8.3f} s")
    print(f"avro-sql, whole command     {ours:8.3f} s   {theirs / ours:6.1f} x")
    print(f"avro-sql without count(v)   {ours - floor:8.3f} s   {theirs / (ours - floor):6.1f} x")

    for n in range(0, len(messages), 100):
        message = bytearray(messages[n])
        match n // 100 % 3:
            case 0:
                del message[rand.randrange(len(message)):]
            case 1:
                message[rand.randrange(len(message))] ^= 1 << rand.randrange(8)
            case _:
                message += b"\0"
        messages[n] = bytes(message)
    pq.write_table(pa.table({"n": range(len(messages)), "v": pa.array(messages, pa.binary())}), folder / "bad.parquet")
    rejected = set()
    good = {}
    for n, message in enumerate(messages):
        stream = io.BytesIO(message)
        try:
            value = fastavro.schemaless_reader(stream, schema)
            # fastavro does not look at what is left.
            if stream.tell() == len(message):
                good[n] = value["id"]
            else:
                rejected.add(n)
        except Exception:
            rejected.add(n)
    rows = command("SELECT n, from_avro(v, 'event.avsc', on_error => 'null').id AS id FROM 'bad.parquet' ORDER BY n")
    reasons = command("SELECT n FROM 'bad.parquet' WHERE avro_error(v, 'event.avsc') IS NOT NULL")
    ours = {row["n"] for row in reasons}
    only_ours, only_theirs = sorted(ours - rejected), sorted(rejected - ours)
    wrong = [n for n, id in good.items() if n not in ours and rows[n]["id"] != id]
    print(f"damaged: {len(rejected)} rejected by fastavro, {len(ours)} here; only here {len(only_ours)}, "
          f"only there {len(only_theirs)}; other values {len(wrong)}")
    for n in only_ours[:5] + only_theirs[:5]:
        reason = command(f"SELECT avro_error(v, 'event.avsc') AS why FROM 'bad.parquet' WHERE n = {n}")
        print(n, messages[n].hex(), reason)
    assert not wrong
    assert not only_theirs


EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)

if __name__ == "__main__":
    main()
