#!/usr/bin/env python3
"""Asks avro-sql and DuckDB TPC-H's queries 1 and 6 over the same lineitem.avro, and compares the answers.

usage: tpch_answers.py AVRO_SQL LINEITEM.avro
       e.g. cargo run --release -p avro-benches -- generate --scale 0.1 --out /tmp/lineitem.avro
            python3 benches/tpch_answers.py target/release/avro-sql /tmp/lineitem.avro
needs: pip install duckdb fastavro pyarrow

fastavro reads the file for DuckDB, so that nothing of this project has a hand in the expected answers. Decimals have to be
exactly equal where both engines give decimals; averages, which DuckDB computes as doubles, to within 1e-9 of their size,
or to a unit of the last digit where avro-sql gives six digits.
"""
import csv, decimal, io, subprocess, sys

import duckdb, fastavro, pyarrow as pa

QUERIES = {
    "Q1": """
        select l_returnflag, l_linestatus, sum(l_quantity) as sum_qty, sum(l_extendedprice) as sum_base_price,
               sum(l_extendedprice * (1 - l_discount)) as sum_disc_price,
               sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) as sum_charge,
               avg(l_quantity) as avg_qty, avg(l_extendedprice) as avg_price, avg(l_discount) as avg_disc,
               count(*) as count_order
        from {table} where l_shipdate <= date '1998-12-01' - interval '90' day
        group by l_returnflag, l_linestatus order by l_returnflag, l_linestatus""",
    "Q6": """
        select sum(l_extendedprice * l_discount) as revenue
        from {table} where l_shipdate >= date '1994-01-01' and l_shipdate < date '1994-01-01' + interval '1' year
             and l_discount between 0.06 - 0.01 and 0.06 + 0.01 and l_quantity < 24""",
}


def load(path):
    """The file as an Arrow table, read by fastavro."""
    types = {"long": pa.int64(), "int": pa.int32(), "string": pa.string(), "date": pa.date32(), "decimal": pa.decimal128(12, 2)}
    tables = []
    with open(path, "rb") as f:
        rows = fastavro.reader(f)
        fields = rows.writer_schema["fields"]

        def plain(t):
            t = next(x for x in t if x != "null") if isinstance(t, list) else t
            return t if isinstance(t, str) else t["logicalType"]

        schema = pa.schema([(x["name"], types[plain(x["type"])]) for x in fields])
        batch = []
        for row in rows:
            batch.append(row)
            if len(batch) == 100_000:
                tables.append(pa.Table.from_pylist(batch, schema))
                batch = []
    return pa.concat_tables([*tables, pa.Table.from_pylist(batch, schema)])


def ours(program, path, query):
    """Column names, and rows of text."""
    sql = query.format(table="'" + path.replace("'", "''") + "'")
    p = subprocess.run([program, "--format", "csv", "-c", sql], capture_output=True, text=True)
    if p.returncode or not p.stdout:
        sys.exit(f"{program} gave no answer: {p.stderr.strip()}")
    header, *rows = csv.reader(io.StringIO(p.stdout))
    return header, rows


def same(got, want):
    """Is avro-sql's text DuckDB's value?"""
    if isinstance(want, str):
        return got == want
    got = decimal.Decimal(got)
    if not isinstance(want, float):
        return got == want
    want = decimal.Decimal(want)
    last_digit = decimal.Decimal("1e-6") if got.as_tuple().exponent == -6 else 0
    return abs(got - want) <= max(abs(want) * decimal.Decimal("1e-9"), last_digit)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, path = sys.argv[1:]
    lineitem = load(path)
    db = duckdb.connect()
    db.register("lineitem", lineitem)
    print(f"{lineitem.num_rows} rows; DuckDB {duckdb.__version__}, fastavro {fastavro.__version__}")
    wrong = 0
    for name, query in QUERIES.items():
        header, rows = ours(program, path, query)
        expected = db.sql(query.format(table="lineitem"))
        names, answers = expected.columns, expected.fetchall()
        if [h.lower() for h in header] != names or len(rows) != len(answers):
            sys.exit(f"{name}: {len(rows)} rows of {header}, DuckDB has {len(answers)} of {names}")
        print(f"\n{name}")
        for i, (row, answer) in enumerate(zip(rows, answers)):
            for column, got, want in zip(names, row, answer):
                ok = same(got, want)
                wrong += not ok
                print(f"  row {i} {column:15} avro-sql {got:>28}   DuckDB {want!s:>28}   {'same' if ok else 'DIFFERENT'}")
    if wrong:
        sys.exit(f"\n{wrong} values differ")
    print("\nall answers are the same")


if __name__ == "__main__":
    main()
