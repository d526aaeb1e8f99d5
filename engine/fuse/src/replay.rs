//! Does a recorded job's reads again, in real time, in some directory: same order, same readers, same work between.
//! Owns: its threads, its clock readings, what was read. Absent: what the directory is (a plain one, a mount, an
//! emulated storage) and any comparison with a prediction.
//!
//! One thread per recorded reader and one for the consumer. Before an access a reader burns the recorded CPU time and
//! sleeps the recorded true waiting; batches go through a bounded queue; an epoch ends when all readers and the
//! consumer are through and the job's work behind it is done.

mod gate;
mod reader;
mod work;

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::clock::Clock;
use gate::Gate;
use reader::Hands;
pub use reader::{Problem, Tally};
use work::{InterpreterLock, Work};

/// What an access does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Opens the file.
    Open,
    /// Reads bytes.
    Read,
    /// Asks for attributes.
    Stat,
    /// Lists a directory.
    List,
}

impl Op {
    /// The op of the number that the access columns carry.
    pub fn from_number(number: u8) -> Op {
        match number {
            0 => Op::Open,
            1 => Op::Read,
            2 => Op::Stat,
            _ => Op::List,
        }
    }
}

/// One access of one reader.
#[derive(Debug, Clone, Copy)]
pub struct Access {
    /// Number of the file.
    pub file: u32,
    /// What is done.
    pub op: Op,
    /// First byte [bytes].
    pub offset: u64,
    /// Bytes to read [bytes].
    pub length: u64,
    /// CPU time before [ns].
    pub cpu_ns: u64,
    /// True waiting before [ns].
    pub wait_ns: u64,
    /// Epoch, from 0; never decreasing within a reader.
    pub epoch: u32,
    /// Batch in the consumer's order, None outside batches.
    pub batch: Option<u32>,
    /// Whether the reader is done with the file until it opens it again; set by [`Job::new`].
    pub is_last_use: bool,
}

/// What takes the readers' batches.
#[derive(Debug, Clone, Default)]
pub struct Consumer {
    /// CPU time for each batch [ns].
    pub cpu_ns: Vec<u64>,
    /// True waiting for each batch [ns].
    pub wait_ns: Vec<u64>,
    /// Batches that each reader may be ahead.
    pub prefetch_batches: u32,
}

/// A recorded job.
#[derive(Debug)]
pub struct Job {
    paths: Vec<CString>,
    readers: Vec<Vec<Access>>,
    locks: Vec<i32>,
    consumer: Option<Consumer>,
    tail_cpu_ns: Vec<u64>,
    epochs: u32,
    /// Runs of accesses that make up each batch, and its epoch.
    batches: Vec<(u32, u32)>,
}

impl Job {
    /// From each reader's accesses in order; reader i computes under the lock numbered `locks[i]`, -1 for none.
    pub fn new(
        paths: Vec<CString>,
        mut readers: Vec<Vec<Access>>,
        locks: Vec<i32>,
        consumer: Option<Consumer>,
        tail_cpu_ns: Vec<u64>,
    ) -> Job {
        let epochs = readers
            .iter()
            .flat_map(|accesses| accesses.iter().map(|access| access.epoch + 1))
            .max()
            .unwrap_or(0);
        let mut batches: Vec<(u32, u32)> = Vec::new();
        for accesses in &mut readers {
            mark_last_uses(accesses);
            let mut before = None;
            for access in accesses.iter() {
                if access.batch != before
                    && let Some(batch) = access.batch
                {
                    let index = batch as usize;
                    batches.resize(batches.len().max(index + 1), (0, 0));
                    batches[index].0 += 1;
                    batches[index].1 = batches[index].1.max(access.epoch);
                }
                before = access.batch;
            }
        }
        // A batch without accesses belongs where the one before it does.
        let mut epoch = 0;
        for batch in &mut batches {
            epoch = batch.1.max(epoch);
            batch.1 = epoch;
        }
        Job {
            paths,
            readers,
            locks,
            consumer,
            tail_cpu_ns,
            epochs,
            batches,
        }
    }
}

fn mark_last_uses(accesses: &mut [Access]) {
    let mut read_later: FxHashMap<u32, bool> = FxHashMap::default();
    for access in accesses.iter_mut().rev() {
        let later = read_later.entry(access.file).or_default();
        access.is_last_use = !*later;
        *later = match access.op {
            Op::Read => true,
            Op::Open => false,
            Op::Stat | Op::List => *later,
        };
    }
}

/// What a replay measured.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Length of each epoch, the work behind it included [s].
    pub epoch_s: Vec<f64>,
    /// Bytes read in each epoch.
    pub epoch_bytes: Vec<u64>,
    /// From the first access to the end [s].
    pub total_s: f64,
    /// Everything that was done.
    pub tally: Tally,
    /// Whether it was cancelled before its end.
    pub cancelled: bool,
}

struct Shared {
    job: Job,
    root: File,
    speed: Option<f64>,
    /// Stand still behind each epoch until told to go on.
    holds: bool,
    gate: Gate,
    locks: FxHashMap<i32, InterpreterLock>,
    tallies: Mutex<Vec<Tally>>,
    failure: Mutex<Option<io::Error>>,
    cancelled: AtomicBool,
    accesses_done: AtomicU64,
    accesses: u64,
}

/// A running replay.
pub struct Replay {
    shared: Arc<Shared>,
    outcome: Receiver<io::Result<Outcome>>,
}

impl Replay {
    /// Start it; a speed of 2 halves CPU times and waits, None leaves them out. One that `holds` stands still behind
    /// each epoch, in time that is not counted, until [`Replay::go_on`].
    ///
    /// # Errors
    /// When the directory cannot be opened or no thread can be made.
    pub fn start(job: Job, directory: &Path, speed: Option<f64>, holds: bool) -> io::Result<Replay> {
        raise_descriptor_limit();
        let readers = job.readers.len();
        let room = job
            .consumer
            .as_ref()
            .map(|consumer| u64::from(consumer.prefetch_batches.max(1)) * readers as u64);
        let shared = Arc::new(Shared {
            root: File::open(directory)?,
            speed,
            holds,
            gate: Gate::new(readers, job.batches.iter().map(|batch| batch.0).collect(), room),
            locks: job
                .locks
                .iter()
                .filter(|lock| **lock >= 0)
                .map(|lock| (*lock, Mutex::new(())))
                .collect(),
            tallies: Mutex::new(vec![Tally::default(); job.epochs as usize]),
            failure: Mutex::new(None),
            cancelled: AtomicBool::new(false),
            accesses_done: AtomicU64::new(0),
            accesses: job.readers.iter().map(|accesses| accesses.len() as u64).sum(),
            job,
        });
        let (send, outcome) = bounded(1);
        let main = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("replay".to_owned())
            .spawn(move || {
                let _ = send.send(run(&main));
            })?;
        Ok(Replay { shared, outcome })
    }

    /// Share of the accesses done so far [1].
    pub fn progress(&self) -> f64 {
        let done = self.shared.accesses_done.load(Ordering::Relaxed);
        done as f64 / self.shared.accesses.max(1) as f64
    }

    /// The epoch behind whose end the replay stands still.
    pub fn held(&self) -> Option<u32> {
        self.shared.gate.held()
    }

    /// Let a replay that stands still go on.
    pub fn go_on(&self) {
        self.shared.gate.go_on();
    }

    /// End soon; the outcome says so.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::Relaxed);
    }

    /// Wait for the outcome; None when it lasts longer than this.
    ///
    /// # Errors
    /// When no thread or buffer could be had.
    pub fn wait(&self, limit: Duration) -> io::Result<Option<Outcome>> {
        match self.outcome.recv_timeout(limit) {
            Ok(outcome) => outcome.map(Some),
            Err(crossbeam_channel::RecvTimeoutError::Timeout) => Ok(None),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.cancel();
    }
}

fn run(shared: &Shared) -> io::Result<Outcome> {
    let clock = Clock::new();
    let mut epoch_s = Vec::new();
    std::thread::scope(|scope| -> io::Result<()> {
        for reader in 0..shared.job.readers.len() {
            let spawned = std::thread::Builder::new()
                .name(format!("reader-{reader}"))
                .spawn_scoped(scope, move || {
                    if let Err(error) = read(shared, reader) {
                        *shared.failure.lock() = Some(error);
                        shared.cancelled.store(true, Ordering::Relaxed);
                    }
                });
            if let Err(error) = spawned {
                shared.cancelled.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
        consume(shared, clock, &mut epoch_s);
        Ok(())
    })?;
    if let Some(error) = shared.failure.lock().take() {
        return Err(error);
    }
    let tallies = shared.tallies.lock();
    let mut tally = Tally::default();
    tallies.iter().for_each(|epoch| tally.add(epoch));
    Ok(Outcome {
        total_s: epoch_s.iter().sum(),
        epoch_s,
        epoch_bytes: tallies.iter().map(|epoch| epoch.bytes).collect(),
        tally,
        cancelled: shared.cancelled.load(Ordering::Relaxed),
    })
}

/// The consumer, who also ends the epochs.
fn consume(shared: &Shared, clock: Clock, epoch_s: &mut Vec<f64>) {
    let job = &shared.job;
    let mut work = Work::new(shared.speed, None, &shared.cancelled);
    sleep_precisely();
    let mut next = 0;
    let mut begun = clock.now();
    for epoch in 0..job.epochs {
        if let Some(consumer) = &job.consumer {
            while job.batches.get(next).is_some_and(|batch| batch.1 <= epoch) {
                shared.gate.take(&shared.cancelled);
                work.forgive();
                work.burn(consumer.cpu_ns.get(next).copied().unwrap_or(0));
                work.wait(consumer.wait_ns.get(next).copied().unwrap_or(0));
                next += 1;
            }
        }
        shared.gate.wait_for_readers(&shared.cancelled);
        work.forgive();
        work.burn(job.tail_cpu_ns.get(epoch as usize).copied().unwrap_or(0));
        if shared.cancelled.load(Ordering::Relaxed) {
            return;
        }
        let now = clock.now();
        epoch_s.push((now.0 - begun.0) as f64 * 1e-9);
        if shared.holds {
            shared.gate.hold(epoch, &shared.cancelled);
        }
        begun = clock.now();
        shared.gate.next_epoch();
    }
}

/// One reader from the first epoch to the last.
fn read(shared: &Shared, reader: usize) -> io::Result<()> {
    let job = &shared.job;
    let lock = job.locks.get(reader).and_then(|lock| shared.locks.get(lock));
    let mut work = Work::new(shared.speed, lock, &shared.cancelled);
    sleep_precisely();
    let mut hands = Hands::new(shared.root.as_fd(), &job.paths)?;
    let mut accesses = job.readers[reader].iter().peekable();
    for epoch in 0..job.epochs {
        let mut tally = Tally::default();
        let mut batch = None;
        work.forgive();
        while let Some(access) = accesses.next_if(|access| access.epoch <= epoch) {
            if shared.cancelled.load(Ordering::Relaxed) {
                break;
            }
            work.burn(access.cpu_ns);
            work.wait(access.wait_ns);
            if access.batch != batch {
                if let Some(finished) = std::mem::replace(&mut batch, access.batch) {
                    shared.gate.finish(u64::from(finished));
                }
                if let Some(entered) = batch {
                    shared.gate.enter(u64::from(entered), &shared.cancelled);
                }
            }
            hands.access(access, &mut tally);
            shared.accesses_done.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(finished) = batch {
            shared.gate.finish(u64::from(finished));
        }
        shared.tallies.lock()[epoch as usize].add(&tally);
        shared.gate.leave_epoch(epoch, &shared.cancelled);
    }
    Ok(())
}

/// The kernel adds up to 50 us to each sleep of a thread that does not ask for less: as much as a short wait itself.
fn sleep_precisely() {
    // SAFETY: changes the calling thread's timer slack alone.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_u64) };
}

/// A job may hold many files open at once; failing to raise the limit shows as EMFILE, which is counted.
fn raise_descriptor_limit() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: reads and writes a valid rlimit.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 && limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}
