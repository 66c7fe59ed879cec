#!/usr/bin/env python3
"""Asks DuckDB TPC-H's queries and writes its answers, qN.tsv beside qN.sql.

usage: python3 testdata/tpch/answers.py            writes the answers
       python3 testdata/tpch/answers.py --check    says which answers would change, and fails if any
needs: pip install duckdb, and cargo

The tables are those of avro-datafusion/tests/tpch.rs, written as Parquet by `avro-sql-benches tables`; no Avro is involved. An answer's
first line has the columns, each as its name and DuckDB's type. Then a line for each row, in order; values are separated by tabs.
"""
import argparse, os, subprocess, sys, tempfile

import duckdb

HERE = os.path.dirname(os.path.abspath(__file__))
TABLES = ["lineitem", "orders", "partsupp", "part", "customer", "supplier", "nation", "region"]
# As in the test: the scale, and the size of the text that comments are cut out of.
SCALE, TEXT = "0.01", str(4 << 20)


def text(value):
    if value is None:
        return "NULL"
    # Decimals with all their digits, never as 1E+3; doubles with as many as tell them apart.
    found = repr(value) if isinstance(value, float) else format(value, "f") if hasattr(value, "as_tuple") else str(value)
    assert "\t" not in found and "\n" not in found
    return found


def answer(db, number):
    with open(os.path.join(HERE, f"q{number}.sql")) as f:
        found = db.sql(f.read())
    lines = ["\t".join(f"{name} {kind}" for name, kind in zip(found.columns, found.types))]
    lines += ["\t".join(map(text, row)) for row in found.fetchall()]
    return "".join(line + "\n" for line in lines)


def main():
    args = argparse.ArgumentParser(usage=__doc__)
    args.add_argument("--check", action="store_true")
    check = args.parse_args().check
    changed = []
    with tempfile.TemporaryDirectory() as folder:
        write = ["cargo", "run", "-q", "-p", "avro-sql-benches", "--", "tables", "--scale", SCALE, "--text", TEXT, "--out", folder]
        subprocess.run(write, cwd=HERE, check=True)
        db = duckdb.connect()
        for table in TABLES:
            db.execute(f"create view {table} as select * from '{folder}/{table}.parquet'")
        for number in range(1, 23):
            path = os.path.join(HERE, f"q{number}.tsv")
            old = open(path).read() if os.path.exists(path) else None
            new = answer(db, number)
            if new.count("\n") < 2:
                print(f"q{number}: no rows")
            if new != old:
                changed.append(path)
                if not check:
                    with open(path, "w") as f:
                        f.write(new)
    print(f"22 answers by DuckDB {duckdb.__version__}, {len(changed)} changed")
    if check and changed:
        sys.exit("\n".join(["these would change:", *changed]))


if __name__ == "__main__":
    main()
