//! Scopes: resolve a name to a column of the tables in a query.
//!
//! A name means the column with exactly its spelling, or else the only one that differs in case. A quoted name means
//! the former only.

use std::collections::HashMap;

use datafusion::arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{Expr, Ident};

/// A column, and its type if known.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) field: Option<FieldRef>,
}

/// Columns with a lookup by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Columns {
    pub(super) list: Vec<Column>,
    /// How many columns at the end of the list a `*` leaves out.
    hidden: usize,
    /// From lower-case names to positions in the list.
    places: HashMap<String, Vec<usize>>,
}

/// A table in `FROM`.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    /// Its name: `t`, or a schema and `t`; empty if it has none.
    pub(super) name: Vec<Ident>,
    /// Whether the name was given here, to an unnamed subquery.
    pub(super) is_unnamed: bool,
    /// Its columns, if known.
    pub(super) columns: Option<Columns>,
}

/// A column that `USING` or `NATURAL` merged from both sides of a join.
#[derive(Debug, Clone)]
pub(super) struct Merged {
    pub(super) column: Column,
    /// Its value: for an outer join, the one on the side that has a row.
    pub(super) value: Expr,
    /// The relations that had it.
    pub(super) relations: Vec<usize>,
}

/// What the expressions of a query see.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) relations: Vec<Relation>,
    /// Columns merged by `USING` and `NATURAL`.
    pub(super) merged: Vec<Merged>,
    /// The names that `AS` gave to items so far, with their expressions.
    pub(super) aliases: Vec<(String, Expr)>,
    /// The columns of the result, where expressions see them.
    pub(super) outputs: Columns,
    /// Whether those come before the columns of tables.
    pub(super) is_output_first: bool,
    /// The first visible relation: `ON` does not see relations before a comma.
    pub(super) start: usize,
}

/// A resolved column.
#[derive(Debug)]
pub(super) struct ResolvedColumn {
    /// How many parts of the name are the column's; fields follow.
    pub(super) parts: usize,
    pub(super) column: Column,
    /// Its value, if it does not belong to one table.
    pub(super) value: Option<Box<Expr>>,
}

/// The result of resolving a name.
#[derive(Debug)]
pub(super) enum Resolution {
    Column(ResolvedColumn),
    /// Possibly a column of a table whose columns are unknown.
    Unknown,
    Nothing,
}

impl Columns {
    pub(super) fn new(list: Vec<Column>) -> Self {
        let mut places: HashMap<String, Vec<usize>> = HashMap::with_capacity(list.len());
        for (at, column) in list.iter().enumerate() {
            places.entry(column.name.to_lowercase()).or_default().push(at);
        }
        Columns { list, hidden: 0, places }
    }

    pub(super) fn from_schema(schema: &SchemaRef) -> Self {
        let column = |field: &FieldRef| Column { name: field.name().clone(), field: Some(FieldRef::clone(field)) };
        Columns::new(schema.fields().iter().map(column).collect())
    }

    /// Returns these columns, of which a `*` leaves out the last ones.
    pub(super) fn with_hidden(self, hidden: usize) -> Self {
        Columns { hidden, ..self }
    }

    /// Returns the columns that a `*` stands for.
    pub(super) fn shown(&self) -> &[Column] {
        self.list.get(..self.list.len().saturating_sub(self.hidden)).unwrap_or_default()
    }

    /// Whether a `*` leaves columns out.
    pub(super) fn has_hidden(&self) -> bool {
        self.hidden > 0
    }

    /// Returns the candidates of a name: columns with exactly its spelling, or else those that differ in case.
    fn alike(&self, name: &Ident) -> (bool, Vec<&Column>) {
        let places = self.places.get(&name.value.to_lowercase());
        let alike: Vec<_> = places.into_iter().flatten().filter_map(|at| self.list.get(*at)).collect();
        let exact: Vec<_> = alike.iter().copied().filter(|column| column.name == name.value).collect();
        match exact.is_empty() && leaves_capitals_open(name) {
            true => (false, alike),
            false => (true, exact),
        }
    }

    /// Returns the one column of a name.
    pub(super) fn find(&self, name: &Ident) -> Result<Option<&Column>> {
        match self.alike(name).1.as_slice() {
            [] => Ok(None),
            [first, others @ ..] if others.iter().all(|other| other.name == first.name) => Ok(Some(first)),
            several => Err(cased(name, several.iter().map(|column| column.name.as_str()))),
        }
    }
}

/// Returns the error of a name with several candidates that differ in case.
pub(super) fn cased<'a>(name: &Ident, several: impl Iterator<Item = &'a str>) -> datafusion::error::DataFusionError {
    let mut names: Vec<_> = several.collect();
    names.sort_unstable();
    names.dedup();
    let (first, others) = (names.first().copied().unwrap_or_default(), names.get(1..).unwrap_or_default());
    datafusion::error::DataFusionError::Plan(format!(
        "there is no column `{}`, but `{first}` and `{}`; choose one with double quotes: \"{first}\"",
        name.value,
        others.join("` and `")
    ))
}

impl Relation {
    pub(super) fn new(name: Vec<Ident>, columns: Option<Columns>) -> Self {
        let is_unnamed = name.first().is_some_and(|name| name.value.starts_with(super::UNNAMED));
        Relation { name, is_unnamed, columns }
    }

    /// Whether a qualifier names this relation.
    pub(super) fn is_called(&self, qualifier: &[Ident]) -> bool {
        let behind = self.name.len().checked_sub(qualifier.len()).and_then(|at| self.name.get(at..));
        behind.is_some_and(|own| own.iter().zip(qualifier).all(|(own, said)| folded(own) == folded(said)))
    }

    /// Returns its name as it would be written.
    pub(super) fn said(&self) -> String {
        self.name.iter().map(|part| spelled(&folded(part)).to_string()).collect::<Vec<_>>().join(".")
    }
}

impl Scope {
    /// Resolves a name here.
    pub(super) fn meaning(&self, name: &[Ident]) -> Result<Resolution> {
        let mut is_unknown = false;
        // A table qualifier is preferred to a record, as in the engine.
        for parts in (1..name.len().min(4)).rev() {
            let (Some(qualifier), Some(column)) = (name.get(..parts), name.get(parts)) else { continue };
            for relation in self.seen().map(|(_, relation)| relation).filter(|relation| relation.is_called(qualifier)) {
                match &relation.columns {
                    None => is_unknown = true,
                    Some(columns) => {
                        if let Some(column) = columns.find(column)? {
                            return Ok(Resolution::Column(ResolvedColumn {
                                parts: parts + 1,
                                column: column.clone(),
                                value: None,
                            }));
                        }
                    }
                }
            }
        }
        let Some(first) = name.first().filter(|_| !is_unknown) else { return Ok(Resolution::Unknown) };
        let output = match self.outputs.list.is_empty() {
            true => None,
            false => self.output(first)?,
        };
        let found = match output {
            Some(output) if self.is_output_first => Some((output, None)),
            output => self.column(first)?.or(output.map(|output| (output, None))),
        };
        Ok(match found {
            Some((column, value)) => Resolution::Column(ResolvedColumn { parts: 1, column, value }),
            None if self.seen().any(|(_, relation)| relation.columns.is_none()) => Resolution::Unknown,
            None => Resolution::Nothing,
        })
    }

    /// Returns the visible relations and their positions.
    pub(super) fn seen(&self) -> impl Iterator<Item = (usize, &Relation)> {
        self.relations.iter().enumerate().skip(self.start)
    }

    /// Returns the result column of this name. If there are several, the tables decide.
    fn output(&self, name: &Ident) -> Result<Option<Column>> {
        match self.is_output_first {
            true => Ok(self.outputs.find(name)?.cloned()),
            false => Ok(self.outputs.find(name).ok().flatten().cloned()),
        }
    }

    /// Whether this column of a relation was merged.
    pub(super) fn is_merged(&self, relation: usize, column: &str) -> bool {
        self.merged.iter().any(|merged| merged.column.name == column && merged.relations.contains(&relation))
    }

    /// Returns the table column or merged column of an unqualified name.
    fn column(&self, name: &Ident) -> Result<Option<(Column, Option<Box<Expr>>)>> {
        let merged = Columns::new(self.merged.iter().map(|merged| merged.column.clone()).collect());
        let merged = merged.find(name)?;
        let mut best: Vec<(usize, &Column)> = Vec::new();
        let mut is_exact = merged.is_some_and(|merged| merged.name == name.value);
        for (at, relation) in self.seen() {
            let Some(columns) = &relation.columns else { continue };
            let (exact, mut alike) = columns.alike(name);
            alike.retain(|column| !self.is_merged(at, &column.name));
            if alike.is_empty() || is_exact && !exact {
                continue;
            }
            if exact && !is_exact {
                best.clear();
                is_exact = true;
            }
            best.extend(alike.into_iter().map(|column| (at, column)));
        }
        if let Some(merged) = merged
            && let Some(merged) = self.merged.iter().find(|other| other.column.name == merged.name)
            && (best.is_empty() || !is_exact || merged.column.name == name.value)
        {
            // A further table may have an unmerged column of that name.
            let Some(first) = merged.relations.first().filter(|_| !best.is_empty()) else {
                return Ok(Some((merged.column.clone(), Some(Box::new(merged.value.clone())))));
            };
            best.insert(0, (*first, &merged.column));
        }
        match best.as_slice() {
            [] => Ok(None),
            [(_, one)] => Ok(Some(((*one).clone(), None))),
            [(first, one), others @ ..] if others.iter().all(|(at, column)| at == first && column.name == one.name) => {
                Ok(Some(((*one).clone(), None)))
            }
            several if several.iter().all(|(at, _)| several.first().is_some_and(|(first, _)| at == first)) => {
                Err(cased(name, several.iter().map(|(_, column)| column.name.as_str())))
            }
            several => self.ambiguous(name, several),
        }
    }

    fn ambiguous(&self, name: &Ident, several: &[(usize, &Column)]) -> Result<Option<(Column, Option<Box<Expr>>)>> {
        let said = several.iter().filter_map(|(at, column)| {
            let relation =
                self.relations.get(*at).filter(|relation| !relation.name.is_empty() && !relation.is_unnamed)?;
            Some(format!("{}.{}", relation.said(), spelled(&column.name)))
        });
        let said: Vec<_> = said.collect();
        match said.len() == several.len() {
            true => plan_err!("the column `{}` is in several tables; use {}", name.value, said.join(" or ")),
            false => plan_err!(
                "the column `{}` is in several tables; give each an alias, as in (SELECT ..) AS t",
                name.value
            ),
        }
    }
}

/// Whether the case of a name is open: not in double quotes, but in MySQL's quotes, as in MySQL.
pub(super) fn leaves_capitals_open(name: &Ident) -> bool {
    matches!(name.quote_style, None | Some('`'))
}

/// Returns the name of an identifier: lower case if it is unquoted.
pub(crate) fn folded(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_ascii_lowercase(),
    }
}

/// Returns an identifier for exactly this name.
pub(super) fn spelled(name: &str) -> Ident {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    match is_plain {
        true => Ident::new(name),
        false => Ident::with_quote('"', name),
    }
}
