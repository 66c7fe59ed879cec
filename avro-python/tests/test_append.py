"""`write_avro(append=True)`: further blocks of a file, all of them or none."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time

import fastavro
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import avro_sql

TABLE = pa.table({"a": [1, 2, None], "b": ["x", "y", "z"]})


def read(path):
    with open(path, "rb") as file:
        reader = fastavro.reader(file)
        return reader.metadata, list(reader)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"])
def test_file_keeps_schema_codec_and_metadata(codec, tmp_path):
    path = tmp_path / "x.avro"
    assert avro_sql.write_avro(TABLE, path, codec=codec, metadata={"by": "me"}, append=True) == 3
    before, _ = read(path)
    for rows in (TABLE, pl.DataFrame(TABLE), pd.DataFrame({"a": [7], "b": ["p"]}), [{"b": "q", "a": 8}]):
        assert avro_sql.write_avro(rows, path, codec="null", metadata={"by": "you"}, append=True) == len(rows)
    metadata, rows = read(path)
    assert metadata == before and metadata["avro.codec"] == codec and metadata["by"] == "me"
    assert rows == TABLE.to_pylist() * 3 + [{"a": 7, "b": "p"}, {"a": 8, "b": "q"}]
    assert avro_sql.read_avro(path).to_pyarrow().num_rows == len(rows) and names(tmp_path) == ["x.avro"]


def test_file_of_another_writer(events, rows, tmp_path):
    path = tmp_path / "x.avro"
    with open(events, "rb") as file:
        path.write_bytes(file.read())
    avro_sql.write_avro(avro_sql.read_avro(events, n_rows=100), path, append=True, block_size="1KB")
    metadata, found = read(path)
    assert found == rows + rows[:100] and metadata["avro.codec"] == "deflate"
    # Reading the file that grows.
    avro_sql.write_avro(avro_sql.read_avro(path, where="id = 5"), path, append=True)
    assert len(read(path)[1]) == 10_102


def test_missing_file_and_folder_are_created(tmp_path):
    path = tmp_path / "no/such/x.avro"
    assert avro_sql.write_avro(TABLE, path, append=True, schema={"type": "record", "name": "R", "fields": [
        {"name": "a", "type": ["null", "int"]}, {"name": "b", "type": "string"}]}) == 3
    assert names(path.parent) == ["x.avro"] and read(path)[1] == TABLE.to_pylist()


def test_no_rows(tmp_path):
    path = tmp_path / "x.avro"
    avro_sql.write_avro(TABLE, path)
    assert avro_sql.write_avro(TABLE.slice(0, 0), path, append=True) == 0
    assert read(path)[1] == TABLE.to_pylist()


def test_failed_append_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "x.avro"
    avro_sql.write_avro(TABLE, path, codec="null")
    before = path.read_bytes()

    def batches():
        for at in range(50):
            yield pa.record_batch({"a": [at] * 10_000, "b": ["text"] * 10_000})
        raise RuntimeError("no more")

    reader = pa.RecordBatchReader.from_batches(pa.schema([("a", pa.int64()), ("b", pa.string())]), batches())
    cases = [
        (reader, "no more"), ([{"a": "text", "b": "x"}], "a"), ([{"nope": 1}], "nope"),
        (pa.table({"a": [1], "b": pa.array([None], pa.string())}), "b"),
    ]
    # The file has no null in `b`.
    strict = {"type": "record", "name": "R", "fields": [{"name": "a", "type": ["null", "long"]}, {"name": "b", "type": "string"}]}
    avro_sql.write_avro(TABLE, path, codec="null", schema=strict)
    before = path.read_bytes()
    for rows, text in cases:
        with pytest.raises(avro_sql.AvroError, match=text):
            avro_sql.write_avro(rows, path, append=True)
        assert path.read_bytes() == before and names(tmp_path) == ["x.avro"]


def test_damaged_file_is_refused(tmp_path):
    path = tmp_path / "x.avro"
    avro_sql.write_avro(TABLE, path)
    whole = path.read_bytes()
    for content in (whole[:-1], whole[:100], b"text", b""):
        path.write_bytes(content)
        with pytest.raises(avro_sql.AvroError) as error:
            avro_sql.write_avro(TABLE, path, append=True)
        assert str(path) in str(error.value) and path.read_bytes() == content and names(tmp_path) == ["x.avro"]


def test_appends_at_the_same_time_lose_no_rows(tmp_path):
    path = tmp_path / "x.avro"
    avro_sql.write_avro(TABLE, path)
    threads = [
        threading.Thread(target=lambda at=at: avro_sql.write_avro([{"a": at, "b": "t"}], path, append=True))
        for at in range(10, 20)
    ]
    code = f"import avro_sql; avro_sql.write_avro([{{'a': 99, 'b': 'p'}}], {str(path)!r}, append=True)"
    process = subprocess.Popen([sys.executable, "-c", code])
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert process.wait(60) == 0
    assert sorted(row["a"] for row in read(path)[1][3:]) == [*range(10, 20), 99]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT])
def test_killed_process_leaves_the_file_as_it_was(kind, tmp_path):
    path = tmp_path / "x.avro"
    avro_sql.write_avro(TABLE, path)
    before = path.read_bytes()
    code = """
        import sys, time, avro_sql, pyarrow as pa
        def batches():
            for at in range(10_000):
                yield pa.record_batch({"a": [at] * 10_000, "b": ["text"] * 10_000})
                if at == 20:
                    print("writing", flush=True)
                time.sleep(0.01)
        rows = pa.RecordBatchReader.from_batches(pa.schema([("a", pa.int64()), ("b", pa.string())]), batches())
        avro_sql.write_avro(rows, sys.argv[1], append=True)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), str(path)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"writing\n"
    process.send_signal(kind)
    process.wait(60)
    process.stdout.close()
    assert path.read_bytes() == before
    # The lock ended with the process.
    start = time.time()
    avro_sql.write_avro(TABLE, path, append=True)
    assert time.time() - start < 10 and len(read(path)[1]) == 6


@pytest.mark.skipif(os.name != "posix", reason="permissions and links")
def test_links_and_permissions_stay(tmp_path):
    path, link = tmp_path / "x.avro", tmp_path / "link.avro"
    avro_sql.write_avro(TABLE, path)
    path.chmod(0o640)
    link.symlink_to(path)
    avro_sql.write_avro(TABLE, link, append=True)
    assert link.is_symlink() and len(read(path)[1]) == 6
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize(("path", "options", "text"), [
    ("d/", {}, "is a directory"), ("d", {"partition_by": ["a"]}, "is a directory"), ("s3://b/x.avro", {}, "cannot grow"),
    ("x.avro", {"options": {"write_index": True}}, "write_index"), ("x.avro", {"options": {"nope": 1}}, "`nope`"),
    ("x.avro", {"codec": "lz4"}, "codec"), ("x.avro", {"block_size": 0}, "block"), ("x.avro", {"level": 99}, "level"),
])
def test_errors(path, options, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    avro_sql.write_avro(TABLE, "x.avro", codec="deflate")
    if "level" in options:
        options["codec"] = "deflate"
    with pytest.raises(ValueError, match=text):
        avro_sql.write_avro(TABLE, path, append=True, **options)
    assert names(tmp_path) == ["x.avro"] and len(read("x.avro")[1]) == 3
