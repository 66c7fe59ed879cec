//! Writes the merged schema as JSON from classes of types and places, and records its provenance.

use super::OnConflict;
use super::defaults::DefaultFinder;
use super::fields::{MergedField, field, newest};
use super::provenance::{Note, Provenance};
use super::shape::{Group, Slot};
use super::unify::{Unified, aliases};
use crate::error::{ErrorKind, Result};
use crate::schema::compose::{JSON_LEVELS_MAX, PathStep, WrittenNames, write_name};
use crate::schema::{Attributes, Kind, Logical, Name};
use serde_json::{Value as Json, json};
use std::collections::{HashMap, HashSet};

/// The JSON of the merged schema, and the provenance of its fields.
pub(super) fn write(unified: &Unified<'_>, conflicts: OnConflict) -> Result<(Json, Vec<Provenance>)> {
    let mut writer = SchemaWriter {
        unified,
        conflicts,
        defaults: DefaultFinder::new(unified, conflicts == OnConflict::Widen),
        names: WrittenNames::default(),
        written: HashMap::new(),
        fields: Vec::new(),
        path: String::new(),
        depth: 0,
    };
    let slot = Slot::of(unified, unified.root(), conflicts == OnConflict::Widen);
    let notes = writer.notes(&slot);
    writer.report(&slot.sources, notes, false);
    let json = writer.slot(slot, Null::AsItIs, "")?;
    Ok((json, writer.fields))
}

/// The position of null in a union.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Null {
    /// Where the first source has it.
    AsItIs,
    /// First, added if needed: the default is null.
    First,
    /// Last: the default is not null.
    Last,
}

struct SchemaWriter<'u, 's> {
    unified: &'u Unified<'s>,
    conflicts: OnConflict,
    defaults: DefaultFinder<'u, 's>,
    names: WrittenNames,
    /// By class: the name of a type that has been written.
    written: HashMap<usize, Name>,
    fields: Vec<Provenance>,
    path: String,
    /// Levels of JSON around the current position.
    depth: usize,
}

impl SchemaWriter<'_, '_> {
    /// Writes the type at a place; simple names belong to the namespace `around`.
    fn slot(&mut self, slot: Slot, null: Null, around: &str) -> Result<Json> {
        if let Some(groups) = slot.conflict(self.conflicts == OnConflict::Widen) {
            let is_widen = self.conflicts == OnConflict::Widen;
            let widens = !is_widen && slot.widened(self.unified).conflict(true).is_none();
            return Err(self.conflict(groups, widens));
        }
        let n_branches = slot.groups.len();
        let mut branches = Vec::with_capacity(n_branches + 1);
        for group in &slot.groups {
            let part = (n_branches > 1).then(|| {
                let node = group.types.first().map(|one| &self.unified.node(*one).kind);
                node.and_then(Kind::name).filter(|_| group.word != "bytes").map_or(group.word, Name::simple)
            });
            let branch = self.inside(part.map(PathStep::Branch), 1, |writer| writer.group(group, around))?;
            branches.push(branch);
        }
        let has_null = slot.null.is_some() || null == Null::First;
        if has_null {
            let is_first = match null {
                Null::First => true,
                Null::Last => false,
                Null::AsItIs => slot.null.is_none_or(|(_, first)| first),
            };
            branches.insert(if is_first { 0 } else { n_branches }, json!("null"));
        }
        let only = if branches.len() == 1 { branches.pop() } else { None };
        Ok(only.unwrap_or(Json::Array(branches)))
    }

    #[cold]
    fn conflict(&self, groups: [&Group; 2], widens: bool) -> crate::Error {
        let [a, b] = groups.map(|group| {
            let one = group.types.first().copied().unwrap_or_default();
            (self.label(self.unified.source_of(one)), self.unified.node(one).to_string())
        });
        let (first, first_type) = a;
        let (second, second_type) = b;
        ErrorKind::Conflict { path: self.path.clone(), first, first_type, second, second_type, widens }.into()
    }

    /// Runs `write` one step further into the type.
    fn inside<T>(
        &mut self,
        part: Option<PathStep<'_>>,
        levels: usize,
        write: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let len = self.path.len();
        self.depth += levels;
        if self.depth > JSON_LEVELS_MAX {
            let what = format!("a merged schema of more than {JSON_LEVELS_MAX} levels of JSON, at `{}`", self.path);
            return Err(ErrorKind::Unsupported { what }.into());
        }
        if let Some(part) = part {
            part.add_to(&mut self.path);
        }
        let written = write(self)?;
        self.path.truncate(len);
        self.depth -= levels;
        Ok(written)
    }

    fn group(&mut self, group: &Group, around: &str) -> Result<Json> {
        let Some(&one) = group.types.first() else { return Ok(json!("null")) };
        let unified = self.unified;
        let class = unified.class(one);
        match &unified.node(one).kind {
            kind @ (Kind::Record(_) | Kind::Enum(_) | Kind::Fixed(_)) if kind.word() == group.word => {
                match self.written.get(&class) {
                    Some(name) => Ok(self.names.reference(name, around)),
                    None => self.named(one, around),
                }
            }
            Kind::Array(_) => self.container(one, "items", PathStep::Items, around),
            Kind::Map(_) => self.container(one, "values", PathStep::Values, around),
            _ => {
                let mut object = Attributes::new();
                object.insert("type".into(), Json::from(group.word));
                self.attributes(&mut object, &group.types, group.word);
                let is_bare = object.len() == 1;
                Ok(if is_bare { Json::from(group.word) } else { Json::Object(object) })
            }
        }
    }

    /// An array or a map.
    fn container(&mut self, one: usize, key: &str, part: PathStep<'_>, around: &str) -> Result<Json> {
        let word = self.unified.node(one).kind.word();
        let mut object = Attributes::new();
        object.insert("type".into(), Json::from(word));
        let slot = Slot::of(self.unified, self.unified.place(one, 0), self.conflicts == OnConflict::Widen);
        let inner = self.inside(Some(part), 1, |writer| {
            let notes = writer.notes(&slot);
            writer.report(&slot.sources, notes, false);
            writer.slot(slot, Null::AsItIs, around)
        })?;
        object.insert(key.into(), inner);
        self.attributes(&mut object, &self.unified.same_types(one), word);
        Ok(Json::Object(object))
    }

    /// The definition of a named type.
    fn named(&mut self, one: usize, around: &str) -> Result<Json> {
        let unified = self.unified;
        let types = unified.same_types(one);
        let named = |one: &usize| unified.node(*one).kind.name();
        let Some(wanted) = types.iter().max_by_key(|one| newest(unified, **one)).and_then(named) else {
            return Ok(json!("null"));
        };
        let name = self.names.take(wanted);
        self.written.insert(unified.class(one), name.clone());
        let mut others: Vec<Name> = Vec::new();
        let mut seen = HashSet::from([&name]);
        for other in types.iter().flat_map(|one| named(one).into_iter().chain(aliases(unified.node(*one)))) {
            if seen.insert(other) {
                others.push(other.clone());
            }
        }
        let word = unified.node(one).kind.word();
        let mut object = Attributes::new();
        object.insert("type".into(), Json::from(word));
        write_name(&mut object, &name, &others, around);
        let doc = types.iter().find_map(|one| match &unified.node(*one).kind {
            Kind::Record(t) => t.doc.as_deref(),
            Kind::Enum(t) => t.doc.as_deref(),
            Kind::Fixed(t) => t.doc.as_deref(),
            _ => None,
        });
        if let Some(doc) = doc {
            object.insert("doc".into(), Json::from(doc));
        }
        match &unified.node(one).kind {
            Kind::Fixed(fixed) => drop(object.insert("size".into(), Json::from(fixed.size))),
            Kind::Enum(_) => self.symbols(&mut object, &types),
            _ => {
                // The object, the array of fields, and the object of a field.
                let fields = self.inside(None, 3, |writer| writer.fields(one, name.namespace()))?;
                object.insert("fields".into(), Json::Array(fields));
            }
        }
        self.attributes(&mut object, &types, word);
        Ok(Json::Object(object))
    }

    fn symbols(&self, object: &mut Attributes, types: &[usize]) {
        let mut seen = HashSet::new();
        let mut default = None;
        let mut symbols: Vec<Json> = Vec::new();
        for one in types {
            let Kind::Enum(e) = &self.unified.node(*one).kind else { continue };
            symbols.extend(e.symbols.iter().filter(|s| seen.insert(s.as_str())).map(|s| Json::from(s.as_str())));
            default = default.or(e.default.as_deref());
        }
        object.insert("symbols".into(), Json::Array(symbols));
        if let Some(default) = default {
            object.insert("default".into(), Json::from(default));
        }
    }

    fn fields(&mut self, one: usize, around: &str) -> Result<Vec<Json>> {
        let class = self.unified.class(one);
        let columns = self.defaults.columns(class);
        let mut fields = Vec::with_capacity(columns.len());
        for (at, column) in columns.iter().enumerate() {
            let field = self.inside(Some(PathStep::Field(&column.name)), 0, |writer| {
                writer.column(class, at, column, around).map(Json::Object)
            })?;
            fields.push(field);
        }
        Ok(fields)
    }

    fn column(&mut self, class: usize, at: usize, column: &MergedField, around: &str) -> Result<Attributes> {
        let unified = self.unified;
        let Some(&(one, first_field)) = column.members.first() else { return Ok(Attributes::new()) };
        let mut slot = Slot::of(unified, unified.place(one, first_field), self.conflicts == OnConflict::Widen);
        // In recursive records, places of different fields may be the same.
        slot.sources = column.members.iter().map(|(one, _)| unified.source_of(*one)).collect();
        slot.sources.dedup();
        let default = self.defaults.of(class, at).or(column.missing_in.map(|_| Json::Null));
        let null = match &default {
            None => Null::AsItIs,
            Some(Json::Null) => Null::First,
            Some(_) => Null::Last,
        };

        let mut notes = Vec::new();
        if !column.renamed_from.is_empty() {
            notes.push(Note::Renamed { from: column.renamed_from.clone() });
        }
        notes.extend(self.notes(&slot));
        if let (Some(source), Some(default)) = (column.missing_in, &default) {
            let source = self.label(source);
            notes.push(match default {
                Json::Null => Note::Missing { source },
                value => Note::Default { source, value: value.to_string() },
            });
        }
        self.report(&slot.sources, notes, true);

        let members = || column.members.iter().filter_map(|(one, at)| field(unified, *one, *at));
        let mut object = Attributes::new();
        object.insert("name".into(), Json::from(column.name.as_str()));
        object.insert("type".into(), self.slot(slot, null, around)?);
        if let Some(default) = default {
            object.insert("default".into(), default);
        }
        if let Some(doc) = members().find_map(|field| field.doc.as_deref()) {
            object.insert("doc".into(), Json::from(doc));
        }
        if !column.aliases.is_empty() {
            object.insert("aliases".into(), Json::from(column.aliases.clone()));
        }
        for (key, value) in members().flat_map(|field| &field.attributes) {
            object.entry(key.as_str()).or_insert_with(|| value.clone());
        }
        Ok(object)
    }

    /// Adds the logical type if all types have the same one, and their other attributes. `word` is the merged kind.
    fn attributes(&self, object: &mut Attributes, types: &[usize], word: &str) {
        let nodes = || types.iter().map(|one| self.unified.node(*one));
        let same = |a: Logical, b: Logical| match (a, b) {
            (Logical::Decimal { precision: p, scale }, Logical::Decimal { precision: q, scale: other })
                if scale == other =>
            {
                Some(Logical::Decimal { precision: p.max(q), scale })
            }
            _ => a.widened(b).filter(|_| a == b || self.conflicts == OnConflict::Widen),
        };
        let logical = nodes().map(|node| node.logical).reduce(|a, b| same(a?, b?)).flatten();
        if let Some(logical) = logical {
            object.insert("logicalType".into(), Json::from(logical.word()));
        }
        if let Some(Logical::Decimal { precision, scale }) = logical {
            object.insert("precision".into(), Json::from(precision));
            object.insert("scale".into(), Json::from(scale));
        }
        // The attributes of a logical type belong together: taken from several types, or moved to another kind, they
        // could mean something else.
        let about_logical = |key: &str| matches!(key, "logicalType" | "precision" | "scale");
        let mut logical_from = logical.map(|_| usize::MAX);
        for (at, node) in nodes().enumerate() {
            for (key, value) in &node.attributes {
                let wanted = match about_logical(key) {
                    true => node.kind.word() == word && *logical_from.get_or_insert(at) == at,
                    false => true,
                };
                if wanted {
                    object.entry(key.as_str()).or_insert_with(|| value.clone());
                }
            }
        }
    }

    /// The notes about a place.
    fn notes(&self, slot: &Slot) -> Vec<Note> {
        let mut notes = Vec::new();
        for group in &slot.groups {
            let nodes = || group.types.iter().map(|one| self.unified.node(*one));
            let mut from: Vec<String> = Vec::new();
            match group.word {
                "enum" => {
                    let n_symbols = |one: &usize| match &self.unified.node(*one).kind {
                        Kind::Enum(e) => e.symbols.len(),
                        _ => 0,
                    };
                    let all = self.unified.same_types(group.types.first().copied().unwrap_or_default());
                    let mut merged = Attributes::new();
                    self.symbols(&mut merged, &all);
                    let n_merged = merged.get("symbols").and_then(Json::as_array).map_or(0, Vec::len);
                    if group.types.iter().any(|one| n_symbols(one) < n_merged) {
                        notes.push(Note::Symbols);
                    }
                }
                "record" | "array" | "map" => {}
                "fixed" if nodes().all(|node| Some(node.logical) == nodes().next().map(|n| n.logical)) => {}
                _ => {
                    for words in nodes().map(ToString::to_string) {
                        if !from.contains(&words) {
                            from.push(words);
                        }
                    }
                }
            }
            if from.len() > 1 {
                let mut object = Attributes::new();
                self.attributes(&mut object, &group.types, group.word);
                let to = match (object.get("logicalType"), object.get("precision"), object.get("scale")) {
                    (Some(Json::String(_)), Some(p), Some(s)) => format!("{} (decimal({p}, {s}))", group.word),
                    _ => group.word.to_owned(),
                };
                notes.push(Note::Promoted { from, to });
            }
        }
        let of_all = |group: &Group| {
            let has: HashSet<usize> = group.types.iter().map(|one| self.unified.source_of(*one)).collect();
            slot.sources.iter().all(|source| has.contains(source))
        };
        if slot.groups.len() > 1 && !slot.groups.iter().all(of_all) {
            let first = |group: &Group| group.types.first().map(|one| self.unified.node(*one).to_string());
            notes.push(Note::Union { of: slot.groups.iter().filter_map(first).collect() });
        }
        if let Some((source, _)) = slot.null
            && !slot.groups.is_empty()
            && slot.n_nullable < slot.n_standing
        {
            notes.push(Note::Nullable { source: self.label(source) });
        }
        notes
    }

    /// Records that the type at the current path comes from these sources.
    fn report(&mut self, sources: &[usize], notes: Vec<Note>, even_without_notes: bool) {
        if notes.is_empty() && !even_without_notes {
            return;
        }
        let all = || sources.iter().filter_map(|source| self.unified.sources.get(*source));
        let first = all().next().map(|source| source.first.to_owned());
        let last = all().max_by_key(|source| source.newest).map(|source| source.last.to_owned());
        let n_sources = all().map(|source| source.n).sum();
        self.fields.push(Provenance {
            path: self.path.clone(),
            first_source: first.unwrap_or_default(),
            last_source: last.unwrap_or_default(),
            n_sources,
            notes,
        });
    }

    /// The name of the first source that has a schema.
    fn label(&self, source: usize) -> String {
        self.unified.sources.get(source).map_or_else(String::new, |source| source.first.to_owned())
    }
}
