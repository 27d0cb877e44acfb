//! Telemetry of runs, from their events.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    export::{Exported, Exporter, resource, scope},
    options::OtelOptions,
    spans::Spans,
};
use crate::{
    clock::Clock,
    cost::PriceSource,
    definition::Graph,
    event::{Event, EventSink},
    executor::Trace,
};

/// A sink that tells a collector of a run: spans while it goes on, metrics at its end. It does so on a thread of its own; where that
/// cannot keep up with 4,096 spans, further ones are left out and counted.
pub struct Telemetry {
    spans: Mutex<Spans>,
    prices: Arc<dyn PriceSource>,
    clock: Clock,
    sender: SyncSender<Value>,
    lost: Mutex<u64>,
    thread: JoinHandle<Exported>,
    exporter: Arc<dyn Exporter>,
    options: OtelOptions,
}

const ROOM: usize = 4_096;
/// So many spans go in one request.
const BATCH: usize = 512;
/// A span is told after that long, also if it stays alone.
const PAUSE: Duration = Duration::from_secs(1);

impl Telemetry {
    /// Starts the thread. Programs that were started with the same [`Trace`] add their spans to the same tree.
    pub fn start(
        trace: Trace,
        options: OtelOptions,
        exporter: Arc<dyn Exporter>,
        prices: Arc<dyn PriceSource>,
    ) -> Self {
        let (sender, spans) = sync_channel::<Value>(ROOM);
        let (is_wanted, sends, to) = (trace.is_sampled(), options.clone(), exporter.clone());
        let thread = std::thread::spawn(move || {
            let (mut done, mut batch) = (Exported::default(), Vec::new());
            let send = |batch: &mut Vec<Value>, done: &mut Exported| {
                let all = std::mem::take(batch);
                let count = all.len() as u64;
                if count == 0 || !is_wanted {
                    return;
                }
                let body = json!({"resourceSpans": [{
                    "resource": resource(&sends), "scopeSpans": [{"scope": scope(), "spans": all}],
                }]});
                match to.export(&body) {
                    Ok(()) => done.spans += count,
                    Err(why) => {
                        done.lost += count;
                        done.why.get_or_insert(why);
                    }
                }
            };
            loop {
                match spans.recv_timeout(PAUSE) {
                    Ok(span) => {
                        batch.push(span);
                        if batch.len() >= BATCH {
                            send(&mut batch, &mut done);
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => send(&mut batch, &mut done),
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            send(&mut batch, &mut done);
            done
        });
        let spans = Mutex::new(Spans::new(trace, options.latest));
        Self { spans, prices, clock: Clock::system(), sender, lost: Mutex::default(), thread, exporter, options }
    }

    /// Waits until everything was sent, then sends the metrics, and answers what came of it.
    pub fn finish(self) -> Exported {
        let Self { spans, clock, sender, lost, thread, exporter, options, .. } = self;
        drop(sender);
        let mut done = thread.join().unwrap_or_default();
        done.lost += lost.into_inner().unwrap_or_else(PoisonError::into_inner);
        let spans = spans.into_inner().unwrap_or_else(PoisonError::into_inner);
        let nanos = |millis: u64| (u128::from(millis) * 1_000_000).to_string();
        let metrics = spans.metrics.json(&nanos(spans.began().0), &nanos(clock.wall().0));
        if !metrics.is_empty() {
            let body = json!({"resourceMetrics": [{
                "resource": resource(&options), "scopeMetrics": [{"scope": scope(), "metrics": metrics}],
            }]});
            if let Err(why) = exporter.export(&body) {
                done.why.get_or_insert(why);
            }
        }
        done
    }
}

impl EventSink for Telemetry {
    fn hear(&self, graph: &Graph, events: &[Event]) {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            for span in spans.hear(graph, event, self.clock.wall(), &*self.prices) {
                if let Err(TrySendError::Full(_)) = self.sender.try_send(span) {
                    *self.lost.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                }
            }
        }
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("options", &self.options).finish_non_exhaustive()
    }
}
