//! What one record of usage costs: a question, and its answer as data.

use serde_json::{Value, json};

use super::{
    Extracted, Extractors,
    price::{PriceSource, Quote, quotes},
};
use crate::{
    clock::WallTime,
    error::{Error, ErrorKind, Result},
    id::Printable,
    units::{ModelUsage, Usage, Usd},
};

/// How a record of usage is read. `UsageQuery::default()`: as it says itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageQuery {
    /// The model, instead of what the record says.
    pub model: Option<String>,
    /// Whose prices: `anthropic`, `aws`, `openai`; it goes before the model's name.
    pub provider: Option<String>,
    /// Whether it was a batch.
    pub batch: bool,
    /// Only that dialect; `None`: whichever it is.
    pub dialect: Option<String>,
}

impl UsageQuery {
    /// What an agent or an API says of usage, in any of the built-in dialects.
    ///
    /// ```
    /// use orch_core::cost::UsageQuery;
    ///
    /// let said = r#"{"model": "claude-sonnet-4-5", "usage": {"input_tokens": 100, "output_tokens": 20}}"#;
    /// let found = UsageQuery { provider: Some("aws".to_owned()), ..UsageQuery::default() }.read(said)?;
    /// assert_eq!((found.usage.models()[0].model.as_str(), found.usage.total_tokens()), ("aws/claude-sonnet-4-5", 120));
    /// # Ok::<(), orch_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidFormat`](ErrorKind::InvalidFormat) if no usage of a known form is in it; [`InvalidValue`](ErrorKind::InvalidValue) if
    /// nobody names the model, and for a dialect that is not known.
    pub fn read(&self, text: &str) -> Result<Extracted> {
        self.named(self.extractors()?.read(text))
    }

    /// The same of messages that were read already, in their order.
    ///
    /// # Errors
    ///
    /// As [`read`](UsageQuery::read).
    pub fn find(&self, messages: &[Value]) -> Result<Extracted> {
        self.named(self.extractors()?.find(messages))
    }

    fn extractors(&self) -> Result<Extractors> {
        let mut extractors = Extractors::built_in();
        if let Some(dialect) = &self.dialect {
            if !extractors.names().any(|name| name == dialect) {
                let known: Vec<&str> = extractors.names().collect();
                let dialect = Printable(dialect);
                let message = format!("there is no dialect `{dialect}`; known here: {}", known.join(", "));
                return Err(Error::new(ErrorKind::InvalidValue, message));
            }
            extractors = extractors.only(dialect);
        }
        Ok(extractors)
    }

    fn named(&self, found: Option<Extracted>) -> Result<Extracted> {
        let found = found.ok_or_else(|| {
            let message = "there is no usage of a known form in it; see `orch cost price --help`";
            Error::new(ErrorKind::InvalidFormat, message)
        })?;
        let mut usage = Usage::default();
        for model in found.usage.models() {
            let mut model = model.clone();
            if let Some(name) = &self.model {
                model.model.clone_from(name);
            }
            if model.model.is_empty() {
                let message = "the usage does not name its model; give it with `--model`";
                return Err(Error::new(ErrorKind::InvalidValue, message));
            }
            if let Some(provider) = &self.provider {
                model.model = format!("{provider}/{}", model.model);
            }
            if self.batch {
                model.terms.insert("processing".to_owned(), "batch".to_owned());
            }
            usage.add(&model.into());
        }
        Ok(Extracted { usage, ..found })
    }
}

/// What a usage costs, entry by entry.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Quoted {
    /// All of it.
    pub usd: Usd,
    /// Each model with its price.
    pub entries: Vec<(ModelUsage, Quote)>,
}

/// Every entry of a usage with its price at that time. What has none is an error, never nothing.
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound) for a model without a price, or something that was used and has none.
///
/// ```
/// use orch_core::{PriceTable, Rates, Usage, Usd, WallTime, cost::quoted};
///
/// let prices = PriceTable::default().with("house-model", Rates::new(Usd::from_cents(300), Usd::from_cents(1500)));
/// assert_eq!(quoted(&prices, &Usage::tokens("house-model", 4_000, 800), WallTime(0))?.usd.to_decimal(), "0.024");
/// assert!(quoted(&prices, &Usage::tokens("another", 1, 1), WallTime(0)).is_err());
/// # Ok::<(), orch_core::Error>(())
/// ```
pub fn quoted(prices: &dyn PriceSource, usage: &Usage, at: WallTime) -> Result<Quoted> {
    let known = |(usage, quote): (&ModelUsage, Option<Quote>)| match quote {
        Some(quote) => Ok((usage.clone(), quote)),
        None => {
            let model = Printable(&usage.model);
            let message = format!(
                "there is no price for `{model}`, or for all of what was used; give rates in orch.toml, or a model that stands for \
                 it: `[prices]` and `\"{model}\" = \"KNOWN MODEL\"`"
            );
            Err(Error::new(ErrorKind::NotFound, message))
        }
    };
    let entries: Vec<(ModelUsage, Quote)> = quotes(prices, usage, at).map(known).collect::<Result<_>>()?;
    Ok(Quoted { usd: entries.iter().map(|(_, quote)| quote.total).sum(), entries })
}

impl Quoted {
    /// As JSON, a list of `{"model", "usd", "input_usd", "output_usd", "price": {"model", "list", "at", "fallback"}, "usage"}`: money as
    /// decimal text in dollars, the time as text.
    pub fn form(&self) -> Value {
        self.entries.iter().map(|(usage, quote)| quote.form(usage)).collect()
    }
}

impl Quote {
    /// As JSON, one of [`Quoted::form`].
    pub fn form(&self, usage: &ModelUsage) -> Value {
        let Self { total, input, output, model, list, at, is_fallback } = self;
        let mut form = json!({
            "model": usage.model, "usd": total.to_decimal(),
            "price": {"model": model, "list": list, "at": at.to_string(), "fallback": is_fallback}, "usage": usage,
        });
        for (name, part) in [("input_usd", input), ("output_usd", output)] {
            if let (Some(part), Some(form)) = (part, form.as_object_mut()) {
                form.insert(name.to_owned(), part.to_decimal().into());
            }
        }
        form
    }
}
