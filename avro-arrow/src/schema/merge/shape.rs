//! Determines the merged types at a place from the types of all sources there.

use super::unify::{Unified, any_precision};
use super::widen::Widening;
use crate::schema::{Kind, Logical, Node};
use std::collections::{HashMap, HashSet};

/// A class of places.
pub(super) struct Slot {
    /// The types but null, in the order of their appearance.
    pub(super) groups: Vec<Group>,
    /// The source in which it can be null, if any, and whether null comes first in the first union that has it.
    pub(super) null: Option<(usize, bool)>,
    /// Whether some source has more than one type but null here.
    pub(super) is_choice: bool,
    /// The sources that have something here, in order.
    pub(super) sources: Vec<usize>,
    /// The number of types here, and how many of them are null or a union with null.
    pub(super) n_standing: usize,
    pub(super) n_nullable: usize,
    place: usize,
}

/// Types that are merged to one.
pub(super) struct Group {
    /// In the order of their sources.
    pub(super) types: Vec<usize>,
    /// Their unions, by index among all types at the slot.
    owners: HashSet<usize>,
    /// The kind of the merged type.
    pub(super) word: &'static str,
    /// Whether the merged type has smaller units than some of them.
    pub(super) is_rescaled: bool,
}

/// The key by which types are grouped.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    /// Named types, arrays and maps: their class.
    Class(usize),
    /// Scalars: their kind, their logical type, and the index among equal types of one union.
    Simple(&'static str, Option<Logical>, usize),
}

impl Slot {
    pub(super) fn of(unified: &Unified<'_>, place: usize, widen: bool) -> Slot {
        let standing = unified.standing(place);
        let unions: Vec<Vec<usize>> = standing.iter().map(|one| unified.branches(*one)).collect();
        let widening = if widen { Widening::of(unified, &unions) } else { Widening::default() };
        // A union of an int and a double keeps them apart.
        let side_by_side = |family: &str| {
            let in_family = |one: &&usize| family_of(unified.node(**one)) == family;
            unions.iter().any(|branches| branches.iter().filter(in_family).count() > 1)
        };
        let exact = ["number", "text"].map(|family| (family, side_by_side(family)));
        let mixed = mixed_decimals(unified, &unions);
        let mut slot = Slot {
            groups: Vec::new(),
            null: None,
            is_choice: standing.iter().any(|one| unified.is_choice(*one)),
            sources: standing.iter().map(|one| unified.source_of(*one)).collect(),
            n_standing: standing.len(),
            n_nullable: 0,
            place,
        };
        slot.sources.dedup();
        let mut places = HashMap::new();
        for (owner, branches) in unions.iter().enumerate() {
            let mut seen = HashMap::new();
            let can_be_null = |one: &usize| matches!(unified.node(*one).kind, Kind::Null);
            slot.n_nullable += usize::from(branches.iter().any(can_be_null));
            for (at, &one) in branches.iter().enumerate() {
                let node = unified.node(one);
                if matches!(node.kind, Kind::Null) {
                    slot.null.get_or_insert((unified.source_of(one), at == 0));
                    continue;
                }
                let wide = widening.word(node);
                let key = match &node.kind {
                    _ if let Some(word) = wide => {
                        let nth = seen.entry((word, None)).or_insert(0);
                        *nth += 1;
                        Key::Simple(word, None, *nth)
                    }
                    _ if node.logical.map(any_precision).is_some_and(|logical| mixed.contains(&logical)) => {
                        Key::Simple("bytes", node.logical.map(any_precision), 1)
                    }
                    Kind::Array(_) | Kind::Map(_) | Kind::Record(_) | Kind::Enum(_) | Kind::Fixed(_) => {
                        Key::Class(unified.class(one))
                    }
                    kind => {
                        let family = family_of(node);
                        let word = if exact.contains(&(family, true)) { kind.word() } else { family };
                        // A uuid is a string.
                        let logical = node.logical.filter(|l| *l != Logical::Uuid).map(any_precision);
                        let nth = seen.entry((word, logical)).or_insert(0);
                        *nth += 1;
                        Key::Simple(word, logical, *nth)
                    }
                };
                let group = *places.entry(key).or_insert(slot.groups.len());
                match slot.groups.get_mut(group) {
                    Some(group) => {
                        group.types.push(one);
                        group.owners.insert(owner);
                    }
                    None => {
                        let word = wide.unwrap_or_default();
                        let is_rescaled = wide.is_some();
                        let owners = HashSet::from([owner]);
                        slot.groups.push(Group { types: vec![one], owners, word, is_rescaled });
                    }
                }
            }
        }
        for group in &mut slot.groups {
            let first = group.types.first().and_then(|one| unified.node(*one).logical);
            group.word = match group.word {
                "decimal" => "bytes",
                _ if first.is_some_and(|logical| mixed.contains(&any_precision(logical))) => "bytes",
                _ => word_of(group.types.iter().map(|one| &unified.node(*one).kind)),
            };
        }
        if exact.contains(&("number", true)) {
            slot.order_numbers(unified);
        }
        slot
    }

    /// The slot with types of smaller units merged.
    pub(super) fn widened(&self, unified: &Unified<'_>) -> Slot {
        Slot::of(unified, self.place, true)
    }

    /// Whether this type is converted to smaller units.
    pub(super) fn rescales(&self, unified: &Unified<'_>, one: usize) -> bool {
        let Some(group) = self.groups.iter().find(|group| group.is_rescaled && group.types.contains(&one)) else {
            return false;
        };
        let logicals = || group.types.iter().filter_map(|one| unified.node(*one).logical);
        let widest = logicals().next().and_then(|first| logicals().try_fold(first, Logical::widened));
        widest.map(|logical| (group.word, logical))
            != unified.node(one).logical.map(|own| (unified.node(one).kind.word(), own))
    }

    /// Orders narrow numbers before wide ones, so that an int takes the int branch where the first possible branch is
    /// taken.
    fn order_numbers(&mut self, unified: &Unified<'_>) {
        let is_number =
            |group: &Group| group.types.first().is_some_and(|one| family_of(unified.node(*one)) == "number");
        let places: Vec<usize> =
            self.groups.iter().enumerate().filter(|(_, group)| is_number(group)).map(|(at, _)| at).collect();
        for (n, &a) in places.iter().enumerate() {
            for &b in places.iter().skip(n + 1) {
                let rank = |at: usize| self.groups.get(at).and_then(|g| WIDENING.iter().position(|w| *w == g.word));
                if rank(b) < rank(a) {
                    self.groups.swap(a, b);
                }
            }
        }
    }

    /// Two types that cannot be merged, and that no source has side by side. If no source has a choice of types, any
    /// two; else two that a union cannot hold together.
    // SPEC: Unions. They may not hold more than one type of a kind, but for those with names.
    pub(super) fn conflict(&self, unions_may_grow: bool) -> Option<[&Group; 2]> {
        let grows = self.is_choice || unions_may_grow;
        let alike = |a: &Group, b: &Group| {
            let named = matches!(a.word, "record" | "enum" | "fixed");
            !named && a.word == b.word && a.owners.is_disjoint(&b.owners)
        };
        if !grows && let [a, b, ..] = self.groups.as_slice() {
            return Some([a, b]);
        }
        let pairs =
            self.groups.iter().enumerate().flat_map(|(at, a)| self.groups.iter().skip(at + 1).map(move |b| (a, b)));
        pairs.into_iter().find(|(a, b)| alike(a, b)).map(|(a, b)| [a, b])
    }
}

/// The decimals, of any precision, that are on bytes in one source and on fixed, or on different fixed, in another.
/// They are merged to one on bytes.
// SPEC: Schema Resolution: "two schemas that are decimal logical types match if their scales and precisions match".
fn mixed_decimals(unified: &Unified<'_>, unions: &[Vec<usize>]) -> HashSet<Logical> {
    let mut classes: HashMap<Logical, HashSet<Option<usize>>> = HashMap::new();
    for branches in unions {
        let on_bytes = || {
            let nodes = branches.iter().map(|one| (one, unified.node(*one)));
            nodes.filter(|(_, node)| matches!(node.kind, Kind::Bytes | Kind::Fixed(_)))
        };
        if on_bytes().count() > 1 {
            return HashSet::new();
        }
        for (one, node) in on_bytes() {
            if let Some(logical) = node.logical.filter(|logical| logical.is_decimal()) {
                let class = matches!(node.kind, Kind::Fixed(_)).then(|| unified.class(*one));
                classes.entry(any_precision(logical)).or_default().insert(class);
            }
        }
    }
    classes.into_iter().filter(|(_, classes)| classes.len() > 1).map(|(logical, _)| logical).collect()
}

/// Types of one family are merged; others of a kind only if they are equal.
fn family_of(node: &Node) -> &'static str {
    match (&node.kind, node.logical) {
        (Kind::Int | Kind::Long | Kind::Float | Kind::Double, None) => "number",
        (Kind::Bytes, None) | (Kind::String, _) => "text",
        (kind, _) => kind.word(),
    }
}

/// In the order of promotion.
const WIDENING: [&str; 4] = ["int", "long", "float", "double"];

/// The merged kind of these kinds, which are of one family.
// SPEC: Schema Resolution. An int and a long can be promoted to float, and would lose digits beyond 2^24; a double
// keeps every int, and more digits of a long. Of strings and bytes, each can be promoted to the other; bytes
// need not be text, so reading them as strings could fail.
fn word_of<'k>(kinds: impl Iterator<Item = &'k Kind>) -> &'static str {
    let words: HashSet<&'static str> = kinds.map(Kind::word).collect();
    let has = |word| words.contains(word);
    match () {
        () if has("double") || (has("float") && words.len() > 1) => "double",
        () if has("long") => "long",
        () if has("bytes") => "bytes",
        () => words.into_iter().next().unwrap_or_default(),
    }
}
