//! Decides which queries run on workers: the plan of one machine in, the plan of many machines out, or the first with
//! the reason why it stays. `EXPLAIN` shows either.

use std::fmt::Write;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::exec_datafusion_err;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Explain, LogicalPlan, PlanType, StringifiedPlan};
use datafusion::physical_plan::analyze::AnalyzeExec;
use datafusion::physical_plan::explain::ExplainExec;
use datafusion::physical_plan::{ExecutionPlan, displayable};
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use datafusion::prelude::SessionConfig;
use datafusion_distributed::{
    DistributedCodec, DistributedExec, DistributedGetterExt, DistributedLeafExec, NetworkBoundaryExt,
    SessionStateBuilderExt, display_plan_ascii,
};
use datafusion_proto::bytes::physical_plan_to_bytes_with_proto_converter;
use datafusion_proto::physical_plan::DeduplicatingProtoConverter;

use super::settings::WithSettings;
use super::single_row::SingleRowSubqueries;
use super::small_builds::with_filters;
use super::transport::is_loopback;
use super::travel;
use crate::compat::{InOrderExec, KEEP_ORDER};

type Planner = Arc<dyn QueryPlanner + Send + Sync>;

/// Says that all workers see the local files of this machine under the same paths, such as on a network file system.
/// An extension of [`SessionConfig`].
#[derive(Debug)]
pub struct SharedFiles;

tokio::task_local! {
    /// The plan of one machine, for the planner that distributes it.
    static FINISHED: Arc<dyn ExecutionPlan>;
}

/// Makes the session plan for workers. Must come after all else that changes its query planner.
pub(super) fn install(mut builder: SessionStateBuilder) -> SessionStateBuilder {
    let local = builder.query_planner().take().unwrap_or_else(|| Arc::new(Default));
    let builder = builder.with_query_planner(Arc::new(Finished)).with_distributed_planner();
    let mut builder = builder.with_analyzer_rule(Arc::new(SingleRowSubqueries));
    match builder.query_planner().take() {
        Some(distribute) => builder.with_query_planner(Arc::new(ClusterPlanner { local, distribute })),
        None => builder.with_query_planner(local),
    }
}

/// DataFusion's planner.
#[derive(Debug)]
struct Default;

#[async_trait]
impl QueryPlanner for Default {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        DefaultPhysicalPlanner::default().create_physical_plan(plan, session).await
    }
}

/// Returns the plan that is finished already.
#[derive(Debug)]
struct Finished;

#[async_trait]
impl QueryPlanner for Finished {
    async fn create_physical_plan(&self, _: &LogicalPlan, _: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        FINISHED.try_with(Arc::clone).map_err(|_| exec_datafusion_err!("no plan to distribute"))
    }
}

/// Plans with the session's own planner, then distributes the result.
#[derive(Debug)]
struct ClusterPlanner {
    local: Planner,
    distribute: Planner,
}

#[async_trait]
impl QueryPlanner for ClusterPlanner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        let local = self.local.create_physical_plan(plan, session).await?;
        match plan {
            LogicalPlan::Explain(explain) => self.explain(explain, local, session).await,
            _ => Ok(match self.placed(plan, local, session).await? {
                (placed, None) => Arc::new(WithSettings::new(placed)),
                (local, Some(_)) => local,
            }),
        }
    }
}

impl ClusterPlanner {
    /// Returns the plan for workers; or the plan itself, and why it stays on this machine.
    async fn placed(
        &self,
        logical: &LogicalPlan,
        local: Arc<dyn ExecutionPlan>,
        session: &dyn Session,
    ) -> Result<(Arc<dyn ExecutionPlan>, Option<String>)> {
        let config = session.config();
        if let Some(reason) = why_local(&local, config)? {
            return Ok((local, Some(reason)));
        }
        let is_distributed = |plan: &Arc<dyn ExecutionPlan>| plan.exists(|node| Ok(node.is::<DistributedExec>()));
        let unordered = self.unordered(logical, &local, session).await?;
        let mut placed = self.distributed(logical, &unordered, session).await?;
        if is_distributed(&placed)?
            && let Some(filtered) = with_filters(&unordered, &session.task_ctx()).await?
        {
            placed = self.distributed(logical, &filtered, session).await?;
        }
        if !is_distributed(&placed)? {
            return Ok((local, Some("it is too small to be worth several tasks".to_owned())));
        }
        match cannot_travel(&placed, config) {
            Some(reason) => Ok((local, Some(reason))),
            None => Ok((placed, None)),
        }
    }

    /// Returns the plan as stages for workers, or as it is if one task is enough.
    async fn distributed(
        &self,
        logical: &LogicalPlan,
        plan: &Arc<dyn ExecutionPlan>,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let planning = self.distribute.create_physical_plan(logical, session);
        FINISHED.scope(Arc::clone(plan), planning).await
    }

    /// Returns the plan without the order of files that SQL does not ask for: workers read at the same time.
    async fn unordered(
        &self,
        logical: &LogicalPlan,
        local: &Arc<dyn ExecutionPlan>,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let keeps_order = local.exists(|node| Ok(node.is::<InOrderExec>()))?;
        let Some(state) = session.as_any().downcast_ref::<SessionState>().filter(|_| keeps_order) else {
            return Ok(Arc::clone(local));
        };
        let rules = state.physical_optimizers().iter().filter(|rule| rule.name() != KEEP_ORDER).cloned().collect();
        let state = SessionStateBuilder::new_from_existing(state.clone()).with_physical_optimizer_rules(rules).build();
        self.local.create_physical_plan(logical, &state).await
    }

    /// Puts the plan for workers into the answer of `EXPLAIN`, or why the query stays on this machine.
    async fn explain(
        &self,
        explain: &Explain,
        local: Arc<dyn ExecutionPlan>,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(answer) = local.downcast_ref::<ExplainExec>() else { return Ok(local) };
        let is_physical = |plan: &StringifiedPlan| matches!(plan.plan_type, PlanType::FinalPhysicalPlan);
        if !answer.stringified_plans().iter().any(is_physical) {
            return Ok(local);
        }
        let inner = self.local.create_physical_plan(&explain.plan, session).await?;
        let (placed, reason) = self.placed(&explain.plan, inner, session).await?;
        let text = |text: &str| match &reason {
            Some(reason) => format!("{}\n-- runs on this machine: {reason}\n", text.trim_end()),
            None => display_plan_ascii(placed.as_ref(), false),
        };
        let plans = answer.stringified_plans().iter().map(|plan| match is_physical(plan) {
            true => StringifiedPlan::new(plan.plan_type.clone(), text(&plan.plan)),
            false => plan.clone(),
        });
        Ok(Arc::new(ExplainExec::new(answer.schema(), plans.collect(), answer.verbose())))
    }
}

/// Returns why the plan must stay on this machine; `None` if it may travel.
fn why_local(plan: &Arc<dyn ExecutionPlan>, config: &SessionConfig) -> Result<Option<String>> {
    let workers = config.get_distributed_worker_resolver()?.get_urls()?;
    if workers.is_empty() {
        return Ok(Some("no worker answers".to_owned()));
    }
    let shares_files = config.get_extension::<SharedFiles>().is_some() || workers.iter().all(is_loopback);
    let mut reason = travel::why_local(plan, config)?;
    if reason.is_some() {
        return Ok(reason);
    }
    plan.apply(|node| {
        reason = match node.name() {
            "DistributedExec" => Some("a part of it runs on workers".to_owned()),
            "RecursiveQueryExec" | "WorkTableExec" => Some("a recursive query reads its own rows".to_owned()),
            "ScalarSubqueryExec" => Some("a subquery's value is shared between parts of the plan".to_owned()),
            _ => scan(node).filter(|_| !shares_files).and_then(of_this_machine),
        };
        Ok(if reason.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(reason)
}

/// Returns the files that a node reads.
fn scan(node: &Arc<dyn ExecutionPlan>) -> Option<&FileScanConfig> {
    node.downcast_ref::<DataSourceExec>()?.data_source().downcast_ref::<FileScanConfig>()
}

fn of_this_machine(files: &FileScanConfig) -> Option<String> {
    if !files.object_store_url.as_str().starts_with("file:") {
        return None;
    }
    let first = files.file_groups.iter().flat_map(|group| group.iter()).next();
    let mut text = "it reads files of this machine".to_owned();
    if let Some(first) = first {
        let _ = write!(text, ", such as /{}", first.object_meta.location);
    }
    Some(text + "; if all workers see them under the same paths, use --shared-files")
}

/// Returns which part of a plan for workers cannot be sent to them; `None` if all can.
fn cannot_travel(plan: &Arc<dyn ExecutionPlan>, config: &SessionConfig) -> Option<String> {
    let codec = DistributedCodec::new_combined_with_user(config);
    let mut reason = None;
    let walked = plan.apply(|node| {
        let Some(stage) = node.as_network_boundary().and_then(|boundary| boundary.input_stage().local_plan()) else {
            return Ok(TreeNodeRecursion::Continue);
        };
        // Each task gets its own part of a scan; the parts differ in nothing but their files.
        let sent = Arc::clone(stage).transform_down(|node| match node.downcast_ref::<DistributedLeafExec>() {
            Some(leaf) => Ok(match leaf.variants().first() {
                Some(first) => Transformed::yes(Arc::clone(first)),
                None => Transformed::no(node),
            }),
            None => Ok(Transformed::no(node)),
        })?;
        let sent =
            physical_plan_to_bytes_with_proto_converter(sent.data, &codec, &DeduplicatingProtoConverter::default());
        reason = sent.err().map(|e| format!("a part of it cannot be sent to workers: {}", first_line(&e)));
        // Stages below are encoded with it.
        Ok(if reason.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Jump })
    });
    reason.or_else(|| walked.err().map(|e| first_line(&e)))
}

fn first_line(e: &datafusion::error::DataFusionError) -> String {
    e.strip_backtrace().lines().next().unwrap_or_default().to_owned()
}

/// Returns the plan as text: with its stages, if it is one for workers.
#[must_use]
pub fn plan_text(plan: &Arc<dyn ExecutionPlan>) -> String {
    match plan.is::<DistributedExec>() || plan.is::<AnalyzeExec>() {
        true => display_plan_ascii(plan.as_ref(), false),
        false => displayable(plan.as_ref()).indent(true).to_string(),
    }
}
