//! Finds the types and fields of many schemas that are the same, as classes of types and of the places of types.
//!
//! A place is where a type is used: the top level, a field, the items of an array, the values of a map. Equal places
//! form a class, and so do equal types. Starting at the top level, the types at places of one class are joined by kind
//! and name, then the fields of records of one class by name and alias, which joins their places, and so on. Joined
//! classes stay joined, so recursive types and types that double at every level come to an end: there are never more
//! classes than types in all schemas.

use super::union_find::{NameMatcher, UnionFind};
use crate::schema::{Kind, Logical, Name, Node, NodeId, Schema};
use std::collections::{HashMap, HashSet, VecDeque};

/// A schema and its sources.
#[derive(Debug)]
pub(super) struct SourceSchema<'s> {
    pub(super) schema: &'s Schema,
    /// The first and the last source.
    pub(super) first: &'s str,
    pub(super) last: &'s str,
    pub(super) n: usize,
    /// The index of the last among all sources.
    pub(super) newest: usize,
}

/// All types of all schemas, numbered consecutively.
pub(super) struct Unified<'s> {
    pub(super) sources: Vec<SourceSchema<'s>>,
    /// By source: the number of its first type.
    base: Vec<usize>,
    /// By type: its source.
    source: Vec<usize>,
    /// By type: the first of its places.
    first_place: Vec<usize>,
    /// By place: its type. The places of the top levels come first.
    standing: Vec<usize>,
    types: UnionFind,
    places: UnionFind,
}

/// Properties that must be equal for two types to be merged: the kind, and for `fixed` the size and logical type.
type MergeShape = (&'static str, usize, Option<Logical>);

/// What must be examined again.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Work {
    Place(usize),
    Type(usize),
}

// Indexed without a check of its own: all numbers are made here, in `new`.
impl<'s> Unified<'s> {
    pub(super) fn new(sources: Vec<SourceSchema<'s>>) -> Unified<'s> {
        let mut base = Vec::with_capacity(sources.len());
        let (mut source, mut first_place, mut standing) = (Vec::new(), Vec::new(), Vec::new());
        for (at, one) in sources.iter().enumerate() {
            base.push(source.len());
            standing.push(source.len() + one.schema.root().index());
            source.resize(source.len() + one.schema.len(), at);
        }
        for (&base, one) in base.iter().zip(&sources) {
            for id in (0..one.schema.len()).map(|idx| NodeId(idx as u32)) {
                first_place.push(standing.len());
                let kind = &one.schema.node(id).kind;
                if !matches!(kind, Kind::Union(_)) {
                    standing.extend((0..).map_while(|idx| kind.child(idx)).map(|child| base + child.index()));
                }
            }
        }
        let (types, places) = (UnionFind::new(source.len()), UnionFind::new(standing.len()));
        let mut unified = Unified { sources, base, source, first_place, standing, types, places };
        unified.run();
        unified
    }

    /// The place of all top levels.
    pub(super) fn root(&self) -> usize {
        self.places.root(0)
    }

    pub(super) fn node(&self, one: usize) -> &'s Node {
        let source = self.source[one];
        self.sources[source].schema.node(NodeId((one - self.base[source]) as u32))
    }

    pub(super) fn source_of(&self, one: usize) -> usize {
        self.source[one]
    }

    /// The class of a type.
    pub(super) fn class(&self, one: usize) -> usize {
        self.types.root(one)
    }

    /// The types of the class of this one, in the order of their sources.
    pub(super) fn same_types(&self, one: usize) -> Vec<usize> {
        self.types.members(one)
    }

    /// The class of the place of this field, or of the items or values.
    pub(super) fn place(&self, one: usize, field: usize) -> usize {
        self.places.root(self.first_place[one] + field)
    }

    /// The type of this field, or of the items or values.
    pub(super) fn type_at(&self, one: usize, field: usize) -> usize {
        self.standing[self.first_place[one] + field]
    }

    /// The types at the places of this class, in the order of their sources. They may be unions.
    pub(super) fn standing(&self, place: usize) -> Vec<usize> {
        self.places.members(place).into_iter().map(|place| self.standing[place]).collect()
    }

    /// A union's branches, or the type alone.
    pub(super) fn branches(&self, one: usize) -> Vec<usize> {
        match &self.node(one).kind {
            Kind::Union(branches) => {
                let base = self.base[self.source[one]];
                branches.iter().map(|branch| base + branch.index()).collect()
            }
            _ => vec![one],
        }
    }

    /// Whether there is more than one type but null to choose from.
    pub(super) fn is_choice(&self, one: usize) -> bool {
        self.branches(one).iter().filter(|branch| !matches!(self.node(**branch).kind, Kind::Null)).count() > 1
    }

    fn run(&mut self) {
        for top in 1..self.sources.len() {
            self.places.join(0, top);
        }
        let mut queue = VecDeque::from([Work::Place(0)]);
        let mut queued: HashSet<Work> = queue.iter().copied().collect();
        while let Some(work) = queue.pop_front() {
            queued.remove(&work);
            let mut changed = Vec::new();
            match work {
                Work::Place(place) => self.join_types(place, &mut changed),
                Work::Type(one) => self.join_places(one, &mut changed),
            }
            queue.extend(changed.into_iter().filter(|work| queued.insert(*work)));
        }
    }

    /// Joins types at one place.
    fn join_types(&mut self, place: usize, changed: &mut Vec<Work>) {
        let standing = self.standing(place);
        let mut named = Vec::new();
        let mut containers: HashMap<(&str, usize), usize> = HashMap::new();
        let mut together = Vec::new();
        for (owner, &one) in standing.iter().enumerate() {
            let mut seen = [0, 0];
            for branch in self.branches(one) {
                let node = self.node(branch);
                let nth = match &node.kind {
                    Kind::Array(_) => &mut seen[0],
                    Kind::Map(_) => &mut seen[1],
                    kind => {
                        named.extend(kind.name().map(|name| (owner, branch, name)));
                        continue;
                    }
                };
                // Two arrays in one union are invalid, but they occur: the first is joined with the first.
                let first = *containers.entry((node.kind.word(), *nth)).or_insert(branch);
                *nth += 1;
                together.push((first, branch));
            }
        }
        let alone = !standing.iter().any(|one| self.is_choice(*one));
        for group in self.group_named(&named, alone) {
            together.extend(group.windows(2).map(|pair| (pair[0], pair[1])));
        }
        for (a, b) in together {
            changed.extend(self.types.join(a, b).map(Work::Type));
        }
    }

    /// Groups named types, each with the number of its union: by full names, then by simple names, then by aliases;
    /// and by any name if none has an alternative.
    // SPEC: Schema Resolution: named types match by their unqualified names. Where a reader's type and a writer's are
    // the only ones that can meet, this crate does not look at names, as many writers make them up.
    fn group_named(&self, named: &[(usize, usize, &Name)], alone: bool) -> Vec<Vec<usize>> {
        let mut linker = NameMatcher::new(named.iter().map(|(owner, ..)| *owner).collect());
        let mut classes = HashMap::new();
        let mut by_name: HashMap<(MergeShape, &str), usize> = HashMap::new();
        let shapes: Vec<MergeShape> = named.iter().map(|(_, one, _)| shape(self.node(*one))).collect();
        for (item, ((_, one, name), shape)) in named.iter().zip(&shapes).enumerate() {
            linker.link(*classes.entry(self.class(*one)).or_insert(item), item);
            let same = *by_name.entry((*shape, name.full())).or_insert(item);
            linker.link_if_apart(same, item);
        }
        // SPEC: Aliases. They rewrite names before these are compared without their namespaces.
        for (item, ((_, one, _), shape)) in named.iter().zip(&shapes).enumerate() {
            for alias in aliases(self.node(*one)) {
                linker.link_if_apart(*by_name.entry((*shape, alias.full())).or_insert(item), item);
            }
        }
        by_name.clear();
        // If a union has two types of one simple name, they cannot be matched to another union's.
        let mut owners: HashSet<(usize, MergeShape, &str)> = HashSet::new();
        let mut namesakes: HashSet<(MergeShape, &str)> = HashSet::new();
        for ((owner, _, name), shape) in named.iter().zip(&shapes) {
            if !owners.insert((*owner, *shape, name.simple())) {
                namesakes.insert((*shape, name.simple()));
            }
        }
        for (item, ((.., name), shape)) in named.iter().zip(&shapes).enumerate() {
            if !namesakes.contains(&(*shape, name.simple())) {
                linker.link_if_apart(*by_name.entry((*shape, name.simple())).or_insert(item), item);
            }
        }
        for (item, ((_, one, _), shape)) in named.iter().zip(&shapes).enumerate() {
            for alias in aliases(self.node(*one)) {
                linker.link_if_apart(*by_name.entry((*shape, alias.simple())).or_insert(item), item);
            }
        }
        if alone {
            let mut by_shape = HashMap::new();
            for (item, shape) in shapes.iter().enumerate() {
                linker.link_if_apart(*by_shape.entry(*shape).or_insert(item), item);
            }
        }
        let of_types = |group: Vec<usize>| group.into_iter().map(|item| named[item].1).collect();
        linker.groups().into_iter().map(of_types).collect()
    }

    /// Joins places that are the same part of one class of types.
    fn join_places(&mut self, one: usize, changed: &mut Vec<Work>) {
        let groups = match &self.node(one).kind {
            Kind::Record(_) => self.group_fields(one),
            Kind::Array(_) | Kind::Map(_) => {
                vec![self.same_types(one).into_iter().map(|one| (one, 0)).collect()]
            }
            _ => return,
        };
        for group in groups {
            for pair in group.windows(2) {
                let [a, b] = [pair[0], pair[1]].map(|(one, field)| self.first_place[one] + field);
                changed.extend(self.places.join(a, b).map(Work::Place));
            }
        }
    }

    /// Groups the fields of the records of a class by name, and then by alias, of either side, but never two of one
    /// record. Each is a type and the index of its field.
    pub(super) fn group_fields(&self, one: usize) -> Vec<Vec<(usize, usize)>> {
        let records = self.same_types(one);
        let records = records.iter().filter_map(|&one| match &self.node(one).kind {
            Kind::Record(record) => Some((one, record)),
            _ => None,
        });
        let fields: Vec<_> =
            records.flat_map(|(one, r)| r.fields.iter().enumerate().map(move |(at, field)| (one, at, field))).collect();
        let mut linker = NameMatcher::new(fields.iter().map(|(one, ..)| *one).collect());
        // Real schemas have several fields of one name in a record: the first is joined with the first.
        let mut seen: HashMap<(usize, &str), usize> = HashMap::new();
        let mut by_name: HashMap<(&str, usize), usize> = HashMap::new();
        for (item, (one, _, field)) in fields.iter().enumerate() {
            let nth = seen.entry((*one, &field.name)).or_insert(0);
            linker.link(*by_name.entry((&field.name, *nth)).or_insert(item), item);
            *nth += 1;
        }
        for (item, (.., field)) in fields.iter().enumerate() {
            for alias in &field.aliases {
                linker.link_if_apart(*by_name.entry((alias, 0)).or_insert(item), item);
            }
        }
        let of_fields = |group: Vec<usize>| group.into_iter().map(|item| (fields[item].0, fields[item].1)).collect();
        linker.groups().into_iter().map(of_fields).collect()
    }
}

fn shape(node: &Node) -> MergeShape {
    let size = match &node.kind {
        Kind::Fixed(fixed) => fixed.size,
        _ => 0,
    };
    (node.kind.word(), size, node.logical.map(any_precision))
}

/// The logical type, without the number of digits of a decimal: more digits lose nothing.
pub(super) fn any_precision(logical: Logical) -> Logical {
    match logical {
        Logical::Decimal { scale, .. } => Logical::Decimal { precision: u32::MAX, scale },
        other => other,
    }
}

/// The aliases of a named type.
pub(super) fn aliases(node: &Node) -> &[Name] {
    match &node.kind {
        Kind::Record(t) => &t.aliases,
        Kind::Enum(t) => &t.aliases,
        Kind::Fixed(t) => &t.aliases,
        _ => &[],
    }
}
