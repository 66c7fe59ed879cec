//! `SELECT .. FROM read_avro('path', option => value)`: the rows of files.

use super::arguments::TableArguments;
use super::wait::wait;
use crate::options::read::AvroOptions;
use crate::table::provider::AvroTable;
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::Result;
use datafusion::execution::object_store::ObjectStoreUrl;
use std::sync::Arc;

/// The table function `read_avro('path', option => value, ..)`: the rows of a file, directory or glob, or of a list of
/// them (`['a.avro', 'b/']`), as one table. Options are those of [`AvroOptions::set`], with values of any type; `name =
/// value` also works. Without the cargo feature `sql`, write `read_avro('path', 'option', 'value', ..)`.
///
/// Headers are read during planning. On a Tokio runtime with a single thread, URLs of object stores are rejected, since
/// waiting for them would block the runtime.
#[derive(Debug)]
pub struct ReadAvroFunc {
    options: AvroOptions,
}

impl ReadAvroFunc {
    /// Creates the function with these default options; options of a call take precedence.
    pub fn new(options: AvroOptions) -> Self {
        ReadAvroFunc { options }
    }
}

impl TableFunctionImpl for ReadAvroFunc {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let arguments = TableArguments::parse("read_avro", args.exprs(), &self.options)?;
        let local = ObjectStoreUrl::local_filesystem();
        let network = arguments.locations()?.iter().any(|location| location.store() != local);
        let session = args.session();
        let TableArguments { paths, options } = arguments;
        let table = wait(async move { AvroTable::try_new(session, paths, options).await }, network)?;
        Ok(Arc::new(table))
    }
}
