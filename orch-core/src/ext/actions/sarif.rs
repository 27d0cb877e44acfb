//! The audit as SARIF 2.1.0, which GitHub's code scanning and editors read.

use serde_json::{Value, json};

use super::{
    audit::Audit,
    rules::{Level, Rule},
};
use crate::units::Usd;

impl Audit {
    /// A log of SARIF 2.1.0. `folder` stands before the names of the files and ends with `/`, or is empty.
    pub fn sarif(&self, folder: &str) -> Value {
        let rules: Vec<Value> = Rule::ALL
            .iter()
            .map(|rule| {
                json!({
                    "id": rule.id(),
                    "shortDescription": {"text": rule.what()},
                    "defaultConfiguration": {"level": level(rule.level())},
                    "help": {"text": format!("{} Silence it with the comment `# orch: ignore[{}]`.", rule.what(), rule.id())},
                })
            })
            .collect();
        let results: Vec<Value> = self
            .findings
            .iter()
            .map(|finding| {
                let index = Rule::ALL.iter().position(|rule| *rule == finding.rule);
                json!({
                    "ruleId": finding.rule.id(),
                    "ruleIndex": index,
                    "level": level(finding.severity),
                    "message": {"text": finding.reason},
                    "locations": [{"physicalLocation": {
                        "artifactLocation": {"uri": uri(&format!("{folder}{}", finding.file))},
                        "region": {"startLine": finding.line, "startColumn": finding.column},
                    }}],
                    // The same finding on another line stays the same finding.
                    "partialFingerprints": {"orch/v1": fingerprint(&[finding.rule.id(), &finding.file, &finding.reason])},
                    "properties": {
                        "minutes": finding.minutes,
                        "usd": finding.usd.map(Usd::dollars),
                        "unpriced_minutes": finding.unpriced_minutes,
                        "basis": finding.basis,
                        "fix": finding.fix,
                    },
                })
            })
            .collect();
        json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": {"driver": {"name": "orch", "semanticVersion": crate::VERSION, "rules": rules}},
                "columnKind": "unicodeCodePoints",
                "results": results,
            }],
        })
    }
}

fn level(level: Level) -> &'static str {
    level.name()
}

fn fingerprint(parts: &[&str]) -> String {
    blake3::hash(parts.join("\n").as_bytes()).to_hex().chars().take(32).collect()
}

/// A path as a URI: what has a meaning there, or none, is escaped.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' | b'~' => uri.push(char::from(byte)),
            _ => uri += &format!("%{byte:02X}"),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use crate::ext::actions::{AuditOptions, WorkflowFile, audit};

    #[test]
    fn results_name_rules_that_are_listed() {
        let file = WorkflowFile::new("ä b.yml", "on:\njobs: {a: {runs-on: ubuntu-latest}}\n");
        let log = audit(&[file], &AuditOptions::default()).sarif("x/");
        let run = &log["runs"][0];
        let results = run["results"].as_array().unwrap();
        assert!(!results.is_empty());
        for result in results {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
            let place = &result["locations"][0]["physicalLocation"];
            assert_eq!(place["artifactLocation"]["uri"], "x/%C3%A4%20b.yml");
            assert!(place["region"]["startLine"].as_u64().unwrap() > 0);
        }
    }
}
