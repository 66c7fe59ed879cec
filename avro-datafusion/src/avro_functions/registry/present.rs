//! Registries with the cargo feature.

use super::Registry;
use avro_arrow::Limits;
use avro_arrow::schema::Schema;
use avro_registry::{RegistryClient, SubjectVersion};
use datafusion::common::{DataFusionError, Result};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The registries of a session by their addresses, so that what was looked up is shared.
#[derive(Debug, Default)]
pub(in crate::avro_functions) struct Registries(Mutex<HashMap<String, Registry>>);

impl Registries {
    /// Whether the environment names a registry.
    pub(in crate::avro_functions) fn in_environment() -> bool {
        std::env::var_os("SCHEMA_REGISTRY_URL").is_some_and(|url| !url.is_empty())
    }

    /// Returns the registry at an address; an empty one is that of the environment.
    pub(in crate::avro_functions) fn get(&self, address: &str, limits: &Limits) -> Result<Registry> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(registry) = known.get(address) {
            return Ok(registry.clone());
        }
        let mut all = avro_registry::Limits::default();
        all.schema = limits.clone();
        let client = RegistryClient::builder(address).limits(all).environment().and_then(|builder| builder.build());
        let registry = client.and_then(Registry::new).map_err(external)?;
        known.insert(address.to_owned(), registry.clone());
        Ok(registry)
    }
}

/// Returns the schema of `SUBJECT[@VERSION]`.
pub(in crate::avro_functions) fn schema_of_subject(registry: &Registry, subject: &str) -> Result<Schema> {
    let found = registry.find(&SubjectVersion::parse(subject)).map_err(external)?;
    Ok(Schema::clone(&found.schema))
}

fn external(e: avro_registry::Error) -> DataFusionError {
    DataFusionError::External(Box::new(e))
}
