#!/usr/bin/env python3
"""Times TPC-H's 22 queries: avro-sql over Avro, over its columnar copies, and asked again, against DuckDB over Parquet.

usage: tpch_peers.py AVRO_SQL DIR [--scale 1] [--threads 2] [--runs 3] [--queries 1,6] [--workers HOST:PORT,..]
       e.g. python3 benches/tpch_peers.py target/release/avro-sql /tmp/tpch
needs: pip install duckdb duckdb-extension-tpch

DuckDB makes the tables as Parquet (zstandard) in DIR, and avro-sql converts them to Avro (snappy), both unless they are
there. Each time is the best of the runs, which take turns. Those of avro-sql are of whole processes, from their start to
their end; those of DuckDB are of the query alone, in a process that is already there, with its tables known. Every answer
is compared with DuckDB's: integers, texts and dates have to be equal, other numbers to within 1e-9 of their size, or to a unit
of the last digit where avro-sql gives six.

`second` and `third` are the times of the query alone when one process runs it three times over Avro: the second keeps the
columns in memory, the third reads them there.

With --workers, the queries also run on these workers (`avro-sql worker`), over Avro.
"""
import argparse, csv, io, math, pathlib, re, subprocess, sys, time

import duckdb
import duckdb_extension_tpch

TABLES = ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"]


def main():
    arguments = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].removeprefix("usage: "))
    arguments.add_argument("program")
    arguments.add_argument("dir", type=pathlib.Path)
    arguments.add_argument("--scale", type=float, default=1)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--queries", default=",".join(map(str, range(1, 23))))
    arguments.add_argument("--workers")
    options = arguments.parse_args()

    db = duckdb.connect(config={"threads": options.threads, "allow_unsigned_extensions": True})
    folder = pathlib.Path(duckdb_extension_tpch.__file__).parent
    db.load_extension(str(next(folder.rglob("tpch.duckdb_extension"))))
    make_tables(db, options)
    queries = dict(db.sql("SELECT query_nr, query FROM tpch_queries()").fetchall())

    shared = [options.program, "--threads", str(options.threads), "--no-progress", "--format", "csv"]
    shared += [part for t in TABLES for part in ("-t", f"{t}={options.dir}/avro/{t}.avro")]
    copies = ["--option", f"cache_path={options.dir}/cache"]
    ways = {"avro": [*shared, "--option", "cache=ignore"], "cache": [*shared, *copies]}
    if options.workers:
        ways["workers"] = [*ways["avro"], "--workers", options.workers]
    three_times = [*shared, "--option", f"cache_path={options.dir}/no-copies", "--timing"]
    names = [*ways, "second", "third"]
    for table in TABLES:
        cache = [options.program, "cache", "--quiet", "--dir", f"{options.dir}/cache", f"{options.dir}/avro/{table}.avro"]
        subprocess.run(cache, check=True)

    print("\t".join(["query", "rows", "duckdb_s", *(f"{way}_s" for way in names), *(f"{way}/duckdb" for way in names)]))
    ratios = {way: [] for way in names}
    for number in map(int, options.queries.split(",")):
        query = queries[number].strip().rstrip(";")
        best = {}
        for _ in range(options.runs):
            started = time.perf_counter()
            expected = db.sql(query).fetchall()
            keep(best, "duckdb", time.perf_counter() - started)
            for way, command in ways.items():
                started = time.perf_counter()
                done = subprocess.run([*command, "-c", query], capture_output=True, text=True)
                keep(best, way, time.perf_counter() - started)
                if done.returncode:
                    sys.exit(f"Q{number}, {way}: {done.stderr.strip()}")
                compare(number, way, list(csv.reader(io.StringIO(done.stdout)))[1:], expected)
            done = subprocess.run([*three_times, *["-c", query] * 3], capture_output=True, text=True, check=True)
            rows = list(csv.reader(io.StringIO(done.stdout)))
            for i in range(3):
                compare(number, f"time {i + 1} of 3", rows[i * len(rows) // 3:(i + 1) * len(rows) // 3][1:], expected)
            _, second, third = map(float, re.findall(r"in ([0-9.]+) s$", done.stderr, re.MULTILINE))
            keep(best, "second", second)
            keep(best, "third", third)
        for way in names:
            ratios[way].append(best[way] / best["duckdb"])
        times = [best["duckdb"], *(best[way] for way in names)]
        print("\t".join([f"q{number}", str(len(expected)), *(f"{t:.3f}" for t in times), *(f"{ratios[way][-1]:.2f}" for way in names)]),
              flush=True)
    for way in names:
        mean = math.exp(sum(map(math.log, ratios[way])) / len(ratios[way]))
        print(f"geometric mean of {way}/duckdb: {mean:.2f}")


def make_tables(db, options):
    for format in ("parquet", "avro"):
        (options.dir / format).mkdir(parents=True, exist_ok=True)
    if not all((options.dir / "parquet" / f"{t}.parquet").exists() for t in TABLES):
        print("making the tables", file=sys.stderr)
        db.sql(f"CALL dbgen(sf = {options.scale})")
        for table in TABLES:
            db.sql(f"COPY {table} TO '{options.dir}/parquet/{table}.parquet' (FORMAT parquet, COMPRESSION zstd)")
            db.sql(f"DROP TABLE {table}")
    for table in TABLES:
        db.sql(f"CREATE VIEW {table} AS FROM '{options.dir}/parquet/{table}.parquet'")
        avro = options.dir / "avro" / f"{table}.avro"
        if not avro.exists():
            convert = [options.program, "convert", "--codec", "snappy", f"{options.dir}/parquet/{table}.parquet", str(avro)]
            subprocess.run(convert, check=True)


def keep(best, name, seconds):
    best[name] = min(seconds, best.get(name, seconds))


def compare(number, way, rows, expected):
    if len(rows) != len(expected):
        sys.exit(f"Q{number}, {way}: {len(rows)} rows, DuckDB has {len(expected)}")
    for at, (row, values) in enumerate(zip(rows, expected)):
        for got, value in zip(row, values):
            if isinstance(value, (str, int)) or value is None or hasattr(value, "isoformat"):
                same = got == ("" if value is None else str(value))
            else:
                # Averages of decimals have six digits after the point.
                last_digit = 1e-6 if len(got.partition(".")[2]) == 6 else 0
                same = math.isclose(float(got), float(value), rel_tol=1e-9, abs_tol=last_digit)
            if not same:
                sys.exit(f"Q{number}, {way}, row {at}: {got!r}, DuckDB has {value!r}")


if __name__ == "__main__":
    main()
