//! Reads what one source file uses and declares, from its tokens.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

pub(crate) struct Source {
    /// Relative to `src/`, with `/`.
    pub(crate) file: String,
    pub(crate) text: String,
}

/// A path as written, resolved to the root of the crate where it starts inside it, with its line.
pub(crate) struct Used {
    pub(crate) path: Vec<String>,
    pub(crate) ours: bool,
    pub(crate) line: usize,
}

/// What one file says, without its tests.
#[derive(Default)]
pub(crate) struct Scan {
    pub(crate) used: Vec<Used>,
    /// Line of each `async` and `await`.
    pub(crate) waits: Vec<usize>,
    /// Line of each `fn` with a body.
    pub(crate) bodies: Vec<usize>,
    /// Line of each `pub use …::*`.
    pub(crate) globs: Vec<usize>,
    /// Items that are `pub(crate)` or narrower, by their full path.
    pub(crate) narrow: Vec<Vec<String>>,
    /// Public names that the file re-exports, with where they come from.
    pub(crate) exports: Vec<(String, Vec<String>)>,
    /// Modules that are `pub`.
    pub(crate) public_modules: Vec<Vec<String>>,
    /// Modules that exist for tests only.
    pub(crate) test_modules: Vec<Vec<String>>,
}

pub(crate) fn module_of(file: &str) -> Vec<String> {
    let stem = file.trim_end_matches(".rs");
    let mut parts: Vec<String> = stem.split('/').map(str::to_owned).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib")) {
        parts.pop();
    }
    parts
}

fn is_punct(tree: Option<&TokenTree>, wanted: char) -> bool {
    matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn is_ident(tree: Option<&TokenTree>, wanted: &str) -> bool {
    matches!(tree, Some(TokenTree::Ident(ident)) if ident == wanted)
}

fn group(tree: Option<&TokenTree>, delimiter: Delimiter) -> Option<TokenStream> {
    match tree {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group.stream()),
        _ => None,
    }
}

/// Whether an attribute's content is `cfg(test)` or `cfg(all(test, …))`.
fn is_cfg_test(attribute: &TokenStream) -> bool {
    let text = attribute.to_string().replace(' ', "");
    text.starts_with("cfg(test)") || text.starts_with("cfg(all(test,")
}

impl Scan {
    pub(crate) fn of(source: &Source) -> Self {
        let tokens: TokenStream =
            source.text.parse().unwrap_or_else(|error| panic!("src/{} is not Rust: {error}", source.file));
        let mut scan = Self::default();
        scan.walk(tokens, &module_of(&source.file));
        scan
    }

    fn walk(&mut self, tokens: TokenStream, module: &[String]) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while let Some(tree) = trees.get(at) {
            if is_punct(Some(tree), '#')
                && let Some(attribute) = group(trees.get(at + 1), Delimiter::Bracket)
                && is_cfg_test(&attribute)
            {
                at = self.skip_item(&trees, at + 2, module);
                continue;
            }
            match tree {
                TokenTree::Group(group) => self.walk(group.stream(), module),
                TokenTree::Ident(ident) => {
                    let line = ident.span().start().line;
                    match ident.to_string().as_str() {
                        "async" | "await" => self.waits.push(line),
                        "fn" => self.function(&trees, at, line),
                        "pub" => self.visible(&trees, at, module),
                        "mod" => {
                            if let (Some(TokenTree::Ident(name)), Some(body)) =
                                (trees.get(at + 1), group(trees.get(at + 2), Delimiter::Brace))
                            {
                                self.walk(body, &[module, &[name.to_string()]].concat());
                                at += 3;
                                continue;
                            }
                        }
                        _ => {
                            let mut found = Vec::new();
                            at = read_path(&trees, at, &mut Vec::new(), &mut found);
                            self.used.extend(found.into_iter().map(|(path, line)| resolve(path, line, module)));
                            continue;
                        }
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            at += 1;
        }
    }

    /// Steps over the item that starts at `at`; remembers it if it is a module in a file of its own.
    fn skip_item(&mut self, trees: &[TokenTree], mut at: usize, module: &[String]) -> usize {
        while let Some(tree) = trees.get(at) {
            at += 1;
            if is_ident(Some(tree), "mod")
                && let (Some(TokenTree::Ident(name)), true) = (trees.get(at), is_punct(trees.get(at + 1), ';'))
            {
                self.test_modules.push([module, &[name.to_string()]].concat());
            }
            if is_punct(Some(tree), ';') || group(Some(tree), Delimiter::Brace).is_some() {
                break;
            }
        }
        at
    }

    fn function(&mut self, trees: &[TokenTree], at: usize, line: usize) {
        let end = trees.iter().skip(at).find(|tree| {
            is_punct(Some(tree), ';')
                || matches!(tree, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
        });
        if matches!(end, Some(TokenTree::Group(_))) {
            self.bodies.push(line);
        }
    }

    /// Notes what a `pub` or `pub(…)` says of the item after it.
    fn visible(&mut self, trees: &[TokenTree], at: usize, module: &[String]) {
        let narrow = group(trees.get(at + 1), Delimiter::Parenthesis).is_some();
        let item = at + if narrow { 2 } else { 1 };
        if let (false, true, Some(TokenTree::Ident(name))) =
            (narrow, is_ident(trees.get(item), "mod"), trees.get(item + 1))
        {
            self.public_modules.push([module, &[name.to_string()]].concat());
        } else if is_ident(trees.get(item), "use") {
            let mut found = Vec::new();
            read_path(trees, item + 1, &mut Vec::new(), &mut found);
            for (path, line) in found {
                let name = path.last().cloned().unwrap_or_default();
                if narrow {
                    self.narrow.push([module, &[name]].concat());
                } else if name == "*" {
                    self.globs.push(line);
                } else {
                    self.exports.push((name, path));
                }
            }
        } else if narrow {
            let mut words = trees.iter().skip(item).map_while(|tree| match tree {
                TokenTree::Ident(ident) => Some(ident.to_string()),
                _ => None,
            });
            let keywords =
                ["fn", "struct", "enum", "trait", "type", "mod", "static", "const", "async", "unsafe", "union"];
            if let Some(name) = words.find(|word| !keywords.contains(&word.as_str())) {
                self.narrow.push([module, &[name]].concat());
            }
        }
    }
}

/// Reads the path that starts at `at`, with all branches of its `{…}`; answers where it ends.
fn read_path(
    trees: &[TokenTree],
    mut at: usize,
    prefix: &mut Vec<String>,
    found: &mut Vec<(Vec<String>, usize)>,
) -> usize {
    let depth = prefix.len();
    let mut line = 0;
    while let Some(tree) = trees.get(at) {
        line = tree.span().start().line;
        match tree {
            TokenTree::Ident(ident) => prefix.push(ident.to_string()),
            TokenTree::Punct(punct) if punct.as_char() == '*' => prefix.push("*".to_owned()),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for branch in inner.split(|tree| is_punct(Some(tree), ',')) {
                    read_path(branch, 0, prefix, found);
                }
                prefix.truncate(depth);
                return at + 1;
            }
            _ => break,
        }
        at += 1;
        if is_punct(trees.get(at), ':') && is_punct(trees.get(at + 1), ':') {
            at += 2;
        } else {
            break;
        }
    }
    if prefix.len() > depth {
        found.push((prefix.clone(), line));
    }
    prefix.truncate(depth);
    at
}

fn resolve(path: Vec<String>, line: usize, module: &[String]) -> Used {
    let mut base = module.to_vec();
    let mut rest = path.as_slice();
    let mut ours = false;
    while let Some((first, tail)) = rest.split_first() {
        match first.as_str() {
            "crate" => base.clear(),
            "super" => drop(base.pop()),
            "self" if !tail.is_empty() => {}
            _ => break,
        }
        ours = true;
        rest = tail;
    }
    let path = if ours { base.into_iter().chain(rest.iter().cloned()).collect() } else { path };
    Used { path, ours, line }
}
