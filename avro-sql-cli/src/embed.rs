//! The command's SQL inside another program: a session whose statements return streams of batches, and errors that a
//! program can tell apart.

use std::error::Error as StdError;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use avro_arrow::{ErrorKind, Position, tagged};
use avro_datafusion::{AvroOptions, SharedListings};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::{SchemaError, plan_err};
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;
use futures::StreamExt;

use crate::diagnostics::hints;
use crate::error::{Error, one_line, place};
use crate::options::{Resources, with_cache_settings};
use crate::session::copies::Staged;
use crate::session::{self, memory};
use crate::sql::rewrite::{self, Parameters};
use crate::sql::split::split;
use crate::terminal::query_progress::PlanMeter;

/// Stack size of the threads that a session's statements need.
pub const STACK_BYTES: usize = crate::threads::STACK_BYTES;

/// What a session may use.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Settings {
    /// Threads that decode and compute. Default: one for each CPU.
    pub threads: usize,
    /// Bytes that a query may hold before it spills to disk or fails; `None` means no limit. Default: 80 % of memory.
    pub memory_bytes: Option<usize>,
    /// Bytes of decoded columns that stay in memory for later statements. Default: a quarter of `memory_bytes`.
    pub column_bytes: Option<usize>,
    /// Rows of a batch. Default: 8,192.
    pub batch_rows: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Settings { threads, memory_bytes: memory::default_limit(), column_bytes: None, batch_rows: 8_192 }
    }
}

/// Who has to act on a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Class {
    /// A file or object does not exist.
    NotFound,
    /// A file or object may not be read or written.
    Denied,
    /// A file is damaged or not Avro.
    Data,
    /// A schema is invalid or cannot be used for these data.
    Schema,
    /// Data exceed a limit, or a query its memory.
    Limit,
    /// The statement or an argument is wrong.
    Request,
    /// Reading or writing failed otherwise.
    Io,
    /// A bug of this program.
    Internal,
}

/// A failure: one line for people, and its class and place for programs.
#[derive(Debug)]
pub struct SqlFailure {
    /// The message, in one line.
    pub message: String,
    /// Who has to act.
    pub class: Class,
    /// Where in a file or message it is, if it is in one.
    pub position: Option<Box<Position>>,
}

impl std::fmt::Display for SqlFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for SqlFailure {}

impl SqlFailure {
    /// Returns a failure of the request, with this message.
    pub fn request(message: impl Into<String>) -> SqlFailure {
        SqlFailure { message: message.into(), class: Class::Request, position: None }
    }

    /// Returns an error of the engine as a failure of the statement `sql`.
    fn of_statement(e: DataFusionError, context: &SessionContext, sql: &str) -> SqlFailure {
        let (class, position) = details(&e);
        SqlFailure { message: place::locate(hints::explain(e, context), sql).to_string(), class, position }.checked()
    }

    /// Corrects the class by the message: the engine has one kind of error for wrong statements and missing files.
    fn checked(mut self) -> SqlFailure {
        if self.class == Class::Request && self.message.contains("no such file") {
            self.class = Class::NotFound;
        }
        self
    }
}

impl From<DataFusionError> for SqlFailure {
    fn from(e: DataFusionError) -> Self {
        let (class, position) = details(&e);
        SqlFailure { message: Error::from(e).to_string(), class, position }.checked()
    }
}

impl From<avro_arrow::Error> for SqlFailure {
    fn from(e: avro_arrow::Error) -> Self {
        let (class, position) = details(&e);
        SqlFailure { message: Error::from(e).to_string(), class, position }
    }
}

impl From<Error> for SqlFailure {
    fn from(e: Error) -> Self {
        SqlFailure::request(e.to_string()).checked()
    }
}

/// A SQL session with the command's functions, formats and rules.
pub struct SqlSession {
    context: SessionContext,
}

/// The rows of a started statement, which become visible outside, if it writes files, after the last one.
pub struct Answer {
    /// The columns.
    pub schema: SchemaRef,
    /// The columns with unions in place of tagged structs, if that was asked for and there are such.
    dense: Option<SchemaRef>,
    rows: Option<SendableRecordBatchStream>,
    staged: Option<Staged>,
}

/// How a statement runs.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Run {
    /// Values of `$name`.
    pub parameters: Vec<(String, String)>,
    /// Rows of a batch, if not as the session's.
    pub batch_rows: Option<NonZeroUsize>,
    /// Whether unions leave the engine as dense unions rather than as structs with a field for each branch.
    pub dense_unions: bool,
}

impl SqlSession {
    /// Opens a session. `reading` has the read options of all paths that a statement names.
    ///
    /// # Errors
    /// If DataFusion refuses a registration.
    pub fn open(settings: Settings, reading: &AvroOptions) -> Result<SqlSession, SqlFailure> {
        let Settings { threads, memory_bytes, column_bytes, batch_rows } = settings;
        let threads = threads.max(1);
        let resources = Resources { threads, memory_bytes, column_bytes, batch_rows, read_only: false };
        let reading = match reading.cache_path {
            None => with_cache_settings(reading.clone())?,
            Some(_) => reading.clone(),
        };
        Ok(SqlSession { context: session::new_context(&resources, &reading)? })
    }

    /// Returns DataFusion's session, to register tables and stores with.
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// Plans and starts one statement, with the command's syntax. Call it within a runtime of tokio whose threads have
    /// stacks of [`STACK_BYTES`].
    ///
    /// # Errors
    /// If the text is not one statement, or it cannot be planned.
    pub async fn start(&self, sql: &str, run: &Run) -> Result<Answer, SqlFailure> {
        let sql = one_statement(sql)?;
        // Only such a statement runs in a copy of the session, so that `SET` lasts.
        let context = match run.parameters.is_empty() && run.batch_rows.is_none() {
            true => self.context.clone(),
            false => self.with(run),
        };
        let explain = |e| SqlFailure::of_statement(e, &context, sql);
        let started = session::start(&context, sql, false, &PlanMeter::default(), &mut false, explain).await?;
        let Some((rows, staged)) = started else {
            return Ok(Answer { schema: Arc::new(Schema::empty()), dense: None, rows: None, staged: None });
        };
        let dense = run.dense_unions.then(|| tagged::dense_schema(&rows.schema())).flatten();
        let schema = dense.clone().unwrap_or_else(|| rows.schema());
        Ok(Answer { schema, dense, rows: Some(rows), staged: Some(staged) })
    }

    /// Plans one statement without running it and returns its columns.
    ///
    /// # Errors
    /// As [`start`](Self::start), and for statements that do more than return rows.
    pub async fn columns(&self, sql: &str, run: &Run) -> Result<SchemaRef, SqlFailure> {
        let schema = self.query(sql, run).await?.schema;
        let dense = run.dense_unions.then(|| tagged::dense_schema(&schema)).flatten();
        Ok(dense.unwrap_or(schema))
    }

    /// Plans one query, for another program that selects from it. Unions are structs with a field for each branch.
    ///
    /// # Errors
    /// As [`columns`](Self::columns).
    pub async fn query(&self, sql: &str, run: &Run) -> Result<PlannedQuery, SqlFailure> {
        let sql = one_statement(sql)?;
        let context = self.with(run);
        let explain = |e| SqlFailure::of_statement(e, &context, sql);
        let listings = SharedListings::default();
        let plan = listings.scope(rewrite::plan(&context.state(), sql)).await.map_err(explain)?;
        if matches!(plan, LogicalPlan::Ddl(_) | LogicalPlan::Statement(_) | LogicalPlan::Copy(_)) {
            return Err(SqlFailure::request("only queries have columns"));
        }
        let physical = listings.scope(session::replan::physical_plan(context.state(), &plan)).await;
        let schema = physical.map_err(explain)?.schema();
        Ok(PlannedQuery { context, plan, schema })
    }

    /// Returns the session with the settings of one statement.
    fn with(&self, run: &Run) -> SessionContext {
        let mut state = self.context.state();
        let config = state.config_mut();
        config.set_extension(Arc::new(Parameters::new(&run.parameters)));
        if let Some(rows) = run.batch_rows {
            *config = std::mem::take(config).with_batch_size(rows.get());
        }
        SessionContext::new_with_state(state)
    }
}

/// A query that was planned and not started. It can be started again and again.
pub struct PlannedQuery {
    context: SessionContext,
    plan: LogicalPlan,
    /// The columns.
    pub schema: SchemaRef,
}

impl PlannedQuery {
    /// Returns the plan of some columns, by index, of the rows that match all filters, up to a number of rows, and the
    /// context to execute it in.
    ///
    /// # Errors
    /// If there is no column at an index, or the query cannot be planned.
    pub async fn select(
        &self,
        columns: Option<&[usize]>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<(Arc<dyn ExecutionPlan>, Arc<TaskContext>), DataFusionError> {
        let mut plan = LogicalPlanBuilder::from(self.plan.clone());
        if let Some(all) = conjunction(filters.iter().cloned()) {
            plan = plan.filter(all)?;
        }
        if let Some(columns) = columns {
            let names = plan.schema().columns();
            let column = |at: &usize| match names.get(*at) {
                Some(name) => Ok(Expr::Column(name.clone())),
                None => plan_err!("there is no column {at}: the query has {}, counted from 0", names.len()),
            };
            plan = plan.project(columns.iter().map(column).collect::<Result<Vec<_>, DataFusionError>>()?)?;
        }
        let plan = plan.limit(0, limit)?.build()?;
        let state = self.context.state();
        Ok((session::replan::physical_plan(state, &plan).await?, self.context.task_ctx()))
    }
}

impl Answer {
    /// Returns the next rows, or `None` after the last.
    ///
    /// # Errors
    /// If the query fails; then there are no further rows, and no file appears.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, SqlFailure> {
        let Some(rows) = &mut self.rows else { return Ok(None) };
        match rows.next().await {
            Some(Ok(batch)) => match &self.dense {
                Some(dense) => Ok(Some(tagged::dense_batch(&batch, dense).map_err(DataFusionError::from)?)),
                None => Ok(Some(batch)),
            },
            Some(Err(e)) => {
                self.rows = None;
                self.staged = None;
                Err(e.into())
            }
            None => {
                self.rows = None;
                if let Some(staged) = self.staged.take() {
                    staged.commit().await?;
                }
                Ok(None)
            }
        }
    }
}

/// Returns the only statement of a text.
fn one_statement(sql: &str) -> Result<&str, SqlFailure> {
    let script = split(sql).map_err(|e| SqlFailure::from(place::syntax(&e.to_string(), sql)))?;
    match script.statements.as_slice() {
        [statement] => Ok(statement.text),
        [] => Err(SqlFailure::request("the text has no SQL statement")),
        more => {
            Err(SqlFailure::request(format!("expected one SQL statement, found {}; run each by itself", more.len())))
        }
    }
}

/// Returns the class of an error and its place, from the first of its layers that tells.
fn details(e: &(dyn StdError + 'static)) -> (Class, Option<Box<Position>>) {
    let mut class = Class::Request;
    let mut layer = Some(e);
    while let Some(e) = layer {
        layer = e.source();
        if let Some(e) = e.downcast_ref::<avro_arrow::Error>() {
            // A failing condition is an error of the query.
            if !matches!(e.kind(), ErrorKind::Filter(_)) {
                return (of_avro(e), Some(Box::new(e.position().clone())));
            }
        } else if let Some(e) = e.downcast_ref::<io::Error>() {
            class = of_io(e);
            layer = e.get_ref().map(|e| e as _);
        } else if let Some(DataFusionError::ResourcesExhausted(_)) = e.downcast_ref::<DataFusionError>() {
            return (Class::Limit, None);
        } else if let Some(DataFusionError::Internal(_)) = e.downcast_ref::<DataFusionError>() {
            return (Class::Internal, None);
        } else if let Some(e) = e.downcast_ref::<object_store::Error>() {
            class = match e {
                object_store::Error::NotFound { .. } => return (Class::NotFound, None),
                object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                    return (Class::Denied, None);
                }
                _ => Class::Io,
            };
        } else if e.downcast_ref::<SchemaError>().is_some() {
            return (Class::Request, None);
        }
    }
    (class, None)
}

fn of_avro(e: &avro_arrow::Error) -> Class {
    use ErrorKind::*;
    match e.kind() {
        Io(e) => of_io(e),
        Limit { .. } => Class::Limit,
        Argument { .. } => Class::Request,
        Arrow(_) | Internal { .. } | Worker => Class::Internal,
        Resolver { .. } => Class::Io,
        _ if e.is_corrupt() => Class::Data,
        _ => Class::Schema,
    }
}

fn of_io(e: &io::Error) -> Class {
    match e.kind() {
        io::ErrorKind::NotFound => Class::NotFound,
        io::ErrorKind::PermissionDenied => Class::Denied,
        _ => Class::Io,
    }
}

/// Returns a text on one line, as messages are.
pub fn on_one_line(text: &str) -> String {
    one_line(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn select_of_a_missing_column_is_an_error() -> Result<(), Box<dyn StdError>> {
        let session = SqlSession::open(Settings::default(), &AvroOptions::default())?;
        let query = session.query("SELECT 1 AS a, 2 AS b", &Run::default()).await?;
        let (plan, _) = query.select(Some(&[1]), &[], None).await?;
        assert_eq!(plan.schema().field(0).name(), "b");
        let error = query.select(Some(&[0, 2]), &[], None).await.err().map(|e| e.strip_backtrace());
        assert_eq!(
            error.as_deref(),
            Some("Error during planning: there is no column 2: the query has 2, counted from 0")
        );
        Ok(())
    }
}
