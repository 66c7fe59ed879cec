//! Regular expressions: parts of matches, and text between them.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field};
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::logical_expr::{Expr, cast, lit};
use regex::{Regex, RegexBuilder};

use super::function::{Arguments, Body, Cached, Call, Definition, Kernel, wrong};
use super::types;

pub(super) const DEFINITIONS: &[Definition] = &[
    Definition {
        name: "regexp_extract",
        aliases: &[],
        usage: "regexp_extract(text, pattern, group, options)",
        about: "The first match, or a group of it; empty without a match.",
        example: "regexp_extract('event-42', '([a-z]+)-([0-9]+)', 2)",
        n_args: 2..=4,
        body: Body::Kernel(Kernel { coerce: grouped, returns: |_, _| Ok(DataType::Utf8), call: extract }),
    },
    Definition {
        name: "regexp_extract_all",
        aliases: &[],
        usage: "regexp_extract_all(text, pattern, group, options)",
        about: "All matches, or a group of each.",
        example: "regexp_extract_all('a1b22', '[0-9]+')",
        n_args: 2..=4,
        body: Body::Kernel(Kernel { coerce: grouped, returns: |_, _| Ok(text_list()), call: extract_all }),
    },
    Definition {
        name: "regexp_split_to_array",
        aliases: &["string_split_regex", "str_split_regex"],
        usage: "regexp_split_to_array(text, pattern, options)",
        about: "The parts of text between matches.",
        example: "regexp_split_to_array('a, b;c', '[,;] *')",
        n_args: 2..=3,
        body: Body::Kernel(Kernel {
            coerce: |types| types::texts("regexp_split_to_array", types),
            returns: |_, _| Ok(text_list()),
            call: split,
        }),
    },
    Definition {
        name: "regexp_full_match",
        aliases: &[],
        usage: "regexp_full_match(text, pattern, options)",
        about: "Whether the whole text matches.",
        example: "regexp_full_match('abc', '[a-z]+')",
        n_args: 2..=3,
        body: Body::Expr(full_match),
    },
    Definition {
        name: "regexp_escape",
        aliases: &[],
        usage: "regexp_escape(text)",
        about: "A pattern that matches exactly this text.",
        example: "regexp_escape('a.b')",
        n_args: 1..=1,
        body: Body::Kernel(Kernel {
            coerce: |types| types::texts("regexp_escape", types),
            returns: |_, _| Ok(DataType::Utf8),
            call: |arguments| {
                let texts = arguments.texts(0)?;
                let mut out = StringBuilder::new();
                (0..arguments.rows).for_each(|row| out.append_option(texts.get(row).map(regex::escape)));
                Ok(Arc::new(out.finish()))
            },
        }),
    },
];

/// A list of texts.
pub(super) fn text_list() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
}

fn grouped(given: &[DataType]) -> Result<Vec<DataType>> {
    let mut coerced = types::texts("regexp_extract", given.get(..2).unwrap_or(given))?;
    if let Some(group) = given.get(2) {
        if !group.is_integer() && !group.is_null() {
            return Err(wrong("regexp_extract", "the number of a group", group));
        }
        coerced.push(DataType::Int64);
    }
    coerced.extend(types::texts("regexp_extract", given.get(3..).unwrap_or_default())?);
    Ok(coerced)
}

/// Compiles a pattern; `options` are letters: `i` ignores case, `s` lets a dot match a line break.
fn compiled(pattern: &str, options: &str) -> Result<Regex> {
    let mut builder = RegexBuilder::new(pattern);
    for option in options.chars() {
        match option {
            'i' => builder.case_insensitive(true),
            'c' => builder.case_insensitive(false),
            's' => builder.dot_matches_new_line(true),
            'm' | 'n' | 'p' => builder.multi_line(true),
            'x' => builder.ignore_whitespace(true),
            'g' | 'l' => &mut builder,
            other => return exec_err!("`{other}` is not an option of regular expressions; use c, i, m, s or x"),
        };
    }
    builder.build().map_err(|e| {
        let reason = e.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        exec_datafusion_err!("'{pattern}' is not a regular expression: {reason}")
    })
}

/// Calls a function for each row whose text and pattern are not null.
fn each(arguments: &Arguments, options_at: usize, mut of: impl FnMut(Option<(&str, &Regex)>)) -> Result<()> {
    let (texts, patterns) = (arguments.texts(0)?, arguments.texts(1)?);
    let options = (arguments.len() > options_at).then(|| arguments.texts(options_at)).transpose()?;
    let mut cache = Cached::new();
    for row in 0..arguments.rows {
        let options = options.as_ref().map_or(Some(""), |options| options.get(row));
        match (texts.get(row), patterns.get(row), options) {
            (Some(text), Some(pattern), Some(options)) => {
                let key = if options.is_empty() { pattern.to_owned() } else { format!("{options}\0{pattern}") };
                of(Some((text, cache.get(&key, |_| compiled(pattern, options))?)));
            }
            _ => of(None),
        }
    }
    Ok(())
}

/// The number of the group; `None` where it is null.
fn groups(arguments: &Arguments) -> Result<impl FnMut() -> Result<Option<usize>>> {
    let groups = (arguments.len() > 2).then(|| arguments.rows_of(2)).transpose()?;
    let mut row = 0;
    Ok(move || {
        let Some(groups) = &groups else { return Ok(Some(0)) };
        let groups = groups.as_primitive::<Int64Type>();
        let group = (!groups.is_null(row)).then(|| groups.value(row));
        row += 1;
        let number = |group: i64| usize::try_from(group);
        group.map(number).transpose().map_err(|_| exec_datafusion_err!("the number of a group must not be negative"))
    })
}

fn extract(arguments: &Arguments) -> Result<ArrayRef> {
    let mut out = StringBuilder::new();
    let mut next_group = groups(arguments)?;
    let mut failed = None;
    each(arguments, 3, |matched| match (matched, next_group()) {
        (_, Err(error)) => failed = Some(error),
        (Some((text, pattern)), Ok(Some(group))) => {
            let found = match group {
                0 => pattern.find(text),
                group => pattern.captures(text).and_then(|captures| captures.get(group)),
            };
            out.append_value(found.map_or("", |found| found.as_str()));
        }
        _ => out.append_null(),
    })?;
    failed.map_or(Ok(Arc::new(out.finish())), Err)
}

fn extract_all(arguments: &Arguments) -> Result<ArrayRef> {
    let mut out = ListBuilder::new(StringBuilder::new());
    let mut next_group = groups(arguments)?;
    let mut failed = None;
    each(arguments, 3, |matched| match (matched, next_group()) {
        (_, Err(error)) => failed = Some(error),
        (Some((text, pattern)), Ok(Some(group))) => {
            match group {
                0 => pattern.find_iter(text).for_each(|found| out.values().append_value(found.as_str())),
                group => pattern.captures_iter(text).for_each(|captures| {
                    out.values().append_value(captures.get(group).map_or("", |found| found.as_str()));
                }),
            }
            out.append(true);
        }
        _ => out.append(false),
    })?;
    failed.map_or(Ok(Arc::new(out.finish())), Err)
}

fn split(arguments: &Arguments) -> Result<ArrayRef> {
    let mut out = ListBuilder::new(StringBuilder::new());
    each(arguments, 2, |matched| match matched {
        Some((text, pattern)) if pattern.as_str().is_empty() && !text.is_empty() => {
            text.chars().for_each(|c| out.values().append_value(c.to_string()));
            out.append(true);
        }
        Some((text, pattern)) => {
            pattern.split(text).for_each(|part| out.values().append_value(part));
            out.append(true);
        }
        None => out.append(false),
    })?;
    Ok(Arc::new(out.finish()))
}

fn full_match(call: &Call) -> Result<Expr> {
    let pattern = cast(call.arg(1), DataType::Utf8);
    let whole = call.of("concat", vec![lit("^(?:"), pattern.clone(), lit(")$")])?;
    // `concat` skips nulls.
    let whole = datafusion::logical_expr::when(pattern.is_not_null(), whole).end()?;
    let mut args = vec![call.arg(0), whole];
    args.extend(call.args.get(2).cloned());
    call.of("regexp_like", args)
}
