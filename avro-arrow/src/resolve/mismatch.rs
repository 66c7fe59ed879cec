//! Finds every reason why a reader's schema cannot read data of a writer's, with its path.

use super::matching::Rules;
use super::{Action, PairId, Resolver, TypeStep};
use crate::error::{Mismatch, Result, Severity};
use crate::limits::Limits;
use crate::options::FieldMatch;
use crate::schema::{Kind, Schema};

/// Maximum number of steps of all paths together. A list that refers to itself through a thousand types has a path of
/// a thousand steps to each.
const STEPS_MAX: usize = 1 << 17;

/// Length in bytes at which a path is cut.
const PATH_BYTES_MAX: usize = 2 << 10;

impl Schema {
    /// Returns every reason why this schema, as a reader's, cannot read data of `writer` by the rules of the
    /// specification, including names of types. An empty list means that it reads all of it. For types nested
    /// thousands of times, some positions are omitted and long paths are cut.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Limit`](crate::ErrorKind::Limit) if the schemas are too large to compare.
    // SPEC: Schema Resolution.
    pub fn mismatches(&self, writer: &Schema, by: FieldMatch, limits: &Limits) -> Result<Vec<Mismatch>> {
        let resolver = Resolver::run(writer, self, by, Rules::SPECIFICATION, limits)?;
        Ok(resolver.mismatches(&vec![true; resolver.pairs.len()]))
    }
}

impl Resolver<'_> {
    /// By pair: whether none of its values can be converted. For a writer's union, whether no branch can.
    pub(super) fn failing(&self) -> Vec<bool> {
        let mut inside_of: Vec<Vec<usize>> = vec![Vec::new(); self.pairs.len()];
        // For a union, the number of branches not known to fail; else one failure is enough.
        let mut left = vec![1usize; self.pairs.len()];
        for (at, pair) in self.pairs.iter().enumerate() {
            let inner = pair.action.inner();
            if let (Action::FromUnion(_), Some(left)) = (&pair.action, left.get_mut(at)) {
                *left = inner.len();
            }
            for inner in inner {
                if let Some(places) = inside_of.get_mut(inner.index()) {
                    places.push(at);
                }
            }
        }
        let mut fails = vec![false; self.pairs.len()];
        let always = self.problems.iter().filter(|problem| problem.severity == Severity::Always);
        let mut todo: Vec<usize> = always.map(|problem| problem.pair.index()).collect();
        for at in &todo {
            if let Some(left) = left.get_mut(*at) {
                *left = 0;
            }
        }
        while let Some(at) = todo.pop() {
            let Some(fail) = fails.get_mut(at) else { continue };
            if std::mem::replace(fail, true) {
                continue;
            }
            for &outer in inside_of.get(at).into_iter().flatten() {
                let Some(left) = left.get_mut(outer) else { continue };
                *left = left.saturating_sub(1);
                if *left == 0 {
                    todo.push(outer);
                }
            }
        }
        fails
    }

    /// The failing pairs because of which the outermost one fails.
    pub(super) fn blamed(&self, fails: &[bool]) -> Vec<bool> {
        let mut blamed = vec![false; self.pairs.len()];
        let mut todo = vec![PairId(0)];
        while let Some(pair) = todo.pop() {
            let fails = fails.get(pair.index()) == Some(&true);
            if let (true, Some(seen @ false), Some(pair)) =
                (fails, blamed.get_mut(pair.index()), self.pairs.get(pair.index()))
            {
                *seen = true;
                todo.extend(pair.action.inner());
            }
        }
        blamed
    }

    /// The problems of the pairs in `of`, in the order in which they were met.
    pub(super) fn mismatches(&self, of: &[bool]) -> Vec<Mismatch> {
        let wanted = self.problems.iter().filter(|problem| of.get(problem.pair.index()) == Some(&true));
        let mut mismatches = Vec::new();
        let mut n_steps = 0;
        for problem in wanted {
            let (path, in_union, steps) = self.path(problem.pair);
            let severity = if in_union { Severity::SomeValues } else { problem.severity };
            mismatches.push(Mismatch { path, reason: problem.reason.clone(), severity });
            n_steps += steps;
            if n_steps > STEPS_MAX {
                break;
            }
        }
        mismatches
    }

    /// The path to the first position of a pair, whether it passes a branch of a writer's union of several, and its
    /// number of steps.
    fn path(&self, mut pair: PairId) -> (String, bool, usize) {
        let mut parts = Vec::new();
        let mut in_union = false;
        while let Some(Some(met)) = self.met.get(pair.index()) {
            let outer = self.pairs.get(met.inside.index()).map(|outer| &self.writer.node(outer.writer).kind);
            in_union |= matches!(outer, Some(Kind::Union(branches)) if branches.len() > 1);
            parts.push(met);
            pair = met.inside;
        }
        let mut path = String::new();
        for met in parts.iter().rev() {
            let Some(outer) = self.pairs.get(met.inside.index()) else { continue };
            if path.len() > PATH_BYTES_MAX {
                path.push('…');
                break;
            }
            match (&met.part, &self.writer.node(outer.writer).kind, &self.reader.node(outer.reader).kind) {
                (TypeStep::Field(at), _, Kind::Record(record)) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(record.fields.get(*at).map_or("", |field| &field.name));
                }
                (TypeStep::Items, ..) => path.push_str("[]"),
                (TypeStep::Values, ..) => path.push_str("{}"),
                (TypeStep::Branch(at), Kind::Union(branches), _) => {
                    let kind = branches.get(*at).map(|branch| &self.writer.node(*branch).kind);
                    let name = kind.map_or("", |kind| kind.name().map_or(kind.word(), |name| name.full()));
                    path.extend(["<", name, ">"]);
                }
                _ => {}
            }
        }
        (path, in_union, parts.len())
    }
}

impl Action {
    /// The pairs that it leads to.
    fn inner(&self) -> Vec<PairId> {
        match self {
            Action::Items(value) | Action::ToUnion { value, .. } => vec![*value],
            Action::Record(record) => record.fields.iter().flatten().map(|(_, value)| *value).collect(),
            Action::FromUnion(branches) => branches.iter().flatten().copied().collect(),
            Action::Convert(_) | Action::Symbols(_) | Action::Nothing => vec![],
        }
    }
}
