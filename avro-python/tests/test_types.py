"""The annotations are complete and right, and the stubs of the native part name what it has."""

from __future__ import annotations

import ast
import pathlib
import subprocess
import sys

import avro_sql
from avro_sql import _native

HERE = pathlib.Path(__file__).parent
PACKAGE = pathlib.Path(avro_sql.__file__).parent

USER = """
import avro_sql
import polars as pl

scan: avro_sql.Scan = avro_sql.read_avro("x.avro", columns=["a"], where="a > 1")
frame: pl.DataFrame = scan.to_polars()
lazy: pl.LazyFrame = avro_sql.scan_avro(["x.avro", "y.avro"])
n: int = avro_sql.write_avro(frame, "y.avro", codec="zstandard") + len(scan)
rows: avro_sql.Decoded = avro_sql.MessageDecoder(schemas={7: "long"}).decode([b"x", None])
values: list[tuple[object, ...]] = avro_sql.sql("SELECT $x", {"x": 1}).fetchall()
for batch in scan:
    print(batch.num_rows)
"""


def test_mypy_strict(tmp_path):
    (tmp_path / "user.py").write_text(USER)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", str(HERE.parent / "pyproject.toml"),
         "--cache-dir", str(tmp_path / "cache"), str(PACKAGE), str(tmp_path / "user.py")],
        capture_output=True, text=True, cwd=tmp_path, env={"MYPYPATH": str(PACKAGE.parent), "PATH": ""},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (PACKAGE / "py.typed").exists()


def test_stubs_name_all_of_the_native_module():
    tree = ast.parse((PACKAGE / "_native.pyi").read_text())
    stubs = {node.name: node for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    native = {name for name in dir(_native) if not name.startswith("_")}
    assert native == set(stubs)
    for name, node in stubs.items():
        if isinstance(node, ast.ClassDef):
            members = {n.name for n in node.body if isinstance(n, ast.FunctionDef)}
            found = {m for m in vars(getattr(_native, name)) if m not in ("__doc__", "__module__", "__new__")}
            assert found <= members | {"__next__"} and members - {"__new__"} <= found, name


def test_all_names_are_documented():
    for name in avro_sql.__all__:
        assert getattr(avro_sql, name).__doc__, name
