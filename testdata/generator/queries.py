"""Random queries over the tables of `tables.py`: each as text for this project and for DuckDB.

Where both spell a thing alike, one text serves both. Where they differ in spelling, an expression has two texts. Where they
differ in meaning by design (integer division, the order of nulls), queries are written so that the difference does not show.
"""
from dataclasses import dataclass, field


@dataclass
class E:
    """An expression: its kind, its text here, and its text for DuckDB."""
    kind: str
    here: str
    duck: str = None
    inner: object = None

    def __post_init__(self):
        self.duck = self.here if self.duck is None else self.duck


@dataclass
class Q:
    """A query, what it is made of, and whether its rows are in order."""
    here: str
    duck: str
    tags: list = field(default_factory=list)


def both(kind, template, *parts, inner=None):
    return E(kind, template.format(*[p.here for p in parts]), template.format(*[p.duck for p in parts]), inner)


NUMBERS = ["int", "long", "double", "float", "decimal"]
COMPARABLE = ["int", "long", "double", "float", "decimal", "text", "enum", "date", "instant", "local", "bool"]
DECIMAL_LITERALS = ["0.5", "1.19", "-2.25", "100.00", "3.0", "0.001"]


class Queries:
    def __init__(self, rng, tables):
        self.rng, self.tables = rng, tables
        self.tags = []

    # --- expressions -----------------------------------------------------------------------------------------------------

    def columns(self, table, alias):
        found = []
        for c in table.columns:
            at = f"{alias}.{c.name}" if alias else c.name
            found.append(E(c.kind, at, inner=c.inner))
            if c.kind == "record":
                found += [E(f.kind, f"{at}.{f.name}", inner=f.inner) for f in c.inner]
            elif c.kind == "list":
                found.append(E(c.inner.kind, f"{at}[{self.rng.choice([1, 2, 5])}]"))
                found.append(E("int", f"length({at})", f"len({at})::int"))
            elif c.kind == "records":
                f = self.rng.choice(c.inner.inner)
                found.append(E(f.kind, f"{at}[1].{f.name}", inner=f.inner))
            elif c.kind == "map":
                found.append(E(c.inner.kind, f"{at}['{self.rng.choice('klz')}']"))
        return found

    def literal(self, kind):
        rng = self.rng
        if kind in ("int", "long"):
            return E(kind, str(rng.choice([0, 1, 2, 3, 7, -1, 100])))
        if kind in ("double", "float"):
            return E("double", rng.choice(["0.5::double", "2.0::double", "-1.25::double", "1e3"]))
        if kind == "decimal":
            return E(kind, rng.choice(DECIMAL_LITERALS))
        if kind in ("text", "enum"):
            return E("text", rng.choice(["'a'", "'ab'", "''", "'RED'", "'x y'", "'A'", "'50%'", "'Zoé'"]))
        if kind == "bool":
            return E(kind, rng.choice(["true", "false"]))
        if kind == "date":
            return E(kind, rng.choice(["DATE '2024-01-01'", "DATE '1990-05-31'", "DATE '9999-12-31'", "DATE '0001-01-01'"]))
        if kind == "local":
            return E(kind, rng.choice(["TIMESTAMP '2024-01-01 00:00:00'", "TIMESTAMP '2023-06-30 12:34:56.789'",
                                       "TIMESTAMP '9999-12-31 00:00:00'"]))
        if kind == "instant":
            return E(kind, rng.choice(["'2024-01-01T00:00:00Z'::timestamptz", "'2023-06-30T12:34:56+02:00'::timestamptz"]))
        raise ValueError(kind)

    def expr(self, kind, scope, depth):
        """An expression of a kind over the columns in scope."""
        rng = self.rng
        leaves = [c for c in scope if c.kind == kind or (kind == "text" and c.kind == "enum")]
        if depth <= 0 or rng.random() < 0.25:
            if leaves and rng.random() < 0.85:
                return rng.choice(leaves)
            return self.literal(kind)
        sub = lambda k: self.expr(k, scope, depth - 1)
        small = lambda: both("int", "({0} % 1000)", sub("int"))
        common = [
            lambda: both(kind, "CASE WHEN {0} THEN {1} ELSE {2} END", self.predicate(scope, depth - 1), sub(kind), sub(kind)),
            lambda: both(kind, "CASE WHEN {0} THEN {1} END", self.predicate(scope, depth - 1), sub(kind)),
            lambda: both(kind, "coalesce({0}, {1})", sub(kind), sub(kind)),
            lambda: both(kind, "nullif({0}, {1})", sub(kind), sub(kind)),
        ]
        if kind in ("int", "long", "double", "decimal", "text", "date"):
            common.append(lambda: both(kind, "greatest({0}, {1})", sub(kind), sub(kind)))
            common.append(lambda: both(kind, "least({0}, {1})", sub(kind), sub(kind)))
        own = {
            "int": [
                lambda: both("int", "({0} + {1})", small(), small()),
                lambda: both("int", "({0} - {1})", small(), small()),
                lambda: both("int", "({0} * {1})", small(), small()),
                lambda: both("int", "({0} % {1})", sub("int"), self.literal_but_zero()),
                lambda: both("int", "abs({0})", small()),
                lambda: both("int", "length({0})::int", sub("text")),
                lambda: both("int", "(-{0})", small()),
                lambda: both("int", "extract({1} FROM {0})::int", sub(rng.choice(["date", "local"])),
                             E("", rng.choice(["year", "month", "day", "dow"]))),
                lambda: both("int", "strpos({0}, {1})::int", sub("text"), sub("text")),
            ],
            "long": [
                lambda: both("long", "({0} + {1})", sub("int"), sub("long")),
                lambda: both("long", "({0} - {1})", sub("long"), sub("int")),
                lambda: both("long", "({0} * {1})", small(), sub("int")),
                lambda: both("long", "{0}::bigint", sub("int")),
                lambda: both("long", "({0} % {1})", sub("long"), self.literal_but_zero()),
            ],
            "double": [
                lambda: both("double", "({0} + {1})", sub("double"), sub("double")),
                lambda: both("double", "({0} - {1})", sub("double"), sub("int")),
                lambda: both("double", "({0} * {1})", sub("double"), sub("double")),
                lambda: both("double", "({0} / nullif({1}, 0))", sub("double"), sub("double")),
                lambda: both("double", "{0}::double", sub(rng.choice(["int", "decimal", "long"]))),
                lambda: both("double", "floor({0})", sub("double")),
                lambda: both("double", "ceil({0})", sub("double")),
                lambda: both("double", "abs({0})", sub("double")),
                lambda: both("double", "sqrt(abs({0}))", sub("double")),
            ],
            "float": [lambda: both("float", "abs({0})", sub("float"))],
            "decimal": [
                lambda: both("decimal", "({0} + {1})", sub("decimal"), sub("decimal")),
                lambda: both("decimal", "({0} - {1})", sub("decimal"), sub("decimal")),
                lambda: both("decimal", "({0} * {1})", self.short_decimal(scope), self.literal("decimal")),
                lambda: both("decimal", "({0} + {1})", sub("decimal"), small()),
                lambda: both("decimal", "{0}::decimal(18,3)", small()),
                lambda: both("decimal", "abs({0})", sub("decimal")),
                lambda: both("decimal", "(-{0})", sub("decimal")),
            ],
            "text": [
                lambda: both("text", "({0} || {1})", sub("text"), sub("text")),
                lambda: both("text", "upper({0})", sub("text")),
                lambda: both("text", "lower({0})", sub("text")),
                lambda: both("text", "substr({0}, {1})", sub("text"), E("", str(rng.choice([1, 2, 3])))),
                lambda: both("text", "substr({0}, 1, {1})", sub("text"), E("", str(rng.choice([0, 1, 2])))),
                lambda: both("text", "concat({0}, '-', {1})", sub("text"), sub("text")),
                lambda: both("text", "replace({0}, 'a', 'bb')", sub("text")),
                lambda: both("text", "trim({0})", sub("text")),
                lambda: both("text", "reverse({0})", sub("text")),
                lambda: both("text", "{0}::varchar", sub(rng.choice(["int", "long", "date", "bool", "text"]))),
                lambda: both("text", "{0}::varchar", rng.choice([c for c in scope if c.kind == "decimal"] or [E("text", "'d'")])),
                lambda: both("text", "lpad({0}, 4, '*')", sub("text")),
                lambda: both("text", "split_part({0}, 'b', 1)", sub("text")),
            ],
            "enum": [lambda: both("text", "upper({0})", sub("enum"))],
            "bool": [lambda: self.predicate(scope, depth)],
            "date": [
                lambda: both("date", "{0}::date", sub("local")),
                lambda: both("date", "(CASE WHEN {0} BETWEEN DATE '1900-01-01' AND DATE '2200-01-01' THEN {0} END + "
                             "INTERVAL '{1}')::date", sub("date"), E("", rng.choice(["3 days", "1 month", "-1 year"]))),
                lambda: both("date", "date_trunc('{1}', {0})::date", sub("date"), E("", rng.choice(["month", "year"]))),
            ],
            "local": [
                lambda: both("local", "date_trunc('{1}', {0})", sub("local"),
                             E("", rng.choice(["second", "minute", "hour", "day", "month", "year"]))),
                lambda: both("local", "(CASE WHEN {0} BETWEEN TIMESTAMP '1900-01-01 00:00:00' AND TIMESTAMP '2200-01-01 00:00:00' "
                             "THEN {0} END + INTERVAL '{1}')", sub("local"), E("", rng.choice(["3 hours", "1 month", "10 days"]))),
                lambda: both("local", "{0}::timestamp", sub("date")),
            ],
            "instant": [
                lambda: both("instant", "date_trunc('{1}', {0})", sub("instant"), E("", rng.choice(["second", "hour", "day", "month"]))),
            ],
        }
        made = rng.choice(common + own[kind] * 2)()
        made.kind = kind if made.kind not in ("enum",) else "text"
        return made

    def literal_but_zero(self):
        return E("int", str(self.rng.choice([1, 2, 3, 7, -5, 100])))

    def short_decimal(self, scope):
        short = [c for c in scope if c.kind == "decimal" and c.inner and c.inner[0] <= 18]
        return self.rng.choice(short) if short else self.literal("decimal")

    def predicate(self, scope, depth):
        rng = self.rng
        if depth > 0 and rng.random() < 0.4:
            a, b = self.predicate(scope, depth - 1), self.predicate(scope, depth - 1)
            return rng.choice([lambda: both("bool", "({0} AND {1})", a, b), lambda: both("bool", "({0} OR {1})", a, b),
                               lambda: both("bool", "(NOT {0})", a)])()
        kind = rng.choice([k for k in COMPARABLE if any(c.kind == k for c in scope)] or ["int"])
        e = lambda: self.expr(kind, scope, depth - 1)
        choices = [
            lambda: both("bool", f"({{0}} {rng.choice(['=', '<>', '<', '<=', '>', '>='])} {{1}})", e(), e()),
            lambda: both("bool", "({0} IS NULL)", e()),
            lambda: both("bool", "({0} IS NOT NULL)", e()),
            lambda: both("bool", "({0} IS DISTINCT FROM {1})", e(), e()),
            lambda: both("bool", "({0} BETWEEN {1} AND {2})", e(), e(), e()),
            lambda: both("bool", "({0} IN ({1}, {2}))", e(), self.literal(kind), self.literal(kind)),
            lambda: both("bool", "({0} NOT IN ({1}, {2}))", e(), self.literal(kind), e()),
        ]
        if kind == "bool":
            choices = choices[:4] + [lambda: both("bool", "({0} IS TRUE)", e()), lambda: both("bool", "({0} IS NOT FALSE)", e())]
        if kind in ("text", "enum"):
            patterns = ["'a%'", "'%b%'", "'_'", "'%'", "'a\\_b'", "''"]
            choices.append(lambda: both("bool", f"({{0}} LIKE {rng.choice(patterns[:4])})", e()))
            choices.append(lambda: both("bool", f"({{0}} NOT LIKE {rng.choice(patterns[:4])})", e()))
            choices.append(lambda: both("bool", "(starts_with({0}, 'a'))", e()))
        if kind in ("int", "long", "decimal", "double"):
            other = rng.choice(["int", "long", "decimal", "double"])
            if {kind, other} != {"decimal", "double"}:  # as which of both the comparison is made differs
                choices.append(lambda: both("bool", "({0} < {1})", e(), self.expr(other, scope, 0)))
        lists = [c for c in scope if c.kind == "list" and c.inner.kind in ("int", "long", "text")]
        if lists:
            c = rng.choice(lists)
            item = self.literal(c.inner.kind)
            choices.append(lambda: both("bool", f"coalesce(array_has({{0}}, {item.here}), false)", c))
            x = "x > 1" if c.inner.kind != "text" else "x LIKE 'a%'"
            choices.append(lambda: both("bool", f"EXISTS (SELECT 1 FROM UNNEST({{0}}) AS u(x) WHERE {x})", c))
        return rng.choice(choices)()

    # --- queries ---------------------------------------------------------------------------------------------------------

    def query(self):
        forms = [self.select, self.select, self.grouped, self.grouped, self.joined, self.unnested, self.unnested,
                 self.windowed, self.united, self.with_subquery, self.distinct, self.top, self.from_records]
        return self.rng.choice(forms)()

    def table(self, name="t"):
        t = self.rng.choice(self.tables)
        return t, f"{t.name} AS {name}", self.columns(t, name)

    def any(self, scope, depth=2):
        return self.expr(self.rng.choice(COMPARABLE), scope, depth)

    def where(self, scope, share=0.6):
        if self.rng.random() < share:
            return both("", " WHERE {0}", self.predicate(scope, 2))
        return E("", "")

    def items(self, scope, n):
        items = [self.any(scope) for _ in range(n)]
        whole = [c for c in scope if c.kind in ("list", "record", "records", "map")]
        if whole and self.rng.random() < 0.4:
            items.append(self.rng.choice(whole))
        names = [both("", f"{{0}} AS o{i}", e) for i, e in enumerate(items)]
        return E("", ", ".join(e.here for e in names), ", ".join(e.duck for e in names)), items

    def make(self, tag, template, *parts):
        e = both("", template, *parts)
        return Q(e.here, e.duck, [tag])

    def select(self):
        _, source, scope = self.table()
        if self.rng.random() < 0.2:
            return self.make("select *", f"SELECT * FROM {source}{{0}}", self.where(scope, 0.9))
        items, _ = self.items(scope, self.rng.randrange(1, 4))
        return self.make("select", f"SELECT t.id AS id, {{0}} FROM {source}{{1}}", items, self.where(scope))

    def aggregates(self, scope, n, order="t.id"):
        rng = self.rng
        made = []
        for i in range(n):
            kind = rng.choice(["int", "long", "double", "decimal"])
            e = self.expr(kind, scope, 1)
            any_ = self.any(scope, 1)
            text = self.expr("text", scope, 1)
            agg = rng.choice([
                lambda: both("", "count(*)"), lambda: both("", "count({0})", any_), lambda: both("", "count(DISTINCT {0})", any_),
                lambda: both("", "sum({0})", e), lambda: both("", "min({0})", any_), lambda: both("", "max({0})", any_),
                lambda: both("", "avg({0})", self.expr(rng.choice(["int", "double", "decimal"]), scope, 1)),
                lambda: both("", "sum({0}) FILTER (WHERE {1})", e, self.predicate(scope, 1)),
                lambda: both("", f"string_agg({{0}}, ',' ORDER BY {order})", text),
                lambda: both("", f"array_agg({{0}} ORDER BY {order})", e),
                lambda: both("", "bool_or({0})", self.predicate(scope, 1)),
                lambda: both("", "sum(CASE WHEN {0} THEN 1 ELSE 0 END)", self.predicate(scope, 1)),
            ])()
            made.append(both("", f"{{0}} AS a{i}", agg))
        return E("", ", ".join(e.here for e in made), ", ".join(e.duck for e in made))

    def grouped(self):
        _, source, scope = self.table()
        aggregates = self.aggregates(scope, self.rng.randrange(1, 4))
        if self.rng.random() < 0.25:
            return self.make("aggregate", f"SELECT {{0}} FROM {source}{{1}}", aggregates, self.where(scope))
        keys = [self.any(scope, 1) for _ in range(self.rng.randrange(1, 3))]
        if self.rng.random() < 0.3:
            keys = [E("int", "t.g")]
        named = [both("", f"{{0}} AS k{i}", k) for i, k in enumerate(keys)]
        select = E("", ", ".join(e.here for e in named), ", ".join(e.duck for e in named))
        ordinals = ", ".join(str(i + 1) for i in range(len(keys)))
        having = self.rng.choice(["", "", " HAVING count(*) > 1"])
        return self.make("group by", f"SELECT {{0}}, {{1}} FROM {source}{{2}} GROUP BY {ordinals}{having}",
                         select, aggregates, self.where(scope))

    def joined(self):
        _, left, a = self.table("t")
        _, right, b = self.table("r")
        rng = self.rng
        kind = rng.choice(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        on = rng.choice(["t.id = r.id", "t.g = r.g AND t.id < r.id", "t.id = r.id + 1"])
        key = rng.choice(["int", "text", "decimal", "date"])
        ka, kb = [c for c in a if c.kind == key], [c for c in b if c.kind == key]
        if ka and kb and rng.random() < 0.4:
            on = f"{rng.choice(ka).here} = {rng.choice(kb).here} AND t.g = r.g"
        if rng.random() < 0.3:
            aggregates = self.aggregates(a + b, 2, "t.id NULLS LAST, r.id NULLS LAST")
            return self.make("join, aggregate", f"SELECT {{0}} FROM {left} {kind} {right} ON {on}{{1}}", aggregates, self.where(a + b, 0.3))
        items, _ = self.items(a + b, 2)
        return self.make("join", f"SELECT t.id AS i, r.id AS j, {{0}} FROM {left} {kind} {right} ON {on}{{1}}", items, self.where(a + b, 0.4))

    def unnested(self):
        t, source, scope = self.table()
        rng = self.rng
        lists = [c for c in t.columns if c.kind in ("list", "records")]
        if not lists:
            return self.select()
        c = rng.choice(lists)
        form = rng.random()
        if form < 0.2:
            return self.make("unnest in select", f"SELECT t.id AS id, unnest(t.{c.name}) AS x FROM {source}{{0}}", self.where(scope))
        inner = [E(c.inner.kind, "u.x")] if c.kind == "list" else [E(f.kind, f"u.x.{f.name}", inner=f.inner) for f in c.inner.inner]
        if form < 0.4 and c.kind == "list" and c.inner.kind in ("int", "long", "double"):
            agg = rng.choice(["sum", "max", "min", "count"])
            return self.make("correlated unnest", f"SELECT t.id AS id, (SELECT {agg}(x) FROM UNNEST(t.{c.name}) AS u(x)) AS n "
                             f"FROM {source}{{0}}", self.where(scope))
        both_scope = scope + inner
        join = rng.choice([f", UNNEST(t.{c.name}) AS u(x)", f" CROSS JOIN UNNEST(t.{c.name}) AS u(x)",
                           f" LEFT JOIN UNNEST(t.{c.name}) AS u(x) ON true"])
        if rng.random() < 0.4:
            return self.make("unnest, group by", f"SELECT t.g AS g, count(*) AS n, count({inner[0].here}) AS m, {{0}} AS s "
                             f"FROM {source}{join}{{1}} GROUP BY t.g", both("", "max({0})", self.any(inner, 1)), self.where(both_scope, 0.4))
        items, _ = self.items(both_scope, 1)
        return self.make("unnest", f"SELECT t.id AS id, {inner[0].here} AS x, {{0}} FROM {source}{join}{{1}}", items, self.where(both_scope))

    def windowed(self):
        _, source, scope = self.table()
        rng = self.rng
        e = self.expr(rng.choice(["int", "double", "decimal", "text"]), scope, 1)
        numeric = self.expr(rng.choice(["int", "long", "decimal"]), scope, 1)
        over = rng.choice(["PARTITION BY t.g ORDER BY t.id", "ORDER BY t.id", "PARTITION BY t.g ORDER BY t.id DESC"])
        call = rng.choice([
            lambda: both("", f"row_number() OVER ({over})"), lambda: both("", f"lag({{0}}) OVER ({over})", e),
            lambda: both("", f"lead({{0}}, 2) OVER ({over})", e), lambda: both("", f"sum({{0}}) OVER ({over})", numeric),
            lambda: both("", f"max({{0}}) OVER ({over})", e), lambda: both("", f"first_value({{0}}) OVER ({over})", e),
            lambda: both("", f"sum({{0}}) OVER ({over} ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)", numeric),
            lambda: both("", f"count({{0}}) OVER (PARTITION BY t.g)", e),
        ])()
        return self.make("window", f"SELECT t.id AS id, {{0}} AS w FROM {source}{{1}}", call, self.where(scope, 0.4))

    def united(self):
        _, left, a = self.table()
        _, right, b = self.table()
        kind = self.rng.choice(["int", "text", "decimal", "date", "double", "local", "instant", "bool"])
        op = self.rng.choice(["UNION ALL", "UNION", "INTERSECT", "EXCEPT"])
        return self.make(op.lower(), f"SELECT {{0}} AS a FROM {left}{{1}} {op} SELECT {{2}} AS a FROM {right}{{3}}",
                         self.expr(kind, a, 1), self.where(a), self.expr(kind, b, 1), self.where(b))

    def with_subquery(self):
        _, left, a = self.table()
        other = self.rng.choice(self.tables).name
        _, _, inner = self.table("s")
        rng = self.rng
        items, _ = self.items(a, 1)
        choice = rng.randrange(5)
        if choice == 0:
            return self.make("in subquery", f"SELECT t.id AS id, {{0}} FROM {left} WHERE t.g {rng.choice(['IN', 'NOT IN'])} "
                             f"(SELECT s.g FROM {other} AS s WHERE s.id % 3 = 0)", items)
        if choice == 1:
            return self.make("exists", f"SELECT t.id AS id, {{0}} FROM {left} WHERE {rng.choice(['EXISTS', 'NOT EXISTS'])} "
                             f"(SELECT 1 FROM {other} AS s WHERE s.id = t.id AND s.g > 1)", items)
        if choice == 2:
            return self.make("scalar subquery", f"SELECT t.id AS id, {{0}}, (SELECT max(s.id) FROM {other} AS s WHERE s.g = t.g) AS m "
                             f"FROM {left}", items)
        if choice == 3:
            return self.make("with", f"WITH w AS (SELECT t.id AS id, {{0}} FROM {left}{{1}}) SELECT count(*) AS n, max(o0) AS o, min(id) AS i FROM w",
                             items, self.where(a))
        return self.make("derived", f"SELECT * FROM (SELECT t.id AS id, {{0}} FROM {left}{{1}}) AS q WHERE q.id % 2 = 0", items, self.where(a))

    def distinct(self):
        _, source, scope = self.table()
        return self.make("distinct", f"SELECT DISTINCT {{0}} AS a, t.g AS g FROM {source}{{1}}", self.any(scope, 1), self.where(scope))

    def top(self):
        _, source, scope = self.table()
        items, _ = self.items(scope, 1)
        by = self.any(scope, 1)
        way = self.rng.choice(["ASC NULLS LAST", "DESC NULLS LAST", "ASC NULLS FIRST"])
        limit = self.rng.choice([1, 3, 10])
        return self.make("order by limit", f"SELECT t.id AS id, {{0}} FROM {source}{{1}} ORDER BY {{2}} {way}, t.id LIMIT {limit}"
                         + self.rng.choice(["", " OFFSET 2"]), items, self.where(scope), by)

    def from_records(self):
        t, source, scope = self.table()
        records = [c for c in t.columns if c.kind == "record"]
        if not records:
            return self.select()
        c = self.rng.choice(records)
        if self.rng.random() < 0.5:
            fields = E("", f"t.{c.name}.*", f"{c.name}.*")  # DuckDB has no table in front of it
            return self.make("record.*", f"SELECT t.id AS id, {{0}} FROM {source}{{1}}", fields, self.where(scope))
        return self.make("field behind a subquery", f"SELECT id, x, s FROM (SELECT t.id, t.{c.name}.x, t.{c.name}.s FROM {source}{{0}}) AS q",
                         self.where(scope))
