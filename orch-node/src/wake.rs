//! How threads of the core wake the loop of Node: once a batch, and only where something native works.

use std::sync::Arc;

use napi::{
    bindgen_prelude::Function,
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};
use napi_derive::napi;

/// Weak: it does not keep the process alive.
type Call = ThreadsafeFunction<u32, (), u32, napi::Status, false, true>;

/// The bell of one thread of JavaScript: all its sessions ring it, each with its number.
#[napi]
pub struct Waker(Arc<Call>);

#[napi]
impl Waker {
    /// `heard` is called on the loop with the number of the session.
    #[napi(constructor)]
    pub fn new(heard: Function<u32, ()>) -> napi::Result<Self> {
        Ok(Self(Arc::new(heard.build_threadsafe_function().weak::<true>().build()?)))
    }
}

impl Waker {
    /// What a session calls from any thread. When the loop is gone, nobody is left to be woken.
    pub(crate) fn of(&self, number: u32) -> Arc<dyn Fn() + Send + Sync> {
        let call = self.0.clone();
        Arc::new(move || {
            call.call(number, ThreadsafeFunctionCallMode::NonBlocking);
        })
    }
}
