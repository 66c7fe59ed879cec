#!/usr/bin/env python3
"""Times Avro -> Parquet: a file of lineitem in; a line for each converter, with the best of several runs in turns, out.

    pip install duckdb duckdb-extension-avro chdb jetliner polars pyarrow
    python3 benches/convert_peers.py target/release/avro-sql lineitem.avro [--threads 2] [--runs 3] [--only duckdb,jetliner]

All compress with zstandard at its default level, on as many threads. A converter that is not installed has no line. The rows of every
Parquet file are counted and its columns are added up, and whoever has others than the first fails the run; but decimals may be left as
the bytes that Avro has, as DuckDB leaves them.
"""

import argparse
import glob
import os
import subprocess
import sys
import tempfile
import time

import pyarrow.compute as pc
import pyarrow.parquet as pq

# Each runs in a process of its own, with its arguments: the Avro file, the Parquet file, threads. It prints the seconds that it took.
PEERS = {
    "duckdb": """
import duckdb, duckdb_extension_avro
con = duckdb.connect(config={"allow_unsigned_extensions": "true", "threads": threads})
extension = os.path.dirname(duckdb_extension_avro.__file__) + "/extensions/*/avro.duckdb_extension"
con.execute(f"LOAD '{glob.glob(extension)[0]}'")
begin = time.perf_counter()
con.execute(f"COPY (SELECT * FROM read_avro('{file}')) TO '{out}' (FORMAT parquet, COMPRESSION zstd)")
""",
    "clickhouse": """
import chdb
begin = time.perf_counter()
chdb.query(f"SELECT * FROM file('{file}', 'Avro') INTO OUTFILE '{out}' FORMAT Parquet SETTINGS max_threads={threads},"
           " output_format_parquet_compression_method='zstd'", "CSV")
""",
    "jetliner": """
os.environ["POLARS_MAX_THREADS"] = str(threads)
import jetliner
begin = time.perf_counter()
jetliner.scan_avro(file).sink_parquet(out, compression="zstd")
""",
}
HEAD = "import glob, os, sys, time\nfile, out, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])\n"
TAIL = "print(time.perf_counter() - begin)\n"


def checksum(file):
    """Rows, and the sums of the numbers and of the lengths of the texts."""
    rows, sums = 0, {}
    for batch in pq.ParquetFile(file).iter_batches():
        rows += batch.num_rows
        for name, column in zip(batch.schema.names, batch.columns):
            kind = str(column.type)
            if kind.startswith(("date", "timestamp")):
                column = column.cast("date32").cast("int32")
            elif "string" in kind or "binary" in kind:
                column = pc.binary_length(column)
            sums[name] = sums.get(name, 0) + pc.sum(column).as_py()
    return rows, sums


def same(one, other):
    """Are these checksums of the same rows?"""
    alike = [(sum, other[1].get(name)) for name, sum in one[1].items()]
    return one[0] == other[0] and all(a == b for a, b in alike if type(a) is type(b) or b is None)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("avro_sql")
    args.add_argument("file")
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--runs", type=int, default=3)
    args.add_argument("--only", default=",".join(PEERS))
    args = args.parse_args()

    best, sizes, expected, failed = {}, {}, None, False
    with tempfile.TemporaryDirectory() as folder:
        for run in range(args.runs):
            for name in ["avro-sql", *args.only.split(",")]:
                out = f"{folder}/{name}.parquet"
                if os.path.exists(out):
                    os.remove(out)
                begin = time.perf_counter()
                if name == "avro-sql":
                    command = [args.avro_sql, "convert", "--codec", "zstd", "--threads", str(args.threads), args.file, out]
                else:
                    command = [sys.executable, "-c", HEAD + PEERS[name] + TAIL, args.file, out, str(args.threads)]
                ran = subprocess.run(command, capture_output=True, text=True)
                seconds = time.perf_counter() - begin
                if ran.returncode != 0:
                    print(f"{name}: {ran.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
                    continue
                # Starting Python and loading libraries is not the peers' work; starting the command is ours.
                seconds = seconds if name == "avro-sql" else float(ran.stdout.split()[-1])
                best[name] = min(seconds, best.get(name, seconds))
                sizes[name] = os.path.getsize(out)
                if run == 0:
                    found = checksum(out)
                    expected = expected or found
                    if not same(expected, found):
                        failed = True
                        print(f"{name}: {found}, not {expected}", file=sys.stderr)
    print("converter\tthreads\tseconds\tparquet_bytes\tratio")
    for name, seconds in best.items():
        print(f"{name}\t{args.threads}\t{seconds:.2f}\t{sizes[name]}\t{seconds / best['avro-sql']:.2f}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
