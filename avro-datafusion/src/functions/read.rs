//! `SELECT .. FROM read_avro('path', option => value)`: the call in, a table of the files' rows out.

use super::arguments::Arguments;
use super::wait::wait;
use crate::options::read::AvroOptions;
use crate::table::provider::AvroTable;
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::Result;
use datafusion::execution::object_store::ObjectStoreUrl;
use std::sync::Arc;

/// The table function `read_avro('path', option => value, ..)`: the rows of a file, directory or glob, or of a list of them
/// (`['a.avro', 'b/']`) as one table. The options are those of [`AvroOptions::set`], with values of any type; `name = value` means
/// the same. Where named arguments are not to be had, `read_avro('path', 'option', 'value', ..)` is what they become.
///
/// The headers of the files are read when the query is planned. In a Tokio runtime of one thread, URLs of object stores are
/// refused, since waiting for them would stop what they need.
#[derive(Debug)]
pub struct ReadAvroFunc {
    options: AvroOptions,
}

impl ReadAvroFunc {
    /// The function for files that are read with these options, unless a call gives others.
    pub fn new(options: AvroOptions) -> Self {
        ReadAvroFunc { options }
    }
}

impl TableFunctionImpl for ReadAvroFunc {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let arguments = Arguments::parse("read_avro", args.exprs(), &self.options)?;
        let local = ObjectStoreUrl::local_filesystem();
        let network = arguments.locations()?.iter().any(|location| location.store() != local);
        let session = args.session();
        let Arguments { paths, options } = arguments;
        let table = wait(async move { AvroTable::try_new(session, paths, options).await }, network)?;
        Ok(Arc::new(table))
    }
}
