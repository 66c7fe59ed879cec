//! Block pruning: which blocks of a file may have rows that match a filter. Dynamic filters are evaluated again when
//! they change.

use super::matching::{TableColumn, is_same_column, table_column};
use super::model::FileIndex;
use crate::projection::field_access;
use arrow_array::{ArrayRef, BooleanArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use avro_arrow::FieldMatch;
use avro_arrow::schema::Schema as AvroSchema;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column as NamedColumn, Result, ScalarValue};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_common::physical_expr::{snapshot_generation, snapshot_physical_expr};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::PhysicalExpr;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// How the columns of a table correspond to those of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ColumnMapping<'a> {
    /// Columns of the files, without partition columns.
    pub(crate) table: &'a SchemaRef,
    /// Schema to which files are resolved, if any, and how fields are matched.
    pub(crate) reader: Option<&'a AvroSchema>,
    pub(crate) by: FieldMatch,
    /// Schema of the file.
    pub(crate) file: &'a AvroSchema,
}

impl ColumnMapping<'_> {
    /// Returns the statistics of this column, or of a field inside it, and its type.
    pub(crate) fn known(&self, index: &FileIndex, column: usize, path: &[&str]) -> Option<(TableColumn, DataType)> {
        let mut field = self.table.fields().get(column)?;
        let mut full = field.name().clone();
        for name in path {
            let DataType::Struct(fields) = field.data_type() else { return None };
            (_, field) = fields.find(name)?;
            full = format!("{full}.{name}");
        }
        let known = index.column(&full)?;
        if !is_same_column(self.reader, self.by, self.file, &full) {
            return None;
        }
        Some((table_column(known, field.data_type())?, field.data_type().clone()))
    }
}

/// Tells which blocks of a file may have rows that match a filter.
#[derive(Debug)]
pub(crate) struct Pruner {
    expr: Arc<dyn PhysicalExpr>,
    /// Columns of the table, followed by the struct fields that the filter uses.
    schema: SchemaRef,
    table: SchemaRef,
    statistics: BlockStatistics,
    /// Generation of the filter at the last evaluation; `None` before the first.
    generation: Option<u64>,
    wanted: Vec<bool>,
}

impl Pruner {
    /// Creates a pruner for a filter over the table's columns; partition columns must already be literals.
    pub(crate) fn new(expr: Arc<dyn PhysicalExpr>, columns: ColumnMapping<'_>, index: &FileIndex) -> Pruner {
        let mut fields: Vec<_> = columns.table.fields().iter().cloned().collect();
        let mut known = HashMap::new();
        let visited = expr.apply(|expr| {
            Ok(match field_access(expr, columns.table.fields()) {
                Some((column, path)) => {
                    let name = name(columns.table, column, &path);
                    if !known.contains_key(&name)
                        && let Some((values, data_type)) = columns.known(index, column, &path)
                    {
                        if !path.is_empty() {
                            fields.push(Arc::new(Field::new(&name, data_type, true)));
                        }
                        known.insert(name, values);
                    }
                    TreeNodeRecursion::Jump
                }
                None => TreeNodeRecursion::Continue,
            })
        });
        debug_assert!(visited.is_ok(), "the visitor does not fail");
        // An unknown column is left out of the statistics, as not all types can express unknown values.
        for (i, field) in fields.iter_mut().enumerate() {
            if !known.contains_key(field.name()) {
                *field = Arc::new(field.as_ref().clone().with_name(format!("\0{i}")));
            }
        }
        let rows = Arc::new(index.rows().clone());
        Pruner {
            expr,
            schema: Arc::new(Schema::new(fields)),
            table: Arc::clone(columns.table),
            statistics: BlockStatistics { rows, columns: known },
            generation: None,
            wanted: vec![true; index.n_blocks()],
        }
    }

    /// Returns whether the filter can change.
    pub(crate) fn is_dynamic(&self) -> bool {
        snapshot_generation(&self.expr) != 0
    }

    /// Evaluates the filter again if it has changed; returns whether it had.
    pub(crate) fn refresh(&mut self) -> bool {
        let generation = snapshot_generation(&self.expr);
        if self.generation == Some(generation) {
            return false;
        }
        self.generation = Some(generation);
        match self.prune() {
            // Dynamic filters only become narrower, so a pruned block stays pruned.
            Ok(Some(wanted)) => self.wanted = wanted,
            // An evaluation error keeps all blocks.
            Ok(None) | Err(_) => self.wanted.fill(true),
        }
        true
    }

    /// Returns whether this block may have matching rows, by the last evaluation.
    pub(crate) fn wants(&self, block: usize) -> bool {
        self.wanted.get(block).copied().unwrap_or(true)
    }

    fn prune(&self) -> Result<Option<Vec<bool>>> {
        let expr = snapshot_physical_expr(Arc::clone(&self.expr))?;
        // Struct fields are columns of their own here.
        let flat = expr
            .transform_down(|expr| {
                let Some((column, path)) = field_access(&expr, self.table.fields()) else {
                    return Ok(Transformed::no(expr));
                };
                let name = name(&self.table, column, &path);
                Ok(match self.schema.index_of(&name) {
                    Ok(index) if !path.is_empty() => {
                        Transformed::new(Arc::new(Column::new(&name, index)), true, TreeNodeRecursion::Jump)
                    }
                    _ => Transformed::new(expr, false, TreeNodeRecursion::Jump),
                })
            })
            .data()?;
        let predicate = PruningPredicateBuilder::new().with_file_schema(Arc::clone(&self.schema)).try_build(flat)?;
        if predicate.always_true() {
            return Ok(None);
        }
        Ok(Some(predicate.prune(&self.statistics)?))
    }
}

/// Name of the column for a nested field. No other column has such a name.
fn name(table: &Schema, column: usize, path: &[&str]) -> String {
    let mut name = table.fields().get(column).map(|field| field.name().clone()).unwrap_or_default();
    for field in path {
        name.push('\0');
        name.push_str(field);
    }
    name
}

#[derive(Debug)]
struct BlockStatistics {
    rows: ArrayRef,
    columns: HashMap<String, TableColumn>,
}

impl PruningStatistics for BlockStatistics {
    fn min_values(&self, column: &NamedColumn) -> Option<ArrayRef> {
        self.columns.get(&column.name).map(|known| Arc::clone(&known.min))
    }

    fn max_values(&self, column: &NamedColumn) -> Option<ArrayRef> {
        self.columns.get(&column.name).map(|known| Arc::clone(&known.max))
    }

    fn num_containers(&self) -> usize {
        self.rows.len()
    }

    fn null_counts(&self, column: &NamedColumn) -> Option<ArrayRef> {
        self.columns.get(&column.name).map(|known| Arc::new(known.nulls.clone()) as ArrayRef)
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::clone(&self.rows))
    }

    fn contained(&self, _column: &NamedColumn, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
