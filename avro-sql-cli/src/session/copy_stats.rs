//! `COPY .. (RETURN_STATS)`: a row for each file that the statement has written, as in DuckDB.

use std::collections::HashMap;
use std::path::MAIN_SEPARATOR;
use std::sync::Arc;

use avro_datafusion::expand_home;
use datafusion::arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, UInt64Type};
use datafusion::common::{Result, exec_datafusion_err, plan_err};
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::object_store::path::Path;
use datafusion::object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use datafusion::physical_plan::memory::MemoryStream;
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;

use super::copies;
use crate::sql::rewrite;

/// The option's key in the plan.
const OPTION: &str = "format.return_stats";

/// The output of a statement before it runs.
pub(crate) struct CopyStats {
    /// The path or URL as the statement names it.
    target: String,
    url: ListingTableUrl,
    store: Arc<dyn ObjectStore>,
    /// The files there and their e-tags.
    before: HashMap<Path, Option<String>>,
}

impl CopyStats {
    /// Takes the option out of the plan; returns `None` if the statement does not ask for statistics.
    pub(crate) async fn of(context: &SessionContext, plan: &mut LogicalPlan) -> Result<Option<CopyStats>> {
        let LogicalPlan::Copy(copy) = plan else { return Ok(None) };
        match copy.options.remove(OPTION).as_deref() {
            None | Some("false" | "FALSE" | "0") => return Ok(None),
            Some("true" | "TRUE" | "1") => {}
            Some(other) => return plan_err!("RETURN_STATS is true or false, not {other}"),
        }
        let target = expand_home(&copy.output_url).unwrap_or_else(|| copy.output_url.clone());
        let url = ListingTableUrl::parse(copies::plain(target.clone()))?;
        let store = context.runtime_env().object_store(&url)?;
        let mut stats = CopyStats { target, url, store, before: HashMap::new() };
        let there = stats.files().await?;
        stats.before = there.into_iter().map(|file| (file.location, file.e_tag)).collect();
        Ok(Some(stats))
    }

    /// Returns a row for each written file. The files have all `rows` rows.
    pub(crate) async fn rows(&self, context: &SessionContext, rows: i64) -> Result<SendableRecordBatchStream> {
        let mut files = self.files().await?;
        let is_one = self.is_one(&files);
        files.retain(|file| is_one || self.before.get(&file.location) != Some(&file.e_tag));
        let (mut names, mut counts, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
        for file in &files {
            counts.push(if files.len() == 1 { rows } else { self.count(context, file).await? });
            names.push(if is_one { self.target.clone() } else { self.name(file) });
            sizes.push(i64::try_from(file.size).unwrap_or(i64::MAX));
        }
        let number = |name: &str| Field::new(name, DataType::Int64, false);
        let fields = [Field::new("filename", DataType::Utf8, false), number("count"), number("file_size_bytes")];
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let (names, counts) = (StringArray::from(names), Int64Array::from(counts));
        let columns = vec![Arc::new(names) as _, Arc::new(counts) as _, Arc::new(Int64Array::from(sizes)) as _];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
        Ok(Box::pin(MemoryStream::try_new(vec![batch], schema, None)?))
    }

    /// Whether the output is one file.
    fn is_one(&self, files: &[ObjectMeta]) -> bool {
        matches!(files, [file] if file.location == *self.url.prefix())
    }

    /// Returns the file, or the files of the directory in the order of their paths.
    async fn files(&self) -> Result<Vec<ObjectMeta>> {
        if let Ok(file) = self.store.head(self.url.prefix()).await {
            return Ok(vec![file]);
        }
        let mut files: Vec<ObjectMeta> = self.store.list(Some(self.url.prefix())).try_collect().await?;
        files.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(files)
    }

    /// Returns the path or URL of a file in the output directory.
    fn name(&self, file: &ObjectMeta) -> String {
        let below = file.location.prefix_match(self.url.prefix());
        let below: Vec<String> = below.into_iter().flatten().map(|part| part.as_ref().to_owned()).collect();
        format!("{}/{}", self.target.trim_end_matches(['/', MAIN_SEPARATOR]), below.join("/"))
    }

    /// Counts the rows of a file.
    async fn count(&self, context: &SessionContext, file: &ObjectMeta) -> Result<i64> {
        let name = self.name(file).replace('\'', "''");
        let plan = rewrite::plan(&context.state(), &format!("SELECT count(*) FROM '{name}'")).await?;
        let batches = context.execute_logical_plan(plan).await?.collect().await?;
        let counts = batches.first().and_then(|batch| batch.columns().first()?.as_primitive_opt::<Int64Type>());
        let count = counts.and_then(|counts| counts.values().first().copied());
        count.ok_or_else(|| exec_datafusion_err!("{name}: its rows cannot be counted"))
    }
}

/// Returns the number of rows that the engine says it has written.
pub(crate) fn written(answer: &RecordBatch) -> i64 {
    let counts = answer.columns().first().and_then(|column| column.as_primitive_opt::<UInt64Type>());
    let n: u64 = counts.map_or(0, |counts| counts.values().iter().sum());
    i64::try_from(n).unwrap_or(i64::MAX)
}
