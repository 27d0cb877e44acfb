//! Many processes on one file: one holder a lease, one place an append.

use orch_core::store::{Append, Locked, RunHeader};

use super::*;

const PROCESSES: u64 = 4;
const THREADS: u64 = 4;
/// How many appends each thread makes.
const APPENDS: u64 = 8;

/// Takes a lease, writes under its fence, gives it back, in several threads.
pub(super) fn work(folder: &Path, process: u64) {
    let log = Log::open(folder);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let log = log.clone();
            scope.spawn(move || {
                // A connection a thread: they contend as processes do.
                let store = store_in(folder);
                let mut done = 0;
                while done < APPENDS {
                    let Locked::Granted(lease) = store.lock("writer", "a thread", Duration::from_secs(60)).unwrap()
                    else {
                        thread::yield_now();
                        continue;
                    };
                    let row = store.run(run_of(0)).unwrap().unwrap();
                    let body = format!("{process} {number} {done} {}", lease.fence);
                    let append = Append {
                        run: row.run,
                        fence: 1,
                        seq: row.events,
                        events: 1,
                        body: body.as_bytes(),
                        ..Append::default()
                    };
                    // The holder of the lease is alone, so nobody else has written since it looked.
                    store.append(&append).unwrap();
                    log.say(&format!("wrote {body}"));
                    assert!(store.release("writer", lease.fence).unwrap());
                    done += 1;
                }
            });
        }
    });
}

#[test]
fn processes_that_share_a_store_write_one_after_the_other() {
    let (_keep, folder) = folder();
    store_in(&folder).open_run(&RunHeader { run: run_of(0), fence: 1, ..RunHeader::default() }, None).unwrap();
    let children: Vec<Child> = (1..=PROCESSES).map(|process| start("contend", &folder, process, "", 0)).collect();
    for (process, mut child) in (1..).zip(children) {
        let ended = child.wait().unwrap();
        let stderr = fs::read_to_string(folder.join(format!("stderr{process}"))).unwrap();
        assert!(ended.success(), "{stderr}");
    }
    let store = store_in(&folder);
    let records = store.read(run_of(0), 1, 0).unwrap();
    let bodies: Vec<String> = records.into_iter().map(|record| String::from_utf8(record.body).unwrap()).collect();
    assert_eq!(bodies.len() as u64, PROCESSES * THREADS * APPENDS);
    let fences: Vec<u64> = bodies.iter().map(|body| body.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert!(fences.windows(2).all(|pair| pair[0] < pair[1]), "each lease was held by one, in the order of the fences");
    // What was acknowledged is there, once, in the order in which each thread wrote it.
    let mut acknowledged: Vec<String> =
        lines(&folder).into_iter().map(|line| line.strip_prefix("wrote ").unwrap().to_owned()).collect();
    for (process, thread) in (1..=PROCESSES).flat_map(|process| (0..THREADS).map(move |thread| (process, thread))) {
        let mine = format!("{process} {thread} ");
        let order: Vec<u64> =
            bodies.iter().filter_map(|body| body.strip_prefix(&mine)?.split(' ').next()?.parse().ok()).collect();
        assert_eq!(order, (0..APPENDS).collect::<Vec<_>>());
    }
    let mut kept = bodies;
    kept.sort();
    acknowledged.sort();
    assert_eq!(kept, acknowledged);
}
