//! A subquery over columns of an outer row, as a function of these columns.
//!
//! The function runs the plan of the subquery once for each batch, see [`push`](super::push), not once for each row.

use super::batch::CurrentBatch;
use crate::functions::wait;
use arrow_array::{Array, ArrayRef, BooleanArray, ListArray, RecordBatch, StructArray, UInt32Array};
use arrow_schema::{DataType, Field, FieldRef, Fields, SchemaRef};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{concat_batches, take};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, exec_err, internal_err};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionStateBuilder, TaskContext};
use datafusion::logical_expr::{
    ColumnarValue, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::Optimizer;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::SessionConfig;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

/// What is asked of a subquery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Asked {
    /// The value of its only row, or null.
    Value,
    /// Whether it has rows.
    Exists,
    /// All its rows, as a list of records.
    Rows,
}

/// A subquery as a function.
#[derive(Debug)]
pub(super) struct SubqueryFunction {
    name: String,
    /// Its plan; the first column is the number of the outer row.
    plan: LogicalPlan,
    /// The columns of the table that the plan reads: the number of the row, and the arguments.
    input: SchemaRef,
    asked: Asked,
    signature: Signature,
    compiled: OnceLock<Compiled>,
}

/// The plan as it runs.
#[derive(Debug)]
struct Compiled {
    plan: Arc<dyn ExecutionPlan>,
    config: SessionConfig,
    runtime: Arc<RuntimeEnv>,
}

/// Returns whether a function runs a subquery. It holds a plan and works in this process only.
pub(in crate::compat) fn is_subquery(function: &datafusion::logical_expr::ScalarUDF) -> bool {
    function.inner().is::<SubqueryFunction>()
}

impl SubqueryFunction {
    pub(super) fn new(name: String, plan: LogicalPlan, input: SchemaRef, asked: Asked, is_volatile: bool) -> Self {
        let volatility = if is_volatile { Volatility::Volatile } else { Volatility::Immutable };
        let signature = Signature::variadic_any(volatility);
        SubqueryFunction { name, plan, input, asked, signature, compiled: OnceLock::new() }
    }

    /// Returns the columns of the subquery for a row.
    fn columns(&self) -> Fields {
        self.plan.schema().fields().iter().skip(1).cloned().collect()
    }

    fn compiled(&self, options: &ConfigOptions) -> Result<&Compiled> {
        if let Some(compiled) = self.compiled.get() {
            return Ok(compiled);
        }
        let mut config = SessionConfig::from(options.clone()).with_target_partitions(1);
        // What a dynamic filter learned from one batch does not hold for the next.
        config.options_mut().optimizer.enable_dynamic_filter_pushdown = false;
        // Reading less of a batch saves nothing.
        let mut rules = Optimizer::new().rules;
        rules.retain(|rule| !["extract_leaf_expressions", "push_down_leaf_projections"].contains(&rule.name()));
        let state = SessionStateBuilder::new().with_config(config.clone()).with_optimizer_rules(rules).build();
        let plan = wait(state.create_physical_plan(&self.plan), false)?;
        let runtime = Arc::clone(state.runtime_env());
        Ok(self.compiled.get_or_init(|| Compiled { plan, config, runtime }))
    }

    /// The rows of the subquery for all outer rows.
    fn run(&self, batch: RecordBatch, options: &ConfigOptions) -> Result<RecordBatch> {
        let compiled = self.compiled(options)?;
        let config = compiled.config.clone().with_extension(Arc::new(CurrentBatch(batch)));
        let task = TaskContext::default().with_session_config(config).with_runtime(Arc::clone(&compiled.runtime));
        let plan = reset_plan_states(Arc::clone(&compiled.plan))?;
        let schema = plan.schema();
        let batches = wait(collect(plan, Arc::new(task)), false)?;
        Ok(concat_batches(&schema, &batches)?)
    }
}

impl ScalarUDFImpl for SubqueryFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(match self.asked {
            Asked::Exists => DataType::Boolean,
            Asked::Rows => DataType::List(item(self.columns())),
            Asked::Value => self.columns().first().map_or(DataType::Null, |field| field.data_type().clone()),
        })
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs) -> Result<FieldRef> {
        let field = Field::new(&self.name, self.return_type(&[])?, self.asked != Asked::Exists);
        let value = self.columns().first().filter(|_| self.asked == Asked::Value).cloned();
        Ok(Arc::new(match value {
            Some(value) => field.with_metadata(value.metadata().clone()),
            None => field,
        }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let n = args.number_rows;
        let numbers: ArrayRef = Arc::new(UInt32Array::from_iter_values((0..).take(n)));
        let mut columns = vec![numbers];
        for argument in args.args {
            columns.push(argument.into_array(n)?);
        }
        let batch = RecordBatch::try_new(Arc::clone(&self.input), columns)?;
        let found = self.run(batch, &args.config_options)?;
        let Some((rows, columns)) = found.columns().split_first() else {
            return internal_err!("a subquery without columns");
        };
        let Some(rows) = rows.as_any().downcast_ref::<UInt32Array>() else {
            return internal_err!("a subquery whose rows have no numbers");
        };
        Ok(ColumnarValue::Array(match (self.asked, columns) {
            (Asked::Value, [values, ..]) => value_of_each(rows, values, n)?,
            (Asked::Value, []) => return internal_err!("a subquery without a value"),
            (Asked::Exists, _) => exists_for_each(rows, n),
            (Asked::Rows, columns) => rows_of_each(rows, columns, self.columns(), n)?,
        }))
    }
}

impl PartialEq for SubqueryFunction {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.asked, &self.plan) == (&other.name, other.asked, &other.plan)
    }
}

impl Eq for SubqueryFunction {}

impl Hash for SubqueryFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.name, self.asked, &self.plan).hash(state);
    }
}

fn item(columns: Fields) -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Struct(columns), true))
}

/// Returns the value for each of `n` outer rows; `rows` says to which of them each value belongs.
fn value_of_each(rows: &UInt32Array, values: &ArrayRef, n: usize) -> Result<ArrayRef> {
    let mut of_row: Vec<Option<u32>> = vec![None; n];
    for (at, row) in (0..).zip(rows.values()) {
        if let Some(place) = of_row.get_mut(*row as usize)
            && place.replace(at).is_some()
        {
            return exec_err!("a scalar subquery returned several rows; use LIMIT 1 or an aggregate such as max()");
        }
    }
    Ok(take(values, &UInt32Array::from(of_row), None)?)
}

fn exists_for_each(rows: &UInt32Array, n: usize) -> ArrayRef {
    let mut exists = vec![false; n];
    for row in rows.values() {
        if let Some(exists) = exists.get_mut(*row as usize) {
            *exists = true;
        }
    }
    Arc::new(BooleanArray::from(exists))
}

/// Returns the rows of each outer row as a list, in their order here.
fn rows_of_each(rows: &UInt32Array, columns: &[ArrayRef], fields: Fields, n: usize) -> Result<ArrayRef> {
    let mut lengths = vec![0; n];
    for row in rows.values() {
        if let Some(length) = lengths.get_mut(*row as usize) {
            *length += 1;
        }
    }
    let offsets = OffsetBuffer::<i32>::from_lengths(lengths);
    let mut next: Vec<usize> = offsets.iter().map(|offset| usize::try_from(*offset).unwrap_or(0)).collect();
    let mut order = vec![0_u32; rows.len()];
    for (at, row) in (0..).zip(rows.values()) {
        if let Some(next) = next.get_mut(*row as usize) {
            if let Some(place) = order.get_mut(*next) {
                *place = at;
            }
            *next += 1;
        }
    }
    let order = UInt32Array::from(order);
    let columns = columns.iter().map(|column| take(column, &order, None)).collect::<Result<Vec<_>, _>>()?;
    let records = StructArray::try_new_with_length(fields.clone(), columns, None, rows.len())?;
    Ok(Arc::new(ListArray::try_new(item(fields), offsets, Arc::new(records), None)?))
}
