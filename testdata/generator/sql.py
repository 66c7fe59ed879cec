"""`sql/events/day=N/part-M.avro`: a small table as a directory of files, for SQL. `FILES` is (path, bytes).

Five days of a web shop's events, written with both libraries and several codecs. The values come from a fixed sequence,
so that answers can be checked by hand in any language.
"""
import datetime, decimal

from . import wire
from .valid import array, enum, logical, map_of, record

SCHEMA = record(
    "shop.Event",
    {"name": "id", "type": "long", "doc": "Unique over all files."},
    {"name": "user", "type": ["null", "string"], "default": None, "doc": "Null for visitors who did not log in."},
    {"name": "kind", "type": enum("shop.Kind", "VIEW", "CART", "BUY", "REFUND")},
    {"name": "amount", "type": ["null", logical("bytes", "decimal", precision=12, scale=2)], "default": None},
    {"name": "tags", "type": array("string")},
    {"name": "at", "type": logical("long", "timestamp-millis")},
    {"name": "address", "type": ["null", record("shop.Address", ("city", "string"), ("zip", ["null", "string"]))], "default": None},
    {"name": "props", "type": map_of("string")},
    doc="One thing that happened in the shop.")
USERS = ["ada", "bo", "chen", "dina", "émile", None, "fay", "gus"]
CITIES = [("Berlin", "10115"), ("Oslo", "0150"), ("São Paulo", None), ("Kyoto", "600-8216"), ("Quito", None)]
TAGS = ["new", "sale", "mobile", "gift", "vip"]
# (day, part) -> rows, codec, library
PARTS = {(1, 0): (60, "null", "fastavro"), (1, 1): (40, "snappy", "fastavro"), (2, 0): (80, "deflate", "apache"),
         (3, 0): (0, "null", "fastavro"), (4, 0): (70, "zstandard", "fastavro"), (4, 1): (30, "deflate", "fastavro"),
         (5, 0): (50, "bzip2", "apache")}


def event(i, day):
    r = (i * 1103515245 + 12345) % 2**31 >> 8  # a fixed pseudo-random sequence
    kind = ["VIEW", "VIEW", "CART", "BUY", "VIEW", "BUY", "REFUND"][r % 7]
    cents = {"BUY": r % 50000 + 99, "REFUND": -(r % 9000) - 1}.get(kind)
    city = CITIES[r % 5] if r % 3 else None
    start = datetime.datetime(2024, 2, 26 + day, tzinfo=datetime.timezone.utc) if day < 4 else \
        datetime.datetime(2024, 3, day - 3, tzinfo=datetime.timezone.utc)
    return {
        "id": i,
        "user": USERS[r // 7 % 8],
        "kind": kind,
        "amount": None if cents is None else decimal.Decimal(cents).scaleb(-2),
        "tags": [t for k, t in enumerate(TAGS) if r >> k & 1 and r % 4],
        "at": start + datetime.timedelta(milliseconds=r * 97 % 86_400_000),
        "address": None if city is None else {"city": city[0], "zip": city[1]},
        "props": {k: str(r // 11 % n) for k, n in (("ref", 5), ("ab", 2), ("page", 30)) if r % n},
    }


def files():
    next_id = 1
    for (day, part), (count, codec, library) in PARTS.items():
        rows = [event(i, day) for i in range(next_id, next_id + count)]
        next_id += count
        if library == "apache":
            data = wire.with_apache(SCHEMA, rows, codec=codec, rows_per_block=25)
        else:
            data = wire.with_fastavro(SCHEMA, rows, codec=codec, sync_interval=2000)
        yield f"events/day={day}/part-{part}.avro", data
