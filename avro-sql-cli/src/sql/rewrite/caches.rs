//! `CREATE CACHE ON t`, `CREATE CACHE ON t (a, b)` and `DROP CACHE ON t`: columnar copies of a table's files.

use avro_datafusion::AvroTable;
use avro_datafusion::cache::CacheOptions;
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, plan_err};
use datafusion::datasource::source_as_provider;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use std::sync::Arc;

use super::tokens::is_space;

/// Executes these statements; returns `false` for others.
pub(crate) async fn cache(state: &SessionState, sql: &str, read_only: bool) -> Result<bool> {
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize() else { return Ok(false) };
    let tokens: Vec<Token> =
        tokens.into_iter().filter(|token| !is_space(token) && *token != Token::SemiColon).collect();
    let is_word = |at: usize, word: &str| match tokens.get(at) {
        Some(Token::Word(found)) => found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word),
        _ => false,
    };
    let (creates, drops) = (is_word(0, "CREATE"), is_word(0, "DROP"));
    if !(creates || drops) || !is_word(1, "CACHE") {
        return Ok(false);
    }
    let statement = if creates { "CREATE CACHE" } else { "DROP CACHE" };
    let Some((name, rest)) = is_word(2, "ON").then(|| table(tokens.get(3..).unwrap_or_default())).flatten() else {
        return plan_err!("write {statement} ON t, where t is a table or the path of files in quotes");
    };
    if read_only {
        return plan_err!("{statement} writes files, which --read-only forbids");
    }
    let columns = match rest {
        [] => None,
        _ if creates => match columns(rest) {
            Some(columns) => Some(columns),
            None => return plan_err!("write CREATE CACHE ON t (a, b), with names of columns"),
        },
        [other, ..] => return plan_err!("DROP CACHE ON {name}: unexpected `{other}` after the table"),
    };
    let plan = Box::pin(super::plan(state, &format!("SELECT * FROM {name}"))).await?;
    let tables = scanned(&plan)?;
    let table = match tables.as_slice() {
        [table] => table.downcast_ref::<AvroTable>(),
        _ => None,
    };
    let Some(table) = table else {
        return plan_err!("{statement}: {name} is not a table of Avro files; only these have columnar copies");
    };
    if drops {
        table.remove_copies(state).await?;
        return Ok(true);
    }
    let made = table.build_copies(state, &CacheOptions::default().with_columns(columns)).await?;
    match made.first() {
        Some(first) if made.iter().all(|file| file.copy.is_none()) && first.left_out.is_empty() => {
            plan_err!("CREATE CACHE: the copy of {} is larger than the option `cache_size`", first.file)
        }
        Some(first) if made.iter().all(|file| file.copy.is_none()) => {
            plan_err!("CREATE CACHE: a copy of {} can hold none of these columns exactly", first.file)
        }
        _ => Ok(true),
    }
}

/// Splits the tokens into the SQL of a table's name and the rest.
fn table(tokens: &[Token]) -> Option<(String, &[Token])> {
    let is_name = |token: &Token| matches!(token, Token::Word(_) | Token::SingleQuotedString(_));
    let mut n = 1;
    tokens.first().filter(|token| is_name(token))?;
    while tokens.get(n) == Some(&Token::Period) && tokens.get(n + 1).is_some_and(is_name) {
        n += 2;
    }
    let (name, rest) = tokens.split_at_checked(n)?;
    Some((name.iter().map(Token::to_string).collect(), rest))
}

/// Returns the names in `(a, b)`.
fn columns(tokens: &[Token]) -> Option<Vec<String>> {
    let [Token::LParen, names @ .., Token::RParen] = tokens else { return None };
    let name = |tokens: &[Token]| match tokens {
        [Token::Word(word)] => Some(word.value.clone()),
        _ => None,
    };
    names.split(|token| *token == Token::Comma).map(name).collect()
}

/// Returns the tables that a plan reads.
fn scanned(plan: &LogicalPlan) -> Result<Vec<Arc<dyn TableProvider>>> {
    let mut tables = vec![];
    plan.apply(|plan| {
        if let LogicalPlan::TableScan(scan) = plan {
            tables.push(source_as_provider(&scan.source)?);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(tables)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_columns_are_split() {
        let split = |sql: &str| {
            let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize().unwrap();
            let tokens: Vec<Token> = tokens.into_iter().filter(|token| !is_space(token)).collect();
            table(&tokens).map(|(name, rest)| (name, columns(rest)))
        };
        let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(split("t"), Some(("t".to_owned(), None)));
        assert_eq!(split("a.\"B c\" (x, \"Y\")"), Some(("a.\"B c\"".to_owned(), names(&["x", "Y"]))));
        assert_eq!(split("'dir/x.avro'(x)"), Some(("'dir/x.avro'".to_owned(), names(&["x"]))));
        assert_eq!(split("t (x y)"), Some(("t".to_owned(), None)));
        assert_eq!(split("(SELECT 1)"), None);
    }
}
