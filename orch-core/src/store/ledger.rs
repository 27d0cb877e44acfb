//! What a store keeps of money: cells of values, and a list of charges.

use std::{any::Any, fmt, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    clock::WallTime,
    error::{Error, ErrorKind, Result},
    units::Usd,
};

/// A charge, as a store keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct ChargeRow {
    /// When.
    pub at: WallTime,
    /// How much.
    pub usd: Usd,
    /// All else.
    pub body: Content,
}

/// What a cell of the ledger or a charge holds: text, or a value that becomes text, its JSON form, where somebody wants that. Cheap to clone.
///
/// A store that outlives the process keeps the [text](Content::text). One in memory keeps it as it is: what was
/// [made of](Content::of) a value is [read](Content::read) as that value, with no text between. The two are the same for every type that is
/// equal after its JSON form was written and read.
///
/// ```
/// use orch_core::store::Content;
///
/// let (kept, written) = (Content::of(vec![5, 7]), Content::from("[5,7]".to_owned()));
/// assert_eq!(kept.text()?, written.text()?);
/// assert_eq!(kept.read::<Vec<u8>>("numbers")?, written.read::<Vec<u8>>("numbers")?);
/// assert!(Content::from("five".to_owned()).read::<Vec<u8>>("numbers").is_err());
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Content(Inner);

#[derive(Clone)]
enum Inner {
    Text(Arc<str>),
    Value(Arc<dyn Value>),
}

/// A value that is kept as it is.
trait Value: Any + Send + Sync {
    fn text(&self) -> serde_json::Result<String>;
}

impl<T: Serialize + Any + Send + Sync> Value for T {
    fn text(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

impl Content {
    /// That value.
    pub fn of<T: Serialize + Send + Sync + 'static>(value: T) -> Self {
        Self(Inner::Value(Arc::new(value)))
    }

    /// Its text: that of which it was made, or the JSON form of its value.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue) if the value has no JSON form: a map whose keys are no texts.
    pub fn text(&self) -> Result<String> {
        match &self.0 {
            Inner::Text(text) => Ok(text.as_ref().to_owned()),
            Inner::Value(value) => value.text().map_err(|error| {
                let message = "what the ledger was to keep has no JSON form; keep a value that has one";
                Error::new(ErrorKind::InvalidValue, message).caused_by(error)
            }),
        }
    }

    /// Its value. `what` it is for the message, if it is something else.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) if it is the JSON form of no such value.
    pub fn read<T: DeserializeOwned + Clone + 'static>(&self, what: &str) -> Result<T> {
        let unreadable = |error| {
            let message = format!("{what} in the ledger is in a form that this orch does not know; use a newer one");
            Error::new(ErrorKind::Corrupt, message).caused_by(error)
        };
        match &self.0 {
            Inner::Text(text) => serde_json::from_str(text).map_err(unreadable),
            Inner::Value(value) => match (value.as_ref() as &dyn Any).downcast_ref::<T>() {
                Some(value) => Ok(value.clone()),
                // Somebody else's type of the same form.
                None => serde_json::from_str(&self.text()?).map_err(unreadable),
            },
        }
    }
}

/// By their texts.
impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        matches!((self.text(), other.text()), (Ok(text), Ok(other)) if text == other)
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self(Inner::Text(text.into()))
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Content").field(&self.text()).finish()
    }
}

/// What one [booking](crate::store::Store::book) reads and writes. Nobody else changes anything meanwhile.
pub trait Book {
    /// What is in a cell.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn cell(&mut self, key: &str) -> Result<Option<Content>>;

    /// Fills a cell, or empties it.
    ///
    /// # Errors
    ///
    /// Those of the store; that of [`Content::text`], at once or when it is read.
    fn set_cell(&mut self, key: &str, body: Option<Content>) -> Result<()>;

    /// Adds a charge.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn charge(&mut self, row: &ChargeRow) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_as_good_as_its_text() {
        let (value, text) = (Content::of(vec![5_u8, 7]), Content::from("[5,7]".to_owned()));
        assert_eq!(value, text);
        assert_ne!(value, Content::of(vec![5_u8, 8]));
        assert_ne!(text, Content::from("[5,8]".to_owned()));
        assert_eq!(value.read::<[u64; 2]>("a pair").unwrap(), [5, 7], "as another type");
        for body in [value, text] {
            let error = body.read::<String>("a name").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.to_string().starts_with("a name in the ledger is in a form"), "{error}");
        }
        let none = Content::of(std::collections::BTreeMap::from([(vec![1], 2)]));
        assert_eq!(none.text().map_err(|error| error.kind()), Err(ErrorKind::InvalidValue));
        assert_ne!(none, none.clone(), "what has no text is like nothing");
    }
}
