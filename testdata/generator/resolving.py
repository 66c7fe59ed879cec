"""What fastavro makes of a file with a reader's schema, and where its rules are other than ours.

In: a file's bytes, a reader's schema. Out: the rows as `rows.lines` renders them, or `Unreadable`; with the names of the exceptions
that made a difference.

The bytes are decoded, and fields, symbols, promotions and defaults are found, by fastavro's own functions. Two things are put
around them, because fastavro throws them away: the branch of the reader's union that a value became, and whether a field
is a default (which fastavro gives out as the JSON that it is). Types that are referred to by name are looked up before fastavro
sees them: it knows some pairs of a reference and a definition not to be the same.

`read` runs twice. Once all decisions are fastavro's (`strict`). Once they are those of `EXCEPTIONS`, which are few and each
decided by the two types that meet; where such a decision is not fastavro's, its name is noted. So what an exception gives is
predicted, never skipped.
"""
import fractions, io, json, math, struct

import fastavro._read_py as reader
import fastavro.schema

from . import rows
from .rows import Branch, PRIMITIVES

EXCEPTIONS = {
    "best-branch": "Of a reader's union, fastavro takes the first branch that a value may be promoted to. Here the type itself, or "
        "the type of that very name, goes first, as in Avro's Java implementation. Specification, Schema Resolution: \"the first "
        "schema in the reader's union that matches\", where what matches best is left open.",
    "names-outside-unions": "fastavro reads a record, enum or fixed only as one of the same unqualified name or alias, as the "
        "specification has it. Where only two types can be meant, names do not matter here (`Options::reader_schema`). So it is in a "
        "reader's union that has no branch of the name but one of the kind.",
    "names-of-other-kinds": "fastavro takes a record, an enum and a fixed of one name for the same, and then breaks off or gives out "
        "bytes for a symbol. Specification, Schema Resolution: \"both schemas are enums\", and so on.",
    "enum-as-string": "An enum can be read as a string here (`Options::reader_schema`); the specification has no such promotion.",
    "decimal-by-value": "Two decimals of one scale match here however they are stored, bytes or fixed; specification, Schema "
        "Resolution: \"two schemas that are decimal logical types match if their scales and precisions match\".",
    "logical-types-differ": "fastavro matches types without a look at their logical types. Here two different ones do not match "
        "(`Options::reader_schema`), and decimals only with the same scale and at least the precision, as the rule above.",
    "decimal-range": "A decimal must fit the Arrow type of its precision, 128 or 256 bits; fastavro's integers have no end. Where it becomes JSON text, as in recursive types, it may be any.",
    "error-before-rows": "What no value could be read as is an error here before the first value, also where a file has no value that "
        "would meet it; fastavro finds out at the value. Specification, Schema Resolution: \"an error is signalled\".",
    "ambiguous-alias": "Where two fields of the writer could be one of the reader's, or a field has its own name and another's as an "
        "alias, fastavro lets the order of the writer's fields decide. Here a field's own name goes first, then its aliases in order.",
    "default-of-other-type": "fastavro gives out a default as it is. Here one that is not of its field's type is an error where it is "
        "used; specification, Complex Types, Records, the table of defaults.",
    "float-rounded-once": "fastavro promotes a long to a float by way of a double, which rounds twice. Here it is rounded once.",
}


NAMED = {"record", "enum", "fixed"}


class Unreadable(Exception):
    """The file cannot be read as the reader wants it. `early`: no file of this schema could be."""

    def __init__(self, reason, early=False):
        super().__init__(reason)
        self.early = early


class GivenOut(Exception):
    """A default of another type than its field, which fastavro gives out."""


class Endless(Exception):
    """A default that consists of defaults without an end."""


def ends(text):
    """Has each default of a schema an end? One that has none is an error in ours, and hangs what takes it literally."""
    named = {}
    parsed = fastavro.schema.parse_schema(json.loads(text), named, _force=True, _ignore_default_error=True)
    try:
        for field in (f for s in [parsed, *named.values()] if kind(s) == "record" for f in s["fields"] if "default" in f):
            try:
                from_json(field["type"], field["default"], named)
            except ValueError:
                pass
    except Endless:
        return False
    return True


class Default:
    """A default, marked, where the reader's schema had it plainly."""

    def __init__(self, value):
        self.value = value


def read(data, reader_text):
    """(rows or Unreadable by our rules, the same by fastavro's, names of the exceptions between them)."""
    outcomes, noted = [], set()
    for strict in (False, True):
        with Reading(data, reader_text, strict) as reading:
            try:
                outcomes.append(reading.rows())
            except Unreadable as error:
                outcomes.append(error)
            noted |= reading.noted
    return *outcomes, noted


class Reading:
    def __init__(self, data, reader_text, strict):
        self.strict, self.noted, self.failing, self.renamed, self.chosen = strict, set(), {}, {}, {}
        self.file = reader.reader(io.BytesIO(data), "null")  # with a reader's schema, it does not look at the writer's defaults
        self.schema = json.loads(reader_text)
        self.named = self.file._named_schemas
        self.named["reader"] = {}
        parsed = fastavro.schema.parse_schema(self.schema, self.named["reader"], _write_hint=False, _force=True, _ignore_default_error=True)
        self.parsed = parsed
        for schema in [parsed, *self.named["reader"].values()]:
            mark_defaults(schema)

    def __enter__(self):
        self.before = (reader.read_data, reader.match_schemas, reader.read_record)
        self.read_one, self.match, self.read_record = self.before
        reader.read_data, reader.match_schemas, reader.READERS["record"] = self.value, self.matching, self.record
        return self

    def __exit__(self, *_):
        reader.read_data, reader.match_schemas, reader.READERS["record"] = self.before

    def rows(self):
        file = self.file
        if not self.strict and self.fails(file.writer_schema, self.parsed):
            raise Unreadable("no value could be read", early=True)
        try:
            found = list(reader._iter_avro_records(file.decoder, file._header, file.codec, file.writer_schema, self.named,
                                                   self.parsed, file.options))
        except (reader.SchemaResolutionError, UnicodeDecodeError) as error:
            raise Unreadable(str(error)) from error
        except GivenOut:
            return "rows with JSON for a value"
        except (KeyError, TypeError) as error:
            if not self.strict or "names-of-other-kinds" not in self.noted:
                raise
            raise Unreadable("fastavro breaks off") from error
        try:
            return rows.lines(self.schema, found)
        except TypeError:
            if not self.strict or "names-of-other-kinds" not in self.noted:
                raise
            return "rows with bytes for a symbol"
        except rows.Beyond as error:
            self.noted.add("decimal-range")
            if self.strict:
                return "rows with a decimal of any size"
            raise Unreadable(str(error)) from error

    # ------------------------------------------------------------------ fastavro's functions, with ours around them

    def w(self, schema):
        return self.named["writer"].get(schema, schema) if isinstance(schema, str) else schema

    def r(self, schema):
        return self.named["reader"].get(schema, schema) if isinstance(schema, str) else schema

    def value(self, decoder, w, named, r=None, options={}):
        """In place of `read_data`."""
        if r is None:
            return self.read_one(decoder, w, named, None, options)
        w, r = self.w(w), self.r(r)
        if isinstance(w, list):
            index = decoder.read_index()
            if not self.strict and self.fails(w[index], r):
                raise Unreadable("nothing for the values of this branch")
            return self.value(decoder, w[index], named, r, options)
        if isinstance(r, list):
            index = self.branch(w, r)
            if index is None:
                raise Unreadable("no branch matches")
            return Branch(index, self.value(decoder, w, named, r[index], options))
        kinds = kind(w), kind(r)
        if not self.strict and kinds == ("enum", "string"):
            return self.read_one(decoder, w, named, None, options)
        if kinds[1] == "float" and kinds[0] in ("int", "long"):
            n = self.read_one(decoder, w, named, None, options)
            once, twice = float32(n), struct.unpack("<f", struct.pack("<f", float(n)))[0]
            if once != twice:
                self.noted.add("float-rounded-once")
            return twice if self.strict else once
        return self.read_one(decoder, w, named, r, options)

    def matching(self, w, r, named, raise_on_error=True):
        """In place of `match_schemas`; it comes here with two types that are not unions, and from `match_types`."""
        if {kind(w), kind(r)} <= NAMED and kind(w) != kind(r) and self.match(w, r, named, False) is not None:
            self.noted.add("names-of-other-kinds")
        if self.strict or not raise_on_error:
            return self.match(w, r, named, raise_on_error)
        if not self.compatible(w, r):
            raise Unreadable(f"{kind(w)} is no {kind(r)}")
        return r

    def record(self, decoder, w, named, r=None, options={}):
        """In place of `read_record`. Without a reader's schema it reads a header."""
        if r is None:
            return self.read_record(decoder, w, named, None, options)
        matched = match_fields(w, r)
        theirs = fastavro_fields(w, r)
        if matched != theirs:
            self.noted.add("ambiguous-alias")
            if self.strict and theirs is None:
                raise Unreadable("two fields for one")
        if not self.strict:
            if id(r) not in self.renamed:
                fields = [{**f, "aliases": [] if n in (None, f["name"]) else [n]} for f, n in zip(r["fields"], matched)]
                self.renamed[id(r)] = {**r, "fields": fields}
            # The one record may be read from several of the writer's.
            self.renamed[id(r)]["fields"] = [
                {**f, "aliases": [] if n in (None, f["name"]) else [n]} for f, n in zip(r["fields"], matched)]
            r = self.renamed[id(r)]
        record = self.read_record(decoder, w, named, r, options)
        for field in r["fields"]:
            if isinstance(record[field["name"]], Default):
                try:
                    record[field["name"]] = from_json(field["type"], record[field["name"]].value, self.named["reader"])
                except ValueError as error:
                    self.noted.add("default-of-other-type")
                    raise (GivenOut if self.strict else Unreadable)(str(error)) from error
        return record

    # ------------------------------------------------------------------ our rules

    def branch(self, w, r):
        """The index in the reader's union, and a note where fastavro has another."""
        key = self.key(w, r)
        if key not in self.chosen:
            self.chosen[key] = self.choose(w, r)
        return self.chosen[key]

    def choose(self, w, r):
        first = next((i for i, b in enumerate(r) if reader.match_types(w, self.r(b), self.named)), None)
        ranks = [(rank, i) for i, b in enumerate(r) for rank in [self.rank(w, self.r(b))] if rank is not None]
        best = min(ranks)[1] if ranks else None
        if best != first:
            self.noted.update(self.why(w, *(None if i is None else self.r(r[i]) for i in (best, first))))
        return first if self.strict else best

    def why(self, w, best, first):
        """Why our branch is not fastavro's; either may be None."""
        if best is None:
            return [*self.reasons(w, first)] or ["logical-types-differ"]
        if kind(w) == "enum" and kind(best) == "string":
            return ["enum-as-string"]
        if first is not None and kind(first) in NAMED and kind(first) != kind(w):
            return ["names-of-other-kinds"]
        return ["best-branch"] if first is not None else [*self.reasons(w, best)]

    def rank(self, w, r):
        kinds = kind(w), kind(r)
        if kinds in (("array", "array"), ("map", "map")):
            part = "items" if kinds[0] == "array" else "values"
            inner = self.w(w[part]), self.r(r[part])
            return 0 if isinstance(inner[0], list) or isinstance(inner[1], list) else self.rank(*inner)
        if kinds in (("record", "record"), ("enum", "enum")) or (kinds == ("fixed", "fixed") and self.compatible(w, r)):
            return 0 if w["name"] == r["name"] else 1 if same_name(w, r) else 3
        if not self.compatible(w, r):
            return None
        if kinds == ("enum", "string"):
            return 4
        same = kinds[0] == kinds[1] or {*kinds} == {"bytes", "fixed"}
        return (0 if logical(w) == logical(r) else 1) if same else 2

    def compatible(self, w, r):
        """May values of these two types, no unions, be one another, their insides aside?"""
        mine = compatible(w, r)
        self.noted.update(self.reasons(w, r) if mine != (self.match(w, r, self.named, False) is not None) else [])
        return mine

    def reasons(self, w, r):
        kinds = kind(w), kind(r)
        if kinds[0] in ("array", "map"):
            if kinds[0] == kinds[1]:
                part = "items" if kinds[0] == "array" else "values"
                yield from self.reasons(self.w(w[part]), self.r(r[part]))
        elif kinds == ("enum", "string"):
            yield "enum-as-string"
        elif kinds in (("bytes", "fixed"), ("fixed", "bytes")) or (kinds == ("fixed", "fixed") and w["size"] != r["size"]):
            yield "decimal-by-value"
        elif {*kinds} <= NAMED and kinds[0] != kinds[1]:
            yield "names-of-other-kinds"
        elif not compatible(w, r):
            if logical(w) and logical(r) and logical(w) != logical(r):
                yield "logical-types-differ"
        elif {*kinds} <= NAMED and not same_name(w, r):
            yield "names-outside-unions"

    def fails(self, w, r):
        """Is there nothing for any value of these two types?"""
        key = self.key(w, r)
        if key not in self.failing:
            pairs = self.pairs(w, r)
            fails = {k: problem for k, (problem, _, _) in pairs.items()}
            again = True
            while again:
                again = False
                for k, (_, all_of, inner) in pairs.items():
                    if not fails[k] and inner and (all if all_of else any)(fails[i] for i in inner):
                        fails[k] = again = True
            self.failing.update(fails)
        return self.failing[key]

    def key(self, w, r):
        return tuple(s if isinstance(s, str) else id(s) for s in (self.w(w), self.r(r)))

    def pairs(self, w, r):
        """By pair of types that meet: is it a problem itself, do all that are inside have to be for it to fail, what is inside."""
        pairs, todo = {}, [(w, r)]
        while todo:
            w, r = map(lambda f, s: f(s), (self.w, self.r), todo.pop())
            key = self.key(w, r)
            if key in pairs:
                continue
            problem, inner = False, []
            if isinstance(w, list):
                inner = [(b, r) for b in w]
            elif isinstance(r, list):
                index = self.branch(w, r)
                problem, inner = index is None, [] if index is None else [(w, r[index])]
            elif not self.compatible(w, r):
                problem = True
            elif kind(w) == "array":
                inner = [(w["items"], r["items"])]
            elif kind(w) == "map":
                inner = [(w["values"], r["values"])]
            elif kind(w) == "record":
                types = {f["name"]: f["type"] for f in w["fields"]}
                for field, name in zip(r["fields"], match_fields(w, r)):
                    if name is not None:
                        inner.append((types[name], field["type"]))
                    elif "default" not in field:
                        problem = True
                    else:
                        try:
                            from_json(field["type"], field["default"].value, self.named["reader"])
                        except ValueError:
                            self.noted.add("default-of-other-type")
                            problem = True
            pairs[key] = problem, isinstance(w, list), [self.key(*pair) for pair in inner]
            todo += inner
        return pairs


def kind(schema):
    return "union" if isinstance(schema, list) else schema["type"] if isinstance(schema, dict) else schema


def compatible(w, r):
    kinds = kind(w), kind(r)
    decimals = is_arrow_decimal(w) and is_arrow_decimal(r)
    if {*kinds} <= {"bytes", "fixed"} and decimals:
        pass
    elif kinds == ("fixed", "fixed"):
        if w["size"] != r["size"]:
            return False
    elif kinds[0] != kinds[1] and kinds not in {
            ("int", "long"), ("int", "float"), ("int", "double"), ("long", "float"), ("long", "double"), ("float", "double"),
            ("string", "bytes"), ("bytes", "string"), ("enum", "string")}:
        return False
    a, b = logical(w), logical(r)
    if kinds[0] in ("record", "array", "map", "enum") or not a or not b or a == b:
        return True
    return a[0] == b[0] == "decimal" and a[2] == b[2] and a[1] <= b[1]


# SPEC: "Logical Types". What is not valid falls back to the base type.
def logical(schema):
    """The logical type as a tuple, if it is valid where it stands."""
    if not isinstance(schema, dict):
        return None
    word = schema.get("logicalType")
    if word == "decimal":
        precision, scale, on = schema.get("precision"), schema.get("scale", 0), schema["type"]
        if on == "fixed" and precision > digits(schema["size"]) or on not in ("bytes", "fixed"):
            return None
        return (word, precision, scale) if 1 <= precision and 0 <= scale <= precision else None
    bases = {"date": ["int"], "time-millis": ["int"], "uuid": ["string"], "big-decimal": ["bytes"]}
    longs = ["time-micros"] + [f"{local}timestamp-{unit}" for local in ("", "local-") for unit in ("millis", "micros", "nanos")]
    if schema["type"] in bases.get(word, ["long"] if word in longs else []):
        return (word,)
    if schema["type"] == "fixed" and (word, schema["size"]) in (("duration", 12), ("uuid", 16)):
        return (word,)
    return None


def digits(size):
    """The most decimal digits that always fit so many bytes."""
    return len(str(2 ** (8 * size - 1) - 1)) - 1 if size else 0


def is_arrow_decimal(schema):
    """Is it a decimal that one of Arrow's types is wide enough for?"""
    of = logical(schema)
    return bool(of) and of[0] == "decimal" and of[1] <= 76


def same_name(w, r):
    names = [n.rpartition(".")[2] for n in [r["name"], *r.get("aliases", [])]]
    return w["name"].rpartition(".")[2] in names


def match_fields(w, r):
    """By the reader's field: the name of the writer's. A field's own name goes first, then its aliases."""
    free = {f["name"] for f in w["fields"]}
    matched = [f["name"] if f["name"] in free else None for f in r["fields"]]
    free -= {*matched}
    for i, field in enumerate(r["fields"]):
        if matched[i] is None:
            matched[i] = next((a for a in field.get("aliases", []) if a in free), None)
            free.discard(matched[i])
    return matched


def fastavro_fields(w, r):
    """The same as fastavro finds it; None where it breaks off."""
    by_name = {f["name"]: i for i, f in enumerate(r["fields"])}
    by_alias = {a: i for i, f in enumerate(r["fields"]) for a in f.get("aliases", [])}
    matched = [None] * len(r["fields"])
    for name in (f["name"] for f in w["fields"]):
        at = by_name.get(name, by_alias.get(name))
        if at is None:
            continue
        if matched[at] is not None:
            return None
        matched[at] = name
        by_name.pop(r["fields"][at]["name"])
    return matched


def mark_defaults(schema):
    todo = [schema]
    while todo:
        schema = todo.pop()
        if isinstance(schema, list):
            todo += schema
        elif isinstance(schema, dict):
            todo += [schema[k] for k in ("items", "values") if k in schema]
            for field in schema.get("fields", []):
                todo.append(field["type"])
                if "default" in field and not isinstance(field["default"], Default):
                    field["default"] = Default(field["default"])


# SPEC: Complex Types, Records, "default": the table of JSON types by Avro type; "the first schema that matches in the union".
def from_json(schema, value, named, depth=0):
    """A default as a value of its type; `ValueError` where it is none, `Endless` where it has itself inside."""
    if depth > 50:
        raise Endless
    if isinstance(schema, list):
        for i, branch in enumerate(schema):
            try:
                return Branch(i, from_json(branch, value, named, depth + 1))
            except ValueError:
                pass
        raise ValueError(f"{value} is none of the union")
    if isinstance(schema, str) and schema not in PRIMITIVES:
        schema = named[schema]
    of = kind(schema)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if of in ("int", "long"):
        bits = 31 if of == "int" else 63
        ok = number and value == int(value) and -(1 << bits) <= value < 1 << bits
        value = int(value) if ok else value
    elif of in ("float", "double"):
        ok = number
        if ok:
            value = struct.unpack("<f", struct.pack("<f", value))[0] if of == "float" else float(value)
    elif of in ("bytes", "fixed"):
        ok = isinstance(value, str) and all(ord(c) < 256 for c in value) and len(value) == schema_size(schema, len(value))
        value = value.encode("latin-1") if ok else value
    elif of == "array" and isinstance(value, list):
        return [from_json(schema["items"], v, named, depth + 1) for v in value]
    elif of == "map" and isinstance(value, dict):
        return rows.Pairs((k, from_json(schema["values"], v, named, depth + 1)) for k, v in value.items())
    elif of == "record" and isinstance(value, dict):
        out = {}
        for field in schema["fields"]:
            given = value.get(field["name"], field.get("default", ValueError))
            if given is ValueError:
                raise ValueError(f"no {field['name']}")
            out[field["name"]] = from_json(field["type"], given.value if isinstance(given, Default) else given, named, depth + 1)
        return out
    else:
        ok = {"null": value is None, "boolean": isinstance(value, bool), "string": isinstance(value, str),
              "enum": of == "enum" and value in schema["symbols"]}.get(of, False)
    if not ok:
        raise ValueError(f"{value} is no {of}")
    return value


def schema_size(schema, otherwise):
    return schema["size"] if kind(schema) == "fixed" else otherwise


def float32(n):
    """The float nearest to an integer, to even where two are as near."""
    bits = struct.unpack("<i", struct.pack("<f", float(n)))[0]
    near = [(struct.unpack("<f", struct.pack("<i", b))[0], b & 1) for b in (bits - 1, bits, bits + 1)]
    return min((f for f in near if math.isfinite(f[0])), key=lambda f: (abs(fractions.Fraction(f[0]) - n), f[1]))[0]
