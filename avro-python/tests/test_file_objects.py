"""File objects: read in parts, by a thread of their own, also while consumers of all kinds pull."""

from __future__ import annotations

import gc
import gzip
import io
import pathlib
import subprocess
import sys
import textwrap
import threading
import time

import duckdb
import fsspec
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import avro_sql


class Recorder(io.RawIOBase):
    """A file object that can seek and records its reads."""

    def __init__(self, data: bytes, at_most: int | None = None) -> None:
        self.data, self.at, self.at_most, self.reads = data, 0, at_most, []
        self.threads: set[int] = set()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = offset + (0, self.at, len(self.data))[whence]
        return self.at

    def tell(self) -> int:
        return self.at

    def read(self, n: int = -1) -> bytes:
        n = len(self.data) - self.at if n < 0 else n
        part = self.data[self.at : self.at + min(n, self.at_most or n)]
        self.reads.append((self.at, len(part)))
        self.threads.add(threading.get_ident())
        self.at += len(part)
        return part


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> bytes:
    """A file of 40 MB."""
    table = pa.table({"a": list(range(400_000)), "s": [f"{at:0100}" for at in range(400_000)]})
    path = tmp_path_factory.mktemp("data") / "large.avro"
    avro_sql.write_avro(table, path, codec="null")
    return path.read_bytes()


def test_first_rows_need_the_start_only(large):
    file = Recorder(large)
    scan = avro_sql.read_avro(file)
    assert sum(n for _, n in file.reads) < 1 << 20
    assert scan.columns == ["a", "s"]
    table = avro_sql.read_avro(file, n_rows=10).to_pyarrow()
    assert table["a"].to_pylist() == list(range(10))
    assert sum(n for _, n in file.reads) < len(large) / 2
    assert max(n for _, n in file.reads) <= 16 << 20
    assert threading.get_ident() in file.threads  # the test for text, read(0), is of the caller


def test_whole_file_is_read_in_parts(large):
    for at_most in (None, 100_000):
        file = Recorder(large, at_most)
        scan = avro_sql.read_avro(file)
        assert sum(scan.to_pyarrow()["a"].to_pylist()) == sum(range(400_000))
        assert max(n for _, n in file.reads) <= 16 << 20
        assert len(scan) == 400_000 and scan.to_polars()["a"].sum() == sum(range(400_000))


@pytest.mark.parametrize("read", [
    lambda scan: scan.to_pyarrow().num_rows, lambda scan: pa.table(scan).num_rows, lambda scan: len(pl.DataFrame(scan)),
    lambda scan: len(scan.to_polars()), lambda scan: len(scan.to_pandas()), lambda scan: sum(len(b) for b in scan),
    lambda scan: duckdb.sql("SELECT count(s) FROM scan").fetchall()[0][0],
    lambda scan: avro_sql.sql("SELECT count(s) FROM t", t=scan).fetchall()[0][0],
    lambda scan: len(pd.DataFrame(pa.RecordBatchReader.from_stream(scan).read_pandas())),
], ids=range(9))
def test_consumers(read, large):
    assert read(avro_sql.read_avro(Recorder(large))) == 400_000


def test_datafusion_pulls(large):
    datafusion = pytest.importorskip("datafusion")
    context = datafusion.SessionContext()
    frame = context.from_arrow(avro_sql.read_avro(Recorder(large)), "t")
    assert frame.count() == 400_000


def test_fsspec(events, rows):
    memory = fsspec.filesystem("memory")
    memory.pipe("/folder/x.avro", pathlib.Path(events).read_bytes())
    with memory.open("/folder/x.avro", "rb") as file:
        assert avro_sql.read_avro(file).to_pyarrow()["id"].to_pylist() == list(range(len(rows)))
    with fsspec.open(f"file://{events}", "rb") as file:
        assert len(avro_sql.read_avro(file)) == len(rows)
        assert len(avro_sql.scan_avro(file).collect()) == len(rows)


def test_scans_share_an_object(large):
    file = Recorder(large)
    scans = [avro_sql.read_avro(file) for _ in range(4)]
    sums: list[int] = []
    threads = [threading.Thread(target=lambda s=scan: sums.append(sum(s.to_pyarrow()["a"].to_pylist()))) for scan in scans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == [sum(range(400_000))] * 4


def test_position_is_the_start(events, rows):
    data = pathlib.Path(events).read_bytes()
    file = Recorder(b"before" + data)
    file.seek(6)
    assert len(avro_sql.read_avro(file).to_pyarrow()) == len(rows)
    memory = io.BytesIO(b"before" + data)
    memory.seek(6)
    assert len(avro_sql.read_avro([memory, io.BytesIO(data)])) == 2 * len(rows)


def test_several_objects_are_one_table(events, rows):
    data = pathlib.Path(events).read_bytes()
    scan = avro_sql.read_avro([Recorder(data), data, Recorder(data)], columns=["id"])
    assert scan.to_pyarrow()["id"].to_pylist() == list(range(len(rows))) * 3


def test_files_of_open_are_read_as_paths(events, rows):
    with open(events, "rb") as file:
        scan = avro_sql.read_avro(file)
    assert scan.files == [events] and len(scan.to_pyarrow()) == len(rows)
    with open(events, "rb", buffering=0) as file:
        file.seek(3)
        with pytest.raises(avro_sql.DataError):
            avro_sql.read_avro(file)
    with open(events, "rb") as file:
        pass
    with pytest.raises(ValueError, match="closed"):
        avro_sql.read_avro(file)


def test_compressed_and_unseekable_objects_are_read_whole(events, rows, tmp_path):
    data = pathlib.Path(events).read_bytes()
    with gzip.open(tmp_path / "x.avro.gz", "wb") as file:
        file.write(data)
    with gzip.open(tmp_path / "x.avro.gz", "rb") as file:
        assert len(avro_sql.read_avro(file).to_pyarrow()) == len(rows)
    with gzip.open(tmp_path / "x.avro.gz", "rb") as file:
        assert len(avro_sql.read_avro(io.BufferedReader(file)).to_pyarrow()) == len(rows)
    with subprocess.Popen(["cat", events], stdout=subprocess.PIPE) as process:
        assert len(avro_sql.read_avro(process.stdout).to_pyarrow()) == len(rows)


class Failing(Recorder):
    def read(self, n: int = -1) -> bytes:
        if len(self.reads) > 3:
            raise PermissionError("no longer")
        return super().read(n)


class Short(Recorder):
    def read(self, n: int = -1) -> bytes:
        return b"" if self.at > 1 << 20 else super().read(min(n, 1 << 20))


@pytest.mark.parametrize(("kind", "text"), [(Failing, "PermissionError: no longer"), (Short, "EOFError: the file ended")])
def test_failures_of_the_object(kind, text, large):
    scan = avro_sql.read_avro(kind(large, 1 << 20))
    with pytest.raises(OSError, match=text) as error:
        scan.to_pyarrow()
    assert isinstance(error.value, avro_sql.StorageError)
    with pytest.raises(Exception, match="no longer|ended"):
        pa.table(avro_sql.read_avro(kind(large, 1 << 20)))


def test_closed_object_is_an_error(large, tmp_path):
    (tmp_path / "x.avro").write_bytes(large)
    with fsspec.open(f"file://{tmp_path}/x.avro", "rb") as file:
        scan = avro_sql.read_avro(file)
    with pytest.raises(OSError, match="closed file"):
        scan.to_pyarrow()


def test_interrupt_does_not_wait_for_a_slow_object(tmp_path):
    code = """
        import _thread, io, sys, threading, time, avro_sql
        class File(io.RawIOBase):
            def __init__(self, data): self.inner = io.BytesIO(data)
            def seekable(self): return True
            def readable(self): return True
            def seek(self, at, whence=0): return self.inner.seek(at, whence)
            def tell(self): return self.inner.tell()
            def read(self, n=-1):
                if n > 0: time.sleep(1.0)
                return self.inner.read(n)
        avro_sql.write_avro([{"a": at} for at in range(1000)], sys.argv[1])
        scan = avro_sql.read_avro(File(open(sys.argv[1], "rb").read()))
        threading.Timer(0.3, _thread.interrupt_main).start()
        start = time.time()
        try:
            scan.to_pyarrow()
        except KeyboardInterrupt:
            print("interrupted", time.time() - start < 0.9)
        print(scan.to_pyarrow().num_rows)
    """
    arguments = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "x.avro")]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert done.stdout == "interrupted True\n1000\n", (done.stdout, done.stderr)
    assert done.returncode == 0


def test_process_ends_while_objects_are_read(large, tmp_path):
    (tmp_path / "large.avro").write_bytes(large)
    code = """
        import io, sys, time, avro_sql
        class File(io.RawIOBase):
            def __init__(self, data): self.inner = io.BytesIO(data)
            def seekable(self): return True
            def readable(self): return True
            def seek(self, at, whence=0): return self.inner.seek(at, whence)
            def tell(self): return self.inner.tell()
            def read(self, n=-1):
                end = time.time() + (0.2 if n > 0 else 0)
                while time.time() < end:
                    pass
                return self.inner.read(n)
        scan = avro_sql.read_avro(File(open(sys.argv[1], "rb").read()))
        batches = iter(scan)
        print(len(next(batches)) > 0)
    """
    arguments = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "large.avro")]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def test_dropped_scans_end_their_threads(events):
    data = pathlib.Path(events).read_bytes()

    def n_threads() -> int:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Threads:"))

    if not pathlib.Path("/proc/self/status").exists():
        pytest.skip("no /proc")
    avro_sql.read_avro(Recorder(data)).to_pyarrow()
    before = n_threads()
    for _ in range(200):
        avro_sql.read_avro(Recorder(data))
    gc.collect()
    deadline = time.time() + 10
    while n_threads() > before + 20 and time.time() < deadline:
        time.sleep(0.05)
    assert n_threads() <= before + 20
