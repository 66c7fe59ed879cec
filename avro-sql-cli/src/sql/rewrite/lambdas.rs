//! Lambdas and list comprehensions: `list_filter(l, x -> x > 1)`, `list_filter(l, lambda x: x > 1)`,
//! `[x + 1 FOR x IN l IF x > 1]`.
//!
//! The generic dialect parses `->` as the operator of JSON. As in DuckDB, an arrow after a name is that of a lambda
//! only in an argument of a function of lambdas. So tokens encode a lambda as a call, `avro_lambda(x, x > 1)`, which
//! becomes a lambda after parsing.

use std::convert::Infallible;
use std::ops::{ControlFlow, Range};

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, LambdaFunction, LambdaFunctionParameter, LambdaSyntax,
    OneOrManyWithParens, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

/// The function that stands for a lambda between tokens and syntax.
const LAMBDA: &str = "avro_lambda";

/// Functions whose arguments may be lambdas.
const FUNCTIONS: &[&str] = &[
    "any_match",
    "apply",
    "array_any_match",
    "array_apply",
    "array_filter",
    "array_reduce",
    "array_transform",
    "filter",
    "list_any_match",
    "list_apply",
    "list_filter",
    "list_reduce",
    "list_transform",
    "reduce",
];

/// Encodes the lambdas among these tokens.
pub(super) fn encode(tokens: &mut Vec<TokenWithSpan>) {
    let has_any = tokens.iter().any(|token| match &token.token {
        Token::Arrow => true,
        token => is_word(token, "lambda") || is_word(token, "for"),
    });
    if !has_any {
        return;
    }
    // The innermost are last.
    for at in (0..tokens.len()).rev() {
        match tokens.get(at).map(|token| &token.token) {
            Some(Token::LBracket) => comprehension(tokens, at),
            Some(Token::Word(word)) if FUNCTIONS.iter().any(|name| word.value.eq_ignore_ascii_case(name)) => {
                arguments(tokens, at);
            }
            _ => {}
        }
    }
}

fn is_word(token: &Token, name: &str) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(name))
}

/// The tokens that are not spaces, with their places.
fn solid(tokens: &[TokenWithSpan], within: Range<usize>) -> Vec<(usize, &Token)> {
    let all = tokens.iter().enumerate().take(within.end).skip(within.start);
    all.map(|(at, token)| (at, &token.token)).filter(|(_, token)| !matches!(token, Token::Whitespace(_))).collect()
}

/// Returns the place of the bracket that closes the one at `open`, and the places between them that are in no other
/// bracket.
fn closing(tokens: &[TokenWithSpan], open: usize) -> Option<(usize, Vec<usize>)> {
    let mut depth = 0_usize;
    let mut outer = Vec::new();
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some((at, outer));
                }
            }
            Token::Whitespace(_) => continue,
            _ if depth == 1 => outer.push(at),
            _ => {}
        }
    }
    None
}

/// Rewrites `[x + 1 FOR x IN l IF x > 1]` as calls of `list_filter` and `list_transform`.
fn comprehension(tokens: &mut Vec<TokenWithSpan>, open: usize) {
    let Some((close, outer)) = closing(tokens, open) else { return };
    let place = |name: &str, from: usize| {
        outer.iter().copied().find(|at| *at > from && tokens.get(*at).is_some_and(|token| is_word(&token.token, name)))
    };
    let Some(for_at) = place("for", open) else { return };
    let Some(in_at) = place("in", for_at) else { return };
    let if_at = place("if", in_at);
    let part = |from: usize, to: usize| tokens.get(from + 1..to).unwrap_or_default().to_vec();
    let parameters = part(for_at, in_at);
    let lambda = |body: Vec<TokenWithSpan>| {
        let mut call = vec![word(LAMBDA), plain(Token::LParen)];
        call.extend(parameters.iter().cloned());
        call.push(plain(Token::Comma));
        call.extend(body);
        call.push(plain(Token::RParen));
        call
    };
    let call = |name: &str, list: Vec<TokenWithSpan>, lambda: Vec<TokenWithSpan>| {
        let mut call = vec![word(name), plain(Token::LParen)];
        call.extend(list);
        call.push(plain(Token::Comma));
        call.extend(lambda);
        call.push(plain(Token::RParen));
        call
    };
    let mut list = part(in_at, if_at.unwrap_or(close));
    if let Some(if_at) = if_at {
        list = call("list_filter", list, lambda(part(if_at, close)));
    }
    let made = call("list_transform", list, lambda(part(open, for_at)));
    replace(tokens, open..close + 1, made);
}

/// Encodes the lambdas among the arguments of a function.
fn arguments(tokens: &mut Vec<TokenWithSpan>, function: usize) {
    let Some((open, Token::LParen)) = solid(tokens, function + 1..tokens.len()).first().copied() else { return };
    let Some((close, outer)) = closing(tokens, open) else { return };
    let is_comma = |at: &usize| tokens.get(*at).is_some_and(|token| token.token == Token::Comma);
    // The first argument is the list.
    let starts: Vec<usize> = outer.iter().copied().filter(is_comma).collect();
    // The last argument first, as places before it stay.
    for start in starts.into_iter().rev() {
        let argument = solid(tokens, start + 1..close);
        let Some((parameters, body)) = header(&argument) else { continue };
        let end = match closing(tokens, open) {
            Some((close, outer)) => {
                let comma = |at: &usize| *at > body && tokens.get(*at).is_some_and(|t| t.token == Token::Comma);
                outer.into_iter().find(comma).unwrap_or(close)
            }
            None => return,
        };
        let names = parameters.iter().filter_map(|at| tokens.get(*at)).cloned();
        let mut made = vec![word(LAMBDA), plain(Token::LParen)];
        for name in names {
            made.extend([name, plain(Token::Comma)]);
        }
        made.extend(tokens.get(body + 1..end).unwrap_or_default().iter().cloned());
        made.push(plain(Token::RParen));
        replace(tokens, start + 1..end, made);
    }
}

/// Returns the places of a lambda's parameters, and of the arrow or colon before its body.
fn header(argument: &[(usize, &Token)]) -> Option<(Vec<usize>, usize)> {
    let is_name = |token: &Token| matches!(token, Token::Word(_));
    match argument {
        [(_, lambda), rest @ ..] if is_word(lambda, "lambda") => {
            let colon = rest.iter().position(|(_, token)| **token == Token::Colon)?;
            names(rest.get(..colon)?).map(|names| (names, rest.get(colon).map_or(0, |(at, _)| *at)))
        }
        [(name, token), (arrow, Token::Arrow), ..] if is_name(token) => Some((vec![*name], *arrow)),
        [(_, Token::LParen), rest @ ..] => {
            let close = rest.iter().position(|(_, token)| **token == Token::RParen)?;
            let (arrow, token) = rest.get(close + 1)?;
            (**token == Token::Arrow).then_some(())?;
            names(rest.get(..close)?).map(|names| (names, *arrow))
        }
        _ => None,
    }
}

/// Returns the places of names between commas.
fn names(list: &[(usize, &Token)]) -> Option<Vec<usize>> {
    list.chunks(2)
        .map(|pair| match pair {
            [(at, Token::Word(_))] | [(at, Token::Word(_)), (_, Token::Comma)] => Some(*at),
            _ => None,
        })
        .collect()
}

/// Replaces tokens; the new ones have the position of the first.
fn replace(tokens: &mut Vec<TokenWithSpan>, range: Range<usize>, mut made: Vec<TokenWithSpan>) {
    if let Some(first) = tokens.get(range.start) {
        let empty = plain(Token::EOF).span;
        made.iter_mut().filter(|token| token.span == empty).for_each(|token| token.span = first.span);
    }
    made.insert(0, plain(Token::Whitespace(Whitespace::Space)));
    tokens.splice(range, made);
}

fn plain(token: Token) -> TokenWithSpan {
    TokenWithSpan::wrap(token)
}

fn word(name: &str) -> TokenWithSpan {
    plain(Token::make_word(name, None))
}

/// Makes lambdas of the calls that stand for them.
pub(super) struct Lambdas;

impl VisitorMut for Lambdas {
    type Break = Infallible;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        if let Some(lambda) = decoded(expr) {
            *expr = Expr::Lambda(lambda);
        }
        ControlFlow::Continue(())
    }
}

fn decoded(expr: &Expr) -> Option<LambdaFunction> {
    let Expr::Function(call) = expr else { return None };
    if call.name.0.last().and_then(|part| part.as_ident()).is_none_or(|name| name.value != LAMBDA) {
        return None;
    }
    let FunctionArguments::List(arguments) = &call.args else { return None };
    let (FunctionArg::Unnamed(FunctionArgExpr::Expr(body)), parameters) = arguments.args.split_last()? else {
        return None;
    };
    let parameter = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(name))) => {
            Some(LambdaFunctionParameter { name: name.clone(), data_type: None })
        }
        _ => None,
    };
    let mut parameters = parameters.iter().map(parameter).collect::<Option<Vec<_>>>()?;
    let params = if parameters.len() == 1 {
        OneOrManyWithParens::One(parameters.pop()?)
    } else {
        OneOrManyWithParens::Many(parameters)
    };
    Some(LambdaFunction { params, body: Box::new(body.clone()), syntax: LambdaSyntax::Arrow })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sql::rewrite::walk::walk;
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;

    #[test]
    fn lambdas_are_parsed() {
        let cases = [
            ("list_filter(l, x -> x > 1)", "list_filter(l, x -> x > 1)"),
            ("list_filter(l, lambda x: x > 1)", "list_filter(l, x -> x > 1)"),
            ("list_transform(l, (x, i) -> x + i)", "list_transform(l, (x, i) -> x + i)"),
            ("list_reduce(l, lambda a, b: a + b, 0)", "list_reduce(l, (a, b) -> a + b, 0)"),
            (
                "list_filter(list_transform(l, x -> x + 1), y -> y > p -> 'a')",
                "list_filter(list_transform(l, x -> x + 1), y -> y > p -> 'a')",
            ),
            ("[x + 1 FOR x IN l]", "list_transform(l, x -> x + 1)"),
            ("[x FOR x IN [1, 2] IF x > 1]", "list_transform(list_filter([1, 2], x -> x > 1), x -> x)"),
            ("[[y FOR y IN x] for x in l]", "list_transform(l, x -> list_transform(x, y -> y))"),
            ("payload -> 'a' ->> 'b' = 'c'", "payload -> 'a' ->> 'b' = 'c'"),
            ("lower(payload -> 'a')", "lower(payload -> 'a')"),
            ("list_filter(payload -> 'a', x -> x -> 'b' = '1')", "list_filter(payload -> 'a', x -> x -> 'b' = '1')"),
            ("[1, 2][1]", "[1, 2][1]"),
        ];
        for (sql, expected) in cases {
            let mut tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().unwrap();
            encode(&mut tokens);
            let parser = Parser::new(&GenericDialect {}).with_tokens_with_locations(tokens);
            let mut expr = { parser }.parse_expr().unwrap();
            let _ = walk(&mut expr, &mut Lambdas);
            assert_eq!(expr.to_string(), expected, "{sql}");
        }
    }
}
