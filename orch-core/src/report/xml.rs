//! Checks that XML is well-formed: as much of XML 1.0 as the reports use.

/// Panics with the place if `text` is not well-formed.
pub(crate) fn check(text: &str) {
    let allowed =
        |char: char| matches!(char, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    if let Some((at, char)) = text.char_indices().find(|(_, char)| !allowed(*char)) {
        panic!("{char:?} at {at} is no XML character");
    }
    let body = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").expect("a declaration");
    let mut open: Vec<&str> = Vec::new();
    let mut rest = body;
    while let Some(start) = rest.find('<') {
        check_text(&rest[..start]);
        let end = tag_end(&rest[start..]) + start;
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closes what is not open");
        } else {
            let (inside, empty) = tag.strip_suffix('/').map_or((tag, false), |inside| (inside, true));
            let (name, attributes) = inside.split_once(' ').unwrap_or((inside, ""));
            assert!(name.chars().all(|char| char.is_ascii_alphanumeric() || char == '-'), "<{tag}>");
            check_attributes(attributes);
            if !empty {
                open.push(name);
            }
        }
    }
    check_text(rest);
    assert!(open.is_empty(), "left open: {open:?}");
}

/// Where the tag that `text` begins with ends, passing over quoted values.
fn tag_end(text: &str) -> usize {
    let mut quoted = false;
    for (at, char) in text.char_indices() {
        match char {
            '"' => quoted = !quoted,
            '>' if !quoted => return at,
            _ => {}
        }
    }
    panic!("a tag does not end: {text}");
}

fn check_attributes(mut text: &str) {
    let mut seen = Vec::new();
    while !text.is_empty() {
        let (name, value) = text.split_once("=\"").expect("an attribute has a value");
        let (value, rest) = value.split_once('"').expect("a value ends");
        assert!(!value.contains('<'), "{value}");
        check_text(value);
        assert!(!seen.contains(&name), "{name} twice");
        seen.push(name);
        text = rest.strip_prefix(' ').unwrap_or(rest);
        assert!(rest.is_empty() || rest.starts_with(' '), "{rest}");
    }
}

fn check_text(text: &str) {
    assert!(!text.contains("]]>"), "{text}");
    for (at, _) in text.match_indices('&') {
        let known = ["&amp;", "&lt;", "&gt;", "&quot;", "&apos;"].iter().any(|entity| text[at..].starts_with(entity));
        assert!(known, "{}", &text[at..]);
    }
}
