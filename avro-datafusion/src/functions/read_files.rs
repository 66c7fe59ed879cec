//! `SELECT .. FROM read_csv('path', delim => ';')`: files of other formats, with options, whatever their names.
//!
//! The session's own format of that extension reads the files, so an application that registers another CSV format
//! gets it here too.

use super::arguments::TableCall;
use super::wait::wait;
use crate::listing::list::list;
use crate::listing::location::Location;
use crate::table::url::{compression_name, extension, plain};
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::execution::SessionState;
use datafusion::execution::object_store::ObjectStoreUrl;
use std::collections::HashMap;
use std::sync::Arc;

/// A format with a table function of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Json,
    Parquet,
}

/// Options of the functions, as DuckDB calls them, and the options of DataFusion's formats that they set.
const OPTIONS: [(Format, &str, &str); 17] = [
    (Format::Csv, "delim", "format.delimiter"),
    (Format::Csv, "sep", "format.delimiter"),
    (Format::Csv, "delimiter", "format.delimiter"),
    (Format::Csv, "header", "format.has_header"),
    (Format::Csv, "quote", "format.quote"),
    (Format::Csv, "escape", "format.escape"),
    (Format::Csv, "comment", "format.comment"),
    (Format::Csv, "nullstr", "format.null_regex"),
    (Format::Csv, "null_padding", "format.truncated_rows"),
    (Format::Csv, "newlines_in_values", "format.newlines_in_values"),
    (Format::Csv, "sample_size", "format.schema_infer_max_rec"),
    (Format::Csv, "compression", "format.compression"),
    (Format::Json, "format", "format.newline_delimited"),
    (Format::Json, "sample_size", "format.schema_infer_max_rec"),
    (Format::Json, "compression", "format.compression"),
    (Format::Parquet, "binary_as_string", "format.binary_as_string"),
    (Format::Parquet, "skip_metadata", "format.skip_metadata"),
];

/// A table function `read_csv`, `read_json` or `read_parquet`: the rows of a file, directory or glob, or of a list of
/// them, as one table. `read_csv('x.txt', delim => ';', header => false)`.
///
/// Columns are inferred during planning. On a Tokio runtime with a single thread, URLs of object stores are rejected,
/// since waiting for them would block the runtime.
#[derive(Debug)]
pub struct ReadFilesFunc {
    format: Format,
    name: &'static str,
    /// The extension whose registered format reads the files.
    extension: &'static str,
}

impl ReadFilesFunc {
    /// Returns all functions.
    pub(super) fn all() -> [ReadFilesFunc; 3] {
        [
            ReadFilesFunc { format: Format::Csv, name: "read_csv", extension: "csv" },
            ReadFilesFunc { format: Format::Json, name: "read_json", extension: "json" },
            ReadFilesFunc { format: Format::Parquet, name: "read_parquet", extension: "parquet" },
        ]
    }

    /// Returns the name of the function.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the options of the format, from those of a call.
    fn options(&self, pairs: &[(String, String)]) -> Result<HashMap<String, String>> {
        let mut options = HashMap::new();
        for (name, value) in pairs {
            let known = || OPTIONS.iter().filter(|(format, ..)| *format == self.format);
            let Some((_, _, key)) = known().find(|(_, known, _)| known.eq_ignore_ascii_case(name)) else {
                let names: Vec<_> = known().map(|(_, name, _)| *name).collect();
                return plan_err!("{}: unknown option `{name}`; options are {}", self.name, names.join(", "));
            };
            if !value.eq_ignore_ascii_case("auto") {
                options.insert((*key).to_owned(), self.value(key, name, value)?);
            }
        }
        Ok(options)
    }

    /// Returns the value of an option as DataFusion's format reads it.
    fn value(&self, key: &str, name: &str, value: &str) -> Result<String> {
        Ok(match key {
            "format.delimiter" if value == "\\t" => "\t".to_owned(),
            "format.null_regex" => format!("^{}$", regex::escape(value)),
            "format.compression" if value.eq_ignore_ascii_case("none") => "uncompressed".to_owned(),
            "format.newline_delimited" => match value {
                "newline_delimited" | "ndjson" | "lines" => "true".to_owned(),
                "array" => "false".to_owned(),
                _ => return plan_err!("{}: {name} is newline_delimited or array, not `{value}`", self.name),
            },
            _ => value.to_owned(),
        })
    }

    async fn table(
        &self,
        state: &SessionState,
        call: &TableCall,
        locations: &[Location],
    ) -> Result<Arc<dyn TableProvider>> {
        let mut options = self.options(&call.options)?;
        let listings = list(locations, state.runtime_env(), "", None).await?;
        let first = listings.iter().find_map(|listing| Some((listing, listing.files.first()?)));
        let Some((listing, file)) = first else { return plan_err!("no files at {}", call.paths.join(", ")) };
        let name = file.object.location.filename().unwrap_or_default();
        if !options.contains_key("format.compression")
            && self.format != Format::Parquet
            && let Some(compression) = compression_name(name)
        {
            options.insert("format.compression".to_owned(), compression.to_owned());
        }
        let Some(factory) = state.get_file_format_factory(self.extension) else {
            return plan_err!("{}: the session has no format `{}`", self.name, self.extension);
        };
        // Of a directory, the files like its first one; a named file whatever its name.
        let extension =
            match listing.location.is_directory() && !listing.location.below(&file.object.location).is_empty() {
                true => extension(name),
                false => String::new(),
            };
        let format = factory.create(state, &options)?;
        let listed = ListingOptions::new(format).with_file_extension(extension);
        let urls = call.paths.iter().map(|path| ListingTableUrl::parse(plain(path))).collect::<Result<Vec<_>>>()?;
        let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(listed);
        let config = config.infer_partitions_from_path(state).await?.infer_schema(state).await?;
        Ok(Arc::new(ListingTable::try_new(config)?))
    }
}

impl TableFunctionImpl for ReadFilesFunc {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let call = TableCall::parse(self.name, args.exprs())?;
        let Some(state) = args.session().as_any().downcast_ref::<SessionState>() else {
            return Err(DataFusionError::Internal(format!("{} needs DataFusion's own session", self.name)));
        };
        let locations = call.paths.iter().map(|path| Location::parse(path)).collect::<Result<Vec<_>>>()?;
        let locations: Vec<Location> = locations.into_iter().flatten().collect();
        let local = ObjectStoreUrl::local_filesystem();
        let network = locations.iter().any(|location| location.store() != local);
        wait(async { self.table(state, &call, &locations).await }, network)
    }
}
