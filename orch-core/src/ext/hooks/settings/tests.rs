use proptest::prelude::*;

use super::*;

const THEIRS: &str = r#"{
    "$schema": "https://json.schemastore.org/claude-code-settings.json",
    "permissions": { "allow": ["Bash(npm run *)"],   "deny": [] },
    "hooks": {
        "PreToolUse": [
            {
                "matcher": "Bash",
                "hooks": [
                    { "type": "command", "command": "orchard.sh hook claude", "timeout": 5.0 }
                ]
            }
        ],
        "Notification": [{"hooks": [{"type": "command", "command": "say", "args": ["hook", "claude"]}]}]
    },
    "big": 123456789012345678901234567890,
    "text": "\u00e9\/ \"hooks\": {"
}
"#;

fn install(text: &str) -> Settings {
    Settings::parse(text).unwrap().install("orch", &["--budget".to_owned(), "5".to_owned()]).unwrap()
}

#[test]
fn other_settings_stay_as_they_are_to_the_byte() {
    for text in [
        THEIRS.to_owned(),
        THEIRS.replace("    ", "\t"),
        THEIRS.replace('\n', "\r\n"),
        "{}".to_owned(),
        "{}\n".to_owned(),
        r#"{"model":"opus"}"#.to_owned(),
        r#"{"hooks":{"Stop":[{"hooks":[]}]},"a":1}"#.to_owned(),
    ] {
        let ours = install(&text);
        assert_eq!(ours.installed().len(), EVENTS.len(), "{}", ours.text());
        assert_eq!(ours.uninstall().text(), text, "{}", ours.text());
        assert_eq!(install(ours.text()).text(), ours.text(), "twice is once");
        // Each line of theirs is there, in its order.
        let mut lines = ours.text().lines();
        for line in text.lines().filter(|_| text.lines().count() > 1) {
            let line = line.trim_end_matches(['}', ']', ',', '\r', ' ', '[', '{']);
            assert!(lines.any(|other| other.starts_with(line)), "{line}\n{}", ours.text());
        }
    }
}

#[test]
fn it_reads_as_if_a_person_had_written_it() {
    let ours = Settings::parse("{\n  \"model\": \"opus\"\n}\n").unwrap().install("orch", &[]).unwrap();
    let first: Vec<&str> = ours.text().lines().take(19).collect();
    let wanted = r#"{
  "model": "opus",
  "hooks": {
    "PreToolUse": [
      {
        "matcher": "*",
        "hooks": [
          {
            "type": "command",
            "command": "orch",
            "args": [
              "hook",
              "claude"
            ],
            "timeout": 10
          }
        ]
      }
    ],"#;
    assert_eq!(first.join("\n"), wanted, "{}", ours.text());
}

#[test]
fn other_arguments_take_the_place_of_those_before() {
    let first = install(THEIRS);
    let second = first.install("/opt/orch", &[]).unwrap();
    assert!(second.installed().iter().all(|one| one.program == "/opt/orch" && one.args == ["hook", "claude"]));
    assert_eq!(second.uninstall().text(), THEIRS);
}

#[test]
fn what_is_broken_is_refused() {
    assert!(Settings::parse("{}").unwrap().install("/bin/other", &[]).is_err(), "it would not be found again");
    for text in [
        "{",
        "[]",
        "3",
        "{\"a\": 1,}",
        "// settings\n{}",
        "<<<<<<< HEAD\n{}",
        "{\"hooks\": []}",
        "{\"hooks\": {\"Stop\": {}}}",
        "{\"hooks\": {\"Stop\": [3]}}",
        "{\"hooks\": {}, \"hooks\": {}}",
        "{\"hooks\": {\"Stop\": [], \"Stop\": []}}",
    ] {
        let refused = Settings::parse(text).unwrap_err();
        assert!(refused.to_string().contains("left as it is"), "{text}: {refused}");
    }
    assert_eq!(Settings::parse("").unwrap().text(), "{}\n");
}

#[test]
fn a_file_is_written_as_a_whole_and_only_where_it_differs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/settings.json");
    let ours = Settings::load(&path).unwrap().install("orch", &[]).unwrap();
    assert!(ours.save(&path).unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), ours.text());
    let again = Settings::load(&path).unwrap();
    assert!(!again.install("orch", &[]).unwrap().save(&path).unwrap());
    // Somebody else was quicker.
    fs::write(&path, "{\"model\": \"opus\"}").unwrap();
    assert_eq!(again.uninstall().save(&path).unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"model\": \"opus\"}");
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    fs::write(&path, "{").unwrap();
    assert_eq!(Settings::load(&path).unwrap_err().kind(), ErrorKind::InvalidFormat);
    assert_eq!(fs::read_to_string(&path).unwrap(), "{");
}

#[cfg(unix)]
#[test]
fn a_link_stays_one_and_so_do_permissions() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("dotfiles.json"), folder.path().join("settings.json"));
    fs::write(&real, "{}").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o600)).unwrap();
    symlink(&real, &link).unwrap();
    assert!(Settings::load(&link).unwrap().install("orch", &[]).unwrap().save(&link).unwrap());
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fs::read_to_string(&real).unwrap().contains("PreToolUse"));
}

/// The same, indented by tabs.
fn tabs(text: &str) -> String {
    let line =
        |line: &str| "\t".repeat((line.len() - line.trim_start_matches(' ').len()) / 2) + line.trim_start_matches(' ');
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z\"\\\\ ]{0,5}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_settings_come_back_to_the_byte(
        settings in proptest::collection::btree_map("[a-z]{1,6}", json(), 0..5),
        theirs in proptest::collection::btree_map("(PreToolUse|Stop|Other)", 1usize..3, 1..4),
        with_hooks: bool,
        style in 0u8..4,
    ) {
        let mut value: serde_json::Map<String, Value> = settings.into_iter().filter(|(key, _)| key != "hooks").collect();
        if with_hooks {
            let group = json!({"matcher": "x", "hooks": [{"type": "command", "command": "x"}]});
            let events: serde_json::Map<String, Value> =
                theirs.into_iter().map(|(event, groups)| (event, vec![group.clone(); groups].into())).collect();
            value.insert("hooks".to_owned(), events.into());
        }
        let value = Value::from(value);
        let text = match style {
            0 => value.to_string(),
            1 => serde_json::to_string_pretty(&value).unwrap(),
            2 => tabs(&serde_json::to_string_pretty(&value).unwrap()) + "\n",
            _ => serde_json::to_string_pretty(&value).unwrap().replace('\n', "\r\n"),
        };
        let ours = install(&text);
        let mut new: Value = serde_json::from_str(ours.text()).unwrap();
        let before: Value = serde_json::from_str(&text).unwrap();
        let back = ours.uninstall();
        prop_assert_eq!(back.text(), text.as_str());
        new.as_object_mut().unwrap().shift_remove("hooks");
        let mut others = before;
        others.as_object_mut().unwrap().shift_remove("hooks");
        prop_assert_eq!(new, others);
    }
}
