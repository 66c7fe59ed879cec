//! Rewrites `x = ANY(l)` and `x <> ALL(l)` of a list as calls of `list_any`, which handles nulls in the list.
//! DataFusion handles those of subqueries.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, UnaryOperator, Value,
};

/// Rewrites the expression if it is such a comparison.
pub(super) fn rewrite(expr: &mut Expr) {
    let (left, op, list, is_all) = match expr {
        Expr::AnyOp { left, compare_op, right, .. } => (left, compare_op, right, false),
        Expr::AllOp { left, compare_op, right } => (left, compare_op, right, true),
        _ => return,
    };
    if matches!(list.as_ref(), Expr::Subquery(_)) {
        return;
    }
    // All items satisfy a comparison if none satisfies its negation.
    let Some(op) = (if is_all { contrary(op) } else { Some(op.clone()) }) else { return };
    let op = Expr::Value(Value::SingleQuotedString(op.to_string()).into());
    let args = [list.as_ref().clone(), op, left.as_ref().clone()];
    let args = args.map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).to_vec();
    let any = Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new("list_any")]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: vec![] }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    });
    *expr = match is_all {
        true => Expr::Nested(Box::new(Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(any) })),
        false => any,
    };
}

fn contrary(op: &BinaryOperator) -> Option<BinaryOperator> {
    Some(match op {
        BinaryOperator::Eq => BinaryOperator::NotEq,
        BinaryOperator::NotEq => BinaryOperator::Eq,
        BinaryOperator::Lt => BinaryOperator::GtEq,
        BinaryOperator::LtEq => BinaryOperator::Gt,
        BinaryOperator::Gt => BinaryOperator::LtEq,
        BinaryOperator::GtEq => BinaryOperator::Lt,
        _ => return None,
    })
}
