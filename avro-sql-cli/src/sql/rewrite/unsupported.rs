//! Rejects clauses that DataFusion 55 parses but ignores; running them would return wrong results.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::path::Path;

use datafusion::common::{Result, not_impl_err};
use datafusion::sql::sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Join, JoinConstraint,
    JoinOperator, ObjectNamePart, ObjectType, Query, Select, SelectItem, Statement, TableFactor, VisitorMut,
};

/// DataFusion would make a cross product.
const JOIN_WITHOUT_ON: &str = "JOIN without ON or USING; use CROSS JOIN to pair every row with every row";

/// Records the first such clause.
#[derive(Default)]
pub(super) struct Unsupported(Option<&'static str>);

impl Unsupported {
    /// Returns an error for the recorded clause, if there is one.
    pub(super) fn into_result(self) -> Result<()> {
        match self.0 {
            Some(clause) => not_impl_err!("{clause}"),
            None => Ok(()),
        }
    }

    fn reject<const N: usize>(&mut self, found: [(bool, &'static str); N]) -> ControlFlow<Infallible> {
        let first = found.into_iter().find_map(|(is_there, clause)| is_there.then_some(clause));
        self.0 = self.0.or(first);
        ControlFlow::Continue(())
    }
}

/// Whether the statement drops a path. DataFusion would report success without doing anything.
fn drops_path(statement: &Statement) -> bool {
    let Statement::Drop { object_type: ObjectType::Table | ObjectType::View, names, .. } = statement else {
        return false;
    };
    names.iter().flat_map(|name| &name.0).filter_map(ObjectNamePart::as_ident).any(|name| {
        let is_quoted = name.quote_style.is_some();
        is_quoted && (name.value.contains(['/', '\\', '*']) || Path::new(&name.value).is_file())
    })
}

impl VisitorMut for Unsupported {
    type Break = Infallible;

    fn pre_visit_statement(&mut self, statement: &mut Statement) -> ControlFlow<Infallible> {
        let is_index = matches!(statement, Statement::CreateIndex(_));
        self.reject([
            (is_index, "CREATE INDEX; use avro-sql index PATH to build block indexes"),
            (drops_path(statement), "DROP of a path; delete files with rm"),
        ])
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        let is_distinct_star = match expr {
            Expr::Function(Function { args: FunctionArguments::List(list), .. }) => {
                list.duplicate_treatment == Some(DuplicateTreatment::Distinct)
                    && list.args.iter().any(|arg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Wildcard)))
            }
            _ => false,
        };
        self.reject([(is_distinct_star, "count(DISTINCT *); use SELECT count(*) FROM (SELECT DISTINCT * FROM ..)")])
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Infallible> {
        self.reject([
            (query.for_clause.is_some(), "FOR XML, JSON and BROWSE"),
            (query.settings.is_some(), "SETTINGS"),
            (query.format_clause.is_some(), "FORMAT in a query; use the option --format, or \\format at the prompt"),
        ])
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Infallible> {
        let is_ilike = select.projection.iter().any(|item| match item {
            SelectItem::Wildcard(but) | SelectItem::QualifiedWildcard(_, but) => but.opt_ilike.is_some(),
            _ => false,
        });
        let is_unconditional = select.from.iter().flat_map(|from| &from.joins).any(has_no_condition);
        self.reject([
            (is_unconditional, JOIN_WITHOUT_ON),
            (is_ilike, "* ILIKE"),
            (select.exclude.is_some(), "EXCLUDE after the columns; write SELECT * EXCLUDE (a)"),
            (select.prewhere.is_some(), "PREWHERE; use WHERE"),
            (!select.connect_by.is_empty(), "CONNECT BY; use WITH RECURSIVE"),
            (select.value_table_mode.is_some(), "SELECT AS STRUCT and AS VALUE; use struct(a, b)"),
        ])
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Infallible> {
        match table {
            TableFactor::Table { partitions, version, with_ordinality, json_path, .. } => self.reject([
                (!partitions.is_empty(), "PARTITION after a table; use WHERE"),
                (version.is_some(), "FOR SYSTEM_TIME and other table versions"),
                (*with_ordinality, "WITH ORDINALITY"),
                (json_path.is_some(), "a JSON path after a table"),
            ]),
            TableFactor::NestedJoin { table_with_joins, .. } => {
                self.reject([(table_with_joins.joins.iter().any(has_no_condition), JOIN_WITHOUT_ON)])
            }
            TableFactor::Pivot { default_on_null, .. } => {
                self.reject([(default_on_null.is_some(), "DEFAULT ON NULL in PIVOT; use coalesce on its columns")])
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Returns `true` for a join that needs a condition and has none.
fn has_no_condition(join: &Join) -> bool {
    matches!(
        &join.join_operator,
        JoinOperator::Join(JoinConstraint::None)
            | JoinOperator::Inner(JoinConstraint::None)
            | JoinOperator::Left(JoinConstraint::None)
            | JoinOperator::LeftOuter(JoinConstraint::None)
            | JoinOperator::Right(JoinConstraint::None)
            | JoinOperator::RightOuter(JoinConstraint::None)
            | JoinOperator::FullOuter(JoinConstraint::None)
            | JoinOperator::Semi(JoinConstraint::None)
            | JoinOperator::LeftSemi(JoinConstraint::None)
            | JoinOperator::RightSemi(JoinConstraint::None)
            | JoinOperator::Anti(JoinConstraint::None)
            | JoinOperator::LeftAnti(JoinConstraint::None)
            | JoinOperator::RightAnti(JoinConstraint::None)
    )
}
