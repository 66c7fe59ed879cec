//! Aggregates that other aggregates express: `arg_max`, `count_if`, `listagg`. A rewrite replaces their calls.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, internal_err, plan_err};
use datafusion::logical_expr::expr::{AggregateFunction, Sort};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Expr, Signature, Volatility, cast, lit,
};

use super::function::documented;

/// An aggregate that another one replaces.
pub(super) struct Rewritten {
    name: &'static str,
    aliases: Vec<String>,
    n_args: std::ops::RangeInclusive<usize>,
    usage: &'static str,
    kind: AggregateKind,
    signature: Signature,
    documentation: Documentation,
    /// The function that replaces this.
    by: Arc<AggregateUDF>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum AggregateKind {
    /// The value of one argument in the row where the other is greatest, or least.
    At {
        is_greatest: bool,
    },
    CountIf,
    Joined,
}

/// Name, aliases, numbers of arguments, usage, documentation, replacement.
type Row = (
    &'static str,
    &'static [&'static str],
    std::ops::RangeInclusive<usize>,
    &'static str,
    &'static str,
    AggregateKind,
    &'static str,
);

const AGGREGATES: &[Row] = &[
    (
        "arg_max",
        &["argmax", "max_by"],
        2..=2,
        "arg_max(x, y)",
        "The `x` of the row with the greatest `y`; rows in which either is null are ignored.",
        AggregateKind::At { is_greatest: true },
        "first_value",
    ),
    (
        "arg_min",
        &["argmin", "min_by"],
        2..=2,
        "arg_min(x, y)",
        "The `x` of the row with the least `y`; rows in which either is null are ignored.",
        AggregateKind::At { is_greatest: false },
        "first_value",
    ),
    (
        "count_if",
        &["countif"],
        1..=1,
        "count_if(condition)",
        "The number of rows for which the condition is true.",
        AggregateKind::CountIf,
        "count",
    ),
    (
        "listagg",
        &["group_concat"],
        1..=2,
        "listagg(text, separator)",
        "All texts, joined with a separator; a comma by default.",
        AggregateKind::Joined,
        "string_agg",
    ),
];

/// Creates the aggregates; `function` finds those that calls are replaced by.
pub(super) fn all(function: impl Fn(&str) -> Option<Arc<AggregateUDF>>) -> Vec<AggregateUDF> {
    let aggregate = |(name, aliases, n_args, usage, about, kind, by): &Row| {
        Some(AggregateUDF::from(Rewritten {
            name,
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            n_args: n_args.clone(),
            usage,
            kind: *kind,
            signature: Signature::user_defined(Volatility::Immutable),
            documentation: documented(usage, about, ""),
            by: function(by)?,
        }))
    };
    AGGREGATES.iter().filter_map(aggregate).collect()
}

impl std::fmt::Debug for Rewritten {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Rewritten {
    fn eq(&self, other: &Rewritten) -> bool {
        self.name == other.name
    }
}

impl Eq for Rewritten {}

impl std::hash::Hash for Rewritten {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl AggregateUDFImpl for Rewritten {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if !self.n_args.contains(&types.len()) {
            return plan_err!("{}: {} arguments do not fit; use {}", self.name, types.len(), self.usage);
        }
        Ok(types.to_vec())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match self.kind {
            AggregateKind::At { .. } => types.first().cloned().unwrap_or(DataType::Null),
            AggregateKind::CountIf => DataType::Int64,
            AggregateKind::Joined => self.by.return_type(&[DataType::Utf8, DataType::Utf8])?,
        })
    }

    fn return_field(&self, args: &[FieldRef]) -> Result<FieldRef> {
        let types: Vec<DataType> = args.iter().map(|field| field.data_type().clone()).collect();
        let is_nullable = self.kind != AggregateKind::CountIf;
        let field = match (self.kind, args.first()) {
            // Enums and unions keep their metadata.
            (AggregateKind::At { .. }, Some(field)) => Field::clone(field).with_name(self.name),
            _ => Field::new(self.name, self.return_type(&types)?, is_nullable),
        };
        Ok(Arc::new(field.with_nullable(is_nullable)))
    }

    fn is_nullable(&self) -> bool {
        self.kind != AggregateKind::CountIf
    }

    fn accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        plan_err!("{} is not a window function; use it with GROUP BY in a subquery", self.name)
    }
}

/// Replaces calls.
#[derive(Debug)]
pub(super) struct Replace;

impl FunctionRewrite for Replace {
    fn name(&self) -> &str {
        "avro_sql_aggregates"
    }

    fn rewrite(&self, expr: Expr, _schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        match expr {
            Expr::AggregateFunction(call) => match call.func.inner().downcast_ref::<Rewritten>() {
                Some(function) => function.replaced(call.clone()).map(Transformed::yes),
                None => Ok(Transformed::no(Expr::AggregateFunction(call))),
            },
            expr => Ok(Transformed::no(expr)),
        }
    }
}

impl Rewritten {
    fn replaced(&self, mut call: AggregateFunction) -> Result<Expr> {
        call.func = Arc::clone(&self.by);
        let params = &mut call.params;
        let mut args = std::mem::take(&mut params.args).into_iter();
        let Some(first) = args.next() else { return internal_err!("{} has no arguments", self.name) };
        let filter = params.filter.take().map(|filter| *filter);
        match self.kind {
            AggregateKind::At { is_greatest } => {
                let Some(by) = args.next() else { return internal_err!("{} has two arguments", self.name) };
                if params.distinct || !params.order_by.is_empty() {
                    return plan_err!("{} takes neither DISTINCT nor ORDER BY", self.name);
                }
                let is_known = first.clone().is_not_null().and(by.clone().is_not_null());
                params.filter = Some(Box::new(filter.map_or(is_known.clone(), |filter| filter.and(is_known))));
                params.order_by = vec![Sort { expr: by, asc: !is_greatest, nulls_first: false }];
                params.args = vec![first];
            }
            AggregateKind::CountIf => {
                params.filter = Some(Box::new(filter.map_or(first.clone(), |filter| filter.and(first))));
                params.args = vec![lit(1_i64)];
            }
            AggregateKind::Joined => {
                params.filter = filter.map(Box::new);
                params.args = vec![cast(first, DataType::Utf8), args.next().unwrap_or_else(|| lit(","))];
            }
        }
        Ok(Expr::AggregateFunction(call))
    }
}
