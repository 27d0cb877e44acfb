//! What a store must do with letters.

#![expect(clippy::expect_used, reason = "a check says what is wrong by a panic, as every test does")]

use std::{sync::Barrier, thread};

use super::TEN;
use crate::{
    Hand,
    store::{Delivery, LONGEST_WAIT, Letter, LetterRow, LetterState, Store},
};

fn letter(key: &str, target: &str) -> Letter {
    Letter { key: key.into(), target: target.into(), body: format!("{key} for {target}") }
}

fn take(store: &dyn Store, limit: usize) -> Vec<(String, u32)> {
    let letters = store.take_letters(&["chat", "mail", "x"], limit, TEN).expect("letters can be taken");
    letters.into_iter().map(|letter| (letter.body, letter.tries)).collect()
}

pub(super) fn are_posted_once(store: &dyn Store, _: &Hand) {
    assert_eq!(take(store, 9), []);
    let both = [letter("five", "chat"), letter("five", "mail")];
    assert_eq!(store.post(&both).expect("letters can be posted"), 2);
    assert_eq!(store.post(&[letter("five", "chat")]).expect("letters can be posted"), 0, "it waits already");
    assert_eq!(store.take_letters(&["five"], 9, TEN).expect("letters can be taken"), [], "none for others");
    let taken = store.take_letters(&["mail", "chat"], 9, TEN).expect("letters can be taken");
    assert_eq!(taken.iter().map(|letter| letter.body.as_str()).collect::<Vec<_>>(), ["five for chat", "five for mail"]);
    let [chat, mail] = taken.as_slice() else { unreachable!("there are two") };
    assert!(store.delivered(chat, &Delivery::Sent).expect("it can be said"));
    assert!(!store.delivered(chat, &Delivery::Sent).expect("it can be said"), "it was said already");
    assert!(store.delivered(mail, &Delivery::Dropped("gone".into())).expect("it can be said"));
    assert_eq!(store.post(&both).expect("letters can be posted"), 0, "told once, and never again");
    let rows = store.letters(9).expect("letters can be listed");
    let short = |row: &LetterRow| (row.target.clone(), row.state, row.body.clone(), row.why.clone());
    assert_eq!(
        rows.iter().map(short).collect::<Vec<_>>(),
        [
            ("mail".into(), LetterState::Dropped, String::new(), Some("gone".into())),
            ("chat".into(), LetterState::Sent, String::new(), None),
        ],
        "the latest first, without what they said"
    );
    assert_eq!(store.letters(1).expect("letters can be listed").len(), 1);
}

pub(super) fn come_back(store: &dyn Store, hand: &Hand) {
    store.post(&[letter("a", "x"), letter("b", "x")]).expect("letters can be posted");
    assert_eq!(take(store, 1), [("a for x".into(), 1)], "no more than asked for");
    assert_eq!(take(store, 9), [("b for x".into(), 1)], "the other one is somebody's");
    hand.advance(TEN);
    let mut taken = store.take_letters(&["x"], 1, TEN).expect("letters can be taken");
    let first = taken.pop().expect("there is one");
    assert_eq!((first.key.as_str(), first.tries), ("a", 2), "whoever took it may be dead");
    let late = LetterRow { tries: 1, ..first.clone() };
    assert!(!store.delivered(&late, &Delivery::Sent).expect("it can be said"), "it is another's by now");
    let later = Delivery::Later(TEN * 2, "busy".into());
    assert!(store.delivered(&first, &later).expect("it can be said"));
    assert_eq!(take(store, 9), [("b for x".into(), 2)], "`a` has its time");
    hand.advance(TEN);
    assert_eq!(take(store, 9), [("b for x".into(), 3)]);
    hand.advance(TEN);
    assert_eq!(take(store, 9), [("a for x".into(), 3), ("b for x".into(), 4)]);
    let rows = store.letters(9).expect("letters can be listed");
    let first = rows.last().map(|row| (row.why.as_deref(), row.state));
    assert_eq!(first, Some((Some("busy"), LetterState::Waiting)));
}

pub(super) fn have_one_taker(store: &dyn Store, _: &Hand) {
    const EACH: usize = 8;
    let all: Vec<Letter> = (0..EACH * 4).map(|at| letter(&at.to_string(), "x")).collect();
    let start = Barrier::new(EACH);
    let mut taken: Vec<String> = thread::scope(|scope| {
        let each = || {
            start.wait();
            let new = store.post(&all).expect("letters can be posted");
            (new, store.take_letters(&["x"], 4, TEN).expect("letters can be taken"))
        };
        let threads: Vec<_> = (0..EACH).map(|_| scope.spawn(each)).collect();
        let answers: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("it ended")).collect();
        assert_eq!(answers.iter().map(|(new, _)| new).sum::<usize>(), all.len(), "each is new once");
        answers.into_iter().flat_map(|(_, letters)| letters).map(|letter| letter.key).collect()
    });
    let count = taken.len();
    taken.sort();
    taken.dedup();
    assert_eq!((taken.len(), count), (EACH * 4, EACH * 4));
}

pub(super) fn survive_clocks(store: &dyn Store, hand: &Hand) {
    store.post(&[letter("a", "x")]).expect("letters can be posted");
    hand.wall_back(LONGEST_WAIT * 3);
    assert_eq!(take(store, 9).len(), 1);
}
