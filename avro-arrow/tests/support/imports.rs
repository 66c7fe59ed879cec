//! The imports between the modules of a crate, and circles among them. Source files in, module paths such as
//! `decode::batcher` out.

use std::collections::{BTreeMap, BTreeSet};

/// The path of a module below the crate's root, which is the empty path.
type Module = Vec<String>;

/// The modules that each module uses or declares. Uses of a module by those inside it do not count: together they are
/// one module to all others.
pub(crate) struct Imports(BTreeMap<Module, BTreeSet<Module>>);

impl Imports {
    /// Reads the imports from the files of a crate: paths below `src/`, and texts.
    pub(crate) fn read(files: &[(String, String)]) -> Imports {
        let modules: BTreeMap<Module, String> =
            files.iter().map(|(name, text)| (module_of(name), code_of(text))).collect();
        let reexports = reexports(&modules);
        let mut imports: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
        for (module, text) in &modules {
            let used = paths_in(text).into_iter().filter_map(|path| absolute(&path, module, &modules));
            let used = used.map(|path| owner(path, &modules, &reexports)).filter(|used| !module.starts_with(used));
            imports.entry(module.clone()).or_default().extend(used);
            if let Some((_, parent)) = module.split_last().filter(|(_, parent)| !parent.is_empty()) {
                imports.entry(parent.to_vec()).or_default().insert(module.clone());
            }
        }
        Imports(imports)
    }

    /// The groups of modules that use each other, directly or through others.
    pub(crate) fn circles(&self) -> Vec<Vec<String>> {
        let reached: BTreeMap<&Module, BTreeSet<&Module>> =
            self.0.keys().map(|module| (module, self.reached_from(module))).collect();
        let is_used = |by: &Module, module: &Module| reached.get(by).is_some_and(|all| all.contains(module));
        let mut circles: BTreeSet<Vec<String>> = BTreeSet::new();
        for module in self.0.keys().filter(|module| is_used(module, module)) {
            let circle = self.0.keys().filter(|other| is_used(module, other) && is_used(other, module));
            circles.insert(circle.map(|module| module.join("::")).collect());
        }
        circles.into_iter().collect()
    }

    fn reached_from(&self, module: &Module) -> BTreeSet<&Module> {
        let mut reached = BTreeSet::new();
        let mut todo: Vec<&Module> = self.0.get(module).into_iter().flatten().collect();
        while let Some(next) = todo.pop() {
            if reached.insert(next) {
                todo.extend(self.0.get(next).into_iter().flatten());
            }
        }
        reached
    }
}

fn module_of(name: &str) -> Module {
    let path = name.strip_suffix(".rs").unwrap_or(name);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" || path == "main" { Module::new() } else { path.split('/').map(str::to_owned).collect() }
}

/// A file without its tests and comments.
fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\n#[allow(").next().unwrap_or_default();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The declarations `use ..;` of a file, each with whether others can use its names too.
fn uses_in(text: &str) -> Vec<(bool, String)> {
    let starts = text.match_indices("use ").filter(|(at, _)| {
        let line = text.get(..*at).unwrap_or_default().rsplit('\n').next().unwrap_or_default().trim_start();
        line.is_empty() || (line.starts_with("pub") && line.ends_with(' ') && !line.contains('"'))
    });
    starts
        .map(|(at, _)| {
            let (before, after) = text.split_at(at);
            let is_public = before.rsplit('\n').next().unwrap_or_default().trim_start().starts_with("pub");
            (is_public, after["use ".len()..].split(';').next().unwrap_or_default().to_owned())
        })
        .collect()
}

/// Splits `a::{b, c::{d, e as f}}` into its paths.
fn expand(tree: &str, prefix: &str, to: &mut Vec<Module>) {
    let tree = tree.trim();
    let Some((head, rest)) = tree.split_once('{') else {
        let path = format!("{prefix}{}", tree.split(" as ").next().unwrap_or_default());
        let path: Module = path.split("::").map(|name| name.trim().to_owned()).collect();
        return if !tree.is_empty() {
            to.push(path)
        };
    };
    let inside = rest.rsplit_once('}').map_or(rest, |(inside, _)| inside);
    let (mut depth, mut from) = (0, 0);
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&inside[from..at], &format!("{prefix}{head}"), to);
                from = at + 1;
            }
            _ => {}
        }
    }
    expand(&inside[from..], &format!("{prefix}{head}"), to);
}

/// All paths of a file that begin in its crate.
fn paths_in(text: &str) -> Vec<Module> {
    let mut paths = Vec::new();
    for (_, tree) in uses_in(text) {
        expand(&tree, "", &mut paths);
    }
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in text.match_indices(start) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let path: String = text[at..].chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
            paths.push(path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect());
        }
    }
    paths
}

/// A path from the crate's root; `None` for paths into other crates.
fn absolute(path: &Module, module: &Module, modules: &BTreeMap<Module, String>) -> Option<Module> {
    let (first, rest) = path.split_first()?;
    let within = |start: &[String], rest: &[String]| Some(start.iter().chain(rest).cloned().collect());
    match first.as_str() {
        "crate" => within(&[], rest),
        "self" => within(module, rest),
        "super" => {
            let n = path.iter().take_while(|name| *name == "super").count();
            within(module.get(..module.len().checked_sub(n)?)?, path.get(n..)?)
        }
        _ => {
            let child: Module = module.iter().cloned().chain([first.clone()]).collect();
            modules.contains_key(&child).then(|| within(module, path))?
        }
    }
}

/// The names that modules pass on from others: the name within its module, and its path.
fn reexports(modules: &BTreeMap<Module, String>) -> BTreeMap<Module, Module> {
    let mut reexports = BTreeMap::new();
    for (module, text) in modules {
        for (_, tree) in uses_in(text).into_iter().filter(|(is_public, _)| *is_public) {
            let mut paths = Vec::new();
            expand(&tree, "", &mut paths);
            for path in paths {
                if let (Some(name), Some(target)) = (path.last(), absolute(&path, module, modules)) {
                    reexports.insert(module.iter().chain([name]).cloned().collect(), target);
                }
            }
        }
    }
    reexports
}

/// The module that an item is defined in.
fn owner(mut path: Module, modules: &BTreeMap<Module, String>, reexports: &BTreeMap<Module, Module>) -> Module {
    for _ in 0..5 {
        let n = (0..=path.len()).rev().find(|n| modules.contains_key(&path[..*n])).unwrap_or(0);
        match path.get(..=n).and_then(|name| reexports.get(name)) {
            Some(target) => path = target.iter().chain(&path[n + 1..]).cloned().collect(),
            None => return path[..n].to_vec(),
        }
    }
    path
}
