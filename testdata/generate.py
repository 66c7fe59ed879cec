#!/usr/bin/env python3
"""Writes testdata/: Avro files by other people's implementations, with the rows that are in them.

usage: python3 testdata/generate.py            writes valid/, corrupt/, hostile/ and sql/
       python3 testdata/generate.py --check    says which files would change, and fails if any
needs: pip install fastavro avro cramjam zstandard backports.zstd python-snappy

What is written is described in README.md beside this file; the cases are tables in generator/.
"""
import argparse, datetime, decimal, os, sys, warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from generator import corrupt, hostile, rows, sql, valid, wire

warnings.simplefilter("ignore")  # `avro` says of each logical type that it does not know it
HERE = os.path.dirname(os.path.abspath(__file__))
UTC = datetime.timezone.utc
PYTHON_ROWS = {  # for the cases where a library is given Python's own types to encode
    "decimals": [dict(d=decimal.Decimal(d), n=None if n is None else decimal.Decimal(n))
                 for d, n in [("0.00", None), ("1234567890.12", "1.0000000001"), ("-0.01", "-9999999999999999999999999999.9999999999"),
                              ("1.28", "0"), ("-1.28", None), ("2.55", "12345")]],
    "times": [dict(d=datetime.date(y, 2, 28), ms=datetime.datetime(y, 12, 31, 23, 59, 59, 999000, UTC),
                   us=None if y == 1970 else datetime.datetime(y, 1, 1, 0, 0, 0, 1, UTC), t=datetime.time(y % 24, 30, 15, 250000))
              for y in (1970, 1, 1969, 2024, 9999)],
}


def valid_files():
    """(path, bytes), and on the way the checks that make the expected rows worth something."""
    agreed = unread = 0
    for case in valid.CASES:
        name, schema, options, apache = case["name"], case["schema"], case["options"], case["apache"]
        given = case["rows"] if case["rows"] is not None else PYTHON_ROWS.get(apache)
        files = {}
        if case["by_hand"]:
            files[name] = case["by_hand"]
        else:
            files[name] = wire.with_fastavro(schema, given, **options)
        if apache:
            codec = options.get("codec", "null") if apache == "codec" else "null"
            per_block = 40 if apache == "codec" else apache if isinstance(apache, int) and apache is not True else None
            files[name + "-apache"] = wire.with_apache(schema, given, codec=codec, rows_per_block=per_block)
        for file, data in files.items():
            if case["alike"]:
                reading, body = case["alike"]
                found = rows.read_body(reading, body, len(case["want"] or case["rows"]))
            else:
                reading, found = rows.read(data)
            if case["want"]:
                found = case["want"]
            written = sum(options.get("appended", []), case["rows"] or [])
            if not case["want"] and case["rows"] is not None and not rows.same(plain(written), [rows.bare(r) for r in found]):
                sys.exit(f"{file}: what was read back is not what was written")
            said = rows.apache_agrees(data, found)
            if said is False and name != "map-duplicate-keys":
                sys.exit(f"{file}: Apache's reader and fastavro disagree")
            agreed, unread = agreed + (said is True), unread + (said is None)
            yield f"valid/{file}.avro", data
            yield f"valid/{file}.json", rows.lines(case["alike"][0] if case["alike"] else case["schema"], found).encode()
    print(f"valid: Apache's reader agrees on {agreed} files and cannot read {unread}")


def plain(v):
    """A row as given, without the names of branches."""
    if isinstance(v, tuple):
        return plain(v[1])
    if isinstance(v, dict):
        return {k: plain(x) for k, x in v.items()}
    return [plain(x) for x in v] if isinstance(v, list) else v


def all_files():
    yield from valid_files()
    for name, data, fragment in corrupt.CASES:
        yield f"corrupt/{name}.avro", data
        yield f"corrupt/{name}.txt", (fragment + "\n").encode()
    for name, data in hostile.FILES:
        yield f"hostile/{name}.avro", data
    yield "hostile/table.tsv", hostile.table().encode()
    for path, data in sql.files():
        yield f"sql/{path}", data


def main():
    args = argparse.ArgumentParser(usage=__doc__)
    args.add_argument("--check", action="store_true")
    check = args.parse_args().check
    changed, total, seen = [], 0, set()
    for path, data in all_files():
        if path in seen:
            sys.exit(f"{path} is written twice")
        seen.add(path)
        total += len(data)
        full = os.path.join(HERE, path)
        old = open(full, "rb").read() if os.path.exists(full) else None
        if old != data:
            changed.append(path)
            if not check:
                os.makedirs(os.path.dirname(full), exist_ok=True)
                with open(full, "wb") as f:
                    f.write(data)
    for folder in ("valid", "corrupt", "hostile", "sql"):
        for base, _, names in os.walk(os.path.join(HERE, folder)):
            for name in names:
                path = os.path.relpath(os.path.join(base, name), HERE)
                if path not in seen:
                    changed.append(path)
                    if not check:
                        os.remove(os.path.join(HERE, path))
    print(f"{len(seen)} files, {total} bytes, {len(changed)} changed")
    if check and changed:
        sys.exit("\n".join(["these would change:", *changed]))


if __name__ == "__main__":
    main()
