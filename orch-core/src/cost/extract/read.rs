//! Messages to usage, by the rows.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    model::{Cached, Extractor, Extractors},
    path::{Place, number},
};
use crate::units::{ModelUsage, Usage, Usd};

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Extracted {
    /// The name of the dialect; of several, the one that counted.
    pub dialect: String,
    /// What was used.
    pub usage: Usage,
    /// How many messages counted.
    pub messages: usize,
}

impl Extractors {
    /// What a text says of usage: one JSON message, a list of messages, or one message a line, other lines between them. `None` if
    /// no message of a known dialect is in it.
    ///
    /// Where a [cumulative](Extractor::cumulative) message is, the latest of them counts alone: it covers the others.
    pub fn read(&self, text: &str) -> Option<Extracted> {
        let messages = match serde_json::from_str(text) {
            Ok(Value::Array(messages)) => messages,
            Ok(message) => vec![message],
            // Lines that are no JSON objects are what programs say besides.
            Err(_) => text
                .lines()
                .filter(|line| line.trim_start().starts_with('{'))
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect(),
        };
        self.find(&messages)
    }

    /// The same of messages that were read already, in their order.
    pub fn find(&self, messages: &[Value]) -> Option<Extracted> {
        let mut found: Vec<(&Extractor, Vec<String>, Usage)> = Vec::new();
        for (nth, message) in messages.iter().enumerate() {
            let Some(row) = self.0.iter().find(|row| row.is_about(message)) else { continue };
            let earlier = messages.get(..nth).unwrap_or_default();
            let id = row.id(message);
            let usage = row.usage(message, earlier);
            // The latest of the same call stands for all of them.
            let same = |(other, their, _): &(&Extractor, Vec<String>, Usage)| other.name == row.name && *their == id;
            match found.iter_mut().rev().find(|entry| !id.is_empty() && same(entry)) {
                Some(entry) => entry.2 = usage,
                None => found.push((row, id, usage)),
            }
        }
        if let Some((row, _, usage)) = found.iter().rev().find(|(row, ..)| row.cumulative) {
            return Some(Extracted { dialect: row.name.clone(), usage: usage.clone(), messages: 1 });
        }
        let dialect = found.last()?.0.name.clone();
        let mut sum = Usage::default();
        found.iter().for_each(|(_, _, usage)| sum.add(usage));
        Some(Extracted { dialect, usage: sum, messages: found.len() })
    }
}

impl Extractor {
    fn place<'a>(message: &'a Value, earlier: &'a [Value]) -> Place<'a> {
        Place { record: message, key: "", message, earlier }
    }

    fn is_about(&self, message: &Value) -> bool {
        message.is_object() && self.when.iter().all(|path| path.value(Self::place(message, &[])).is_some())
    }

    /// What tells the call; nothing if a part of it is missing.
    fn id(&self, message: &Value) -> Vec<String> {
        let place = Self::place(message, &[]);
        let parts = self.once_by.iter().map(|path| path.value(place).map(Value::to_string));
        parts.collect::<Option<_>>().unwrap_or_default()
    }

    fn usage(&self, message: &Value, earlier: &[Value]) -> Usage {
        let mut sum = Usage::default();
        for (key, record) in self.records.all(message) {
            if record.is_object() {
                sum.add(&self.record(Place { record, key, message, earlier }).into());
            }
        }
        sum
    }

    fn record(&self, place: Place<'_>) -> ModelUsage {
        let count = |name: &str| {
            let paths = self.counts.get(name).map(Vec::as_slice).unwrap_or_default();
            paths.iter().filter_map(|path| path.count(place)).fold(0, u64::saturating_add)
        };
        let (cache_read, written, for_an_hour) = (count("cache_read"), count("cache_write"), count("cache_write_1h"));
        // Our own form counts both kinds of writes apart.
        let written = if self.name == OWN { written.saturating_add(for_an_hour) } else { written.max(for_an_hour) };
        let beside = match self.cached {
            Cached::Within => 0,
            Cached::Beside => cache_read.saturating_add(written),
        };
        let model = self.model.iter().find_map(|path| path.text(place)).unwrap_or_default();
        let provider = self.provider.text(place).map(|provider| format!("{provider}/")).unwrap_or_default();
        let dollars = self.billed.value(place).and_then(Value::as_f64).filter(|dollars| *dollars > 0.0);
        ModelUsage {
            model: if model.is_empty() { String::new() } else { provider + model },
            input: count("input").saturating_add(beside),
            output: count("output"),
            cache_read,
            cache_write: written - for_an_hour,
            cache_write_1h: for_an_hour,
            reasoning: count("reasoning"),
            requests: count("requests").max(1),
            items: self.all_the_items(place),
            terms: self.all_the_terms(place),
            billed: dollars.map(Usd::from_dollars),
        }
    }

    fn all_the_items(&self, place: Place<'_>) -> BTreeMap<String, u64> {
        let mut items = BTreeMap::new();
        let mut add = |item: String, count: u64| {
            if count > 0 {
                let sum: &mut u64 = items.entry(item).or_default();
                *sum = sum.saturating_add(count);
            }
        };
        for (item, path) in &self.items {
            add(item.clone(), path.count(place).unwrap_or(0));
        }
        for kinds in &self.kinds {
            let lists = kinds.lists.iter().filter_map(|list| list.value(place)?.as_array());
            for element in lists.flatten() {
                let of = Place { record: element, ..place };
                if let (Some(kind), Some(count)) = (kinds.kind.text(of), kinds.count.count(of)) {
                    let kind = kind.to_lowercase();
                    add(kinds.item.replace("{}", kinds.same.get(&kind).unwrap_or(&kind)), count);
                }
            }
        }
        let all = if self.all_items.is_empty() { None } else { self.all_items.value(place) };
        for (item, count) in all.and_then(Value::as_object).into_iter().flatten() {
            add(item.clone(), number(count).unwrap_or(0));
        }
        if self.other_items {
            for (item, count) in place.record.as_object().into_iter().flatten() {
                // `total_tokens` is a sum, and what is for five minutes is what is not for an hour.
                if !self.is_count(item) && !["total_tokens", "cache_write_5m_tokens"].contains(&item.as_str()) {
                    add(item.clone(), number(count).unwrap_or(0));
                }
            }
        }
        items
    }

    fn is_count(&self, item: &str) -> bool {
        let known = |paths: &super::path::Paths| String::from(paths.clone()).split('|').any(|path| path == item);
        self.counts.values().flatten().any(known)
    }

    fn all_the_terms(&self, place: Place<'_>) -> BTreeMap<String, String> {
        let one = |(term, path): (&String, &super::path::Paths)| Some((term.clone(), path.text(place)?.to_owned()));
        let mut terms: BTreeMap<String, String> = self.terms.iter().filter_map(one).collect();
        let all = if self.all_terms.is_empty() { None } else { self.all_terms.value(place) };
        for (term, value) in all.and_then(Value::as_object).into_iter().flatten() {
            terms.extend(value.as_str().map(|value| (term.clone(), value.to_owned())));
        }
        terms
    }
}

/// The name of our own form.
const OWN: &str = "orch";
