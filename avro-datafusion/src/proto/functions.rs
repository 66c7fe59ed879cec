//! Functions of plans: which of the known functions one is, so that another process takes the same.
//!
//! DataFusion finds functions by name in the session of the process that decodes a plan. But `sum` is another function
//! in a session with exact SQL, and rules create functions that no session registers. So three tables of functions
//! exist in every process, and a plan names the table.

use crate::{compat, register_all, register_sql_functions, sql_functions};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, not_impl_err};
#[cfg(feature = "cluster")]
use datafusion::execution::FunctionRegistry;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::prelude::SessionContext;
use std::any::{Any, TypeId};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

/// The functions of a kind of session, by name and alias.
pub(crate) struct KnownFunctions {
    pub(crate) scalar: HashMap<String, Arc<ScalarUDF>>,
    pub(crate) aggregate: HashMap<String, Arc<AggregateUDF>>,
}

/// The kinds of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// DataFusion's own.
    Native,
    /// Those after [`register_all`].
    Plain,
    /// Those after [`enable_sql_semantics`](compat::enable_sql_semantics) and [`register_sql_functions`].
    Exact,
}

const TABLES: [Table; 3] = [Table::Native, Table::Plain, Table::Exact];

impl KnownFunctions {
    fn of_state(state: &SessionState) -> KnownFunctions {
        KnownFunctions { scalar: state.scalar_functions().clone(), aggregate: state.aggregate_functions().clone() }
    }

    /// Returns the functions of a session after [`register_all`], and with exact SQL.
    fn of_session(is_exact: bool) -> Result<KnownFunctions> {
        let ctx = SessionContext::new();
        register_all(&ctx)?;
        if is_exact {
            compat::enable_sql_semantics(&ctx)?;
            register_sql_functions(&ctx)?;
        }
        let mut functions = KnownFunctions::of_state(&ctx.state());
        for function in compat::unregistered().into_iter().chain(sql_functions::unregistered()) {
            functions.scalar.insert(function.name().to_owned(), function);
        }
        Ok(functions)
    }
}

impl Table {
    fn from_position(position: u32) -> Option<Table> {
        TABLES.get(usize::try_from(position).ok()?).copied()
    }

    pub(crate) fn position(self) -> u32 {
        self as u32
    }

    /// Returns the functions. They are created once for the process.
    pub(crate) fn functions(self) -> Result<&'static KnownFunctions> {
        type Made = std::result::Result<KnownFunctions, String>;
        static NATIVE: LazyLock<KnownFunctions> =
            LazyLock::new(|| KnownFunctions::of_state(&SessionStateBuilder::new_with_default_features().build()));
        static PLAIN: LazyLock<Made> = LazyLock::new(|| KnownFunctions::of_session(false).map_err(|e| e.to_string()));
        static EXACT: LazyLock<Made> = LazyLock::new(|| KnownFunctions::of_session(true).map_err(|e| e.to_string()));
        let made = match self {
            Table::Native => return Ok(&NATIVE),
            Table::Plain => &*PLAIN,
            Table::Exact => &*EXACT,
        };
        made.as_ref().or_else(|e| not_impl_err!("functions of other processes: {e}"))
    }
}

/// Returns whether one function computes what another does.
pub(crate) fn is_same(a: &ScalarUDF, b: &ScalarUDF) -> bool {
    if a.name() != b.name() {
        return false;
    }
    let depends_on_settings = || a.inner().with_updated_config(&ConfigOptions::default()).is_some();
    a == b
        || (type_of(a.inner().as_ref()) == type_of(b.inner().as_ref()) && depends_on_settings())
        || (compat::follows_types(a) && compat::follows_types(b))
}

/// Returns whether `other` computes what a function does for all arguments that the function takes.
#[cfg(feature = "cluster")]
pub(crate) fn extends(other: &ScalarUDF, function: &ScalarUDF) -> bool {
    is_same(other, function) || compat::wrapped(other).is_some_and(|inner| extends(inner, function))
}

fn type_of(function: &dyn Any) -> TypeId {
    function.type_id()
}

/// Returns the table that has a function; `None` if it is of the program.
///
/// # Errors
/// If it is a function of this crate that other processes cannot have.
pub(super) fn scalar(function: &ScalarUDF) -> Result<Option<Table>> {
    for table in TABLES {
        let known = table.functions()?.scalar.get(function.name());
        if known.is_some_and(|known| is_same(known, function)) {
            return Ok(Some(table));
        }
    }
    if is_own(function)? { not_impl_err!("{} cannot be sent to another process", describe(function)) } else { Ok(None) }
}

/// Returns the table that has an aggregate function; `None` if it is of the program.
pub(super) fn aggregate(function: &AggregateUDF) -> Result<Option<Table>> {
    for table in TABLES {
        if table.functions()?.aggregate.get(function.name()).is_some_and(|known| known.as_ref() == function) {
            return Ok(Some(table));
        }
    }
    Ok(None)
}

/// Describes a function in an error.
pub(crate) fn describe(function: &ScalarUDF) -> String {
    match compat::is_subquery(function) {
        true => "a subquery over columns of an outer row".to_owned(),
        false => format!("the function {}", function.name()),
    }
}

/// Returns whether a function is one of this crate's.
pub(crate) fn is_own(function: &ScalarUDF) -> Result<bool> {
    static OWN: LazyLock<HashSet<TypeId>> = LazyLock::new(|| {
        let all = |table: Table| table.functions().into_iter().flat_map(|functions| functions.scalar.values());
        let kinds = |table| all(table).map(|function| type_of(function.inner().as_ref()));
        let native: HashSet<TypeId> = kinds(Table::Native).collect();
        kinds(Table::Plain).chain(kinds(Table::Exact)).filter(|kind| !native.contains(kind)).collect()
    });
    let is_known = Table::Exact.functions()?.scalar.contains_key(function.name());
    Ok(compat::is_subquery(function) || (is_known && OWN.contains(&type_of(function.inner().as_ref()))))
}

/// Returns the function of this name in a table, as the settings of a session make it.
pub(super) fn find_scalar(table: u32, name: &str, config: &ConfigOptions) -> Result<Arc<ScalarUDF>> {
    let known = Table::from_position(table).map(Table::functions).transpose()?;
    let Some(function) = known.and_then(|functions| functions.scalar.get(name)) else {
        return not_impl_err!("encoded plan: there is no function {name}");
    };
    let updated = function.inner().with_updated_config(config);
    Ok(updated.map_or_else(|| Arc::clone(function), Arc::new))
}

/// Returns the aggregate function of this name in a table.
pub(super) fn find_aggregate(table: u32, name: &str) -> Result<Arc<AggregateUDF>> {
    let known = Table::from_position(table).map(Table::functions).transpose()?;
    match known.and_then(|functions| functions.aggregate.get(name)) {
        Some(function) => Ok(Arc::clone(function)),
        None => not_impl_err!("encoded plan: there is no aggregate function {name}"),
    }
}

/// Registers with a session all functions of a kind of session, as its settings make them.
#[cfg(feature = "cluster")]
pub(crate) fn register(state: &mut SessionState, table: Table) -> Result<()> {
    let KnownFunctions { scalar, aggregate } = table.functions()?;
    let config = Arc::clone(state.config_options());
    // An alias of one function may be the name of another: names come last.
    for _ in 0..2 {
        for (name, function) in scalar.iter().filter(|(name, function)| *name == function.name()) {
            let updated = function.inner().with_updated_config(&config);
            let function = updated.map_or_else(|| Arc::clone(function), Arc::new);
            if state.scalar_functions().get(name) != Some(&function) {
                state.register_udf(function)?;
            }
        }
    }
    for (_, function) in aggregate.iter().filter(|(name, function)| *name == function.name()) {
        state.register_udaf(Arc::clone(function))?;
    }
    Ok(())
}

/// Returns the kind of a session that has these aggregate functions.
#[cfg(feature = "cluster")]
pub(crate) fn kind_of(aggregates: &[Arc<AggregateUDF>]) -> Result<Table> {
    let exact = Table::Exact.functions()?.aggregate.get("sum");
    let sum = aggregates.iter().find(|function| function.name() == "sum");
    Ok(if sum.is_some() && sum == exact { Table::Exact } else { Table::Plain })
}
