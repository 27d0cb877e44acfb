//! Notices as Discord, Slack and others read them.
//!
//! Discord: `Execute Webhook` of its API with the limits of an embed (title 256, description 4,096, 25 fields of 256 and 1,024,
//! 6,000 characters in all, content 2,000), counted in characters. Slack: an incoming webhook with one attachment.

use serde_json::{Map, Value, json};

use super::notice::{Field, Notice};

const TITLE: usize = 256;
const DESCRIPTION: usize = 4096;
const FIELDS: usize = 25;
const FIELD_NAME: usize = 256;
const FIELD_VALUE: usize = 1024;
const CONTENT: usize = 2000;
const EMBED: usize = 6000;

/// At most so many characters, the last of which says that something is missing.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Discord refuses a card with an empty text.
fn filled(text: String) -> String {
    if text.trim().is_empty() { "–".to_owned() } else { text }
}

/// Cuts a text to what is left, and takes it from that.
fn spend(text: &str, most: usize, left: &mut usize) -> String {
    let text = cut(text, most.min(*left));
    *left -= text.chars().count().min(*left);
    text
}

pub(super) fn discord(notice: &Notice) -> Value {
    let mut left = EMBED;
    let mut embed = Map::new();
    embed.insert("title".into(), spend(&notice.title, TITLE, &mut left).into());
    if let Some(description) = &notice.description {
        embed.insert("description".into(), spend(description, DESCRIPTION, &mut left).into());
    }
    embed.insert("color".into(), notice.color.into());
    embed.insert("timestamp".into(), notice.at.to_string().into());
    let mut fields = Vec::new();
    for Field { name, value, inline } in notice.fields.iter().take(FIELDS) {
        // What has room for a name and nothing else would be refused.
        if left < 2 {
            break;
        }
        let name = spend(&filled(name.clone()), FIELD_NAME.min(left - 1), &mut left);
        let value = spend(&filled(value.clone()), FIELD_VALUE, &mut left);
        fields.push(json!({"name": name, "value": value, "inline": inline}));
    }
    if !fields.is_empty() {
        embed.insert("fields".into(), fields.into());
    }
    let content = notice.content.as_deref().unwrap_or_default();
    // Nobody is called by what a task or a branch is named.
    json!({"content": cut(content, CONTENT), "embeds": [embed], "allowed_mentions": {"parse": []}})
}

pub(super) fn slack(notice: &Notice) -> Value {
    let text = [notice.content.as_deref(), Some(notice.title.as_str())];
    let text = text.into_iter().flatten().collect::<Vec<_>>().join("\n");
    let fields: Vec<Value> = notice
        .fields
        .iter()
        .map(|Field { name, value, inline }| json!({"title": plain(name), "value": plain(value), "short": inline}))
        .collect();
    json!({
        "text": plain(&text),
        "attachments": [{
            "color": format!("#{:06X}", notice.color),
            "text": plain(notice.description.as_deref().unwrap_or_default()),
            "fields": fields,
            "ts": notice.at.0 / 1000,
        }],
    })
}

/// Slack reads three characters as markup, and through them mentions.
fn plain(text: &str) -> String {
    cut(text, 3000).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The form for programs: `version` 1.
pub(super) fn generic(notice: &Notice) -> Value {
    let fields: Vec<Value> =
        notice.fields.iter().map(|field| json!({"name": field.name, "value": field.value})).collect();
    json!({
        "version": 1,
        "title": notice.title,
        "description": notice.description,
        "content": notice.content,
        "color": format!("#{:06X}", notice.color),
        "at": notice.at.to_string(),
        "fields": fields,
    })
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::clock::WallTime;

    fn texts(most: usize) -> impl Strategy<Value = String> {
        prop_oneof![Just(String::new()), "[ -~é🚀\u{202e}@]{0,40}".prop_map(|text| text), Just("é".repeat(most))]
    }

    proptest! {
        #[test]
        fn what_discord_gets_is_within_its_limits(
            title in texts(5000), description in proptest::option::of(texts(9000)), content in proptest::option::of(texts(3000)),
            fields in vec((texts(400), texts(2000), any::<bool>()), 0..40),
        ) {
            let fields = fields.into_iter().map(|(name, value, inline)| Field { name, value, inline }).collect();
            let notice = Notice { title, description, content, color: 1, fields, at: WallTime(0) };
            let payload = discord(&notice);
            let long = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
            let embed = &payload["embeds"][0];
            prop_assert!(long(&payload["content"]) <= 2000);
            prop_assert!(long(&embed["title"]) <= 256 && long(&embed["description"]) <= 4096);
            let none = Vec::new();
            let fields = embed["fields"].as_array().unwrap_or(&none);
            prop_assert!(fields.len() <= 25);
            let mut all = long(&embed["title"]) + long(&embed["description"]);
            for field in fields {
                prop_assert!((1..=256).contains(&long(&field["name"])) && (1..=1024).contains(&long(&field["value"])));
                all += long(&field["name"]) + long(&field["value"]);
            }
            prop_assert!(all <= 6000, "{all}");
            prop_assert_eq!(&payload["allowed_mentions"]["parse"], &json!([]));
        }
    }

    #[test]
    fn slack_reads_no_markup() {
        let notice = Notice::error("<!channel> & <@U1>", None, WallTime(1_500));
        let payload = slack(&notice);
        assert_eq!(payload["attachments"][0]["text"], "&lt;!channel&gt; &amp; &lt;@U1&gt;");
        assert_eq!(
            (&payload["attachments"][0]["ts"], &payload["attachments"][0]["color"]),
            (&json!(1), &json!("#FF0000"))
        );
    }
}
