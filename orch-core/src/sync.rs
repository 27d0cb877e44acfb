//! Locks, atomics and parking: those of the standard library, or, in unit tests built with `--cfg shuttle`, those of the
//! model checker [shuttle](https://docs.rs/shuttle), which tries the orders in which threads may touch them.
//!
//! A type whose waking is worth a proof takes these names instead of `std`'s; its models lie in a `models.rs` beside it and
//! run by `cargo test -p orch-core --no-default-features --lib models::` with `RUSTFLAGS="--cfg shuttle"`. The checker knows
//! sequentially consistent memory only: what an ordering weaker than that allows is for a person to think through.

#[cfg(shuttle)]
#[cfg(test)]
pub(crate) mod models;

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

#[cfg(all(test, shuttle))]
pub(crate) use shuttle::{
    sync::{Mutex, MutexGuard, atomic},
    thread,
};
#[cfg(not(all(test, shuttle)))]
pub(crate) use std::{
    sync::{Mutex, MutexGuard, atomic},
    thread,
};

/// Takes a lock whose content is whole even if somebody panicked while holding it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future that needs no runtime. The thread sleeps while there is nothing to do.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut task = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut task) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
