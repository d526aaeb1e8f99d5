//! Runs jobs at absolute times on one thread. Absent: what the jobs do.
//!
//! One thread for all waiting requests costs one wake-up per due answer, where a sleeping thread per request costs
//! two context switches each on the cores that the job under test needs. Wake-ups of a virtual machine come late by
//! 50 us or so: the thread learns by how much, aims earlier by that, and spins through the last few microseconds.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use mlopt_core::Nanos;
use parking_lot::{Condvar, Mutex};

use crate::clock::Clock;

/// Longest spin before a deadline [ns].
const SPIN_NS: u64 = 20_000;
/// A wake-up that comes later than this was held up by other work, which no earlier aim cures [ns].
const MARGIN_LIMIT_NS: u64 = 100_000;

/// What to do when the time has come; it is told the time.
pub type Job = Box<dyn FnOnce(Nanos) + Send>;

struct Due {
    at: Nanos,
    sequence: u64,
    job: Job,
}

impl PartialEq for Due {
    fn eq(&self, other: &Due) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Due) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    /// The heap's greatest is the earliest, of equals the first that came.
    fn cmp(&self, other: &Due) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

#[derive(Default)]
struct Waiting {
    heap: BinaryHeap<Due>,
    sequence: u64,
    closed: bool,
}

struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    clock: Clock,
}

/// The thread and its jobs.
pub struct Timer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Timer {
    /// Start the thread.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn start(clock: Clock) -> std::io::Result<Timer> {
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            clock,
        });
        let seen = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("timer".to_owned())
            .spawn(move || run(&seen))?;
        Ok(Timer {
            shared,
            thread: Some(thread),
        })
    }

    /// Run a job at a time; at once, on the calling thread, when that time has passed.
    pub fn at(&self, time: Nanos, job: Job) {
        let now = self.shared.clock.now();
        if time <= now {
            job(now);
            return;
        }
        let mut waiting = self.shared.waiting.lock();
        let earliest = waiting.heap.peek().is_none_or(|due| time < due.at);
        waiting.sequence += 1;
        let sequence = waiting.sequence;
        waiting.heap.push(Due {
            at: time,
            sequence,
            job,
        });
        drop(waiting);
        if earliest {
            self.shared.changed.notify_one();
        }
    }
}

impl Drop for Timer {
    /// What still waits is run at once: each request gets its answer.
    fn drop(&mut self) {
        self.shared.waiting.lock().closed = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared) {
    // SAFETY: concerns this thread alone; the default slack of 50 us would make every answer late.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
    let mut margin_ns = 0_u64;
    let mut waiting = shared.waiting.lock();
    loop {
        let Some(at) = waiting.heap.peek().map(|due| due.at) else {
            if waiting.closed {
                return;
            }
            shared.changed.wait(&mut waiting);
            continue;
        };
        let now = shared.clock.now();
        let early_ns = at.0.saturating_sub(now.0);
        if early_ns > SPIN_NS && !waiting.closed {
            // A long sleep ends a little before its time, a short one just then: two wake-ups per answer at most.
            let lead_ns = if early_ns > 4 * MARGIN_LIMIT_NS {
                margin_ns
            } else {
                SPIN_NS / 2
            };
            let sleep_ns = early_ns - lead_ns;
            let timed_out = shared
                .changed
                .wait_for(&mut waiting, Duration::from_nanos(sleep_ns))
                .timed_out();
            if timed_out {
                let late_ns = shared.clock.now().0.saturating_sub(now.0 + sleep_ns);
                margin_ns = (7 * margin_ns + late_ns.min(MARGIN_LIMIT_NS)) / 8;
            }
            continue;
        }
        let Some(due) = waiting.heap.pop() else { continue };
        let closed = waiting.closed;
        drop(waiting);
        let mut now = shared.clock.now();
        while now < at && !closed {
            std::hint::spin_loop();
            now = shared.clock.now();
        }
        (due.job)(now);
        waiting = shared.waiting.lock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::unbounded;

    #[test]
    fn jobs_run_in_the_order_of_their_times_and_never_early() {
        let clock = Clock::new();
        let timer = Timer::start(clock).unwrap();
        let (sender, done) = unbounded();
        let start = clock.now().0;
        for delay_ns in [9_000_000, 3_000_000, 6_000_000, 0] {
            let sender = sender.clone();
            let at = Nanos(start + delay_ns);
            timer.at(at, Box::new(move |now| sender.send((at, now)).unwrap()));
        }
        let order: Vec<(Nanos, Nanos)> = done.iter().take(4).collect();
        assert!(order.is_sorted_by_key(|(at, _)| *at), "{order:?}");
        assert!(order.iter().all(|(at, now)| now >= at), "{order:?}");
    }

    #[test]
    fn closing_runs_what_waits() {
        let clock = Clock::new();
        let timer = Timer::start(clock).unwrap();
        let (sender, done) = unbounded();
        let hour = Nanos(3_600_000_000_000);
        timer.at(hour, Box::new(move |now| sender.send(now).unwrap()));
        drop(timer);
        assert!(done.recv().unwrap() < hour);
    }
}
