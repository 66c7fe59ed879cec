//! Named options of scalar functions: `from_avro(v, s, framing => 'confluent')`.
//!
//! DataFusion 55 takes named arguments only where none before them is left out. So each becomes two arguments, its name
//! and its value.

use avro_datafusion::takes_avro_options;
use datafusion::sql::sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Value};

/// Rewrites a call of such a function.
pub(super) fn rewrite(expr: &mut Expr) {
    let Expr::Function(function) = expr else { return };
    let FunctionArguments::List(list) = &mut function.args else { return };
    let [name] = function.name.0.as_slice() else { return };
    if !name.as_ident().is_some_and(|name| takes_avro_options(&name.value)) {
        return;
    }
    list.args = std::mem::take(&mut list.args).into_iter().flat_map(positional).collect();
}

/// Returns one argument, or two for a named one.
fn positional(arg: FunctionArg) -> Vec<FunctionArg> {
    let pair = |name: Ident, value: FunctionArgExpr| {
        let name = Expr::Value(Value::SingleQuotedString(name.value).into());
        vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(name)), FunctionArg::Unnamed(value)]
    };
    match arg {
        FunctionArg::Named { name, arg, .. } | FunctionArg::ExprNamed { name: Expr::Identifier(name), arg, .. } => {
            pair(name, arg)
        }
        other => vec![other],
    }
}
