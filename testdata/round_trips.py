#!/usr/bin/env python3
"""Are rows that `avro-sql convert` writes as text read back as the same rows?

    python3 testdata/round_trips.py AVRO-SQL [--schemas N] [--rows N] [--formats ndjson,csv] [--keep DIR] [FILE-OR-DIRECTORY ...]

For N random schemas (500 if not said) and for the schema of every Avro file and schema file named (those of testdata/valid if none is),
`avro-sql random` makes rows, `convert` writes them as NDJSON, JSON, CSV and TSV, and `convert --schema` reads them back. Both files must
have the same rows, as `tojson` shows them; a decimal may be stored in other bytes as long as it is the same number. A file's own rows are
tried as well. A line for each format says how many came back the same, by whether the schema is flat: a record of simple values, or of
null and one of them. What did not is listed, and the exit code is 1.
"""

import argparse
import collections
import json
import os
import random
import subprocess
import sys
import tempfile

FORMATS = ["ndjson", "json", "csv", "tsv"]
SIMPLE = ["boolean", "int", "long", "float", "double", "string", "bytes"]
LOGICAL = [("int", "date"), ("int", "time-millis"), ("long", "time-micros"), ("string", "uuid")] + [
    ("long", local + "timestamp-" + unit) for local in ("", "local-") for unit in ("millis", "micros", "nanos")
]


class Schemas:
    """Random schemas, one for each seed."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.n_names = 0
        self.records = []

    def name(self):
        self.n_names += 1
        return "T%d" % self.n_names

    def simple(self):
        kind = self.rng.randrange(8)
        if kind < 3:
            return self.rng.choice(SIMPLE)
        if kind < 5:
            base, logical = self.rng.choice(LOGICAL)
            return {"type": base, "logicalType": logical}
        if kind == 5:
            precision = self.rng.choice([1, 4, 9, 18, 19, 38, 39, 76])
            scale = self.rng.choice([0, precision // 2, precision])
            decimal = {"logicalType": "decimal", "precision": precision, "scale": scale}
            if self.rng.random() < 0.5:
                return {"type": "bytes", **decimal}
            return {"type": "fixed", "name": self.name(), "size": self.rng.choice([32, 40]), **decimal}
        if kind == 6:
            size, extra = self.rng.choice([(0, {}), (3, {}), (16, {"logicalType": "uuid"}), (12, {"logicalType": "duration"})])
            return {"type": "fixed", "name": self.name(), "size": size, **extra}
        return {"type": "enum", "name": self.name(), "symbols": ["A", "b", "true", "null", "NaN", "_1"][: self.rng.randint(1, 6)]}

    def key(self, schema):
        """What a union has only one of."""
        kind = schema if isinstance(schema, str) else schema["type"]
        return schema.get("name") if isinstance(schema, dict) and "name" in schema else kind

    def union(self, depth):
        branches, seen = [], set()
        for _ in range(self.rng.randint(2, 5)):
            branch = "null" if self.rng.random() < 0.2 else self.any(depth + 1, may_be_union=False)
            if self.key(branch) not in seen:
                seen.add(self.key(branch))
                branches.append(branch)
        return branches

    def any(self, depth, may_be_union=True):
        choice = self.rng.random()
        if depth > 3 or choice < 0.4:
            return self.simple()
        if choice < 0.55 and may_be_union:
            return ["null", self.any(depth + 1, may_be_union=False)][:: self.rng.choice([1, -1])]
        if choice < 0.65 and may_be_union:
            return self.union(depth)
        if choice < 0.75:
            return {"type": "array", "items": self.any(depth + 1)}
        if choice < 0.85:
            return {"type": "map", "values": self.any(depth + 1)}
        if choice < 0.9 and self.records and may_be_union:
            return ["null", self.rng.choice(self.records)]
        return self.record(depth + 1)

    def record(self, depth):
        name = self.name()
        self.records.append(name)
        fields = [{"name": "f%d" % n, "type": self.any(depth)} for n in range(self.rng.randint(1, 6))]
        self.records.remove(name)
        return {"type": "record", "name": name, "fields": fields}

    def flat(self):
        types = [self.simple() for _ in range(self.rng.randint(1, 8))]
        types = [["null", one][:: self.rng.choice([1, -1])] if self.rng.random() < 0.5 else one for one in types]
        return {"type": "record", "name": "Flat", "fields": [{"name": "f%d" % n, "type": one} for n, one in enumerate(types)]}


def random_schema(seed):
    schemas = Schemas(seed)
    return schemas.flat() if seed % 2 else schemas.record(0)


def is_flat(schema):
    def is_simple(one):
        if isinstance(one, list):
            return len(one) <= 2 and all(is_simple(branch) for branch in one) and (len(one) < 2 or "null" in one)
        kind = one["type"] if isinstance(one, dict) else one
        return kind in SIMPLE + ["null", "enum", "fixed"]

    return isinstance(schema, dict) and schema.get("type") == "record" and all(is_simple(f["type"]) for f in schema["fields"])


class Run:
    def __init__(self, command):
        self.command = command

    def __call__(self, *arguments):
        """What the command prints, or its error."""
        done = subprocess.run([self.command, *arguments], capture_output=True, timeout=120)
        return (done.stdout, None) if done.returncode == 0 else (None, done.stderr.decode(errors="replace").strip()[:300])


def round_trip(run, path, form, folder):
    """`same`, or what came instead."""
    text, back = os.path.join(folder, "rows." + form), os.path.join(folder, "back.avro")
    _, error = run("convert", path, text)
    if error:
        return "cannot be written: " + error
    _, error = run("convert", text, back, "--schema", path)
    if error:
        return "cannot be read back: " + error
    for arguments in [["tojson"], ["tojson", "--plain"]]:
        (before, _), (after, _) = run(*arguments, path), run(*arguments, back)
        if before == after:
            return "same"
    rows = zip((before or b"").splitlines(), (after or b"").splitlines())
    differing = next(((a, b) for a, b in rows if a != b), (before, after))
    return "other rows: %s became %s" % tuple(row.decode(errors="replace")[:150] if row else row for row in differing)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("paths", nargs="*")
    parser.add_argument("--schemas", type=int, default=500)
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    run = Run(arguments.command)
    here = os.path.dirname(os.path.abspath(__file__))
    paths = []
    for path in arguments.paths or [os.path.join(here, "valid")]:
        names = sorted(os.listdir(path)) if os.path.isdir(path) else [path]
        paths += [os.path.join(path, name) if os.path.isdir(path) else name for name in names]
    counts, remainder = collections.Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        tried = []
        for seed in range(arguments.first, arguments.first + arguments.schemas):
            path = os.path.join(folder, "random-%d.avsc" % seed)
            with open(path, "w") as file:
                json.dump(random_schema(seed), file)
            tried.append(("random", path))
        tried += [("files", path) for path in paths]
        for kind, path in tried:
            schema, error = run("schema", path)
            if error:
                counts[kind, "no schema that can be read"] += 1
                continue
            schema = json.loads(schema)
            shape = "flat" if is_flat(schema) else "nested"
            made = os.path.join(folder, "made.avro")
            _, error = run("random", path, made, "--count", str(arguments.rows), "--seed", "7")
            sources = [(kind, made)] if not error else []
            if error:
                counts[kind, "no rows can be made up"] += 1
            own, error = run("count", path) if path.endswith(".avro") and os.path.getsize(path) < 2_000_000 else (None, "large")
            if not error:
                sources.append((kind + "' own rows", path))
            for source, rows in sources:
                for form in arguments.formats.split(","):
                    said = round_trip(run, rows, form, folder)
                    is_same = said == "same"
                    counts[source, form, shape, "same" if is_same else said.split(":")[0]] += 1
                    if not is_same:
                        remainder.append("%s (%s) %s: %s" % (os.path.basename(path), source, form, said))
    for key, n in sorted(counts.items()):
        print("%6d  %s" % (n, ", ".join(key)))
    print("\n".join(remainder))
    sys.exit(1 if remainder else 0)


if __name__ == "__main__":
    main()
