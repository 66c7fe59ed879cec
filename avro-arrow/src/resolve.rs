//! Schema resolution: determines for each pair of a writer's and a reader's type how values are converted.
//!
//! A pair is made once, however often its types meet, so recursive types make a graph of pairs of minimal size.
//! Nothing here recurses: pairs wait in a list.
//!
//! The specification's errors are signaled at two times. An error for every value is found here. An error for some
//! values only, of one branch of the writer's union or one symbol of its enum, is left to these values.

mod defaults;
mod fields;
mod matching;
mod mismatch;
mod widen;
#[cfg(test)]
mod tests;

use crate::error::{ErrorKind, Fault, Result, Severity};
use crate::limits::Limits;
use crate::options::{FieldMatch, TypeNames};
use crate::schema::{Enum, Kind, Logical, Node, NodeId, Schema};
use defaults::DefaultMaker;
pub(crate) use matching::Rules;
use matching::{convert, is_arrow_decimal, same_name};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::Arc;

/// How a reader converts a writer's values.
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

/// A writer's type and a reader's type that meet.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) writer: NodeId,
    pub(crate) reader: NodeId,
    pub(crate) action: Action,
}

/// The conversion of the values of a pair.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// A scalar.
    Convert(Convert),
    /// The reader's index of each symbol of the writer's, if it has one.
    Symbols(Arc<[Option<u32>]>),
    /// The items of an array or the values of a map.
    Items(PairId),
    Record(RecordPair),
    /// A writer's union: the pair of each branch, if it has one.
    FromUnion(Vec<Option<PairId>>),
    /// A value that is not of a union becomes a branch of the reader's.
    ToUnion {
        branch: usize,
        /// The number of earlier branches with the same tag, which only invalid unions have.
        nth: usize,
        value: PairId,
    },
    /// The types never match.
    Nothing,
}

/// The fields of two records.
#[derive(Debug, Clone)]
pub(crate) struct RecordPair {
    /// By the writer's field: the reader's field and the pair of both, if the reader has it.
    pub(crate) fields: Vec<Option<(usize, PairId)>>,
    /// The reader's fields that the writer lacks.
    pub(crate) defaults: Vec<Default>,
    /// Whether the writer's fields are in the reader's order.
    pub(crate) ordered: bool,
}

/// The value of the reader's field with this index, which the writer lacks: in Avro's JSON encoding, and its text.
#[derive(Debug, Clone)]
pub(crate) struct Default {
    pub(crate) field: usize,
    pub(crate) value: Json,
    pub(crate) text: String,
}

// SPEC: Schema Resolution: "the writer's schema may be promoted to the reader's as follows".
/// The conversion of a scalar to the reader's type.
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
    /// A decimal on bytes or fixed as one on fixed of this many bytes.
    DecimalToFixed(usize),
    /// Beyond the specification: an enum's symbol as text, for engines that cannot ask for enums.
    EnumToString,
    /// Beyond the specification: a date, time or timestamp in a smaller unit, multiplied by this.
    Times(i64),
    /// Beyond the specification: a decimal with this many more digits after the point.
    Scale(u32),
}

impl Resolution {
    /// Resolves a schema to itself: every type is converted to itself, even where the specification's matching by name
    /// or by first branch would be ambiguous.
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
                ordered: true,
            }),
            Kind::Union(branches) => {
                let chosen = branches.iter().enumerate().map(|(branch, &node)| {
                    let action =
                        Action::ToUnion { branch, nth: schema.nth_of_tag(branches, branch), value: pair(node) };
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

    /// Resolves a writer's schema to a reader's.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Resolve`] and all mismatches that affect every value, and with [`ErrorKind::Limit`] if
    /// the schemas are so large and interlinked that there are too many pairs or too many mismatches.
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

    /// The name of the symbol, or of the branch's type, that the reader's schema lacks.
    pub(crate) fn unread(&self, fault: Fault) -> Option<String> {
        let kind = |node: u32| &self.writer.node(NodeId::new(node as usize)).kind;
        match fault {
            Fault::UnreadBranch { node, branch } => match kind(node) {
                Kind::Union(branches) => Some(self.writer.node(*branches.get(branch as usize)?).to_string()),
                _ => None,
            },
            Fault::UnreadSymbol { node, symbol } => match kind(node) {
                Kind::Enum(e) => e.symbols.get(symbol as usize).cloned(),
                _ => None,
            },
            _ => None,
        }
    }

    /// The pair with this id, which must come from this resolution.
    // Indexed without a check of its own: ids are made by this very resolution.
    pub(crate) fn pair(&self, id: PairId) -> &Pair {
        &self.pairs[id.index()]
    }
}

/// The fault of a value of this branch of the writer's union.
#[cold]
pub(crate) fn unread_branch(union: NodeId, branch: usize) -> Fault {
    Fault::UnreadBranch { node: union.index() as u32, branch: branch as u32 }
}

/// The fault of this symbol of the writer's enum.
#[cold]
pub(crate) fn unread_symbol(of: NodeId, symbol: usize) -> Fault {
    Fault::UnreadSymbol { node: of.index() as u32, symbol: symbol as u32 }
}

impl PairId {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// Why the values of a pair, or some of them, cannot be converted.
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
    part: TypeStep,
}

/// A step into a type.
#[derive(Debug, Clone)]
enum TypeStep {
    /// A field of the reader's record.
    Field(usize),
    Items,
    Values,
    /// A branch of the writer's union.
    Branch(usize),
    /// Into the reader's union, which paths do not show.
    Same,
}

/// The position of a writer's type, which decides whether its name may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Standing {
    /// In no union, or in a union without another record, enum or fixed.
    Alone,
    /// In a union with others of its kind.
    Among,
    /// Its name was compared when a branch was chosen.
    Chosen,
}

struct Resolver<'s> {
    writer: &'s Schema,
    reader: &'s Schema,
    by: FieldMatch,
    rules: Rules,
    pairs: Vec<Pair>,
    met: Vec<Option<Met>>,
    ids: HashMap<(NodeId, NodeId, Standing), PairId>,
    /// By pair: the position of the writer's type.
    standing: Vec<Standing>,
    problems: Vec<Problem>,
    /// Bytes of problem texts so far.
    said: usize,
    defaults: DefaultMaker<'s>,
    /// Number of fields, symbols and branches of the pairs.
    n_parts: usize,
}

/// Maximum number of pairs, with their fields, symbols and branches, for each node that a schema may have. Records
/// that meet the corresponding records make one pair each; hostile schemas could make the product.
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
            standing: Vec::new(),
            problems: Vec::new(),
            said: 0,
            n_parts: 0,
            defaults: DefaultMaker::new(reader, limits),
        };
        resolver.pair(writer.root(), reader.root(), Standing::Alone, None);
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

    fn pair(&mut self, writer: NodeId, reader: NodeId, standing: Standing, met: Option<Met>) -> PairId {
        // If names cannot matter, the pair is the same at every position.
        let kind = &self.writer.node(writer).kind;
        let can_matter = kind.name().is_some() || matches!(kind, Kind::Array(_) | Kind::Map(_));
        let standing = if can_matter { standing } else { Standing::Alone };
        *self.ids.entry((writer, reader, standing)).or_insert_with(|| {
            self.pairs.push(Pair { writer, reader, action: Action::Nothing });
            self.standing.push(standing);
            self.met.push(met);
            PairId(self.pairs.len() as u32 - 1)
        })
    }

    fn inner(&mut self, inside: PairId, part: TypeStep, writer: NodeId, reader: NodeId) -> PairId {
        self.pair(writer, reader, Standing::Alone, Some(Met { inside, part }))
    }

    /// Items and values have the position of the array or map that they belong to.
    fn items(&mut self, inside: PairId, part: TypeStep, writer: NodeId, reader: NodeId) -> PairId {
        self.pair(writer, reader, self.standing(inside), Some(Met { inside, part }))
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
            // selected writer's union schema is recursively resolved against it", and so it is with the other two
            // rules.
            (Kind::Union(branches), _) => {
                self.n_parts += branches.len();
                let mut n_alike: HashMap<&str, usize> = HashMap::new();
                for branch in branches {
                    *n_alike.entry(self.writer.node(*branch).kind.word()).or_default() += 1;
                }
                let chosen = branches.iter().enumerate().map(|(at, branch)| {
                    let alone = n_alike.get(self.writer.node(*branch).kind.word()) == Some(&1);
                    let standing = if alone { Standing::Alone } else { Standing::Among };
                    let met = Met { inside: id, part: TypeStep::Branch(at) };
                    Some(self.pair(*branch, reader_id, standing, Some(met)))
                });
                Action::FromUnion(chosen.collect())
            }
            (_, Kind::Union(branches)) => {
                self.n_parts += branches.len();
                match self.best_branch(writer, branches, self.standing(id)) {
                    Some((branch, node)) => {
                        let met = Met { inside: id, part: TypeStep::Same };
                        let value = self.pair(writer_id, node, Standing::Chosen, Some(met));
                        Action::ToUnion { branch, nth: self.reader.nth_of_tag(branches, branch), value }
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
            (Kind::Array(w), Kind::Array(r)) => Action::Items(self.items(id, TypeStep::Items, *w, *r)),
            (Kind::Map(w), Kind::Map(r)) => Action::Items(self.items(id, TypeStep::Values, *w, *r)),
            (Kind::Enum(w), Kind::Enum(r)) => {
                self.check_names(id, writer, reader);
                self.symbols(id, w, r)
            }
            _ => match convert(writer, reader, self.rules) {
                // SPEC: Schema Resolution: decimals match by precision and scale alone.
                Ok(convert) if writer.logical.is_some_and(Logical::is_decimal) && reader.logical == writer.logical => {
                    Action::Convert(convert)
                }
                Ok(convert) => {
                    self.check_names(id, writer, reader);
                    Action::Convert(convert)
                }
                Err(reason) => self.problem(id, reason),
            },
        }
    }

    fn standing(&self, id: PairId) -> Standing {
        self.standing.get(id.index()).copied().unwrap_or(Standing::Alone)
    }

    /// Checks names where they must match.
    fn check_names(&mut self, id: PairId, writer: &Node, reader: &Node) {
        let (Some(w), Some(r)) = (writer.kind.name(), reader.kind.name()) else { return };
        let overlooked = match self.standing(id) {
            Standing::Chosen => true,
            Standing::Alone => self.rules.names == TypeNames::Lenient,
            Standing::Among => false,
        };
        if !overlooked && !same_name(w, r, reader) {
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
}
