//! Hive partitions: directories named `key=value`, the columns and values they stand for, and filters on them.

use crate::listing::list::{DirectoryPruner, Verdict};
use crate::options::read::{AvroOptions, PartitionTypes, Partitions};
use crate::virtual_columns::is_virtual;
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, FieldRef, Schema, TimeUnit};
use avro_arrow::Program;
use avro_arrow::schema::Schema as AvroSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::datasource::listing::helpers::expr_applicable_for_cols;
use datafusion::datasource::physical_plan::wrap_partition_type_in_dict;
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::create_physical_expr;
use datafusion::physical_plan::PhysicalExpr;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Hive's name for null.
pub(crate) const NULL: &str = "__HIVE_DEFAULT_PARTITION__";
/// Key of the file metadata that records the types of the partition columns. A path does not tell whether `01` is text,
/// or `1.50` a decimal.
pub const RECORDED: &str = "avro-sql.partition.schema";

/// The directories between a table's location and one of its files.
pub(crate) struct Directories<'a> {
    names: Vec<&'a str>,
    /// Recorded schema of the partition columns, from the file's header.
    recorded: Option<&'a str>,
}

impl<'a> Directories<'a> {
    /// Returns the directories of a file, given by its path below the location and its recorded schema.
    pub(crate) fn of_file(mut below: Vec<&'a str>, recorded: Option<&'a str>) -> Directories<'a> {
        below.pop();
        Directories { names: below, recorded }
    }

    /// Returns the keys of the `key=value` directories.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.pairs().into_iter().map(|(key, _)| key).collect()
    }

    /// Returns the keys and value texts of the `key=value` directories.
    fn pairs(&self) -> Vec<(String, &'a str)> {
        self.names.iter().filter_map(|name| pair(name)).collect()
    }
}

/// Returns the partition columns of these files. Declared columns keep their types. Others get the recorded type if all
/// values fit it, or else an inferred one.
pub(crate) fn columns(options: &AvroOptions, files: &[Directories<'_>], given: Option<&Schema>) -> Vec<FieldRef> {
    let pairs: Vec<_> = match options.partitions {
        Partitions::Ignore => return vec![],
        _ => files.iter().map(Directories::pairs).collect(),
    };
    let names = match &options.partitions {
        Partitions::Named(names) => names.clone(),
        _ => common_keys(&pairs),
    };
    let recorded = if names.is_empty() { vec![] } else { recorded(files, options) };
    // If columns are declared, directories add none.
    let is_given = |name: &String| given.is_none_or(|schema| schema.fields().find(name).is_some());
    let field = |name: String| match given.and_then(|schema| schema.fields().find(&name)) {
        Some((_, field)) => Arc::clone(field),
        None => {
            let values = pairs.iter().flatten().filter(|(key, _)| *key == name).map(|(_, value)| *value);
            let values: BTreeSet<&str> = values.collect();
            let of_name: Vec<_> = recorded.iter().filter(|field| *field.name() == name).collect();
            match (options.partition_types, of_name.as_slice()) {
                (PartitionTypes::Infer, [first, others @ ..])
                    if others.iter().all(|other| other.data_type() == first.data_type())
                        && values.iter().all(|text| value(text, first.data_type()).is_ok()) =>
                {
                    Arc::clone(first)
                }
                (PartitionTypes::Infer, _) => Arc::new(Field::new(name, type_of(values.into_iter()), true)),
                (PartitionTypes::String, _) => Arc::new(Field::new(name, string(), true)),
            }
        }
    };
    names.into_iter().filter(is_given).map(field).collect()
}

/// Returns the columns recorded by the writers, parsing each distinct schema once.
fn recorded(files: &[Directories<'_>], options: &AvroOptions) -> Vec<FieldRef> {
    let texts: BTreeSet<&str> = files.iter().filter_map(|file| file.recorded).collect();
    let mut fields = vec![];
    for text in texts {
        let Ok(schema) = AvroSchema::parse(text, &options.limits) else { continue };
        let Ok(program) = Program::compile(&schema, &options.decoder(None, 1)) else { continue };
        for field in program.arrow_schema().fields() {
            // A dictionary suits a value that is constant for a file.
            let is_text = matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
            let field = field.as_ref().clone().with_nullable(true);
            fields.push(Arc::new(if is_text { field.with_data_type(string()) } else { field }));
        }
    }
    fields
}

/// Returns the keys that all files share, in order; `None` if they differ.
fn common_keys(files: &[Vec<(String, &str)>]) -> Vec<String> {
    let keys = |pairs: &[(String, &str)]| pairs.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
    let common = files.first().map(|pairs| keys(pairs)).unwrap_or_default();
    let same = files.iter().all(|pairs| pairs.iter().map(|(key, _)| key).eq(&common));
    let repeated = common.iter().enumerate().any(|(i, key)| common.iter().take(i).any(|earlier| earlier == key));
    if same && !repeated { common } else { vec![] }
}

/// Returns the type that fits all these values.
fn type_of<'a>(values: impl Iterator<Item = &'a str>) -> DataType {
    let candidates = [
        (is_integer as fn(&str) -> bool, DataType::Int64),
        (is_date, DataType::Date32),
        (is_timestamp, DataType::Timestamp(TimeUnit::Microsecond, None)),
    ];
    let mut fits = [true; 3];
    let mut any = false;
    for value in values.filter(|value| *value != NULL).map(percent_decode) {
        any = true;
        for (fits, (is, _)) in fits.iter_mut().zip(&candidates) {
            *fits = *fits && is(&value);
        }
        if fits == [false; 3] {
            break;
        }
    }
    let mut fitting = candidates.into_iter().zip(fits).filter(|(_, fits)| *fits).map(|((_, data_type), _)| data_type);
    fitting.next().filter(|_| any).unwrap_or_else(string)
}

fn string() -> DataType {
    wrap_partition_type_in_dict(DataType::Utf8)
}

/// Returns whether this is a 64-bit number in canonical form. Months, days and hours may have two digits; any other
/// leading zero belongs to a code, such as a zip code, and would be lost.
fn is_integer(text: &str) -> bool {
    let is_padded = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_padded || text.parse::<i64>().is_ok_and(|n| n.to_string() == text)
}

/// Returns whether this is a date, such as `2024-01-31`.
fn is_date(text: &str) -> bool {
    has_shape(text, "0000-00-00") && ScalarValue::try_from_string(text.to_owned(), &DataType::Date32).is_ok()
}

/// Returns whether this is a timestamp, such as `2024-01-31 23:59:59`, with up to six fractional digits.
fn is_timestamp(text: &str) -> bool {
    let (seconds, parts) = text.split_once('.').unwrap_or((text, "0"));
    let to = DataType::Timestamp(TimeUnit::Microsecond, None);
    (has_shape(seconds, "0000-00-00 00:00:00") || has_shape(seconds, "0000-00-00T00:00:00"))
        && (1..=6).contains(&parts.len())
        && parts.bytes().all(|byte| byte.is_ascii_digit())
        && ScalarValue::try_from_string(text.to_owned(), &to).is_ok()
}

/// Returns whether the text has digits where the shape has zeros, and otherwise equals it.
fn has_shape(text: &str, shape: &str) -> bool {
    let fits = |(byte, shape): (u8, u8)| if shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(fits)
}

/// Returns the partition values of this file.
pub(crate) fn values(
    columns: &[FieldRef],
    directories: &Directories<'_>,
    location: &str,
    name: &str,
) -> Result<Vec<ScalarValue>> {
    if columns.is_empty() {
        return Ok(vec![]);
    }
    let pairs = directories.pairs();
    let mut values = Vec::with_capacity(columns.len());
    for column in columns {
        if is_virtual(column) {
            values.push(ScalarValue::try_from_string(name.to_owned(), column.data_type())?);
            continue;
        }
        match pairs.iter().find(|(key, _)| key == column.name()) {
            None => {
                return plan_err!("{name} is not in a directory `{}=..` below {}", column.name(), location);
            }
            Some((key, text)) => match value(text, column.data_type()) {
                Ok(value) => values.push(value),
                Err(_) => {
                    return plan_err!(
                        "{name}: the directory `{key}={text}` is not a valid value of the column `{key}` of type {}; \
                         if the directory is newer than the table, create the table again",
                        column.data_type()
                    );
                }
            },
        }
    }
    Ok(values)
}

/// Parses the value of a directory.
fn value(text: &str, data_type: &DataType) -> Result<ScalarValue> {
    match text {
        NULL => ScalarValue::try_from(data_type),
        text => ScalarValue::try_from_string(percent_decode(text), data_type),
    }
}

/// Filters that partition columns alone decide.
pub(crate) struct PartitionFilters {
    columns: Vec<FieldRef>,
    /// Number of leading columns that are directories.
    n_directories: usize,
    /// Filters, each with the number of leading columns that decide it.
    filters: Vec<(usize, Arc<dyn PhysicalExpr>)>,
}

/// Returns whether these columns alone decide a filter.
pub(crate) fn decide(columns: &[FieldRef], filter: &Expr) -> bool {
    let names: Vec<_> = columns.iter().map(|column| column.name().as_str()).collect();
    let mut has_column = false;
    let looked_at = filter.apply(|expr| {
        has_column |= matches!(expr, Expr::Column(_));
        // The result of a subquery is not known yet.
        Ok(match expr {
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) => {
                has_column = false;
                TreeNodeRecursion::Stop
            }
            _ => TreeNodeRecursion::Continue,
        })
    });
    looked_at.is_ok() && has_column && expr_applicable_for_cols(&names, filter)
}

impl PartitionFilters {
    /// Selects the filters that these columns decide; `None` if they decide no filter.
    pub(crate) fn new(columns: &[FieldRef], filters: &[Expr]) -> Result<Option<PartitionFilters>> {
        let schema = DFSchema::from_unqualified_fields(columns.to_vec().into(), HashMap::new())?;
        let (props, context) = (ExecutionProps::new(), PhysicalPlanningContext::default());
        let mut decided = vec![];
        for filter in filters.iter().filter(|filter| decide(columns, filter)) {
            let needed = filter.column_refs().iter().filter_map(|column| schema.maybe_index_of_column(column)).max();
            let needed = needed.map_or(0, |last| last + 1);
            decided.push((needed, create_physical_expr(filter, &schema, &props, &context)?));
        }
        let n_directories = columns.iter().take_while(|column| !is_virtual(column)).count();
        let columns = columns.to_vec();
        Ok((!decided.is_empty()).then_some(PartitionFilters { columns, n_directories, filters: decided }))
    }

    /// Returns which directories, given as their leading column values, may have matching rows.
    fn keep(&self, known: usize, rows: &[Vec<ScalarValue>]) -> Result<Vec<bool>> {
        let mut keep = vec![true; rows.len()];
        if rows.is_empty() {
            return Ok(keep);
        }
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(known);
        let columns = self.columns.get(..known).unwrap_or(&self.columns);
        for (i, column) in columns.iter().enumerate() {
            let null = ScalarValue::try_from(column.data_type())?;
            let values = rows.iter().map(|row| row.get(i).unwrap_or(&null).clone());
            arrays.push(ScalarValue::iter_to_array(values)?);
        }
        let schema = Arc::new(Schema::new(columns.to_vec()));
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(schema, arrays, &options)?;
        for (_, filter) in self.filters.iter().filter(|(needed, _)| *needed <= known) {
            let answer = filter.evaluate(&batch)?.into_array(rows.len())?;
            let Some(answer) = answer.as_boolean_opt() else { continue };
            for (keep, is) in keep.iter_mut().zip(answer) {
                *keep = *keep && is == Some(true);
            }
        }
        Ok(keep)
    }

    /// Returns which files, given as their column values, may have matching rows.
    pub(crate) fn keep_files(&self, rows: &[Vec<ScalarValue>]) -> Result<Vec<bool>> {
        self.keep(self.columns.len(), rows)
    }
}

impl DirectoryPruner for PartitionFilters {
    fn levels(&self) -> usize {
        let levels = self.filters.iter().map(|(needed, _)| *needed);
        levels.filter(|needed| *needed <= self.n_directories).max().unwrap_or(0)
    }

    fn verdicts(&self, directories: &[Vec<&str>]) -> Result<Vec<Verdict>> {
        // Directories of one level have the same depth.
        let level = directories.first().map_or(0, Vec::len);
        let columns = self.columns.get(..level).unwrap_or_default();
        let values = |names: &Vec<&str>| -> Option<Vec<ScalarValue>> {
            let value = |(column, name): (&FieldRef, &&str)| {
                let (_, text) = pair(name).filter(|(key, _)| key == column.name())?;
                // An invalid value is reported for the files inside.
                value(text, column.data_type()).ok()
            };
            columns.iter().zip(names).map(value).collect()
        };
        let values: Vec<Option<Vec<ScalarValue>>> = directories.iter().map(values).collect();
        if columns.len() < level {
            return Ok(vec![Verdict::ListAll; directories.len()]);
        }
        let known: Vec<Vec<ScalarValue>> = values.iter().flatten().cloned().collect();
        let mut kept = self.keep(level, &known)?.into_iter();
        let verdict = |values: &Option<Vec<ScalarValue>>| match values {
            None => Verdict::ListAll,
            Some(_) if kept.next().unwrap_or(true) => Verdict::Descend,
            Some(_) => Verdict::Skip,
        };
        Ok(values.iter().map(verdict).collect())
    }
}

/// Splits a directory name `key=value`.
fn pair(name: &str) -> Option<(String, &str)> {
    let (key, value) = name.split_once('=').filter(|(key, _)| !key.is_empty())?;
    Some((percent_decode(key), value))
}

/// Decodes Hive's percent escapes. Text that does not decode to UTF-8 stays as it is.
fn percent_decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().map_or_else(|_| text.to_owned(), Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn value_type_infers_numbers_dates_and_timestamps() {
        let (int, date, string) = (DataType::Int64, DataType::Date32, string());
        let timestamp = DataType::Timestamp(TimeUnit::Microsecond, None);
        let cases: &[(&[&str], &DataType)] = &[
            (&["2023", "2024"], &int),
            (&["-5", "0", "12345"], &int),
            (&["01", "02", "12"], &int),
            (&["1", "02"], &int),
            (&["9223372036854775807"], &int),
            (&["9223372036854775808"], &string),
            (&["01234", "98765"], &string),
            (&["007"], &string),
            (&["-0"], &string),
            (&["-01"], &string),
            (&["+5"], &string),
            (&["1.5"], &string),
            (&["1e3"], &string),
            (&["\u{661}\u{662}"], &string),
            (&[""], &string),
            (&[], &string),
            (&[NULL], &string),
            (&[NULL, "7"], &int),
            (&["7", "x"], &string),
            (&["2024-01-31", NULL], &date),
            (&["2024-02-30"], &string),
            (&["2024-1-31"], &string),
            (&["2024-01-31", "2024"], &string),
            (&["2024-01-31 10%3A00%3A00"], &timestamp),
            (&["2024-01-31T10:00:00.5", "2024-01-31 10:00:00.123456"], &timestamp),
            (&["2024-01-31 10:00:00.1234567"], &string),
            (&["2024-01-31 10:00:00Z"], &string),
            (&["2024-01-31 10:00"], &string),
            (&["2024-01-31 25:00:00"], &string),
            (&["2024-01-31", "2024-01-31 10:00:00"], &string),
        ];
        check_all(cases, |(values, expected)| {
            assert_eq!(type_of(values.iter().copied()), **expected, "{values:?}");
        });
    }

    #[test]
    fn percent_decode_keeps_invalid_text() {
        for (text, expected) in [
            ("2024-01-01", "2024-01-01"),
            ("12%3A30%3a00", "12:30:00"),
            ("100%", "100%"),
            ("%zz", "%zz"),
            ("%+a", "%+a"),
            ("%ff", "%ff"),
            ("a%2Fb%25", "a/b%"),
            ("", ""),
        ] {
            assert_eq!(percent_decode(text), expected, "{text}");
        }
    }
}
