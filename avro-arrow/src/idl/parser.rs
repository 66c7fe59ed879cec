//! The tokens of an IDL file in; its declarations out, the named types among them in the reader's list.

use super::annotations::{Annotated, Annotation};
use super::doc;
use super::from_json::relative;
use super::json_literal::integer;
use super::lexer::{IdlToken, TokenKind, Tokens, is_name, tokens};
use super::reader::{DocumentReader, FieldDefault, ImportKind, Parsed, declaration};
use super::type_syntax::{LOGICAL, Use};
use super::types::{Defined, JsonObject, is_reserved_in_message, is_reserved_in_protocol};
use super::{ProtocolHead, Reference};
use crate::error::{Error, Result};
use crate::schema::{Name, is_primitive};
use serde_json::Value as Json;
use std::sync::Arc;

pub(super) struct Parser<'p, 'r> {
    pub(super) reader: &'p mut DocumentReader<'r>,
    /// The file's index in the reader.
    pub(super) file: usize,
    text: Arc<str>,
    tokens: Tokens,
    /// Index of the next token.
    at: usize,
    /// Whether a documentation comment belongs to something.
    used: Vec<bool>,
    /// The namespace of simple names.
    namespace: String,
}

impl<'p, 'r> Parser<'p, 'r> {
    pub(super) fn new(reader: &'p mut DocumentReader<'r>, file: usize, text: Arc<str>) -> Result<Self> {
        let tokens = tokens(&text).map_err(|(at, what)| reader.error((file, at), what))?;
        let used = vec![false; tokens.docs.len()];
        Ok(Parser { reader, file, text, tokens, at: 0, used, namespace: String::new() })
    }

    /// Parses the whole file.
    // SPEC: IDL. A file is either one protocol, or `namespace`, `schema`, and then imports and named types.
    pub(super) fn file(mut self) -> Result<Parsed> {
        let mut parsed = Parsed::default();
        let start = self.at;
        if self.is_keyword("namespace") {
            self.next();
            let (namespace, at) = self.identifier("the namespace")?;
            self.check_namespace(&namespace, at)?;
            self.end_of("the namespace")?;
            self.namespace = namespace;
        }
        if self.is_keyword("schema") {
            self.next();
            let kind = self.full_type(0)?;
            self.end_of("the schema")?;
            parsed.main = Some(kind.json);
        }
        loop {
            let first = self.peek();
            if first.kind == TokenKind::End {
                break;
            }
            if self.is_keyword("import") {
                self.import()?;
                continue;
            }
            let is_first = self.at == start;
            let annotations = self.annotations()?;
            match self.text(self.peek()) {
                "protocol" if is_first => {
                    parsed.protocol = Some(self.protocol(first, annotations)?);
                    if self.peek().kind != TokenKind::End {
                        return Err(self.unexpected("the end of the file after the protocol"));
                    }
                }
                "protocol" => return Err(self.unexpected("only types, as a protocol must have a file of its own")),
                word @ ("namespace" | "schema") => {
                    let what = format!("`{word}` must come before imports and types, `namespace` first");
                    return Err(self.error(self.peek().start, what));
                }
                _ => self.named_type(first, annotations, "`record`, `error`, `enum`, `fixed` or `import`")?,
            }
        }
        self.warn_of_docs();
        Ok(parsed)
    }

    fn protocol(&mut self, first: IdlToken, annotations: Vec<Annotation>) -> Result<ProtocolHead> {
        let doc = self.doc(first);
        self.next();
        let (name, at) = self.identifier("the name of the protocol")?;
        let (own, others): (Vec<_>, Vec<_>) = annotations.into_iter().partition(|a| a.name == "namespace");
        let namespace = own.first().map(|annotation| self.namespace(annotation)).transpose()?.unwrap_or_default();
        let name = Name::new(&name, &namespace);
        self.check_name(name.simple(), "protocol", at)?;
        self.check_namespace(name.namespace(), at)?;
        let properties = self.attributes(others, "a protocol", is_reserved_in_protocol)?;
        self.namespace = name.namespace().to_owned();
        let mut messages = JsonObject::new();
        self.mark('{', "after the name of the protocol")?;
        while !self.take('}') {
            let first = self.peek();
            if self.is_keyword("import")
                && self.peek_at(1).kind == TokenKind::Word
                && self.peek_at(2).kind == TokenKind::Text
            {
                let imported = self.import()?;
                for (name, message) in imported.map(|protocol| protocol.messages).into_iter().flatten() {
                    self.add_message(&mut messages, name, message, first.start)?;
                }
                continue;
            }
            let annotations = self.annotations()?;
            if self.is_declaration() {
                self.named_type(first, annotations, "a type")?;
            } else {
                self.message(first, annotations, &mut messages)?;
            }
        }
        Ok(ProtocolHead { name, doc, properties, messages })
    }

    fn import(&mut self) -> Result<Option<ProtocolHead>> {
        self.next();
        let kind = match self.text(self.peek()) {
            "idl" => ImportKind::Idl,
            "protocol" => ImportKind::Protocol,
            "schema" => ImportKind::Schema,
            _ => return Err(self.unexpected("`idl`, `protocol` or `schema`")),
        };
        self.next();
        let at = self.peek().start;
        let location = self.string("the file to import in double quotes")?;
        self.end_of("the import")?;
        self.reader.import(kind, &location, (self.file, at))
    }

    /// Whether the next tokens declare a type, rather than a message whose type has one of these words as its name.
    fn is_declaration(&self) -> bool {
        let (word, third) = (self.text(self.peek()), self.peek_at(2).kind);
        let is_named = self.peek_at(1).kind == TokenKind::Word;
        match word {
            "fixed" => is_named && (third != TokenKind::Mark('(') || self.peek_at(3).kind == TokenKind::Number),
            "record" | "error" | "enum" => is_named && third != TokenKind::Mark('('),
            _ => false,
        }
    }

    /// Parses a record, an error, an enum or a fixed, whose first token, maybe of an annotation, is `first`.
    fn named_type(&mut self, first: IdlToken, annotations: Vec<Annotation>, expected: &str) -> Result<()> {
        let word = match self.text(self.peek()) {
            word @ ("record" | "error" | "enum" | "fixed") => word.to_owned(),
            _ => return Err(self.unexpected(expected)),
        };
        let doc = self.doc(first);
        self.next();
        let (name, at) = self.identifier(&format!("the name of the {word}"))?;
        let Annotated { namespace, aliases, attributes, .. } = self.of_named_type(annotations, word == "enum")?;
        let name = self.full_name(&name, namespace.as_deref(), at)?;
        self.check_name(name.simple(), &word, at)?;
        self.check_namespace(name.namespace(), at)?;
        let mut json = declaration(&word, doc);
        match word.as_str() {
            "fixed" => self.fixed(&mut json)?,
            "enum" => self.enumeration(&mut json)?,
            _ => {
                let outer = std::mem::replace(&mut self.namespace, name.namespace().to_owned());
                let fields = self.record_body()?;
                json.insert("fields".into(), fields);
                self.namespace = outer;
            }
        }
        json.extend(attributes);
        if !aliases.is_empty() {
            json.insert("aliases".into(), aliases.iter().map(|alias| relative(alias, &name)).collect());
        }
        let full = name.full().to_owned();
        let is_own = self.file == 0;
        match self.reader.types.define(Defined { name, json, is_own }) {
            true => Ok(()),
            false => Err(self.error(at, format!("the type `{full}` is defined twice, with different definitions"))),
        }
    }

    fn fixed(&mut self, json: &mut JsonObject) -> Result<()> {
        self.mark('(', "after the name of the fixed")?;
        let size = self.size("the size of the fixed")?;
        self.mark(')', "after the size of the fixed")?;
        self.end_of("the fixed")?;
        json.insert("size".into(), size.into());
        Ok(())
    }

    /// Parses a number that counts something.
    pub(super) fn size(&mut self, what: &str) -> Result<u32> {
        let token = self.peek();
        if token.kind != TokenKind::Number {
            return Err(self.unexpected(what));
        }
        // Java keeps it in 32 bits, with a sign.
        let size = integer(self.text(token)).flatten().and_then(|n| i32::try_from(n).ok()?.try_into().ok());
        let size = size.ok_or_else(|| self.error(token.start, format!("{what} must be from 0 to 2147483647")))?;
        self.next();
        Ok(size)
    }

    fn enumeration(&mut self, json: &mut JsonObject) -> Result<()> {
        let mut symbols: Vec<Json> = Vec::new();
        self.list('{', '}', |parser| {
            // The specification of schemas has no place for annotations and documentation of symbols.
            parser.annotations()?;
            let (symbol, at) = parser.identifier("a symbol")?;
            parser.check_name(&symbol, "symbol", at)?;
            if symbols.iter().any(|other| *other == symbol) {
                return Err(parser.error(at, format!("the symbol `{symbol}` occurs twice")));
            }
            symbols.push(symbol.into());
            Ok(())
        })?;
        let default = match self.take('=') {
            false => None,
            true => {
                let (symbol, at) = self.identifier("the default symbol")?;
                self.end_of("the default symbol")?;
                if !symbols.iter().any(|other| *other == symbol) {
                    return Err(self.error(at, format!("the default `{symbol}` is not a symbol of the enum")));
                }
                Some(symbol)
            }
        };
        json.insert("symbols".into(), Json::Array(symbols));
        if let Some(default) = default {
            json.insert("default".into(), default.into());
        }
        Ok(())
    }

    fn record_body(&mut self) -> Result<Json> {
        let mut fields = Vec::new();
        self.mark('{', "after the name of the record")?;
        while !self.take('}') {
            let first = self.peek();
            if first.kind == TokenKind::End {
                return Err(self.unexpected("a field or '}'"));
            }
            let doc = self.doc(first);
            let kind = self.full_type(0)?;
            loop {
                self.variable(&kind, doc.clone(), "field", &mut fields)?;
                if !self.take(',') {
                    break;
                }
            }
            if !self.take(';') {
                return Err(self.unexpected("';' after the field"));
            }
        }
        Ok(Json::Array(fields))
    }

    /// Parses the name of a field or parameter and what belongs to it, and adds it.
    fn variable(&mut self, kind: &Use, doc: Option<String>, what: &str, all: &mut Vec<Json>) -> Result<()> {
        let first = self.peek();
        let doc = self.doc(first).or(doc);
        let annotations = self.annotations()?;
        let (name, at) = self.identifier(&format!("the name of the {what}"))?;
        self.check_name(&name, what, at)?;
        let Annotated { aliases, order, attributes, .. } = self.of_field(annotations)?;
        if all.iter().any(|other| other.get("name").is_some_and(|other| *other == name)) {
            return Err(self.error(at, format!("the {what} `{name}` occurs twice")));
        }
        let mut json = JsonObject::new();
        json.insert("name".into(), name.into());
        let mut kind_json = kind.json.clone();
        let mut default = None;
        if self.take('=') {
            let place = (self.file, self.peek().start);
            let value = self.json(0)?;
            if let Json::Array(branches) = &mut kind_json
                && kind.optional
                && !value.is_null()
            {
                branches.reverse();
            }
            let check = FieldDefault { kind: kind_json.clone(), value: value.clone(), place };
            self.reader.defaults.push(check);
            default = Some(value);
        }
        json.insert("type".into(), kind_json);
        if let Some(doc) = doc {
            json.insert("doc".into(), doc.into());
        }
        if let Some(default) = default {
            json.insert("default".into(), default);
        }
        if let Some(order) = order {
            json.insert("order".into(), order.into());
        }
        if !aliases.is_empty() {
            json.insert("aliases".into(), aliases.into());
        }
        json.extend(attributes);
        all.push(Json::Object(json));
        Ok(())
    }

    fn message(&mut self, first: IdlToken, annotations: Vec<Annotation>, messages: &mut JsonObject) -> Result<()> {
        let doc = self.doc(first);
        let type_at = self.peek().start;
        let is_void = self.is_keyword("void");
        let response = if is_void {
            self.next();
            Json::from("null")
        } else if matches!(self.peek().kind, TokenKind::Word) {
            self.plain_type(0)?.json
        } else {
            return Err(self.unexpected("a type, a message, an import or '}'"));
        };
        let (name, at) = self.identifier("the name of the message")?;
        self.check_name(&name, "message", at)?;
        let mut whole = JsonObject::new();
        if let Some(doc) = doc {
            whole.insert("doc".into(), doc.into());
        }
        whole.extend(self.attributes(annotations, "a message", is_reserved_in_message)?);
        let mut request = Vec::new();
        if self.peek().kind != TokenKind::Mark('(') {
            return Err(self.unexpected("'(' after the name of the message"));
        }
        self.list('(', ')', |parser| {
            let first = parser.peek();
            let doc = parser.doc(first);
            let kind = parser.full_type(0)?;
            parser.variable(&kind, doc, "parameter", &mut request)
        })?;
        whole.insert("request".into(), Json::Array(request));
        let is_null = response == "null";
        whole.insert("response".into(), response);
        if self.is_keyword("oneway") {
            self.next();
            if !is_null {
                return Err(self.error(type_at, format!("the one-way message `{name}` must return void")));
            }
            whole.insert("one-way".into(), true.into());
        } else if self.is_keyword("throws") {
            self.next();
            let mut errors = Vec::new();
            loop {
                let (error, at) = self.identifier("the name of an error")?;
                errors.push(self.reference(&error, at, true)?);
                if !self.take(',') {
                    break;
                }
            }
            whole.insert("errors".into(), Json::Array(errors));
        }
        if !self.take(';') {
            return Err(self.unexpected("`throws`, `oneway` or ';' after the message"));
        }
        self.add_message(messages, name, Json::Object(whole), at)
    }

    fn add_message(&self, messages: &mut JsonObject, name: String, message: Json, at: usize) -> Result<()> {
        if messages.get(&name).is_some_and(|first| *first != message) {
            return Err(self.error(at, format!("the message `{name}` is declared twice, differently")));
        }
        messages.insert(name, message);
        Ok(())
    }

    /// Notes that a named type is used, and returns its full name.
    pub(super) fn reference(&mut self, word: &str, at: usize, is_error: bool) -> Result<Json> {
        let full = self.full_name(word, None, at)?.full().to_owned();
        let simple = (!word.contains('.')).then(|| word.to_owned());
        let json = Json::from(full.as_str());
        self.reader.references.push(Reference { full, simple, is_error, place: (self.file, at) });
        Ok(json)
    }

    /// Returns the full name of a word in this namespace, or else in the current one.
    fn full_name(&mut self, word: &str, namespace: Option<&str>, at: usize) -> Result<Name> {
        let namespace = namespace.unwrap_or(&self.namespace);
        match self.reader.bytes_left.checked_sub(namespace.len()) {
            Some(left) => self.reader.bytes_left = left,
            None => return Err(self.error(at, "names with their namespaces exceed the limit `metadata_bytes`")),
        }
        Ok(Name::new(word, namespace))
    }

    // SPEC: Names. Letters are those of all languages, as in Java since 1.12.
    fn check_name(&self, name: &str, what: &str, at: usize) -> Result<()> {
        let is_type = matches!(what, "record" | "error" | "enum" | "fixed");
        if is_type && (is_primitive(name) || LOGICAL.iter().any(|(word, ..)| *word == name)) {
            return Err(self.error(at, format!("a type cannot have the name `{name}` of a built-in type")));
        }
        if is_name(name) {
            return Ok(());
        }
        let what = format!(
            "the {what} `{name}` has an invalid name: only letters, digits and `_` are allowed, and no digit first"
        );
        Err(self.error(at, what))
    }

    pub(super) fn check_namespace(&self, namespace: &str, at: usize) -> Result<()> {
        match namespace.is_empty() || namespace.split('.').all(is_name) {
            true => Ok(()),
            false => {
                let what = "is invalid: it must be names of letters, digits and `_` with dots between";
                Err(self.error(at, format!("the namespace `{}` {what}", namespace.escape_debug())))
            }
        }
    }

    /// Parses an identifier. Returns it without backquotes, and the byte where it starts.
    pub(super) fn identifier(&mut self, what: &str) -> Result<(String, usize)> {
        let token = self.peek();
        if token.kind != TokenKind::Word {
            return Err(self.unexpected(what));
        }
        self.next();
        Ok((self.text(token).replace('`', ""), token.start))
    }

    /// Returns the documentation before a token.
    fn doc(&mut self, token: IdlToken) -> Option<String> {
        let doc = token.doc?;
        *self.used.get_mut(doc)? = true;
        self.tokens.docs.get(doc).and_then(|range| self.text.get(range.clone())).map(doc::text)
    }

    fn warn_of_docs(&mut self) {
        let unused = self.tokens.docs.iter().zip(&self.used).filter(|(_, used)| !**used);
        let what = "this documentation comment belongs to nothing; write `/*` for a comment that is not documentation";
        self.reader.warnings.extend(unused.map(|(doc, _)| ((self.file, doc.start), what.to_owned())));
    }

    pub(super) fn peek(&self) -> IdlToken {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> IdlToken {
        let end = IdlToken { kind: TokenKind::End, start: self.text.len(), end: self.text.len(), doc: None };
        self.tokens.list.get(self.at + ahead).copied().unwrap_or(end)
    }

    /// Goes past a token.
    pub(super) fn next(&mut self) {
        self.at += 1;
    }

    pub(super) fn text(&self, token: IdlToken) -> &str {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    fn is_keyword(&self, word: &str) -> bool {
        self.peek().kind == TokenKind::Word && self.text(self.peek()) == word
    }

    /// Goes past this mark, if it is next.
    pub(super) fn take(&mut self, mark: char) -> bool {
        let is_it = self.peek().kind == TokenKind::Mark(mark);
        self.at += usize::from(is_it);
        is_it
    }

    /// Goes past this mark, which must be next.
    pub(super) fn mark(&mut self, mark: char, place: &str) -> Result<()> {
        if self.take(mark) {
            return Ok(());
        }
        Err(self.unexpected(format!("'{mark}' {place}").trim_end()))
    }

    fn end_of(&mut self, what: &str) -> Result<()> {
        self.mark(';', &format!("after {what}"))
    }

    /// The error that something else was expected than the next token.
    #[cold]
    pub(super) fn unexpected(&self, expected: &str) -> Error {
        const SHOWN: usize = 40;
        let token = self.peek();
        let shown = |text: &str| text.chars().take(SHOWN).collect::<String>();
        let found = match token.kind {
            TokenKind::End => "the end of the file".to_owned(),
            TokenKind::Mark(mark) => format!("'{mark}'"),
            TokenKind::Word => format!("`{}`", shown(self.text(token).trim_matches('`'))),
            TokenKind::Text | TokenKind::Number => shown(self.text(token)),
        };
        // The end may be lines away from the last token.
        let last = self.at.checked_sub(1).and_then(|at| self.tokens.list.get(at)).map_or(0, |last| last.end);
        let at = if token.kind == TokenKind::End { last } else { token.start };
        self.error(at, format!("expected {expected}, found {found}"))
    }

    #[cold]
    pub(super) fn error(&self, at: usize, reason: impl Into<String>) -> Error {
        self.reader.error((self.file, at), reason)
    }
}
