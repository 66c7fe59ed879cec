#!/usr/bin/env python3
"""Times reading one Avro file from Python: avro_sql against the libraries that are installed.

usage: python_peers.py FILE.avro [--columns a,b] [--where "a > 5" --threads 2 --runs 3]
needs: avro_sql, and of pip install polars jetliner fastavro pyarrow what shall be compared

Each way runs in a process of its own, as many times as there are runs, in turns, and reports the time from the call to the
last row; imports are not in it. Numbers of rows and, of the numeric columns, sums are compared.
"""
import argparse, json, subprocess, sys

WAYS = {
    "avro_sql, arrow": "import avro_sql\ndef read():\n    return avro_sql.read_avro(FILE, columns=COLUMNS).to_pyarrow()",
    "avro_sql, polars": "import avro_sql\ndef read():\n    return avro_sql.read_avro(FILE, columns=COLUMNS).to_polars()",
    "jetliner": "import jetliner, polars\ndef read():\n    scan = jetliner.scan_avro(FILE)\n"
                "    return (scan.select(COLUMNS) if COLUMNS else scan).collect()",
    "polars": "import polars\ndef read():\n    return polars.read_avro(FILE, columns=COLUMNS)",
    "fastavro": "import fastavro\ndef read():\n    with open(FILE, 'rb') as file:\n        return list(fastavro.reader(file))",
}
FILTERED = {
    "avro_sql, lazy": "import avro_sql, polars\ndef read():\n"
                      "    return avro_sql.scan_avro(FILE).filter(polars.sql_expr(WHERE)).select(COLUMNS).collect()",
    "jetliner": "import jetliner, polars\ndef read():\n"
                "    return jetliner.scan_avro(FILE).filter(polars.sql_expr(WHERE)).select(COLUMNS).collect()",
}
CODE = """
import json, sys, time
FILE, COLUMNS, WHERE = json.loads(sys.argv[1])
{way}
started = time.perf_counter()
rows = read()
seconds = time.perf_counter() - started
if isinstance(rows, list):
    n, sums = len(rows), None
else:
    import polars
    frame = rows if isinstance(rows, polars.DataFrame) else polars.from_arrow(rows)
    n = frame.height
    sums = {{c: int(frame[c].cast(polars.Int64).sum()) for c in frame.columns if frame[c].dtype.is_integer()}}
import resource
print(json.dumps([seconds, n, sums, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def main():
    arguments = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].removeprefix("usage: "))
    arguments.add_argument("file")
    arguments.add_argument("--columns")
    arguments.add_argument("--where")
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--ways", help="the names of some ways")
    options = arguments.parse_args()
    columns = options.columns.split(",") if options.columns else None
    ways = FILTERED if options.where else WAYS
    ways = {name: way for name, way in ways.items() if not options.ways or name in options.ways.split(";")}
    best, answers = {}, {}
    for _ in range(options.runs):
        for name, way in ways.items():
            command = ["taskset", "-c", ",".join(map(str, range(options.threads))), sys.executable, "-c", CODE.format(way=way)]
            done = subprocess.run([*command, json.dumps([options.file, columns, options.where])], capture_output=True, text=True)
            if done.returncode:
                print(f"{name}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
                continue
            seconds, n, sums, mib = json.loads(done.stdout)
            answers[name] = (n, sums)
            best[name] = min((seconds, mib), best.get(name, (seconds, mib)))
    counts = {n for n, _ in answers.values()}
    sums = [sums for _, sums in answers.values() if sums is not None]
    if len(counts) != 1 or any(other != sums[0] for other in sums):
        sys.exit(f"the answers differ: {answers}")
    ours = next(iter(best.values()))[0]
    for name, (seconds, mib) in best.items():
        print(f"{name:18} {seconds:8.3f} s {seconds / ours:8.2f} x {mib:8.0f} MiB")


if __name__ == "__main__":
    main()
