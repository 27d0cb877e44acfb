//! What a store must do with money.

#![expect(clippy::expect_used, reason = "a check says what is wrong by a panic, as every test does")]

use std::{sync::Barrier, thread};

use serde::{Deserialize, Serialize};

use crate::{
    Error, ErrorKind, Hand, WallTime,
    store::{Book, ChargeRow, Content, Store},
    units::Usd,
};

fn row(at: u64, nanos: i64) -> ChargeRow {
    ChargeRow { at: WallTime(at), usd: Usd::from_nanos(nanos), body: Content::from(format!("{{\"nth\":{at}}}")) }
}

pub(super) fn bookings_are_whole(store: &dyn Store, _: &Hand) {
    let write = |fails: bool| {
        store.book(&mut |book| {
            let read = |book: &mut dyn Book| {
                book.cell("a'%_*").expect("it can be read").map(|body| body.text().expect("it is text"))
            };
            assert_eq!(read(book), None);
            book.set_cell("a'%_*", text("one"))?;
            assert_eq!(read(book).as_deref(), Some("one"), "it reads what it wrote");
            book.set_cell("b", text("two"))?;
            book.charge(&row(1, 5))?;
            if fails { Err(Error::new(ErrorKind::NotOwner, "no")) } else { Ok(()) }
        })
    };
    assert_eq!(write(true).map_err(|error| error.kind()), Err(ErrorKind::NotOwner));
    assert_eq!(texts(store, ""), []);
    assert_eq!(store.charges(WallTime(0), WallTime(9)).expect("it can be read"), []);
    write(false).expect("it can be booked");
    let pair = |key: &str, text: &str| (key.to_owned(), text.to_owned());
    assert_eq!(texts(store, ""), [pair("a'%_*", "one"), pair("b", "two")]);
    assert_eq!(texts(store, "a'%"), [pair("a'%_*", "one")]);
    assert_eq!(texts(store, "%"), []);
    store.book(&mut |book| book.set_cell("b", None)).expect("it can be booked");
    assert_eq!(texts(store, "b"), []);
}

fn text(text: &str) -> Option<Content> {
    Some(Content::from(text.to_owned()))
}

fn texts(store: &dyn Store, prefix: &str) -> Vec<(String, String)> {
    let cells = store.cells(prefix).expect("it can be read");
    cells.into_iter().map(|(key, body)| (key, body.text().expect("it has a text"))).collect()
}

/// What a cell may hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sum {
    usd: Usd,
    by: Vec<String>,
}

pub(super) fn cells_hold_values(store: &dyn Store, _: &Hand) {
    let sum = |nanos| Sum { usd: Usd::from_nanos(nanos), by: vec!["a".into(), "\"b\"".into()] };
    let set = |book: &mut dyn Book, nanos| book.set_cell("sum", Some(Content::of(sum(nanos))));
    let read = |body: &Content| body.read::<Sum>("a sum").expect("it is one");
    store
        .book(&mut |book| {
            set(book, 5)?;
            assert_eq!(book.cell("sum")?.as_ref().map(read), Some(sum(5)), "it reads what it wrote");
            set(book, 7)?;
            assert_eq!(book.cell("sum")?.as_ref().map(read), Some(sum(7)), "and what it wrote after that");
            Ok(())
        })
        .expect("it can be booked");
    let kept = || store.cells("sum").expect("it can be read").remove(0).1;
    assert_eq!(read(&kept()), sum(7));
    assert_eq!(kept().text().expect("it has a text"), r#"{"usd":7,"by":["a","\"b\""]}"#);
    let other = kept().read::<serde_json::Value>("a sum").expect("any JSON is one");
    assert_eq!(other.get("usd"), Some(&serde_json::json!(7)), "whoever knows the form may read it as another type");
    let wrong = kept().read::<Vec<u8>>("a list").expect_err("it is none");
    assert_eq!(wrong.kind(), ErrorKind::Corrupt);
    assert!(wrong.to_string().contains("a list in the ledger"), "{wrong}");
    // Given up with its booking, as a text is.
    let failed = store.book(&mut |book| set(book, 9).and(Err(Error::new(ErrorKind::NotOwner, "no"))));
    assert_eq!((failed.is_err(), read(&kept())), (true, sum(7)));
    store.book(&mut |book| book.set_cell("sum", text("7"))).expect("it can be booked");
    assert_eq!(kept().read::<Usd>("a sum").expect("it is one"), Usd::from_nanos(7), "a text in place of a value");
}

pub(super) fn charges_are_listed(store: &dyn Store, _: &Hand) {
    for (at, nanos) in [(5, 1), (3, i64::MIN), (5, 2), (9, i64::MAX)] {
        store.book(&mut |book| book.charge(&row(at, nanos))).expect("it can be booked");
    }
    let list = |from, to| store.charges(WallTime(from), WallTime(to)).expect("it can be read");
    assert_eq!(list(0, u64::MAX), [row(3, i64::MIN), row(5, 1), row(5, 2), row(9, i64::MAX)]);
    assert_eq!(list(5, 9), [row(5, 1), row(5, 2)]);
}

pub(super) fn bookings_take_turns(store: &dyn Store, _: &Hand) {
    let (threads, turns) = (4, 25);
    let barrier = Barrier::new(threads);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                barrier.wait();
                for _ in 0..turns {
                    let count = |book: &mut dyn Book| {
                        let count = book.cell("n")?.map_or(0, |body| body.read("a number").expect("it was one"));
                        book.set_cell("n", Some(Content::of(count + 1_u32)))
                    };
                    store.book(&mut |book| count(book)).expect("it can be booked");
                }
            });
        }
    });
    let want = (threads * turns).to_string();
    assert_eq!(texts(store, "n"), [("n".to_owned(), want)]);
}
