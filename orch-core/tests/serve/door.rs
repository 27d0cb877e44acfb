//! Who is let in.

use super::*;
use crate::client::send;

#[test]
fn the_page_comes_with_what_keeps_others_out() {
    let serving = Serving::of(&store());
    let page = serving.get("");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap().to_owned();
    for part in ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    for (name, value) in [
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    assert!(page.header("access-control-allow-origin").is_none() && page.header("set-cookie").is_none());
    let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    let text = page.body();
    assert!(text.starts_with("<!doctype html>") && text.matches(&format!("nonce=\"{nonce}\"")).count() == 2);
    let again = serving.get("");
    assert!(!again.header("content-security-policy").unwrap().contains(&nonce), "each answer has its own");
}

#[test]
fn without_the_token_there_is_not_a_word() {
    let serving = Serving::of(&store());
    let (port, path) = (serving.port, serving.path.clone());
    let token = path.trim_matches('/');
    let wrong = format!("{}0", &token[..token.len() - 1]);
    let wrong = if wrong == token { format!("{}1", &token[..token.len() - 1]) } else { wrong };
    let host = format!("127.0.0.1:{port}");
    let cases = [
        ("GET", "/".to_owned(), host.clone()),
        ("GET", format!("/{wrong}/"), host.clone()),
        ("GET", format!("/{wrong}/events"), host.clone()),
        ("GET", format!("/{token}"), host.clone()),
        ("POST", "/".to_owned(), host.clone()),
        ("GET", format!("/?token={token}"), host.clone()),
        // By a name that was pointed to this machine.
        ("GET", path.clone(), format!("rebound.example:{port}")),
        ("GET", format!("{path}events"), "127.0.0.1".to_owned()),
        // As to a proxy.
        ("GET", format!("http://rebound.example:{port}{path}"), host.clone()),
    ];
    for (method, path, host) in cases {
        let answer = send(port, &format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(answer.status, 403, "{method} {path} {host}");
        assert_eq!(answer.body(), "", "{method} {path} {host}");
    }
    let nameless = send(port, &format!("GET {path} HTTP/1.0\r\n\r\n"));
    assert_eq!(nameless.status, 403);
    assert_eq!(send(port, &format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n")).status, 200);
}

#[test]
fn nothing_is_changed_and_nothing_else_is_there() {
    let serving = Serving::of(&store());
    let (port, path) = (serving.port, &serving.path);
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let origin = "Origin: https://elsewhere.example";
        let head = format!(
            "{method} {path}events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{origin}\r\nContent-Length: 0\r\n\r\n"
        );
        let answer = send(port, &head);
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method}");
        assert!(answer.header("access-control-allow-origin").is_none(), "{method}");
    }
    for rest in ["other", "events/", "events?run=x", "../", "%2e%2e/"] {
        assert_eq!(serving.get(rest).status, 404, "{rest}");
    }
    let head = send(port, &format!("HEAD {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"));
    assert!(head.status == 200 && head.header("content-length").is_some_and(|length| length != "0"));
}

/// What the kernel says of the socket.
#[cfg(target_os = "linux")]
#[test]
fn only_the_loopback_interface_is_listened_at() {
    let serving = Serving::of(&store());
    let table = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let ends = format!(":{:04X}", serving.port);
    let listening = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(1).is_some_and(|local| local.ends_with(&ends)) && fields.get(3) == Some(&"0A")
    };
    let found: Vec<&str> = table.iter().flat_map(|text| text.lines()).filter(listening).collect();
    assert!(found.len() == 1 && found[0].contains(" 0100007F:"), "{found:?}");
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let serving = Serving::of(&store());
    let error = Server::bind(ServeOptions { port: serving.port, ..ServeOptions::default() }, Vec::new()).unwrap_err();
    assert!(error.to_string().contains(&serving.port.to_string()), "{error}");
}
