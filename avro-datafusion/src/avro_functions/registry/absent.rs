//! Registries without the cargo feature: an error that names it.

use avro_arrow::Limits;
use avro_arrow::message::{ResolveError, ResolveSchema, SchemaId};
use avro_arrow::schema::Schema;
use datafusion::common::{Result, plan_err};

/// Never made: the option is an error.
#[allow(dead_code)]
#[derive(Debug, Clone)]
pub(in crate::avro_functions) struct Registry(());

#[derive(Debug, Default)]
pub(in crate::avro_functions) struct Registries {}

impl Registries {
    pub(in crate::avro_functions) fn in_environment() -> bool {
        false
    }

    pub(in crate::avro_functions) fn get(&self, _address: &str, _limits: &Limits) -> Result<Registry> {
        needs_feature()
    }
}

impl ResolveSchema for Registry {
    fn resolve(&mut self, _id: SchemaId) -> Result<Option<Schema>, ResolveError> {
        Ok(needs_feature()?)
    }
}

pub(in crate::avro_functions) fn schema_of_subject(_registry: &Registry, _subject: &str) -> Result<Schema> {
    needs_feature()
}

fn needs_feature<T>() -> Result<T> {
    plan_err!("the option `registry` needs the cargo feature `registry` of avro-datafusion")
}
