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
        r#"[{"id": "house", "name": "House", "api_pattern": "house", "model_match": {"equals": "house"}, "models": [{"id": "house-1", "match": {"equals": "house"},
            "prices": {"input_mtok": 7, "output_mtok": 8}}]}]"#,
    );
    let listed = orch(["cost", "price", "--usage", &usage, "--no-config", "--prices", &list, "--json"]).exits(0).json();
    assert_eq!((&listed["usd"], &listed["charges"][0]["price"]["list"]), (&json!("7"), &json!("list.json")));
    let broken = orch(["cost", "price", "--usage", &usage, "--no-config", "--prices", &usage]).exits(2);
    assert!(broken.stderr.contains("is no price list"), "{}", broken.stderr);
}

#[test]
fn the_demonstration_replays_the_month_of_fifteen_dollars() {
    let answer = orch(["demo", "budget", "--json"]).exits(0).json();
    assert_eq!((&answer["spent_usd"], &answer["executions"]), (&json!("14.980725"), &json!(479)));
    assert_eq!(answer["milestones"], json!([{"usd": 5.0, "execution": 160}, {"usd": 10.0, "execution": 320}]));
    assert_eq!((&answer["left_usd"], &answer["execution_usd"]), (&json!("0.019275"), &json!("0.031275")));
    let text = orch(["demo", "budget"]).exits(0).stdout;
    assert!(text.contains("execution 160  $5 milestone reached, $5.004 spent"), "{text}");
    assert!(text.contains("execution 480  refused"), "{text}");
    assert!(text.contains("The $15 milestone cannot be reached"), "{text}");
}

#[test]
fn an_empty_ledger_has_budgets_and_no_spending() {
    let folder = Folder::new();
    let (file, store) = (folder.file("work.json", diamond()), folder.at("orch.db"));
    orch(["run", &file, "--agent", "*=true", "--store", &store]).exits(0);
    let config = folder.file("orch.toml", "[[budget]]\nusd = 15\nper = 'month'\nmilestones = [5, 10]\n");
    let budget = orch(["budget", "--json", "--store", &store, "--config", &config]).exits(0).json();
    assert_eq!((&budget["budgets"][0]["name"], &budget["budgets"][0]["left_usd"]), (&json!("month"), &json!("15")));
    let cost = orch(["cost", "--json", "--store", &store]).exits(0).json();
    assert_eq!((&cost["usd"], &cost["rows"]), (&json!("0"), &json!([])));
    assert_eq!(
        orch(["cost", "--by", "day", "--csv", "--store", &store]).exits(0).stdout,
        "day,usd,charges,failed,input,output\r\n"
    );
    assert!(orch(["cost", "--by", "colour", "--store", &store]).exits(2).stderr.contains("known here: run, phase"));
}

/// Says what Claude Code says, and that it cost two cents.
const AGENT: &str = r#"*=sh -c 'echo "{\"type\":\"result\",\"result\":\"ok\",\"total_cost_usd\":0.02,\"modelUsage\":{\"claude-haiku-4-5\":{\"inputTokens\":10,\"outputTokens\":5,\"costUSD\":0.02}}}"'"#;

#[cfg(unix)]
#[test]
fn a_run_stays_within_its_budget_and_its_charges_are_kept() {
    let folder = Folder::new();
    let (file, store) = (folder.file("work.json", diamond()), folder.at("orch.db"));
    // a, then b and c, then d: after three of them nothing is left.
    let done = orch([
        "run",
        &file,
        "--agent",
        AGENT,
        "--no-config",
        "--budget",
        "0.06",
        "-j",
        "1",
        "--store",
        &store,
        "--json",
    ])
    .exits(1);
    let tasks = done.json()["tasks"].as_array().unwrap().clone();
    let d = tasks.iter().find(|task| task["id"] == "d").unwrap();
    assert!(d["error"].to_string().contains("the budget `--budget` of $0.06 has $0.06 spent"), "{d}");
    let cost = orch(["cost", "--by", "task", "--json", "--store", &store]).exits(0).json();
    assert_eq!((&cost["usd"], cost["rows"].as_array().unwrap().len()), (&json!("0.06"), 3));
    let by = orch(["cost", "--by", "agent,model", "--store", &store]).exits(0).stdout;
    assert!(by.contains("claude-haiku-4-5") && by.contains("total $0.06"), "{by}");
    let a = orch(["cost", "--charges", "--json", "--only", "task=a", "--store", &store]).exits(0).json();
    assert_eq!((&a["charges"][0]["usd"], &a["charges"][0]["price"]["list"]), (&json!("0.02"), &json!("billed")));
    let csv = orch(["cost", "--charges", "--store", &store]).exits(0).stdout;
    assert!(csv.starts_with("at,usd,run,phase,task,agent,model,") && csv.lines().count() == 4, "{csv}");
    orch(["run", &file, "--agent", AGENT, "--no-config", "--budget", "five"]).exits(2);
}

#[cfg(unix)]
#[test]
fn a_budget_of_the_settings_holds_over_runs() {
    let folder = Folder::new();
    let (file, store) = (folder.file("work.json", diamond()), folder.at("orch.db"));
    let config = folder.file("orch.toml", "[[budget]]\nname = 'day'\nusd = 0.1\nper = 'day'\nmilestones = [0.05]\n");
    let run = || orch(["run", &file, "--agent", AGENT, "--config", &config, "-j", "1", "--store", &store, "--json"]);
    let first = run().exits(0);
    let reached = |done: &Done| format!("{}{}", done.stdout, done.stderr).contains("has reached $0.05");
    assert!(reached(&first), "{}", first.stderr);
    let second = run().exits(1);
    assert!(!reached(&second), "it is told once");
    let budget = orch(["budget", "--json", "--store", &store, "--config", &config]).exits(0).json();
    let day = &budget["budgets"][0];
    assert_eq!((&day["spent_usd"], &day["left_usd"], &day["reached"]), (&json!("0.1"), &json!("0"), &json!(["0.05"])));
    assert_eq!(budget["in_flight"], json!([]));
    let text = orch(["budget", "--store", &store, "--config", &config]).exits(0).stdout;
    assert!(text.contains("$0.1 of $0.1 spent") && text.contains("milestones reached: $0.05"), "{text}");
}

/// A run in one process asks, another one answers: `no` to the first task behind the gate, `all` to the rest.
#[test]
fn a_budget_that_asks_is_answered_from_elsewhere() {
    let folder = Folder::new();
    let (file, store) = (folder.file("work.json", diamond()), folder.at("orch.db"));
    let config = folder
        .file("orch.toml", "[[budget]]\nname = 'gate'\nusd = 0\nat_limit = 'ask'\n[agents.'*']\nargv = ['true']\n");
    let budget = |args: &[&str]| orch_all(["budget"].into_iter().chain(args.iter().copied()));
    let done = std::thread::scope(|scope| {
        let run = scope.spawn(|| orch(["run", &file, "--store", &store, "--config", &config, "--keep-going", "--yes"]));
        let mut answered = 0;
        while !run.is_finished() {
            let asks = budget(&["--store", &store, "--config", &config, "--json"]);
            let questions = match asks.code == ExitCode::SUCCESS {
                true => asks.json()["questions"].as_array().unwrap().clone(),
                false => Vec::new(),
            };
            for question in questions.iter().filter(|question| question["said"].is_null()) {
                assert_eq!((&question["budget"], &question["usd"]), (&json!("gate"), &json!("0")));
                let id = question["id"].as_str().unwrap();
                if answered == 0 {
                    let text = budget(&["--store", &store, "--config", &config]).exits(0).stdout;
                    assert!(text.contains(&format!("answer with `orch budget answer {id} yes`")), "{text}");
                }
                budget(&["answer", id, if answered == 0 { "yes" } else { "all" }, "--by", "ann", "--store", &store])
                    .exits(0);
                answered += 1;
            }
            std::thread::yield_now();
        }
        assert_eq!(answered, 2);
        run.join().unwrap()
    });
    done.exits(0);
    let odd = budget(&["answer", "0000000000", "no", "--store", &store]).exits(2);
    assert!(odd.stderr.contains("nobody asks a question"), "{}", odd.stderr);
}
