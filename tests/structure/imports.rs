//! Imports between the files of a package, parsed from the paths in their source text.
//!
//! A path is an import of the file that defines the item. Re-exports are resolved to that file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Path of a module, such as `["http", "routes"]`. It is empty for the root of the package.
type Module = Vec<String>;

/// Paths in the source text of one file.
#[derive(Debug, Default)]
struct File {
    /// All paths, resolved from the root of the package.
    uses: BTreeSet<Vec<String>>,
    /// The paths of `uses` that begin with `crate`, `self` or `super`. The other paths may belong to other packages.
    absolute: BTreeSet<Vec<String>>,
    /// Public re-exports, as a map from the name to the path of the item.
    exports: BTreeMap<String, Vec<String>>,
}

/// Returns the source text without comment lines and unit tests.
pub(crate) fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let code = line.trim_start();
        if code.starts_with("#[cfg(test)]") {
            // A declaration such as `mod tests;` is one line. A block ends at the closing brace with the indentation of
            // its first line.
            let Some(next) = lines.next() else { break };
            if next.trim_end().ends_with('{') {
                let indent = next.len() - next.trim_start().len();
                let closing = format!("{}}}", " ".repeat(indent));
                for inner in lines.by_ref() {
                    if inner == closing {
                        break;
                    }
                }
            }
        } else if !code.starts_with("//") {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Returns every path of at least two parts in the code of a file. Braces in `use` are expanded to one path per item.
pub(crate) fn paths(text: &str) -> Vec<String> {
    let text = without_tests(text);
    let mut found = Vec::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("::") {
        let head: String = rest[..at]
            .chars()
            .rev()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect();
        let (tails, end) = tails(&rest[at + 2..]);
        if !head.is_empty() {
            found.extend(tails.iter().map(|tail| format!("{head}::{tail}")));
        }
        rest = &rest[at + 2 + end..];
    }
    found
}

/// Parses the text after `a::`, which is a path such as `b::c` or a list such as `{b, c::d}`. Returns the paths and the
/// length of the parsed text in bytes.
fn tails(text: &str) -> (Vec<String>, usize) {
    if text.starts_with('{') {
        let mut all = Vec::new();
        let mut at = 1;
        while at < text.len() && !text[at..].starts_with('}') {
            let (inner, end) = tails(&text[at..]);
            all.extend(inner);
            at += end.max(1);
        }
        return (all, (at + 1).min(text.len()));
    }
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    let name = &text[..end];
    if name.is_empty() {
        return (Vec::new(), 0);
    }
    if text[end..].starts_with("::") {
        let (inner, more) = tails(&text[end + 2..]);
        if !inner.is_empty() {
            let joined = inner.iter().map(|tail| format!("{name}::{tail}")).collect();
            return (joined, end + 2 + more);
        }
    }
    (vec![name.to_owned()], end)
}

/// Returns the groups of files that import each other, directly or through other files. `source` is the folder `src` of
/// a package.
pub(crate) fn cycles(source: &Path) -> Vec<BTreeSet<String>> {
    let mut files: BTreeMap<Module, File> = BTreeMap::new();
    for path in super::sources(source) {
        let relative = path.strip_prefix(source).expect("the file is in the folder");
        let mut module: Module = relative
            .with_extension("")
            .iter()
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        if ["mod", "lib"].contains(&module.last().map_or("", String::as_str)) {
            module.pop();
        }
        let is_test = module
            .last()
            .is_some_and(|name| name == "tests" || name.ends_with("_tests"));
        if is_test || module == ["main"] || module.first().is_some_and(|name| name == "bin") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("the file is readable");
        files.insert(module.clone(), parse(&text, &module));
    }
    let edges: BTreeMap<Module, BTreeSet<Module>> = files
        .iter()
        .map(|(module, file)| {
            // A path without `crate`, `self` or `super` belongs to this package if its first part is a child module.
            let is_in_package =
                |path: &&Vec<String>| file.absolute.contains(*path) || files.contains_key(&path[..=module.len()]);
            let targets = file
                .uses
                .iter()
                .filter(is_in_package)
                .filter_map(|path| defining_module(path, &files, 0));
            (module.clone(), targets.filter(|target| target != module).collect())
        })
        .collect();
    let name = |module: &Module| {
        if module.is_empty() {
            "lib".to_owned()
        } else {
            module.join("/")
        }
    };
    let mut found: BTreeSet<BTreeSet<String>> = BTreeSet::new();
    for module in edges.keys() {
        let reached = reachable(module, &edges);
        if reached.contains(module) {
            let cycle = reached.iter().filter(|other| reachable(other, &edges).contains(module));
            found.insert(cycle.map(name).collect());
        }
    }
    found.into_iter().collect()
}

/// Parses the source text of a module.
fn parse(text: &str, module: &Module) -> File {
    let code = without_tests(text);
    let mut file = File::default();
    for path in paths(text) {
        match absolute(&path, module) {
            Some(path) => {
                file.absolute.insert(path.clone());
                file.uses.insert(path);
            }
            None => {
                file.uses.insert(relative(&path, module));
            }
        }
    }
    // The path in `pub use child::Item` is relative to this module.
    for statement in code.split("pub use ").skip(1) {
        let statement = statement.split(';').next().unwrap_or_default();
        for path in paths(statement) {
            let path = absolute(&path, module).unwrap_or_else(|| relative(&path, module));
            if let Some(name) = path.last() {
                file.exports.insert(name.clone(), path.clone());
            }
        }
    }
    file
}

/// Resolves a path relative to a module. The result begins at the root of the package.
fn relative(path: &str, module: &Module) -> Vec<String> {
    let parts = path.split("::").map(str::to_owned);
    module.iter().cloned().chain(parts).collect()
}

/// Resolves a path that begins with `crate`, `self` or `super`. The result begins at the root of the package. Returns
/// `None` for other paths.
fn absolute(path: &str, module: &Module) -> Option<Vec<String>> {
    let mut base = module.clone();
    let mut parts = path.split("::").peekable();
    match *parts.peek()? {
        "crate" => {
            parts.next();
            base.clear();
        }
        "self" => {
            parts.next();
        }
        "super" => {
            while parts.peek() == Some(&"super") {
                parts.next();
                base.pop();
            }
        }
        _ => return None,
    }
    Some(base.into_iter().chain(parts.map(str::to_owned)).collect())
}

/// Returns the module whose file defines the item of a path. Follows at most eight re-exports.
fn defining_module(path: &[String], files: &BTreeMap<Module, File>, depth: usize) -> Option<Module> {
    let (module, rest) = (0..=path.len())
        .rev()
        .find(|end| files.contains_key(&path[..*end]))
        .map(|end| (path[..end].to_vec(), &path[end..]))?;
    let Some(name) = rest.first() else {
        return (!module.is_empty()).then_some(module);
    };
    match files[&module].exports.get(name) {
        Some(exported) if depth < 8 && exported != path => defining_module(exported, files, depth + 1),
        _ => Some(module),
    }
}

/// Returns all modules that a module imports, directly or through other modules.
fn reachable(from: &Module, edges: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<Module> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&Module> = edges[from].iter().collect();
    while let Some(module) = open.pop() {
        if seen.insert(module.clone()) {
            open.extend(edges.get(module).into_iter().flatten());
        }
    }
    seen
}

/// Names of the functions of a file with their lengths in lines, without unit tests. A function ends at the closing brace with
/// its own indentation, as rustfmt writes it.
pub(crate) fn functions(text: &str) -> Vec<(String, usize)> {
    let code = without_tests(text);
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let Some((before, after)) = code.split_once("fn ") else {
            continue;
        };
        let is_item = before.split_whitespace().all(|word| {
            word.starts_with("pub")
                || ["const", "async", "unsafe", "extern", "in"].contains(&word)
                || word.ends_with(')')
        });
        let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if !is_item || name.is_empty() || code.ends_with(';') {
            continue;
        }
        let closing = format!("{}}}", &line[..line.len() - code.len()]);
        if let Some(length) = lines[at..].iter().position(|other| *other == closing) {
            found.push((name, length + 1));
        }
    }
    found
}
