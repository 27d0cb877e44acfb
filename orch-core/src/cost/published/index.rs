//! The models of a list by the names that were asked for.
//!
//! A list finds a model by rules that are tried one after the other, and to read all of them takes longer than most programs that
//! want a price want to take. So a list is taken apart by providers: the rules of all providers are read when the first name is
//! asked for, the models of one when it is asked for one of them. What was found is kept by its name.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use genai_prices::{Calculator, ErrorKind, PriceCalculation, PriceRequest, Usage};
use serde::Deserialize;
use serde_json::{Value, json};

use super::rates::{Period, Rates, periods};
use crate::clock::WallTime;

/// So many names are kept. More are asked for by nobody but programs that make names up.
const MOST: usize = 4096;

/// A list.
pub(super) struct Index {
    text: Cow<'static, str>,
    /// Where in the text each provider is, in their order.
    providers: Vec<Provider>,
    /// The providers, each with one model that has every name.
    rules: Calculator,
    shelves: RwLock<HashMap<Box<str>, Option<Arc<Shelf>>>>,
    asked: RwLock<HashMap<Box<str>, Option<Arc<Known>>>>,
}

struct Provider {
    id: String,
    fallbacks: Vec<String>,
    begins: usize,
    ends: usize,
}

/// The models of one provider, and of those from which it takes models that it does not list.
#[derive(Debug)]
pub(super) struct Shelf {
    /// Knows them as the whole list does.
    pub(super) calculator: Calculator,
    /// By `provider/model`.
    rates: HashMap<Box<str>, Arc<[Period]>>,
    fallbacks: Vec<String>,
}

/// What a name stands for.
#[derive(Debug)]
pub(super) struct Known {
    /// As the crate finds it: the provider, where one was named, and the rest of the name.
    asked: (Option<Box<str>>, Box<str>),
    shown: Box<str>,
    periods: Option<Arc<[Period]>>,
    shelf: Arc<Shelf>,
}

/// What of a provider is read at first.
#[derive(Deserialize)]
struct Head {
    id: String,
    #[serde(default)]
    provider_match: Value,
    #[serde(default)]
    model_match: Value,
    #[serde(default)]
    fallback_model_providers: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Models {
    id: String,
    #[serde(default)]
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
    #[serde(default)]
    prices: Value,
}

impl Index {
    /// The index of that list, which the crate can read: a test or the caller has seen to it.
    pub(super) fn new(text: Cow<'static, str>) -> Result<Self, genai_prices::Error> {
        let (mut providers, mut rules) = (Vec::new(), Vec::new());
        for (begins, ends) in elements(text.as_bytes()) {
            let head = text.get(begins..ends).and_then(|text| serde_json::from_str(text).ok());
            let Some(Head { id, provider_match, model_match, fallback_model_providers }) = head else { continue };
            rules.push(json!({
                "id": id, "name": "any", "api_pattern": "any", "provider_match": provider_match, "model_match": model_match,
                "models": [{"id": "any", "match": {"contains": ""}}],
            }));
            providers.push(Provider { id, fallbacks: fallback_model_providers.unwrap_or_default(), begins, ends });
        }
        let rules = Calculator::from_json(Value::Array(rules).to_string())?;
        Ok(Self { text, providers, rules, shelves: RwLock::default(), asked: RwLock::default() })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What that name stands for; `None` if nothing.
    pub(super) fn known(&self, name: &str) -> Option<Arc<Known>> {
        if let Some(known) = self.asked.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return known.clone();
        }
        let known = self.resolve(name).map(Arc::new);
        let mut asked = self.asked.write().unwrap_or_else(PoisonError::into_inner);
        if asked.len() >= MOST {
            asked.clear();
        }
        asked.insert(name.into(), known.clone());
        known
    }

    /// Which model of the list that name is, of which provider.
    pub(super) fn resolve(&self, name: &str) -> Option<Known> {
        match name.split_once('/') {
            Some((provider, rest)) => match self.find(Some(provider), rest) {
                // Model names may hold a slash of their own: `meta-llama/llama-4`.
                Err(ErrorKind::ProviderNotFound | ErrorKind::ModelNotFound) => self.find(None, name),
                found => found,
            },
            None => self.find(None, name),
        }
        .ok()
    }

    fn find(&self, provider: Option<&str>, name: &str) -> Result<Known, ErrorKind> {
        let nothing = Usage::new();
        let request = provider.into_iter().fold(PriceRequest::new(name, &nothing), PriceRequest::with_provider_id);
        let ask = |calculator: &Calculator| -> Result<PriceCalculation, ErrorKind> {
            calculator.calculate(&request).map_err(|error| error.kind())
        };
        let owner = ask(&self.rules)?.provider_id;
        let shelf = self.shelf(&owner).ok_or(ErrorKind::InvalidData)?;
        let found = ask(&shelf.calculator)?;
        let (shown, periods) = shelf.of(&found.provider_id, &found.model_id);
        Ok(Known { asked: (provider.map(Into::into), name.into()), shown: shown.into(), periods, shelf })
    }

    /// The models of that provider, read when it is asked for them for the first time.
    fn shelf(&self, owner: &str) -> Option<Arc<Shelf>> {
        if let Some(shelf) = self.shelves.read().unwrap_or_else(PoisonError::into_inner).get(owner) {
            return shelf.clone();
        }
        let shelf = self.read(owner).map(Arc::new);
        self.shelves.write().unwrap_or_else(PoisonError::into_inner).insert(owner.into(), shelf.clone());
        shelf
    }

    fn read(&self, owner: &str) -> Option<Shelf> {
        let fallbacks = &self.providers.iter().find(|provider| provider.id == owner)?.fallbacks;
        let mut rates = HashMap::new();
        let mut texts = Vec::new();
        // In the order of the list: the first whose rule holds is taken.
        for provider in self.providers.iter().filter(|one| one.id == owner || fallbacks.contains(&one.id)) {
            let text = self.text.get(provider.begins..provider.ends)?;
            let Models { id, models } = serde_json::from_str(text).ok()?;
            for model in models {
                if let Some(periods) = periods(&model.prices) {
                    rates.insert(format!("{id}/{}", model.id).into(), periods.into());
                }
            }
            texts.push(text);
        }
        let calculator = Calculator::from_json(format!("[{}]", texts.join(","))).ok()?;
        Some(Shelf { calculator, rates, fallbacks: fallbacks.clone() })
    }

    /// How many names are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.asked.read().unwrap().len()
    }
}

impl Shelf {
    /// What the crate found, for people, and its prices where they are simple.
    fn of(&self, owner: &str, model: &str) -> (String, Option<Arc<[Period]>>) {
        let shown = format!("{owner}/{model}");
        let mut periods = self.rates.get(shown.as_str());
        if !self.fallbacks.is_empty() {
            // One of its own of that id need not be the one that was found: then the crate decides.
            let of = |other: &String| self.rates.get(format!("{other}/{model}").as_str());
            periods = if periods.is_some() { None } else { self.fallbacks.iter().find_map(of) };
        }
        (shown, periods.cloned())
    }
}

impl Known {
    /// The name without that of the provider.
    pub(super) fn name(&self) -> &str {
        &self.asked.1
    }

    /// The provider, where the name has one.
    pub(super) fn provider(&self) -> Option<&str> {
        self.asked.0.as_deref()
    }

    /// Provider and model, as the list calls them.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Knows it as the whole list does.
    pub(super) fn calculator(&self) -> &Calculator {
        &self.shelf.calculator
    }

    /// The rates at that time, where they go by dates alone.
    pub(super) fn rates(&self, at: WallTime) -> Option<&Rates> {
        let periods = self.periods.as_deref()?;
        periods.iter().rev().find(|period| period.from <= at).map(|period| &period.rates)
    }
}

/// Where the objects of a list in JSON begin and end.
fn elements(json: &[u8]) -> Vec<(usize, usize)> {
    let (mut found, mut depth, mut begins) = (Vec::new(), 0u32, 0);
    let (mut in_text, mut escaped) = (false, false);
    for (at, byte) in json.iter().enumerate() {
        if in_text {
            (in_text, escaped) = (*byte != b'"' || escaped, *byte == b'\\' && !escaped);
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => {
                depth += 1;
                if depth == 2 {
                    begins = at;
                }
            }
            b'}' | b']' => {
                if depth == 2 {
                    found.push((begins, at + 1));
                }
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
    }
    found
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("providers", &self.providers.len()).finish_non_exhaustive()
    }
}
