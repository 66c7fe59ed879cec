//! Arguments of table functions: paths and options.

use crate::listing::location::Location;
use crate::options::read::AvroOptions;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::Expr;

/// Arguments of a call: one path or a list of them, then option names, each followed by its value.
///
/// In SQL they are written `name => value`, which DataFusion does not support for table functions; `named` rewrites
/// them.
pub(crate) struct TableArguments {
    pub(crate) paths: Vec<String>,
    pub(crate) options: AvroOptions,
}

/// A call as written: paths, and options by name.
pub(super) struct TableCall {
    pub(super) paths: Vec<String>,
    pub(super) options: Vec<(String, String)>,
}

impl TableCall {
    /// Parses the arguments of a call of this function.
    pub(super) fn parse(function: &str, exprs: &[Expr]) -> Result<TableCall> {
        let usage = || {
            plan_err!(
                "write {function}('path'), with a file, a directory, a glob or a list of them, \
                 and then options as `name => value`"
            )
        };
        let Some((first, rest)) = exprs.split_first() else { return usage() };
        let Some(paths) = paths(first).filter(|paths| !paths.is_empty()) else { return usage() };
        let mut options = Vec::with_capacity(rest.len() / 2);
        for pair in rest.chunks(2) {
            let [name, value] = pair else { return usage() };
            let Some(name) = text(name) else { return usage() };
            match text(value) {
                Some(value) => options.push((name, value)),
                None => return plan_err!("{function}: the option `{name}` must be a constant"),
            }
        }
        Ok(TableCall { paths, options })
    }
}

impl TableArguments {
    /// Parses the arguments of a call of this function; `options` are the defaults.
    pub(crate) fn parse(function: &str, exprs: &[Expr], options: &AvroOptions) -> Result<TableArguments> {
        let call = TableCall::parse(function, exprs)?;
        let mut options = options.clone();
        for (name, value) in &call.options {
            options.set_reading(name, value)?;
        }
        Ok(TableArguments { paths: call.paths, options })
    }

    /// Parses the paths.
    pub(super) fn locations(&self) -> Result<Vec<Location>> {
        let locations = self.paths.iter().map(|path| Location::parse(path)).collect::<Result<Vec<_>>>()?;
        Ok(locations.into_iter().flatten().collect())
    }
}

/// Parses a string or a list of strings.
fn paths(expr: &Expr) -> Option<Vec<String>> {
    if let Expr::Literal(value, _) = expr
        && let Some(path) = value.try_as_str()
    {
        return Some(vec![path?.to_owned()]);
    }
    let Expr::Literal(value, _) = expr else { return None };
    let lists = match value {
        ScalarValue::List(list) => ScalarValue::convert_array_to_scalar_vec(list.as_ref()).ok()?,
        ScalarValue::LargeList(list) => ScalarValue::convert_array_to_scalar_vec(list.as_ref()).ok()?,
        ScalarValue::FixedSizeList(list) => ScalarValue::convert_array_to_scalar_vec(list.as_ref()).ok()?,
        _ => return None,
    };
    let items = lists.into_iter().flatten().flatten();
    items.map(|item| item.try_as_str().flatten().map(str::to_owned)).collect()
}

/// Formats a value as text.
fn text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Literal(value, _) if value.is_null() => None,
        Expr::Literal(value, _) => Some(match value.try_as_str().flatten() {
            Some(text) => text.to_owned(),
            None => value.to_string(),
        }),
        _ => None,
    }
}
