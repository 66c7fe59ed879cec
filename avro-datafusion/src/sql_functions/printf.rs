//! `printf` and `format`: text with places for values, written as in C or as in Python.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use datafusion::common::{Result, exec_err};

use super::function::{Arguments, Body, Cached, Definition, Kernel, wrong};
use super::spec::{Spec, SpecNumber};
use super::types::is_text;

pub(super) const DEFINITIONS: &[Definition] = &[
    Definition {
        name: "printf",
        aliases: &[],
        usage: "printf(format, x, ..)",
        about: "Text in which values replace %d, %s, %.2f and the like.",
        example: "printf('%s: %05.1f', 'kWh', 3.14159)",
        n_args: 1..=100,
        body: Body::Kernel(Kernel {
            coerce,
            returns: |_, _| Ok(DataType::Utf8),
            call: |arguments| written(arguments, printf_parts),
        }),
    },
    Definition {
        name: "format",
        aliases: &[],
        usage: "format(format, x, ..)",
        about: "Text in which values replace {}, {1}, {:>8}, {:.2f}, {:,} and the like.",
        example: "format('{}: {:,}', 'rows', 1234567)",
        n_args: 1..=100,
        body: Body::Kernel(Kernel {
            coerce,
            returns: |_, _| Ok(DataType::Utf8),
            call: |arguments| written(arguments, format_parts),
        }),
    },
];

/// A part of a format.
#[derive(Debug, Clone, PartialEq)]
enum FormatPart {
    Text(String),
    /// A value, by its number.
    Value(usize, Spec),
}

/// Integers and floats stay numbers, everything else is written as text.
fn coerce(types: &[DataType]) -> Result<Vec<DataType>> {
    if let Some(format) = types.first().filter(|format| !is_text(format) && !format.is_null()) {
        return Err(wrong("printf", "a format as text", format));
    }
    let kept = |data_type: &DataType| match data_type {
        integer if integer.is_integer() && *integer != DataType::UInt64 => DataType::Int64,
        float if float.is_floating() => DataType::Float64,
        _ => DataType::Utf8View,
    };
    Ok(types.iter().map(kept).collect())
}

fn written(arguments: &Arguments, parts: fn(&str) -> Result<Vec<FormatPart>>) -> Result<ArrayRef> {
    let formats = arguments.texts(0)?;
    let columns = (1..arguments.len()).map(|at| arguments.rows_of(at)).collect::<Result<Vec<_>>>()?;
    let mut cache = Cached::new();
    let mut out = StringBuilder::new();
    for row in 0..arguments.rows {
        let has_null = columns.iter().any(|column| column.is_null(row));
        let Some(format) = formats.get(row).filter(|_| !has_null) else {
            out.append_null();
            continue;
        };
        let mut text = String::new();
        for part in cache.get(format, parts)? {
            match part {
                FormatPart::Text(part) => text.push_str(part),
                FormatPart::Value(at, spec) => match columns.get(*at) {
                    Some(column) => value(column, row, spec, &mut text)?,
                    None => {
                        return exec_err!(
                            "the format '{format}' has a place for value {}, but there are {}",
                            at + 1,
                            columns.len()
                        );
                    }
                },
            }
        }
        out.append_value(text);
    }
    Ok(Arc::new(out.finish()))
}

fn value(column: &ArrayRef, row: usize, spec: &Spec, to: &mut String) -> Result<()> {
    match column.data_type() {
        DataType::Int64 => spec.number(SpecNumber::Int(column.as_primitive::<Int64Type>().value(row)), to),
        DataType::Float64 => spec.number(SpecNumber::Float(column.as_primitive::<Float64Type>().value(row)), to),
        _ => {
            let text = column.as_string_view().value(row);
            match text.parse::<f64>() {
                // A decimal, whose text is exact.
                Ok(number) if spec.is_of_floats() => spec.number(SpecNumber::Float(number), to),
                _ => spec.text(text, to),
            }
        }
    }
}

/// Parses `%[flags][width][.precision]type`.
fn printf_parts(format: &str) -> Result<Vec<FormatPart>> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut n = 0;
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' || chars.next_if_eq(&'%').is_some() {
            text.push(c);
            continue;
        }
        let mut spec = Spec { align: Some('>'), ..Spec::default() };
        while let Some(flag) = chars.next_if(|c| "-+ #0,'_".contains(*c)) {
            match flag {
                '-' => spec.align = Some('<'),
                '+' | ' ' => spec.sign = Some(flag),
                '#' => spec.is_alternate = true,
                '0' => spec.is_zero_filled = true,
                '_' => spec.thousands = Some('_'),
                _ => spec.thousands = Some(','),
            }
        }
        spec.width = digits(&mut chars).unwrap_or(0);
        if chars.next_if_eq(&'.').is_some() {
            spec.precision = Some(digits(&mut chars).unwrap_or(0));
        }
        while chars.next_if(|c| "hlLqjzt".contains(*c)).is_some() {}
        spec.kind = chars.next();
        if spec.kind.is_none() {
            return exec_err!("printf: '{format}' ends within a place for a value; write %% for %");
        }
        spec.check(format)?;
        flush(&mut text, &mut parts);
        parts.push(FormatPart::Value(n, spec));
        n += 1;
    }
    flush(&mut text, &mut parts);
    Ok(parts)
}

/// Parses `{[n][:[[fill]align][sign][#][0][width][,][.precision][type]]}`.
fn format_parts(format: &str) -> Result<Vec<FormatPart>> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut n = 0;
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '{' && c != '}' || chars.next_if_eq(&c).is_some() {
            text.push(c);
            continue;
        }
        let place: String = chars.by_ref().take_while(|c| *c != '}').collect();
        if c == '}' || !format.contains('}') {
            return exec_err!("format: '{format}' has an unmatched brace; write {{{{ or }}}} for a brace");
        }
        let (number, spec) = place.split_once(':').unwrap_or((&place, ""));
        let at = if number.is_empty() { Some(n) } else { number.parse().ok() };
        let Some(at) = at else {
            return exec_err!("format: `{{{place}}}` does not name a value; write {{}} or a number such as {{0}}");
        };
        n += 1;
        let spec = spec_of(spec)?;
        spec.check(format)?;
        flush(&mut text, &mut parts);
        parts.push(FormatPart::Value(at, spec));
    }
    flush(&mut text, &mut parts);
    Ok(parts)
}

fn spec_of(text: &str) -> Result<Spec> {
    let mut spec = Spec::default();
    let mut chars = text.chars().peekable();
    let is_align = |c: &char| "<>^".contains(*c);
    let mut ahead = text.chars();
    if let (Some(fill), Some(align)) = (ahead.next(), ahead.next())
        && is_align(&align)
    {
        (spec.fill, spec.align) = (fill, Some(align));
        chars.nth(1);
    } else {
        spec.align = chars.next_if(is_align);
    }
    spec.sign = chars.next_if(|c| "+- ".contains(*c)).filter(|c| *c != '-');
    spec.is_alternate = chars.next_if_eq(&'#').is_some();
    spec.is_zero_filled = chars.next_if_eq(&'0').is_some();
    spec.width = digits(&mut chars).unwrap_or(0);
    spec.thousands = chars.next_if(|c| ",_'".contains(*c));
    if chars.next_if_eq(&'t').is_some() {
        spec.thousands = chars.next();
    }
    if chars.next_if_eq(&'.').is_some() {
        spec.precision = Some(digits(&mut chars).unwrap_or(0));
    }
    spec.kind = chars.next();
    match chars.next() {
        None => Ok(spec),
        Some(_) => exec_err!(
            "format: `{{:{text}}}` is not a format of a value; write one such as {{:>10}}, {{:.2f}} or {{:,}}"
        ),
    }
}

fn digits(chars: &mut std::iter::Peekable<std::str::Chars>) -> Option<usize> {
    let mut number = None;
    while let Some(digit) = chars.next_if(char::is_ascii_digit).and_then(|c| c.to_digit(10)) {
        let digit = usize::try_from(digit).unwrap_or(0);
        number = Some(number.unwrap_or(0_usize).saturating_mul(10).saturating_add(digit));
    }
    number
}

fn flush(text: &mut String, parts: &mut Vec<FormatPart>) {
    if !text.is_empty() {
        parts.push(FormatPart::Text(std::mem::take(text)));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow_array::{Float64Array, Int64Array, StringViewArray};

    fn write(parts: Vec<FormatPart>, columns: &[ArrayRef]) -> Result<String> {
        let mut text = String::new();
        for part in parts {
            match part {
                FormatPart::Text(part) => text.push_str(&part),
                FormatPart::Value(at, spec) => value(columns.get(at).unwrap(), 0, &spec, &mut text)?,
            }
        }
        Ok(text)
    }

    /// The expected texts are DuckDB's.
    #[test]
    fn values_are_written_as_in_duckdb() {
        let int = |n: i64| Arc::new(Int64Array::from(vec![n])) as ArrayRef;
        let float = |n: f64| Arc::new(Float64Array::from(vec![n])) as ArrayRef;
        let text = |text: &str| Arc::new(StringViewArray::from(vec![text])) as ArrayRef;
        let printf = [
            ("%d|%5d|%-5d|%05d", vec![int(42), int(42), int(42), int(42)], "42|   42|42   |00042"),
            ("%x|%X|%o", vec![int(255), int(255), int(8)], "ff|FF|10"),
            ("%s|%10s|%-10s|", vec![text("a"), text("b"), text("c")], "a|         b|c         |"),
            (
                "%.2f|%e|%g|%%|%c|%,d",
                vec![float(2.71), float(1234.5), float(1234.5), int(65), int(1234567)],
                "2.71|1.234500e+03|1234.5|%|A|1,234,567",
            ),
            ("%+d|%.3s", vec![int(5), text("abcdef")], "+5|abc"),
        ];
        for (format, columns, expected) in printf {
            assert_eq!(write(printf_parts(format).unwrap(), &columns).unwrap(), expected, "{format}");
        }
        let format = [
            ("{1} {0}", vec![text("a"), text("b")], "b a"),
            ("{:>5}|{:<5}|{:^5}|", vec![text("a"), text("b"), text("c")], "    a|b    |  c  |"),
            (
                "{:05d}|{:.2f}|{:,}|{:x}|{{}}",
                vec![int(42), float(2.71), int(1234567), int(255)],
                "00042|2.71|1,234,567|ff|{}",
            ),
            ("{}|{}|{:e}", vec![float(1.5), float(1e20), float(1.5)], "1.5|1e+20|1.500000e+00"),
            (
                "{:_}|{:t.}|{:b}|{:*^7}",
                vec![int(1234567), int(1234567), int(5), text("x")],
                "1_234_567|1.234.567|101|***x***",
            ),
        ];
        for (format, columns, expected) in format {
            assert_eq!(write(format_parts(format).unwrap(), &columns).unwrap(), expected, "{format}");
        }
        for (format, column) in [("%d", text("a")), ("%d", float(1.5)), ("%x", float(1.0))] {
            assert!(write(printf_parts(format).unwrap(), &[column]).is_err(), "{format}");
        }
        for wrong in ["%", "%5", "%y"] {
            assert!(printf_parts(wrong).is_err(), "{wrong}");
        }
        for wrong in ["{", "}", "{x}", "{:.2fx}", "{:y}"] {
            assert!(format_parts(wrong).is_err(), "{wrong}");
        }
    }
}
