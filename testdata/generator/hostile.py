"""The table of hostile files: made to hang, to crash or to eat memory. `FILES` is (name, bytes); `TABLE` the lines of
hostile/table.tsv, also about files of corrupt/ and about those that are too large to keep, which a test makes."""
import bz2, lzma, struct, zlib

from . import corrupt
from .valid import array, fixed, map_of, record
from .wire import blob, by_hand, compress, frame, header, long

HEADINGS = ("file", "what is wrong", "read strictly", "read around the damage", "others")
FILES, TABLE = [], [HEADINGS]
REFUSED = "error"  # the header is damaged: there is nothing to read around


def line(file, what, strict, lenient, others=""):
    TABLE.append((file, what, strict, lenient, others))


def hostile(name, data, what, strict, lenient, others=""):
    FILES.append((name, data))
    line(f"hostile/{name}.avro", what, strict, lenient, others)


def from_corrupt(name, what, lenient, others=""):
    fragments = {case[0]: case[2] for case in corrupt.CASES}
    line(f"corrupt/{name}.avro", what, f"error: {fragments[name]}", lenient, others)


def made(name, what, strict, lenient, others=""):
    """By avro-sql-cli/tests/hostile.rs."""
    line(f"made/{name}.avro", what, strict, lenient, others)


def chain(n, field):
    """Records of which each has the one before it twice."""
    inner = record("R0", ("x", "int"))
    for i in range(1, n + 1):
        inner = record(f"R{i}", ("a", field(inner)), ("b", field(f"R{i - 1}")))
    return inner


def xz_of_dictionary(size_code, data):
    """An xz stream that says it needs a dictionary of another size."""
    stream = bytearray(lzma.compress(data, check=lzma.CHECK_CRC32))
    end = 12 + (stream[12] + 1) * 4
    at = stream.index(b"\x21\x01", 12) + 2
    stream[at] = size_code
    stream[end - 4:end] = struct.pack("<I", zlib.crc32(bytes(stream[12:end - 4])))
    return bytes(stream)


def bz2_zeros(n):
    compressor = bz2.BZ2Compressor(1)
    return b"".join(compressor.compress(bytes(1 << 20)) for _ in range(n >> 20)) + compressor.flush()


BYTES, FLAG = record("R", ("y", "bytes")), record("R", ("b", "boolean"))
GIB = 1 << 30
ONE_LOST = "0 rows, 1 skipped"

# ---------------------------------------------------------------- blocks
from_corrupt("rows-stray-byte", "a stray byte after the last row", "5 rows, 1 skipped", "arrow-avro, DataFusion hang; most take no notice")
from_corrupt("rows-too-many", "a count too large by one", "5 rows, 1 skipped")
from_corrupt("rows-too-few", "a count too small by one", "5 rows, 1 skipped", "arrow-avro, DataFusion hang; most take no notice")
from_corrupt("rows-far-too-many", "a count of 10^15", ONE_LOST)
from_corrupt("rows-zero-with-data", "a count of 0, with data", ONE_LOST, "arrow-avro, DataFusion hang; most take no notice")
from_corrupt("block-count-negative-in-the-middle", "a negative count", "15 rows, 1 skipped")
from_corrupt("block-count-overlong", "a count of too many bytes", ONE_LOST)
from_corrupt("block-size-negative", "a negative size", ONE_LOST)
from_corrupt("block-size-huge", "a size of 2^50", ONE_LOST, "arrow-avro, DataFusion, DuckDB end in silence")
from_corrupt("block-size-off-in-the-middle", "a size too large by one", "15 rows, 1 skipped")
from_corrupt("sync-wrong", "another sync marker", "5 rows, 1 skipped")
from_corrupt("sync-wrong-last", "no sync marker at the end", "5 rows, 1 skipped", "arrow-avro, DataFusion, DuckDB take no notice")
from_corrupt("cut-in-data", "the end of the file is missing", "5 rows, 1 skipped", "arrow-avro, DataFusion, DuckDB end in silence")
from_corrupt("cut-in-marker", "the last byte of the file is missing", "5 rows, 1 skipped", "arrow-avro, DataFusion, DuckDB end in silence")
from_corrupt("trailing-zero-bytes", "zeros behind the last block", "10 rows, 1 skipped")
made("cut", "a file cut at every byte", "error: ends inside", "the whole blocks", "arrow-avro, DataFusion, DuckDB end in silence")
hostile("empty-block-then-data", header('"int"') + frame(0, b"") + frame(3, b"\2\4\6"), "nothing: a block of nothing is valid", "3 rows", "3 rows, 0 skipped", "DuckDB, Polars lose the rows")
hostile("every-row-damaged", header(FLAG) + frame(1, b"\2") * 3000, "3000 blocks of one row, each damaged", "error: boolean 2", "0 rows, 3000 skipped")
hostile("every-other-row-damaged", header(FLAG) + (frame(1, b"\1") + frame(1, b"\2")) * 1500, "3000 blocks, every other one damaged", "error: boolean 2", "1500 rows, 1500 skipped")
hostile("every-count-damaged", header(FLAG) + (frame(1, b"\1") + frame(-1, b"\1")) * 1500, "3000 blocks, every other count negative", "error: a block's count is -1", "1500 rows, 1500 skipped")
hostile("nothing-but-markers", header(FLAG) + header(FLAG)[-16:] * 4000, "4000 sync markers with nothing between them", "error: a block's count is not a number of 64 bits", "0 rows, 1 skipped")

# ---------------------------------------------------------------- rows and items of no bytes
hostile("nulls-2-billion", header('"null"') + frame(2 * 10**9, b""), "2·10^9 rows of null", "error: zero_width_items", ONE_LOST)
from_corrupt("rows-zero-width-too-many", "10^12 records without fields", ONE_LOST, "DuckDB, fastavro, avro-py hang")
hostile("array-nulls-2-billion", by_hand(record("R", ("a", array("null"))), [(1, long(2 * 10**9) + b"\0")]), "an array of 2·10^9 nulls", "error: zero_width_items", ONE_LOST, "DuckDB, fastavro hang")
hostile("array-nulls-in-blocks", by_hand(record("R", ("a", array("null"))), [(1, long(10**6) * 2000 + b"\0")]), "an array of 2·10^9 nulls in 2000 blocks", "error: zero_width_items", ONE_LOST)
hostile("arrays-nulls-in-rows", by_hand(record("R", ("a", array("null"))), [(1000, (long(2 * 10**6) + b"\0") * 1000)]), "1000 arrays of 2·10^6 nulls in a block", "error: zero_width_items", ONE_LOST)
hostile("map-count-1-trillion", by_hand(record("R", ("m", map_of("int"))), [(1, long(10**12) + b"\0")]), "a map of 10^12 items", "error: states 1000000000000 items", ONE_LOST, "jetliner aborts; Polars panics; DuckDB gives no rows")
from_corrupt("value-array-count-huge", "an array of 2^40 items", "1 rows, 1 skipped", "jetliner aborts; Polars panics; DuckDB gives no rows")
hostile("nulls-of-a-wide-type", by_hand(record("R", ("a", ["null", fixed("F", 1 << 20)])), [(300, bytes(300))]), "nothing: 300 nulls of a type of a MiB are valid", "300 rows", "300 rows, 0 skipped")

# ---------------------------------------------------------------- compression
line_bomb = "arrow-avro, DataFusion, DuckDB, fastavro, Polars read all of it"
made("bomb-deflate", "a block of 1 GiB, deflated to a few MiB", "error: block_bytes", ONE_LOST, line_bomb + "; ClickHouse hangs")
hostile("bomb-bzip2", header(BYTES, "bzip2") + frame(1, bz2_zeros(GIB)), "a block of 1 GiB, compressed to a few KiB", "error: block_bytes", ONE_LOST)
hostile("bomb-zstandard", header(BYTES, "zstandard") + frame(1, compress("zstandard", bytes(GIB))), "a block of 1 GiB, compressed to 32 KiB", "error: block_bytes", ONE_LOST)
hostile("bomb-xz", header(BYTES, "xz") + frame(1, compress("xz", bytes(300 << 20))), "a block of 300 MiB, compressed to 45 KiB", "error: block_bytes", ONE_LOST)
hostile("zstandard-window-2-gib", header(BYTES, "zstandard") + frame(1, b"\x28\xb5\x2f\xfd\x00\xa8" + struct.pack("<I", 1000 << 3 | 3)[:3] + b"\0"), "a frame that asks for a window of 2 GiB", "error: zstandard", ONE_LOST)
hostile("xz-dictionary-4-gib", header(BYTES, "xz") + frame(1, xz_of_dictionary(40, blob(b"x"))), "a stream that asks for a dictionary of 4 GiB", "error: block_bytes", ONE_LOST)
hostile("zstandard-empty-frames", header(BYTES, "zstandard") + frame(1, compress("zstandard", b"") * 5000 + compress("zstandard", blob(b"x"))), "nothing: 5000 empty frames before the data are valid", "1 rows", "1 rows, 0 skipped")
from_corrupt("snappy-short", "a snappy block of 2 bytes", ONE_LOST, "arrow-avro, DataFusion, Polars panic")
from_corrupt("snappy-size-lie", "a snappy block that says it has 4 GiB", ONE_LOST)

# ---------------------------------------------------------------- values
for name, what, others in [
    ("boolean-2", "a boolean of 2", "most take it for true"),
    ("union-branch-negative", "branch -1 of a union", "most take another branch; jetliner panics"),
    ("enum-symbol-negative", "symbol -1 of an enum", ""),
    ("int-beyond-32-bits", "an int of 2^31", "fastavro, Polars, avro-py take it"),
    ("varint-overlong", "a number of 11 bytes", ""),
    ("varint-beyond-64-bits", "a number beyond 64 bits", ""),
    ("string-length-huge", "a string of 2^62 bytes", ""),
    ("string-length-negative", "a string of -2 bytes", ""),
    ("string-not-utf8", "a string that is not UTF-8", ""),
]:
    from_corrupt("value-" + name, what, "1 rows, 1 skipped", others)
TREE = record("Tree", ("items", array("Tree")))
hostile("value-nested-20000", by_hand(TREE, [(1, long(1) * 20_000 + b"\0" * 20_001)]), "20000 arrays inside one another", "error: value_nesting", ONE_LOST)

# ---------------------------------------------------------------- schemas and headers
from_corrupt("schema-contains-itself", "a record that contains itself", ONE_LOST, "fastavro, jetliner crash")
hostile("schema-contains-another-that-contains-it", by_hand(record("A", ("b", record("B", ("a", "A")))), [(1, b"")]), "two records that contain each other", "error: value_nesting", ONE_LOST)
hostile("schema-doubles", by_hand(chain(24, lambda t: t), [(1, bytes(100))]), "24 records, each with the one before it twice", "error: arrow_fields", REFUSED, "arrow-avro, DataFusion, DuckDB, ClickHouse hang")
hostile("schema-doubles-in-arrays", by_hand(chain(24, array), [(1, bytes(2))]), "the same through arrays", "error: arrow_fields", REFUSED)
hostile("schema-doubles-in-unions", by_hand(chain(24, lambda t: ["null", t, "int"]), [(1, bytes(2))]), "the same through unions", "error: arrow_fields", REFUSED)
made("schema-nested-20000", "a schema of 20000 arrays inside one another", "error: 20000 exceeds the limit `nesting`", REFUSED)
hostile("schema-brackets", header("[" * 60_000) + frame(1, b""), "60000 brackets for a schema", "error: 60000 exceeds the limit `nesting`", REFUSED)
made("schema-json-large", "a schema with an attribute of 8 million numbers", "error: schema_nodes", REFUSED)
made("schema-fields-many", "a schema of 400 000 fields", "error: schema_nodes", REFUSED)
made("metadata-entries-many", "metadata of 8 million entries", "error: metadata_bytes", REFUSED)
made("metadata-large", "metadata of 100 MiB", "error: metadata_bytes", REFUSED)
from_corrupt("header-count-huge", "metadata of 2^62 entries", REFUSED)
from_corrupt("header-value-length-huge", "metadata of 2^40 bytes", REFUSED)
made("empty-blocks", "nothing: a million blocks of nothing are valid", "0 rows", "0 rows, 0 skipped")


def table():
    return "".join("\t".join(cells) + "\n" for cells in TABLE)
