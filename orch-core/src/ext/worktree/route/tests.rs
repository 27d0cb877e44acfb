use std::{collections::BTreeMap, fs, path::PathBuf};

use proptest::prelude::*;

use super::*;

fn real(name: &str) -> Option<Routes> {
    let folder = std::env::var_os("ORCH_FIXTURES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/fixtures")), PathBuf::from);
    let text = fs::read_to_string(folder.join("kindlemint/worktree").join(name)).ok()?;
    Some(Routes::parse(&text).unwrap())
}

fn check(routes: &Routes, kind: &str, text: &str, want: &str) {
    let query = RouteQuery { kind: kind.to_owned(), text: text.to_owned(), ..RouteQuery::default() };
    assert_eq!(routes.route(&query).to_string(), want, "{kind}: {text}");
}

#[test]
fn the_files_of_a_real_project_are_read_in_all_forms() {
    let files = [
        ("worktree_config.4e449c89.json", 5, Some("worktree/puzzle-generation")),
        ("worktree_config.fef94ec9.json", 6, Some("worktree/puzzle-generation")),
        ("worktree_orchestration_config.5f7d8ff1.json", 8, None),
        ("worktree_orchestration_config.fef94ec9.json", 8, None),
        ("worktree-config.8c513793.json", 5, Some("main")),
        ("worktree-config.590f5828.json", 3, Some("main")),
    ];
    for (name, many, branch) in files {
        let Some(routes) = real(name) else { continue };
        assert_eq!((routes.ways().len(), routes.ways()[0].branch.as_deref()), (many, branch), "{name}");
    }
    let Some(config) = real("worktree_orchestration_config.5f7d8ff1.json") else { return };
    let both = config.and(real("worktree_config.4e449c89.json").unwrap());
    check(&both, "", "Batch validation of covers", "qa-validation, because its keyword `validation` is there");
    check(&both, "", "run sudoku_pdf_layout_v2.py", "pdf-gen, because its program `sudoku_pdf_layout_v2.py` is named");
    check(&both, "", "fix(core): a typo", "ci-fixes, because `fix:` goes there");
    let query = RouteQuery { text: "new sudoku".into(), branch: Some("docs/x".into()), ..RouteQuery::default() };
    assert_eq!(
        both.route(&query).to_string(),
        "main, because its branch is of `docs/*` (documentation), which uses no worktree"
    );
    let routed = both.route(&RouteQuery { text: "new sudoku".into(), branch: Some("fix/x".into()), ..query });
    assert_eq!((routed.branch.as_deref(), routed.parallel), (Some("worktree/puzzle-generation"), Some(false)));
}

#[test]
fn without_configuration_the_words_of_the_scripts_count() {
    let routes = Routes::default();
    check(&routes, "sudoku_generation", "", "puzzle-gen, because the type says `sudoku`");
    check(&routes, "pricing_decision", "", "main, because nothing says that it belongs elsewhere");
    check(&routes, "", "feat(web)!: a book", "pdf-gen, because `feat:` with `book` goes there");
    check(&routes, "", "docs: kdp", "main, because `docs:` goes there");
    check(&routes, "", "our competitors", "market-research, because `competitor` is there");
    let routes = Routes::parse(r#"{"worktrees": {"hotfix": {"branch": "h"}, "main": {"branch": "main"}}}"#).unwrap();
    check(&routes, "", "fix: a sudoku", "main, because nothing says that it belongs elsewhere");
    check(&routes, "", "Hotfix for the main menu", "hotfix, because it is named");
}

#[test]
fn what_is_no_configuration_is_told() {
    for (text, code) in [
        ("<<<<<<< HEAD\n{}", "INVALID_FORMAT"),
        ("[]", "INVALID_FORMAT"),
        (r#"{"weather": 1}"#, "INVALID_FORMAT"),
        (r#"{"worktrees": {"a": {"branch": 1}}}"#, "INVALID_VALUE"),
        (r#"{"worktree_assignments": {"a": "b"}}"#, "INVALID_VALUE"),
        (r#"{"worktree_strategies": {"a": {}}}"#, "INVALID_VALUE"),
    ] {
        assert_eq!(Routes::parse(text).unwrap_err().kind().code(), code, "{text}");
    }
}

proptest! {
    /// As many tasks as one likes: no two worktrees differ by more than one, whoever was named in between.
    #[test]
    fn turns_are_fair(many in 1_usize..7, start in any::<u64>(), named in prop::collection::vec(any::<bool>(), 0..60)) {
        let map: Map<String, Value> = (0..many).map(|nth| (format!("w{nth}"), json!({"branch": "b"}))).collect();
        let routes = Routes::of_value(&Value::Object(map)).unwrap();
        let mut counts: BTreeMap<String, u32> = routes.ways().iter().map(|way| (way.name.clone(), 0)).collect();
        let mut turn = Some(start);
        for named in named {
            let text = if named { "for w0" } else { "anything" };
            let routed = routes.route(&RouteQuery { text: text.into(), turn, ..RouteQuery::default() });
            turn = routed.next_turn;
            if !named {
                *counts.get_mut(&routed.worktree).unwrap() += 1;
            }
        }
        prop_assert!(counts.values().max().unwrap() - counts.values().min().unwrap() <= 1, "{:?}", counts);
    }
}
