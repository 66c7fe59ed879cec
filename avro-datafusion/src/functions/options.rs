//! `SELECT .. FROM avro_options()`: a row for each read and write option.

use crate::options::list::{OPTIONS, OptionInfo};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use datafusion::catalog::{MemTable, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Result, plan_err};
use std::sync::Arc;

/// The table function `avro_options()`: the options of `read_avro`, `CREATE EXTERNAL TABLE` and `COPY`.
///
/// | column | type | |
/// |---|---|---|
/// | `name` | Utf8 | the option |
/// | `kind` | Utf8 | `read`, `limit` or `write` |
/// | `default` | Utf8 | its value if it is not set; null if it then does nothing |
/// | `values` | Utf8 | the values that it takes |
/// | `description` | Utf8 | what it does |
#[derive(Debug, Default)]
pub struct AvroOptionsFunc;

impl TableFunctionImpl for AvroOptionsFunc {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        if !args.exprs().is_empty() {
            return plan_err!("avro_options takes no arguments");
        }
        let texts = |of: fn(&OptionInfo) -> &'static str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(OPTIONS.iter().map(of)))
        };
        let defaults = OPTIONS.iter().map(|option| Some(option.default).filter(|default| !default.is_empty()));
        let batch = RecordBatch::try_from_iter([
            ("name", texts(|option| option.name)),
            ("kind", texts(|option| option.kind.name())),
            ("default", Arc::new(StringArray::from_iter(defaults)) as ArrayRef),
            ("values", texts(|option| option.values)),
            ("description", texts(|option| option.description)),
        ])?;
        Ok(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?))
    }
}
