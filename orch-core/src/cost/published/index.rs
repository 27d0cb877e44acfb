//! The models of a list by the names that were asked for.
//!
//! A list finds a model by rules that are tried one after the other, and to read all of them takes longer than most programs that
//! want a price want to take. So a list is taken apart by providers: the rules of all providers are read when the first name is
//! asked for, the models of one when it is asked for one of them. What was found is kept by its name.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use serde::Deserialize;
use serde_json::Value;

use super::{
    model::Model,
    rates::{self, Counts, Sums},
    read,
    rule::{Rule, with_long_days},
};
use crate::{clock::WallTime, id::Printable, units::ModelUsage};

/// So many names are kept. More are asked for by nobody but programs that make names up.
const MOST: usize = 4096;

/// A list.
pub(super) struct Index {
    text: Cow<'static, str>,
    providers: Vec<Provider>,
    asked: RwLock<HashMap<Box<str>, Option<Arc<Known>>>>,
}

/// A provider of a list, in the order of the list.
#[derive(Debug)]
struct Provider {
    id: String,
    /// The other names that it has.
    names: Option<Rule>,
    /// The models that are its own where nobody says whose they are.
    claims: Option<Rule>,
    /// From whom it takes models that it does not list.
    fallbacks: Vec<String>,
    /// Where in the text it is.
    begins: usize,
    ends: usize,
    /// `None` inside if they are not as they should be.
    models: OnceLock<Option<Vec<Arc<Model>>>>,
}

/// What a name stands for.
#[derive(Debug)]
pub(super) struct Known {
    shown: Box<str>,
    model: Arc<Model>,
    /// Whether the provider that was asked lists the model itself.
    is_own: bool,
    least_seconds: Option<u64>,
}

/// Something cannot be read, or a pattern takes too long.
#[derive(Debug)]
pub(super) struct Unreadable;

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
    #[serde(default)]
    models: Value,
}

/// Whether all of that text is a list, and where it is not.
pub(super) fn check(text: &str) -> Result<(), String> {
    let list: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
    let mut ids = HashSet::new();
    for provider in list.as_array().ok_or("it is no list of providers")? {
        read::fields(provider, "a provider")?;
        let of = |key| Ok::<_, String>(read::text(provider, key)?.unwrap_or_default());
        let id = of("id")?;
        let within = |why: String| format!("provider `{}`: {why}", Printable(id));
        for key in ["id", "name", "api_pattern"] {
            if of(key).map_err(within)?.is_empty() {
                return Err(within(format!("it has no `{key}`")));
            }
        }
        let fallbacks = read::list(provider, "fallback_model_providers").map_err(within)?;
        if !fallbacks.iter().all(Value::is_string) {
            return Err(within("one of `fallback_model_providers` is no text".to_owned()));
        }
        let rule = |key| provider.get(key).unwrap_or(&Value::Null);
        Provider::new(id, rule("provider_match"), rule("model_match"), &mut ids)?;
        models(read::list(provider, "models").map_err(within)?).map_err(within)?;
    }
    Ok(())
}

fn models(values: &[Value]) -> Result<Vec<Arc<Model>>, String> {
    let mut ids = HashSet::new();
    let one = |value| {
        let model = Model::read(value)?;
        if ids.insert(model.id.clone()) {
            Ok(Arc::new(model))
        } else {
            Err(format!("it has the model `{}` twice", Printable(&model.id)))
        }
    };
    values.iter().map(one).collect()
}

impl Provider {
    /// A provider without its models, if there is none of that name before it.
    fn new(id: &str, names: &Value, claims: &Value, ids: &mut HashSet<String>) -> Result<Self, String> {
        let within = |why: String| format!("provider `{}`: {why}", Printable(id));
        if id.is_empty() || id != id.trim().to_lowercase() {
            return Err(within("an id is in small letters, without blanks around it".to_owned()));
        }
        if !ids.insert(id.to_owned()) {
            return Err(within("there are two of that id".to_owned()));
        }
        let rule = |value: &Value| (!value.is_null()).then(|| Rule::read(value)).transpose().map_err(within);
        let (names, claims) = (rule(names)?, rule(claims)?);
        let (fallbacks, models) = (Vec::new(), OnceLock::new());
        Ok(Self { id: id.to_owned(), names, claims, fallbacks, begins: 0, ends: 0, models })
    }

    /// Its models, read when it is asked for one of them for the first time.
    fn models(&self, text: &str) -> Result<&[Arc<Model>], Unreadable> {
        let found = self.models.get_or_init(|| {
            let Models { models: list } = serde_json::from_str(text.get(self.begins..self.ends)?).ok()?;
            models(if list.is_null() { &[] } else { list.as_array()? }).ok()
        });
        found.as_deref().ok_or(Unreadable)
    }
}

impl Index {
    /// The index of that list. Of its models nothing is read yet; what is no provider is passed over: a test or the caller has seen to
    /// it.
    pub(super) fn new(text: Cow<'static, str>) -> Result<Self, String> {
        let (mut providers, mut ids) = (Vec::new(), HashSet::new());
        for (begins, ends) in elements(text.as_bytes()) {
            let head = text.get(begins..ends).and_then(|text| serde_json::from_str(text).ok());
            let Some(Head { id, provider_match, model_match, fallback_model_providers }) = head else { continue };
            let provider = Provider::new(&id, &provider_match, &model_match, &mut ids)?;
            let fallbacks = fallback_model_providers.unwrap_or_default();
            providers.push(Provider { fallbacks, begins, ends, ..provider });
        }
        Ok(Self { text, providers, asked: RwLock::default() })
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
        if let Some((provider, rest)) = name.split_once('/')
            && let Some(known) = self.find(Some(provider), rest).ok()?
        {
            return Some(known);
        }
        // Model names may hold a slash of their own: `meta-llama/llama-4`.
        self.find(None, name).ok()?
    }

    /// The model of that name, of that provider where one is named.
    pub(super) fn find(&self, provider: Option<&str>, name: &str) -> Result<Option<Known>, Unreadable> {
        let name = name.to_lowercase();
        let (mut provider, mut name) = (provider, name.as_str());
        let is_proxy = |id: &str| id.eq_ignore_ascii_case("litellm");
        // It is nobody's provider, and names the real one before the model.
        if provider.is_some_and(is_proxy)
            && let Some((real, rest)) = name.split_once('/').filter(|(real, _)| !real.is_empty())
            && self.called(real)?.is_some()
        {
            (provider, name) = (Some(real), rest);
        }
        let found = provider.map_or(Ok(None), |id| self.called(id))?;
        let selected = match (found, provider) {
            (None, Some(id)) if !is_proxy(id) => None,
            (None, _) => self.first(|provider| provider.claims.as_ref().filter(|_| !name.is_empty()), name)?,
            (found, _) => found,
        };
        let Some(selected) = selected else { return Ok(None) };
        match self.of(selected, name)? {
            None => with_long_days(name).map_or(Ok(None), |name| self.of(selected, &name)),
            known => Ok(known),
        }
    }

    /// The first provider whose rule, where it has one, holds for that.
    fn first<'a>(
        &'a self,
        rule: impl Fn(&'a Provider) -> Option<&'a Rule>,
        name: &str,
    ) -> Result<Option<&'a Provider>, Unreadable> {
        for provider in &self.providers {
            if rule(provider).map_or(Some(false), |rule| rule.holds(name)).ok_or(Unreadable)? {
                return Ok(Some(provider));
            }
        }
        Ok(None)
    }

    /// The provider of that id, else the first that is called so.
    fn called(&self, id: &str) -> Result<Option<&Provider>, Unreadable> {
        let id = id.trim().to_lowercase();
        match self.providers.iter().find(|provider| provider.id == id) {
            None => self.first(|provider| provider.names.as_ref(), &id),
            found => Ok(found),
        }
    }

    /// The model of a provider, else of those from which it takes models.
    fn of(&self, provider: &Provider, name: &str) -> Result<Option<Known>, Unreadable> {
        let fallbacks = provider.fallbacks.iter().filter_map(|id| self.providers.iter().find(|one| one.id == *id));
        for owner in [provider].into_iter().chain(fallbacks) {
            for model in owner.models(&self.text)? {
                if model.rule.holds(name).ok_or(Unreadable)? {
                    let is_whisper = ["whisper-large-v3", "whisper-large-v3-turbo"].contains(&&*model.id);
                    let shown = format!("{}/{}", provider.id, model.id).into();
                    // Transcriptions of that provider are billed for ten seconds at least.
                    let least_seconds = (is_whisper && provider.id == "groq").then_some(10);
                    let is_own = owner.id == provider.id;
                    return Ok(Some(Known { shown, model: Arc::clone(model), is_own, least_seconds }));
                }
            }
        }
        Ok(None)
    }

    /// How many names are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.asked.read().unwrap().len()
    }
}

impl Known {
    /// Provider and model, as the list calls them.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// What that cost at that time; `None` where something has no price.
    pub(super) fn sums(&self, usage: &ModelUsage, at: WallTime) -> Option<Sums> {
        let rates = self.model.rates(&usage.terms, at, self.is_own)?;
        if !rates::cover(&rates, usage) {
            return None;
        }
        let mut counts = Counts::new(usage)?;
        if let Some(seconds) = self.least_seconds {
            counts.at_least(seconds);
        }
        counts.sums(&rates)
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
