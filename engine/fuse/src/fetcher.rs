//! The pool that does all source I/O. Owns: threads, the order of jobs, the cap of threads per source directory. Absent:
//! deadlines (the driver's timer answers in a job's place) and what a job does.
//!
//! A hung source holds its threads until the storage answers; nothing can free them. Hence at most half of the pool works
//! in one directory, and prefetch never takes the last quarter: whatever hangs, other directories are still served.

use std::sync::Arc;
use std::thread;

use mlopt_core::{FairQueue, Priority};
use parking_lot::{Condvar, Mutex};
use rustc_hash::FxHashMap;

/// The order in which waiting jobs are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Lookups, attributes, listings: short, and everything waits for them.
    Metadata,
    /// A reader waits for bytes.
    Demand,
    /// To put back what the kernel lost.
    Refill,
    /// Ahead of a reader.
    Prefetch,
}

const URGENCIES: usize = 4;

type Work = Box<dyn FnOnce() + Send>;

struct Job {
    directory: u64,
    work: Work,
}

/// What a job asks for.
#[derive(Debug, Clone, Copy)]
pub struct Demand {
    /// Whose turn it is.
    pub urgency: Urgency,
    /// Among jobs of the same urgency, as the core's own queue has it.
    pub priority: Priority,
    /// What it takes of the source [bytes].
    pub bytes: u64,
    /// What may hang together.
    pub directory: u64,
}

impl Demand {
    /// A short job: a name, attributes, a listing.
    pub fn metadata(directory: u64) -> Demand {
        Demand {
            urgency: Urgency::Metadata,
            priority: Priority::default(),
            bytes: 0,
            directory,
        }
    }
}

#[derive(Default)]
struct State {
    waiting: [FairQueue<Job>; URGENCIES],
    running: FxHashMap<u64, usize>,
    busy: usize,
    prefetching: usize,
    threads: usize,
    closed: bool,
}

/// Handle to the pool; clones share it.
#[derive(Clone)]
pub struct Fetcher {
    shared: Arc<(Mutex<State>, Condvar)>,
    limit: usize,
}

impl Fetcher {
    /// A pool that grows up to `limit` threads as jobs come.
    pub fn new(limit: usize) -> Fetcher {
        Fetcher {
            shared: Arc::default(),
            limit: limit.max(4),
        }
    }

    /// Queue a job.
    pub fn submit(&self, demand: Demand, work: impl FnOnce() + Send + 'static) {
        let mut state = self.shared.0.lock();
        if state.closed {
            return;
        }
        let Demand {
            urgency,
            priority,
            bytes,
            directory,
        } = demand;
        let work = Box::new(work);
        state.waiting[urgency as usize].push(priority, bytes, Job { directory, work });
        let queued: usize = state.waiting.iter().map(FairQueue::len).sum();
        if state.threads < self.limit && state.busy + queued > state.threads {
            state.threads += 1;
            let pool = self.clone();
            let number = state.threads;
            let spawned = thread::Builder::new()
                .name(format!("fetch-{number}"))
                .spawn(move || pool.work());
            if spawned.is_err() {
                state.threads -= 1; // the others will do it; with none at all the driver's timer answers
            }
        }
        drop(state);
        self.shared.1.notify_one();
    }

    /// Threads now inside a job, those that hang included.
    pub fn busy(&self) -> usize {
        self.shared.0.lock().busy
    }

    /// Take no more jobs and let idle threads end. Threads that hang in the source are left behind.
    pub fn close(&self) {
        let mut state = self.shared.0.lock();
        state.closed = true;
        state.waiting = Default::default();
        drop(state);
        self.shared.1.notify_all();
    }

    fn work(&self) {
        let mut state = self.shared.0.lock();
        loop {
            if state.closed {
                return;
            }
            let Some((urgency, job)) = self.next(&mut state) else {
                self.shared.1.wait(&mut state);
                continue;
            };
            let Job { directory, work } = job;
            *state.running.entry(directory).or_default() += 1;
            state.busy += 1;
            state.prefetching += usize::from(urgency == Urgency::Prefetch);
            drop(state);
            // A panic in one job must not take the mount with it: its readers get ETIMEDOUT from the timer.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            state = self.shared.0.lock();
            state.busy -= 1;
            state.prefetching -= usize::from(urgency == Urgency::Prefetch);
            if let Some(count) = state.running.get_mut(&directory) {
                *count -= 1;
                if *count == 0 {
                    state.running.remove(&directory);
                }
            }
            // A job that was held back by the cap may go now, and this thread may take another one.
            self.shared.1.notify_one();
        }
    }

    fn next(&self, state: &mut State) -> Option<(Urgency, Job)> {
        const ORDER: [Urgency; URGENCIES] = [
            Urgency::Metadata,
            Urgency::Demand,
            Urgency::Refill,
            Urgency::Prefetch,
        ];
        for urgency in ORDER {
            if urgency == Urgency::Prefetch && state.prefetching >= self.limit * 3 / 4 {
                continue;
            }
            let running = &state.running;
            let allowed =
                |job: &Job| running.get(&job.directory).copied().unwrap_or(0) < (self.limit / 2).max(1);
            if let Some(job) = state.waiting[urgency as usize].take(allowed) {
                return Some((urgency, job));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crossbeam_channel::bounded;

    use mlopt_core::PriorityClass;

    use super::*;

    fn demand(urgency: Urgency, directory: u64) -> Demand {
        Demand {
            urgency,
            ..Demand::metadata(directory)
        }
    }

    #[test]
    fn a_hanging_directory_leaves_threads_for_the_others() {
        let pool = Fetcher::new(4);
        let (release, gate) = bounded::<()>(0);
        for _ in 0..8 {
            let gate = gate.clone();
            pool.submit(demand(Urgency::Demand, 1), move || {
                let _ = gate.recv();
            });
        }
        let (done, answered) = bounded(1);
        pool.submit(demand(Urgency::Prefetch, 2), move || done.send(()).unwrap());
        answered.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(pool.busy() <= 3);
        drop(release);
        pool.close();
    }

    #[test]
    fn demand_goes_before_prefetch() {
        let pool = Fetcher::new(4);
        let (release, gate) = bounded::<()>(0);
        for directory in 0..4 {
            let gate = gate.clone();
            pool.submit(demand(Urgency::Demand, directory), move || {
                let _ = gate.recv();
            });
        }
        let (told, order) = bounded(8);
        for (urgency, name) in [
            (Urgency::Prefetch, "prefetch"),
            (Urgency::Demand, "demand"),
            (Urgency::Metadata, "metadata"),
        ] {
            let told = told.clone();
            pool.submit(demand(urgency, 9), move || told.send(name).unwrap());
        }
        release.send(()).unwrap(); // frees one thread only
        let names: Vec<&str> = (0..3)
            .map(|_| order.recv_timeout(Duration::from_secs(10)).unwrap())
            .collect();
        assert_eq!(names, ["metadata", "demand", "prefetch"]);
        drop(release);
        pool.close();
    }

    #[test]
    fn among_the_waiting_the_class_decides_then_the_weight() {
        let pool = Fetcher::new(4);
        let (release, gate) = bounded::<()>(0);
        for directory in 0..4 {
            let gate = gate.clone();
            pool.submit(demand(Urgency::Demand, directory), move || {
                let _ = gate.recv();
            });
        }
        let (told, order) = bounded(8);
        for (class, weight, name) in [
            (PriorityClass::Background, 10_000, "background"),
            (PriorityClass::Normal, 100, "normal"),
            (PriorityClass::Normal, 100, "light, second"),
            (PriorityClass::Normal, 300, "heavy"),
            (PriorityClass::Normal, 300, "heavy, second"),
            (PriorityClass::Realtime, 1, "realtime"),
        ] {
            let told = told.clone();
            let wanted = Demand {
                priority: mlopt_core::Priority { class, weight },
                bytes: 1 << 20,
                ..demand(Urgency::Demand, 9)
            };
            pool.submit(wanted, move || told.send(name).unwrap());
        }
        release.send(()).unwrap(); // frees one thread only
        let names: Vec<&str> = (0..6)
            .map(|_| order.recv_timeout(Duration::from_secs(10)).unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "realtime",
                "normal",
                "heavy",
                "heavy, second",
                "light, second",
                "background"
            ]
        );
        drop(release);
        pool.close();
    }
}
