//! `items[1].price`: the fields of what is no column by itself. DataFusion 55 reads `items[1]['price']` only.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{AccessExpr, Expr, Ident, Value, VisitorMut};

/// Makes names behind dots the strings that DataFusion wants there.
pub(super) struct Fields;

impl VisitorMut for Fields {
    type Break = Infallible;

    // After what is inside: names there must not be taken for columns before.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        if let Expr::CompoundFieldAccess { access_chain, .. } = expr {
            for access in access_chain {
                if let AccessExpr::Dot(Expr::Identifier(name)) = access {
                    *access = AccessExpr::Dot(Expr::Value(Value::SingleQuotedString(folded(name)).into()));
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// The name that an identifier stands for: without quotes, capitals are small letters.
fn folded(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_ascii_lowercase(),
    }
}
