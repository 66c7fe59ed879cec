//! Resolution: a writer's schema and a reader's in; for each pair of types that meet, what becomes of the writer's values, out.
//!
//! A pair is made once, however often its types meet, so types that refer to each other or to themselves make a graph of
//! pairs that is no larger than it has to be. Nothing here recurses: pairs wait in a list until they are looked at.
//!
//! Where the specification says that an error is signalled, there are two times for it. What every value would meet is found
//! here. What only some values meet, those of one branch of the writer's union or of one symbol of its enum, is left to
//! these values.

mod defaults;
mod fields;
mod mismatch;
mod widen;
#[cfg(test)]
mod tests;

use crate::error::{ErrorKind, Result, Severity};
use crate::limits::Limits;
use crate::options::{FieldMatch, Options};
use crate::schema::{Enum, Kind, Logical, Name, Node, NodeId, Schema};
use defaults::Defaults;
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::Arc;

/// What becomes of a writer's values for a reader.
#[derive(Debug, Clone)]
pub(crate) struct Resolution {
    pub(crate) writer: Schema,
    pub(crate) reader: Schema,
    pub(crate) root: PairId,
    pairs: Arc<[Pair]>,
}

/// Index of a pair in its resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PairId(u32);

/// Two types that meet.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) writer: NodeId,
    pub(crate) reader: NodeId,
    pub(crate) action: Action,
}

/// What becomes of the values of a pair.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// A value that is not made of others.
    Convert(Convert),
    /// The reader's index of each symbol of the writer's, if there is one.
    Symbols(Arc<[Option<u32>]>),
    /// The items of an array or the values of a map.
    Items(PairId),
    Record(RecordPair),
    /// A writer's union: what becomes of each branch's values, if anything can.
    FromUnion(Vec<Option<PairId>>),
    /// Something that is not a union becomes a branch of the reader's.
    ToUnion {
        branch: usize,
        value: PairId,
    },
    /// Nothing: these never match.
    Nothing,
}

/// The fields of two records.
#[derive(Debug, Clone)]
pub(crate) struct RecordPair {
    /// By the writer's field: the reader's, if it has it, and the pair of both.
    pub(crate) fields: Vec<Option<(usize, PairId)>>,
    /// The reader's fields that the writer lacks.
    pub(crate) defaults: Vec<Default>,
}

/// What the reader's field of this index is where the writer lacks it: a value in Avro's JSON encoding, and its text.
#[derive(Debug, Clone)]
pub(crate) struct Default {
    pub(crate) field: usize,
    pub(crate) value: Json,
    pub(crate) text: String,
}

// SPEC: Schema Resolution: "the writer's schema may be promoted to the reader's as follows".
/// How a simple value becomes one of the reader's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Convert {
    Same,
    IntToLong,
    IntToFloat,
    IntToDouble,
    LongToFloat,
    LongToDouble,
    FloatToDouble,
    BytesToString,
    StringToBytes,
    /// Beyond the specification: an enum's symbol as the text that it is. Engines have no enums to ask for.
    EnumToString,
    /// Beyond the specification: a date, time or timestamp as one of smaller units, of which each of the writer's has so many.
    Times(i64),
    /// Beyond the specification: a decimal with so many more digits after the point.
    Scale(u32),
}

/// What is read, beyond what the specification promises of every reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rules {
    /// Where only two types can be meant, their names do not matter; they do where a branch of a union is looked for.
    /// Renamed types are common, and a record tells by its fields whether it is the one. Enums are read as strings, and decimals
    /// on bytes as decimals on fixed, and the other way round.
    Lenient,
    /// As before, and times and decimals are read in smaller units, see [`Options::widen`](crate::Options::widen).
    Widening,
    /// No more than that: named types match by their names, without their namespaces, or by aliases.
    Strict,
}

impl Rules {
    /// Those of reading with these options.
    pub(crate) fn of(options: &Options) -> Rules {
        if options.widen { Rules::Widening } else { Rules::Lenient }
    }
}

impl Resolution {
    /// Of a schema with itself: everything becomes what it is, also where the specification's matching by name or by first
    /// branch would be ambiguous.
    pub(crate) fn same(schema: &Schema) -> Resolution {
        let ids = || (0..schema.len()).map(NodeId::new);
        let pair = |id: NodeId| PairId(id.index() as u32);
        let mut more = Vec::new();
        let action = |id: NodeId| match &schema.node(id).kind {
            Kind::Enum(e) => Action::Symbols((0..e.symbols.len() as u32).map(Some).collect()),
            Kind::Array(items) | Kind::Map(items) => Action::Items(pair(*items)),
            Kind::Record(record) => Action::Record(RecordPair {
                fields: record.fields.iter().enumerate().map(|(at, field)| Some((at, pair(field.node)))).collect(),
                defaults: Vec::new(),
            }),
            Kind::Union(branches) => {
                let chosen = branches.iter().enumerate().map(|(branch, &node)| {
                    let action = Action::ToUnion { branch, value: pair(node) };
                    more.push(Pair { writer: node, reader: id, action });
                    Some(PairId((schema.len() + more.len() - 1) as u32))
                });
                Action::FromUnion(chosen.collect())
            }
            _ => Action::Convert(Convert::Same),
        };
        let mut pairs: Vec<Pair> =
            ids().zip(ids().map(action)).map(|(id, action)| Pair { writer: id, reader: id, action }).collect();
        pairs.append(&mut more);
        Resolution { writer: schema.clone(), reader: schema.clone(), root: pair(schema.root()), pairs: pairs.into() }
    }

    /// Of a writer's schema with a reader's.
    ///
    /// # Errors
    /// [`ErrorKind::Resolve`] with all that every value would meet, [`ErrorKind::Limit`] where both are so large, and refer to
    /// each other so often, that there are too many pairs or there is too much to say.
    pub(crate) fn new(
        writer: &Schema,
        reader: &Schema,
        by: FieldMatch,
        rules: Rules,
        limits: &Limits,
    ) -> Result<Resolution> {
        let resolver = Resolver::run(writer, reader, by, rules, limits)?;
        let fails = resolver.failing();
        if fails.first() == Some(&true) {
            let mismatches = resolver.mismatches(&resolver.blamed(&fails));
            return Err(ErrorKind::Resolve { mismatches }.into());
        }
        let pairs = resolver.pairs.into_iter().zip(&fails).map(|(mut pair, fail)| {
            match &mut pair.action {
                action if *fail => *action = Action::Nothing,
                Action::FromUnion(branches) => {
                    for branch in branches {
                        *branch = branch.filter(|pair| fails.get(pair.index()) == Some(&false));
                    }
                }
                _ => {}
            }
            pair
        });
        let pairs = pairs.collect();
        Ok(Resolution { writer: writer.clone(), reader: reader.clone(), root: PairId(0), pairs })
    }

    /// The pair with this id. Ids come from the same resolution.
    // Indexed without a check of its own: ids are made by this very resolution.
    pub(crate) fn pair(&self, id: PairId) -> &Pair {
        &self.pairs[id.index()]
    }
}

impl PairId {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// Why there is nothing for the values of a pair, or of some of them.
#[derive(Debug)]
struct Problem {
    pair: PairId,
    reason: String,
    severity: Severity,
}

/// Where a pair was met first.
#[derive(Debug, Clone)]
struct Met {
    inside: PairId,
    part: Part,
}

/// A step into a type.
#[derive(Debug, Clone)]
enum Part {
    /// Of the reader's record.
    Field(usize),
    Items,
    Values,
    /// Of the writer's union.
    Branch(usize),
    /// Into the reader's union, which is not shown.
    Same,
}

struct Resolver<'s> {
    writer: &'s Schema,
    reader: &'s Schema,
    by: FieldMatch,
    rules: Rules,
    pairs: Vec<Pair>,
    met: Vec<Option<Met>>,
    ids: HashMap<(NodeId, NodeId), PairId>,
    problems: Vec<Problem>,
    /// Bytes of what was said about problems.
    said: usize,
    defaults: Defaults<'s>,
    /// The fields, symbols and branches of the pairs.
    n_parts: usize,
}

/// Pairs, with all fields, symbols and branches of them, for each node that a schema may have. Records that meet those of the same
/// place alone make one; a hostile pair of schemas could make their product.
const PAIRS_PER_NODE: usize = 10;

impl<'s> Resolver<'s> {
    fn run(
        writer: &'s Schema,
        reader: &'s Schema,
        by: FieldMatch,
        rules: Rules,
        limits: &'s Limits,
    ) -> Result<Resolver<'s>> {
        let mut resolver = Resolver {
            writer,
            reader,
            by,
            rules,
            pairs: Vec::new(),
            met: Vec::new(),
            ids: HashMap::new(),
            problems: Vec::new(),
            said: 0,
            n_parts: 0,
            defaults: Defaults::new(reader, limits),
        };
        resolver.pair(writer.root(), reader.root(), None);
        let max = limits.schema_nodes.saturating_mul(PAIRS_PER_NODE);
        let mut next = 0;
        while let Some(pair) = resolver.pairs.get(next) {
            let (writer, reader) = (pair.writer, pair.reader);
            let action = resolver.action(PairId(next as u32), writer, reader);
            if let Some(pair) = resolver.pairs.get_mut(next) {
                pair.action = action;
            }
            next += 1;
            let n = resolver.pairs.len() + resolver.n_parts;
            for (limit, value, max) in
                [("schema_nodes", n, max), ("metadata_bytes", resolver.said, limits.metadata_bytes)]
            {
                if value > max {
                    return Err(ErrorKind::Limit { limit, value: value as u64, max: max as u64 }.into());
                }
            }
        }
        Ok(resolver)
    }

    fn pair(&mut self, writer: NodeId, reader: NodeId, met: Option<Met>) -> PairId {
        *self.ids.entry((writer, reader)).or_insert_with(|| {
            self.pairs.push(Pair { writer, reader, action: Action::Nothing });
            self.met.push(met);
            PairId(self.pairs.len() as u32 - 1)
        })
    }

    fn inner(&mut self, inside: PairId, part: Part, writer: NodeId, reader: NodeId) -> PairId {
        self.pair(writer, reader, Some(Met { inside, part }))
    }

    fn problem(&mut self, pair: PairId, reason: String) -> Action {
        self.add_problem(pair, reason, Severity::Always);
        Action::Nothing
    }

    fn add_problem(&mut self, pair: PairId, reason: String, severity: Severity) {
        self.said += reason.len();
        self.problems.push(Problem { pair, reason, severity });
    }

    fn action(&mut self, id: PairId, writer_id: NodeId, reader_id: NodeId) -> Action {
        let (writer, reader) = (self.writer.node(writer_id), self.reader.node(reader_id));
        match (&writer.kind, &reader.kind) {
            // SPEC: Schema Resolution: "if both are unions: the first schema in the reader's union that matches the
            // selected writer's union schema is recursively resolved against it", and so it is with the other two rules.
            (Kind::Union(branches), _) => {
                self.n_parts += branches.len();
                let chosen = branches.iter().enumerate();
                let chosen = chosen.map(|(at, branch)| Some(self.inner(id, Part::Branch(at), *branch, reader_id)));
                Action::FromUnion(chosen.collect())
            }
            (_, Kind::Union(branches)) => {
                self.n_parts += branches.len();
                match self.best_branch(writer, branches) {
                    Some((branch, node)) => {
                        let value = self.inner(id, Part::Same, writer_id, node);
                        Action::ToUnion { branch, value }
                    }
                    None => {
                        let of: Vec<String> = branches.iter().map(|b| self.reader.node(*b).to_string()).collect();
                        self.problem(id, format!("{writer} matches no branch of [{}]", of.join(", ")))
                    }
                }
            }
            (Kind::Record(w), Kind::Record(r)) => {
                self.check_names(id, writer, reader);
                self.record(id, w, r)
            }
            (Kind::Array(w), Kind::Array(r)) => Action::Items(self.inner(id, Part::Items, *w, *r)),
            (Kind::Map(w), Kind::Map(r)) => Action::Items(self.inner(id, Part::Values, *w, *r)),
            (Kind::Enum(w), Kind::Enum(r)) => {
                self.check_names(id, writer, reader);
                self.symbols(id, w, r)
            }
            _ => match convert(writer, reader, self.rules) {
                Ok(convert) => {
                    self.check_names(id, writer, reader);
                    Action::Convert(convert)
                }
                Err(reason) => self.problem(id, reason),
            },
        }
    }

    /// Names that do not match, where they have to.
    fn check_names(&mut self, id: PairId, writer: &Node, reader: &Node) {
        let (Some(w), Some(r)) = (writer.kind.name(), reader.kind.name()) else { return };
        if self.rules == Rules::Strict && !same_name(w, r, reader) {
            let reason = format!("{} {w} has another name than {} {r}", writer.kind.word(), reader.kind.word());
            self.problem(id, reason);
        }
    }

    // SPEC: Schema Resolution: "if the writer's symbol is not present in the reader's enum and the reader has a default
    // value, then that value is used, otherwise an error is signalled": by the symbol, which need not occur.
    fn symbols(&mut self, id: PairId, writer: &Enum, reader: &Enum) -> Action {
        self.n_parts += writer.symbols.len() + reader.symbols.len();
        let places: HashMap<&str, u32> = reader.symbols.iter().map(String::as_str).zip(0..).collect();
        let default = reader.default.as_ref().and_then(|default| places.get(default.as_str()));
        let of = |symbol: &String| places.get(symbol.as_str()).or(default).copied();
        let table: Arc<[Option<u32>]> = writer.symbols.iter().map(of).collect();
        let lost: Vec<&str> =
            writer.symbols.iter().zip(&*table).filter(|(_, to)| to.is_none()).map(|(symbol, _)| &**symbol).collect();
        if !lost.is_empty() {
            let reason = format!("the reader's enum has neither `{}` nor a default", lost.join("`, `"));
            self.add_problem(id, reason, Severity::SomeValues);
        }
        Action::Symbols(table)
    }

    /// The branch of the reader's union that a value of this type becomes: one of the very type; or else one of that kind
    /// and name but for its namespace; or else the first that it can be promoted to; or else, where names do not matter,
    /// one of the same kind.
    // The specification takes the first that matches. Its Java implementation, and with it most data, prefers the type
    // itself to a promotion: an int stays one for ["double", "int"].
    fn best_branch(&self, writer: &Node, branches: &[NodeId]) -> Option<(usize, NodeId)> {
        let ranks = branches.iter().enumerate().filter_map(|(at, &branch)| {
            let reader = self.reader.node(branch);
            Some((self.rank(writer, reader)?, at, branch))
        });
        ranks.min_by_key(|(rank, at, _)| (*rank, *at)).map(|(_, at, branch)| (at, branch))
    }

    /// How well two types match, the best first.
    fn rank(&self, writer: &Node, reader: &Node) -> Option<u8> {
        match (&writer.kind, &reader.kind) {
            (Kind::Array(w), Kind::Array(r)) | (Kind::Map(w), Kind::Map(r)) => {
                // Schemas allow so many levels of arrays and maps, and only so many of them are of no other type.
                let (w, r) = (self.writer.node(*w), self.reader.node(*r));
                let either_is_union = matches!(w.kind, Kind::Union(_)) || matches!(r.kind, Kind::Union(_));
                if either_is_union { Some(0) } else { self.rank(w, r) }
            }
            (Kind::Record(_), Kind::Record(_)) | (Kind::Enum(_), Kind::Enum(_)) => self.rank_names(writer, reader),
            (Kind::Fixed(_), Kind::Fixed(_)) if convert(writer, reader, self.rules).is_ok() => {
                self.rank_names(writer, reader)
            }
            _ => match convert(writer, reader, self.rules).ok()? {
                Convert::Same if writer.logical == reader.logical => Some(0),
                Convert::Same => Some(1),
                Convert::EnumToString => Some(4),
                _ => Some(2),
            },
        }
    }

    fn rank_names(&self, writer: &Node, reader: &Node) -> Option<u8> {
        let (w, r) = (writer.kind.name()?, reader.kind.name()?);
        match () {
            () if w == r => Some(0),
            () if same_name(w, r, reader) => Some(1),
            () if self.rules != Rules::Strict => Some(3),
            () => None,
        }
    }
}

// SPEC: Schema Resolution: "both schemas are records with the same (unqualified) name". Aliases are the reader's.
fn same_name(writer: &Name, reader: &Name, reader_node: &Node) -> bool {
    let aliases: &[Name] = match &reader_node.kind {
        Kind::Record(t) => &t.aliases,
        Kind::Enum(t) => &t.aliases,
        Kind::Fixed(t) => &t.aliases,
        _ => &[],
    };
    writer.simple() == reader.simple() || aliases.iter().any(|alias| alias.simple() == writer.simple())
}

/// How values of one simple type become values of another, or why they do not.
fn convert(writer: &Node, reader: &Node, rules: Rules) -> Result<Convert, String> {
    use Kind::*;
    let is_lenient = rules != Rules::Strict;
    if rules == Rules::Widening
        && let Some(rescale) = widen::rescale(writer, reader)
    {
        return Ok(rescale);
    }
    let convert = match (&writer.kind, &reader.kind) {
        (Null, Null) | (Boolean, Boolean) | (Int, Int) | (Long, Long) | (Float, Float) | (Double, Double) => {
            Convert::Same
        }
        (Bytes, Bytes) | (String, String) => Convert::Same,
        (Int, Long) => Convert::IntToLong,
        (Int, Float) => Convert::IntToFloat,
        (Int, Double) => Convert::IntToDouble,
        (Long, Float) => Convert::LongToFloat,
        (Long, Double) => Convert::LongToDouble,
        (Float, Double) => Convert::FloatToDouble,
        (Bytes, String) => Convert::BytesToString,
        (String, Bytes) => Convert::StringToBytes,
        (Enum(_), String) if is_lenient => Convert::EnumToString,
        (Fixed(_) | Bytes, Fixed(_) | Bytes) if is_lenient && is_arrow_decimal(writer) && is_arrow_decimal(reader) => {
            Convert::Same
        }
        (Fixed(w), Fixed(r)) if w.size == r.size => Convert::Same,
        _ => return Err(format!("{writer} cannot be read as {reader}")),
    };
    // Of logical types, the specification has a rule for decimals alone. For others it has none, and to take milliseconds
    // for microseconds would be wrong in silence.
    match (writer.logical, reader.logical) {
        // SPEC: Schema Resolution: "two schemas that are decimal logical types match if their scales and precisions match".
        // More digits are no loss.
        (
            Some(Logical::Decimal { precision: w, scale: w_scale }),
            Some(Logical::Decimal { precision: r, scale: r_scale }),
        ) if w <= r && w_scale == r_scale => Ok(convert),
        (Some(w), Some(r)) if w != r => Err(format!("{writer} cannot be read as {reader}")),
        _ => Ok(convert),
    }
}

/// Is it a decimal that one of Arrow's types is wide enough for, so that its encoding does not show?
fn is_arrow_decimal(node: &Node) -> bool {
    let max = u32::from(arrow_schema::DECIMAL256_MAX_PRECISION);
    matches!(node.logical, Some(Logical::Decimal { precision, .. }) if precision <= max)
}
