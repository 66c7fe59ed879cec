//! One statement: its text in, its plan and the names of its columns out, and another plan where the first fails.
//!
//! Between the parser and the planner it is made to mean what people mean by it: [`spelling`] finds columns that were written
//! in other letters than they have, [`dialect`] and [`unnest`] put it in words that DataFusion reads, [`refused`] names what it would
//! drop in silence, and [`labels`] says what to call what has no name.

mod dialect;
mod labels;
mod refused;
mod spelling;
mod synonyms;
mod unnest;

use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::{VisitMut, VisitorMut};

use labels::Labels;
use spelling::{Missing, RespellMade, RespellUsed, Written};

/// A statement, as it is written and as it is understood so far.
pub(crate) struct Query {
    statement: Statement,
    /// What to call the columns of its answer.
    pub(crate) labels: Labels,
    /// How columns are spelled that it has in other letters: from a name in small letters.
    spelled: HashMap<String, String>,
    /// Are the columns that it makes itself spelled like this, too?
    is_all_respelled: bool,
    /// What was wrong with it as it is written.
    first: Option<DataFusionError>,
}

impl Query {
    /// Parses it.
    pub(crate) fn parse(state: &SessionState, sql: &str) -> Result<Query> {
        let mut statement = state.sql_to_statement(sql, &state.config_options().sql_parser.dialect)?;
        let mut refused = refused::Refused::default();
        visit(&mut statement, &mut refused);
        refused.into_result()?;
        let labels = Labels::of(&statement);
        Ok(Query { statement, labels, spelled: HashMap::new(), is_all_respelled: false, first: None })
    }

    /// Its plan.
    pub(crate) async fn plan(&self, state: &SessionState) -> Result<LogicalPlan> {
        let mut statement = self.statement.clone();
        visit(&mut statement, &mut synonyms::Synonyms::default());
        visit(&mut statement, &mut dialect::Dialect);
        state.statement_to_plan(statement).await
    }

    /// Understands it otherwise, after this error of planning it; fails with what to say of it, where there is no other way.
    pub(crate) fn reconsider(&mut self, error: DataFusionError) -> Result<()> {
        let Some(missing) = Missing::of(&error) else { return Err(error) };
        // What is there in these letters is elsewhere in those. The statement may have made it so itself, with `AS`.
        if missing.contradicts(&self.spelled) {
            if std::mem::replace(&mut self.is_all_respelled, true) {
                return Err(self.first.take().unwrap_or(error));
            }
            visit(&mut self.statement, &mut RespellMade(&self.spelled));
            return Ok(());
        }
        let mut written = Written::default();
        visit(&mut self.statement, &mut written);
        let n = self.spelled.len();
        missing.spellings(&written, &mut self.spelled);
        if self.spelled.len() == n {
            return Err(error);
        }
        visit(&mut self.statement, &mut RespellUsed(&self.spelled));
        self.first.get_or_insert(error);
        Ok(())
    }
}

/// Lets a visitor at all expressions of a statement.
fn visit<V: VisitorMut<Break = Infallible>>(statement: &mut Statement, visitor: &mut V) {
    let ControlFlow::Continue(()) = match statement {
        Statement::Statement(statement) => statement.visit(visitor),
        Statement::Explain(explain) => return visit(&mut explain.statement, visitor),
        Statement::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => query.visit(visitor),
            CopyToSource::Relation(_) => return,
        },
        Statement::CreateExternalTable(_) | Statement::Reset(_) => return,
    };
}
