//! A workflow that wastes little, for the languages that are found.

use std::{collections::BTreeSet, fmt::Write as _};

/// A language of which a repository has files.
struct Language {
    id: &'static str,
    /// Files at the root that show it.
    signs: &'static [&'static str],
    /// What of the changed files is about it, as an extended regular expression.
    changed: &'static str,
    /// Versions to try, and what they are called.
    matrix: Option<(&'static str, &'static str)>,
}

const LANGUAGES: [Language; 4] = [
    Language { id: "rust", signs: &["Cargo.toml"], changed: r"\.rs$|(^|/)Cargo\.(toml|lock)$", matrix: None },
    Language {
        id: "node",
        signs: &["package.json"],
        changed: r"\.([cm]?[jt]sx?|vue|svelte|css)$|(^|/)(package.*\.json|pnpm-lock\.yaml|yarn\.lock)$",
        matrix: Some(("version", "[20, 24]")),
    },
    Language {
        id: "python",
        signs: &["pyproject.toml", "requirements.txt", "setup.py"],
        changed: r"\.pyi?$|(^|/)(pyproject\.toml|setup\.(py|cfg)|requirements.*\.txt)$",
        matrix: Some(("version", "['3.10', '3.14']")),
    },
    Language { id: "go", signs: &["go.mod"], changed: r"\.go$|(^|/)go\.(mod|sum)$", matrix: None },
];

/// A workflow of quick checks, tests of what a change is about, and one last job that always ends and is the check to require; for the languages that
/// files at the root of a repository show. `None` where they show none.
///
/// ```
/// use orch_core::ext::actions::template;
///
/// let text = template(&["go.mod".to_owned()].into(), "main").unwrap();
/// assert!(text.contains("go test ./...") && text.contains("timeout-minutes: 15"));
/// assert_eq!(template(&["README.md".to_owned()].into(), "main"), None);
/// ```
pub fn template(repository: &BTreeSet<String>, branch: &str) -> Option<String> {
    let has = |name: &str| repository.contains(name);
    let found: Vec<&Language> =
        LANGUAGES.iter().filter(|language| language.signs.iter().any(|sign| has(sign))).collect();
    if found.is_empty() {
        return None;
    }
    let safe = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '/' | '.');
    let branch = if !branch.is_empty() && branch.chars().all(safe) { branch } else { "main" };
    let mut text = format!(
        "# Made by `orch actions template`. Require the check `ci` alone: it always ends, also where there was nothing to test.
name: CI

on:
  pull_request:
  push:
    branches: ['{branch}']

permissions:
  contents: read

# A newer commit to a pull request ends the run of the older one; nothing else is cancelled.
concurrency:
  group: ${{{{ github.workflow }}}}-${{{{ github.event.pull_request.number || github.ref }}}}
  cancel-in-progress: ${{{{ github.event_name == 'pull_request' }}}}

jobs:
  # Which languages a change is about. A path filter under `on` would leave required checks unreported, and block merging.
  changes:
    runs-on: ubuntu-slim
    timeout-minutes: 5
    outputs:
"
    );
    for language in &found {
        let _ = writeln!(text, "      {id}: ${{{{ steps.look.outputs.{id} }}}}", id = language.id);
    }
    text += "    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 2
      - id: look
        run: |
          # What is checked out of a pull request is its merge: its first parent is the branch that it goes to.
          if [ \"$GITHUB_EVENT_NAME\" = pull_request ]; then git diff --name-only HEAD^1 HEAD > changed; else git ls-files > changed; fi
          look() { if grep -qE \"$2|^\\.github/workflows/\" changed; then echo \"$1=true\"; else echo \"$1=false\"; fi >> \"$GITHUB_OUTPUT\"; }
";
    for language in &found {
        let _ = writeln!(text, "          look {} '{}'", language.id, language.changed);
    }
    for language in &found {
        let _ = write!(
            text,
            "
  {id}:
    needs: changes
    if: needs.changes.outputs.{id} == 'true'
    runs-on: ubuntu-latest
    timeout-minutes: 15
",
            id = language.id
        );
        if let Some((name, values)) = language.matrix {
            let _ = write!(text, "    strategy:\n      matrix:\n        {name}: {values}\n");
        }
        text += "    steps:\n      - uses: actions/checkout@v4\n";
        text += &steps(language.id, &has);
    }
    let ids: Vec<&str> = found.iter().map(|language| language.id).collect();
    let _ = write!(
        text,
        "
  ci:
    if: always()
    needs: [changes, {}]
    runs-on: ubuntu-slim
    timeout-minutes: 5
    steps:
      - run: exit 1
        if: contains(needs.*.result, 'failure') || contains(needs.*.result, 'cancelled')
",
        ids.join(", ")
    );
    Some(text)
}

/// Quick checks first, then tests.
fn steps(id: &str, has: &dyn Fn(&str) -> bool) -> String {
    match id {
        "rust" => "      - uses: Swatinem/rust-cache@v2
      - name: quick checks
        run: |
          cargo fmt --all --check
          cargo clippy --workspace --all-targets -- -D warnings
      - run: cargo test --workspace
"
        .to_owned(),
        "node" => {
            let (cache, install, run) = if has("pnpm-lock.yaml") {
                ("pnpm", "corepack enable && pnpm install --frozen-lockfile", "pnpm")
            } else if has("yarn.lock") {
                ("yarn", "yarn install --immutable", "yarn")
            } else if has("package-lock.json") || has("npm-shrinkwrap.json") {
                ("npm", "npm ci", "npm")
            } else {
                ("", "npm install --no-audit --no-fund", "npm")
            };
            // It must be there before its cache is asked for.
            let corepack = if cache == "pnpm" { "      - run: corepack enable\n" } else { "" };
            let cache = if cache.is_empty() { String::new() } else { format!("          cache: {cache}\n") };
            format!(
                "{corepack}      - uses: actions/setup-node@v4
        with:
          node-version: ${{{{ matrix.version }}}}
{cache}      - run: {install}
      - name: quick checks
        run: {run} run --if-present lint
      - run: {run} test
"
            )
        }
        "python" => {
            let cached = has("requirements.txt") || has("pyproject.toml");
            let install = if has("requirements.txt") { "pip install -r requirements.txt" } else { "pip install -e ." };
            let cache = match (cached, has("requirements.txt")) {
                (false, _) => "",
                (_, true) => "          cache: pip\n",
                (_, false) => "          cache: pip\n          cache-dependency-path: pyproject.toml\n",
            };
            format!(
                "      - uses: actions/setup-python@v5
        with:
          python-version: ${{{{ matrix.version }}}}
{cache}      - run: {install} && pip install ruff pytest
      - name: quick checks
        run: ruff check .
      - run: pytest -q
"
            )
        }
        _ => "      - uses: actions/setup-go@v5
        with:
          go-version-file: go.mod
      - name: quick checks
        run: go vet ./...
      - run: go test ./...
"
        .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ext::actions::{AuditOptions, FixOptions, WorkflowFile, audit, fix};

    #[test]
    fn templates_have_nothing_to_find() {
        let all = [
            "Cargo.toml",
            "package.json",
            "pnpm-lock.yaml",
            "yarn.lock",
            "package-lock.json",
            "requirements.txt",
            "pyproject.toml",
            "go.mod",
        ];
        // Each set of files, by its bits.
        for bits in 1_u32..1 << all.len() {
            let files = all.iter().enumerate().filter(|(nth, _)| bits >> nth & 1 == 1);
            let repository: BTreeSet<String> = files.map(|(_, file)| (*file).to_owned()).collect();
            let Some(text) = template(&repository, "trunk") else { continue };
            let file = WorkflowFile::new("ci.yml", text);
            let options = AuditOptions { repository, ..AuditOptions::default() };
            let found = audit(std::slice::from_ref(&file), &options);
            let rules: BTreeSet<&str> = found.findings.iter().map(|finding| finding.rule.id()).collect();
            // The versions of actions are names, so that the text stays readable and true; Dependabot pins them.
            assert_eq!(rules, ["unpinned-action"].into(), "{:?}\n{}", found.findings, file.text.unwrap());
            assert_eq!(fix(&file, &FixOptions { audit: options, ..FixOptions::default() }).repairs, []);
        }
    }
}
