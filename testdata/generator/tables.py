"""Random tables for SQL: the same rows as an Avro file and as an Arrow table."""
import datetime as dt
import decimal
import io
import json

import fastavro
import pyarrow as pa

UTC = dt.timezone.utc
WORDS = ["", "a", "b", "A", "ab", "abc", "Zoé", "50%", "a_b", "x y", "it's", "00", "7", "-1.5", "null"]
SYMBOLS = ["RED", "GREEN", "BLUE"]
DECIMALS = [(4, 2), (9, 0), (12, 2), (18, 6), (30, 8), (38, 10)]
CODECS = ["null", "deflate", "snappy", "zstandard"]


class Column:
    """A column: its name, what kind of values it has, its Avro and Arrow types, and how its values are made."""

    def __init__(self, name, kind, avro, arrow, value, inner=None):
        self.name, self.kind, self.avro, self.arrow, self.value, self.inner = name, kind, avro, arrow, value, inner
        self.nullable = False


def integer(rng, bits):
    if rng.random() < 0.03:
        return rng.choice([-(1 << bits - 1), (1 << bits - 1) - 1])
    return rng.choice([0, 1, 2, 3, 5, -1, -7, 10, 100, rng.randrange(-1000, 1000), rng.randrange(-50_000, 50_000)])


def real(rng):
    """Quarters: sums of them are exact in every order."""
    return rng.randrange(-4000, 4000) / 4


def number(rng, precision, scale):
    digits = rng.choice([1, 2, min(precision, 5), precision if rng.random() < 0.2 else min(precision, 7)])
    return decimal.Decimal(rng.randrange(-(10 ** digits) + 1, 10 ** digits)).scaleb(-scale)


def date(rng):
    if rng.random() < 0.05:
        return rng.choice([dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(1582, 10, 10)])
    return dt.date(2024, 1, 1) + dt.timedelta(days=rng.randrange(-400, 400))


def moment(rng, micros):
    if rng.random() < 0.05:
        return rng.choice([dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30, 23, 59, 59), dt.datetime(1600, 2, 29)])
    when = dt.datetime(2024, 1, 1) + dt.timedelta(seconds=rng.randrange(-40_000_000, 40_000_000))
    return when + dt.timedelta(microseconds=rng.randrange(1_000_000) if micros else 1000 * rng.randrange(1000))


def simple(name, kind, rng):
    """A column of a simple kind."""
    if kind == "int":
        return Column(name, kind, "int", pa.int32(), lambda: integer(rng, 32))
    if kind == "long":
        return Column(name, kind, "long", pa.int64(), lambda: integer(rng, 64))
    if kind == "double":
        return Column(name, kind, "double", pa.float64(), lambda: real(rng))
    if kind == "float":
        return Column(name, kind, "float", pa.float32(), lambda: real(rng))
    if kind == "bool":
        return Column(name, kind, "boolean", pa.bool_(), lambda: rng.random() < 0.5)
    if kind == "text":
        return Column(name, kind, "string", pa.string(), lambda: rng.choice(WORDS))
    if kind == "enum":
        avro = {"type": "enum", "name": f"E_{name}", "symbols": SYMBOLS}
        return Column(name, "enum", avro, pa.string(), lambda: rng.choice(SYMBOLS))
    if kind == "decimal":
        p, s = rng.choice(DECIMALS)
        avro = {"type": "bytes", "logicalType": "decimal", "precision": p, "scale": s}
        column = Column(name, kind, avro, pa.decimal128(p, s), lambda: number(rng, p, s))
        column.inner = (p, s)
        return column
    if kind == "date":
        return Column(name, kind, {"type": "int", "logicalType": "date"}, pa.date32(), lambda: date(rng))
    if kind in ("instant", "local"):
        micros = rng.random() < 0.6
        unit = "micros" if micros else "millis"
        prefix = "timestamp" if kind == "instant" else "local-timestamp"
        avro = {"type": "long", "logicalType": f"{prefix}-{unit}"}
        arrow = pa.timestamp("us", "UTC" if kind == "instant" else None)
        zone = UTC if kind == "instant" else None
        return Column(name, kind, avro, arrow, lambda: moment(rng, micros).replace(tzinfo=zone))
    raise ValueError(kind)


SIMPLE = ["int", "long", "double", "float", "bool", "text", "enum", "decimal", "date", "instant", "local"]
ITEMS = ["int", "long", "text", "double"]


def column(name, kind, rng):
    """A column of any kind. Inner values may be null as well."""
    if kind == "list":
        item = optional(simple(f"{name}_i", rng.choice(ITEMS), rng), rng)
        return Column(name, kind, {"type": "array", "items": avro_type(item)}, pa.list_(item.arrow),
                      lambda: [value(item, rng) for _ in range(rng.choice([0, 0, 1, 2, 3]))], item)
    if kind == "record":
        fields = [optional(simple(f, k, rng), rng) for f, k in [("x", "int"), ("s", "text"), ("d", "decimal")]]
        avro = {"type": "record", "name": f"R_{name}", "fields": [{"name": f.name, "type": avro_type(f)} for f in fields]}
        return Column(name, kind, avro, pa.struct([(f.name, f.arrow) for f in fields]),
                      lambda: {f.name: value(f, rng) for f in fields}, fields)
    if kind == "records":
        item = column(name, "record", rng)
        return Column(name, kind, {"type": "array", "items": item.avro}, pa.list_(item.arrow),
                      lambda: [item.value() for _ in range(rng.choice([0, 1, 2, 3]))], item)
    if kind == "map":
        item = optional(simple(f"{name}_v", rng.choice(["int", "text"]), rng), rng)
        return Column(name, kind, {"type": "map", "values": avro_type(item)}, pa.map_(pa.string(), item.arrow),
                      lambda: {k: value(item, rng) for k in rng.sample(["k", "l", "m"], rng.choice([0, 1, 2]))}, item)
    return simple(name, kind, rng)


def optional(column, rng, share=0.5):
    column.nullable = rng.random() < share
    return column


def avro_type(column):
    return ["null", column.avro] if column.nullable else column.avro


def value(column, rng):
    return None if column.nullable and rng.random() < 0.25 else column.value()


class Table:
    """Random columns and rows. `id` is 1, 2, 3 .. and `g` has few values."""

    def __init__(self, name, rng):
        self.name = name
        kinds = ["int", "long", "text", "decimal"]
        kinds += rng.sample(SIMPLE, rng.randrange(2, 6)) + rng.sample(["list", "record", "records", "map"], 2)
        self.columns = [Column("id", "long", "long", pa.int64(), None), Column("g", "int", "int", pa.int32(), None)]
        self.columns += [optional(column(f"c{n}", kind, rng), rng, 0.6) for n, kind in enumerate(kinds)]
        n_rows = rng.choice([0, 1, 5, 30, 100, 300])
        self.rows = [{"id": n + 1, "g": rng.randrange(5)} | {c.name: value(c, rng) for c in self.columns[2:]}
                     for n in range(n_rows)]
        self.codec, self.block = rng.choice(CODECS), rng.choice([200, 2000, 16000])

    def avro(self):
        fields = [{"name": c.name, "type": avro_type(c)} for c in self.columns]
        schema = fastavro.parse_schema(json.loads(json.dumps({"type": "record", "name": "T", "fields": fields})))
        file = io.BytesIO()
        fastavro.writer(file, schema, self.rows, self.codec, self.block, sync_marker=b"random SQL table")
        return file.getvalue()

    def arrow(self):
        schema = pa.schema([(c.name, c.arrow) for c in self.columns])
        columns = []
        for c in self.columns:
            values = [row[c.name] for row in self.rows]
            if c.kind == "map":
                values = [None if v is None else list(v.items()) for v in values]
            columns.append(pa.array(values, c.arrow))
        return pa.table(columns, schema=schema)
