//! One run of a job in virtual time: the state, the event loop, the threads of the daemon. Absent: averages over runs.

use std::collections::VecDeque;

use mlopt_core::journal::JournalEntry;
use mlopt_core::{CoreError, Extent};

use crate::bounds::misses_of;
use crate::clock::Heap;
use crate::cpu::{Cpus, Slice, Task};
use crate::device::Device;
use crate::front::Requests;
use crate::job::{Lock, Main, MainStage, Reader, Stage};
use crate::kernel::{PAGE_BYTES, PageCache};
use crate::mount::Mount;
use crate::random::Random;
use crate::report::{EpochReport, RunReport};
use crate::scenario::{FrontSpec, Scenario};
use crate::workload::Workload;

// What an event of the heap says: the kind in the upper bits, a number in the lower ones.
pub(crate) const KIND: u32 = 0x7 << 29;
pub(crate) const SLICE: u32 = 0;
pub(crate) const SLEEP: u32 = 1 << 29;
pub(crate) const DEVICE: u32 = 2 << 29;
pub(crate) const FETCHED: u32 = 3 << 29;
pub(crate) const TICK: u32 = 4 << 29;
pub(crate) const DROP_DUE: u32 = 5 << 29;

/// Threads that carry source reads: their CPU is small, so few of them stand for the pool.
const SOURCE_THREADS: usize = 4;

// Streams of random numbers. Each reader has its own: what it computes for an item depends on the seed alone and not on
// what stands between job and storage, so that two fronts under one seed differ by what they do and not by luck. With
// one stream for all, a recipe without any effect "saved" up to 5 % of an epoch of 60 items, or lost as much.
const DEVICE_STREAM: u64 = 1;
const CONSUMER_STREAM: u64 = 2;
const FIRST_READER_STREAM: u64 = 3;

/// Why a run did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The core refused the plan or an event.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// Nothing can happen any more although the job is not over: a read was never answered.
    #[error("the job stands still in epoch {epoch} after {accesses} accesses: a read was never answered")]
    StandsStill {
        /// Where.
        epoch: u32,
        /// After how many accesses.
        accesses: u64,
    },
}

/// What a thread of the daemon does once it has computed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Then {
    /// Hand a request to the storage.
    Device(u32),
    /// Answer a message.
    Message(u32),
    /// Start a fetch.
    Fetch(u32),
    /// Push pages into the kernel.
    Fill(Extent, u32),
    /// Drop pages from the kernel.
    Drop(Extent),
}

/// Work for a thread of the daemon.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    pub(crate) cpu_ns: u64,
    pub(crate) then: Then,
}

/// Threads that take work from one queue.
#[derive(Debug)]
pub(crate) struct Server {
    first: Task,
    idle: Vec<Task>,
    queue: VecDeque<Work>,
    current: Vec<Option<Then>>,
}

impl Server {
    fn new(first: Task, threads: usize) -> Server {
        Server {
            first,
            idle: (first..first + threads as Task).rev().collect(),
            queue: VecDeque::new(),
            current: vec![None; threads],
        }
    }

    fn owns(&self, task: Task) -> bool {
        (self.first..self.first + self.current.len() as Task).contains(&task)
    }
}

/// What stands between job and storage, while it runs.
pub(crate) enum Front {
    Source {
        keeps_pages: bool,
    },
    PageCache {
        keeps_pages: bool,
        budget_pages: u64,
        held_pages: u64,
        order: VecDeque<(u32, u64, u64)>,
    },
    /// Whether each access misses.
    Bound(Vec<bool>),
    Mount(Box<Mount>),
}

/// The whole state of one run.
pub struct Replay<'a> {
    pub(crate) job: &'a Workload,
    pub(crate) scenario: &'a Scenario,
    pub(crate) front: Front,
    pub(crate) now: u64,
    pub(crate) heap: Heap,
    pub(crate) ready: VecDeque<Task>,
    pub(crate) cpus: Cpus,
    pub(crate) device: Device,
    pub(crate) pages: PageCache,
    pub(crate) requests: Requests,
    pub(crate) readers: Vec<Reader>,
    pub(crate) locks: Vec<Lock>,
    pub(crate) main: Main,
    pub(crate) main_is_woken: bool,
    pub(crate) read_ahead_pages: u64,
    servers: [Server; 3],
    pub(crate) epoch: u32,
    pub(crate) at_barrier: usize,
    pub(crate) is_finished: bool,
    pub(crate) failure: Option<CoreError>,
    pub(crate) report: RunReport,
    pub(crate) stall_ns: u64,
    epoch_began: u64,
    epoch_stall_ns: u64,
}

// Places of the servers.
const DAEMON: usize = 0;
const WARDEN: usize = 1;
const SOURCE: usize = 2;

/// Run the job once.
///
/// # Errors
/// When the core refuses the plan, or never answers a read.
pub fn replay(job: &Workload, scenario: &Scenario, seed: u64) -> Result<RunReport, ReplayError> {
    Replay::new(job, scenario, seed)?.run()
}

/// Run the job once behind a mount and keep what its core was told and answered.
///
/// # Errors
/// As [`replay`]. Without a mount the journal is empty.
pub fn journal(job: &Workload, scenario: &Scenario, seed: u64) -> Result<Vec<JournalEntry>, ReplayError> {
    let mut run = Replay::new(job, scenario, seed)?;
    if let Front::Mount(mount) = &mut run.front {
        mount.journal = Some(Vec::new());
    }
    run.play()?;
    match run.front {
        Front::Mount(mount) => Ok(mount.journal.unwrap_or_default()),
        _ => Ok(Vec::new()),
    }
}

impl<'a> Replay<'a> {
    fn new(job: &'a Workload, scenario: &'a Scenario, seed: u64) -> Result<Replay<'a>, ReplayError> {
        let readers = job.readers();
        let daemon = readers as Task + 1;
        let warden = daemon + scenario.daemon_threads.max(1) as Task;
        let source = warden + 1;
        let tasks = source as usize + SOURCE_THREADS;
        let keeps_pages = scenario.storage.keeps_page_cache;
        let front = match &scenario.front {
            FrontSpec::Source => Front::Source { keeps_pages },
            FrontSpec::PageCache(bytes) => Front::PageCache {
                keeps_pages: true,
                budget_pages: bytes / PAGE_BYTES,
                held_pages: 0,
                order: VecDeque::new(),
            },
            FrontSpec::Mount(plan) => Front::Mount(Box::new(Mount::new(plan, &scenario.facts, job)?)),
            bound => Front::Bound(misses_of(job, bound)),
        };
        let window = match &front {
            Front::Mount(_) => scenario.read_ahead_bytes,
            _ => scenario.storage.request_bytes,
        };
        let sizes: Vec<u64> = job.files.iter().map(|facts| facts.size).collect();
        let locks = job.lock.iter().max().map_or(0, |last| (last + 1).max(0) as usize);
        let mut missing = vec![0; job.batch_epoch.len()];
        for row in job.first.windows(2) {
            let mut before = -1;
            for access in &job.accesses[row[0] as usize..row[1] as usize] {
                if access.batch >= 0 && access.batch != before {
                    missing[access.batch as usize] += 1;
                }
                before = access.batch;
            }
        }
        Ok(Replay {
            job,
            scenario,
            front,
            now: 0,
            heap: Heap::default(),
            ready: VecDeque::new(),
            cpus: Cpus::new(scenario.cpus, tasks),
            device: Device::new(scenario.storage.clone(), Random::new(seed, DEVICE_STREAM)),
            pages: PageCache::new(&sizes),
            requests: Requests::new(sizes.len()),
            readers: job
                .first
                .windows(2)
                .zip(FIRST_READER_STREAM..)
                .map(|(row, stream)| Reader::new(row[0], row[1], Random::new(seed, stream)))
                .collect(),
            locks: (0..locks).map(|_| Lock::default()).collect(),
            main: Main {
                stage: MainStage::Idle,
                taken: 0,
                missing,
                gated: Vec::new(),
                random: Random::new(seed, CONSUMER_STREAM),
            },
            main_is_woken: false,
            read_ahead_pages: (window / PAGE_BYTES).max(1),
            servers: [
                Server::new(daemon, scenario.daemon_threads.max(1)),
                Server::new(warden, 1),
                Server::new(source, SOURCE_THREADS),
            ],
            epoch: 0,
            at_barrier: 0,
            is_finished: job.epochs == 0,
            failure: None,
            report: RunReport {
                epochs: vec![EpochReport::default(); job.epochs as usize],
                ..RunReport::default()
            },
            stall_ns: 0,
            epoch_began: 0,
            epoch_stall_ns: 0,
        })
    }

    fn run(mut self) -> Result<RunReport, ReplayError> {
        self.play()?;
        Ok(self.report)
    }

    fn play(&mut self) -> Result<(), ReplayError> {
        self.ready.extend(0..self.readers.len() as Task);
        while !self.is_finished {
            if let Some(task) = self.ready.pop_front() {
                self.resume(task);
                continue;
            }
            while let Some(slice) = self.cpus.release() {
                self.schedule(Some(slice));
            }
            let Some((time, what)) = self.heap.pop() else {
                if self.force_gate() {
                    continue;
                }
                return Err(ReplayError::StandsStill {
                    epoch: self.epoch,
                    accesses: self.report.accesses,
                });
            };
            debug_assert!(time >= self.now);
            self.now = time;
            self.dispatch(what);
        }
        if let Some(error) = self.failure.take() {
            return Err(error.into());
        }
        self.report.stall_s = self
            .readers
            .iter()
            .map(|reader| reader.stall_ns as f64 * 1e-9)
            .collect();
        self.report.cpu_s = self.cpus.busy_ns() as f64 * 1e-9;
        if let Front::Mount(mount) = &self.front {
            self.report.decisions = mount.decisions();
        }
        Ok(())
    }

    fn dispatch(&mut self, what: u32) {
        let number = what & !KIND;
        match what & KIND {
            SLICE => self.end_slice(number),
            SLEEP => self.ready.push_back(number),
            DEVICE => self.on_device(number),
            FETCHED => self.on_fetched(number),
            TICK => self.on_tick(),
            _ => self.on_drop_due(),
        }
    }

    fn resume(&mut self, task: Task) {
        if (task as usize) < self.readers.len() {
            return self.run_reader(task as usize);
        }
        if task == self.main_task() {
            self.main_is_woken = false;
            self.run_main();
        }
    }

    pub(crate) fn main_task(&self) -> Task {
        self.readers.len() as Task
    }

    pub(crate) fn start_cpu(&mut self, task: Task, length_ns: u64) {
        let slice = self.cpus.start(task, length_ns);
        self.schedule(slice);
    }

    fn schedule(&mut self, slice: Option<Slice>) {
        if let Some(slice) = slice {
            self.heap.push(self.now + slice.length_ns, SLICE | slice.core);
        }
    }

    fn end_slice(&mut self, core: u32) {
        let (done, slice) = self.cpus.slice_ended(core);
        self.schedule(slice);
        let Some(task) = done else {
            return;
        };
        if let Some(lock) = self.lock_of(task) {
            match self.locks[lock].queue.pop_front() {
                Some((next, length_ns)) => self.start_cpu(next, length_ns),
                None => self.locks[lock].is_held = false,
            }
        }
        match self.servers.iter().position(|server| server.owns(task)) {
            Some(place) => self.finish_work(place, task),
            None => self.ready.push_back(task),
        }
    }

    /// Work for a thread that answers the kernel.
    pub(crate) fn serve(&mut self, work: Work) {
        self.give(DAEMON, work);
    }

    /// Work for a thread that reads the source; none if it costs nothing.
    pub(crate) fn serve_source(&mut self, work: Work) {
        self.give(SOURCE, work);
    }

    /// Work for the warden.
    pub(crate) fn order_warden(&mut self, cost_us: f64, then: Then) {
        let cpu_ns = (cost_us * 1e3) as u64;
        self.give(WARDEN, Work { cpu_ns, then });
    }

    fn give(&mut self, place: usize, work: Work) {
        if work.cpu_ns == 0 && place == SOURCE {
            return self.carry_on(work.then);
        }
        let server = &mut self.servers[place];
        let Some(task) = server.idle.pop() else {
            server.queue.push_back(work);
            return;
        };
        server.current[(task - server.first) as usize] = Some(work.then);
        self.start_cpu(task, work.cpu_ns);
    }

    fn finish_work(&mut self, place: usize, task: Task) {
        let server = &mut self.servers[place];
        let slot = (task - server.first) as usize;
        let then = server.current[slot].take();
        if let Some(next) = server.queue.pop_front() {
            server.current[slot] = Some(next.then);
            self.start_cpu(task, next.cpu_ns);
        } else {
            server.idle.push(task);
        }
        if let Some(then) = then {
            self.carry_on(then);
        }
    }

    fn carry_on(&mut self, then: Then) {
        match then {
            Then::Device(id) => self.ask_device(id),
            Then::Message(id) => self.on_message(id),
            Then::Fetch(slot) => self.fetch_pieces(slot),
            Then::Fill(extent, leave_tail_pages) => self.on_filled(extent, leave_tail_pages),
            Then::Drop(extent) => self.on_dropped(extent),
        }
    }

    /// Write the books of the epoch that ends now.
    pub(crate) fn close_epoch(&mut self) {
        let books = &mut self.report.epochs[self.epoch as usize];
        books.epoch_s = (self.now - self.epoch_began) as f64 * 1e-9;
        books.stall_s = (self.stall_ns - self.epoch_stall_ns) as f64 * 1e-9;
        self.epoch_began = self.now;
        self.epoch_stall_ns = self.stall_ns;
        debug_assert!(self.readers.iter().all(|reader| reader.stage != Stage::Walk));
    }
}
