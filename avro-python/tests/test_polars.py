"""`scan_avro`: projection, predicates and limits are those of Polars."""

from __future__ import annotations

import random

import polars as pl
import pytest
from conftest import container

import avro_sql
from avro_sql._polars import condition_of


def test_schema_reads_no_rows(events, monkeypatch):
    lazy = avro_sql.scan_avro(events)
    assert lazy.collect_schema()["id"] == pl.Int64
    assert lazy.collect_schema() == avro_sql.read_avro(events).to_polars().schema


def test_plan_has_projection_and_predicate(events):
    lazy = avro_sql.scan_avro(events).filter(pl.col("id") > 3).select("kind")
    plan = lazy.explain()
    assert "FILTER" not in plan.split("PYTHON SCAN")[0] and "SELECTION" in plan, plan


@pytest.mark.parametrize("streaming", [False, True])
def test_queries_equal_those_of_a_frame(events, streaming):
    frame = avro_sql.read_avro(events).to_polars()
    engine = "streaming" if streaming else "in-memory"
    id_, name = pl.col("id"), pl.col("user").struct.field("name")
    queries = [
        lambda f: f.filter(id_ > 5).select("kind"),
        lambda f: f.head(7).filter(id_ > 5),
        lambda f: f.filter(id_ > 5).head(7),
        lambda f: f.filter(id_ > 5).head(7).filter(id_ > 8).select("user", "id"),
        lambda f: f.filter(name == "user 7").select(pl.len()),
        lambda f: f.select(pl.len()),
        lambda f: f.filter((id_ > 10) | (pl.col("tags").list.len() == 3)).select(id_.sum()),
        lambda f: f.filter(pl.col("kind") == "buy").select("id"),
        lambda f: f.filter(id_.map_batches(lambda s: s % 2 == 0, return_dtype=pl.Boolean)).select("id"),
        lambda f: f.filter(pl.col("value").is_null() & (id_ < 100)).select("id", "value"),
        lambda f: f.group_by("kind").agg(id_.mean()).sort("kind"),
        lambda f: f.tail(3).select("id"),
        lambda f: f.slice(5, 3).select("id"),
        lambda f: f.with_row_index().filter(pl.col("index") == 9_999),
        lambda f: f.join(f.filter(id_ < 3), on="id").select("id").sort("id"),
        lambda f: f.filter(id_.is_in([1, 5_000])).select("id", "tags"),
    ]
    for number, query in enumerate(queries):
        found = query(avro_sql.scan_avro(events)).collect(engine=engine)
        expected = query(frame.lazy()).collect(engine=engine)
        assert found.equals(expected), number


def test_options_of_the_scan_and_the_query_combine(events):
    lazy = avro_sql.scan_avro(events, where="id >= 100", n_rows=10, columns=["id", "user.name"])
    assert lazy.collect_schema().names() == ["id", "user.name"]
    assert lazy.filter(pl.col("id") > 107).collect()["id"].to_list() == [108, 109]
    assert lazy.head(3).collect()["id"].to_list() == [100, 101, 102]
    assert lazy.select(pl.len()).collect().item() == 10
    assert lazy.filter(pl.col("user.name") == "user 5").collect()["id"].to_list() == [105]


ROWS = [
    {"i": i, "s": s, "b": b, "d": d}
    for i in (None, -1, 0, 1, 2**31)
    for s in (None, "", "a", "it's", "é")
    for b in (None, True, False)
    for d in (None, float("nan"), 0.0, 1.5)
]
FIELDS = [{"name": name, "type": ["null", kind]} for name, kind in
          {"i": "long", "s": "string", "b": "boolean", "d": "double"}.items()]


def predicate(rng: random.Random, depth: int = 0) -> pl.Expr:
    """Returns a random predicate."""
    if depth < 3 and rng.random() < 0.6:
        one, other = predicate(rng, depth + 1), predicate(rng, depth + 1)
        return rng.choice([one & other, one | other, ~one])
    name = rng.choice("isbd")
    literal = rng.choice({"i": [-1, 0, 1, 2**31, 2**40, True, 0.5], "s": ["", "a", "it's", "é"],
                          "b": [True, False], "d": [0.0, 1.5, float("nan"), 1]}[name])
    column = pl.col(name)
    kinds = [column.is_null(), column.is_not_null(), column == literal, column != literal, column.eq_missing(literal)]
    if name != "b":
        kinds += [column > literal, column >= literal, column < literal, column <= literal]
    return rng.choice(kinds)


def test_random_predicates_select_what_polars_selects():
    file = container({"type": "record", "name": "R", "fields": FIELDS}, ROWS)
    lazy = avro_sql.scan_avro(file)
    frame = pl.DataFrame(ROWS, schema={"i": pl.Int64, "s": pl.String, "b": pl.Boolean, "d": pl.Float64})
    translated = 0
    for seed in range(150):
        one = predicate(random.Random(seed))
        translated += condition_of(one, frame.schema) is not None
        assert lazy.filter(one).collect().equals(frame.filter(one)), (seed, str(one))
    assert translated > 30


def test_conditions():
    schema = pl.Schema({"i": pl.Int64, "s": pl.String, "d": pl.Float64})
    i, s, d = pl.col("i"), pl.col("s"), pl.col("d")
    assert condition_of((i > 1) & (d > 1.5) & (s == "it's"), schema) == """"i" > 1 AND "s" = 'it''s'"""
    assert condition_of((i > 1) | (d > 1.5), schema) is None
    assert condition_of(d > 1.5, schema) is None
    assert condition_of(None, schema) is None


def test_errors(events):
    with pytest.raises(FileNotFoundError):
        avro_sql.scan_avro("no/such.avro")
    damaged = open(events, "rb").read()[:-10]
    with pytest.raises(Exception, match="the file ends inside a block"):
        avro_sql.scan_avro(damaged).collect()
