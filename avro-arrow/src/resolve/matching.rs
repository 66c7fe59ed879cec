//! Ranks how well a writer's type matches the branches of a reader's union, and finds the best branch.

use super::{Convert, Resolver, Standing, widen};
use crate::options::{Options, TypeNames};
use crate::schema::{Kind, Logical, Name, Node, NodeId};

/// Extensions of the specification's rules for reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Whether names may differ where only two types can be meant.
    pub(super) names: TypeNames,
    /// Whether enums are also read as strings, and decimals as decimals of more digits.
    pub(super) beyond: bool,
    /// Whether times and decimals are read in smaller units, see [`Options::widen`](crate::Options::widen).
    pub(super) widen: bool,
}

impl Rules {
    /// The rules of the specification.
    pub(super) const SPECIFICATION: Rules = Rules { names: TypeNames::Strict, beyond: false, widen: false };

    /// The default rules for reading data.
    #[cfg(test)]
    pub(crate) const LENIENT: Rules = Rules { names: TypeNames::Lenient, beyond: true, widen: false };

    /// The rules of these options.
    pub(crate) fn of(options: &Options) -> Rules {
        Rules { names: options.type_names, beyond: true, widen: options.widen }
    }
}

/// How well two types match, best first. Ranks are compared before the positions of branches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Equal kind, full name and logical type.
    Same,
    /// The reader's type has the writer's full name as an alias.
    Alias,
    /// An equal name in another namespace, or a scalar with a logical type that the other lacks.
    Near,
    /// An alias equal to the name in another namespace.
    NearAlias,
    /// A promotion, or a decimal on another type.
    Promoted,
    /// Another name, where only these two can be meant.
    Overlooked,
    /// Beyond the specification: an enum as text, a decimal of more digits.
    Beyond,
    /// Items of unions that do not match at first sight.
    Last,
}

impl Resolver<'_> {
    /// The branch of the reader's union that a value of this type becomes.
    // SPEC: Schema Resolution takes the first that matches. Its Java implementation, and with it most data, prefers the
    // type itself to a promotion: an int stays one for ["double", "int"].
    // SPEC: Aliases: an alias rewrites the writer's schema before types are compared, so it ranks above simple names.
    pub(super) fn best_branch(
        &self,
        writer: &Node,
        branches: &[NodeId],
        standing: Standing,
    ) -> Option<(usize, NodeId)> {
        // If there are several of its kind on either side, a unique name is not matched to another.
        let alike = |branch: &&NodeId| self.reader.node(**branch).kind.word() == writer.kind.word();
        let overlook = self.rules.names == TypeNames::Lenient
            && standing == Standing::Alone
            && branches.iter().filter(alike).count() == 1;
        let ranks = branches
            .iter()
            .enumerate()
            .filter_map(|(at, &branch)| Some((self.rank(writer, self.reader.node(branch), overlook)?, at, branch)));
        ranks.min_by_key(|(rank, at, _)| (*rank, *at)).map(|(_, at, branch)| (at, branch))
    }

    fn rank(&self, writer: &Node, reader: &Node, overlook: bool) -> Option<Rank> {
        let is_decimal = writer.logical.is_some_and(Logical::is_decimal) && writer.logical == reader.logical;
        match (&writer.kind, &reader.kind) {
            (Kind::Array(w), Kind::Array(r)) | (Kind::Map(w), Kind::Map(r)) => {
                // Schemas limit the levels of arrays and maps, and so the levels that have no other type.
                let (w, r) = (self.writer.node(*w), self.reader.node(*r));
                match (&w.kind, &r.kind) {
                    (Kind::Union(_), _) | (_, Kind::Union(_)) => Some(self.rank_unions(w, r)),
                    _ => self.rank(w, r, overlook),
                }
            }
            (Kind::Record(_), Kind::Record(_)) | (Kind::Enum(_), Kind::Enum(_)) => rank_names(writer, reader, overlook),
            (Kind::Fixed(w), Kind::Fixed(r)) => {
                let rescaled = matches!(convert(writer, reader, self.rules).ok()?, Convert::Scale(_));
                let by_name = if w.size == r.size { rank_names(writer, reader, overlook && !is_decimal) } else { None };
                // SPEC: Schema Resolution: decimals match by precision and scale alone.
                by_name.or(is_decimal.then_some(Rank::Promoted)).or(rescaled.then_some(Rank::Beyond))
            }
            _ => match convert(writer, reader, self.rules).ok()? {
                Convert::Same if is_decimal && writer.kind.word() != reader.kind.word() => Some(Rank::Promoted),
                Convert::Same if writer.logical == reader.logical => Some(Rank::Same),
                Convert::Same if decimals(writer, reader) => Some(Rank::Beyond),
                Convert::Same => Some(Rank::Near),
                Convert::EnumToString => Some(Rank::Beyond),
                _ => Some(Rank::Promoted),
            },
        }
    }

    /// Ranks items of which at least one is a union, by whether each of the writer's kinds is among the reader's.
    fn rank_unions(&self, writer: &Node, reader: &Node) -> Rank {
        let words = |schema: &crate::schema::Schema, node: &Node| -> Vec<&'static str> {
            match &node.kind {
                Kind::Union(branches) => branches.iter().map(|branch| schema.node(*branch).kind.word()).collect(),
                kind => vec![kind.word()],
            }
        };
        let mut read = words(self.reader, reader);
        read.sort_unstable();
        let fits = words(self.writer, writer).iter().all(|word| read.binary_search(word).is_ok());
        if fits { Rank::Same } else { Rank::Last }
    }
}

fn rank_names(writer: &Node, reader: &Node, overlook: bool) -> Option<Rank> {
    let (w, r) = (writer.kind.name()?, reader.kind.name()?);
    match () {
        () if w == r => Some(Rank::Same),
        () if aliases(reader).contains(w) => Some(Rank::Alias),
        () if w.simple() == r.simple() => Some(Rank::Near),
        () if same_name(w, r, reader) => Some(Rank::NearAlias),
        () => overlook.then_some(Rank::Overlooked),
    }
}

// SPEC: Schema Resolution: "both schemas are records with the same (unqualified) name". Aliases are the reader's.
pub(super) fn same_name(writer: &Name, reader: &Name, reader_node: &Node) -> bool {
    writer.simple() == reader.simple() || aliases(reader_node).iter().any(|alias| alias.simple() == writer.simple())
}

fn aliases(reader: &Node) -> &[Name] {
    match &reader.kind {
        Kind::Record(t) => &t.aliases,
        Kind::Enum(t) => &t.aliases,
        Kind::Fixed(t) => &t.aliases,
        _ => &[],
    }
}

/// How values of one scalar type become values of another, or why they do not.
pub(super) fn convert(writer: &Node, reader: &Node, rules: Rules) -> Result<Convert, String> {
    use Kind::*;
    let beyond = rules.beyond;
    if rules.widen
        && let Some(rescale) = widen::rescale(writer, reader)
    {
        return Ok(rescale);
    }
    let cannot = || Err(format!("{writer} cannot be read as {reader}"));
    // Decimals too wide for Arrow's are read as bytes.
    let match_as_decimals =
        decimals(writer, reader) && (!beyond || (is_arrow_decimal(writer) && is_arrow_decimal(reader)));
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
        (Enum(_), String) if beyond => Convert::EnumToString,
        (Fixed(w), Fixed(r)) if w.size == r.size => Convert::Same,
        (Fixed(_), Bytes) if match_as_decimals => Convert::Same,
        (Fixed(_) | Bytes, Fixed(r)) if match_as_decimals => Convert::DecimalToFixed(r.size),
        _ => return cannot(),
    };
    // Of logical types, the specification has a rule for decimals alone. For others it has none, and to take
    // milliseconds for microseconds would be wrong in silence.
    match (writer.logical, reader.logical) {
        // SPEC: Schema Resolution: "two schemas that are decimal logical types match if their scales and precisions
        // match".
        (
            Some(Logical::Decimal { precision: w, scale: w_scale }),
            Some(Logical::Decimal { precision: r, scale: r_scale }),
        ) => match w_scale == r_scale && (w == r || (w < r && beyond)) {
            // More digits lose nothing.
            true => Ok(convert),
            false => cannot(),
        },
        (Some(w), Some(r)) if w != r => cannot(),
        _ => Ok(convert),
    }
}

fn decimals(writer: &Node, reader: &Node) -> bool {
    [writer, reader].iter().all(|node| node.logical.is_some_and(Logical::is_decimal))
}

pub(super) fn is_arrow_decimal(node: &Node) -> bool {
    let max = u32::from(arrow_schema::DECIMAL256_MAX_PRECISION);
    matches!(node.logical, Some(Logical::Decimal { precision, .. }) if precision <= max)
}
