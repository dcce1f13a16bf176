//! No two files of the program import each other, directly or through others: what belongs to neither is then a file
//! of its own, and each file can be read from what it imports upwards.
//!
//! An import is what a shipped file says with `use`, and what it spells out from `crate` or `super`. It counts against
//! the file that has the name, also where a module in between hands it on. That a module declares its children and hands
//! their names on is no import.

use std::collections::{BTreeMap, VecDeque};

use super::{Source, code_of, find, has_extension, home, is_word, item, settle, sources, top_level, without_tests};

/// Who imports whom, and where a file says so.
type Graph<'a> = BTreeMap<&'a str, BTreeMap<&'a str, String>>;

/// A name that a file imports.
struct Use {
    /// Where the file says it.
    at: usize,
    /// Whether others may import it from there.
    is_handed_on: bool,
    /// Its path; ends in `*` for all that a module has.
    path: Vec<String>,
    /// What it is called in the file.
    name: String,
}

/// The files of the program by their module, `src/plan` for `src/plan/mod.rs`, each with its imports.
struct Files<'a>(BTreeMap<String, (&'a Source, Vec<Use>)>);

impl<'a> Files<'a> {
    fn read(sources: impl Iterator<Item = &'a Source>) -> Self {
        let shipped = sources.filter(|source| source.path != "src/main.rs" && !source.shipped.trim().is_empty());
        Self(shipped.map(|source| (home(&source.path), (source, uses(&source.shipped)))).collect())
    }

    /// The module of the file that has the name at the end of a path said in `module`; `None` where it is not ours.
    fn owner(&self, module: &str, path: &[String], steps: usize) -> Option<&str> {
        let (mut at, mut rest) = self.start(module, path)?;
        while let Some((name, after)) =
            rest.split_first().filter(|(name, _)| self.0.contains_key(&format!("{at}/{name}")))
        {
            (at, rest) = (format!("{at}/{name}"), after);
        }
        let (module, (source, uses)) = self.0.get_key_value(&at)?;
        let Some((name, after)) = rest.split_first().filter(|(name, _)| *name != "*" && steps > 0) else {
            return Some(module);
        };
        if has(source, name) {
            return Some(module);
        }
        let follow = |path: &[String]| self.owner(module, &[path, after].concat(), steps - 1);
        let named = uses.iter().filter(|one| one.name == *name).find_map(|one| follow(&one.path));
        let among_all = || {
            let globs = uses.iter().filter_map(|one| one.path.strip_suffix(&["*".to_owned()]));
            let owners = globs.filter_map(|path| self.owner(module, &[path, rest].concat(), steps - 1));
            owners.into_iter().find(|owner| has(self.0[*owner].0, name))
        };
        named.or_else(among_all).or(Some(module))
    }

    /// The module that a path begins at, and what is left of it.
    fn start<'p>(&self, module: &str, path: &'p [String]) -> Option<(String, &'p [String])> {
        let root = if module == "src/lab" || module.starts_with("src/lab/") { "src/lab" } else { "src" };
        let (first, mut rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => root.to_owned(),
            "tidegate_lab" => "src/lab".to_owned(),
            "super" => parent(module),
            "self" => module.to_owned(),
            child => return self.0.contains_key(&format!("{module}/{child}")).then(|| (module.to_owned(), path)),
        };
        while let Some((_, after)) = rest.split_first().filter(|(name, _)| *name == "super") {
            (at, rest) = (parent(&at), after);
        }
        Some((at, rest))
    }

    fn graph(&self) -> Graph<'a> {
        let mut graph = Graph::new();
        for (module, (source, uses)) in &self.0 {
            for one in uses {
                let Some(owner) = self.owner(module, &one.path, 8) else { continue };
                let is_child = owner.starts_with(&format!("{module}/"));
                if owner != module && !(is_child && one.is_handed_on) {
                    let place = || source.place(one.at);
                    graph.entry(source.path.as_str()).or_default().entry(&self.0[owner].0.path).or_insert_with(place);
                }
            }
        }
        graph
    }
}

fn parent(module: &str) -> String {
    module.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned()
}

/// Whether a file itself has an item of a name.
fn has(source: &Source, name: &str) -> bool {
    let keyword = |before: &str| {
        let keywords = ["fn", "struct", "enum", "trait", "type", "const", "static", "union", "macro_rules!"];
        keywords.iter().any(|keyword| before.trim_end().ends_with(keyword))
    };
    find(&source.shipped, name).any(|at| keyword(&source.shipped[..at]))
}

/// What shipped code imports, and what it spells out from `crate` or `super`.
fn uses(shipped: &str) -> Vec<Use> {
    let mut found = Vec::new();
    let mut spelt_out = shipped.to_owned();
    for at in find(shipped, "use ") {
        let said = &shipped[at..at + item(&shipped[at..])];
        spelt_out.replace_range(at..at + said.len(), &" ".repeat(said.len()));
        let line = shipped[..at].rsplit('\n').next().unwrap_or_default();
        let is_handed_on = line.trim_start().starts_with("pub");
        for leaf in leaves(said[4..].trim_end_matches(';')) {
            let (path, alias) = leaf.split_once(" as ").unwrap_or((&leaf, ""));
            let mut path = segments(path);
            path.pop_if(|last| last == "self");
            let name =
                if alias.is_empty() { path.last().cloned().unwrap_or_default() } else { alias.trim().to_owned() };
            found.push(Use { at, is_handed_on, path, name });
        }
    }
    for at in ["crate::", "super::"].iter().flat_map(|start| find(&spelt_out, start)) {
        let before = &spelt_out[..at];
        if !before.ends_with("::") && !before.ends_with("pub(in ") {
            let path = spelt_out[at..].split(|letter| !is_word(letter) && letter != ':').next().unwrap_or_default();
            found.push(Use { at, is_handed_on: false, path: segments(path), name: String::new() });
        }
    }
    found
}

/// The paths of a `use` tree, each in full: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn leaves(tree: &str) -> Vec<String> {
    let Some((head, group)) = tree.trim().split_once('{') else { return vec![tree.trim().to_owned()] };
    let inner = group.rsplit_once('}').map_or(group, |(inner, _)| inner);
    let parts = top_level(inner).into_iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(leaves).map(|leaf| format!("{head}{leaf}")).collect()
}

fn segments(path: &str) -> Vec<String> {
    path.split("::").map(|segment| segment.trim().to_owned()).filter(|segment| !segment.is_empty()).collect()
}

/// The shortest way from one file to another along what is imported, both included.
fn way<'a>(graph: &Graph<'a>, from: &'a str, to: &str) -> Option<Vec<&'a str>> {
    let mut ways = VecDeque::from([vec![from]]);
    let mut seen = vec![from];
    while let Some(way) = ways.pop_front() {
        for &next in graph.get(way.last()?).into_iter().flat_map(BTreeMap::keys) {
            let further = [way.as_slice(), &[next]].concat();
            if next == to {
                return Some(further);
            }
            if !seen.contains(&next) {
                seen.push(next);
                ways.push_back(further);
            }
        }
    }
    None
}

/// Every circle once, from its first file on, as the places that tie it.
fn circles(graph: &Graph<'_>) -> Vec<String> {
    let ways = graph.keys().filter_map(|file| way(graph, file, file)).filter(|way| way.iter().min() == way.first());
    let place = |pair: &[&str]| format!("{} imports {}", graph[pair[0]][pair[1]], pair[1]);
    ways.map(|way| way.windows(2).map(place).collect::<Vec<_>>().join("\n    ")).collect()
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let files = Files::read(sources().iter());
    let graph = files.graph();
    assert!(graph.len() > 100, "{} files import something; are they read right?", graph.len());
    settle("move what both sides need to a file that imports neither:", &circles(&graph));
}

/// Made-up files, to see the rule at work.
fn made_up(files: &[(&str, &str)]) -> Vec<Source> {
    let source = |(path, text): &(&str, &str)| {
        assert!(has_extension(path, "rs"));
        let code = code_of(text);
        Source { path: (*path).to_owned(), text: (*text).to_owned(), shipped: without_tests(&code), code }
    };
    files.iter().map(source).collect()
}

fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
    circles(&Files::read(made_up(files).iter()).graph())
}

#[test]
fn a_circle_is_seen_through_groups_names_handed_on_and_paths_spelt_out() {
    let module = ("src/a/mod.rs", "mod b; mod c; mod d;\npub use b::*;\npub(super) use self::c::C;\n");
    let b = ("src/a/b.rs", "use super::{C as Other, d::{self}};\npub struct B;\n");
    let c = ("src/a/c.rs", "pub struct C;\nfn c() { super::d::call() }\n");
    let d = ("src/a/d.rs", "use crate::a::B;\npub fn call() {}\n");
    let found = circles_of(&[module, b, c, d]);
    assert_eq!(found, ["src/a/b.rs:1 imports src/a/d.rs\n    src/a/d.rs:1 imports src/a/b.rs"]);
    let found = circles_of(&[module, ("src/a/b.rs", "use super::C;\npub struct B;\n"), c, d]);
    let ties =
        "src/a/b.rs:1 imports src/a/c.rs\n    src/a/c.rs:2 imports src/a/d.rs\n    src/a/d.rs:1 imports src/a/b.rs";
    assert_eq!(found, [ties]);
}

#[test]
fn children_that_are_declared_and_handed_on_and_tests_make_no_circle() {
    let module = "mod b;\npub use b::B;\npub struct A;\n#[cfg(test)]\nmod tests { use crate::a::b::B; }\n";
    assert!(circles_of(&[("src/a/mod.rs", module), ("src/a/b.rs", "use super::A;\npub struct B;\n")]).is_empty());
    let uses = "mod b;\nuse b::B;\npub struct A;\n";
    assert_eq!(circles_of(&[("src/a/mod.rs", uses), ("src/a/b.rs", "use super::A;\npub struct B;\n")]).len(), 1);
}
