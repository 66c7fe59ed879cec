//! Functions of text and bytes.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use datafusion::common::{Result, exec_datafusion_err, exec_err, plan_err};
use datafusion::logical_expr::{Expr, cast, lit};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::function::{Arguments, Body, Call, Definition, Kernel, wrong};
use super::types::{self, is_bytes, is_text};

pub(super) const DEFINITIONS: &[Definition] = &[
    Definition {
        name: "hex",
        aliases: &["to_hexadecimal"],
        usage: "hex(x)",
        about: "The bytes of text, or an integer, in upper-case hexadecimal digits.",
        example: "hex('Avro')",
        n_args: 1..=1,
        body: Body::Expr(hex),
    },
    Definition {
        name: "unhex",
        aliases: &["from_hex"],
        usage: "unhex(text)",
        about: "The bytes of hexadecimal digits.",
        example: "unhex('4176726F')",
        n_args: 1..=1,
        body: Body::Expr(unhex),
    },
    Definition {
        name: "base64",
        aliases: &["to_base64"],
        usage: "base64(x)",
        about: "Text or bytes in Base64.",
        example: "base64('Avro')",
        n_args: 1..=1,
        body: Body::Expr(base64),
    },
    Definition {
        name: "from_base64",
        aliases: &["unbase64"],
        usage: "from_base64(text)",
        about: "The bytes of Base64.",
        example: "from_base64('QXZybw==')",
        n_args: 1..=1,
        body: Body::Expr(from_base64),
    },
    Definition {
        name: "url_encode",
        aliases: &[],
        usage: "url_encode(text)",
        about: "Text with %XX in place of all characters but letters, digits and -._~",
        example: "url_encode('a b&c')",
        n_args: 1..=1,
        body: Body::Kernel(Kernel {
            coerce: |types| types::texts("url_encode", types),
            returns: |_, _| Ok(DataType::Utf8),
            call: |arguments| each(arguments, |text| Ok(utf8_percent_encode(text, RESERVED).to_string())),
        }),
    },
    Definition {
        name: "url_decode",
        aliases: &[],
        usage: "url_decode(text)",
        about: "Text with the characters that %XX stands for.",
        example: "url_decode('a%20b%26c')",
        n_args: 1..=1,
        body: Body::Kernel(Kernel {
            coerce: |types| types::texts("url_decode", types),
            returns: |_, _| Ok(DataType::Utf8),
            call: |arguments| {
                each(arguments, |text| match percent_decode_str(text).decode_utf8() {
                    Ok(decoded) => Ok(decoded.into_owned()),
                    Err(_) => exec_err!("url_decode: '{text}' is not text in UTF-8"),
                })
            },
        }),
    },
    Definition {
        name: "bar",
        aliases: &[],
        usage: "bar(x, min, max, width)",
        about: "A bar of block characters: none at `min`, `width` of them at `max`, 80 by default.",
        example: "bar(7, 0, 10, 10)",
        n_args: 3..=4,
        body: Body::Kernel(Kernel {
            coerce: |types| Ok(vec![DataType::Float64; types.len()]),
            returns: |_, _| Ok(DataType::Utf8),
            call: bars,
        }),
    },
    Definition {
        name: "format_bytes",
        aliases: &["formatreadablesize"],
        usage: "format_bytes(n)",
        about: "A number of bytes with a unit.",
        example: "format_bytes(123456)",
        n_args: 1..=1,
        body: Body::Kernel(Kernel {
            coerce: |_| Ok(vec![DataType::Float64]),
            returns: |_, _| Ok(DataType::Utf8),
            call: sizes,
        }),
    },
];

/// The characters that `url_encode` replaces.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Applies a function to each text.
fn each(arguments: &Arguments, of: impl Fn(&str) -> Result<String>) -> Result<ArrayRef> {
    let texts = arguments.texts(0)?;
    let mut out = StringBuilder::new();
    for row in 0..arguments.rows {
        out.append_option(texts.get(row).map(&of).transpose()?);
    }
    Ok(Arc::new(out.finish()))
}

/// The bytes of text or bytes.
fn bytes(call: &Call) -> Result<Expr> {
    match call.data_type(0) {
        DataType::FixedSizeBinary(_) => Ok(cast(call.arg(0), DataType::Binary)),
        other if is_bytes(other) => Ok(call.arg(0)),
        other if is_text(other) || other.is_null() => Ok(cast(cast(call.arg(0), DataType::Utf8), DataType::Binary)),
        other => Err(wrong(call.name, "text or bytes", other)),
    }
}

fn hex(call: &Call) -> Result<Expr> {
    let digits = match call.data_type(0) {
        number if number.is_integer() => call.of("to_hex", vec![call.arg(0)])?,
        _ => call.of("encode", vec![bytes(call)?, lit("hex")])?,
    };
    call.of("upper", vec![digits])
}

fn unhex(call: &Call) -> Result<Expr> {
    let text = cast(text(call)?, DataType::Utf8);
    // An odd number of digits lacks a leading 0, as in DuckDB.
    let length = call.of("character_length", vec![text.clone()])?;
    let padded = call.of("concat", vec![lit("0"), text.clone()])?;
    let is_odd = (cast(length, DataType::Int64) % lit(2_i64)).eq(lit(1_i64));
    call.of("decode", vec![datafusion::logical_expr::when(is_odd, padded).otherwise(text)?, lit("hex")])
}

fn base64(call: &Call) -> Result<Expr> {
    call.of("encode", vec![bytes(call)?, lit("base64pad")])
}

fn from_base64(call: &Call) -> Result<Expr> {
    let digits = call.of("rtrim", vec![text(call)?, lit("=")])?;
    call.of("decode", vec![digits, lit("base64")])
}

fn text(call: &Call) -> Result<Expr> {
    match call.data_type(0) {
        other if is_text(other) || other.is_null() => Ok(call.arg(0)),
        other => plan_err!("{} needs text, not {other}", call.name),
    }
}

/// Blocks of 0 to 7 eighths of a character.
const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

fn bars(arguments: &Arguments) -> Result<ArrayRef> {
    let columns = (0..arguments.len()).map(|at| arguments.rows_of(at)).collect::<Result<Vec<_>>>()?;
    let number = |at: usize, row: usize| {
        let column = columns.get(at)?.as_primitive::<Float64Type>();
        (!column.is_null(row)).then(|| column.value(row))
    };
    let mut out = StringBuilder::new();
    for row in 0..arguments.rows {
        let width = if columns.len() == 4 { number(3, row) } else { Some(80.0) };
        let (Some(x), Some(min), Some(max), Some(width)) = (number(0, row), number(1, row), number(2, row), width)
        else {
            out.append_null();
            continue;
        };
        if !(1.0..=1_000.0).contains(&width) {
            return exec_err!("bar: the width must be from 1 to 1000, not {width}");
        }
        if !x.is_finite() || max <= min {
            return exec_err!("bar: {x} is not a number between {min} and {max}; pass a finite x, and min below max");
        }
        // Both are within the width.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let (eighths, width) = (((x - min) / (max - min)).clamp(0.0, 1.0) * width * 8.0, width as usize);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let eighths = eighths.floor() as usize;
        let mut bar = "█".repeat(eighths / 8);
        if let Some(part) = EIGHTHS.get(eighths % 8).filter(|_| eighths / 8 < width) {
            bar.push(*part);
        }
        let n = bar.chars().count();
        bar.extend(std::iter::repeat_n(' ', width.saturating_sub(n)));
        out.append_value(bar);
    }
    Ok(Arc::new(out.finish()))
}

fn sizes(arguments: &Arguments) -> Result<ArrayRef> {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let numbers = arguments.rows_of(0)?;
    let mut out = StringBuilder::new();
    for number in numbers.as_primitive::<Float64Type>() {
        let Some(number) = number else {
            out.append_null();
            continue;
        };
        let mut text = String::new();
        let mut size = number;
        let mut unit = None;
        for name in UNITS {
            if size.abs() < 1024.0 {
                break;
            }
            size /= 1024.0;
            unit = Some(name);
        }
        let written = match unit {
            None => write!(text, "{size} bytes"),
            // DuckDB cuts digits off.
            Some(unit) => write!(text, "{:.1} {unit}", (size * 10.0).trunc() / 10.0),
        };
        written.map_err(|e| exec_datafusion_err!("format_bytes: {e}"))?;
        out.append_value(text);
    }
    Ok(Arc::new(out.finish()))
}
