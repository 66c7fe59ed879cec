"""The table of damaged files: each is one fault away from a valid one. `CASES` is (name, bytes, fragment of the error)."""
import zlib

from . import wire
from .valid import PAIR, array, enum, fixed, logical, map_of, pairs, record
from .wire import SYNC, blob, by_hand, encode_all, frame, header, long

BODY = encode_all(PAIR, pairs(0, 5))
GOOD = by_hand(PAIR, [(5, BODY), (5, BODY)])
HEAD = header(PAIR)
CASES = []


def bad(name, data, fragment):
    CASES.append((name, data, fragment))


def value(name, schema, good, body, fragment, codec=None):
    """One bad value, in the second row of the second block."""
    schema = record("R", ("a", "int"), ("v", schema))
    bad("value-" + name, by_hand(schema, [(1, long(1) + good), (2, long(2) + good + long(3) + body)], codec), fragment)


# ---------------------------------------------------------------- header
bad("magic-empty-file", b"", "not an Avro container file")
bad("magic-wrong", b"Obk\x01" + GOOD[4:], "not an Avro container file")
bad("magic-version", b"Obj\x02" + GOOD[4:], "version 2")
bad("magic-parquet", b"PAR1" + GOOD[4:], "this is Parquet")
bad("magic-gzip", b"\x1f\x8b\x08\x00" + GOOD[4:], "this is gzip")
bad("header-cut-magic", GOOD[:3], "ends inside")
bad("header-cut-metadata", GOOD[:40], "ends inside")
bad("header-cut-sync", HEAD[:-5], "ends inside")
bad("header-no-schema", by_hand(None, [(5, BODY)], codec="null"), "avro.schema")
bad("header-key-not-utf8", header(PAIR, metadata=[(b"\xff\xfe", b"")]) + frame(5, BODY), "UTF-8")
bad("header-value-length-negative", wire.MAGIC + long(1) + blob("avro.schema") + long(-5) + b"\0" + SYNC, "negative")
bad("header-value-length-huge", wire.MAGIC + long(1) + blob("avro.schema") + long(2**40) + b"\0" + SYNC, "metadata_bytes")
bad("header-count-huge", wire.MAGIC + long(2**62) + blob("avro.schema") + blob(wire.text(PAIR)) + b"\0" + SYNC, "metadata_bytes")
bad("header-count-smallest", wire.MAGIC + long(-(2**63)) + long(5) + b"\0" + SYNC, "the metadata's count is -9223372036854775808")
bad("header-varint-overlong", wire.MAGIC + b"\xff" * 11 + b"\0" + SYNC, "variable-length integer")
bad("codec-unknown", by_hand(PAIR, [(5, BODY)], codec=None, metadata=[("avro.codec", "lzo")]), "unknown codec `lzo`")

# ---------------------------------------------------------------- schema
bad("schema-not-json", by_hand("{\"type\": ", [(5, BODY)]), "invalid Avro schema")
bad("schema-not-utf8", by_hand(b"\"str\xffing\"", [(5, BODY)]), "not UTF-8")
bad("schema-empty", by_hand("", [(5, BODY)]), "invalid Avro schema")
bad("schema-json-number", by_hand("5", [(5, BODY)]), "invalid Avro schema")
bad("schema-unknown-type", by_hand(record("R", ("a", "integer")), [(5, BODY)]), "integer")
bad("schema-unknown-reference", by_hand(record("R", ("a", ["null", "Missing"])), [(5, BODY)]), "Missing")
bad("schema-no-fields", by_hand({"type": "record", "name": "R"}, [(5, BODY)]), "fields")
bad("schema-no-name", by_hand({"type": "record", "fields": []}, [(5, b"")]), "name")
bad("schema-no-items", by_hand({"type": "array"}, [(5, BODY)]), "items")
bad("schema-no-values", by_hand({"type": "map"}, [(5, BODY)]), "values")
bad("schema-no-symbols", by_hand({"type": "enum", "name": "E"}, [(5, BODY)]), "symbols")
bad("schema-no-size", by_hand({"type": "fixed", "name": "F"}, [(5, BODY)]), "size")
bad("schema-size-negative", by_hand(fixed("F", -1), [(5, BODY)]), "size")
bad("schema-union-in-union", by_hand(["null", ["int", "string"]], [(5, BODY)]), "union")
bad("schema-deep", by_hand('{"type":"array","items":' * 500 + '"int"' + "}" * 500, []), "invalid Avro schema")
bad("schema-contains-itself", by_hand(record("R", ("r", "R")), [(1, b"")]), "value_nesting")

# ---------------------------------------------------------------- blocks
bad("sync-wrong", HEAD + frame(5, BODY, sync=SYNC[:-1] + b"\0") + frame(5, BODY), "sync marker")
bad("sync-wrong-last", HEAD + frame(5, BODY) + frame(5, BODY, sync=bytes(16)), "sync marker")
bad("cut-in-count", HEAD + frame(5, BODY) + b"\x80", "ends inside")
bad("cut-before-size", HEAD + frame(5, BODY) + long(5), "ends inside")
bad("cut-in-data", GOOD[:-30], "ends inside")
bad("cut-before-marker", GOOD[:-16], "ends inside")
bad("cut-in-marker", GOOD[:-1], "ends inside")
bad("block-count-negative", HEAD + frame(-5, BODY), "-5")
bad("block-size-negative", HEAD + long(5) + long(-3) + BODY + SYNC, "-3")
bad("block-size-huge", HEAD + long(5) + long(2**50) + BODY + SYNC, "block_bytes")
bad("block-size-too-small", HEAD + long(5) + long(len(BODY) - 4) + BODY + SYNC, "sync marker")
bad("block-size-too-big", HEAD + long(5) + long(len(BODY) + 3) + BODY + SYNC + frame(5, BODY), "sync marker")
bad("block-size-off-in-the-middle", HEAD + frame(5, BODY) + long(5) + long(len(BODY) + 1) + BODY + SYNC + frame(5, BODY) * 2, "sync marker")
bad("block-count-negative-in-the-middle", HEAD + frame(5, BODY) + frame(-5, BODY) + frame(5, BODY) * 2, "-5")
bad("block-count-overlong", HEAD + b"\x8a" + b"\x80" * 10 + b"\x00" + long(len(BODY)) + BODY + SYNC, "a block's count is not a number of 64 bits")
bad("block-count-beyond-64-bits", HEAD + b"\xff" * 9 + b"\x7f" + long(len(BODY)) + BODY + SYNC, "a block's count is not a number of 64 bits")
bad("rows-too-many", HEAD + frame(6, BODY) + frame(5, BODY), "past the end")
bad("rows-far-too-many", HEAD + frame(10**15, BODY), "more than its bytes can hold")
bad("rows-too-few", HEAD + frame(4, BODY) + frame(5, BODY), "left in the block")
bad("rows-zero-with-data", HEAD + frame(0, BODY), "left in the block")
bad("rows-stray-byte", HEAD + frame(5, BODY) + frame(5, BODY + b"\0"), "left in the block")
bad("rows-zero-width-with-data", by_hand(record("Empty"), [(5, b"\0")]), "left in the block")
bad("rows-zero-width-too-many", by_hand(record("Empty"), [(10**12, b"")]), "zero_width_items")
bad("trailing-zero-bytes", GOOD + bytes(40), "sync marker")
bad("trailing-second-file", GOOD + GOOD, "a second file begins here")

# ---------------------------------------------------------------- codecs
SNAPPY = wire.compress("snappy", BODY)
bad("snappy-short", header(PAIR, "snappy") + frame(5, b"\1\2"), "snappy")
bad("snappy-empty", header(PAIR, "snappy") + frame(5, b""), "snappy")
bad("snappy-bad-checksum", header(PAIR, "snappy") + frame(5, SNAPPY[:-1] + bytes([SNAPPY[-1] ^ 1])), "checksum")
bad("snappy-no-checksum", header(PAIR, "snappy") + frame(5, SNAPPY[:-4]), "snappy")
bad("snappy-garbage", header(PAIR, "snappy") + frame(5, b"\x20\xff\xfe\xfd" * 5), "snappy")
bad("snappy-size-lie", header(PAIR, "snappy") + frame(5, b"\xff\xff\xff\xff\x0f" + SNAPPY[1:]), "block_bytes")
for codec in ("deflate", "zstandard", "bzip2", "xz"):
    data = wire.compress(codec, BODY * 20)
    bad(f"{codec}-garbage", header(PAIR, codec) + frame(5, b"\xff\xfe\xfd\xfc" * 10), codec)
    bad(f"{codec}-cut", header(PAIR, codec) + frame(100, data[:-6]), codec)
    bad(f"{codec}-empty", header(PAIR, codec) + frame(5, b""), codec)
    flipped = bytearray(data)
    # Deflate has no checksum, so not every change makes it invalid: this one refers to bytes before the first.
    flipped[4 if codec == "deflate" else len(data) // 2] ^= 0x55
    # Nor has this zstandard frame: it becomes other rows, which are not valid.
    bad(f"{codec}-flipped", header(PAIR, codec) + frame(100, bytes(flipped)), "negative" if codec == "zstandard" else codec)
bad("deflate-zlib-wrapped", header(PAIR, "deflate") + frame(5, zlib.compress(BODY)), "deflate")
BOMB = record("R", ("y", "bytes"))
bad("deflate-rows-too-many", header(PAIR, "deflate") + frame(6, wire.compress("deflate", BODY)), "past the end")
bad("deflate-rows-too-few", header(PAIR, "deflate") + frame(4, wire.compress("deflate", BODY)), "left in the block")
bad("zstandard-bomb", header(BOMB, "zstandard") + frame(1, wire.compress("zstandard", bytes(220 << 20))), "block_bytes")

# ---------------------------------------------------------------- values
value("boolean-2", "boolean", b"\1", b"\2", "boolean 2")
value("int-beyond-32-bits", "int", long(1), long(2**31), "exceeds 32 bits")
value("int-below-32-bits", "int", long(1), long(-(2**31) - 1), "exceeds 32 bits")
value("varint-overlong", "long", long(1), b"\x80" * 10 + b"\x01", "variable-length integer")
value("varint-beyond-64-bits", "long", long(1), b"\xff" * 9 + b"\x02", "variable-length integer")
value("varint-cut", "long", long(1), b"\x80\x80", "past the end")
value("double-cut", "double", bytes(8), bytes(7), "past the end")
value("float-cut", "float", bytes(4), bytes(3), "past the end")
value("fixed-cut", fixed("F", 5), bytes(5), bytes(4), "past the end")
value("string-length-negative", "string", blob("a"), long(-2), "negative")
value("string-beyond-block", "string", blob("a"), long(50) + b"abc", "past the end")
value("string-length-huge", "string", blob("a"), long(2**62), "past the end")
value("string-not-utf8", "string", blob("a"), blob(b"ab\xffcd"), "not valid UTF-8")
value("string-not-utf8-long", "string", blob("a"), blob(b"a" * 40 + b"\xed\xa0\x80"), "not valid UTF-8")
value("strings-utf8-only-together", record("S", ("x", "string"), ("y", "string")), blob("a") + blob("b"), blob(b"\xc3") + blob(b"\xa9"), "not valid UTF-8")
value("bytes-length-negative", "bytes", blob("a"), long(-1), "negative")
value("bytes-beyond-block", "bytes", blob("a"), long(4) + b"abc", "past the end")
value("union-branch-negative", ["null", "string"], b"\0", long(-1), "no branch -1")
value("union-branch-2", ["null", "string"], b"\0", long(2), "no branch 2")
value("union-branch-huge", ["null", "string"], b"\0", long(2**32), "no branch 4294967296")
value("union-general-branch", ["null", "string", "int"], b"\0", long(3), "no branch 3")
value("union-single-branch", ["string"], b"\0" + blob("a"), long(1) + blob("a"), "no branch 1")
value("enum-symbol-2", enum("E", "A", "B"), long(1), long(2), "no symbol 2")
value("enum-symbol-negative", enum("E", "A", "B"), long(1), long(-1), "no symbol -1")
value("array-count-huge", array("int"), b"\0", long(2**40) + long(1) + b"\0", "states 1099511627776 items")
value("array-count-smallest", array("int"), b"\0", long(-(2**63)) + long(1) + long(1) + b"\0", "states -9223372036854775808 items")
value("array-nulls-huge", array("null"), b"\0", long(2**40) + b"\0", "zero_width_items")
value("array-cut", array("int"), b"\0", long(3) + long(1) + long(2), "states 3 items")
value("array-no-end", array("int"), b"\0", long(2) + long(1) + long(2), "past the end")
value("array-bytes-too-few", array("int"), b"\0", long(-2) + long(1) + long(1) + long(2) + b"\0", "but states 1")
value("array-bytes-too-many", array("int"), b"\0", long(-2) + long(3) + long(1) + long(2) + b"\0", "but states 3")
value("array-bytes-negative", array("int"), b"\0", long(-2) + long(-2) + long(1) + long(2) + b"\0", "but states -2")
value("map-bytes-too-many", map_of("int"), b"\0", long(-1) + long(9) + blob("k") + long(1) + b"\0" * 9, "but states 9")
value("map-key-not-utf8", map_of("int"), b"\0", long(1) + blob(b"\xff") + long(1) + b"\0", "not valid UTF-8")
value("map-key-negative", map_of("int"), b"\0", long(1) + long(-1) + long(1) + b"\0", "negative")
value("decimal-too-big", logical("bytes", "decimal", precision=38), blob(b"\1"), blob(b"\x7f" + bytes(16)), "a decimal has more digits than its type")
value("decimal-256-too-big", logical("bytes", "decimal", precision=76), blob(b"\1"), blob(b"\x7f" + bytes(32)), "a decimal has more digits than its type")
value("duration-too-big", logical(fixed("D", 12), "duration"), bytes(12), b"\0\0\0\x80" + bytes(8), "duration's count 2147483648")
NODE = record("Node", ("value", "int"), ("next", ["null", "Node"]))
value("recursive-branch", NODE, long(1) + b"\0", long(1) + long(1) + long(2) + long(5), "no branch 5")
value("recursive-deep", NODE, long(1) + b"\0", (long(1) + long(1)) * 5000 + long(1) + b"\0", "value_nesting")
value("skipped-nested", record("S", ("x", array(record("T", ("y", ["null", "boolean"]))))), b"\0", long(1) + long(1) + b"\3" + b"\0", "boolean 3")
value("boolean-7-deflate", "boolean", b"\1", b"\7", "boolean 7", codec="deflate")
