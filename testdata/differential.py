#!/usr/bin/env python3
"""Random Avro files by fastavro, read by fastavro and by avro-arrow: do both find the same rows?

usage: python3 testdata/differential.py [--seeds N] [--pairs N] [--from-seed N] [--files DIR] [--keep-failures DIR] [--rows COMMAND]
needs: pip install fastavro cramjam zstandard backports.zstd, and Rust

First `--seeds` files of random schemas, then `--pairs` files that are read with another version of their schema. The same
seed gives the same file. With `--files`, instead of these, the Avro files in a folder: each with the schemas of all others whose
top level has the same name. What is compared, and with which exceptions: `generator/resolving.py` and README.md beside this file.
"""
import argparse, collections, io, itertools, json, os, random, shlex, subprocess, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from generator import resolving, rows, wire
from generator.shapes import Shapes, weight

import fastavro._write_py as writer

HERE = os.path.dirname(os.path.abspath(__file__))
CARGO = "cargo run --quiet --release -p avro-arrow --example rows"
CODECS = ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"]
MOST_TYPES, MOST_VALUES, BATCH = 300, 3000, 250


def write_union(encoder, datum, schema, named, fname, options):
    """fastavro looks for a branch that fits; here each value says which is its own."""
    encoder.write_index(datum.index)
    writer.write_data(encoder, datum.value, schema[datum.index], named, fname, options)


sys.set_int_max_str_digits(0)  # any bytes may be asked for as a decimal
writer.WRITERS["union"] = write_union
writer.LOGICAL_WRITERS.clear()  # values are of the base types already


def random_file(seed, evolve):
    """(the file's bytes, the reader's schema if it shall have one, what it is made of)."""
    rng = random.Random(f"{seed} {'pair' if evolve else 'schema'}")
    while True:
        shapes = Shapes(rng)
        schema = shapes.schema()
        size = weight(schema, MOST_TYPES)
        text = shapes.text(schema)
        if size <= MOST_TYPES and resolving.ends(text):
            break
    n_rows = min(rng.choice([0, 1, 2, 7, 8, 9, 17, 40, 100, 300]), max(1, MOST_VALUES // size))
    values = [shapes.value(schema) for _ in range(n_rows)]
    codec, interval = rng.choice(CODECS), rng.choice([1, 30, 200, 1000, 16000, 1 << 20])
    data = wire.container(writer.writer, json.loads(text), values, codec, interval)
    if rng.random() < 0.7:  # fastavro's header has the schema as fastavro sees it; here it is as it was spelled
        data = wire.header(text, codec) + data[data.index(wire.SYNC) + len(wire.SYNC):]
    reader = None
    while evolve and reader is None:
        shapes.made.clear()
        evolved = shapes.evolved(schema)
        if weight(evolved, 2 * MOST_TYPES) <= 2 * MOST_TYPES:
            text = shapes.text(evolved)
            reader = text if resolving.ends(text) else None
    return data, reader, collections.Counter(
        [f"codec {codec}", f"sync interval {interval}", *(f"change: {name}" for name in shapes.made.elements())])


def ours(command, paths):
    """What avro-arrow finds: for each file (and reader's schema) its lines, or the text of the error."""
    asked = "".join("\t".join(p for p in pair if p) + "\n" for pair in paths)
    lines = iter(subprocess.run(command, input=asked, capture_output=True, text=True, check=True).stdout.split("\n"))
    for _ in paths:
        what, _, rest = next(lines).partition(" ")
        yield ([next(lines) for _ in range(int(rest))], None) if what == "rows" else (None, rest)


def theirs(data, reader):
    """(rows or the error that we should find, those of fastavro, the names of the exceptions between them)."""
    if reader is not None:
        return resolving.read(data, reader)
    schema, found = rows.read(data)
    lines = rows.lines(schema, found)
    return lines, lines, set()


def difference(expected, found, error):
    """What is not as expected, if anything."""
    if isinstance(expected, resolving.Unreadable):
        if error is None:
            return f"there should be an error: {expected}"
        early = "does not fit the file's" in error
        return None if early == expected.early else f"an error {'before the rows' if early else 'of a row'}: {error}, for: {expected}"
    if error is not None:
        return error
    want = expected.split("\n")[:-1]
    if len(want) != len(found):
        return f"{len(found)} rows for {len(want)}"
    for i, (a, b) in enumerate(zip(found, want)):
        if a != b and not same(parse(a), parse(b)):
            return f"row {i}\n got {a}\nwant {b}"
    return None


def parse(line):
    return json.loads(line, object_pairs_hook=lambda pairs: pairs if len({k for k, _ in pairs}) < len(pairs) else Object(pairs))


class Object(dict):
    """A JSON object, which is compared with the order of its keys."""

    def __eq__(self, other):
        return isinstance(other, Object) and [*self.items()] == [*other.items()]


def same(got, want):
    if isinstance(want, Object) and [*want] == ["json"]:  # the text of a value of a recursive type; its keys may have any order
        return isinstance(got, str) and json.loads(got) == json.loads(json.dumps(want["json"]))
    if isinstance(want, Object):
        return isinstance(got, Object) and [*got] == [*want] and all(same(got[k], want[k]) for k in want)
    if isinstance(want, list):
        return isinstance(got, list) and len(got) == len(want) and all(map(same, got, want))
    return type(got) is type(want) and got == want


def random_jobs(args):
    """(name, bytes, the reader's schema, what they are made of) of what is asked for."""
    for evolve, n in ((False, args.seeds), (True, args.pairs)):
        for seed in range(args.from_seed, args.from_seed + n):
            yield f"{'pair' if evolve else 'schema'}-{seed}", *random_file(seed, evolve)


def file_jobs(folder):
    """The same of files that are there: those that fastavro can read, each with its own and all others' schemas."""
    groups, unread = {}, 0
    for name in sorted(os.listdir(folder)):
        data = b""
        if name.endswith(".avro"):
            with open(os.path.join(folder, name), "rb") as f:
                data = f.read()
        try:
            file = rows.reader.reader(io.BytesIO(data), "null")
            rows.read(data)
        except Exception:  # of any kind: many are damaged, or have schemas that fastavro refuses
            unread += bool(data)
            continue
        top = file.writer_schema
        group = groups.setdefault((resolving.kind(top), top["name"].rpartition(".")[2] if "name" in top else ""), {})
        group.setdefault(json.dumps(file.writer_schema, sort_keys=True), []).append((name, data, file.metadata["avro.schema"]))
    print(f"{unread:8} files that fastavro does not read")
    for group in groups.values():
        for writer_schema, files in group.items():
            name, data, _ = files[0]
            for reader_schema, others in group.items():
                if reader_schema != writer_schema:
                    yield f"{name} as {others[0][0]}".replace("/", "_"), data, others[0][2], {}


def main():
    args = argparse.ArgumentParser(usage=__doc__)
    args.add_argument("--seeds", type=int, default=5000)
    args.add_argument("--pairs", type=int, default=2000)
    args.add_argument("--from-seed", type=int, default=0)
    args.add_argument("--files", metavar="DIR")
    args.add_argument("--keep-failures", metavar="DIR")
    args.add_argument("--rows", default=CARGO, help="the command that reads files, if it is built already")
    args = args.parse_args()
    jobs = file_jobs(os.path.abspath(args.files)) if args.files else random_jobs(args)
    os.chdir(os.path.dirname(HERE))
    counts, exceptions, failures = collections.Counter(), collections.Counter(), 0
    while batch := list(itertools.islice(jobs, BATCH)):
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for i, (_, data, reader, of) in enumerate(batch):
                path = os.path.join(folder, f"{i}.avro")
                with open(path, "wb") as f:
                    f.write(data)
                if reader is not None:
                    with open(path + ".avsc", "w") as f:
                        f.write(reader)
                paths.append((path, reader and path + ".avsc"))
                counts.update(of)
            for (name, data, reader, _), (found, error) in zip(batch, ours(shlex.split(args.rows), paths)):
                problem = check(data, reader, found, error, counts, exceptions)
                if problem:
                    failures += 1
                    print(f"{name}: {problem}", flush=True)
                    keep(args.keep_failures, name, data, reader, problem)
    for name, n in sorted(counts.items()):
        print(f"{n:8} {name}")
    for name in resolving.EXCEPTIONS:
        print(f"{exceptions[name]:8} exception: {name}")
    print(f"{failures:8} differences")
    sys.exit(failures > 0)


def check(data, reader, found, error, counts, exceptions):
    """What is not as expected of one file, if anything; and it is counted."""
    expected, strict, noted = theirs(data, reader)
    problem = difference(expected, found, error)
    agree = strict == expected or isinstance(strict, Exception) and isinstance(expected, Exception)
    if not agree and not noted and isinstance(expected, resolving.Unreadable):
        noted = {"error-before-rows"}
    if problem is None and not agree and not noted:
        problem = "fastavro finds something else, and no exception says why"
    counts["rows"] += len(found or [])
    counts["schemas" if reader is None else "pairs"] += 1
    if reader is not None:
        early = error is not None and "does not fit the file's" in error
        counts["pairs: " + ("rows" if error is None else "an error before the rows" if early else "an error of a row")] += 1
        counts["pairs: fastavro finds the same" if agree else "pairs: as an exception says"] += 1
        exceptions.update([] if agree else noted)
    return problem


def keep(folder, name, data, reader, problem):
    if folder:
        os.makedirs(folder, exist_ok=True)
        for ending, content in ((".avro", data), (".avsc", (reader or "").encode()), (".txt", problem.encode())):
            with open(os.path.join(folder, name + ending), "wb") as f:
                f.write(content)


if __name__ == "__main__":
    main()
