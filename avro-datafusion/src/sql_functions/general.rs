//! Conditions, numbers and lists: functions that other expressions replace, and `hash` and `strip_accents`.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, UInt64Array};
use arrow_schema::DataType;
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, cast, lit, when};
use icu_normalizer::DecomposingNormalizerBorrowed;

use super::function::{Arguments, Body, Call, Definition, Kernel};
use super::types;

pub(super) const DEFINITIONS: &[Definition] = &[
    Definition {
        name: "if",
        aliases: &["iff"],
        usage: "if(condition, x, y)",
        about: "`x` where the condition is true, otherwise `y`.",
        example: "if(1 < 2, 'yes', 'no')",
        n_args: 2..=3,
        body: Body::Expr(|call| {
            let mut then = when(call.arg(0), call.arg(1));
            if call.args.len() == 3 { then.otherwise(call.arg(2)) } else { then.end() }
        }),
    },
    Definition {
        name: "xor",
        aliases: &[],
        usage: "xor(x, y)",
        about: "The bits that differ between two integers, or whether two booleans differ.",
        example: "xor(5, 3)",
        n_args: 2..=2,
        body: Body::Expr(xor),
    },
    Definition {
        name: "mod",
        aliases: &["fmod"],
        usage: "mod(x, y)",
        about: "The remainder, as x % y.",
        example: "mod(7, 3)",
        n_args: 2..=2,
        body: Body::Expr(|call| Ok(binary(call.arg(0), Operator::Modulo, call.arg(1)))),
    },
    Definition {
        name: "isinf",
        aliases: &[],
        usage: "isinf(x)",
        about: "Whether a number is infinite.",
        example: "isinf('-inf'::double)",
        n_args: 1..=1,
        body: Body::Expr(|call| {
            let size = call.of("abs", vec![cast(call.arg(0), DataType::Float64)])?;
            Ok(size.eq(lit(f64::INFINITY)))
        }),
    },
    Definition {
        name: "isfinite",
        aliases: &[],
        usage: "isfinite(x)",
        about: "Whether a number is neither infinite nor NaN.",
        example: "isfinite(1.5)",
        n_args: 1..=1,
        body: Body::Expr(|call| {
            let size = call.of("abs", vec![cast(call.arg(0), DataType::Float64)])?;
            // NaN is greater than all numbers.
            Ok(size.lt(lit(f64::INFINITY)))
        }),
    },
    Definition {
        name: "struct_extract",
        aliases: &[],
        usage: "struct_extract(record, field)",
        about: "A field of a record, as record.field.",
        example: "struct_extract({'a': 1}, 'a')",
        n_args: 2..=2,
        body: Body::Expr(|call| call.of("get_field", vec![call.arg(0), call.arg(1)])),
    },
    Definition {
        name: "list_unique",
        aliases: &["array_unique"],
        usage: "list_unique(list)",
        about: "The number of distinct items, not counting nulls.",
        example: "list_unique([1, 1, 2])",
        n_args: 1..=1,
        body: Body::Expr(|call| {
            let items = call.of("array_distinct", vec![call.of("array_compact", vec![call.arg(0)])?])?;
            Ok(cast(call.of("cardinality", vec![items])?, DataType::Int64))
        }),
    },
    Definition {
        name: "list_reverse_sort",
        aliases: &["array_reverse_sort"],
        usage: "list_reverse_sort(list)",
        about: "The items in descending order.",
        example: "list_reverse_sort([1, 3, 2])",
        n_args: 1..=1,
        body: Body::Expr(|call| call.of("array_sort", vec![call.arg(0), lit("DESC"), lit("NULLS LAST")])),
    },
    Definition {
        name: "list_last",
        aliases: &["array_last"],
        usage: "list_last(list)",
        about: "The last item.",
        example: "list_last([1, 2])",
        n_args: 1..=1,
        body: Body::Expr(|call| call.of("array_element", vec![call.arg(0), lit(-1_i64)])),
    },
    Definition {
        name: "list_count",
        aliases: &["array_count"],
        usage: "list_count(list)",
        about: "The number of items that are not null.",
        example: "list_count([1, NULL])",
        n_args: 1..=1,
        body: Body::Expr(|call| {
            let items = call.of("array_compact", vec![call.arg(0)])?;
            Ok(cast(call.of("cardinality", vec![items])?, DataType::Int64))
        }),
    },
    Definition {
        name: "hash",
        aliases: &[],
        usage: "hash(x, ..)",
        about: "A number that is equal for equal values. It may change between versions.",
        example: "",
        n_args: 1..=100,
        body: Body::Kernel(Kernel {
            coerce: |types| Ok(types.to_vec()),
            returns: |_, _| Ok(DataType::UInt64),
            call: hash,
        }),
    },
    Definition {
        name: "strip_accents",
        aliases: &[],
        usage: "strip_accents(text)",
        about: "Text without accents.",
        example: "strip_accents('mühleïsen')",
        n_args: 1..=1,
        body: Body::Kernel(Kernel {
            coerce: |types| types::texts("strip_accents", types),
            returns: |_, _| Ok(DataType::Utf8),
            call: strip_accents,
        }),
    },
];

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

fn xor(call: &Call) -> Result<Expr> {
    match (call.data_type(0), call.data_type(1)) {
        (DataType::Boolean, _) | (_, DataType::Boolean) => Ok(binary(call.arg(0), Operator::NotEq, call.arg(1))),
        (left, right) if left.is_integer() && right.is_integer() => {
            Ok(binary(call.arg(0), Operator::BitwiseXor, call.arg(1)))
        }
        (left, right) => plan_err!("xor needs integers or booleans, not {left} and {right}"),
    }
}

fn hash(arguments: &Arguments) -> Result<ArrayRef> {
    let columns = (0..arguments.len()).map(|at| arguments.rows_of(at)).collect::<Result<Vec<_>>>()?;
    let mut hashes = vec![0; arguments.rows];
    create_hashes(&columns, &RandomState::with_seed(0), &mut hashes)?;
    Ok(Arc::new(UInt64Array::from(hashes)))
}

fn strip_accents(arguments: &Arguments) -> Result<ArrayRef> {
    let texts = arguments.texts(0)?;
    let decomposer = DecomposingNormalizerBorrowed::new_nfd();
    let mut out = StringBuilder::new();
    for row in 0..arguments.rows {
        match texts.get(row) {
            None => out.append_null(),
            Some(text) if text.is_ascii() => out.append_value(text),
            // The combining diacritical marks.
            Some(text) => {
                let marks = '\u{300}'..='\u{36f}';
                let letters = decomposer.normalize_iter(text.chars()).filter(|c| !marks.contains(c));
                out.append_value(letters.collect::<String>());
            }
        }
    }
    Ok(Arc::new(out.finish()))
}
