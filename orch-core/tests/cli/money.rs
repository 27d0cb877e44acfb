//! What things cost, and what there is to spend.

use super::*;

fn orch_all<'a>(args: impl IntoIterator<Item = &'a str>) -> Done {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let code = cli::main(["orch"].into_iter().chain(args), &mut stdout, &mut stderr);
    Done { code, stdout: String::from_utf8(stdout).unwrap(), stderr: String::from_utf8(stderr).unwrap() }
}

#[test]
fn one_record_of_usage_has_its_price() {
    let folder = Folder::new();
    let usage = folder.file("usage.json", r#"{"input_tokens": 2000, "output_tokens": 1500}"#);
    let at = ["cost", "price", "--no-config", "--at", "2025-10-09", "--usage", &usage];
    let answer =
        orch_all(at.iter().copied().chain(["--model", "claude-3-5-sonnet-20241022", "--json"])).exits(0).json();
    assert_eq!((&answer["version"], &answer["usd"]), (&json!(1), &json!("0.0285")));
    let charge = &answer["charges"][0];
    assert_eq!((&charge["input_usd"], &charge["output_usd"]), (&json!("0.006"), &json!("0.0225")));
    assert_eq!(charge["price"]["model"], "anthropic/claude-3-5-sonnet");
    assert_eq!(
        (&charge["price"]["at"], &charge["price"]["fallback"]),
        (&json!("2025-10-09T00:00:00.000Z"), &json!(false))
    );
    assert!(charge["price"]["list"].as_str().unwrap().starts_with("genai-prices "), "{charge}");
    let dearer =
        orch_all(at.iter().copied().chain(["--model", "claude-sonnet-4-5-20250929", "--provider", "aws", "--json"]))
            .exits(0)
            .json();
    assert_eq!(dearer["usd"], "0.03135");
    let text = orch_all(at.iter().copied().chain(["--model", "claude-3-5-sonnet-20241022"])).exits(0).stdout;
    assert!(text.starts_with("$0.0285\n") && text.contains("2000 in (0 cached), 1500 out"), "{text}");

    let unknown = orch_all(at.iter().copied().chain(["--model", "no-such-model", "--json"])).exits(2);
    assert!(unknown.stderr.contains("there is no price for `no-such-model`"), "{}", unknown.stderr);
    let nameless = orch_all(at.iter().copied().chain(None)).exits(2);
    assert!(nameless.stderr.contains("`--model`"), "{}", nameless.stderr);
}

#[test]
fn own_prices_come_from_settings_and_files() {
    let folder = Folder::new();
    let usage = folder.file("usage.json", r#"{"model": "house", "input": 1000000, "output": 0}"#);
    let config = folder.file("orch.toml", "[prices.house]\ninput = 3\noutput = 15\n");
    let own = orch(["cost", "price", "--usage", &usage, "--config", &config, "--json"]).exits(0).json();
    assert_eq!((&own["usd"], &own["charges"][0]["price"]["list"]), (&json!("3"), &json!("own rates")));
    let config = folder.file("other.toml", "[prices]\n'*' = 'gpt-4o-mini'\n");
    let other =
        orch(["cost", "price", "--usage", &usage, "--config", &config, "--json", "--at", "2025-10-09"]).exits(0).json();
    assert_eq!((&other["usd"], &other["charges"][0]["price"]["fallback"]), (&json!("0.15"), &json!(true)));
    let list = folder.file(
        "list.json",
        r#"[{"id": "house", "name": "House", "api_pattern": "house", "models": [{"id": "house-1", "match": {"equals": "house"},
            "prices": {"input_mtok": 7, "output_mtok": 8}}]}]"#,
    );
    let listed = orch(["cost", "price", "--usage", &usage, "--no-config", "--prices", &list, "--json"]).exits(0).json();
    assert_eq!((&listed["usd"], &listed["charges"][0]["price"]["list"]), (&json!("7"), &json!("list.json")));
    let broken = orch(["cost", "price", "--usage", &usage, "--no-config", "--prices", &usage]).exits(2);
    assert!(broken.stderr.contains("is no price list"), "{}", broken.stderr);
}
