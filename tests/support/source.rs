//! The imports between the source files of the crate, read from their text.
//!
//! A path is followed through modules and re-exports to the file that defines its item, so a file that names an item of
//! a sibling by way of the parent imports the sibling. These do not count: code under `#[cfg(test)]`, the line that
//! declares a module, and a re-export of a name that the file itself does not use. Calls of methods have no path and are
//! not seen.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use super::tokens::{Token, body, declared, item_end, tokens, without_tests};

/// The modules of a crate, from its root on.
#[derive(Debug, Default)]
pub(crate) struct Source {
    modules: Vec<Module>,
}

#[derive(Debug)]
struct Module {
    file: PathBuf,
    parent: usize,
    children: BTreeMap<String, usize>,
    items: BTreeMap<String, Namespace>,
    imports: Vec<Import>,
    /// The paths of more than one segment.
    paths: BTreeSet<Vec<String>>,
}

/// One name that a `use` brings in, or `*`.
#[derive(Clone, Debug)]
struct Import {
    name: String,
    path: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Namespace {
    Type,
    Value,
}

/// The meaning of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Module(usize),
    Item(usize, Namespace),
}

/// The files that a file imports, each with the paths that lead there.
pub(crate) type Imports = BTreeMap<PathBuf, BTreeMap<PathBuf, BTreeSet<String>>>;

/// Re-exports that are followed before a path counts as a riddle.
const DEPTH: usize = 16;

impl Source {
    /// Reads the crate whose root is this file of `directory`.
    pub(crate) fn read(directory: &Path, root: &str) -> Self {
        let mut source = Self::default();
        source.read_file(directory, PathBuf::from(root), 0);
        source
    }

    /// The files that were reached from the root.
    pub(crate) fn files(&self) -> BTreeSet<&Path> {
        let files = self.modules.iter().map(|module| module.file.as_path());
        files.collect()
    }

    /// The imports between different files.
    pub(crate) fn imports(&self) -> Imports {
        let mut imports = Imports::new();
        for (number, module) in self.modules.iter().enumerate() {
            let imported = module.imports.iter().map(|import| &import.path);
            for path in module.paths.iter().chain(imported) {
                for file in self.files_of(number, path) {
                    let from = imports.entry(module.file.clone()).or_default();
                    let paths = from.entry(file.to_owned()).or_default();
                    paths.insert(path.join("::"));
                }
            }
        }
        imports
    }

    /// The other files that define what a path of this module means.
    fn files_of(&self, module: usize, path: &[String]) -> BTreeSet<&Path> {
        let targets = self.find(module, path, DEPTH).into_iter();
        let files = targets.filter_map(|target| match target {
            Target::Item(of, _) => Some(self.modules[of].file.as_path()),
            Target::Module(_) => None,
        });
        files
            .filter(|file| *file != self.modules[module].file)
            .collect()
    }

    fn read_file(&mut self, directory: &Path, file: PathBuf, parent: usize) -> usize {
        let text = fs::read_to_string(directory.join(&file)).unwrap();
        let tokens = without_tests(&tokens(&text));
        let number = self.module(file, parent);
        self.read_items(directory, number, &tokens);
        number
    }

    fn module(&mut self, file: PathBuf, parent: usize) -> usize {
        self.modules.push(Module {
            file,
            parent,
            children: BTreeMap::new(),
            items: BTreeMap::new(),
            imports: Vec::new(),
            paths: BTreeSet::new(),
        });
        self.modules.len() - 1
    }

    fn read_items(&mut self, directory: &Path, number: usize, mut tokens: &[Token]) {
        while !tokens.is_empty() {
            let (item, rest) = tokens.split_at(item_end(tokens));
            tokens = rest;
            match declared(item) {
                Some(("mod", name)) => self.read_module(directory, number, name, item),
                Some(("use", _)) => self.modules[number].take_uses(item),
                Some((keyword, name)) => {
                    let namespace = match keyword {
                        "fn" | "const" | "static" => Namespace::Value,
                        _ => Namespace::Type,
                    };
                    let module = &mut self.modules[number];
                    module.items.insert(name.to_owned(), namespace);
                    module.take_paths(item);
                }
                None => self.modules[number].take_paths(item),
            }
        }
    }

    fn read_module(&mut self, directory: &Path, parent: usize, name: &str, item: &[Token]) {
        let child = if let Some(body) = body(item) {
            let child = self.module(self.modules[parent].file.clone(), parent);
            self.read_items(directory, child, body);
            child
        } else {
            let file = child_file(directory, &self.modules[parent].file, name);
            self.read_file(directory, file, parent)
        };
        self.modules[parent].children.insert(name.to_owned(), child);
    }

    /// Everything that the path means where module `from` names it.
    fn find(&self, from: usize, path: &[String], depth: usize) -> Vec<Target> {
        let Some((first, mut rest)) = path.split_first() else {
            return vec![Target::Module(from)];
        };
        let mut targets = match first.as_str() {
            "crate" => vec![Target::Module(0)],
            "self" => vec![Target::Module(from)],
            "super" => vec![Target::Module(self.modules[from].parent)],
            name => self.named(from, name, depth),
        };
        while let Some((name, left)) = rest.split_first() {
            let mut next = Vec::new();
            for target in targets {
                match target {
                    Target::Module(of) if name == "super" => {
                        next.push(Target::Module(self.modules[of].parent));
                    }
                    Target::Module(of) => next.extend(self.named(of, name, depth)),
                    // A variant, or an associated item.
                    Target::Item(_, Namespace::Type) => next.push(target),
                    Target::Item(_, Namespace::Value) => {}
                }
            }
            (targets, rest) = (next, left);
        }
        targets
    }

    /// Everything of that name in a module.
    fn named(&self, module: usize, name: &str, depth: usize) -> Vec<Target> {
        let found = &self.modules[module];
        let mut targets = Vec::new();
        targets.extend(found.children.get(name).copied().map(Target::Module));
        let own = found.items.get(name);
        targets.extend(own.map(|namespace| Target::Item(module, *namespace)));
        if depth == 0 {
            return targets;
        }
        for import in &found.imports {
            if import.name == name {
                targets.extend(self.find(module, &import.path, depth - 1));
            } else if import.name == "*" && import.path != ["self"] {
                for target in self.find(module, &import.path, depth - 1) {
                    if let Target::Module(of) = target
                        && of != module
                    {
                        targets.extend(self.named(of, name, depth - 1));
                    }
                }
            }
        }
        targets.dedup();
        targets
    }
}

impl Module {
    /// Takes in the names that a `use` item brings in.
    fn take_uses(&mut self, item: &[Token]) {
        let start = item.iter().position(|token| token.is("use")).unwrap();
        let mut leaves = Vec::new();
        use_tree(&item[start + 1..], &mut Vec::new(), &mut leaves);
        let imports = leaves.into_iter().map(|(name, path)| Import { name, path });
        self.imports.extend(imports);
    }

    /// Takes in the paths of another item, and the imports within it.
    fn take_paths(&mut self, item: &[Token]) {
        let mut at = 0;
        while at < item.len() {
            let is_use = item[at].is("use") && item.get(at + 1).is_some_and(|t| !t.is("<"));
            let end = if is_use {
                let end = at + item_end(&item[at..]);
                self.take_uses(&item[at..end]);
                end
            } else {
                let (path, end) = path_at(item, at);
                if path.len() > 1 {
                    self.paths.insert(path);
                }
                end
            };
            at = end.max(at + 1);
        }
    }
}

/// The path that begins there, and its end; no path has no segments.
fn path_at(tokens: &[Token], start: usize) -> (Vec<String>, usize) {
    let is_inner = start > 0 && (tokens[start - 1].is("::") || tokens[start - 1].is("."));
    let (mut path, mut at) = (Vec::new(), start);
    while !is_inner && let Some(Token::Word(word)) = tokens.get(at) {
        path.push(word.clone());
        at += 1;
        if !tokens.get(at).is_some_and(|token| token.is("::")) {
            break;
        }
        at += 1;
    }
    (path, at)
}

/// The names that a tree of imports brings in, each with its path. Answers the tokens behind the tree.
fn use_tree<'t>(
    mut tokens: &'t [Token],
    path: &mut Vec<String>,
    leaves: &mut Vec<(String, Vec<String>)>,
) -> &'t [Token] {
    let above = path.len();
    let mut name = String::new();
    while let Some((token, rest)) = tokens.split_first() {
        tokens = rest;
        match token {
            Token::Word(word) if word == "as" => {
                rest[0].word().unwrap().clone_into(&mut name);
                tokens = &rest[1..];
            }
            Token::Word(word) if word == "self" && !path.is_empty() => {
                path[path.len() - 1].clone_into(&mut name);
            }
            Token::Word(word) => {
                word.clone_into(&mut name);
                path.push(word.clone());
            }
            Token::Mark('*') => "*".clone_into(&mut name),
            Token::Separator => {}
            Token::Mark('{') => {
                name.clear();
                tokens = use_group(rest, path, leaves);
            }
            _ => break,
        }
        if tokens
            .first()
            .is_none_or(|token| token.is(",") || token.is("}"))
        {
            break;
        }
    }
    if !name.is_empty() {
        leaves.push((name, path.clone()));
    }
    path.truncate(above);
    tokens
}

/// The names that the trees between two braces bring in. Answers the tokens behind the closing one.
fn use_group<'t>(
    mut tokens: &'t [Token],
    path: &mut Vec<String>,
    leaves: &mut Vec<(String, Vec<String>)>,
) -> &'t [Token] {
    while tokens.first().is_some_and(|token| !token.is("}")) {
        tokens = use_tree(tokens, path, leaves);
        if tokens.first().is_some_and(|token| token.is(",")) {
            tokens = &tokens[1..];
        }
    }
    tokens.get(1..).unwrap_or_default()
}

/// The file of a module that a file declares.
fn child_file(directory: &Path, parent: &Path, name: &str) -> PathBuf {
    let is_root = ["lib.rs", "main.rs", "mod.rs"].map(Path::new);
    let folder = if is_root.contains(&Path::new(parent.file_name().unwrap())) {
        parent.parent().unwrap().to_owned()
    } else {
        parent.with_extension("")
    };
    let flat = folder.join(format!("{name}.rs"));
    if directory.join(&flat).is_file() {
        flat
    } else {
        folder.join(name).join("mod.rs")
    }
}

/// A set of files each of which imports each other, directly or by way of others of the set.
#[derive(Debug)]
pub(crate) struct Circle {
    pub(crate) files: BTreeSet<PathBuf>,
    /// The imports of the shortest way around, for a message.
    pub(crate) way: Vec<String>,
}

/// The largest circles of files.
pub(crate) fn circles(imports: &Imports) -> Vec<Circle> {
    let mut circles: Vec<Circle> = Vec::new();
    for file in imports.keys() {
        let is_known = circles.iter().any(|circle| circle.files.contains(file));
        let around = |other: &&PathBuf| way(imports, other, file).is_some();
        let files: BTreeSet<PathBuf> = match way(imports, file, file) {
            Some(_) if !is_known => reached(imports, file).into_iter().filter(around).cloned(),
            _ => continue,
        }
        .collect();
        let ways = files.iter().filter_map(|from| way(imports, from, from));
        let way = ways.min_by_key(Vec::len).unwrap_or_default();
        circles.push(Circle { files, way });
    }
    circles
}

/// The files that a file imports, directly or by way of others.
fn reached<'i>(imports: &'i Imports, from: &Path) -> BTreeSet<&'i PathBuf> {
    let mut found = BTreeSet::new();
    let mut next: Vec<&PathBuf> = imports
        .get(from)
        .into_iter()
        .flat_map(BTreeMap::keys)
        .collect();
    while let Some(file) = next.pop() {
        if found.insert(file) {
            next.extend(imports.get(file).into_iter().flat_map(BTreeMap::keys));
        }
    }
    found
}

/// The imports that lead from a file to another by the shortest way.
fn way(imports: &Imports, from: &Path, to: &Path) -> Option<Vec<String>> {
    let mut ways = VecDeque::from([(from, Vec::new())]);
    let mut seen = BTreeSet::new();
    while let Some((file, way)) = ways.pop_front() {
        for (next, paths) in imports.get(file).into_iter().flatten() {
            let path = paths.first().map_or("", String::as_str);
            let step = format!("{} imports {} ({path})", file.display(), next.display());
            let way = [way.clone(), vec![step]].concat();
            if next == to {
                return Some(way);
            }
            if seen.insert(next) {
                ways.push_back((next, way));
            }
        }
    }
    None
}
