//! Union–find over `0..n`.

use std::collections::HashSet;

/// Disjoint sets of numbers, each with its members.
#[derive(Debug)]
pub(super) struct UnionFind {
    /// The root of a set is its own parent. The larger set keeps its root, so paths to roots are short.
    parent: Vec<usize>,
    members: Vec<Vec<usize>>,
}

// Indexed without a check of its own: the numbers are those that the sets were made for.
impl UnionFind {
    /// Creates a set for every number below `n`.
    pub(super) fn new(n: usize) -> UnionFind {
        UnionFind { parent: (0..n).collect(), members: (0..n).map(|one| vec![one]).collect() }
    }

    /// The current representative of the set of `one`.
    pub(super) fn root(&self, one: usize) -> usize {
        let mut root = one;
        while self.parent[root] != root {
            root = self.parent[root];
        }
        root
    }

    /// Joins two sets; returns the root if they were distinct.
    pub(super) fn join(&mut self, a: usize, b: usize) -> Option<usize> {
        let (a, b) = (self.root(a), self.root(b));
        let (large, small) = if self.members[a].len() < self.members[b].len() { (b, a) } else { (a, b) };
        if large == small {
            return None;
        }
        let moved = std::mem::take(&mut self.members[small]);
        self.members[large].extend(moved);
        self.parent[small] = large;
        Some(large)
    }

    /// The members of the set of `one`, in order.
    pub(super) fn members(&self, one: usize) -> Vec<usize> {
        let mut members = self.members[self.root(one)].clone();
        members.sort_unstable();
        members
    }
}

/// Sets of items with owners, in which an owner's items stay in different sets.
pub(super) struct NameMatcher {
    classes: UnionFind,
    owners: Vec<usize>,
}

impl NameMatcher {
    /// Creates a set for every item. Items are indexes of `owners`.
    pub(super) fn new(owners: Vec<usize>) -> NameMatcher {
        NameMatcher { classes: UnionFind::new(owners.len()), owners }
    }

    /// Joins two sets, whatever their owners.
    pub(super) fn link(&mut self, a: usize, b: usize) {
        self.classes.join(a, b);
    }

    /// Joins two sets, unless an owner has items in both.
    pub(super) fn link_if_apart(&mut self, a: usize, b: usize) {
        let (a, b) = (self.classes.root(a), self.classes.root(b));
        if a == b {
            return;
        }
        let owners = |one: usize| self.classes.members[one].iter().map(|item| self.owners[*item]);
        let of_a: HashSet<usize> = owners(a).collect();
        if !owners(b).any(|owner| of_a.contains(&owner)) {
            self.classes.join(a, b);
        }
    }

    /// The sets, in the order of their first items, each in the order of its items.
    pub(super) fn groups(&self) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut places = vec![None; self.owners.len()];
        for item in 0..self.owners.len() {
            let place = *places[self.classes.root(item)].get_or_insert(groups.len());
            match groups.get_mut(place) {
                Some(group) => group.push(item),
                None => groups.push(vec![item]),
            }
        }
        groups
    }
}
