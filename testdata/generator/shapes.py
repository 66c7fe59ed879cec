"""Random types, and values, defaults and later versions of them.

In: a `random.Random`. Out: `Type`s, which are graphs (a type that is used twice is one object), their JSON text as schemas, and
Python values as fastavro's writer takes them, with `Branch` for the values of unions.
"""
import collections, copy, json

from .rows import Branch

PRIMITIVE = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
LOGICAL = {
    "int": ["date", "time-millis"],
    "long": ["time-micros", "timestamp-millis", "timestamp-micros", "timestamp-nanos", "local-timestamp-millis",
             "local-timestamp-micros", "local-timestamp-nanos"],
    "string": ["uuid"],
    "bytes": ["decimal", "decimal", "big-decimal"],
    "fixed": ["decimal", "decimal", "duration", "uuid"],
}
PROMOTIONS = {"int": ["long", "float", "double"], "long": ["float", "double"], "float": ["double"], "string": ["bytes"],
              "bytes": ["string"]}
NAMED = ("record", "enum", "fixed")
INTS = {"int": [0, 1, -1, 63, 64, -64, -65, 2**31 - 1, -2**31],
        "long": [0, -1, 2**31, 2**53 + 1, 2**62 + 2**38 + 1, 2**63 - 1, -2**63]}
FLOATS = [0.0, -0.0, 1.5, -2.25, float("inf"), float("-inf"), float("nan")]
TEXTS = ["", "a", "exactly 12 by", "é", "日本語のテキスト", "line\nbreak\t\"quoted\" \\", "\u0000", "🦀" * 5]


class ABSENT:
    """Where there is no default; a class, which copies do not copy."""


class Type:
    """`name` and `aliases` are full names; `attributes` are a logical type and what belongs to it."""

    def __init__(self, kind, **parts):
        self.kind, self.attributes, self.name, self.aliases = kind, {}, None, []
        self.inner, self.branches, self.fields, self.symbols, self.default, self.size = None, [], [], [], ABSENT, 0
        self.__dict__.update(parts)

    def key(self):
        """What a union may have only one of."""
        return self.name or self.kind

    def become(self, other):
        self.__dict__ = dict(other.__dict__)


class Field:
    def __init__(self, name, type, default=ABSENT, aliases=()):
        self.name, self.type, self.default, self.aliases = name, type, default, list(aliases)


class NoDefault(Exception):
    """A type that contains itself has no finite default here."""


class Shapes:
    """One schema's worth of names, and the dice."""

    def __init__(self, rng):
        self.rng = rng
        # Either no type has a namespace, or all have one: a type without one cannot be named from inside one that has.
        self.spaces = rng.choice([[""], ["a"], ["a", "a.b"], ["com.example", "org", "com.example.inner"]])
        self.names, self.done, self.n = set(), [], 0
        self.made = collections.Counter()  # changes, by what they are
        # fastavro writes no file of a schema where `{"type": "double"}` has an integer for a default.
        self.floats = [0.0, -7.0, 2.0**24 + 1, 0.5, -2.25, 0.1, 1e-30, 3.25e30]

    # ------------------------------------------------------------------ types

    def fresh(self, stem=""):
        """A full name that no type has. Few simple names, so that they meet across namespaces."""
        while True:
            self.n += 1
            simple = stem + self.rng.choice("ABCDEFGH") + ("" if self.n < 8 else str(self.n))
            space = self.rng.choice(self.spaces)
            full = f"{space}.{simple}" if space else simple
            if full not in self.names:
                self.names.add(full)
                return full

    def schema(self):
        """A type for the top level: mostly a record."""
        return self.record(3, []) if self.rng.random() < 0.85 else self.type(3, [])

    def type(self, depth, open_records):
        rng = self.rng
        dice = rng.random()
        if depth <= 0 or dice < 0.4:
            return self.primitive()
        if dice < 0.52:
            return rng.choice([self.enum, self.fixed])()
        if dice < 0.64:
            return self.union(depth, open_records)
        if dice < 0.74:
            return Type(rng.choice(["array", "map"]), inner=self.type(depth - 1, open_records))
        if dice < 0.80 and self.done:
            return rng.choice(self.done)
        if dice < 0.86 and open_records:
            return self.recursion(rng.choice(open_records))
        return self.record(depth - 1, open_records)

    def recursion(self, record):
        """A type inside itself, where a value can end."""
        rng, null = self.rng, Type("null")
        return rng.choice([lambda: Type("union", branches=[null, record]), lambda: Type("union", branches=[record, null]),
                           lambda: Type("array", inner=record), lambda: Type("map", inner=record),
                           lambda: Type("union", branches=[null, Type("string"), record])])()

    def primitive(self):
        t = Type(self.rng.choice(PRIMITIVE if self.rng.random() < 0.4 else PRIMITIVE[1:]))
        return self.logical(t) if self.rng.random() < 0.3 else t

    def logical(self, t):
        """The same with a logical type, which is sometimes invalid where it stands or unknown."""
        rng = self.rng
        words = LOGICAL.get(t.kind, ["unknown-type"])
        word = rng.choice(words)
        if word == "decimal":
            most = max(1, int(0.30103 * (8 * t.size - 1))) if t.kind == "fixed" else rng.choice([4, 18, 38, 76, 90])
            precision = rng.randint(1, most)
            t.attributes = {"logicalType": word, "precision": precision}
            if rng.random() < 0.8:
                t.attributes["scale"] = rng.randint(0, precision)
        else:
            t.attributes = {"logicalType": word}
            if t.kind == "fixed":
                t.size = {"duration": 12, "uuid": 16}[word] if rng.random() < 0.9 else t.size
        return t

    def enum(self):
        symbols = self.rng.sample([f"S{i}" for i in range(9)] + ["a_symbol_of_more_than_twelve_bytes", "_"], self.rng.randint(1, 7))
        t = Type("enum", name=self.fresh(), symbols=symbols)
        if self.rng.random() < 0.3:
            t.default = self.rng.choice(symbols)
        self.done.append(t)
        return t

    def fixed(self):
        t = Type("fixed", size=self.rng.choice([0, 1, 2, 4, 5, 8, 12, 16, 20, 33]))
        if t.size and self.rng.random() < 0.5:
            self.logical(t)
        t.name = self.fresh()
        self.done.append(t)
        return t

    def record(self, depth, open_records):
        t = Type("record", name=self.fresh())
        for i in range(self.rng.choice([0, 1, 2, 3, 3, 4, 5, 7])):
            t.fields.append(self.field(f"f{i}", self.type(depth, open_records + [t])))
        self.done.append(t)
        return t

    def field(self, name, type, odds=0.25):
        field = Field(name, type)
        if self.rng.random() < odds:
            try:
                field.default = self.json(type)
            except NoDefault:
                pass
        if self.rng.random() < 0.05:
            field.aliases = [f"f{self.rng.randint(0, 9)}"]
        return field

    def union(self, depth, open_records):
        inner = [self.type(depth - 1, open_records) for _ in range(self.rng.choice([1, 1, 1, 2, 3, 4]))]
        if self.rng.random() < 0.7:
            inner.insert(self.rng.choice([0, 0, 1]), Type("null"))
        return union_of(inner)

    # ------------------------------------------------------------------ values

    def value(self, t, depth=0):
        rng, kind = self.rng, t.kind
        if kind == "null":
            return None
        if kind == "boolean":
            return rng.random() < 0.5
        if kind in INTS:
            bits = rng.randint(1, 31 if kind == "int" else 63)
            return rng.choice(INTS[kind]) if rng.random() < 0.2 else rng.getrandbits(bits) - (1 << (bits - 1))
        if kind in ("float", "double"):
            wide = rng.uniform(-1, 1) * 10.0 ** rng.randint(-30, 30)
            return rng.choice(FLOATS) if rng.random() < 0.2 else wide if rng.random() < 0.5 else rng.randint(-999, 999) / 8
        if kind == "string":
            dice = rng.random()
            return rng.choice(TEXTS) if dice < 0.3 else "".join(rng.choices("abc é", k=rng.randint(0, 30) if dice < 0.98 else 3000))
        if t.attributes.get("logicalType") == "decimal":
            precision = t.attributes["precision"]
            n = rng.randint(-(10**precision) + 1, 10**precision - 1) // 10 ** rng.randint(0, precision)
            size = n.bit_length() // 8 + rng.choice([1, 1, 1, 3])
            return n.to_bytes(t.size if kind == "fixed" else size, "big", signed=True)
        if kind == "bytes":
            return rng.randbytes(rng.choice([0, 1, 3, 12, 13, 20])) if rng.random() < 0.5 else rng.choice(TEXTS).encode()
        if kind == "fixed":
            if t.size == 12:  # months, days and milliseconds that an interval of Arrow can hold
                return b"".join(rng.getrandbits(rng.randint(1, 31)).to_bytes(4, "little") for _ in range(3))
            return rng.randbytes(t.size)
        if kind == "enum":
            return rng.choice(t.symbols)
        if kind == "union":
            index = rng.randrange(len(t.branches))
            if depth > 6:
                index = next((i for i, b in enumerate(t.branches) if b.kind not in ("record", "array", "map")), index)
            return Branch(index, self.value(t.branches[index], depth + 1))
        if kind in ("array", "map"):
            n = 0 if depth > 6 else rng.choice([0, 1, 2, 3]) if depth > 2 or rng.random() < 0.95 else 40
            items = [self.value(t.inner, depth + 1) for _ in range(n)]
            return items if kind == "array" else {f"k{i}" + "x" * rng.choice([0, 0, 14]): v for i, v in enumerate(items)}
        return {f.name: self.value(f.type, depth + 1) for f in t.fields}

    def json(self, t, depth=0):
        """A default of this type, as JSON."""
        rng, kind = self.rng, t.kind
        if depth > 3:
            raise NoDefault
        if kind in ("null", "boolean", "int", "long", "string"):
            return self.value(t)
        if kind in ("float", "double"):
            return rng.choice(self.floats)
        if kind == "bytes":
            return self.value(t).decode("latin-1")
        if kind == "fixed":
            return self.value(t).decode("latin-1")
        if kind == "enum":
            return rng.choice(t.symbols)
        if kind == "union":
            return self.json(t.branches[0] if rng.random() < 0.7 else rng.choice(t.branches), depth + 1)
        if kind == "array":
            return [self.json(t.inner, depth + 1) for _ in range(rng.choice([0, 0, 1, 2]))]
        if kind == "map":
            return {f"k{i}": self.json(t.inner, depth + 1) for i in range(rng.choice([0, 0, 1, 2]))}
        given = [f for f in t.fields if f.default is ABSENT or rng.random() < 0.7]
        return {f.name: self.json(f.type, depth + 1) for f in given}

    # ------------------------------------------------------------------ later versions

    def evolved(self, schema):
        """Another version of a schema: a copy with a few changes, most of which keep the data readable."""
        schema = copy.deepcopy(schema)
        self.floats = [0, -7, 2**24 + 1, *self.floats[:8]]
        types = reachable(schema)
        self.done = [t for t in types if t.name]
        wild = self.rng.random() < 0.25
        for t in types:
            if self.rng.random() < (0.7 if t.kind == "record" else 0.3):
                self.change(t, wild)
        for t in reachable(schema):
            if t.kind == "union":
                # Changes may have made branches alike, or unions of them.
                t.branches = union_of(t.branches).branches
        if self.rng.random() < 0.2:
            self.split(schema)
        return schema

    def change(self, t, wild):
        rng = self.rng
        if wild and rng.random() < 0.15:  # into what it cannot be read as, or only by accident
            if t.kind != "record":
                t.become(self.type(1, []))
                self.made["another type"] += 1
                return
        changes = {"record": self.change_record, "enum": self.change_enum, "fixed": self.change_fixed, "union": self.change_union}
        if t.kind in changes and rng.random() < 0.85:
            kind = t.kind
            changes[kind](t, wild)
            self.made[kind] += kind != "record"
            return
        dice = rng.random()
        if t.name and dice < 0.5:
            self.rename(t)
        elif t.kind in PROMOTIONS and dice < 0.55:
            t.kind = rng.choice(PROMOTIONS[t.kind])
            self.made["promotion"] += 1
            t.attributes = t.attributes if rng.random() < 0.3 else {}
        elif t.kind in LOGICAL and dice < 0.65:
            t.attributes = {}
            self.made["logical type"] += 1
            if rng.random() < 0.5 and t.kind != "fixed":
                self.logical(t)
        elif t.kind not in ("union", "record", "fixed", "enum", "null"):  # named types are of many places
            same = copy.copy(t)
            others = [self.primitive() for _ in range(rng.choice([0, 0, 1, 2]))]
            union = [Type("null"), *others, same] if rng.random() < 0.8 else [*others, same]
            rng.shuffle(union)
            self.made["into a union"] += 1
            t.become(union_of(union))

    def change_record(self, t, wild):
        rng = self.rng
        for field in list(t.fields):
            dice = rng.random()
            if dice < 0.12:
                t.fields.remove(field)
                self.made["field dropped"] += 1
            elif dice < 0.22:
                old, field.name = field.name, f"g{rng.randint(0, 99)}"
                self.made["field renamed"] += 1
                field.aliases = [old] if rng.random() < 0.9 or not wild else []
                if rng.random() < 0.1:
                    field.aliases = ["unknown", *field.aliases, f"f{rng.randint(0, 5)}"]
            elif dice < 0.28:
                field.aliases = [f"f{rng.randint(0, 9)}"]
            elif dice < 0.36 and field.type.kind != "union":
                field.type = union_of([Type("null"), field.type])
                field.default = None if rng.random() < 0.5 else ABSENT
                self.made["into a union"] += 1
        for i in range(rng.choice([0, 0, 1, 1, 2])):
            kind = rng.choice(self.done) if self.done and rng.random() < 0.2 else self.type(2, [t])
            new = self.field(f"new{i}", kind, 1.0 if not wild or rng.random() < 0.8 else 0.0)
            if new.default is ABSENT and not wild:
                continue
            t.fields.insert(rng.randint(0, len(t.fields)), new)
            self.made["field added"] += 1
        if rng.random() < 0.3:
            rng.shuffle(t.fields)
            self.made["fields reordered"] += 1
        names = set()
        t.fields = [f for f in t.fields if not (f.name in names or names.add(f.name))]

    def change_enum(self, t, wild):
        rng = self.rng
        dice = rng.random()
        if dice < 0.08:
            t.become(Type("string"))
            return
        if dice < 0.6:
            t.symbols = t.symbols + [f"N{i}" for i in range(rng.choice([1, 2]))]
        if dice > 0.4:
            t.symbols = rng.sample(t.symbols, max(1, len(t.symbols) - rng.choice([0, 1, 1, 3])))
        t.default = rng.choice(t.symbols) if not wild or rng.random() < 0.5 else ABSENT

    def change_fixed(self, t, wild):
        rng = self.rng
        decimal = t.attributes.get("logicalType") == "decimal"
        if wild and rng.random() < 0.3:
            t.size += 1
        elif decimal and rng.random() < 0.6:
            t.become(Type("bytes", attributes={**t.attributes, "precision": t.attributes["precision"] + rng.choice([0, 0, 1, 5, 40])}))
        elif decimal and wild:
            t.attributes = {**t.attributes, "scale": rng.choice([0, 1, t.attributes.get("scale", 0)])}
        elif rng.random() < 0.5:
            t.attributes = {}
        else:
            self.rename(t)

    def change_union(self, t, wild):
        rng = self.rng
        dice = rng.random()
        branches = list(t.branches)
        if dice < 0.3:
            branches.insert(rng.randint(0, len(branches)), self.type(1, []))
        elif dice < 0.5 and len(branches) > 1:
            branches.pop(rng.randrange(len(branches)))
        elif dice < 0.6:
            whole = [b for b in branches if b.kind != "null"]
            if whole and not whole[0].name:  # a named type has to stay one object
                t.become(whole[0])
                return
        rng.shuffle(branches)
        t.branches = branches

    def rename(self, t):
        old, t.name = t.name, self.fresh()
        self.made["named type renamed"] += 1
        if self.rng.random() < 0.6:
            t.aliases = [old]
        elif self.rng.random() < 0.5 and len(self.spaces) > 1:  # the same in another namespace
            t.name = f"moved.{old.rpartition('.')[2]}"

    def split(self, schema):
        """One place of a record gets a type of its own, a copy of what was there."""
        places = [(r, f) for r in reachable(schema) if r.kind == "record" for f in r.fields if f.type.kind == "record"]
        if places:
            _, field = self.rng.choice(places)
            own = copy.copy(field.type)
            own.fields = [copy.copy(f) for f in own.fields]
            own.name, own.aliases = self.fresh(), [own.name]
            self.change_record(own, False)
            field.type = own
            self.made["named type split in two"] += 1

    # ------------------------------------------------------------------ text

    def text(self, schema):
        """The schema's JSON: names spelled in one of the ways that mean the same."""
        self.written, self.by_name = set(), {}
        spaced = self.rng.random() < 0.2
        return json.dumps(self.emit(schema, ""), indent=2 if spaced else None, ensure_ascii=self.rng.random() < 0.5)

    def emit(self, t, space):
        rng = self.rng
        if t.kind == "union":
            return [self.emit(b, space) for b in t.branches]
        if not t.name:
            if t.kind in ("array", "map"):
                return {"type": t.kind, "items" if t.kind == "array" else "values": self.emit(t.inner, space), **t.attributes}
            return {"type": t.kind, **t.attributes} if t.attributes or rng.random() < 0.1 else t.kind
        if self.by_name.setdefault(t.name, t) is not t:  # a copy of another
            t.name = self.fresh()
            self.by_name[t.name] = t
        own, _, simple = t.name.rpartition(".")
        if id(t) in self.written:
            return simple if own == space and rng.random() < 0.5 else t.name
        self.written.add(id(t))
        if own == space and rng.random() < 0.5:
            out = {"type": t.kind, "name": simple}
        elif rng.random() < 0.5:
            out = {"name": simple, "type": t.kind, "namespace": own}
        else:
            out = {"type": t.kind, "name": t.name} if own else {"type": t.kind, "name": simple, "namespace": ""}
        if t.aliases:
            out["aliases"] = list(t.aliases)
        if rng.random() < 0.1:
            out["doc"] = "what it is, “quoted”"
        if t.kind == "enum":
            out["symbols"] = t.symbols
            if t.default is not ABSENT:
                out["default"] = t.default
        elif t.kind == "fixed":
            out["size"] = t.size
        else:
            out["fields"] = [self.emit_field(f, own) for f in t.fields]
        return {**out, **t.attributes}

    def emit_field(self, field, space):
        out = {"name": field.name, "type": self.emit(field.type, space)}
        if field.default is not ABSENT:
            out["default"] = field.default
        if field.aliases:
            out["aliases"] = field.aliases
        return out


def union_of(types):
    """A union of these types, without unions inside it and without two that are alike."""
    flat, seen = [], set()
    for t in types:
        for branch in t.branches if t.kind == "union" else [t]:
            if branch.key() not in seen:
                seen.add(branch.key())
                flat.append(branch)
    return Type("union", branches=flat)


def reachable(schema):
    """Every type once."""
    found, todo = [], [schema]
    seen = set()
    while todo:
        t = todo.pop()
        if id(t) in seen:
            continue
        seen.add(id(t))
        found.append(t)
        todo += ([t.inner] if t.inner else []) + t.branches + [f.type for f in t.fields]
    return found


def weight(schema, most):
    """How many types it is after names are replaced by what they stand for, counted up to `most`."""
    n, todo = 0, [(schema, ())]
    while todo and n <= most:
        t, inside = todo.pop()
        n += 1
        if id(t) not in inside:
            inside += (id(t),)
            todo += [(u, inside) for u in ([t.inner] if t.inner else []) + t.branches + [f.type for f in t.fields]]
    return n
