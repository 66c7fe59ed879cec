//! Named arguments `name => value` in calls of table functions.
//!
//! DataFusion 55 rejects named arguments before it calls a table function, and looks functions up case-sensitively. So
//! this rewrites calls of our functions: each named argument becomes two, the name as a string and the value.

use datafusion::common::Result;
use datafusion::logical_expr::planner::{RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, TableFactor, Value,
};

/// Rewrites calls of these functions.
#[derive(Debug)]
pub(super) struct NamedArguments {
    functions: Vec<String>,
}

impl NamedArguments {
    /// Creates a planner for functions of these names.
    pub(super) fn new<'a>(functions: impl Iterator<Item = &'a str>) -> Self {
        NamedArguments { functions: functions.map(str::to_owned).collect() }
    }

    /// Returns which of the functions this is.
    fn function(&self, name: &ObjectName) -> Option<&str> {
        let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return None };
        let is = |function: &&String| match ident.quote_style {
            None => function.eq_ignore_ascii_case(&ident.value),
            Some(_) => **function == ident.value,
        };
        self.functions.iter().find(is).map(String::as_str)
    }
}

impl RelationPlanner for NamedArguments {
    fn plan_relation(
        &self,
        mut relation: TableFactor,
        _context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        if let TableFactor::Table { name, args: Some(args), .. } = &mut relation
            && let Some(function) = self.function(name)
        {
            *name = ObjectName::from(vec![Ident::new(function)]);
            args.args = std::mem::take(&mut args.args).into_iter().flat_map(positional).collect();
        }
        Ok(RelationPlanning::Original(Box::new(relation)))
    }
}

/// Returns one argument, or two for a named one. DuckDB's `name = value` parses as a comparison.
fn positional(arg: FunctionArg) -> Vec<FunctionArg> {
    match arg {
        FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. }
        | FunctionArg::ExprNamed { name: Expr::Identifier(name), arg: FunctionArgExpr::Expr(value), .. } => {
            pair(&name, value)
        }
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::BinaryOp { left, op: BinaryOperator::Eq, right }))
            if matches!(*left, Expr::Identifier(_)) =>
        {
            match *left {
                Expr::Identifier(name) => pair(&name, *right),
                _ => vec![],
            }
        }
        other => vec![other],
    }
}

fn pair(name: &Ident, value: Expr) -> Vec<FunctionArg> {
    let name = Expr::Value(Value::SingleQuotedString(name.value.clone()).into());
    [name, value].map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))).into()
}
