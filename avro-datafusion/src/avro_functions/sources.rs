//! Where the schemas of a call come from: text, a schema file, a data file, a directory with a file for each id, or a
//! registry.

use super::call::CallConstants;
use super::registry::{Registries, Registry, address_of, schema_of_subject};
use crate::io::object_version::ObjectSnapshot;
use crate::listing::list::list_some;
use crate::listing::listed::ListedFile;
use crate::listing::location::Location;
use crate::options::read::AvroOptions;
use crate::schema_file::{given_json, parse_schema, schema_text};
use avro_arrow::container::Header;
use avro_arrow::message::SchemaId;
use avro_arrow::schema::Schema;
use datafusion::common::{DataFusionError, Result, plan_datafusion_err, plan_err};
use datafusion::execution::runtime_env::RuntimeEnv;
use std::path::Path;

/// Bytes of a file that are read first: all of most schema files, and most headers.
const FIRST_BYTES: u64 = 256 << 10;

/// A schema, and the files that it comes from as they were when it was loaded.
#[derive(Debug, Clone)]
pub(super) struct Loaded<T> {
    pub(super) value: T,
    pub(super) files: Vec<ListedFile>,
}

/// The schemas of a call.
#[derive(Debug)]
pub(super) struct Sources {
    /// The schema argument.
    pub(super) given: Option<Schema>,
    /// The schemas of the option `schemas`.
    pub(super) known: Option<Vec<(SchemaId, Schema)>>,
    /// The registry that has the schemas of the ids in messages.
    pub(super) registry: Option<Registry>,
    /// The read options of the session.
    pub(super) options: AvroOptions,
}

/// Loads the schemas of a call of `function`.
pub(super) async fn load_sources(
    function: &str,
    call: &CallConstants,
    runtime: &RuntimeEnv,
    registries: &Registries,
    options: &AvroOptions,
) -> Result<Loaded<Sources>> {
    let mut files = vec![];
    let address = address_of(function, call, Registries::in_environment())?;
    let registry = address.map(|address| registries.get(address, &options.limits)).transpose()?;
    let given = match &call.schema {
        Some(schema) => match given_json(schema) {
            Some(json) => Some(parse(&json, options)?),
            None => {
                let loaded = load(schema, runtime, options).await?;
                files.extend(loaded.files);
                Some(loaded.value)
            }
        },
        None => None,
    };
    let known = match call.option("schemas") {
        Some(directory) => {
            let loaded = load_all(directory, runtime, options).await?;
            files.extend(loaded.files);
            Some(loaded.value)
        }
        None => None,
    };
    let given = match (&registry, call.option("subject")) {
        (Some(_), Some(_)) if given.is_some() => {
            return plan_err!("{function}: give the schema or the option `subject`, not both");
        }
        (Some(registry), Some(subject)) => Some(schema_of_subject(registry, subject)?),
        _ => given,
    };
    Ok(Loaded { value: Sources { given, known, registry, options: options.clone() }, files })
}

/// Parses the JSON of a schema.
pub(super) fn parse(json: &str, options: &AvroOptions) -> Result<Schema> {
    let parsed = parse_schema(json, None, &options.imports, options.schema_type.as_deref(), &options.limits);
    parsed.map_err(|e| DataFusionError::External(Box::new(e)))
}

/// Loads the schema of a schema file or data file, local or in an object store.
async fn load(path: &str, runtime: &RuntimeEnv, options: &AvroOptions) -> Result<Loaded<Schema>> {
    let locations = Location::parse(path)?;
    let listings = list_some(&locations, runtime, "").await?;
    let Some(file) = listings.first().and_then(|listing| listing.files.first()) else {
        return plan_err!("no such file: {path}");
    };
    let schema = schema_of(file, options).await?;
    Ok(Loaded { value: schema, files: vec![file.clone()] })
}

/// Loads the schemas of a directory: files with the name of an id, such as `7.avsc`, and others by their fingerprints.
async fn load_all(
    directory: &str,
    runtime: &RuntimeEnv,
    options: &AvroOptions,
) -> Result<Loaded<Vec<(SchemaId, Schema)>>> {
    let locations = Location::parse(directory)?;
    let listings = list_some(&locations, runtime, ".avsc").await?;
    let mut schemas = vec![];
    let mut files = vec![];
    for file in listings.iter().flat_map(|listing| &listing.files) {
        let schema = schema_of(file, options).await?;
        schemas.extend(id_of(file).map(|id| (id, schema.clone())));
        schemas.push((SchemaId::Rabin(schema.rabin()), schema));
        files.push(file.clone());
    }
    if schemas.is_empty() {
        return plan_err!("no schema files (.avsc) in {directory}");
    }
    Ok(Loaded { value: schemas, files })
}

async fn schema_of(file: &ListedFile, options: &AvroOptions) -> Result<Schema> {
    let name = file.name();
    let limits = &options.limits;
    let snapshot = ObjectSnapshot::new(file.object.clone());
    let failed = |e: avro_arrow::Error| DataFusionError::External(Box::new(e.in_file(&name)));
    let mut wanted = FIRST_BYTES;
    loop {
        let end = wanted.min(file.object.size);
        let bytes = snapshot.read(file.store.as_ref(), 0..end, &name).await?.bytes;
        let is_data = bytes.starts_with(b"Obj\x01");
        let header = if is_data { Header::parse(&bytes, limits).map_err(failed)? } else { None };
        if let Some(header) = header {
            return Ok(header.schema);
        }
        if end < file.object.size && wanted <= limits.metadata_bytes as u64 {
            wanted *= 8;
            continue;
        }
        if is_data {
            return plan_err!("{name}: the header is cut short, or larger than {} bytes", limits.metadata_bytes);
        }
        if end < file.object.size {
            return plan_err!("{name}: larger than {} bytes, the limit for a schema", limits.metadata_bytes);
        }
        let text = schema_text(&bytes).map_err(|e| plan_datafusion_err!("{name}: {e}"))?;
        // Types that the file names are searched beside it if it is local.
        let beside = Path::new(&name);
        let beside = beside.exists().then_some(beside);
        let type_name = options.schema_type.as_deref();
        return parse_schema(&text, beside, &options.imports, type_name, limits).map_err(failed);
    }
}

/// Returns the id that is the name of a file.
fn id_of(file: &ListedFile) -> Option<SchemaId> {
    let name = file.object.location.filename()?;
    SchemaId::parse(name.rsplit_once('.').map_or(name, |(stem, _)| stem))
}
