//! What a lock costs: grant and release, uncontended.

use std::{sync::Arc, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use orch_core::{
    Claim, Resource,
    locks::{
        Acquire, Locks, MemoryLocks, ResourceLocks,
        table::{Ask, Asked, Asker, LockTable},
    },
};
use tokio::runtime::Builder;

fn uncontended(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("locks/grant and release");
    let claims = [Claim::shared("db")];
    let once: Arc<str> = "task".into();
    let ask = Ask { asker: Asker::Once(&once), scope: 0, claims: &claims, rank: 0, wait: None };
    let two = [Claim::shared("db"), Claim::exclusive("disk")];

    let mut table = LockTable::default();
    table.declare(0, &Resource::new("db").capacity(1)).expect("a good resource");
    group.bench_function("table", |bencher| {
        bencher.iter(|| {
            let grant = table.try_ask(&ask).expect("nobody else");
            table.release(Duration::ZERO, grant.ticket)
        });
    });

    let memory = MemoryLocks::default();
    memory.declare(0, &Resource::new("db").capacity(1)).expect("a good resource");
    let mut grant = |name: &str, ask: Ask<'_>| {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let Asked::Granted(grant) = memory.ask(&ask, &mut || unreachable!()) else { unreachable!() };
                memory.release(grant.ticket)
            });
        });
    };
    grant("seam, as a run does", ask);
    grant("seam, two claims", Ask { claims: &two, ..ask });
    grant("seam, by name", Ask { asker: Asker::Named("alice"), ..ask });

    let locks = Locks::default();
    locks.register(&Resource::new("db").capacity(1)).expect("a good resource");
    group.bench_function("try_acquire", |bencher| {
        bencher.iter(|| drop(locks.try_acquire("db", "alice", Acquire::default()).expect("nobody else")));
    });
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    group.bench_function("acquire", |bencher| {
        bencher.iter_custom(|rounds| {
            runtime.block_on(async {
                let started = std::time::Instant::now();
                for _ in 0..rounds {
                    drop(locks.acquire("db", "alice", Acquire::default()).await.expect("nobody else"));
                }
                started.elapsed()
            })
        });
    });
    group.finish();
}

criterion_group!(benches, uncontended);
criterion_main!(benches);
