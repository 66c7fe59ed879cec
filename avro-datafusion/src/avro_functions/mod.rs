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
use crate::schema_file::given_json;
#[cfg(feature = "cluster")]
use call::{CallConstants, DECODING};
use datafusion::common::Result;
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
#[cfg(feature = "cluster")]
use datafusion::physical_expr::{ScalarFunctionExpr, expressions::Literal};
use definitions::FUNCTIONS;
use function::AvroFunction;
use narrow::NarrowDecoded;
use prepared::Prepared;
use std::sync::Arc;

/// Returns whether a function of this name takes options as pairs of a name and a value.
pub fn takes_avro_options(name: &str) -> bool {
    FUNCTIONS.iter().any(|function| function.name.eq_ignore_ascii_case(name))
}

/// Returns whether a call reads schemas from files or a registry, of which another machine may have others.
#[cfg(feature = "cluster")]
pub(crate) fn reads_schemas_here(call: &ScalarFunctionExpr) -> bool {
    if !call.fun().inner().as_ref().is::<AvroFunction>() {
        return false;
    }
    let constants = call.args().iter().skip(1).map(|arg| arg.downcast_ref::<Literal>().map(Literal::value));
    match CallConstants::parse(call.name(), "", &constants.collect::<Vec<_>>()) {
        Ok(constants) => {
            let decodes = DECODING.contains(&call.name());
            constants.schema.as_deref().map_or(decodes, |schema| given_json(schema).is_none())
                || ["schemas", "registry", "subject"].iter().any(|name| constants.option(name).is_some())
        }
        Err(_) => true,
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
