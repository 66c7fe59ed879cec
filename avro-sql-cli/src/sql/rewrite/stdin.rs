//! Standard input as a table: `FROM '-'`, `read_csv('/dev/stdin')`.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::path::Path;

use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, ObjectName, ObjectNamePart, TableFactor, Value, VisitorMut,
};

use super::walk::visit;
use crate::files::stdin;

/// Replaces the names of standard input with the path of its copy.
pub(super) async fn bind(statement: &mut Statement) -> Result<()> {
    let mut names = StdinNames::default();
    names.bind(statement);
    if !names.found {
        return Ok(());
    }
    let copy = stdin::copy().await.map_err(|e| DataFusionError::Plan(e.to_string()))?;
    names.copy = Some(copy_text(&copy)?);
    names.bind(statement);
    Ok(())
}

fn copy_text(copy: &Path) -> Result<String> {
    let text = copy.to_str().map(str::to_owned);
    text.ok_or_else(|| DataFusionError::Plan(format!("{}: not a path of UTF-8", copy.display())))
}

/// Looks for the names, or replaces them.
#[derive(Default)]
struct StdinNames {
    found: bool,
    copy: Option<String>,
}

impl StdinNames {
    fn bind(&mut self, statement: &mut Statement) {
        match statement {
            Statement::CreateExternalTable(create) => {
                create.locations.iter_mut().for_each(|location| self.name(location));
            }
            other => visit(other, self),
        }
    }

    fn name(&mut self, name: &mut String) {
        if stdin::is_stdin(name) {
            self.found = true;
            if let Some(copy) = &self.copy {
                name.clone_from(copy);
            }
        }
    }
}

impl VisitorMut for StdinNames {
    type Break = Infallible;

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<Infallible> {
        if let [ObjectNamePart::Identifier(name)] = relation.0.as_mut_slice()
            && name.quote_style.is_some()
        {
            self.name(&mut name.value);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Infallible> {
        if let TableFactor::Table { args: Some(args), .. } = table
            && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))) = args.args.first_mut()
            && let Value::SingleQuotedString(path) = &mut value.value
        {
            self.name(path);
        }
        ControlFlow::Continue(())
    }
}
