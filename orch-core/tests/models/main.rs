//! Models by HTTP, against a real server on this machine.

// Always so here; it tells the lints that the functions beside the tests are test code too.
#![cfg(test)]
#![cfg(all(feature = "agents", feature = "sqlite", feature = "prices"))]

mod runs;
mod server;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use orch_core::{
    Clock, Usage,
    executor::models::{Api, Ask, CallTrouble, Endpoint, Endpoints, Models, PipelineStep},
};
use serde_json::json;
use server::{Server, http, says};

const KEY: &str = "sk-ant-t0k3n-that-nobody-sees";

fn endpoint(base: String) -> Endpoint {
    Endpoint { base_url: Some(base), local: true, ..Endpoint::new(Api::Anthropic, "m") }
}

/// Models on a clock that goes on only while they wait; and how long they waited.
fn models(endpoints: Endpoints) -> (Models, Arc<Mutex<Duration>>) {
    let (clock, hand) = Clock::manual();
    let waited = Arc::new(Mutex::new(Duration::ZERO));
    let sum = waited.clone();
    let wait = move |wait| {
        *sum.lock().unwrap() += wait;
        hand.advance(wait);
    };
    (Models::with_parts(endpoints, clock, |_| Some(format!("{KEY}\n")), wait), waited)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn each_api_is_asked_in_its_form() {
    let server = Server::new(|_, asked| match asked.path.as_str() {
        "/v1/messages" => says("hi", 7),
        "/chat/completions" => http(
            "200 OK",
            "",
            r#"{"object": "chat.completion", "model": "gpt", "choices": [{"message": {"role": "assistant", "content": "hi"}}],
                "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}"#,
        ),
        _ => http(
            "200 OK",
            "",
            r#"{"object": "response", "model": "gpt", "output": [{"type": "reasoning", "summary": []},
                {"type": "message", "content": [{"type": "output_text", "text": "h"}, {"type": "output_text", "text": "i"}]}],
                "usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}}"#,
        ),
    });
    let ask = Ask { system: Some("be brief".into()), max_output: Some(9), ..Ask::new("say hi") };
    for (api, path, key, body) in [
        (
            Api::Anthropic,
            "/v1/messages",
            format!("x-api-key: {KEY}"),
            json!({"model": "m", "max_tokens": 9, "system": "be brief", "messages": [{"role": "user", "content": "say hi"}]}),
        ),
        (
            Api::OpenaiChat,
            "/chat/completions",
            format!("authorization: Bearer {KEY}"),
            json!({"model": "m", "max_completion_tokens": 9,
                "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "say hi"}]}),
        ),
        (
            Api::OpenaiResponses,
            "/responses",
            format!("authorization: Bearer {KEY}"),
            json!({"model": "m", "max_output_tokens": 9, "input": "say hi", "instructions": "be brief", "store": false}),
        ),
    ] {
        let (models, _) = models(Endpoints::default().with("one", Endpoint { api, ..endpoint(server.base()) }));
        let said = models.complete(&names(&["one"]), &ask).unwrap();
        assert_eq!((said.text.as_str(), said.by.as_str()), ("hi", "one"));
        let used = &said.usage.models()[0];
        assert!(used.input >= 5 && used.requests == 1, "{used:?}");
        let asked = server.asked.lock().unwrap().last().unwrap().clone();
        assert_eq!((asked.path.as_str(), &asked.body), (path, &body));
        assert!(asked.headers.to_lowercase().contains(&key.to_lowercase()), "{}", asked.headers);
    }
}

#[test]
fn who_is_busy_is_asked_again_when_it_says() {
    let server = Server::new(|nth, _| match nth {
        0 => http("429 Too Many Requests", "Retry-After: 7\r\n", "{}"),
        1 => http("529 Overloaded", "retry-after-ms: 1500\r\nRetry-After: 60\r\n", "{}"),
        _ => says("at last", 1),
    });
    let (models, waited) = models(Endpoints::default().with("one", endpoint(server.base())));
    let said = models.complete(&names(&["one"]), &Ask::new("x")).unwrap();
    assert_eq!((said.text.as_str(), server.count()), ("at last", 3));
    assert_eq!(*waited.lock().unwrap(), Duration::from_millis(8500));
}

/// A storm: every call is refused. No more questions than retries, then another endpoint; and nobody asks before the time.
#[test]
fn a_storm_of_refusals_is_left_for_another_endpoint() {
    let busy = Server::new(|_, _| http("429 Too Many Requests", "Retry-After: 30\r\n", "{}"));
    let free = Server::new(|_, _| says("here", 1));
    let first = Endpoint { fallback: names(&["other"]), retries: 2, ..endpoint(busy.base()) };
    let endpoints = Endpoints::default().with("one", first).with("other", endpoint(free.base()));
    let (models, waited) = models(endpoints);
    let said = models.complete(&names(&["one"]), &Ask::new("x")).unwrap();
    assert_eq!((said.by.as_str(), busy.count()), ("other", 3));
    assert_eq!(said.failed, [("one".to_owned(), "it is busy and asks to wait 30 s".to_owned())]);
    assert_eq!(*waited.lock().unwrap(), Duration::from_secs(60));
    // The next call knows that it is busy for another half minute, and waits before it asks.
    models.complete(&names(&["one"]), &Ask::new("x")).unwrap();
    assert_eq!((busy.count(), *waited.lock().unwrap()), (6, Duration::from_secs(150)));
}

#[test]
fn who_asks_for_too_long_a_wait_is_not_waited_for() {
    let busy = Server::new(|_, _| http("429 Too Many Requests", "Retry-After: 3600\r\n", "{}"));
    let free = Server::new(|_, _| says("here", 1));
    let endpoints = Endpoints::default().with("one", endpoint(busy.base())).with("two", endpoint(free.base()));
    let (models, waited) = models(endpoints);
    for _ in 0..3 {
        assert_eq!(models.complete(&names(&["one", "two"]), &Ask::new("x")).unwrap().by, "two");
    }
    assert_eq!((busy.count(), *waited.lock().unwrap()), (1, Duration::ZERO), "nobody asked again");
}

#[test]
fn the_dead_the_slow_and_the_confused_are_left_for_others() {
    let dead = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port())
    };
    let slow = Server::new(|_, _| None);
    let odd = Server::new(|nth, _| match nth {
        0 => http("200 OK", "", "<html>busy</html>"),
        1 => http("200 OK", "", r#"{"content": [{"type": "text", "text": "free of charge?"}]}"#),
        _ => http("500 Internal Server Error", "", "oops"),
    });
    let free = Server::new(|_, _| says("here", 3));
    let endpoints = Endpoints::default()
        .with("dead", Endpoint { retries: 1, ..endpoint(dead) })
        .with("slow", Endpoint { timeout: Some(Duration::from_millis(50)), ..endpoint(slow.base()) })
        .with("odd", Endpoint { retries: 1, ..endpoint(odd.base()) })
        .with("free", endpoint(free.base()));
    let (models, _) = models(endpoints);
    for (name, why) in [
        ("dead", "the connection failed: connection refused"),
        ("slow", "no answer within 0.05 s"),
        ("odd", "its answer is no JSON"),
        ("odd", "its answer does not say what was used"),
        ("odd", "it answered 500"),
    ] {
        let said = models.complete(&names(&[name, "free"]), &Ask::new("x")).unwrap();
        assert_eq!((said.by.as_str(), &said.failed[..]), ("free", &[(name.to_owned(), why.to_owned())][..]));
        assert_eq!(said.usage.models()[0].input, 3);
    }
}

#[test]
fn a_bad_question_is_nobody_elses_and_keys_are_not_told() {
    let server = Server::new(|nth, _| {
        let body =
            json!({"error": {"message": format!("no: {KEY}, and sk-proj-A1b2C3d4E5f6G7h8I9j0abcdefgh")}}).to_string();
        http(["400 Bad Request", "401 Unauthorized", "404 Not Found"][nth % 3], "", &body)
    });
    let free = Server::new(|_, _| says("here", 1));
    let endpoints = Endpoints::default().with("one", endpoint(server.base())).with("two", endpoint(free.base()));
    let (models, _) = models(endpoints.clone());
    let failure = models.complete(&names(&["one", "two"]), &Ask::new("x")).unwrap_err();
    assert!(matches!(failure.trouble, CallTrouble::Bad(_)) && free.count() == 0, "{failure}");
    for _ in 0..2 {
        let said = models.complete(&names(&["one", "two"]), &Ask::new("x")).unwrap();
        assert!(!format!("{said:?}").contains("t0k3n") && !format!("{said:?}").contains("abcdefgh"), "{said:?}");
    }
    assert!(!format!("{failure} {failure:?} {models:?}").contains("t0k3n"), "{failure:?}");
    let keyless = Models::with_parts(endpoints, Clock::system(), |_| None, |_| ());
    let failure = keyless.complete(&names(&["one"]), &Ask::new("x")).unwrap_err();
    assert_eq!(failure.to_string(), "`one`: the variable `ANTHROPIC_API_KEY`, which is to hold its key, is not set");
}

#[test]
fn wrong_endpoints_are_refused() {
    let refusal = |endpoint: Endpoint| {
        let (models, _) = models(Endpoints::default().with("one", endpoint));
        models.check(&names(&["one"])).unwrap_err().to_string()
    };
    let at = |base: &str| Endpoint { base_url: Some(base.to_owned()), ..Endpoint::new(Api::Anthropic, "m") };
    assert!(refusal(at("http://example.org")).contains("`local = true`"));
    assert!(refusal(at("ftp://example.org")).contains("https://"));
    assert!(refusal(at("https://me:secret@example.org")).contains("with a user in it"));
    assert!(!refusal(at("https://me:secret@example.org")).contains("secret"));
    assert!(refusal(Endpoint::default()).contains("does not say which"));
    let (models, _) =
        models(Endpoints::default().with("one", Endpoint { fallback: names(&["two"]), ..at("https://x") }));
    assert!(models.check(&names(&["one"])).unwrap_err().to_string().contains("there is no model `two` (known: `one`)"));
}

/// The two steps of the original: analysis by one model, code by another.
#[test]
fn a_pipeline_hands_on_what_was_answered() {
    let analyst = Server::new(|_, _| says("a {task} plan", 100));
    let coder = Server::new(|_, _| says("fn main() {}", 20));
    let endpoints =
        Endpoints::default().with("analyst", endpoint(analyst.base())).with("coder", endpoint(coder.base()));
    let (models, _) = models(endpoints);
    let step = |name: &str, model: &str, prompt: &str| PipelineStep {
        name: name.into(),
        models: names(&[model]),
        ask: Ask::new(prompt),
    };
    let steps = [
        step("specification", "analyst", "Specify: {task}"),
        step("code", "coder", "Implement {specification} for {task}"),
    ];
    let done = models.pipeline(&steps, "a clock");
    assert_eq!(done.answer("code").unwrap().text, "fn main() {}");
    assert_eq!((done.failed, done.usage.models()[0].input), (None, 120));
    let body = coder.asked.lock().unwrap()[0].body.clone();
    assert_eq!(body["messages"][0]["content"], "Implement a {task} plan for a clock");
    let broken = [step("specification", "analyst", "{task}"), step("code", "nobody", "{specification}")];
    let done = models.pipeline(&broken, "a clock");
    assert_eq!(done.failed.as_ref().unwrap().0, "code");
    assert_eq!((done.steps.len(), &done.usage), (1, &Usage::tokens("m", 100, 0)));
}
