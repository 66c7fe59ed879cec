"""The table of valid files.

A case is `case(name, schema, rows, ..)`; what the options mean stands at `case`. Rows are raw Avro values as fastavro
takes them: numbers for dates and timestamps, `bytes` for decimals, `(branch, value)` where a union could be read two ways.
"""
import struct

from . import wire
from .wire import blob, long

I32, I64 = (-(2**31), 2**31 - 1), (-(2**63), 2**63 - 1)
F32_MAX, F32_TINY = 3.4028234663852886e38, 1.401298464324817e-45
CASES = []


def case(name, schema, rows, *, apache=False, by_hand=None, alike=None, want=None, **options):
    """- `apache`: a second file, `NAME-apache`, of the same rows by Apache's writer; a list where that wants other values.
    - `by_hand`: the file's bytes, made here; `rows` are then what is in it (checked against what fastavro reads).
    - `alike`: a schema of the same encoding, for reading files whose own schema fastavro refuses: `(schema, body)`.
    - `want`: expected rows in full, where not even that gives them.
    - `options`: for `wire.with_fastavro`."""
    CASES.append(dict(name=name, schema=schema, rows=rows, apache=apache, by_hand=by_hand, alike=alike, want=want,
                      options=options))


def record(name, *fields, **more):
    """Fields as `("name", type)` or as whole objects."""
    return {"type": "record", "name": name,
            "fields": [f if isinstance(f, dict) else {"name": f[0], "type": f[1]} for f in fields], **more}


def fixed(name, size, **more):
    return {"type": "fixed", "name": name, "size": size, **more}


def enum(name, *symbols, **more):
    return {"type": "enum", "name": name, "symbols": list(symbols), **more}


def array(items):
    return {"type": "array", "items": items}


def map_of(values):
    return {"type": "map", "values": values}


def logical(base, name, **more):
    return {"type": base, "logicalType": name, **more} if isinstance(base, str) else {**base, "logicalType": name, **more}


def column(name, values):
    """Rows of one column."""
    return [{name: v} for v in values]


def be(n, size):
    return n.to_bytes(size, "big", signed=True)


# ---------------------------------------------------------------- primitives
PRIMITIVES = [("z", "null"), ("b", "boolean"), ("i", "int"), ("l", "long"), ("f", "float"), ("d", "double"),
              ("y", "bytes"), ("s", "string")]
PRIMITIVE_ROWS = [
    dict(z=None, b=False, i=0, l=0, f=0.0, d=0.0, y=b"", s=""),
    dict(z=None, b=True, i=I32[0], l=I64[0], f=-F32_MAX, d=-1.7976931348623157e308, y=bytes(range(256)), s="äöü €"),
    dict(z=None, b=True, i=I32[1], l=I64[1], f=F32_MAX, d=1.7976931348623157e308, y=b"\0", s="exactly12byt"),
    dict(z=None, b=False, i=-1, l=-1, f=float("nan"), d=float("nan"), y=b"\xff" * 13, s="thirteen byte"),
    dict(z=None, b=False, i=63, l=64, f=float("inf"), d=float("inf"), y=b"123456789012", s="\U0001f40d\0\n\"\\/"),
    dict(z=None, b=True, i=-64, l=-65, f=float("-inf"), d=float("-inf"), y=b"x", s="\u2028\x7f\x1f"),
    dict(z=None, b=True, i=1, l=1, f=-0.0, d=-0.0, y=b"\r\n", s="a" * 127),
    dict(z=None, b=True, i=8191, l=8192, f=F32_TINY, d=5e-324, y=b"b" * 64, s="e\u0301" * 43),
]
case("primitives", record("Primitives", *PRIMITIVES), PRIMITIVE_ROWS, apache=True)

EDGES = sorted({s * 2**(7 * k - 1) + d for k in range(1, 10) for s in (1, -1) for d in (-1, 0, 1)} | {0, *I64})
case("varint-widths-long", record("R", ("l", "long")), column("l", EDGES), apache=True)
case("varint-widths-int", record("R", ("i", "int")), column("i", [n for n in EDGES if I32[0] <= n <= I32[1]] + list(I32)))
case("longs-ten-bytes", record("R", ("a", "long"), ("b", "long")),
     [dict(a=I64[i % 2] + (i if i % 2 == 0 else -i), b=I64[(i + 1) % 2]) for i in range(20)])
FLOATS = [0.1, 1.0, 1.5, 1e15, 1e16, 123456789.125, 1e-4, 1e-5, 1 / 3, 2.0**-1074, 2.0**-1022, 9007199254740993.0, -2.5e-300]
case("floats", record("R", ("f", "float"), ("d", "double")),
     [dict(f=struct.unpack("<f", struct.pack("<f", x))[0], d=x) for x in FLOATS])
LENGTHS = [0, 1, 2, 3, 4, 5, 8, 11, 12, 13, 14, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129]
case("string-lengths", record("R", ("s", "string"), ("y", "bytes")),
     [dict(s="".join(chr(97 + (n + i) % 26) for i in range(n)), y=bytes((n * 7 + i) % 256 for i in range(n))) for n in LENGTHS],
     apache=True)
case("strings-unicode", record("R", ("s", "string")),
     column("s", ["é", "日本語", "\U0001f600" * 3, "a\u0300b", "\ufeff", "\uffff", "\U0010ffff", "\u0080", "\u07ff\u0800", "ёлка" * 9]))
case("string-long", record("R", ("s", "string")), column("s", ["x" * 5000, "", "y" * 3000]))
case("many-fields", record("R", *((f"f{i}", ["int", "string", "double", "boolean"][i % 4]) for i in range(120))),
     [{f"f{i}": [i * r, f"v{i}", i / 4, i % 3 == r % 3][i % 4] for i in range(120)} for r in range(3)])

# ---------------------------------------------------------------- nullable
BASE = PRIMITIVES[1:]
NULLABLE_ROWS = [{n: (None if (r >> k) & 1 else PRIMITIVE_ROWS[r % 8][n]) for k, (n, _) in enumerate(BASE)}
                 for r in [0, 127, 1, 2, 4, 8, 16, 32, 64, 85, 42, 127]]
case("nullable-first", record("R", *((n, ["null", t]) for n, t in BASE)), NULLABLE_ROWS, apache=True)
case("nullable-second", record("R", *((n, [t, "null"]) for n, t in BASE)), NULLABLE_ROWS)
case("nullable-all-null", record("R", ("a", ["null", "long"]), ("b", ["string", "null"])), [dict(a=None, b=None)] * 5)
case("nullable-none-null", record("R", ("a", ["null", "long"]), ("b", ["string", "null"])), [dict(a=i, b=f"s{i}") for i in range(5)])
INNER = record("Inner", ("x", ["null", "int"]), ("y", ["null", array(["null", "string"])]))
case("nullable-nested", record("R", ("r", ["null", INNER]), ("m", [map_of(["null", "double"]), "null"]), ("e", ["null", "Inner"])),
     [dict(r=None, m=None, e=None), dict(r=dict(x=None, y=None), m={}, e=dict(x=1, y=[])),
      dict(r=dict(x=7, y=["a", None, "b"]), m={"k": None, "l": 0.5}, e=None), dict(r=None, m={"": 1.0}, e=dict(x=None, y=[None]))])
case("nullable-logical", record("R", ("d", ["null", logical("int", "date")]), ("t", [logical("long", "timestamp-micros"), "null"]),
                                ("n", ["null", logical("bytes", "decimal", precision=9, scale=2)]),
                                ("f", ["null", fixed("F", 4)]), ("e", ["null", enum("E", "A", "B")])),
     [dict(d=None, t=None, n=None, f=None, e=None), dict(d=19000, t=-1, n=be(-12345, 2), f=b"abcd", e="B"),
      dict(d=None, t=5, n=None, f=b"\0\0\0\0", e="A")])

# ---------------------------------------------------------------- unions
case("union-single", record("R", ("a", ["int"]), ("b", [record("B", ("x", ["string"]))]), ("c", ["null"])),
     [dict(a=i, b=dict(x=str(i)), c=None) for i in range(4)], apache=True)
case("union-general", record("R", ("u", ["null", "int", "string"]), ("v", ["double", "boolean", "bytes", "null"])),
     [dict(u=None, v=0.5), dict(u=1, v=True), dict(u="x", v=b"\1\2"), dict(u=-5, v=None), dict(u="", v=float("nan")),
      dict(u=None, v=False)], apache=True)
case("union-numbers", record("R", ("u", ["int", "long", "float", "double"])),
     column("u", [("int", 1), ("long", 1), ("float", 1.0), ("double", 1.0), ("long", I64[0]), ("int", I32[0]), ("double", 0.1)]))
case("union-no-null", record("R", ("u", ["int", "string"])), column("u", [1, "a", 2, "b", "c"]), apache=True)
NAMED = [record("A", ("x", "int")), record("B", ("x", "int"), ("y", ["null", "string"])), enum("E", "P", "Q"), fixed("F", 2)]
case("union-named", record("R", ("u", ["null", *NAMED]), ("again", ["E", "A"]), namespace="n.s"),
     [dict(u=None, again=("n.s.E", "Q")), dict(u=("n.s.A", dict(x=1)), again=("n.s.A", dict(x=2))),
      dict(u=("n.s.B", dict(x=3, y="y")), again=("n.s.E", "P")), dict(u=("n.s.E", "Q"), again=("n.s.E", "P")),
      dict(u=("n.s.F", b"\1\2"), again=("n.s.A", dict(x=-1))), dict(u=("n.s.B", dict(x=4, y=None)), again=("n.s.E", "Q"))])
case("union-nested", record("R", ("u", ["null", "string", record("A", ("v", ["null", "int", "string"]), ("w", array(["int", "boolean"])))])),
     [dict(u=None), dict(u="s"), dict(u=dict(v=1, w=[1, True, 2])), dict(u=dict(v=None, w=[])), dict(u=dict(v="t", w=[False]))])
case("union-of-containers", record("R", ("u", [array("int"), map_of("int"), "string", "null"])),
     [dict(u=[1, 2, 3]), dict(u={"k": 1}), dict(u="s"), dict(u=None), dict(u=[]), dict(u={})])
case("union-logical", record("R", ("u", ["null", logical("int", "date"), logical("long", "timestamp-millis"), logical("bytes", "decimal", precision=6, scale=3)])),
     [dict(u=None), dict(u=("int", 10957)), dict(u=("long", 946684800000)), dict(u=("bytes", be(1234, 2))), dict(u=("int", -1))])
case("union-in-array", record("R", ("a", array(["null", "int", "string"])), ("m", map_of(["boolean", "double", "null"]))),
     [dict(a=[], m={}), dict(a=[None, 1, "x", 2], m={"t": True, "d": 0.25, "n": None}), dict(a=["y"], m={"f": False})])
MANY = [record(f"T{i}", (f"f{i}", ["int", "string"][i % 2])) for i in range(70)]
case("union-many-branches", record("R", ("u", MANY)), [dict(u=(f"T{i}", {f"f{i}": [i, f"s{i}"][i % 2]})) for i in (0, 1, 63, 64, 69)])

# ---------------------------------------------------------------- logical types
DECIMALS = [b"", b"\0", b"\x01", b"\xff", be(12345, 2), be(-12345, 2), be(12345, 20), be(-12345, 20), be(99999999, 4), be(-99999999, 8)]
case("decimal-bytes", record("R", ("d", logical("bytes", "decimal", precision=8, scale=2))), column("d", DECIMALS))
case("decimal-widths", record("R", *((f"p{p}", logical("bytes", "decimal", precision=p, scale=s))
                                     for p, s in [(1, 0), (9, 9), (10, 0), (18, 6), (19, 0), (28, 10), (38, 38), (39, 1), (76, 0)])),
     [{f"p{p}": be(s * (10**p - 1), 1 + p // 2) for p in (1, 9, 10, 18, 19, 28, 38, 39, 76)} for s in (1, -1, 0)])
case("decimal-fixed", record("R", ("a", logical(fixed("A", 5), "decimal", precision=10, scale=2)), ("b", logical(fixed("B", 16), "decimal", precision=38)),
                             ("c", logical(fixed("C", 32), "decimal", precision=76, scale=76)), ("d", logical(fixed("D", 1), "decimal", precision=2)),
                             ("e", logical(fixed("G", 40), "decimal", precision=20, scale=5))),
     [dict(a=be(n, 5), b=be(n * 10**25, 16), c=be(n * 10**60, 32), d=be(n % 100, 1), e=be(n * 10**5, 40)) for n in (0, 1, -1, 123456789, -987654321)])
case("decimal-beyond-76", record("R", ("b", logical("bytes", "decimal", precision=77, scale=2)), ("f", logical(fixed("F", 40), "decimal", precision=90))),
     [dict(b=be(n, 33), f=be(n, 40)) for n in (0, 10**76, -(10**76))])
case("decimal-python", record("R", ("d", logical("bytes", "decimal", precision=12, scale=2)), ("n", ["null", logical("bytes", "decimal", precision=38, scale=10)])),
     None, apache="decimals")
case("dates-times", record("R", ("d", logical("int", "date")), ("tm", logical("int", "time-millis")), ("tu", logical("long", "time-micros"))),
     [dict(d=d, tm=m, tu=u) for d, m, u in [(0, 0, 0), (19723, 86399999, 86399999999), (-719162, 1, 1), (2932896, 43200000, 43200000000),
                                            (-1, 999, 999999), (I32[0], 12345678, 12345678901), (I32[1], 500, 500)]])
STAMPS = ["timestamp-millis", "timestamp-micros", "timestamp-nanos", "local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos"]
case("timestamps", record("R", *((s.replace("-", "_"), logical("long", s)) for s in STAMPS)),
     [{s.replace("-", "_"): n + k for k, s in enumerate(STAMPS)} for n in (0, -1, 1700000000123, 1700000000123456, -62135596800000, 253402300799999)])
case("timestamps-extreme", record("R", *((s.replace("-", "_"), logical("long", s)) for s in STAMPS)),
     [{s.replace("-", "_"): n for s in STAMPS} for n in I64])
case("timestamps-python", record("R", ("d", logical("int", "date")), ("ms", logical("long", "timestamp-millis")), ("us", ["null", logical("long", "timestamp-micros")]),
                                 ("t", logical("int", "time-millis"))), None, apache="times")
UUIDS = ["00000000-0000-0000-0000-000000000000", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6", "not a uuid", ""]
case("uuid", record("R", ("s", logical("string", "uuid")), ("f", ["null", logical(fixed("U", 16), "uuid")])),
     [dict(s=u, f=None if i == 2 else bytes(range(i, i + 16))) for i, u in enumerate(UUIDS)])
case("duration", record("R", ("d", logical(fixed("D", 12), "duration")), ("n", ["null", logical(fixed("N", 12), "duration")])),
     [dict(d=struct.pack("<III", *t), n=None if t[0] == 1 else struct.pack("<III", *t[::-1]))
      for t in [(0, 0, 0), (1, 2, 3), (12, 30, 86400000), (I32[1], I32[1], I32[1]), (0, 256, 65536)]])
INVALID = [("a", logical("bytes", "decimal")), ("b", logical("bytes", "decimal", precision=0)), ("c", logical("bytes", "decimal", precision=3, scale=5)),
           ("d", logical(fixed("D", 2), "decimal", precision=30)), ("e", logical("long", "date")), ("f", logical("long", "time-millis")),
           ("g", logical("int", "time-micros")), ("h", logical("int", "timestamp-millis")), ("i", logical("string", "timestamp-micros")),
           ("j", logical(fixed("J", 11), "duration")), ("k", logical(fixed("K", 15), "uuid")), ("l", logical("int", "uuid")),
           ("m", logical("string", "decimal", precision=5)), ("n", logical("bytes", "decimal", precision="5")), ("o", logical("bytes", "decimal", precision=5, scale=-1)),
           ("p", logical("double", "decimal", precision=5)), ("q", {"type": "int", "logicalType": 7})]
INVALID_PLAIN = [(n, {k: x for k, x in t.items() if k not in ("logicalType", "precision", "scale")}) for n, t in INVALID]
INVALID_ROWS = [dict(a=b"\1\2", b=b"", c=b"\3", d=b"\4\5", e=10**12, f=-1, g=7, h=-8, i="x", j=b"j" * 11, k=b"k" * 15, l=9, m="1.5", n=b"n", o=b"\0", p=2.5, q=3)] * 2
case("logical-invalid", record("R", *INVALID), INVALID_ROWS,
     by_hand=wire.by_hand(record("R", *INVALID), [(2, wire.encode_all(record("R", *INVALID_PLAIN), INVALID_ROWS))]),
     alike=(record("R", *INVALID_PLAIN), wire.encode_all(record("R", *INVALID_PLAIN), INVALID_ROWS)))
case("logical-unknown", record("R", ("a", logical("string", "geography")), ("b", logical("bytes", "big-decimal")), ("c", logical("long", "arrow.duration-millis")),
                               ("d", logical(record("D", ("x", "int")), "point", srid=4326)), ("e", logical(array("int"), "vector", length=2)),
                               ("f", logical("int", "date", **{"connect.version": 1, "connect.name": "org.apache.kafka.connect.data.Date"}))),
     [dict(a="POINT(1 2)", b=blob(be(123, 1)) + long(2), c=5, d=dict(x=1), e=[1, 2], f=3)])
case("logical-on-field", record("R", {"name": "d", "type": "int", "logicalType": "date"}, {"name": "t", "type": ["null", "long"], "logicalType": "timestamp-millis"},
                                {"name": "n", "type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}),
     [dict(d=19000, t=None, n=b"\1\2"), dict(d=-1, t=5, n=b"")])

# ---------------------------------------------------------------- arrays, maps, records, enums, fixed
case("arrays", record("R", ("i", array("int")), ("s", array("string")), ("n", array(["null", "double"])), ("b", array("boolean"))),
     [dict(i=[], s=[], n=[], b=[]), dict(i=[1, -2, 3], s=["a", "", "ccc"], n=[None, 0.5, None], b=[True]),
      dict(i=list(range(-70, 70)), s=["twelve bytes", "thirteen byte"], n=[None] * 9, b=[False, True] * 5), dict(i=[0], s=[], n=[1.0], b=[])], apache=True)
case("arrays-nested", record("R", ("a", array(array(array("int")))), ("r", array(record("P", ("x", "int"), ("tags", array("string")))))),
     [dict(a=[], r=[]), dict(a=[[]], r=[dict(x=1, tags=[])]), dict(a=[[[]], [[1], [2, 3]], []], r=[dict(x=2, tags=["a", "b"]), dict(x=3, tags=["c"])]),
      dict(a=[[[4, 5, 6]]], r=[])])
case("maps", record("R", ("i", map_of("int")), ("s", map_of("string")), ("n", map_of(["null", "long"]))),
     [dict(i={}, s={}, n={}), dict(i={"a": 1, "b": -2}, s={"": "", "long key of more bytes": "long value of more bytes"}, n={"x": None, "y": I64[1]}),
      dict(i={f"k{i}": i for i in range(70)}, s={"ключ": "значение"}, n={"only": None})], apache=True)
case("maps-nested", record("R", ("m", map_of(map_of(array("int")))), ("r", map_of(record("P", ("x", "int"), ("y", ["null", "string"]))))),
     [dict(m={}, r={}), dict(m={"a": {}, "b": {"c": [1, 2], "d": []}}, r={"p": dict(x=1, y=None), "q": dict(x=2, y="z")}), dict(m={"e": {"f": [3]}}, r={})])
DUPLICATES = long(3) + b"".join(blob(k) + long(v) for k, v in [("k", 1), ("k", 2), ("j", 3)]) + b"\0"
case("map-duplicate-keys", record("R", ("m", map_of("int"))), None, by_hand=wire.by_hand(record("R", ("m", map_of("int"))), [(2, DUPLICATES * 2)]))


def deep(n):
    return "int" if n == 0 else record(f"L{n}", ("v", ["null", deep(n - 1)]), ("a", array("string")))


def deep_row(n, stop):
    return 42 if n == 0 else dict(v=None if n == stop else deep_row(n - 1, stop), a=["x"] * (n % 3))


case("records-deep", deep(25), [deep_row(25, stop) for stop in (0, 25, 1, 12)])
NEST = record("R", ("a", record("A", ("b", record("B", ("c", record("C", ("x", "long"), ("y", "string"))))), ("s", "string"))), ("z", "int"))
case("records-nested", NEST, [dict(a=dict(b=dict(c=dict(x=i, y=f"y{i}")), s=f"s{i}"), z=-i) for i in range(5)], apache=True)
case("record-empty-field", record("R", ("e", record("E")), ("n", ["null", "E"]), ("a", array("E")), ("x", "int")),
     [dict(e={}, n=None, a=[], x=1), dict(e={}, n={}, a=[{}, {}, {}], x=2)])
case("array-of-nulls", record("R", ("a", array("null")), ("m", map_of("null"))), [dict(a=[None] * n, m={f"k{i}": None for i in range(n)}) for n in (0, 1, 100)])
case("enums", record("R", ("one", enum("One", "ONLY")), ("e", enum("Suit", "SPADES", "HEARTS", "DIAMONDS", "CLUBS", default="CLUBS", doc="cards")), ("n", ["null", "Suit"])),
     [dict(one="ONLY", e=s, n=None if i % 2 else s) for i, s in enumerate(["CLUBS", "SPADES", "HEARTS", "DIAMONDS", "SPADES"])], apache=True)
BIG_ENUM = enum("Big", *(f"S{i}" for i in range(300)))
case("enum-large", record("R", ("e", BIG_ENUM)), column("e", ["S0", "S63", "S64", "S127", "S128", "S299"]))
case("fixed", record("R", ("a", fixed("A", 1)), ("b", fixed("B", 16)), ("c", ["null", fixed("C", 100)])),
     [dict(a=bytes([i]), b=bytes(range(i, i + 16)), c=bytes([i]) * 100 if i % 2 else None) for i in range(4)], apache=True)
case("fixed-zero", record("R", ("a", fixed("A", 0)), ("b", "int"), ("c", array("A"))), [dict(a=b"", b=i, c=[b""] * i) for i in range(4)])

# ---------------------------------------------------------------- names and recursion
case("names-references", record("Top", ("a", record("Shared", ("x", "int"))), ("b", "Shared"), ("c", array("Shared")), ("d", ["null", "com.example.Shared"]), namespace="com.example"),
     [dict(a=dict(x=1), b=dict(x=2), c=[dict(x=3)], d=None), dict(a=dict(x=4), b=dict(x=5), c=[], d=dict(x=6))], apache=True)
case("names-namespaces", record("Top", ("a", record("In", ("k", enum("Kind", "A", "B")), namespace="inner")), ("b", "inner.In"), ("c", "inner.Kind"),
                                ("d", record("other.Full", ("f", fixed("Fx", 2)))), ("e", "other.Fx"), namespace="outer"),
     [dict(a=dict(k="A"), b=dict(k="B"), c="A", d=dict(f=b"ab"), e=b"cd")] * 3)
case("names-dotted", record("lsst.v7_4.alert", ("id", "long"), ("src", record("lsst.v7_4.diaSource", ("flux", ["null", "float"]), ("band", enum("lsst.v7_4.band", "g", "r")))),
                            ("prv", ["null", array("diaSource")]), ("again", "lsst.v7_4.diaSource")),
     [dict(id=1, src=dict(flux=0.5, band="r"), prv=None, again=dict(flux=None, band="g")),
      dict(id=2, src=dict(flux=None, band="g"), prv=[dict(flux=1.5, band="g")], again=dict(flux=2.0, band="r"))])
case("names-no-namespace", record("Top", ("a", record("In", ("x", "int"), namespace="")), ("b", record("Other", ("y", "int"))), namespace="ns", aliases=["Old"], doc="A record."),
     [dict(a=dict(x=1), b=dict(y=2))])
case("names-keywords", record("record", ("array", enum("enum", "map")), ("type", fixed("fixed2", 2)), ("null", "int")), [{"array": "map", "type": b"ab", "null": 1}])
case("names-dollar", record("Outer$Inner", ("n-me", "int"), ("ключ", "string"), ("a b", record("X$Y", ("$v", "long"))), ("2nd", ["null", "X$Y"]), namespace="pkg.Test$"),
     [{"n-me": 1, "ключ": "v", "a b": {"$v": 2}, "2nd": None}, {"n-me": 3, "ключ": "", "a b": {"$v": 4}, "2nd": {"$v": 5}}])
ODD, ODD_ALIKE = record("R", ("e", enum("E", "a-b", "1", "", "é"))), record("R", ("e", enum("E", "a", "b", "c", "d")))
ODD_BODY = wire.encode_all(ODD_ALIKE, column("e", "abcd"))
case("names-odd-symbols", ODD, None, by_hand=wire.by_hand(ODD, [(4, ODD_BODY)]), alike=(ODD_ALIKE, ODD_BODY), want=column("e", ["a-b", "1", "", "é"]))
TWICE = record("R", ("a", fixed("F", 2)), ("b", fixed("F", 2)), ("c", record("P", ("x", "int"))), ("d", record("P", ("x", "int"))))
TWICE_ALIKE = record("R", ("a", fixed("F", 2)), ("b", "F"), ("c", record("P", ("x", "int"))), ("d", "P"))
TWICE_ROWS = [dict(a=b"ab", b=b"cd", c=dict(x=1), d=dict(x=2))]
TWICE_BODY = wire.encode_all(TWICE_ALIKE, TWICE_ROWS)
case("names-defined-twice", TWICE, TWICE_ROWS, by_hand=wire.by_hand(TWICE, [(1, TWICE_BODY)]), alike=(TWICE_ALIKE, TWICE_BODY))
WRAPPED = record("R", {"name": "a", "type": {"type": {"type": "string"}}}, {"name": "b", "type": {"type": ["null", {"type": "int"}]}}, {"name": "c", "type": {"type": record("P", ("x", "int"))}})
WRAPPED_ALIKE = record("R", ("a", "string"), ("b", ["null", "int"]), ("c", record("P", ("x", "int"))))
WRAPPED_ROWS = [dict(a="x", b=None, c=dict(x=1)), dict(a="", b=2, c=dict(x=3))]
WRAPPED_BODY = wire.encode_all(WRAPPED_ALIKE, WRAPPED_ROWS)
case("schema-wrapped-types", WRAPPED, WRAPPED_ROWS, by_hand=wire.by_hand(WRAPPED, [(2, WRAPPED_BODY)]), alike=(WRAPPED_ALIKE, WRAPPED_BODY))
BAD = record("R", {"name": "a", "type": "int", "default": "x"}, {"name": "b", "type": ["string", "null"], "default": None}, {"name": "c", "type": enum("E", "A"), "default": "Z"},
             {"name": "d", "type": "float", "default": "NaN"}, {"name": "e", "type": array("int"), "default": {}}, {"name": "f", "type": ["null", "long"], "default": 0},
             {"name": "g", "type": record("G", ("x", "int")), "default": {}}, {"name": "h", "type": "long", "default": 1.0})
BAD_ALIKE = record("R", *((f["name"], f["type"]) for f in BAD["fields"]))
BAD_ROWS = [dict(a=1, b=None, c="A", d=0.5, e=[1], f=None, g=dict(x=2), h=3), dict(a=4, b="s", c="A", d=1.5, e=[], f=5, g=dict(x=6), h=7)]
BAD_BODY = wire.encode_all(BAD_ALIKE, BAD_ROWS)
case("defaults-bad", BAD, BAD_ROWS, by_hand=wire.by_hand(BAD, [(2, BAD_BODY)]), alike=(BAD_ALIKE, BAD_BODY))
case("schema-attributes", record("R", {"name": "id", "type": {"type": "string", "avro.java.string": "String"}, "doc": "The key.", "aliases": ["key", "Id"], "order": "descending", "field-id": 1},
                                 {"name": "v", "type": ["null", {"type": "long", "adjust-to-utc": True, "logicalType": "timestamp-micros"}], "default": None, "field-id": 2},
                                 doc="All attributes.", aliases=["Old", "other.Older"], **{"connect.name": "x", "custom": {"deep": [1, 2.5, None]}}),
     [dict(id="a", v=None), dict(id="b", v=1)])
case("schema-error-type", {**record("Failure", ("code", "int"), ("why", ["null", "string"])), "type": "error"}, [dict(code=1, why=None), dict(code=2, why="x")])
LINKED = record("Node", ("value", "int"), ("next", ["null", "Node"]))


def linked(*values):
    return dict(value=values[0], next=linked(*values[1:]) if values[1:] else None)


case("recursive-list", LINKED, [linked(1), linked(1, 2), linked(1, 2, 3), linked(*range(30))], apache=True)
TREE = record("t.Tree", ("name", "string"), ("kids", array("Tree")), ("by", map_of("t.Tree")))
LEAF = dict(name="leaf", kids=[], by={})
case("recursive-tree", TREE, [LEAF, dict(name="a", kids=[LEAF, LEAF], by={"x": LEAF}), dict(name="b\"\u00e9", kids=[dict(name="c", kids=[LEAF], by={})], by={})])
MUTUAL = record("Row", ("id", "long"), ("expr", record("Expr", ("op", enum("Op", "ADD", "LIT")), ("args", array(record("Arg", ("e", ["Expr", "double", "null"]), ("raw", "bytes")))))))
ARG = dict(e=None, raw=b"\xe9\0")
case("recursive-mutual", MUTUAL, [dict(id=1, expr=dict(op="LIT", args=[])), dict(id=2, expr=dict(op="ADD", args=[ARG, dict(e=dict(op="LIT", args=[ARG]), raw=b"")])),
                                  dict(id=3, expr=dict(op="ADD", args=[dict(e=0.5, raw=b"x")]))])

# ---------------------------------------------------------------- top level other than a record
for top, schema, rows in [
    ("null", "null", [None] * 5), ("boolean", "boolean", [True, False, True]), ("int", "int", [0, 1, -1, *I32]), ("long", "long", [0, *I64]),
    ("float", "float", [0.5, float("nan")]), ("double", "double", [0.1, float("-inf")]), ("bytes", "bytes", [b"", b"\xff\0"]), ("string", "string", ["", "a", "日本" * 10]),
    ("enum", enum("E", "A", "B"), ["B", "A", "B"]), ("fixed", fixed("F", 3), [b"abc", b"\0\0\0"]), ("array", array(["null", "int"]), [[], [1, None, 2], [3]]),
    ("map", map_of("string"), [{}, {"k": "v", "l": "w"}]), ("nullable", ["null", "string"], [None, "a", None]), ("union", ["null", "int", "string"], [None, 1, "a", 2]),
    ("date", logical("int", "date"), [0, 19000]),
]:
    case(f"top-{top}", schema, rows, apache=top in ("null", "int", "string", "array", "map", "nullable", "fixed"))
CREATED, DELETED = record("ev.Created", ("id", "long"), ("name", "string")), record("ev.Deleted", ("id", "long"))
case("top-union-of-records", [CREATED, DELETED], [("ev.Created", dict(id=1, name="a")), ("ev.Deleted", dict(id=1)), ("ev.Created", dict(id=2, name="b"))])
case("top-union-same-names", [record("one.Item", ("id", "long")), record("two.Item", ("id", "long")), record("two.Other", ("id", "long"))],
     [(f"{n}.{t}", dict(id=i)) for i, (n, t) in enumerate([("one", "Item"), ("two", "Other"), ("two", "Item")])])

# ---------------------------------------------------------------- rows, blocks, header
PAIR = record("Pair", ("n", "long"), ("s", "string"))


def pairs(start, stop):
    return [dict(n=i * 37 % 1001 - 500, s=f"row {i}" * (i % 4)) for i in range(start, stop)]


case("rows-none", PAIR, [], apache=True)
case("rows-zero-width", record("Empty"), [{}] * 1000, by_hand=wire.by_hand(record("Empty"), [(600, b""), (400, b"")]))
case("rows-zero-width-fields", record("R", ("a", "null"), ("e", record("E")), ("f", fixed("F", 0))), [dict(a=None, e={}, f=b"")] * 20)
case("rows-10000", record("R", ("n", "int")), column("n", [i % 100 - 50 for i in range(10000)]), sync_interval=1 << 20)
case("blocks-one-row", PAIR, pairs(0, 60), sync_interval=1)
case("blocks-small", PAIR, pairs(0, 200), sync_interval=100)
case("blocks-apache", PAIR, pairs(0, 50), apache=7)
UNEVEN = [1, 500, 2, 0, 30, 1, 0, 3]
UNEVEN_ROWS, UNEVEN_BLOCKS = [], []
for size in UNEVEN:
    rows = pairs(len(UNEVEN_ROWS), len(UNEVEN_ROWS) + size)
    UNEVEN_ROWS += rows
    UNEVEN_BLOCKS.append((size, wire.encode_all(PAIR, rows)))
case("blocks-uneven", PAIR, UNEVEN_ROWS, by_hand=wire.by_hand(PAIR, UNEVEN_BLOCKS))
case("blocks-empty", PAIR, pairs(0, 2), by_hand=wire.by_hand(PAIR, [(0, b""), (0, b""), (2, wire.encode_all(PAIR, pairs(0, 2))), (0, b"")]))
case("blocks-empty-deflate", PAIR, pairs(0, 2), by_hand=wire.by_hand(PAIR, [(0, b""), (2, wire.encode_all(PAIR, pairs(0, 2))), (0, b"")], codec="deflate"))
case("blocks-appended", PAIR, pairs(0, 12), appended=[pairs(12, 20), pairs(20, 21)])
SYNC_ROWS = [dict(y=wire.SYNC), dict(y=wire.SYNC * 3), dict(y=b"a" + wire.SYNC + long(1) + long(2) + b"xy" + wire.SYNC), dict(y=wire.SYNC[:15])]
case("sync-in-data", record("R", ("y", "bytes")), SYNC_ROWS * 3,
     by_hand=wire.by_hand(record("R", ("y", "bytes")), [(4, wire.encode_all(record("R", ("y", "bytes")), SYNC_ROWS))] * 3, metadata=[("user", wire.SYNC * 2)]))
case("metadata-custom", PAIR, pairs(0, 3), metadata={"user.name": "jürgen", "empty": "", "avro.unknown": "kept"})
TWO = wire.encode_all(PAIR, pairs(0, 2))
ENTRIES = [("avro.schema", wire.text(PAIR)), ("bytes", bytes(range(256))), ("", b""), ("avro.codec", "null")]
PACKED = [blob(k) + blob(v) for k, v in ENTRIES]
case("metadata-bytes", PAIR, pairs(0, 2), by_hand=wire.by_hand(PAIR, [(2, TWO)], metadata=[("raw", bytes(range(256)))]))
case("metadata-negative-count", PAIR, pairs(0, 2),
     by_hand=wire.by_hand(PAIR, [(2, TWO)], raw_map=long(-4) + long(sum(map(len, PACKED))) + b"".join(PACKED) + b"\0"))
case("metadata-in-blocks", PAIR, pairs(0, 2),
     by_hand=wire.by_hand(PAIR, [(2, TWO)], raw_map=b"".join(long(1) + p if i % 2 else long(-1) + long(len(p)) + p for i, p in enumerate(PACKED)) + b"\0"))
case("metadata-no-codec", PAIR, pairs(0, 2), by_hand=wire.by_hand(PAIR, [(2, TWO)]))


def blocks_of(items, sizes, with_bytes):
    """An array or map in several blocks, those at `with_bytes` with a negative count and their byte size."""
    out, at = b"", 0
    for k, size in enumerate(sizes):
        body = b"".join(items[at:at + size])
        out += (long(-size) + long(len(body)) if k in with_bytes else long(size)) + body
        at += size
    return out + b"\0"


LISTS = record("R", ("a", array("long")), ("m", map_of("string")), ("z", "int"))
LISTS_BODY = b"".join(
    blocks_of([long(i * 99) for i in range(10)], sizes, which)
    + blocks_of([blob(f"k{i}") + blob("v" * i) for i in range(10)], sizes, which) + long(7)
    for sizes, which in [((10,), {0}), ((3, 7), {0, 1}), ((1, 2, 3, 4), {1, 3}), ((5, 5), ())])
case("items-in-blocks", LISTS, [dict(a=[i * 99 for i in range(10)], m={f"k{i}": "v" * i for i in range(10)}, z=7)] * 4, by_hand=wire.by_hand(LISTS, [(4, LISTS_BODY)]))
PAIRS_MAP = {**array(record("k117_v118", {"name": "key", "type": "int", "field-id": 117}, {"name": "value", "type": ["null", "long"], "field-id": 118})), "logicalType": "map"}
case("iceberg-map", record("manifest", {"name": "counts", "type": ["null", PAIRS_MAP], "default": None, "field-id": 108}),
     [dict(counts=None), dict(counts=[]), dict(counts=[dict(key=1, value=10), dict(key=2, value=None)])])

# ---------------------------------------------------------------- codecs
CODEC_SCHEMA = record("Codec", ("n", "long"), ("s", ["null", "string"]), ("a", array("int")))
CODEC_ROWS = [dict(n=i * i, s=None if i % 5 == 0 else "value " * (i % 7), a=list(range(i % 4))) for i in range(120)]
for codec in ("null", "deflate", "snappy", "zstandard", "bzip2", "xz"):
    case(f"codec-{codec}", CODEC_SCHEMA, CODEC_ROWS, codec=codec, sync_interval=1000,
         apache="codec" if codec in ("deflate", "snappy", "zstandard", "bzip2") else False)
CODEC_BODY = wire.encode_all(CODEC_SCHEMA, CODEC_ROWS)
NOISE = bytes((i * 7919 ^ (i * i >> 3)) % 256 for i in range(700))
for codec in ("deflate", "snappy", "zstandard"):
    case(f"codec-{codec}-incompressible", record("R", ("y", "bytes")), column("y", [NOISE]), codec=codec)


def special_codecs():
    """Compressed blocks that are legal but unlike what the library's plain call gives."""
    import bz2, lzma, zlib
    import zstandard
    rows, body, half = CODEC_ROWS, CODEC_BODY, len(CODEC_BODY) // 2
    parts = [body[:half], body[half:]]
    stored = zlib.compressobj(0, zlib.DEFLATED, -15)
    unsized = zstandard.ZstdCompressor(level=1, write_content_size=False, write_checksum=True)
    skippable = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"skip"
    forms = {
        "deflate-stored": ("deflate", stored.compress(body) + stored.flush()),
        "zstandard-two-frames": ("zstandard", b"".join(wire.compress("zstandard", p) for p in parts)),
        "zstandard-skippable-frame": ("zstandard", skippable + wire.compress("zstandard", body)),
        "zstandard-unsized": ("zstandard", unsized.compress(body)),
        "bzip2-two-streams": ("bzip2", b"".join(map(bz2.compress, parts))),
        "xz-two-streams": ("xz", b"".join(lzma.compress(p) for p in parts)),
        "xz-no-check": ("xz", lzma.compress(body, check=lzma.CHECK_NONE)),
    }
    for name, (codec, data) in forms.items():
        case(f"codec-{name}", CODEC_SCHEMA, rows, by_hand=wire.header(CODEC_SCHEMA, codec) + wire.frame(len(rows), data))


special_codecs()
