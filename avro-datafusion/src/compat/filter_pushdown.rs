//! `SELECT count(*) FILTER (WHERE r.x > 0) FROM t JOIN r ON t.id = r.id WHERE t.x > 5`: each filter reaches the column
//! it names.
//!
//! DataFusion passes filters down a physical plan by the names of columns (`FilterRemapper::try_remap`). Where a plan
//! has two columns of one name, as a join of two tables with an `x` does, a filter on the second column is applied to
//! the first. A semi join sends filters on its keys to the other table by name too, and may find a column there that is
//! not the key. Both lose rows wherever a scan evaluates filters, as the scans of Avro files do.
//!
//! Here the rule runs with a [`Guard`] above each plan that has such columns. The guard stops the filters that name
//! them: they stay where they are. Plans without such columns are not touched.
//!
//! Delete when: DataFusion passes filters down by the positions of columns.

use arrow_schema::{Schema, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinSide, JoinType, Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, SessionState, SessionStateBuilder, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::filter_pushdown::{
    ChildFilterDescription, ChildPushdownResult, FilterDescription, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties};
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// The names of DataFusion's rules that pass filters down.
const RULES: [&str; 2] = ["FilterPushdown", "FilterPushdown(Post)"];

/// Puts guards around both rules.
pub(super) fn register(state: &mut SessionState) {
    let guarded =
        |rule: &Arc<dyn PhysicalOptimizerRule + Send + Sync>| -> Arc<dyn PhysicalOptimizerRule + Send + Sync> {
            if RULES.contains(&rule.name()) { Arc::new(GuardedRule(Arc::clone(rule))) } else { Arc::clone(rule) }
        };
    let rules = state.physical_optimizers().iter().map(guarded).collect();
    *state = SessionStateBuilder::new_from_existing(state.clone()).with_physical_optimizer_rules(rules).build();
}

/// One of the rules, with guards.
#[derive(Debug)]
struct GuardedRule(Arc<dyn PhysicalOptimizerRule + Send + Sync>);

impl PhysicalOptimizerRule for GuardedRule {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let guarded = plan.transform_up(|plan| Ok(Guard::above(plan)))?;
        let optimized = self.0.optimize(guarded.data, config)?;
        if !guarded.transformed {
            return Ok(optimized);
        }
        let unguarded = optimized.transform_up(|plan| {
            Ok(match plan.downcast_ref::<Guard>() {
                Some(guard) => Transformed::yes(Arc::clone(&guard.input)),
                None => Transformed::no(plan),
            })
        })?;
        Ok(unguarded.data)
    }

    // A constant instead of the rule's name, so that registering the corrections twice adds the guards once.
    fn name(&self) -> &str {
        "guarded_filter_pushdown"
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

/// A plan that blocks filters on some of its columns. It exists only while the rule runs.
#[derive(Debug)]
struct Guard {
    input: Arc<dyn ExecutionPlan>,
    /// The positions of the other columns.
    passable: HashSet<usize>,
}

impl Guard {
    /// Puts a guard above a plan that has ambiguous columns.
    fn above(plan: Arc<dyn ExecutionPlan>) -> Transformed<Arc<dyn ExecutionPlan>> {
        let passable = passable_columns(&plan);
        if passable.len() == plan.schema().fields().len() {
            return Transformed::no(plan);
        }
        Transformed::yes(Arc::new(Guard { input: plan, passable }))
    }
}

/// Returns the columns whose names mean one column only, in the plan and where it passes filters to.
fn passable_columns(plan: &Arc<dyn ExecutionPlan>) -> HashSet<usize> {
    let schema = plan.schema();
    // Projections know the positions of their columns.
    let children: Vec<SchemaRef> =
        if plan.is::<ProjectionExec>() { vec![] } else { plan.children().iter().map(|child| child.schema()).collect() };
    let repeated: Vec<HashSet<&str>> = std::iter::once(&schema).chain(&children).map(|s| repeated_names(s)).collect();
    let other_keys = plan.downcast_ref::<HashJoinExec>().map(names_beside_keys).unwrap_or_default();
    let is_ambiguous = |name: &str| repeated.iter().any(|names| names.contains(name)) || other_keys.contains(name);
    let columns = schema.fields().iter().enumerate();
    columns.filter(|(_, field)| !is_ambiguous(field.name())).map(|(at, _)| at).collect()
}

/// Returns the names that several columns have.
fn repeated_names(schema: &Schema) -> HashSet<&str> {
    let mut seen = HashSet::new();
    schema.fields().iter().map(|field| field.name().as_str()).filter(|name| !seen.insert(*name)).collect()
}

/// The keys of a semi join whose names are those of other columns of the table that its result leaves out.
fn names_beside_keys(join: &HashJoinExec) -> HashSet<String> {
    let kept = match join.join_type() {
        JoinType::LeftSemi => JoinSide::Left,
        JoinType::RightSemi => JoinSide::Right,
        _ => return HashSet::new(),
    };
    let mut names = HashSet::new();
    for (left, right) in join.on() {
        let (key, partner, other) =
            if kept == JoinSide::Left { (left, right, join.right()) } else { (right, left, join.left()) };
        let Some(key) = key.downcast_ref::<Column>() else { continue };
        let Ok(namesake) = other.schema().index_of(key.name()) else { continue };
        if partner.downcast_ref::<Column>().is_none_or(|partner| partner.index() != namesake) {
            names.insert(key.name().to_owned());
        }
    }
    names
}

impl DisplayAs for Guard {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ExecutionPlan for Guard {
    fn name(&self) -> &'static str {
        "FilterPushdownGuard"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match children.pop() {
            Some(input) if children.is_empty() => Ok(Arc::new(Guard { input, passable: self.passable.clone() })),
            _ => internal_err!("{} has one child", self.name()),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }

    fn gather_filters_for_pushdown(
        &self,
        _phase: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        _config: &ConfigOptions,
    ) -> Result<FilterDescription> {
        let child = ChildFilterDescription::from_child_with_allowed_indices(
            &parent_filters,
            self.passable.clone(),
            &self.input,
        )?;
        Ok(FilterDescription::new().with_child(child))
    }

    fn handle_child_pushdown_result(
        &self,
        _phase: FilterPushdownPhase,
        child_pushdown_result: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        Ok(FilterPushdownPropagation::if_all(child_pushdown_result))
    }
}
