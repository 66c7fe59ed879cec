//! Registers corrections for points in time, text, bytes and uuids.

use std::sync::Arc;

use super::{
    approx_distinct, arrow_records, coercion, dates, empty_subqueries, instants, lengths, now, null_records, similar,
    zones,
};
use datafusion::common::Result;
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::prelude::SessionContext;

/// Changes this session. Its time zone becomes UTC, unless it has one.
pub(super) fn enable(ctx: &SessionContext) -> Result<()> {
    let state = ctx.state_ref();
    let mut state = state.write();
    if state.config_options().execution.time_zone.is_none() {
        state.config_mut().options_mut().execution.time_zone = Some("UTC".to_owned());
    }
    register_functions(&mut state)?;
    let mut builder = SessionStateBuilder::new_from_existing(state.clone());
    // DataFusion's own rules determine types, so these come first.
    builder.analyzer().get_or_insert_default().rules.splice(
        0..0,
        [
            Arc::new(arrow_records::ArrowRecords) as _,
            Arc::new(zones::SessionZone) as _,
            Arc::new(similar::Similar) as _,
            Arc::new(coercion::Coercion) as _,
        ],
    );
    let rules = &mut builder.analyzer().get_or_insert_default().rules;
    rules.extend([Arc::new(null_records::NullRecords) as _, Arc::new(empty_subqueries::EmptySubqueries) as _]);
    #[cfg(feature = "sql")]
    {
        use super::{planner, types};
        let function = |name: &str| state.scalar_functions().get(name).map(Arc::clone);
        let operators = planner::Operators { position: function("strpos"), substring: function("substr") };
        builder.expr_planners().get_or_insert_default().insert(0, Arc::new(operators));
        builder = builder.with_type_planner(Arc::new(types::Types));
    }
    *state = builder.build();
    Ok(())
}

fn register_functions(state: &mut SessionState) -> Result<()> {
    let known = state.scalar_functions().clone();
    let function = |name: &str| known.get(name).map(Arc::clone);
    let mut functions: Vec<ScalarUDF> = lengths::all(function);
    functions.extend(dates::all(function));
    functions.push(now::Now::new(state.config_options()).into());
    functions.push(zones::AtTimeZone::new().into());
    state.register_udaf(Arc::new(AggregateUDF::from(approx_distinct::ApproxDistinct::new())))?;
    let options = Arc::clone(state.config_options());
    for function in functions {
        state.register_udf(Arc::new(function))?;
    }
    // Functions created earlier have no time zone.
    for name in known.keys() {
        if let Ok(function) = state.udf(name)
            && let Some(updated) = function.inner().with_updated_config(&options)
        {
            state.register_udf(Arc::new(updated))?;
        }
    }
    for name in instants::NAMES {
        if let Ok(function) = state.udf(name) {
            state.register_udf(Arc::new(ScalarUDF::from(instants::ToTimestamp::new(function))))?;
        }
    }
    Ok(())
}
