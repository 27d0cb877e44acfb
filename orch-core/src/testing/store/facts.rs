//! What a store must do with facts.

#![expect(clippy::expect_used, reason = "a check says what is wrong by a panic, as every test does")]

use crate::{
    Hand, WallTime,
    store::{Fact, FactQuery, Store},
};

fn fact(at: u64, about: &str, key: &str) -> Fact {
    let (kind, body) = ("commit".to_owned(), format!("{key} in {about}"));
    Fact { at: WallTime(at), kind, about: about.to_owned(), key: key.to_owned(), body }
}

fn keys(store: &dyn Store, query: &FactQuery<'_>) -> Vec<String> {
    store.facts(query).expect("facts can be read").into_iter().map(|fact| fact.key).collect()
}

pub(super) fn are_kept_once(store: &dyn Store, _: &Hand) {
    let first = [fact(20, "x", "b"), fact(10, "y", "a"), fact(20, "y", "c")];
    assert_eq!(store.keep_facts(&first).expect("facts can be kept"), 3);
    let again = [Fact { body: "other".to_owned(), ..fact(99, "z", "b") }, fact(30, "x", "d")];
    assert_eq!(store.keep_facts(&again).expect("facts can be kept"), 1, "one is known");
    let other = Fact { kind: "other".to_owned(), ..fact(15, "x", "b") };
    assert_eq!(store.keep_facts(std::slice::from_ref(&other)).expect("facts can be kept"), 1, "of another kind");
    let all = store.facts(&FactQuery::of("commit")).expect("facts can be read");
    assert_eq!(
        all,
        [fact(10, "y", "a"), fact(20, "x", "b"), fact(20, "y", "c"), fact(30, "x", "d")],
        "as written, by time"
    );
    assert_eq!(store.facts(&FactQuery::of("other")).expect("facts can be read"), [other]);
    assert_eq!(keys(store, &FactQuery::of("none")), [""; 0]);
}

pub(super) fn are_found(store: &dyn Store, _: &Hand) {
    let all = [fact(10, "y", "a"), fact(20, "x", "b"), fact(20, "y", "c"), fact(30, "x", "d")];
    store.keep_facts(&all).expect("facts can be kept");
    let query = FactQuery::of("commit");
    let between = FactQuery { from: WallTime(20), to: WallTime(30), ..query };
    assert_eq!(keys(store, &between), ["b", "c"], "from is in, to is not");
    assert_eq!(keys(store, &FactQuery { about: Some("y"), ..query }), ["a", "c"]);
    assert_eq!(keys(store, &FactQuery { about: Some("y"), latest: 1, ..query }), ["c"]);
    assert_eq!(keys(store, &FactQuery { latest: 2, ..query }), ["c", "d"]);
    assert_eq!(keys(store, &FactQuery { latest: 1, ..between }), ["c"]);
    assert_eq!(keys(store, &FactQuery { about: Some(""), ..query }), [""; 0]);
}
