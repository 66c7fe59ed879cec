//! The SQL of a scan: columns, a condition and a limit.

use arrow_schema::{DataType, Field, Fields, Schema};
use avro_sql_cli::embed::SqlFailure;

/// What a scan returns of its table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    /// Columns or nested fields, `a.b`; `None` is all columns.
    pub(crate) columns: Option<Vec<String>>,
    /// A condition in SQL.
    pub(crate) condition: Option<String>,
    pub(crate) n_rows: Option<u64>,
}

/// Returns a name in the quotes of SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns a text in the quotes of SQL.
pub(crate) fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

impl Selection {
    /// Whether this is all columns of all rows.
    pub(crate) fn is_all(&self) -> bool {
        self.columns.is_none() && self.condition.is_none() && self.n_rows.is_none()
    }

    /// Returns the query over a table of these columns.
    pub(crate) fn query(&self, table: &str, schema: &Schema) -> Result<String, SqlFailure> {
        let columns = match &self.columns {
            None => "*".to_owned(),
            Some(names) if names.is_empty() => {
                return Err(SqlFailure::request("columns: the list is empty; leave it out for all columns"));
            }
            Some(names) => {
                let columns = names.iter().map(|name| column(schema.fields(), name)).collect::<Result<Vec<_>, _>>()?;
                columns.join(", ")
            }
        };
        Ok(format!("SELECT {columns} {}{}", self.rows(table), self.limit()))
    }

    /// Returns the query that counts the rows.
    pub(crate) fn count(&self, table: &str) -> String {
        match self.n_rows {
            None => format!("SELECT count(*) {}", self.rows(table)),
            Some(_) => format!("SELECT count(*) FROM (SELECT 1 {}{})", self.rows(table), self.limit()),
        }
    }

    fn rows(&self, table: &str) -> String {
        match &self.condition {
            // A line of its own, as the condition may end with a comment.
            Some(condition) => format!("FROM {} WHERE (\n{condition}\n)", quoted(table)),
            None => format!("FROM {}", quoted(table)),
        }
    }

    fn limit(&self) -> String {
        self.n_rows.map(|n| format!(" LIMIT {n}")).unwrap_or_default()
    }
}

/// Returns the expression of a column or nested field, under its name as given.
fn column(fields: &Fields, name: &str) -> Result<String, SqlFailure> {
    if let Some(field) = find(fields, name) {
        return Ok(quoted(field.name()));
    }
    for (at, _) in name.match_indices('.') {
        let (first, rest) = (&name[..at], &name[at + 1..]);
        if let Some(field) = find(fields, first)
            && let Some(expression) = nested(field, rest, quoted(field.name()))
        {
            return Ok(format!("{expression} AS {}", quoted(name)));
        }
    }
    let known: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
    Err(SqlFailure::request(format!("there is no column `{name}`; the columns are {}", known.join(", "))))
}

/// Returns the expression of a field of this record.
fn nested(field: &Field, path: &str, of: String) -> Option<String> {
    let DataType::Struct(fields) = field.data_type() else { return None };
    let get = |field: &Field| format!("get_field({of}, {})", text(field.name()));
    if let Some(field) = find(fields, path) {
        return Some(get(field));
    }
    path.match_indices('.').find_map(|(at, _)| {
        let field = find(fields, &path[..at])?;
        nested(field, &path[at + 1..], get(field))
    })
}

fn find<'a>(fields: &'a Fields, name: &str) -> Option<&'a Field> {
    fields.iter().map(AsRef::as_ref).find(|field| field.name() == name)
}
