//! The one thread that waits for time: deadlines, drops that let a reader's copy end first, sweeps, the core's ticks.

use std::sync::Arc;
use std::time::Duration;

use fuser::Errno;
use mlopt_core::{Event, Nanos};

use super::{Driver, Inner, Overdue, Step};
use crate::fetcher::Demand;

/// Run the driver's timer until it is closed.
pub fn keep_time(driver: &Arc<Driver>) {
    loop {
        let mut inner = driver.inner.lock();
        if inner.closed {
            return;
        }
        let now = driver.clock.now();
        let next = inner.next_deadline();
        if next > now {
            inner.armed = next;
            // An hour at most: with nothing to wait for the deadline is the end of time.
            let rest = Duration::from_nanos(next.0 - now.0).min(Duration::from_secs(3600));
            driver.wake.wait_for(&mut inner, rest);
            continue;
        }
        let mut step = Step::default();
        driver.expire(&mut inner, now, &mut step);
        driver.start_drops(&mut inner, now, &mut step);
        if inner.core.poll_deadline().is_some_and(|due| due <= now) {
            driver.tell(&mut inner, Event::Tick, &mut step);
        }
        if inner.next_sweep <= now {
            inner.next_sweep = Nanos(now.0 + driver.options.sweep.as_nanos() as u64);
            driver.start_sweep(&mut inner, &mut step);
            let source = driver.source.clone();
            // closing may wait for the source as any call does, in a place of its own
            driver
                .fetcher
                .submit(Demand::metadata(u64::MAX), move || source.close_idle());
        }
        if let Some(journal) = &mut inner.journal {
            journal.flush();
        }
        driver.finish(inner, step);
    }
}

impl Inner {
    pub(super) fn next_deadline(&self) -> Nanos {
        let times = [
            self.deadlines.front().map(|(due, _)| *due),
            self.drops.front().map(|(due, _)| *due),
            self.core.poll_deadline(),
            Some(self.next_sweep),
        ];
        times.into_iter().flatten().min().unwrap_or(Nanos(u64::MAX))
    }
}

impl Driver {
    fn expire(self: &Arc<Self>, inner: &mut Inner, now: Nanos, step: &mut Step) {
        while inner.deadlines.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, what)) = inner.deadlines.pop_front() else {
                return;
            };
            if !inner.is_open(what) {
                continue;
            }
            self.metrics.timed_out_operations.one();
            match what {
                Overdue::Read(ticket) => {
                    if let Some(read) = inner.take_read(ticket) {
                        self.metrics.failed_reads.one();
                        read.reply.error(Errno::from_i32(libc::ETIMEDOUT));
                    }
                }
                Overdue::Fetch(id) => {
                    inner.fetches.remove(&id);
                    let errno = libc::ETIMEDOUT;
                    self.tell(inner, Event::FetchFailed { id, errno }, step);
                }
                Overdue::Metadata(id) => {
                    if let Some(reply) = inner.metadata.remove(&id) {
                        reply.fail(libc::ETIMEDOUT);
                    }
                }
            }
        }
    }
}
