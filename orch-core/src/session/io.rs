//! The one runtime for slow seams.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::runtime::{Builder, Handle};

/// The runtime that answers what a session may not wait for: the caller's where there is one, else [our own](own), on one
/// thread, started when first needed and kept for the life of the process.
pub(super) fn runtime() -> Option<Handle> {
    Handle::try_current().ok().or_else(own)
}

/// Our own runtime, for what goes on when the run, and perhaps the caller's runtime, has ended. A child that was forked has none
/// of the threads of its parent, so it starts its own.
pub(super) fn own() -> Option<Handle> {
    static OWN: Mutex<Option<(u32, Handle)>> = Mutex::new(None);
    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if own.as_ref().is_none_or(|(of, _)| *of != process) {
        *own = start().map(|handle| (process, handle));
    }
    own.as_ref().map(|(_, handle)| handle.clone())
}

/// What that answers, if it does in that time and does not panic. In [our own](own) runtime only, which has a clock.
pub(super) async fn patiently<T: Send + 'static>(
    answer: impl Future<Output = T> + Send + 'static,
    at_most: Duration,
) -> Option<T> {
    let answer = tokio::spawn(answer);
    let stop = answer.abort_handle();
    match tokio::time::timeout(at_most, answer).await {
        Ok(answer) => answer.ok(),
        Err(_) => {
            stop.abort();
            None
        }
    }
}

fn start() -> Option<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build().ok()?;
    let handle = runtime.handle().clone();
    let serve = move || runtime.block_on(std::future::pending::<()>());
    std::thread::Builder::new().name("orch-io".into()).spawn(serve).ok()?;
    Some(handle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_never_comes_is_none() {
        let ask = |answer: std::pin::Pin<Box<dyn Future<Output = u8> + Send>>| {
            let (tell, told) = std::sync::mpsc::channel();
            let at_most = Duration::from_millis(20);
            own().unwrap().spawn(async move { tell.send(patiently(answer, at_most).await).unwrap() });
            told.recv().unwrap()
        };
        assert_eq!(ask(Box::pin(async { 7 })), Some(7));
        assert_eq!(ask(Box::pin(std::future::pending())), None);
        assert_eq!(ask(Box::pin(async { panic!("the store is broken") })), None);
    }
}
