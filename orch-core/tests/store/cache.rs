//! The store on disk drops the same entries as the one in memory, whatever is put.

use std::time::Duration;

use orch_core::{
    Clock,
    store::{CacheRow, MemoryStore, SqliteOptions, SqliteStore, Store},
};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Op {
    Put { key: u8, size: usize, worth: u64, lasts: u64 },
    Drop(u8),
    Pass(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0u8..40, 0usize..300, 0u64..1_000, 1u64..30)
            .prop_map(|(key, size, worth, lasts)| Op::Put { key, size, worth, lasts }),
        1 => (0u8..40).prop_map(Op::Drop),
        1 => (0u64..10).prop_map(Op::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

    #[test]
    fn both_keep_the_same(ops in prop::collection::vec(op(), 1..150)) {
        const LIMIT: u64 = 4_000;
        let folder = tempfile::tempdir().unwrap();
        let (clock, hand) = Clock::manual();
        let options = SqliteOptions { clock: clock.clone(), ..SqliteOptions::default() };
        let disk = SqliteStore::open(folder.path().join("orch.db"), options).unwrap();
        let memory = MemoryStore::new(clock);
        let both: [&dyn Store; 2] = [&disk, &memory];
        for op in ops {
            match op {
                Op::Put { key, size, worth, lasts } => {
                    // No two are worth the same a byte: which of those goes first is nobody's business.
                    let row = CacheRow {
                        value: vec![key; size],
                        about: String::new(),
                        worth: worth * 40 + u64::from(key),
                        left: Duration::ZERO,
                    };
                    let put = |store: &dyn Store| {
                        store.cache_put(&format!("k{key:02}"), &row, Duration::from_secs(lasts), LIMIT).unwrap()
                    };
                    let [disk, memory] = both.map(put);
                    prop_assert_eq!(disk, memory);
                }
                Op::Drop(key) => {
                    let [disk, memory] = both.map(|store| store.cache_drop(&format!("k{key:02}")).unwrap());
                    prop_assert_eq!(disk, memory);
                }
                Op::Pass(seconds) => hand.advance(Duration::from_secs(seconds)),
            }
            let entries = both.map(|store| {
                let get = |key: u8| Some((key, store.cache_get(&format!("k{key:02}")).unwrap()?));
                (0..40).filter_map(get).collect::<Vec<_>>()
            });
            let bytes: u64 = entries[0].iter().map(|(key, row)| row.bytes(&format!("k{key:02}"))).sum();
            prop_assert!(bytes <= LIMIT);
            prop_assert_eq!(&entries[0], &entries[1]);
        }
    }
}
