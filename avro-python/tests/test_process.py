"""What happens around a call: threads, signals, forks, memory, texts that C would cut."""

from __future__ import annotations

import gc
import os
import pathlib
import subprocess
import sys
import textwrap
import threading
import time

import polars as pl
import pyarrow as pa
import pytest
from conftest import container

import avro_sql


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments], capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> str:
    """A file that takes a while to decode."""
    path = tmp_path_factory.mktemp("data") / "large.avro"
    table = pa.table({"a": list(range(200_000)), "s": [f"text {at % 1_000}" for at in range(200_000)]})
    avro_sql.write_avro(pa.concat_tables([table] * 10), path, codec="deflate")
    return str(path)


def test_import_is_light():
    done = python("import sys, avro_sql; print([m for m in ('pyarrow', 'polars', 'pandas', 'numpy') if m in sys.modules])")
    assert done.stdout == "[]\n", done.stderr


def test_import_is_fast():
    """The goal is 50 ms; the limit is for busy machines. The best of a few counts."""
    code = "import time; start = time.perf_counter(); import avro_sql; print(time.perf_counter() - start)"
    assert min(float(python(code).stdout) for _ in range(5)) < 0.25


def test_other_threads_run_while_decoding(large):
    """A thread that only counts must make progress during a call, for each way to read."""
    scan = avro_sql.read_avro(large)
    for read in (scan.to_pyarrow, lambda: pa.table(scan), lambda: pl.DataFrame(scan), lambda: len(scan.to_polars()),
                 lambda: avro_sql.sql(f"SELECT max(s) FROM '{large}'").fetchall()):
        ticks, done = [], threading.Event()

        def tick(ticks=ticks, done=done):
            while not done.is_set():
                ticks.append(time.perf_counter())
                time.sleep(0.001)

        ticker = threading.Thread(target=tick)
        ticker.start()
        start = time.perf_counter()
        read()
        took = time.perf_counter() - start
        done.set()
        ticker.join()
        longest = max(b - a for a, b in zip(ticks, ticks[1:]))
        assert longest < max(0.25, took / 2), (read, longest, took)


def test_threads_read_one_scan(large):
    scan = avro_sql.read_avro(large, columns=["a"], n_rows=50_000)
    sums: list[int] = []
    threads = [threading.Thread(target=lambda: sums.append(sum(scan.to_pyarrow()["a"].to_pylist()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == [sum(range(50_000))] * 8


@pytest.mark.parametrize("read", [
    "avro_sql.sql('SELECT count(*) FROM range(1000000000) a, range(1000000000) b').to_pyarrow()",
    "pyarrow.table(avro_sql.sql('SELECT count(*) FROM range(1000000000) a, range(1000000000) b'))",
])
def test_interrupt_ends_a_query(read):
    code = f"""
        import pyarrow, avro_sql, threading, _thread, time
        threading.Timer(1.0, _thread.interrupt_main).start()
        start = time.time()
        try:
            {read}
        except KeyboardInterrupt:
            print("interrupted", time.time() - start < 20)
        except OSError as error:  # pyarrow's own, of a stream that it reads
            print(error, time.time() - start < 20)
    """
    done = python(code)
    assert done.stdout.startswith("interrupted True"), (done.stdout, done.stderr)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_forked_process_gets_its_own_engine_and_old_objects_say_so(events):
    code = """
        import os, sys, avro_sql
        old = avro_sql.read_avro(sys.argv[1], columns=["id"])
        assert old.to_pyarrow().num_rows == 10_000
        child = os.fork()
        if child == 0:
            try:
                old.to_pyarrow()
            except RuntimeError as error:
                assert "forked" in str(error), error
                new = avro_sql.read_avro(sys.argv[1], columns=["id"]).to_pyarrow()
                os._exit(7 if new.num_rows == 10_000 else 1)
            os._exit(2)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), old.to_pyarrow().num_rows)
    """
    done = python(code, events)
    assert done.stdout == "7 10000\n", done.stderr


def test_nul_in_the_text_of_an_error(tmp_path):
    path = tmp_path / "x.avro"
    path.write_bytes(container({"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]}, [{"a": "x\0y"}]))
    scan = avro_sql.read_avro(path, where="CAST(a AS INT) > 0")
    for read in (scan.to_pyarrow, lambda: pa.table(scan), lambda: pl.DataFrame(scan), scan.to_polars):
        with pytest.raises(Exception) as error:
            read()
        assert "\0" not in str(error.value) and "xy" in str(error.value), error.value
    with pytest.raises(avro_sql.AvroError):
        avro_sql.read_avro("no\0such.avro")


def test_error_in_the_stream_of_a_consumer(large):
    damaged = bytearray(pathlib.Path(large).read_bytes())
    damaged[-100_000] ^= 0xFF
    scan = avro_sql.read_avro(bytes(damaged))
    with pytest.raises(Exception, match="block"):
        pa.table(scan)
    with pytest.raises(Exception, match="block"):
        pl.DataFrame(scan)


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no /proc")
def test_opens_do_not_leak():
    file = container({"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}]}, [{"a": 1}] * 100)
    scan = avro_sql.read_avro(file)
    n_threads = threading.active_count()

    def opens(n: int) -> None:
        for at in range(n):
            stream = scan.__arrow_c_stream__()
            if at % 10 == 0:
                assert pa.RecordBatchReader._import_from_c_capsule(stream).read_all().num_rows == 100
            if at % 10 == 1:
                avro_sql.read_avro(file)

    opens(2_000)
    gc.collect()
    before = resident()
    opens(10_000)
    gc.collect()
    assert resident() - before < 64 << 20
    assert threading.active_count() == n_threads


def test_dropped_stream_cancels(large):
    start = time.time()
    for _ in range(50):
        stream = avro_sql.read_avro(large).__arrow_c_stream__()
        del stream
    assert time.time() - start < 30
