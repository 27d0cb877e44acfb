//! What is new in a price list.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// What one price list has that another has not, each as `provider/model`, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ListChanges {
    /// Models that only the new one has.
    pub added: Vec<String>,
    /// Models that only the old one has.
    pub removed: Vec<String>,
    /// Models whose prices, names or terms are others.
    pub changed: Vec<String>,
    /// How many models the new one has.
    pub models: usize,
}

/// Every model with what its price depends on.
fn models(json: &str) -> BTreeMap<String, [Value; 3]> {
    let list: Value = serde_json::from_str(json).unwrap_or_default();
    let mut found = BTreeMap::new();
    for provider in list.as_array().into_iter().flatten() {
        let id = provider.get("id").and_then(Value::as_str).unwrap_or_default();
        for model in provider.get("models").and_then(Value::as_array).into_iter().flatten() {
            let name = model.get("id").and_then(Value::as_str).unwrap_or_default();
            let of = |key: &str| model.get(key).cloned().unwrap_or_default();
            found.insert(format!("{id}/{name}"), ["match", "prices", "price_variants"].map(of));
        }
    }
    found
}

pub(super) fn changes(old: &str, new: &str) -> ListChanges {
    let (old, new) = (models(old), models(new));
    let names = |these: &BTreeMap<String, [Value; 3]>, keep: &dyn Fn(&String, &[Value; 3]) -> bool| {
        these.iter().filter(|(name, model)| keep(name, model)).map(|(name, _)| name.clone()).collect()
    };
    ListChanges {
        added: names(&new, &|name, _| !old.contains_key(name)),
        removed: names(&old, &|name, _| !new.contains_key(name)),
        changed: names(&new, &|name, model| old.get(name).is_some_and(|before| before != model)),
        models: new.len(),
    }
}
