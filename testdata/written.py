#!/usr/bin/env python3
"""Are files that avro-sql writes read by others as what they were made of?

    python3 testdata/written.py AVRO-SQL [FILE.avro ...]

Every file (those of testdata/valid if none is named) is converted to Avro once for each codec, by the command given. Then each reader
that is installed reads the file and what became of it: fastavro, Apache's avro, DuckDB with its extension avro. A line for each
reader: how many pairs had the same rows, and how many were not compared because the reader cannot read the file itself. What is not the
same is listed, and the exit code is 1.
"""

import glob
import math
import os
import subprocess
import sys
import tempfile
import warnings

CODECS = ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"]

# The codecs that each reader has.
KNOWN = {"fastavro": CODECS, "avro": CODECS[:5], "duckdb": CODECS[:3]}

# What is not compared. DuckDB stops at a block without rows, which what is written has not; and decimals are bytes to it, of which no more are
# written than a number needs. Names that Avro does not allow are written as such that it does.
NOT_ALL = {
    *(("duckdb", "blocks-%s.avro" % name) for name in ["empty", "empty-deflate", "uneven"]),
    *(("duckdb", "decimal-%s.avro" % name) for name in ["bytes", "python", "python-apache", "widths"]),
    ("fastavro", "names-dollar.avro"),
}

# What DuckDB says, now and then, of rows that have no bytes.
NO_MEMORY = "Cannot allocate memory for snappy"


def plain(value):
    """The value in a form in which equal rows are equal: NaN is not itself, and maps have no order."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else (value, math.copysign(1, value))
    if isinstance(value, dict):
        return tuple(sorted((str(key), plain(item)) for key, item in value.items()))
    if isinstance(value, (list, tuple)):
        return tuple(plain(item) for item in value)
    return value


def by_fastavro(path):
    import fastavro

    with open(path, "rb") as file:
        return [plain(row) for row in fastavro.reader(file)]


def by_apache(path):
    from avro.datafile import DataFileReader
    from avro.io import DatumReader

    with open(path, "rb") as file:
        return [plain(row) for row in DataFileReader(file, DatumReader())]


def by_duckdb(path):
    import duckdb
    import duckdb_extension_avro

    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    folder = os.path.dirname(duckdb_extension_avro.__file__)
    connection.execute("LOAD '%s'" % glob.glob(folder + "/extensions/*/avro.duckdb_extension")[0])
    return [plain(row) for row in connection.execute("SELECT * FROM read_avro('%s')" % path).fetchall()]


def rows(read, path):
    """The rows, or the error."""
    try:
        return read(path), None
    except Exception as error:
        return None, "%s: %s" % (type(error).__name__, str(error)[:200])


def main():
    command, files = sys.argv[1], sys.argv[2:]
    # Of types that a reader takes as their base.
    warnings.simplefilter("ignore")
    here = os.path.dirname(os.path.abspath(__file__))
    files = files or sorted(glob.glob(os.path.join(here, "valid", "*.avro")))
    readers = {"fastavro": by_fastavro, "avro": by_apache, "duckdb": by_duckdb}
    originals = {(name, file): rows(read, file) for name, read in readers.items() for file in files}
    same, not_read, wrong = dict.fromkeys(readers, 0), dict.fromkeys(readers, 0), []
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.avro")
        for file in files:
            for codec in CODECS:
                done = subprocess.run([command, "convert", "--codec", codec, file, out], capture_output=True, text=True)
                if done.returncode:
                    wrong.append((file, codec, "avro-sql", done.stderr.strip()))
                    continue
                for name, read in readers.items():
                    expected, error = originals[name, file]
                    if error or codec not in KNOWN[name] or (name, os.path.basename(file)) in NOT_ALL:
                        not_read[name] += 1
                        continue
                    found, error = rows(read, out)
                    if error and NO_MEMORY in error:
                        not_read[name] += 1
                    elif found == expected:
                        same[name] += 1
                    else:
                        wrong.append((file, codec, name, error or "other rows"))
                os.remove(out)
    for name in readers:
        print("%s\t%d the same\t%d not compared" % (name, same[name], not_read[name]))
    for file, codec, name, what in wrong:
        print("%s\t%s\t%s\t%s" % (os.path.basename(file), codec, name, what))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
