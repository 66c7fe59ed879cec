//! SQL functions over Avro bytes in columns: `from_avro`, `to_avro`, `avro_to_json`, `json_to_avro`,
//! `from_avro_file`, `avro_schema_id` and `avro_error`.
//!
//! A call has a value, mostly a schema, and then options as pairs of a name and a value: `from_avro(v, 'x.avsc',
//! 'framing', 'confluent')`. In the SQL of `avro-sql` they are written `framing => 'confluent'`. Schema and options are
//! constants (`call`). From them `sources` loads schemas, `registry` finds those of a schema registry, and `decoding`
//! prepares decoders, once for each call text (`prepared`). `narrow` is an optimizer rule: it decodes only the fields
//! that a query uses.

mod call;
mod framings;
mod registry;
mod sources;
mod decoding;
mod encoding;
mod json;
mod files;
mod definitions;
mod prepared;
mod function;
mod needs;
mod narrow;

use crate::options::read::AvroOptions;
#[cfg(feature = "cluster")]
use call::CallConstants;
use datafusion::common::Result;
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
#[cfg(feature = "cluster")]
use datafusion::physical_expr::{ScalarFunctionExpr, expressions::Literal};
use definitions::FUNCTIONS;
use function::AvroFunction;
use narrow::NarrowDecoded;
use prepared::Prepared;
#[cfg(feature = "cluster")]
use registry::{Registries, address_of};
use std::sync::Arc;

/// Returns whether a function of this name takes options as pairs of a name and a value.
pub fn takes_avro_options(name: &str) -> bool {
    FUNCTIONS.iter().any(|function| function.name.eq_ignore_ascii_case(name))
}

/// Returns why a call must run on this machine, as the end of a sentence: it reads schemas from files or a registry, of
/// which another machine may have others.
#[cfg(feature = "cluster")]
pub(crate) fn why_local(call: &ScalarFunctionExpr) -> Option<&'static str> {
    const FILE: &str = "reads a schema file of this machine";
    const REGISTRY: &str = "asks a schema registry from this machine";
    if !call.fun().inner().as_ref().is::<AvroFunction>() {
        return None;
    }
    let constants = call.args().iter().skip(1).map(|arg| arg.downcast_ref::<Literal>().map(Literal::value));
    let Ok(parsed) = CallConstants::parse(call.fun().name(), "", &constants.collect::<Vec<_>>()) else {
        return Some(FILE);
    };
    let has_file = parsed.schema.as_deref().is_some_and(|schema| !sources::is_text(schema));
    if has_file || parsed.option("schemas").is_some() {
        return Some(FILE);
    }
    match address_of(call.fun().name(), &parsed, Registries::in_environment()) {
        Ok(None) => None,
        Ok(Some(_)) | Err(_) => Some(REGISTRY),
    }
}

/// Registers the functions with these default read options.
pub(crate) fn register(state: &mut SessionState, options: &AvroOptions) -> Result<()> {
    let prepared = Arc::new(Prepared::new(Arc::clone(state.runtime_env()), options.clone()));
    for definition in &FUNCTIONS {
        state.register_udf(Arc::new(AvroFunction::new(definition, &prepared).into()))?;
    }
    if !state.optimizers().iter().any(|rule| rule.name() == NarrowDecoded::NAME) {
        let builder = SessionStateBuilder::new_from_existing(state.clone());
        *state = builder.with_optimizer_rule(Arc::new(NarrowDecoded)).build();
    }
    Ok(())
}
