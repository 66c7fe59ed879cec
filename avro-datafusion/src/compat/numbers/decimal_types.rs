//! `DECIMAL(p, s)` in SQL.
//!
//! DataFusion takes precision and scale modulo 256, so that `DECIMAL(300, 1)` is a `DECIMAL(44, 1)`. Here it is an
//! error.

use arrow_schema::{DECIMAL256_MAX_PRECISION, FieldRef};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::{DataType as SqlType, ExactNumberInfo};
use std::sync::Arc;

/// Rejects invalid decimal types; other types are left to the previous planner and to DataFusion.
#[derive(Debug)]
pub(super) struct DecimalTypes(Option<Arc<dyn TypePlanner>>);

impl DecimalTypes {
    pub(super) fn before(next: Option<Arc<dyn TypePlanner>>) -> Self {
        DecimalTypes(next)
    }
}

impl TypePlanner for DecimalTypes {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        check(sql_type)?;
        match &self.0 {
            Some(next) => next.plan_type_field(sql_type),
            None => Ok(None),
        }
    }
}

fn check(sql_type: &SqlType) -> Result<()> {
    let most = u64::from(DECIMAL256_MAX_PRECISION);
    let (precision, scale) = match sql_type {
        SqlType::Decimal(info) | SqlType::Numeric(info) | SqlType::Dec(info) => match info {
            ExactNumberInfo::None => return Ok(()),
            ExactNumberInfo::Precision(precision) => (*precision, 0),
            ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
        },
        _ => return Ok(()),
    };
    if precision == 0 || precision > most {
        return plan_err!("{sql_type}: a decimal has 1 to {most} digits");
    }
    match u64::try_from(scale) {
        Ok(scale) if scale <= precision => Ok(()),
        _ => plan_err!("{sql_type}: the digits after the point must be 0 to {precision}"),
    }
}
