//! The modules of a crate and the uses between them, read from the source. Re-exports are followed to the definition.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, Item, ItemUse, UseTree,
    visit::{self, Visit},
};

/// The names of a path, such as `["crate", "store", "Peer"]`.
type Names = Vec<String>;

/// A crate: its modules by their path below the root, such as `["check", "dial"]`.
pub struct Crate {
    /// Its folder of sources, such as `hub/src`.
    name: String,
    modules: BTreeMap<Names, Module>,
}

#[derive(Default)]
struct Module {
    /// The names of the items that it defines, modules included.
    items: BTreeSet<String>,
    /// The names that it imports, with their paths.
    imports: BTreeMap<String, Names>,
    /// The paths from which it imports everything.
    globs: Vec<Names>,
    /// All paths that its code uses.
    paths: BTreeSet<Names>,
}

/// Pairs of a module and a module that it uses, with a description of one use.
type Edges = BTreeMap<(Names, Names), String>;

/// Deeper chains of re-exports are cycles.
const MAX_REEXPORTS: usize = 16;

impl Crate {
    /// The library and the program of the package in this folder, if they exist.
    pub fn all_in(folder: &Path) -> Vec<Self> {
        let roots =
            ["src/lib.rs", "src/main.rs"].map(|file| folder.join(file)).into_iter().filter(|file| file.is_file());
        roots.map(|file| Self::read(&file)).collect()
    }

    fn read(root: &Path) -> Self {
        let folder = root.parent().expect("it is in a folder").to_owned();
        let name = folder.strip_prefix(crate::root()).unwrap_or(&folder).display().to_string();
        let mut krate = Self { name, modules: BTreeMap::new() };
        krate.read_file(root, &folder, Vec::new());
        krate
    }

    /// `folder`: where the files of its modules are.
    fn read_file(&mut self, file: &Path, folder: &Path, at: Names) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.read_items(&parsed.items, folder, at);
    }

    fn read_items(&mut self, items: &[Item], folder: &Path, at: Names) {
        let mut module = Module::default();
        for item in items.iter().filter(|item| !attributes(item).iter().any(is_of_tests)) {
            match item {
                Item::Mod(child) => {
                    let name = child.ident.to_string();
                    module.items.insert(name.clone());
                    let below: Names = at.iter().cloned().chain([name.clone()]).collect();
                    match &child.content {
                        Some((_, items)) => self.read_items(items, &folder.join(&name), below),
                        None => self.read_file(&file_of(folder, &name), &folder.join(&name), below),
                    }
                }
                Item::Use(import) => module.import(import),
                item => {
                    module.items.extend(name_of(item));
                    module.visit_item(item);
                }
            }
        }
        self.modules.insert(at, module);
    }

    pub fn has(&self, module: &str) -> bool {
        self.modules.contains_key(&split(module))
    }

    /// The modules directly below one.
    pub fn children(&self, module: &str) -> impl Iterator<Item = String> {
        let above = split(module);
        let children = self.modules.keys().filter(move |at| at.split_last().is_some_and(|(_, rest)| rest == above));
        children.map(|at| at.join("::"))
    }

    /// The forbidden paths that `module` and the modules below it use, also by another name.
    pub fn uses(&self, module: &str, forbidden: &[&str]) -> Vec<String> {
        let within = split(module);
        let mut findings = BTreeSet::new();
        for (at, content) in self.modules.iter().filter(|(at, _)| at.starts_with(&within)) {
            for path in &content.paths {
                let resolved = self.resolve(at, path);
                let found = forbidden.iter().find(|path| resolved.starts_with(&split(path)));
                findings.extend(found.map(|found| format!("{} uses {found}", self.shown(at))));
            }
        }
        findings.into_iter().collect()
    }

    /// Cycles of sibling modules, in which each uses something of the next. The smallest cycle has two modules.
    pub fn cycles(&self) -> BTreeSet<String> {
        let edges = self.edges_between_siblings();
        let cycles = edges.keys().filter_map(|(from, to)| {
            let mut cycle = shortest_path(&edges, to, from)?;
            let first = (0..cycle.len()).min_by_key(|at| cycle[*at])?;
            cycle.rotate_left(first);
            let next = cycle.iter().cycle().skip(1);
            let steps = cycle.iter().zip(next).map(|(from, to)| &edges[&((*from).clone(), (*to).clone())]);
            Some(format!("{}: {}", self.name, steps.cloned().collect::<Vec<_>>().join("; ")))
        });
        cycles.collect()
    }

    /// The uses between sibling modules.
    fn edges_between_siblings(&self) -> Edges {
        let mut edges = Edges::new();
        for (at, module) in &self.modules {
            for path in &module.paths {
                let resolved = self.resolve(at, path);
                let Some(("crate", target)) = resolved.split_first().map(|(first, rest)| (first.as_str(), rest)) else {
                    continue;
                };
                let common = at.iter().zip(target).take_while(|(own, other)| own == other).count();
                let (Some(_), Some(_)) = (at.get(common), target.get(common)) else { continue };
                let sibling = target[..=common].to_vec();
                // Else it is an item of a module above.
                if self.modules.contains_key(&sibling) {
                    let example = || format!("{} uses {}", at.join("::"), target.join("::"));
                    edges.entry((at[..=common].to_vec(), sibling)).or_insert_with(example);
                }
            }
        }
        edges
    }

    fn shown(&self, module: &[String]) -> String {
        format!("{}: {}", self.name, if module.is_empty() { "the root".to_owned() } else { module.join("::") })
    }

    /// The full path of the item that `path` names in the module `at`. It begins with `crate` for this crate's items.
    fn resolve(&self, at: &[String], path: &[String]) -> Names {
        self.resolve_within(at, path, MAX_REEXPORTS)
    }

    fn resolve_within(&self, at: &[String], path: &[String], depth: usize) -> Names {
        let Some((first, mut rest)) = path.split_first() else { return Vec::new() };
        let mut place: Names = at.to_vec();
        match first.as_str() {
            "crate" => place.clear(),
            "self" => {}
            "super" => {
                place.pop();
                while let Some(("super", more)) = rest.split_first().map(|(name, more)| (name.as_str(), more)) {
                    place.pop();
                    rest = more;
                }
            }
            _ if self.modules[at].knows(first) => rest = path,
            // Another crate, or a name of the language.
            _ => return path.to_vec(),
        }
        self.descend(place, rest, depth)
    }

    /// Follows `names` from the module `place` downwards.
    fn descend(&self, mut place: Names, mut names: &[String], depth: usize) -> Names {
        while let Some((name, rest)) = names.split_first() {
            let Some(module) = self.modules.get(&place) else { break };
            if module.items.contains(name) || depth == 0 {
                place.push(name.clone());
                names = rest;
            } else if let Some(target) = module.imports.get(name) {
                let path: Names = target.iter().chain(rest).cloned().collect();
                return self.resolve_within(&place, &path, depth - 1);
            } else if let Some(found) = self.in_globs(&place, module, name, depth) {
                let path: Names = found.into_iter().chain(rest.iter().cloned()).collect();
                return self.resolve_within(&[], &path, depth - 1);
            } else {
                break;
            }
        }
        let full = ["crate".to_owned()].into_iter().chain(place);
        full.chain(names.iter().cloned()).collect()
    }

    /// The full path of a name that a module imports by a glob import.
    fn in_globs(&self, at: &[String], module: &Module, name: &str, depth: usize) -> Option<Names> {
        module.globs.iter().find_map(|glob| {
            let target = self.resolve_within(at, glob, depth - 1);
            let (first, place) = target.split_first()?;
            self.modules.get(place).filter(|there| first == "crate" && there.knows(name))?;
            Some(target.iter().cloned().chain([name.to_owned()]).collect())
        })
    }
}

impl Module {
    fn knows(&self, name: &str) -> bool {
        self.items.contains(name) || self.imports.contains_key(name)
    }

    fn import(&mut self, import: &ItemUse) {
        self.import_tree(&import.tree, &mut Vec::new());
    }

    fn import_tree(&mut self, tree: &UseTree, above: &mut Names) {
        match tree {
            UseTree::Path(path) => {
                above.push(path.ident.to_string());
                self.import_tree(&path.tree, above);
                above.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import_tree(tree, above)),
            UseTree::Name(name) => self.import_name(name.ident.to_string(), name.ident.to_string(), above),
            UseTree::Rename(name) => self.import_name(name.ident.to_string(), name.rename.to_string(), above),
            UseTree::Glob(_) => {
                self.paths.insert(above.clone());
                self.globs.push(above.clone());
            }
        }
    }

    fn import_name(&mut self, name: String, known_as: String, above: &[String]) {
        let itself = name == "self";
        let path: Names = above.iter().cloned().chain((!itself).then_some(name)).collect();
        let known_as = if itself && known_as == "self" { path.last().cloned().unwrap_or_default() } else { known_as };
        self.paths.insert(path.clone());
        // `use easytier;` names itself, and leads nowhere else.
        if path != [known_as.clone()] {
            self.imports.insert(known_as, path);
        }
    }

    /// Reads the paths in the tokens of a macro or an attribute, which have no syntax tree.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let mut path: Names = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.end_path(&mut path);
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.end_path(&mut path);
                    self.read_tokens(group.stream());
                }
                // `#[serde(with = "crate::duration")]`
                TokenTree::Literal(literal) => {
                    self.end_path(&mut path);
                    let text = literal.to_string();
                    let text = text.trim_matches('"');
                    if text.contains("::") && text.chars().all(|c| c.is_alphanumeric() || c == ':' || c == '_') {
                        self.paths.insert(split(text));
                    }
                }
                TokenTree::Punct(_) => self.end_path(&mut path),
            }
        }
        self.end_path(&mut path);
    }

    fn end_path(&mut self, path: &mut Names) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.paths.insert(path);
        }
    }
}

impl<'ast> Visit<'ast> for Module {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if names.len() > 1 {
            self.paths.insert(names);
        }
        visit::visit_path(self, path);
    }

    /// An import inside a function.
    fn visit_item_use(&mut self, import: &'ast ItemUse) {
        self.import(import);
    }

    fn visit_item(&mut self, item: &'ast Item) {
        if !attributes(item).iter().any(is_of_tests) {
            visit::visit_item(self, item);
        }
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.read_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.read_tokens(list.tokens.clone());
        }
        visit::visit_attribute(self, attribute);
    }
}

/// The modules on a shortest path between two modules, both included.
fn shortest_path<'a>(edges: &'a Edges, from: &'a Names, to: &Names) -> Option<Vec<&'a Names>> {
    let mut paths = VecDeque::from([vec![from]]);
    let mut seen = BTreeSet::from([from]);
    while let Some(path) = paths.pop_front() {
        let last = *path.last()?;
        if last == to {
            return Some(path);
        }
        for ((_, next), _) in edges.iter().filter(|((from, _), _)| from == last) {
            if seen.insert(next) {
                paths.push_back(path.iter().copied().chain([next]).collect());
            }
        }
    }
    None
}

/// The names of a path such as `a::b`; none for an empty text.
fn split(text: &str) -> Names {
    text.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn file_of(folder: &Path, name: &str) -> PathBuf {
    let flat = folder.join(format!("{name}.rs"));
    if flat.is_file() { flat } else { folder.join(name).join("mod.rs") }
}

/// Whether the attribute is `#[cfg(test)]` or `#[test]`.
fn is_of_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("test")
        || matches!(&attribute.meta, syn::Meta::List(list)
            if list.path.is_ident("cfg") && list.tokens.to_string() == "test")
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn name_of(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

#[test]
fn imports_are_followed_to_where_a_name_is_defined() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("src");
    fs::create_dir_all(source.join("upper")).unwrap();
    for (file, text) in [
        ("lib.rs", "mod lower; mod upper; mod third; pub use upper::Upper; pub use third::*; use std::env as machine;"),
        ("lower.rs", "fn f() { println!(\"{}\", crate::Upper::new()); } mod inner { use super::super::Third; }"),
        ("upper/mod.rs", "mod part; pub struct Upper; use crate::lower; #[cfg(test)] mod tests { use crate::third; }"),
        ("upper/part.rs", "use super::Upper; use crate::machine::var;"),
        ("third.rs", "pub struct Third; #[serde(with = \"crate::upper\")] struct S;"),
    ] {
        fs::write(source.join(file), text).unwrap();
    }
    let krate = Crate::read(&source.join("lib.rs"));
    let cycles: Vec<String> = krate.cycles().into_iter().collect();
    let steps = [
        "lower uses upper::Upper::new; upper uses lower",
        "lower::inner uses third::Third; third uses upper; upper uses lower",
    ];
    assert!(cycles.iter().zip(steps).all(|(cycle, steps)| cycle.ends_with(steps)), "{cycles:?}");
    assert_eq!(krate.uses("lower", &["crate::third"]).len(), 1);
    assert_eq!(krate.uses("third", &["crate::upper"]).len(), 1);
    let environment = krate.uses("upper", &["std::env"]);
    assert!(environment.len() == 1 && environment[0].contains("upper::part uses std::env"), "{environment:?}");
    assert!(krate.uses("upper", &["crate::third"]).is_empty());
}
