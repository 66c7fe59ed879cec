//! Join conditions: rewrites `ON`, `USING` and `NATURAL`, and merges the columns of `USING`.
//!
//! `USING (id)` makes one column of two. DataFusion 55 takes the left one, which is null in rows of a `RIGHT` or `FULL
//! JOIN` that only the right side has. So the column is rewritten to the side that has a row.

use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, Join,
    JoinConstraint, JoinOperator, ObjectName,
};

use super::Binder;
use super::scope::{Merged, spelled};

impl Binder<'_> {
    /// Rewrites the condition of a join. Its right side is the relations from `right` on.
    pub(super) fn join(&mut self, join: &mut Join, first: usize, right: usize) -> Result<()> {
        use JoinOperator as J;
        let side = match join.join_operator {
            J::Right(_) | J::RightOuter(_) | J::RightSemi(_) | J::RightAnti(_) => Side::Right,
            J::FullOuter(_) => Side::Either,
            _ => Side::Left,
        };
        let (J::Join(on)
        | J::Inner(on)
        | J::Left(on)
        | J::LeftOuter(on)
        | J::Right(on)
        | J::RightOuter(on)
        | J::FullOuter(on)
        | J::CrossJoin(on)
        | J::Semi(on)
        | J::LeftSemi(on)
        | J::RightSemi(on)
        | J::Anti(on)
        | J::LeftAnti(on)
        | J::RightAnti(on)
        | J::StraightJoin(on)
        | J::AsOf { constraint: on, .. }) = &mut join.join_operator
        else {
            return Ok(());
        };
        match on {
            JoinConstraint::On(condition) => self.expr(condition)?,
            JoinConstraint::Using(columns) => {
                let columns: Vec<Ident> =
                    columns.iter().filter_map(|column| column.0.last()?.as_ident().cloned()).collect();
                if let Some(condition) = self.using(&columns, first, right, side)? {
                    *on = JoinConstraint::On(condition);
                }
            }
            JoinConstraint::Natural => {
                let columns = self.common(first, right);
                if let Some(condition) = self.using(&columns, first, right, side)? {
                    *on = JoinConstraint::On(condition);
                }
            }
            JoinConstraint::None => {}
        }
        let scope = self.scope();
        match &join.join_operator {
            J::Semi(_) | J::LeftSemi(_) | J::Anti(_) | J::LeftAnti(_) => {
                scope.relations.truncate(right);
                scope.merged.retain(|merged| merged.relations.iter().all(|relation| *relation < right));
            }
            J::RightSemi(_) | J::RightAnti(_) => {
                scope.relations.drain(first..right);
                scope.merged.retain(|merged| merged.relations.iter().all(|relation| *relation < first));
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns the columns that both sides have.
    fn common(&mut self, first: usize, right: usize) -> Vec<Ident> {
        let scope = self.scope();
        let names = |from: usize, to: usize| {
            let relations = scope.relations.iter().skip(from).take(to - from);
            relations.flat_map(|r| r.columns.iter().flat_map(|c| c.shown())).map(|column| column.name.as_str())
        };
        let on_right: Vec<_> = names(right, scope.relations.len()).collect();
        let mut common: Vec<&str> = Vec::new();
        for name in names(first, right) {
            if on_right.contains(&name) && !common.contains(&name) {
                common.push(name);
            }
        }
        common.into_iter().map(|name| Ident::with_quote('"', name)).collect()
    }

    /// Returns the condition of `USING` these columns, and merges each pair: the engine takes the left column of an
    /// outer join, which is null where only the right side has a row. `None` if not all columns are known.
    fn using(&mut self, columns: &[Ident], first: usize, right: usize, side: Side) -> Result<Option<Expr>> {
        let all = self.scope().relations.len();
        let relations = self.scope().relations.get(first..).unwrap_or_default();
        if relations.iter().any(|relation| relation.columns.is_none() || relation.name.is_empty()) {
            return Ok(None);
        }
        let mut condition = None;
        for name in columns {
            let [Some(left), Some(other)] = [self.on_side(name, first, right)?, self.on_side(name, right, all)?] else {
                return plan_err!("USING ({}): the column must be on both sides of the join", name.value);
            };
            let equal = Expr::BinaryOp {
                left: Box::new(left.value.clone()),
                op: BinaryOperator::Eq,
                right: Box::new(other.value.clone()),
            };
            condition = Some(match condition {
                None => equal,
                Some(others) => {
                    Expr::BinaryOp { left: Box::new(others), op: BinaryOperator::And, right: Box::new(equal) }
                }
            });
            let value = match side {
                Side::Left => left.value,
                Side::Right => other.value,
                Side::Either => coalesce(left.value, other.value),
            };
            let relations = [left.relations, other.relations].concat();
            let scope = self.scope();
            let is_name = |name: &str| name == left.column.name || name == other.column.name;
            scope.merged.retain(|merged| {
                !(is_name(&merged.column.name) && merged.relations.iter().any(|relation| relations.contains(relation)))
            });
            scope.merged.push(Merged { column: left.column, value, relations });
        }
        Ok(condition)
    }

    /// Returns the column of this name on one side of a join, between two relations.
    fn on_side(&mut self, name: &Ident, from: usize, to: usize) -> Result<Option<Merged>> {
        let scope = self.scope();
        let mut found: Option<Merged> = None;
        for (at, relation) in scope.relations.iter().enumerate().take(to).skip(from) {
            let Some(column) = relation.columns.as_ref().map(|columns| columns.find(name)).transpose()?.flatten()
            else {
                continue;
            };
            let merged = scope
                .merged
                .iter()
                .find(|merged| merged.relations.contains(&at) && merged.column.name.eq_ignore_ascii_case(&column.name));
            match (&found, merged) {
                (Some(before), _) if before.relations.contains(&at) => {}
                (Some(_), _) => {
                    return plan_err!("USING ({}): several tables on one side of the join have the column", name.value);
                }
                (None, Some(merged)) => found = Some(merged.clone()),
                (None, None) => {
                    let value = [relation.name.as_slice(), &[spelled(&column.name)]].concat();
                    found = Some(Merged {
                        column: column.clone(),
                        value: Expr::CompoundIdentifier(value),
                        relations: vec![at],
                    });
                }
            }
        }
        Ok(found)
    }
}

/// The side of a join that always has a row.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
    Either,
}

/// Returns the side that is not null.
fn coalesce(left: Expr, right: Expr) -> Expr {
    let arg = |expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new("coalesce")]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![arg(left), arg(right)],
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}
