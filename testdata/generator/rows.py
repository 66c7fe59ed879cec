"""Expected rows: what fastavro's pure-Python reader finds in a file, as one line of JSON per row.

In: a file's bytes. Out: lines of JSON in the convention of `README.md`, which a test in any language can make from the
columns and their types alone. Logical types are read as their base type here and rendered from the schema.
"""
import collections, decimal, io, json, math, re, struct

import fastavro
import fastavro._read_py as reader
import fastavro.schema

Branch = collections.namedtuple("Branch", "index value")
PRIMITIVES = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}


def _read_union(decoder, schema, named, reader_schema=None, options={}):
    index = decoder.read_index()
    return Branch(index, reader.read_data(decoder, schema[index], named, None, options))


def _read_map(decoder, schema, named, reader_schema=None, options={}):
    read_as = reader_schema["values"] if reader_schema else None
    decoder.read_map_start()
    pairs = Pairs((decoder.read_utf8(), reader.read_data(decoder, schema["values"], named, read_as, options))
                  for _ in decoder.iter_map())
    decoder.read_map_end()
    return pairs


class Beyond(Exception):
    """A decimal that does not fit the Arrow type of its precision."""


class Pairs(list):
    """A map as it is on the wire. fastavro reads its header's metadata through this too, as `items` of decodable bytes."""

    def items(self):
        return ((k, Text(v)) for k, v in self)


class Text(bytes):
    def decode(self):
        return bytes(self).decode("utf-8", "replace")


# fastavro's decoder does the reading; only what it would throw away is kept: the branch of a union, duplicate keys.
reader.READERS["union"] = _read_union
reader.READERS["map"] = _read_map
reader.LOGICAL_READERS.clear()


def read(data):
    """(schema, raw rows) of a container file."""
    file = reader.reader(io.BytesIO(data))
    rows = list(file)
    return file.writer_schema, rows


def read_body(schema, data, count):
    """Raw rows of a block's plain bytes, for files whose own schema fastavro refuses."""
    stream = io.BytesIO(data)
    return [reader.schemaless_reader(stream, schema, None) for _ in range(count)]


def lines(schema, rows):
    """The expected rows as text."""
    named = {}
    schema = fastavro.schema.parse_schema(schema, named, _force=True, _ignore_default_error=True)
    is_record = isinstance(schema, dict) and schema["type"] in ("record", "error")
    out = []
    for row in rows:
        value = render(schema, row, named, ())
        value = value if is_record else {"value": value}
        out.append(json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n")
    return "".join(out)


def render(schema, v, named, open_names):
    if isinstance(schema, str) and schema not in PRIMITIVES:
        schema = named[schema]
    if isinstance(schema, dict) and schema.get("name") in open_names:
        return {"json": avro_json(schema, v, named)}
    if isinstance(schema, list):
        others = [s for s in schema if kind_of(s) != "null"]
        branch = schema[v.index]
        if len(schema) == 1 or (len(schema) == 2 and len(others) == 1):
            return render(branch, v.value, named, open_names)
        return {"branch": short_name(branch, schema), "value": render(branch, v.value, named, open_names)}
    kind = schema["type"] if isinstance(schema, dict) else schema
    logical = valid_logical(schema) if isinstance(schema, dict) else None
    if logical == "decimal":
        n, bits = int.from_bytes(v, "big", signed=True), 128 if schema["precision"] <= 38 else 256
        if not -(1 << bits - 1) <= n < 1 << bits - 1:
            raise Beyond(f"a decimal that {bits} bits cannot hold")
        return str(n)
    if logical == "duration":
        return dict(zip(("months", "days", "millis"), struct.unpack("<III", v)))
    if kind in ("null", "boolean", "int", "long", "string", "enum"):
        return v
    if kind == "float":
        return float_text(v, True)
    if kind == "double":
        return float_text(v, False)
    if kind in ("bytes", "fixed"):
        return bytes(v).hex()
    if kind == "array":
        return [render(schema["items"], x, named, open_names) for x in v]
    if kind == "map":
        return [[k, render(schema["values"], x, named, open_names)] for k, x in v]
    if kind in ("record", "error"):
        open_names += (schema["name"],)
        return {f["name"]: render(f["type"], v[f["name"]], named, open_names) for f in schema["fields"]}
    raise ValueError(schema)


def kind_of(schema):
    return schema["type"] if isinstance(schema, dict) else schema


def branch_name(schema):
    if isinstance(schema, dict):
        return schema.get("name", schema["type"])
    return schema


def short_name(branch, union):
    """The name without its namespace, unless two branches would share it."""
    simple = [branch_name(b).rpartition(".")[2] for b in union]
    short = branch_name(branch).rpartition(".")[2]
    return short if simple.count(short) == 1 else branch_name(branch)


# SPEC: "Logical Types". What is not valid falls back to the base type.
def valid_logical(schema):
    logical, kind = schema.get("logicalType"), schema["type"]
    if logical == "duration" and kind == "fixed" and schema["size"] == 12:
        return logical
    if logical == "decimal" and kind in ("bytes", "fixed"):
        precision, scale = schema.get("precision"), schema.get("scale", 0)
        if not isinstance(precision, int) or not isinstance(scale, int) or not 1 <= precision <= 76:
            return None
        if not 0 <= scale <= precision:
            return None
        if kind == "fixed":
            size = schema["size"]
            if size == 0 or precision > math.floor(math.log10(2) * (8 * size - 1)):
                return None
        return logical
    return None


def float_text(x, single):
    """The shortest digits that give the same float again, laid out as `0.1`, `-0.0`, `1e16`, `5e-324`, `NaN`, `inf`."""
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "inf" if x > 0 else "-inf"
    width, most = ("<f", 9) if single else ("<d", 17)
    for digits in range(most):
        text = f"{x:.{digits}e}"
        try:
            if struct.pack(width, float(text)) == struct.pack(width, x):
                break
        except OverflowError:  # rounded up beyond the largest float
            pass
    # Of two shortest that are as near, Python takes the even one and Rust the greater.
    with decimal.localcontext(rounding=decimal.ROUND_HALF_UP):
        up = format(decimal.Decimal(x), f".{digits}e")
    text = up if float(up) == float(text) or struct.pack(width, float(up)) == struct.pack(width, x) else text
    mantissa, exponent = text.split("e")
    sign, exponent = ("-" if mantissa.startswith("-") else ""), int(exponent)
    digits = mantissa.replace("-", "").replace(".", "").rstrip("0") or "0"
    least = struct.unpack(width, struct.pack(width, 1e-4))[0]  # as a float, 1e-4 is a little less
    if x == 0 or least <= abs(x) < 1e16:
        if exponent < 0:
            return sign + "0." + "0" * (-exponent - 1) + digits
        digits = digits.ljust(exponent + 1, "0")
        return sign + digits[:exponent + 1] + "." + (digits[exponent + 1:] or "0")
    return sign + digits[0] + ("." + digits[1:] if digits[1:] else "") + f"e{exponent}"


def avro_json(schema, v, named):
    """Avro's JSON encoding, for the inside of recursive types."""
    if isinstance(schema, str) and schema not in PRIMITIVES:
        schema = named[schema]
    if isinstance(schema, list):
        branch = schema[v.index]
        return None if kind_of(branch) == "null" else {branch_name(branch): avro_json(branch, v.value, named)}
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind in ("bytes", "fixed"):
        return bytes(v).decode("latin-1")
    if kind in ("float", "double"):
        text = float_text(v, kind == "float")
        return {"NaN": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(text) or float(text)
    if kind == "array":
        return [avro_json(schema["items"], x, named) for x in v]
    if kind == "map":
        return {k: avro_json(schema["values"], x, named) for k, x in v}
    if kind in ("record", "error"):
        return {f["name"]: avro_json(f["type"], v[f["name"]], named) for f in schema["fields"]}
    return v


def apache_agrees(data, expected):
    """Does Apache's `avro` read the same rows? None where it cannot read the file. Logical types are taken out of the
    schema first; unions are compared without their branch, maps without duplicate keys."""
    import avro.datafile, avro.io, avro.schema

    def plain(s):
        if isinstance(s, list):
            return [plain(x) for x in s]
        if isinstance(s, dict):
            return {k: plain(x) if k in ("type", "items", "values", "fields") else x
                    for k, x in s.items() if k not in ("logicalType", "precision", "scale", "default")}
        return s

    try:
        file = avro.datafile.DataFileReader(io.BytesIO(data), avro.io.DatumReader())
        file.datum_reader.writers_schema = avro.schema.parse(json.dumps(plain(json.loads(file.schema))))
        file.datum_reader.readers_schema = None
        rows = list(file)
    except Exception:
        return None
    return same(rows, [bare(r) for r in expected])


def bare(v):
    """A raw row without what Apache's reader does not tell."""
    if isinstance(v, Branch):
        return bare(v.value)
    if isinstance(v, dict):
        return {k: bare(x) for k, x in v.items()}
    if isinstance(v, Pairs):
        return {k: bare(x) for k, x in v}
    if isinstance(v, list):
        return [bare(x) for x in v]
    return v


def same(a, b):
    if isinstance(a, float) and isinstance(b, float):
        return struct.pack("<d", a) == struct.pack("<d", b)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b
