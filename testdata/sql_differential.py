#!/usr/bin/env python3
"""Random queries over random nested tables: does this project give the answers of DuckDB?

usage: python3 testdata/sql_differential.py [--tables N] [--queries N] [--from-seed N] [--command AVRO-SQL] [--keep DIR]
needs: pip install fastavro pyarrow duckdb pytz cramjam zstandard backports.zstd, and the built command

Each seed makes three tables. `avro-sql` queries them as Avro files, DuckDB the same rows as Arrow tables. Rows are compared as
multisets, and in order where a query orders them; whole numbers and decimals exactly, floating-point numbers to 12 digits.
The same seed gives the same tables and queries. Afterwards, relations that need no second engine are checked on the same tables:
the rows where p is true, false and null together are all rows, and a conversion keeps their number.

The exit code is 1 if any answer differs or an error is on one side alone and is not a known difference (`KNOWN`).
"""
import argparse, collections, datetime as dt, decimal, json, os, random, re, subprocess, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from generator.queries import Queries
from generator.tables import Table

import duckdb

decimal.getcontext().prec = 80
HERE = os.path.dirname(os.path.abspath(__file__))
MARK = "-- next --"
# Errors on one side alone that are differences by design: what this project says, or what DuckDB says.
KNOWN_HERE = [
    (r"overflow|does not fit", "an overflow that DuckDB avoids with a wider type"),
    (r"division by zero", "division by zero is an error here and NULL in DuckDB"),
]
KNOWN_DUCK = [
    (r"overflow|out of range|Could not cast|Conversion Error", "an overflow that this project avoids with a wider type"),
    (r"Could not convert string", "text that is no number"),
    (r"Cannot compare values of type", "DuckDB compares fewer types"),
    (r"ORDER BY non-integer literal", "DuckDB does not order by a constant"),
]


def answers(command, folder, queries):
    """The answers of avro-sql: for each query its rows, or the text of its error."""
    found, start = [], 0
    while start < len(queries):
        script = "".join(f"SELECT '{MARK}' AS mark;\n{query};\n" for query in queries[start:])
        run = subprocess.run([command, "--no-progress", "-q", "-f", "-", "--format", "ndjson"], input=script.encode(), cwd=folder,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600)
        parts = run.stdout.decode().split(json.dumps({"mark": MARK}, separators=(",", ":")))[1:]
        for part in parts:
            found.append([json.loads(line, parse_float=decimal.Decimal, object_pairs_hook=list_of_pairs) for line in part.split("\n") if line.strip()])
        start += len(parts)
        if run.returncode != 0:
            error = run.stderr.decode().strip()
            if not parts:
                raise SystemExit(f"avro-sql fails before the first query: {error}")
            found[-1] = re.sub(r"^avro-sql: error: standard input: statement \d+ \(line \d+\): ", "", error)
    return found


def list_of_pairs(pairs):
    """JSON objects keep their order and keys that stand twice."""
    return tuple((k, v) for k, v in pairs)


def plain(value):
    """A value of either side in one form."""
    if isinstance(value, bool) or value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if value == value else "NaN"
    if isinstance(value, decimal.Decimal):
        return value
    if isinstance(value, dt.datetime):
        if value.tzinfo is not None:
            value = value.astimezone(dt.timezone.utc).replace(tzinfo=None)
        return value.isoformat(timespec="microseconds")
    if isinstance(value, dt.date):
        return value.isoformat() + "T00:00:00.000000"
    if isinstance(value, dict):
        return tuple((k, plain(v)) for k, v in value.items())
    if isinstance(value, tuple):
        return tuple((k, plain(v)) for k, v in value)
    if isinstance(value, list):
        return [plain(v) for v in value]
    found = re.fullmatch(r"(\d{4,}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?)?(Z|\+00:00)?", value)
    if found:
        return f"{found[1]}T{found[2] or '00:00:00'}.{(found[3] or '').ljust(6, '0')[:6]}"
    return value


def same(a, b):
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(k == j and same(x, y) for (k, x), (j, y) in zip(a, b))
    numbers = (int, float, decimal.Decimal)
    if isinstance(a, numbers) and isinstance(b, numbers) and not isinstance(a, bool) and not isinstance(b, bool):
        if isinstance(b, float) or isinstance(a, float):
            a, b = float(a), float(b)
            return a == b or abs(a - b) <= 1e-12 * max(abs(a), abs(b), 1e-3)
        return a == b
    return type(a) is type(b) and a == b


def key(row):
    """Equal rows sort alike, whatever their numbers are made of."""
    def of(value):
        if isinstance(value, bool) or value is None:
            return (0, str(value))
        if isinstance(value, (int, float, decimal.Decimal)):
            # Numbers that agree in nine digits are still told apart, or their rows would be compared crosswise.
            exact = decimal.Decimal(str(value))
            return (1, f"{float(value):+.9e}", exact if exact.is_finite() else decimal.Decimal(0))
        if isinstance(value, (list, tuple)):
            return (2, str([of(v[1] if isinstance(value, tuple) else v) for v in value]))
        return (3, str(value))
    return [of(v) for v in row]


def compare(query, here, duck):
    """None if both are the same, else (what differs, is it known)."""
    if isinstance(here, str) and isinstance(duck, str):
        return None
    if isinstance(here, str):
        reason = next((why for pattern, why in KNOWN_HERE if re.search(pattern, here, re.I)), None)
        return (f"error here: {here}", reason)
    if isinstance(duck, str):
        reason = next((why for pattern, why in KNOWN_DUCK if re.search(pattern, duck, re.I)), None)
        return (f"error in DuckDB: {duck}", reason)
    ours = [[plain(v) for _, v in row] for row in here]
    theirs = [[plain(v) for v in row] for row in duck]
    if "order by limit" not in query.tags:
        ours.sort(key=key)
        theirs.sort(key=key)
    if len(ours) != len(theirs):
        return (f"{len(ours)} rows here, {len(theirs)} in DuckDB", None)
    for a, b in zip(ours, theirs):
        if not same(a, b):
            return (f"here {a}, in DuckDB {b}", None)
    return None


def duck_answer(connection, text):
    try:
        return connection.sql(text).fetchall()
    except Exception as e:  # its kinds of errors have no common class but this
        return str(e).split("\n")[0]


def relations(rng, command, folder, tables, counts):
    """WHERE p, WHERE NOT p and WHERE p IS NULL together are all rows; a conversion keeps their number."""
    queries = Queries(rng, tables)
    for table in tables:
        scope = queries.columns(table, "t")
        for _ in range(3):
            p = queries.predicate(scope, 2).here
            parts = [f"SELECT count(*) AS n FROM {table.name} AS t WHERE {w}" for w in (p, f"NOT {p}", f"{p} IS NULL")]
            parts.append(f"SELECT sum(CASE WHEN {p} THEN 1 ELSE 0 END) AS n FROM {table.name} AS t")
            got = answers(command, folder, [q.replace(f"FROM {table.name} ", f"FROM '{table.name}.avro' ") for q in parts])
            if any(isinstance(a, str) for a in got):
                counts["relation: an error"] += 1
                continue
            n = [a[0][0][1] or 0 for a in got]
            counts["relations"] += 1
            if sum(n[:3]) != len(table.rows) or n[0] != n[3]:
                counts["RELATION BROKEN"] += 1
                print(f"relation: {n} of {len(table.rows)} rows: {p}")
        for ending in ("parquet", "ndjson", "avro", "arrow"):
            out = f"{table.name}.out.{ending}"
            subprocess.run([command, "convert", f"{table.name}.avro", out], cwd=folder, check=True, capture_output=True)
            got = answers(command, folder, [f"SELECT count(*) AS n FROM '{out}'"])[0] if table.rows else [(("n", 0),)]
            counts["conversions"] += 1
            if isinstance(got, str) or got[0][0][1] != len(table.rows):
                counts["CONVERSION BROKEN"] += 1
                print(f"conversion of {table.name} to {ending}: {got}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tables", type=int, default=200, help="sets of tables")
    parser.add_argument("--queries", type=int, default=100, help="queries for each set of tables")
    parser.add_argument("--from-seed", type=int, default=0)
    parser.add_argument("--command", default=os.path.join(HERE, "..", "target", "release", "avro-sql"))
    parser.add_argument("--keep", help="a folder for the tables and queries whose answers differ")
    parser.add_argument("--no-relations", action="store_true")
    arguments = parser.parse_args()
    command = os.path.abspath(arguments.command)
    counts, forms, known = collections.Counter(), collections.Counter(), collections.Counter()
    for seed in range(arguments.from_seed, arguments.from_seed + arguments.tables):
        rng = random.Random(f"sql {seed}")
        tables = [Table(f"t{n}", rng) for n in range(3)]
        queries = Queries(rng, tables)
        asked = [queries.query() for _ in range(arguments.queries)]
        with tempfile.TemporaryDirectory() as folder:
            connection = duckdb.connect(config={"threads": 1})
            connection.execute("SET TimeZone = 'UTC'")
            for table in tables:
                with open(os.path.join(folder, f"{table.name}.avro"), "wb") as file:
                    file.write(table.avro())
                connection.register(f"arrow_{table.name}", table.arrow())
                connection.execute(f"CREATE TABLE {table.name} AS SELECT * FROM arrow_{table.name}")
            texts = [re.sub(r"\b(FROM|JOIN) (t\d) ", r"\1 '\2.avro' ", q.here) for q in asked]
            for query, text, here in zip(asked, texts, answers(command, folder, texts)):
                counts["queries"] += 1
                forms.update(query.tags)
                duck = duck_answer(connection, query.duck)
                if isinstance(here, str) and isinstance(duck, str):
                    counts["errors on both sides"] += 1
                    continue
                found = compare(query, here, duck)
                if found is None:
                    counts["same"] += 1
                elif found[1]:
                    counts["known differences"] += 1
                    known[found[1]] += 1
                else:
                    counts["DIFFERENT"] += 1
                    print(f"seed {seed}: {found[0]}\n  {text}\n  {query.duck if query.duck != query.here else ''}")
                    if arguments.keep:
                        os.makedirs(f"{arguments.keep}/{seed}", exist_ok=True)
                        for table in tables:
                            with open(f"{arguments.keep}/{seed}/{table.name}.avro", "wb") as file:
                                file.write(table.avro())
            if not arguments.no_relations:
                relations(rng, command, folder, tables, counts)
        sys.stdout.flush()
    print(dict(counts))
    print(dict(forms))
    print(dict(known))
    return 1 if any(name.isupper() for name in counts) else 0


if __name__ == "__main__":
    sys.exit(main())
