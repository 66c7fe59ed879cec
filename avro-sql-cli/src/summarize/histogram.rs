//! `FROM histogram('path', 'column')`: how many values fall into each of some ranges, as numbers and as bars.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::datasource::TableType;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;

use super::{part, query, state, text};
use crate::sql::rewrite;

/// Ranges by default.
const BINS: i64 = 10;

/// Values of a column without ranges, the most frequent ones.
const VALUES: usize = 20;

/// Characters of the longest bar.
const BAR: usize = 30;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("bin", DataType::Utf8View, true),
        Field::new("count", DataType::Int64, true),
        Field::new("bar", DataType::Utf8View, true),
    ]))
});

/// The table function `histogram('path', 'column')`, with the number of ranges as its third argument.
///
/// Numbers, dates and times are counted in ranges of one width. Other values are counted one by one.
#[derive(Debug)]
pub(super) struct HistogramFunc;

impl TableFunctionImpl for HistogramFunc {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let bins = match args.exprs().get(2) {
            None => Some(BINS),
            Some(Expr::Literal(ScalarValue::Int64(Some(bins)), _)) if (1..=1000).contains(bins) => Some(*bins),
            Some(_) => None,
        };
        let column = |argument: &Expr| match argument {
            Expr::Column(column) => Some(column.name.clone()),
            other => text(other).map(str::to_owned),
        };
        match (args.exprs(), bins) {
            ([source, of] | [source, of, _], Some(bins))
                if let (Some(source), Some(of)) = (text(source), column(of)) =>
            {
                Ok(Arc::new(Histogram { source: query(source), column: of, bins }))
            }
            _ => {
                plan_err!("write histogram('path', 'column') or histogram('path', 'column', 20) for up to 1000 ranges")
            }
        }
    }
}

#[derive(Debug)]
struct Histogram {
    source: String,
    /// A column, a field or an expression.
    column: String,
    bins: i64,
}

#[async_trait]
impl TableProvider for Histogram {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&SCHEMA)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let state = state(session)?;
        let values = format!("SELECT {} AS v FROM ({}) AS t", self.column, self.source);
        let plan = rewrite::plan(state, &values).await?;
        let sql = sql(&values, plan.schema().field(0).data_type(), self.bins);
        let plan = rewrite::plan(state, &sql).await?;
        part(state.create_physical_plan(&plan).await?, projection, limit)
    }
}

/// Returns the query of a histogram of the column `v`.
fn sql(values: &str, of: &DataType, bins: i64) -> String {
    let (number, width, label) = match of {
        DataType::Float16
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => (
            "CAST(v AS DOUBLE)".to_owned(),
            format!("(hi - lo) / {bins}e0"),
            // Two digits more than the width has.
            "CASE WHEN hi = lo THEN CAST(lo AS VARCHAR) ELSE concat(CAST(round(lo + b * w, CAST(2 - floor(log10(w)) AS INTEGER)) AS VARCHAR), ' .. ', \
             CAST(round(lo + (b + 1) * w, CAST(2 - floor(log10(w)) AS INTEGER)) AS VARCHAR)) END"
                .to_owned(),
        ),
        of if of.is_integer() => whole("v", bins, |x| format!("CAST({x} AS VARCHAR)")),
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) | DataType::Time32(_) | DataType::Time64(_) => {
            let through = if matches!(of, DataType::Date32 | DataType::Time32(_)) { "Int32" } else { "Int64" };
            let of = of.to_string().replace('\'', "''");
            let back =
                |x: &str| format!("CAST(arrow_cast(arrow_cast(CAST({x} AS BIGINT), '{through}'), '{of}') AS VARCHAR)");
            whole(&format!("arrow_cast(v, '{through}')"), bins, back)
        }
        _ => {
            return format!(
                "WITH c AS (SELECT CAST(v AS VARCHAR) AS bin, count(*) AS count FROM ({values}) AS t \
                 WHERE v IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {VALUES}) \
                 SELECT bin, count, {} AS bar FROM c ORDER BY count DESC, bin",
                bar("count")
            );
        }
    };
    // Ranges without values are rows too.
    format!(
        "WITH v AS (SELECT {number} AS x FROM ({values}) AS t WHERE v IS NOT NULL), \
         m AS (SELECT min(x) AS lo, max(x) AS hi FROM v WHERE x - x = 0), \
         r AS (SELECT lo, hi, CASE WHEN hi > lo THEN {width} ELSE 1 END AS w FROM m WHERE lo IS NOT NULL), \
         c AS (SELECT least(CAST(floor((x - lo) / w) AS BIGINT), {last}) AS b, count(*) AS n FROM v, r \
         WHERE x - x = 0 GROUP BY 1), \
         b AS (SELECT value AS b, lo, hi, w FROM generate_series(0, {last}), r WHERE lo + value * w <= hi) \
         SELECT {label} AS bin, coalesce(n, 0) AS count, {bar} AS bar FROM b LEFT JOIN c USING (b) ORDER BY b",
        last = bins - 1,
        bar = bar("coalesce(n, 0)"),
    )
}

/// Returns number, width and label for ranges of whole numbers.
fn whole(value: &str, bins: i64, text: impl Fn(&str) -> String) -> (String, String, String) {
    (
        format!("CAST({value} AS DECIMAL(38, 0))"),
        format!("CAST(floor((hi - lo) / {bins}) AS DECIMAL(38, 0)) + 1"),
        format!(
            "CASE WHEN w = 1 THEN {low} ELSE concat({low}, ' .. ', {high}) END",
            low = text("lo + b * w"),
            high = text("least(lo + (b + 1) * w - 1, hi)"),
        ),
    )
}

/// Returns the bar of a count as an expression.
fn bar(count: &str) -> String {
    format!("repeat('█', CAST(round({BAR} * {count} / CAST(max({count}) OVER () AS DOUBLE)) AS BIGINT))")
}
