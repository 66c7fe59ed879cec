"""Conditions as expressions of pyarrow and Polars, translated to SQL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Union

from . import _native

if TYPE_CHECKING:
    import polars
    import pyarrow.compute

Condition = Union[str, "pyarrow.compute.Expression", "polars.Expr"]
"""A condition: SQL, or an expression of pyarrow or Polars."""


def condition_text(condition: Any, source: _native.Source) -> str | None:
    """Returns a condition on the columns of a source as SQL, which selects the same rows."""
    if condition is None or isinstance(condition, str):
        return condition
    library = type(condition).__module__.split(".")[0]
    if library == "pyarrow" and hasattr(condition, "to_substrait"):
        import pyarrow

        # Here, as are other modules that few programs need: the import of the package takes half the time.
        from ._substrait import Untranslatable, of_pyarrow

        try:
            return of_pyarrow(condition, pyarrow.schema(source.columns(None, None, True, False)))
        except Untranslatable as error:
            raise refused(condition, "") from error
    if library == "polars" and hasattr(condition, "meta"):
        text = condition_of(condition, schema_of(source.columns(None, None, False, False)), exact=True)
        if text is None:
            raise refused(condition, "; scan_avro(...).filter(...) takes all expressions")
        return text
    raise TypeError(f"where: expected SQL or an expression of pyarrow or Polars, found {type(condition).__name__}")


def quoted(name: str) -> str:
    """Returns a name in the quotes of SQL."""
    return '"' + name.replace('"', '""') + '"'


def refused(condition: object, remedy: str) -> ValueError:
    """Returns the exception for an expression that has no translation."""
    text = " ".join(str(condition).split())
    return ValueError(f"where: the expression {text} has no translation; write it in SQL, as in where=\"id > 5\"{remedy}")


def schema_of(columns: _native.ArrowSchema) -> polars.Schema:
    """Returns the columns as Polars has them."""
    import polars

    return polars.DataFrame(columns.empty().for_polars()).schema


OPERATORS = {"Eq": "=", "NotEq": "<>", "Lt": "<", "LtEq": "<=", "Gt": ">", "GtEq": ">="}
"""Comparisons that mean the same in SQL for numbers without NaN, texts and booleans."""


INTEGERS = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32")
"""The types of literals that SQL has, too."""


def condition_of(predicate: polars.Expr | None, schema: polars.Schema, *, exact: bool = False) -> str | None:
    """Returns a condition in SQL that is true for all rows for which the predicate is, or `None`.

    Unless it is `exact`, it may be true for others, too: Polars applies the predicate itself afterwards.
    """
    if predicate is None:
        return None
    try:
        tree = json.loads(predicate.meta.serialize(format="json"))
    except Exception:  # the form of the tree is not promised
        return None
    return translated(tree, schema, exact)


def translated(tree: Any, schema: polars.Schema, exact: bool) -> str | None:
    """Translates a part of a predicate. Of a conjunction, the parts that have a translation suffice if not `exact`."""
    match tree:
        case {"BinaryExpr": {"left": left, "op": "And", "right": right}}:
            both = (translated(left, schema, exact), translated(right, schema, exact))
            parts = [part for part in both if part is not None]
            return " AND ".join(parts) or None if len(parts) == 2 or not exact else None
        case {"BinaryExpr": {"left": left, "op": "Or", "right": right}}:
            one, other = translated(left, schema, exact), translated(right, schema, exact)
            return f"({one} OR {other})" if one is not None and other is not None else None
        case {"BinaryExpr": {"left": {"Column": str(name)}, "op": str(op), "right": {"Literal": literal}}}:
            value = literal_of(literal, schema.get(name), op)
            return f"{quoted(name)} {OPERATORS[op]} {value}" if op in OPERATORS and value is not None else None
        case {"Function": {"input": [{"Column": str(name)}], "function": {"Boolean": "IsNotNull"}}}:
            return f"{quoted(name)} IS NOT NULL" if name in schema else None
        case {"Function": {"input": [{"Column": str(name)}], "function": {"Boolean": "IsNull"}}}:
            return f"{quoted(name)} IS NULL" if name in schema else None
    return None


def literal_of(literal: Any, kind: polars.DataType | None, op: str) -> str | None:
    """Returns a literal in SQL if it compares with a column of this type alike in SQL and in Polars."""
    import polars

    # Categories are ordered by their number in Polars.
    is_category = isinstance(kind, (polars.Categorical, polars.Enum)) and op in ("Eq", "NotEq")
    match literal:
        case {"Scalar": {"String": str(text)}} if (kind == polars.String or is_category) and "\0" not in text:
            return "'" + text.replace("'", "''") + "'"
        case {"Scalar": {"Boolean": bool(flag)}} if kind == polars.Boolean:
            return "true" if flag else "false"
        case {"Dyn": {"Int": int(number)}} if kind is not None and kind.is_integer():
            return str(number)
        case {"Scalar": dict(scalar)} if kind is not None and kind.is_integer():
            values = [value for name, value in scalar.items() if name in INTEGERS and type(value) is int]
            return str(values[0]) if values else None
    return None
