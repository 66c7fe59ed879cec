"""Times this package against others on one file, each in the same process, and checks that all read the same rows.

    python benches/compare.py lineitem.avro --columns l_orderkey,l_quantity --where l_quantity 10
    python benches/compare.py --make 200000 made.avro # writes a file to read

Build with `maturin develop --profile dist` first: other builds are several times slower. Libraries that are not
installed are left out: fastavro, polars, jetliner.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa

import avro_sql


def rows_of(path: str) -> dict[str, Callable[[], int]]:
    """Returns, for each library, a function that reads all columns and returns the number of rows."""
    ways: dict[str, Callable[[], int]] = {
        "avro-sql, pyarrow": lambda: avro_sql.read_avro(path).to_pyarrow().num_rows,
        "avro-sql, polars": lambda: avro_sql.read_avro(path).to_polars().height,
        "avro-sql, batches": lambda: sum(batch.num_rows for batch in avro_sql.read_avro(path)),
    }

    def with_fastavro() -> int:
        import fastavro

        with open(path, "rb") as file:
            return pa.Table.from_pylist(list(fastavro.reader(file))).num_rows

    def with_polars() -> int:
        import polars

        return int(polars.read_avro(path).height)

    def with_jetliner() -> int:
        import jetliner

        return int(jetliner.read_avro(path).height)

    return {**ways, "polars": with_polars, "jetliner": with_jetliner, "fastavro to pyarrow": with_fastavro}


def lazy_of(path: str, columns: list[str], column: str, above: int) -> dict[str, Callable[[], int]]:
    """Returns, for each library, a function that filters lazily, selects columns and returns the number of rows."""
    import polars as pl

    def rows(frame: Any) -> int:
        return int(frame.filter(pl.col(column) > above).select(columns).collect().height)

    def with_jetliner() -> int:
        import jetliner

        return rows(jetliner.scan_avro(path))

    return {"avro-sql, scan_avro": lambda: rows(avro_sql.scan_avro(path)), "jetliner, scan_avro": with_jetliner}


def show(title: str, ways: dict[str, Callable[[], int]], runs: int) -> None:
    """Prints the best time of each way."""
    print(title)
    counts = {}
    for name, way in ways.items():
        times = []
        try:
            for _ in range(runs):
                start = time.perf_counter()
                counts[name] = way()
                times.append(time.perf_counter() - start)
        except ImportError:
            print(f"  {name:24} not installed")
            continue
        except Exception as error:
            print(f"  {name:24} failed: {error}")
            continue
        print(f"  {name:24} {min(times):8.3f} s  {counts[name]:,} rows")
    if len(set(counts.values())) != 1:
        raise SystemExit(f"the numbers of rows differ: {counts}")


def make(path: str, n_rows: int) -> None:
    """Writes a file of this many rows."""
    table = pa.table(
        {
            "id": range(n_rows),
            "price": [at * 0.25 for at in range(n_rows)],
            "kind": [("view", "buy", "sell")[at % 3] for at in range(n_rows)],
            "note": [f"note {at % 1_000} of some length" for at in range(n_rows)],
        }
    )
    avro_sql.write_avro(table, path, codec="snappy")


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path")
    parser.add_argument("--make", type=int, metavar="ROWS")
    parser.add_argument("--columns", help="columns of the lazy query, with commas")
    parser.add_argument("--where", nargs=2, metavar=("COLUMN", "ABOVE"), help="the condition of the lazy query")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.make:
        make(arguments.path, arguments.make)
    show("all columns", rows_of(arguments.path), arguments.runs)
    if arguments.columns and arguments.where:
        column, above = arguments.where
        ways = lazy_of(arguments.path, arguments.columns.split(","), column, int(above))
        show(f"{arguments.columns} where {column} > {above}", ways, arguments.runs)


if __name__ == "__main__":
    main()
