"""`where=` as an expression of pyarrow or Polars: the rows that the library selects itself, or an error."""

from __future__ import annotations

import datetime
import decimal

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from conftest import container

import avro_sql

NAN, INF = float("nan"), float("inf")
UTC = datetime.timezone.utc
SCHEMA = {"type": "record", "name": "R", "fields": [
    {"name": "id", "type": "long"},
    {"name": "n", "type": ["null", "int"]},
    {"name": "f", "type": ["null", "float"]},
    {"name": "d", "type": ["null", "double"]},
    {"name": "s", "type": ["null", "string"]},
    {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["b", "a"]}},
    {"name": "ok", "type": ["null", "boolean"]},
    {"name": "raw", "type": "bytes"},
    {"name": "day", "type": {"type": "int", "logicalType": "date"}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "wall", "type": {"type": "long", "logicalType": "local-timestamp-millis"}},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
    {"name": "r", "type": ["null", {"type": "record", "name": "In", "fields": [{"name": "x y", "type": ["null", "int"]}]}]},
    {"name": "u", "type": ["null", "long", "string"]},
]}
FLOATS = [None, NAN, 0.0, -0.0, 1.5, -1.5, INF, -INF, 1.1, 2.0]


def row(at):
    return {
        "id": at - 5, "n": None if at % 4 == 0 else at % 7, "f": FLOATS[at % 10], "d": FLOATS[(at * 3) % 10],
        "s": [None, "", "it's", "zz", "Z"][at % 5], "e": "ab"[at % 2], "ok": [None, True, False][at % 3],
        "raw": bytes([at % 3]), "day": datetime.date(2024, 1, 1) + datetime.timedelta(at - 10),
        "at": datetime.datetime(2024, 1, 1, tzinfo=UTC) + datetime.timedelta(hours=at - 10),
        "wall": datetime.datetime(2024, 1, 1) + datetime.timedelta(hours=at - 10),
        "price": decimal.Decimal(at - 10) / 4, "r": None if at % 5 == 0 else {"x y": None if at % 3 == 0 else at},
        "u": [None, at, "t"][at % 3],
    }


DATA = container(SCHEMA, [row(at) for at in range(60)])
F = pc.field


def V(value, kind=None):
    return pc.scalar(value if kind is None else pa.scalar(value, kind))


PYARROW = [
    *(pc_op for op in ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__") for pc_op in (
        getattr(F("id"), op)(3), getattr(F("n"), op)(V(3, pa.int32())), getattr(F("s"), op)("it's"),
        getattr(F("e"), op)("a"), getattr(F("raw"), op)(b"\1"), getattr(F("day"), op)(datetime.date(2024, 1, 1)),
        getattr(F("at"), op)(V(datetime.datetime(2024, 1, 1, tzinfo=UTC), pa.timestamp("us", "UTC"))),
        getattr(F("wall"), op)(V(datetime.datetime(2024, 1, 1), pa.timestamp("ms"))),
        getattr(F("price"), op)(V(decimal.Decimal("1.25"), pa.decimal128(10, 2))),
        getattr(F("r", "x y"), op)(V(20, pa.int32())), getattr(V(3), op)(F("id")),
        *(getattr(F("d"), op)(value) for value in (1.5, 0.0, -0.0, INF, -INF, 1.1)),
        *(getattr(F("f"), op)(V(value, pa.float32())) for value in (1.5, 0.0, 1.1)), getattr(V(1.5), op)(F("d")),
        ~getattr(F("d"), op)(1.5),
    )),
    F("ok"), ~F("ok"), F("ok") == True, F("s").is_null(), F("s").is_valid(), F("r").is_null(), F("d").is_null(),  # noqa: E712
    (F("id") > 3) & (F("s") != "zz") | F("n").is_null(), ~((F("n") > V(3, pa.int32())) & F("ok")),
    (F("id") > 1) & (F("id") > 2) & (F("id") < 30), F("n") == V(None, pa.int32()), V(True), V(False), F("id") == -2,
]


@pytest.mark.parametrize("condition", PYARROW, ids=str)
def test_pyarrow(condition):
    scan = avro_sql.read_avro(DATA, where=condition)
    plain = avro_sql.read_avro(DATA, enums="string").to_pyarrow()
    assert scan.to_pyarrow()["id"].to_pylist() == plain.filter(condition)["id"].to_pylist()
    assert len(scan) == plain.filter(condition).num_rows


@pytest.mark.parametrize("condition", [
    F("id").isin([1, 2]), F("id") + 1 > 3, F("id") > 1.5, F("d") == NAN, F("d") > F("f"), pc.starts_with(F("s"), "a"),
    F("d").is_null(nan_is_null=True), F("u") == 1, F("id") + 1, F("nope") > 1, F("s") == "a\0b", pc.is_nan(F("d")),
    F("id").cast("int32") > 3, F("r") == F("r"),
], ids=str)
def test_pyarrow_refused(condition):
    with pytest.raises(ValueError, match="^where: the expression .* has no translation; write it in SQL") as error:
        avro_sql.read_avro(DATA, where=condition)
    assert "\n" not in str(error.value)


C = pl.col
POLARS = [
    *(getattr(C("id"), op)(3) for op in ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")),
    C("s") == "it's", C("s") > "a", C("e") == "a", C("e") != "a", C("s").is_null(), C("d").is_not_null(), C("ok") == True,  # noqa: E712
    (C("id") > 3) & (C("s") != "zz") | C("n").is_null(), (C("id") > 3) & (C("id") < 9),
]


@pytest.mark.parametrize("condition", POLARS, ids=str)
def test_polars(condition):
    frame = avro_sql.read_avro(DATA).to_polars()
    assert avro_sql.read_avro(DATA, where=condition).to_polars()["id"].to_list() == frame.filter(condition)["id"].to_list()
    assert avro_sql.scan_avro(DATA).filter(condition).collect()["id"].to_list() == frame.filter(condition)["id"].to_list()


@pytest.mark.parametrize("condition", [
    C("id") + 1 > 3, (C("id") > 3) & (C("id") % 2 == 0), C("d") > 1.5, C("s").str.starts_with("a"), C("id").max() == 3,
    C("e") < "b", C("nope") == 1,
], ids=str)
def test_polars_refused(condition):
    with pytest.raises(ValueError, match="where: the expression .* scan_avro"):
        avro_sql.read_avro(DATA, where=condition)


def test_sql_and_others():
    assert len(avro_sql.read_avro(DATA, where="id = 3")) == 1
    for condition in (3, True, b"id = 3", ["id = 3"]):
        with pytest.raises(TypeError, match="where: expected SQL or an expression of pyarrow or Polars"):
            avro_sql.read_avro(DATA, where=condition)


def test_expressions_in_lazy_scans_and_sql():
    lazy = avro_sql.scan_avro(DATA, where=F("id") > 3).filter(C("id") < 6)
    assert lazy.collect()["id"].to_list() == [4, 5]
    connection = avro_sql.connect()
    connection.register("t", avro_sql.read_avro(DATA, where=C("id") > 50))
    assert connection.sql("SELECT count(*) FROM t").fetchall() == [(4,)]
