//! `COPY t TO 'x' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (day))`, as in DuckDB and PostgreSQL: rewrites it as
//! `STORED AS`, `PARTITIONED BY` and `OPTIONS`, which DataFusion reads, and gives options the names that the format
//! has for them.

use datafusion::common::{Result, plan_err};
use datafusion::sql::parser::{CopyToStatement, Statement};
use datafusion::sql::sqlparser::ast::Value;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::tokens::is_space;

/// Zstandard's level where none is given, as in DataFusion and DuckDB.
const ZSTD_LEVEL: i64 = 3;

/// An option in parentheses.
struct CopyOption {
    name: String,
    values: Vec<Token>,
}

/// Rewrites the options in parentheses.
pub(super) fn rewrite(tokens: &mut Vec<TokenWithSpan>) -> Result<()> {
    let Some((options_at, is_explained)) = options(tokens) else { return Ok(()) };
    let Some(span) = tokens.get(options_at).map(|token| token.span) else { return Ok(()) };
    let end = tokens.iter().position(|token| token.token == Token::SemiColon).unwrap_or(tokens.len());
    let found = parse(tokens.get(options_at..end).unwrap_or_default())?;
    let (mut stored, mut partitions, mut others) = (None, Vec::new(), Vec::new());
    for option in found {
        match option.name.to_ascii_lowercase().as_str() {
            "format" => stored = option.values.into_iter().next(),
            "partition_by" => partitions.extend(option.values),
            // Files are replaced in any case.
            "overwrite" | "overwrite_or_ignore" => {}
            // Nothing is written, so there are no statistics.
            "return_stats" if is_explained => {}
            _ => others.push(option),
        }
    }
    let word = Token::make_keyword;
    let mut made = Vec::new();
    if let Some(format) = stored {
        let name = text(&format).unwrap_or_default().to_ascii_uppercase();
        made.extend([word("STORED"), word("AS"), Token::make_word(&name, None)]);
    }
    if !partitions.is_empty() {
        let names = partitions.iter().filter_map(text).map(|name| Token::make_word(&name, Some('"')));
        made.extend([word("PARTITIONED"), word("BY"), Token::LParen]);
        made.extend(listed(names.map(|name| vec![name])));
        made.push(Token::RParen);
    }
    if !others.is_empty() {
        made.extend([word("OPTIONS"), Token::LParen]);
        made.extend(listed(others.into_iter().map(|option| {
            let value = option.values.into_iter().next().unwrap_or(Token::SingleQuotedString("true".to_owned()));
            let value = text(&value).map_or(value, Token::SingleQuotedString);
            vec![Token::SingleQuotedString(option.name), value]
        })));
        made.push(Token::RParen);
    }
    tokens.splice(options_at..end, made.into_iter().map(|token| TokenWithSpan { token, span }));
    Ok(())
}

/// Returns where the options begin, at the parenthesis after the target or at `WITH` before it, and whether the
/// statement is explained.
fn options(tokens: &[TokenWithSpan]) -> Option<(usize, bool)> {
    let keyword = |at: usize| match tokens.get(at).map(|token| &token.token) {
        Some(Token::Word(word)) => Some(word.keyword),
        _ => None,
    };
    let is_word = |at: usize, wanted: Keyword| keyword(at) == Some(wanted);
    let mut words = (0..tokens.len()).filter(|at| tokens.get(*at).is_some_and(|token| !is_space(&token.token)));
    let mut first = words.next()?;
    let is_explained = is_word(first, Keyword::EXPLAIN);
    if is_explained {
        first = words.next()?;
        while let Some(Keyword::ANALYZE | Keyword::VERBOSE | Keyword::FORMAT) = keyword(first) {
            if is_word(first, Keyword::FORMAT) {
                words.next()?; // its name
            }
            first = words.next()?;
        }
    }
    if !is_word(first, Keyword::COPY) {
        return None;
    }
    let mut depth = 0usize;
    while let Some(at) = words.next() {
        match tokens.get(at).map(|token| &token.token) {
            Some(Token::LParen) => depth += 1,
            Some(Token::RParen) => depth = depth.saturating_sub(1),
            _ if depth == 0 && is_word(at, Keyword::TO) => {
                words.next()?; // the target
                let begin = words.next()?;
                let first = if is_word(begin, Keyword::WITH) { words.next()? } else { begin };
                return (tokens.get(first)?.token == Token::LParen).then_some((begin, is_explained));
            }
            _ => {}
        }
    }
    None
}

/// Parses `(NAME value, NAME = value, NAME (value, ..), NAME)`.
fn parse(tokens: &[TokenWithSpan]) -> Result<Vec<CopyOption>> {
    let mut tokens = tokens
        .iter()
        .map(|token| &token.token)
        .filter(|token| !is_space(token))
        .skip_while(|token| **token != Token::LParen)
        .skip(1)
        .peekable();
    let mut options = Vec::new();
    loop {
        let name = match tokens.next() {
            Some(Token::Word(word)) => word.value.clone(),
            Some(Token::SingleQuotedString(name)) => name.clone(),
            Some(Token::RParen) if options.is_empty() => return Ok(options),
            _ => return plan_err!("COPY: write options as (FORMAT parquet, COMPRESSION zstd)"),
        };
        let mut values = Vec::new();
        let mut depth = 0usize;
        loop {
            match tokens.next() {
                Some(Token::LParen | Token::LBracket) => depth += 1,
                Some(Token::RParen | Token::RBracket) if depth > 0 => depth -= 1,
                Some(Token::Comma) if depth > 0 => {}
                Some(Token::Eq) if values.is_empty() => {}
                Some(Token::Comma) => break,
                Some(Token::RParen) => {
                    options.push(CopyOption { name, values });
                    return match tokens.next() {
                        None => Ok(options),
                        Some(other) => plan_err!("COPY: `{other}` after the options"),
                    };
                }
                Some(value) => values.push(value.clone()),
                None => return plan_err!("COPY: the options have no closing parenthesis"),
            }
        }
        options.push(CopyOption { name, values });
    }
}

/// Returns the groups with commas between them.
fn listed(groups: impl Iterator<Item = Vec<Token>>) -> Vec<Token> {
    let mut list = Vec::new();
    for group in groups {
        if !list.is_empty() {
            list.push(Token::Comma);
        }
        list.extend(group);
    }
    list
}

/// Returns a word, a text or a number as text.
fn text(token: &Token) -> Option<String> {
    match token {
        Token::Word(word) => Some(word.value.clone()),
        Token::SingleQuotedString(text) | Token::Number(text, _) => Some(text.clone()),
        _ => None,
    }
}

/// Gives the options of a `COPY` the names and values of its format, and partition columns their names: DataFusion
/// takes the quotes of `PARTITIONED BY ("a")` as a part of the name.
pub(super) fn name_options(statement: &mut Statement) {
    match statement {
        Statement::CopyTo(copy) => {
            copy.partitioned_by.iter_mut().for_each(unquote);
            name_copy_options(copy);
        }
        Statement::CreateExternalTable(table) => table.table_partition_cols.iter_mut().for_each(unquote),
        Statement::Explain(explain) => name_options(&mut explain.statement),
        _ => {}
    }
}

/// Takes the quotes off an identifier that is written with them.
fn unquote(name: &mut String) {
    for quote in ['"', '`'] {
        if let Some(inner) = name.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            *name = inner.replace(&format!("{quote}{quote}"), &quote.to_string());
            return;
        }
    }
}

fn name_copy_options(copy: &mut CopyToStatement) {
    let by_extension = || copy.target.rsplit_once('.').map(|(_, extension)| extension.to_owned());
    let format = copy.stored_as.clone().or_else(by_extension).unwrap_or_default().to_ascii_lowercase();
    let is_level = |name: &str| matches!(name.to_ascii_lowercase().as_str(), "compression_level" | "level");
    let level = match format.as_str() {
        "parquet" => copy.options.iter().position(|(name, _)| is_level(name)).map(|at| copy.options.remove(at).1),
        _ => None,
    };
    let level = level.and_then(|level| level.into_string()).and_then(|level| level.parse().ok());
    for (name, value) in &mut copy.options {
        let lower = name.to_ascii_lowercase();
        let of_csv = matches!(format.as_str(), "csv" | "tsv");
        *name = match (lower.as_str(), format.as_str()) {
            ("compression" | "codec", "avro") => {
                *value = renamed(value, &[("zstd", "zstandard"), ("none", "null"), ("uncompressed", "null")]);
                "codec".to_owned()
            }
            ("compression_level", "avro") => "level".to_owned(),
            ("compression" | "codec", "parquet") => {
                *value = with_level(renamed(value, &[("zstandard", "zstd"), ("none", "uncompressed")]), level);
                "compression".to_owned()
            }
            ("compression" | "codec", _) => "compression".to_owned(),
            ("row_group_size", "parquet") => "max_row_group_size".to_owned(),
            ("header", _) if of_csv => "has_header".to_owned(),
            ("delim" | "sep" | "separator", _) if of_csv => "delimiter".to_owned(),
            ("null" | "nullstr", _) if of_csv => "null_value".to_owned(),
            _ => continue,
        };
    }
}

/// Returns the other name of a value, if it has one here.
fn renamed(value: &Value, names: &[(&str, &str)]) -> Value {
    let text = value.clone().into_string().unwrap_or_default();
    let other = names.iter().find(|(from, _)| text.eq_ignore_ascii_case(from));
    other.map_or_else(|| value.clone(), |(_, to)| Value::SingleQuotedString((*to).to_owned()))
}

/// Adds the level to the name of a compression, which DataFusion needs for some.
fn with_level(value: Value, level: Option<i64>) -> Value {
    let Some(name) = value.clone().into_string() else { return value };
    let level = match (name.to_ascii_lowercase().as_str(), level) {
        ("zstd", level) => level.unwrap_or(ZSTD_LEVEL),
        ("gzip", level) => level.unwrap_or(6),
        ("brotli", level) => level.unwrap_or(4),
        _ => return value,
    };
    Value::SingleQuotedString(format!("{name}({level})"))
}
