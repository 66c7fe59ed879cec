"""Conditions of pyarrow as SQL, from the messages of Substrait that pyarrow writes.

A translation selects the rows that pyarrow would select. Everything else is refused.
"""

from __future__ import annotations

import datetime
import math
import struct
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ._conditions import quoted

if TYPE_CHECKING:
    import pyarrow


class Untranslatable(Exception):
    """An expression, or a part of it, has no translation."""


def of_pyarrow(expression: Any, schema: pyarrow.Schema) -> str:
    """Translates an expression of pyarrow over these columns.

    The text of an expression is for people, and its pickled form changes between versions. Substrait's messages have a
    specification, and all that does not fit in them pyarrow refuses to write.
    """
    import pyarrow

    try:
        message = bytes(expression.to_substrait(pyarrow.schema([plain(field) for field in schema])))
        parts = list(fields_of(message))
        names = {}
        for number, extension in parts:
            if number == 2:
                for function in submessages(extension, 3):
                    values = dict(fields_of(function))
                    names[values.get(2, 0)] = values.get(3, b"").decode()
        [referred] = [part for number, part in parts if number == 3]
        text, kind = Translation(names, schema).expression(submessage(referred, 1))
    except (pyarrow.ArrowException, ArithmeticError, LookupError, RecursionError, ValueError, struct.error) as error:
        raise Untranslatable from error
    if kind != "bool":
        raise Untranslatable
    return text


def plain(field: Any) -> Any:
    """Returns a column with a type that Substrait has. Enums are compared as texts; a null has no translation."""
    import pyarrow

    types = pyarrow.types
    kind = field.type
    if types.is_dictionary(kind):
        kind = kind.value_type
    elif types.is_struct(kind):
        kind = pyarrow.struct([plain(kind.field(at)) for at in range(kind.num_fields)])
    elif kind_of(kind) == "other":
        kind = pyarrow.null()
    return pyarrow.field(field.name, kind, True)


def kind_of(kind: Any) -> str:
    """Returns what values of an Arrow type are in SQL."""
    import pyarrow

    types = pyarrow.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    checks = {
        "bool": types.is_boolean,
        "int": types.is_signed_integer,
        "float": lambda kind: types.is_float32(kind) or types.is_float64(kind),
        "text": lambda kind: types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind),
        "bytes": lambda kind: types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind),
        "date": types.is_date32,
        "timestamp": lambda kind: types.is_timestamp(kind) and kind.tz is None,
        "timestamp_tz": lambda kind: types.is_timestamp(kind) and kind.tz is not None,
        "decimal": types.is_decimal128,
        "record": types.is_struct,
    }
    return next((name for name, check in checks.items() if check(kind)), "other")


COMPARISONS = {"equal": "=", "not_equal": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
"""Substrait's names of comparisons, and SQL's."""

MIRRORED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""Comparisons with their sides exchanged."""

UNITS = {0: "Second", 3: "Millisecond", 6: "Microsecond", 9: "Nanosecond"}
"""Units of timestamps by their digits after the second."""


class Translation:
    """Translates expressions of Substrait: each method returns SQL and what its value is."""

    def __init__(self, functions: dict[int, str], schema: pyarrow.Schema) -> None:
        self._functions = functions
        self._schema = schema

    def expression(self, message: bytes) -> tuple[str, str]:
        """Translates an `Expression`."""
        [(number, part)] = fields_of(message)
        if number == 1:
            return literal(part)
        if number == 2:
            return self.column(part)
        if number == 3:
            return self.function(part)
        raise Untranslatable

    def column(self, message: bytes) -> tuple[str, str]:
        """Translates a `FieldReference`."""
        segment = submessage(submessage(message, 1), 2)
        field = self._schema.field(dict(fields_of(segment)).get(1, 0))
        text = quoted(field.name)
        while inner := list(submessages(segment, 2)):
            segment = submessage(inner[0], 2)
            field = field.type.field(dict(fields_of(segment)).get(1, 0))
            text = f"get_field({text}, {text_literal(field.name)})"
        return text, kind_of(field.type)

    def function(self, message: bytes) -> tuple[str, str]:
        """Translates a `ScalarFunction`."""
        values = dict(fields_of(message))
        name = self._functions[values.get(1, 0)]
        arguments = [self.expression(submessage(argument, 3)) for argument in submessages(message, 4)]
        if name in ("and", "or") and all(kind == "bool" for _, kind in arguments):
            return "(" + f" {name.upper()} ".join(text for text, _ in arguments) + ")", "bool"
        if name == "not":
            [(text, kind)] = arguments
            if kind == "bool":
                return f"(NOT {text})", "bool"
        if name in ("is_null", "is_not_null"):
            [(text, kind)] = arguments
            if kind != "other":
                return f"({text} IS {'NOT ' if name == 'is_not_null' else ''}NULL)", "bool"
        if name in COMPARISONS:
            [one, other] = arguments
            return comparison(one, COMPARISONS[name], other), "bool"
        raise Untranslatable


def comparison(one: tuple[str, str], operator: str, other: tuple[str, str]) -> str:
    """Translates a comparison."""
    if "float" in (one[1], other[1]):
        return float_comparison(one, operator, other)
    kinds = {one[1], other[1]} - {"null"}
    if len(kinds) > 1 or kinds & {"other", "record"}:
        raise Untranslatable
    return f"({one[0]} {operator} {other[0]})"


def float_comparison(one: tuple[str, str], operator: str, other: tuple[str, str]) -> str:
    """Translates a comparison of a column with a number. SQL orders NaN and both zeros; in pyarrow NaN differs from
    all numbers, and the zeros are equal."""
    (text, _), (number, _) = one, other
    if text.startswith("'"):
        (text, number), operator = (number, text), MIRRORED[operator]
    if text.startswith("'") or not number.startswith("'") or "NULL" in (text, number):
        raise Untranslatable
    value = float(number.strip("'"))
    if math.isnan(value):
        raise Untranslatable
    if value == 0.0:
        low, high = "'-0.0'", "'0.0'"
    else:
        low = high = number
    low, high = f"CAST({low} AS DOUBLE)", f"CAST({high} AS DOUBLE)"
    if operator in ("=", "<>"):
        return f"({'NOT ' if operator == '<>' else ''}({text} = {low} OR {text} = {high}))"
    bound = low if operator in ("<", ">=") else high
    return f"({text} {operator} {bound} AND NOT isnan({text}))"


def literal(message: bytes) -> tuple[str, str]:
    """Translates a `Literal`."""
    values = {number: value for number, value in fields_of(message) if number not in (50, 51)}
    if not values:
        raise Untranslatable
    [(number, value)] = values.items()
    if number == 1:
        return ("true" if value else "false"), "bool"
    if number in (2, 3, 5, 7):
        return str(signed(value)), "int"
    if number == 10:
        return f"'{struct.unpack('<f', value)[0]!r}'", "float"
    if number == 11:
        return f"'{struct.unpack('<d', value)[0]!r}'", "float"
    if number == 12:
        return text_literal(value.decode()), "text"
    if number == 13:
        return f"X'{value.hex()}'", "bytes"
    if number == 14:
        return timestamp(signed(value), 6, zone=False)
    if number == 16:
        return f"DATE '{datetime.date(1970, 1, 1) + datetime.timedelta(days=signed(value))}'", "date"
    if number == 24:
        parts = dict(fields_of(value))
        unscaled = int.from_bytes(parts[1], "little", signed=True)
        return f"{Decimal(f'{unscaled}E-{parts.get(3, 0)}'):f}", "decimal"
    if number == 27:
        return timestamp(signed(value), 6, zone=True)
    if number == 29:
        return "NULL", "null"
    if number in (34, 35):
        parts = dict(fields_of(value))
        return timestamp(signed(parts.get(2, 0)), parts.get(1, 0), zone=number == 35)
    raise Untranslatable


def timestamp(value: int, digits: int, *, zone: bool) -> tuple[str, str]:
    """Returns a timestamp in units of this many digits after the second."""
    offset = 'Some("+00:00")' if zone else "None"
    text = f"arrow_cast(arrow_cast({value}, 'Int64'), 'Timestamp({UNITS[digits]}, {offset})')"
    return text, "timestamp_tz" if zone else "timestamp"


def text_literal(text: str) -> str:
    """Returns a text in the quotes of SQL."""
    if "\0" in text:
        raise Untranslatable
    return "'" + text.replace("'", "''") + "'"


def signed(value: int) -> int:
    """Returns a number of 64 bits with its sign."""
    return value - (1 << 64) if value >= 1 << 63 else value


def submessages(message: bytes, number: int) -> Iterator[bytes]:
    """Returns the fields of a message with this number, which are messages."""
    return (value for found, value in fields_of(message) if found == number)


def submessage(message: bytes, number: int) -> bytes:
    """Returns the only field of a message with this number."""
    [found] = submessages(message, number)
    return found


def fields_of(message: bytes) -> Iterator[tuple[int, Any]]:
    """Returns the fields of a message of Protocol Buffers: numbers are `int`, all others `bytes`."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = varint()
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            yield number, varint()
            continue
        width = {1: 8, 5: 4}.get(kind)
        if width is None:
            if kind != 2:
                raise Untranslatable
            width = varint()
        if at + width > len(message):
            raise Untranslatable
        yield number, message[at : at + width]
        at += width
