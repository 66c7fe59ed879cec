//! Calls of `unnest` in statements.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
};

/// Returns the call `unnest(argument)`.
pub(super) fn call(argument: Expr) -> Expr {
    function("unnest", argument)
}

/// Returns the call `unnestable(argument)`, which converts maps to lists.
pub(super) fn unnestable(argument: Expr) -> Expr {
    function(UNNESTABLE, argument)
}

/// Whether this is a call of `unnestable`.
pub(super) fn is_unnestable(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(call) if call.name.to_string() == UNNESTABLE)
}

const UNNESTABLE: &str = "unnestable";

fn function(name: &str, argument: Expr) -> Expr {
    let args = FunctionArgumentList {
        duplicate_treatment: None,
        args: vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))],
        clauses: vec![],
    };
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(args),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}

/// Returns the argument of a call of `unnest`.
pub(super) fn argument(expr: &Expr) -> Option<&Expr> {
    let Expr::Function(Function { name, args: FunctionArguments::List(list), .. }) = expr else { return None };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] if is_unnest(name) => Some(argument),
        _ => None,
    }
}

/// Whether this function name is `unnest`.
pub(super) fn is_unnest(name: &ObjectName) -> bool {
    name.to_string().eq_ignore_ascii_case("unnest")
}
