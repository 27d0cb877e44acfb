use std::{collections::BTreeMap, fs};

use super::*;

const FOLDER: &str = "reports/orchestration";

/// Every file below a folder, by its path from there.
fn tree(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let name = entry.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                found.insert(name, fs::read_to_string(&entry).unwrap());
            }
        }
    }
    found
}

fn place(names: &[(&str, &str)]) -> (tempfile::TempDir, Records) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in names {
        let path = folder.path().join(FOLDER).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let records = Records { top: folder.path().to_owned(), folder: FOLDER.to_owned() };
    (folder, records)
}

const FILES: &[(&str, &str)] = &[
    ("commit_metrics_20250310_000000.json", "march"),
    ("commit_metrics_20250702_100000.json", "july"),
    ("commit_metrics_20250731_235959.json", "end"),
    ("commit_metrics_20250901_000000.json", "now"),
    ("commit_metrics_20251399_000000.json", "odd"),
    ("commit_metrics_20250702_100000.json.bak", "not ours"),
    ("aggregated_metrics.json", "{}"),
    ("archive/2025-04/commit_metrics_20250401_000000.json", "old"),
    ("archive/2025-05/commit_metrics_20250501_000000.json", "old too"),
    ("archive/2025-06/commit_metrics_20250601_000000.json", "kept"),
    ("archive/2025-07/commit_metrics_20250702_100000.json", "another of that second"),
    ("archive/.dropped-2025-01/x", "left"),
    ("archive/notes/x", "mine"),
];

fn at() -> WallTime {
    // The first of the month was missed.
    "2025-09-17T12:00:00Z".parse().unwrap()
}

fn rotated(records: &Records) -> Rotated {
    let zone = Zone::default();
    records.rotate(&records.look(&zone, at()).unwrap(), false, &zone, at()).unwrap()
}

#[test]
fn records_go_to_their_own_month_and_nothing_is_lost() {
    let (folder, records) = place(FILES);
    let look = records.look(&Zone::default(), at()).unwrap();
    assert_eq!(look.odd, ["commit_metrics_20250702_100000.json.bak", "commit_metrics_20251399_000000.json"]);
    assert!(look.is_due());
    assert_eq!(look.steps.first(), Some(&Step::Ignore), "before anything is there that git would see");
    assert_eq!(rotated(&records), Rotated { archived: 3, dropped: 2 });
    let tree = tree(&folder.path().join(FOLDER));
    let names: Vec<&str> = tree.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "aggregated_metrics.json",
            // Older than what is kept, and in the archive only since now: it stays until the next time.
            "archive/2025-03/commit_metrics_20250310_000000.json",
            "archive/2025-06/commit_metrics_20250601_000000.json",
            "archive/2025-07/commit_metrics_20250702_100000.json",
            "archive/2025-07/commit_metrics_20250702_100000.json.2",
            "archive/2025-07/commit_metrics_20250731_235959.json",
            "archive/notes/x",
            "commit_metrics_20250702_100000.json.bak",
            "commit_metrics_20250901_000000.json",
            "commit_metrics_20251399_000000.json",
            "last_rotation.json",
        ]
    );
    assert_eq!(tree["archive/2025-07/commit_metrics_20250702_100000.json"], "another of that second");
    assert_eq!(tree["archive/2025-07/commit_metrics_20250702_100000.json.2"], "july");
    assert_eq!(fs::read_to_string(folder.path().join(".gitignore")).unwrap(), "reports/orchestration/archive/\n");
    let summary: serde_json::Value = serde_json::from_str(&tree["last_rotation.json"]).unwrap();
    let wanted = json!({"archive_location": "reports/orchestration/archive/", "files_archived": 3, "old_archives_removed": 2, "previous_month": "2025-08", "rotation_date": "2025-09-17T12:00:00.000", "schema": 2});
    assert_eq!(summary, wanted);
    // The next time only the month goes that came late.
    assert_eq!(rotated(&records), Rotated { archived: 0, dropped: 1 });
    assert_eq!(rotated(&records), Rotated::default());
}

#[test]
fn it_may_be_interrupted_anywhere() {
    let whole = {
        let (folder, records) = place(FILES);
        rotated(&records);
        rotated(&records);
        let mut tree = tree(folder.path());
        tree.remove("reports/orchestration/last_rotation.json");
        tree
    };
    for cut in 0.. {
        let (folder, records) = place(FILES);
        let look = records.look(&Zone::default(), at()).unwrap();
        if cut > look.steps.len() {
            break;
        }
        for step in look.steps.iter().take(cut) {
            records.step(step, &mut Rotated::default()).unwrap();
        }
        // The next step was done by half: linked and not removed, or renamed and not emptied.
        match look.steps.get(cut) {
            Some(Step::Archive { record, month }) => {
                let to = records.archive().join(month);
                fs::create_dir_all(&to).unwrap();
                drop(fs::hard_link(records.place().join(record), to.join(record)));
            }
            Some(Step::Drop { month }) => {
                fs::rename(records.archive().join(month), records.archive().join(format!("{GOING}{month}"))).unwrap();
            }
            _ => {}
        }
        for _ in 0..3 {
            rotated(&records);
        }
        let mut tree = tree(folder.path());
        tree.remove("reports/orchestration/last_rotation.json");
        assert_eq!(tree, whole, "cut before step {cut}");
    }
}

#[test]
fn what_git_ignores_is_written_once() {
    for before in ["", "target", "target\n", "/reports/orchestration/archive\n", "reports/orchestration/archive/\n"] {
        let (folder, records) = place(FILES);
        let file = folder.path().join(".gitignore");
        fs::write(&file, before).unwrap();
        rotated(&records);
        rotated(&records);
        let after = fs::read_to_string(&file).unwrap();
        assert!(after.starts_with(before), "{after}");
        assert_eq!(after.matches("reports/orchestration/archive").count(), 1, "{after}");
    }
}

#[test]
fn nothing_is_made_where_nothing_is_due() {
    let (folder, records) = place(&[("commit_metrics_20250901_000000.json", "now")]);
    let before = tree(folder.path());
    let zone = Zone::default();
    let look = records.look(&zone, at()).unwrap();
    assert!(!look.is_due());
    assert_eq!(records.rotate(&look, false, &zone, at()).unwrap(), Rotated::default());
    assert_eq!(tree(folder.path()), before);
    records.rotate(&look, true, &zone, at()).unwrap();
    assert!(folder.path().join(FOLDER).join(SUMMARY).exists(), "by force");
}

#[cfg(unix)]
#[test]
fn links_are_somebodys_own() {
    let (folder, records) = place(&[("archive/2025-09/x", "kept"), ("elsewhere/x", "mine")]);
    let link = |to: &str, name: &str| {
        std::os::unix::fs::symlink(folder.path().join(FOLDER).join(to), records.place().join(name))
    };
    link("elsewhere/x", "commit_metrics_20250702_100000.json").unwrap();
    link("elsewhere", "archive/2025-01").unwrap();
    assert_eq!(records.look(&Zone::default(), at()).unwrap(), Rotation::default());
}
