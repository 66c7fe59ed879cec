//! Prepared calls: schemas are loaded and decoders compiled once for the constants of a call.

use super::call::{CallConstants, PreparedCall};
use super::definitions::AvroDefinition;
use super::registry::Registries;
use super::sources::load_sources;
use crate::functions::wait;
use crate::listing::listed::ListedFile;
use crate::options::read::AvroOptions;
use datafusion::common::Result;
use datafusion::execution::runtime_env::RuntimeEnv;
use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How long schemas of object stores, and newest versions in registries, are used before a new query loads them again.
const REMOTE_AGE_MAX: Duration = Duration::from_secs(10);
/// Maximum number of prepared calls. When there are more, all are dropped.
const CALLS_MAX: usize = 1_000;

/// The prepared calls of a session.
#[derive(Debug)]
pub(super) struct Prepared {
    runtime: Arc<RuntimeEnv>,
    options: AvroOptions,
    registries: Registries,
    calls: Mutex<HashMap<(&'static str, CallConstants), PreparedEntry>>,
}

#[derive(Debug, Clone)]
struct PreparedEntry {
    call: Arc<dyn PreparedCall>,
    files: Vec<ListedFile>,
    uses_registry: bool,
    loaded: Instant,
}

/// Who asks for a prepared call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The planner: changed schema files are loaded again.
    Planning,
    /// A running query, which uses what was planned.
    Execution,
}

impl Prepared {
    /// Creates a session's cache; `options` are its read options.
    pub(super) fn new(runtime: Arc<RuntimeEnv>, options: AvroOptions) -> Prepared {
        Prepared { runtime, options, registries: Registries::default(), calls: Mutex::default() }
    }

    /// Whether the calls of another session give the same results.
    pub(super) fn reads_like(&self, other: &Prepared) -> bool {
        let of_values = |options: &AvroOptions| (options.decoder(None, 1), options.imports.clone());
        std::ptr::eq(self, other) || of_values(&self.options) == of_values(&other.options)
    }

    /// Returns the prepared call with these constants.
    pub(super) fn get(
        &self,
        definition: &AvroDefinition,
        call: CallConstants,
        stage: Stage,
    ) -> Result<Arc<dyn PreparedCall>> {
        let key = (definition.name, call);
        let known = self.calls.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known
            && (stage == Stage::Execution || known.is_current())
        {
            return Ok(known.call);
        }
        let call = &key.1;
        let uses_network = [call.schema.as_deref(), call.option("schemas")].iter().flatten().any(|p| p.contains("://"));
        let loaded =
            wait(load_sources(definition.name, call, &self.runtime, &self.registries, &self.options), uses_network)?;
        let uses_registry = loaded.value.registry.is_some();
        let prepared: Arc<dyn PreparedCall> = (definition.prepare)(call, loaded.value)?.into();
        let entry =
            PreparedEntry { call: Arc::clone(&prepared), files: loaded.files, uses_registry, loaded: Instant::now() };
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() >= CALLS_MAX {
            calls.clear();
        }
        calls.insert(key, entry);
        Ok(prepared)
    }
}

impl PreparedEntry {
    /// Whether the files are as they were when they were loaded, and the answers of a registry are new.
    fn is_current(&self) -> bool {
        // A subject may have a newer version.
        if self.uses_registry && self.loaded.elapsed() >= REMOTE_AGE_MAX {
            return false;
        }
        self.files.iter().all(|file| match fs::metadata(file.name()) {
            Ok(found) => {
                let changed = found.modified().map_or(SystemTime::UNIX_EPOCH, |time| time);
                found.len() == file.object.size && SystemTime::from(file.object.last_modified) == changed
            }
            Err(_) => self.loaded.elapsed() < REMOTE_AGE_MAX,
        })
    }
}
