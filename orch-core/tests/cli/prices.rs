//! `orch cost prices`: newer published prices, from a file or a server.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    process::Output,
};

use serde_json::{Value, json};

use super::{Folder, process::program};

fn list(models: &[(&str, f64)]) -> String {
    let models: Vec<Value> = models
        .iter()
        .map(|(name, input)| json!({"id": name, "match": {"equals": name}, "prices": {"input_mtok": input, "output_mtok": 8}}))
        .collect();
    json!([{"id": "house", "name": "House", "api_pattern": "house", "model_match": {"starts_with": "house"}, "models": models}]).to_string()
}

fn orch(folder: &Folder, args: &[&str]) -> Output {
    program(folder).args(args).env("ORCH_PRICES", folder.path("data/prices.jsonl")).output().unwrap()
}

fn good(done: Output) -> Value {
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

fn refused(done: &Output) -> String {
    assert_eq!(done.status.code(), Some(2));
    String::from_utf8_lossy(&done.stderr).into_owned()
}

/// Answers one request with that, and gives its address.
fn serve(status: &'static str, body: String) -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://127.0.0.1:{}/data.json?key=s3cret", listener.local_addr().unwrap().port());
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while stream.read_line(&mut line).unwrap() > 2 {
            line.clear();
        }
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        stream.get_mut().write_all((head + &body).as_bytes()).unwrap();
    });
    (address, thread)
}

const USAGE: &str = r#"{"model": "house-1", "input": 1000000, "output": 0}"#;

#[test]
fn a_newer_list_holds_from_then_on() {
    let folder = Folder::new();
    folder.file("usage.json", USAGE);
    folder.file("list.json", list(&[("house-1", 7.0), ("house-2", 1.0)]));
    let price = ["cost", "price", "--no-config", "--usage", "usage.json", "--json"];
    assert!(refused(&orch(&folder, &price)).contains("there is no price for `house-1`"));
    let done = good(orch(&folder, &["cost", "prices", "update", "--from", "list.json", "--json"]));
    assert_eq!(
        (&done["changes"]["models"], &done["changes"]["added"]),
        (&json!(2), &json!(["house/house-1", "house/house-2"]))
    );
    assert!(done["before"].as_str().unwrap().starts_with("genai-prices 0.2.1 ("), "{done}");
    let charged = good(orch(&folder, &price));
    assert_eq!((&charged["usd"], &charged["charges"][0]["price"]["list"]), (&json!("7"), &done["list"]));

    let (address, server) = serve("200 OK", list(&[("house-1", 9.0), ("house-3", 1.0)]));
    let text = String::from_utf8(orch(&folder, &["cost", "prices", "update", "--from", &address]).stdout).unwrap();
    server.join().unwrap();
    assert!(text.contains("1 new: house/house-3\n  1 changed: house/house-1\n  1 gone: house/house-2\n"), "{text}");
    assert_eq!(good(orch(&folder, &price))["usd"], "9");
    let shown = good(orch(&folder, &["cost", "prices", "--json"]));
    assert_eq!((&shown["models"], &shown["kept_is_older"]), (&json!(2), &json!(false)));
    assert!(!folder.read("data/prices.jsonl").contains("s3cret"), "addresses may hold secrets");

    good(orch(&folder, &["cost", "prices", "reset", "--json"]));
    assert!(refused(&orch(&folder, &price)).contains("there is no price"));
}

#[test]
fn what_is_no_list_changes_nothing() {
    let folder = Folder::new();
    folder.file("list.json", list(&[("house-1", 7.0)]));
    good(orch(&folder, &["cost", "prices", "update", "--from", "list.json", "--json"]));
    let before = folder.read("data/prices.jsonl");
    let update = |from: &str| refused(&orch(&folder, &["cost", "prices", "update", "--from", from]));
    folder.file("odd.json", "{}");
    assert!(update("odd.json").contains("is no price list"));
    folder.file("empty.json", "[]");
    assert!(update("empty.json").contains("has no model in it"));
    folder.file("negative.json", list(&[("house-1", -1.0)]));
    assert!(update("negative.json").contains("is no price list"));
    assert!(update("nowhere.json").contains("nowhere.json"));
    for (status, body) in
        [("404 Not Found", list(&[("house-1", 1.0)])), ("302 Found", String::new()), ("200 OK", "[{".to_owned())]
    {
        let (address, server) = serve(status, body);
        let said = update(&address);
        server.join().unwrap();
        assert!(!said.contains("s3cret"), "{said}");
    }
    assert!(update("http://example.com/x").contains("no https address"));
    assert!(update("ftp://example.com/x").contains("no https address"));
    assert_eq!(folder.read("data/prices.jsonl"), before);
    assert_eq!(fs::read_dir(folder.path("data")).unwrap().count(), 1);
}

#[test]
fn a_damaged_list_is_an_error_and_not_another_price() {
    let folder = Folder::new();
    folder.file("usage.json", USAGE);
    folder.file("list.json", list(&[("house-1", 7.0)]));
    good(orch(&folder, &["cost", "prices", "update", "--from", "list.json", "--json"]));
    let whole = folder.read("data/prices.jsonl");
    for damaged in
        [whole.replace("7.0", "0.7"), whole[..whole.len() - 9].to_owned(), String::new(), "{}\n[]".to_owned()]
    {
        fs::write(folder.path("data/prices.jsonl"), damaged).unwrap();
        let said = refused(&orch(&folder, &["cost", "price", "--no-config", "--usage", "usage.json"]));
        assert!(said.contains("orch cost prices reset"), "{said}");
    }
    good(orch(&folder, &["cost", "prices", "update", "--from", "list.json", "--json"]));
    // What was taken before this build was made is older than its own.
    let older = folder.read("data/prices.jsonl");
    let day = older.split("\"taken\":\"").nth(1).unwrap()[..10].to_owned();
    fs::write(folder.path("data/prices.jsonl"), older.replace(&format!("\"taken\":\"{day}"), "\"taken\":\"2020-01-01"))
        .unwrap();
    assert_eq!(good(orch(&folder, &["cost", "prices", "--json"]))["kept_is_older"], true);
    assert!(
        refused(&orch(&folder, &["cost", "price", "--no-config", "--usage", "usage.json"])).contains("no price for")
    );
}
