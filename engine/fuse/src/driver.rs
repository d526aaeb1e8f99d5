//! Real time: one lock around the core gives all events their total order; effects are carried out outside of it.
//!
//! Owns: the inode table, bytes held, reads and fetches in flight, every deadline. Absent: policy (the core's), system
//! calls on the mount (the warden's), FUSE's protocol (`filesystem`).
//!
//! Threads: fuser's (never wait), the fetch pool (all source I/O), one pusher (`notify_store` may wait for an unanswered
//! READ), one invalidator (the same hazard), one timer, and the two ends of the warden's pipe. The lock is never held
//! across I/O or a reply. Each operation has a deadline: whatever hangs, its reader gets ETIMEDOUT, never zeros.

mod carry;
mod metadata;
mod pages;
mod timer;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crossbeam_channel::Sender;
use fuser::{Errno, Notifier, ReplyData};
use mlopt_core::{
    Core, CoreError, Effect, Event, Extent, FactSet, FetchId, FileId, LiveFacts, Nanos, Observe, Plan,
    Priority, ReaderId, Rules, Stats, TicketId,
};
use parking_lot::{Condvar, Mutex};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::buffers::AlignedBuffer;
use crate::clock::Clock;
use crate::fetcher::Fetcher;
use crate::journal::Journal;
use crate::metrics::{Gauge, Metrics};
use crate::nodes::Nodes;
use crate::source::PosixSource;
use crate::warden::Order;

pub use metadata::{ListedNode, MetadataReply};
use pages::{KernelPages, WardenTask};
pub use timer::keep_time;

/// What the kernel may believe for ever; the kernel's own unit (jiffies) must not overflow.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Settings of a driver.
#[derive(Debug, Clone)]
pub struct DriverOptions {
    /// Each operation is answered within this time.
    pub deadline: Duration,
    /// Threads for source I/O at most.
    pub fetch_threads: usize,
    /// How often the warden checks that held pages are still there.
    pub sweep: Duration,
}

/// Bytes of one block, held from `FetchDone` to `DropDaemon`.
type Block = Arc<AlignedBuffer>;

struct PendingRead {
    reply: ReplyData,
    extent: Extent,
}

struct Fetch {
    extent: Extent,
    reads_through: bool,
    parts: usize,
    cancelled: bool,
    blocks: Vec<(u64, Block)>,
    failed: Option<i32>,
}

/// Something that its timer answers if nothing else did.
#[derive(Debug, Clone, Copy)]
enum Overdue {
    Read(TicketId),
    Fetch(FetchId),
    Metadata(u64),
}

/// To be done after the lock was given back, in order.
enum Action {
    Reply(ReplyData, Vec<(Block, std::ops::Range<usize>)>),
    Fail(ReplyData, i32),
    Fetch {
        id: FetchId,
        extent: Extent,
        urgency: crate::fetcher::Urgency,
        priority: Priority,
        streams: usize,
    },
    Order(Order),
    Push(Push),
    Invalidate(Invalidation),
    Finish(MetadataReply, Result<metadata::Found, i32>),
}

/// Bytes on their way into the kernel.
pub struct Push {
    node: u64,
    extent: Extent,
    bytes: u64,
    leave_tail_pages: u32,
    blocks: Vec<(u64, Block)>,
}

/// What the kernel must no longer believe.
pub enum Invalidation {
    /// A name of a directory.
    Entry {
        /// Node id of the directory.
        parent: u64,
        /// The name.
        name: Box<[u8]>,
    },
    /// Pages of a file, where the warden cannot drop them.
    Pages {
        /// Node id.
        node: u64,
        /// The pages; `Dropped` is told afterwards.
        extent: Extent,
    },
}

struct Inner {
    core: Core,
    plan: Plan,
    rules: Rules,
    nodes: Nodes,
    journal: Option<Journal>,
    held: FxHashMap<FileId, BTreeMap<u64, Block>>,
    /// Bytes that came just now and are not held, while the core says which read they answer.
    read_through: Option<(Block, Extent)>,
    reads: FxHashMap<TicketId, PendingRead>,
    reads_of: FxHashMap<FileId, u32>,
    fetches: FxHashMap<FetchId, Fetch>,
    metadata: FxHashMap<u64, MetadataReply>,
    listings: FxHashMap<u64, Arc<Vec<ListedNode>>>,
    kernel: KernelPages,
    tasks: FxHashMap<u64, WardenTask>,
    warden_threads: FxHashSet<u32>,
    deadlines: VecDeque<(Nanos, Overdue)>,
    drops: VecDeque<(Nanos, Extent)>,
    /// Replies of the last moment: a drop on their heels would cost the reader another READ.
    replies: VecDeque<(Nanos, FileId)>,
    next_sweep: Nanos,
    armed: Nanos,
    next_id: u64,
    closed: bool,
    held_bytes: u64,
}

/// Drives one core in real time.
pub struct Driver {
    inner: Mutex<Inner>,
    wake: Condvar,
    clock: Clock,
    source: Arc<PosixSource>,
    fetcher: Fetcher,
    options: DriverOptions,
    observe: Observe,
    /// What the mount counts.
    pub metrics: Metrics,
    notifier: OnceLock<Notifier>,
    pushes: Sender<Push>,
    invalidations: Sender<Invalidation>,
    orders: Mutex<Option<Sender<Order>>>,
}

impl Driver {
    /// A driver over a source; `pushes` and `invalidations` are served by threads of their own.
    ///
    /// # Errors
    /// When the plan cannot be carried out or the source's root cannot be read.
    pub fn new(
        source: PosixSource,
        plan: Plan,
        options: DriverOptions,
        journal: Option<Journal>,
        pushes: Sender<Push>,
        invalidations: Sender<Invalidation>,
    ) -> Result<Driver, DriverError> {
        let root = source.stat(b"").map_err(DriverError::Source)?;
        let observe = plan.observe;
        let mut core = Core::new(plan.clone())?;
        core.set_fetch_deadline(options.deadline.as_nanos() as u64);
        let inner = Inner {
            core,
            rules: Rules::compile(&plan)?,
            nodes: Nodes::new(root, timeout_of(plan.staleness_ns)),
            plan,
            journal,
            held: FxHashMap::default(),
            read_through: None,
            reads: FxHashMap::default(),
            reads_of: FxHashMap::default(),
            fetches: FxHashMap::default(),
            metadata: FxHashMap::default(),
            listings: FxHashMap::default(),
            kernel: KernelPages::default(),
            tasks: FxHashMap::default(),
            warden_threads: FxHashSet::default(),
            deadlines: VecDeque::new(),
            drops: VecDeque::new(),
            replies: VecDeque::new(),
            next_sweep: Nanos(options.sweep.as_nanos() as u64),
            armed: Nanos(0),
            next_id: 1,
            closed: false,
            held_bytes: 0,
        };
        Ok(Driver {
            inner: Mutex::new(inner),
            wake: Condvar::new(),
            clock: Clock::new(),
            source: Arc::new(source),
            fetcher: Fetcher::new(options.fetch_threads),
            options,
            observe,
            metrics: Metrics::default(),
            notifier: OnceLock::new(),
            pushes,
            invalidations,
            orders: Mutex::new(None),
        })
    }

    /// Whether the kernel must ask before each open.
    pub fn observes_opens(&self) -> bool {
        self.observe == Observe::Opens
    }

    /// Give the driver its way of pushing into the kernel; once.
    pub fn set_notifier(&self, notifier: Notifier) {
        let _ = self.notifier.set(notifier);
    }

    /// A READ that the kernel could not answer.
    pub fn read(self: &Arc<Self>, node: u64, offset: u64, size: u32, thread: u32, reply: ReplyData) {
        self.metrics.read_messages.one();
        self.metrics.read_message_bytes.add(u64::from(size));
        let mut step = Step::default();
        let mut inner = self.inner.lock();
        let found = match inner.nodes.get(node) {
            Some(found) if found.retired => Err(libc::ESTALE),
            Some(found) => found
                .file
                .map(|file| (file, found.attributes.size))
                .ok_or(libc::EISDIR),
            None => Err(libc::ESTALE),
        };
        match found {
            Err(errno) => {
                drop(inner);
                self.metrics.failed_reads.one();
                reply.error(Errno::from_i32(errno));
                return;
            }
            Ok((_, end)) if offset >= end => {
                drop(inner);
                reply.data(&[]);
                return;
            }
            Ok((file, end)) => {
                let length = u64::from(size).min(end - offset);
                let extent = Extent { file, offset, length };
                let ticket = TicketId(inner.new_id());
                inner.reads.insert(ticket, PendingRead { reply, extent });
                *inner.reads_of.entry(file).or_default() += 1;
                self.expect(&mut inner, Overdue::Read(ticket));
                let reader = ReaderId(thread);
                let event = Event::Read {
                    ticket,
                    extent,
                    reader,
                };
                if !self.tell(&mut inner, event, &mut step)
                    && let Some(read) = inner.take_read(ticket)
                {
                    self.metrics.failed_reads.one();
                    step.actions.push(Action::Fail(read.reply, libc::EIO));
                }
            }
        }
        self.finish(inner, step);
    }

    /// An OPEN, where the plan observes them. The warden's own are no news.
    pub fn opened(self: &Arc<Self>, node: u64, thread: u32) -> Result<(), i32> {
        self.metrics.open_messages.one();
        let mut step = Step::default();
        let mut inner = self.inner.lock();
        let found = inner.nodes.get(node).ok_or(libc::ESTALE)?;
        if found.retired {
            return Err(libc::ESTALE);
        }
        if let Some(file) = found.file
            && !inner.warden_threads.contains(&thread)
        {
            let reader = ReaderId(thread);
            self.tell(&mut inner, Event::Open { file, reader }, &mut step);
        }
        self.finish(inner, step);
        Ok(())
    }

    /// The kernel forgot a node `count` times.
    pub fn forget(self: &Arc<Self>, forgotten: &[(u64, u64)]) {
        let mut step = Step::default();
        let mut inner = self.inner.lock();
        for (node, count) in forgotten {
            let Some(found) = inner.nodes.get_mut(*node) else {
                continue;
            };
            found.lookups = found.lookups.saturating_sub(*count);
            let gone = (found.lookups == 0).then_some(found.file).flatten();
            if let Some(file) = gone {
                self.metrics.forgotten_files.one();
                inner.kernel.forget(file);
                self.tell(&mut inner, Event::Forgotten { file }, &mut step);
            }
        }
        self.finish(inner, step);
    }

    /// Swap the plan between two events.
    ///
    /// # Errors
    /// When the plan cannot be carried out, or needs to see what this mount cannot show.
    pub fn reload(self: &Arc<Self>, plan: Plan) -> Result<(), DriverError> {
        if plan.observe == Observe::Opens && self.observe == Observe::None {
            return Err(DriverError::RemountNeeded);
        }
        Core::new(plan.clone())?; // a plan that the engine cannot carry out keeps the old one in force
        let rules = Rules::compile(&plan)?;
        let mut step = Step::default();
        let mut inner = self.inner.lock();
        inner.rules = rules;
        inner.plan = plan.clone();
        let plan = Box::new(plan);
        self.tell(&mut inner, Event::PlanSwapped { plan }, &mut step);
        self.finish(inner, step);
        Ok(())
    }

    /// The trace of decisions, if the plan asks for one.
    pub fn decisions(&self) -> Option<serde_json::Value> {
        self.inner.lock().core.decisions()
    }

    /// The rules of the plan in force, each with what came of it so far.
    pub fn rules_in_force(&self) -> serde_json::Value {
        self.inner.lock().core.rules_in_force()
    }

    /// What happens to a file and why, from all that is known of it now; `None` for what the kernel was never told of
    /// and for directories.
    pub fn explain(&self, path: &[u8]) -> Option<serde_json::Value> {
        let inner = self.inner.lock();
        let node = inner.nodes.get(inner.nodes.find(path)?)?;
        let kind = match node.attributes.kind() {
            libc::S_IFREG => "file",
            libc::S_IFLNK => "symlink",
            libc::S_IFDIR => return None,
            _ => "special",
        };
        let mut entry = serde_json::Map::from_iter([
            ("path".to_owned(), String::from_utf8_lossy(path).into()),
            ("kind".to_owned(), kind.into()),
            ("size".to_owned(), serde_json::Value::Null),
            ("rules".to_owned(), serde_json::json!([])),
            ("action".to_owned(), serde_json::Value::Null),
        ]);
        if let Some(file) = node.file {
            let (kernel, daemon) = inner.core.held_of(file)?;
            entry.insert("size".to_owned(), node.attributes.size.into());
            entry.insert("kernel_bytes".to_owned(), kernel.into());
            entry.insert("daemon_bytes".to_owned(), daemon.into());
            entry.extend(inner.core.explain(file)?.entry());
        }
        Some(entry.into())
    }

    /// Tell the core what is known of job and machine now.
    pub fn set_facts(self: &Arc<Self>, facts: FactSet) {
        let mut step = Step::default();
        let mut inner = self.inner.lock();
        // nothing changed: no event, so that the journal does not grow by itself
        if *inner.core.around() != facts {
            self.tell(&mut inner, Event::FactsChanged { facts }, &mut step);
        }
        self.finish(inner, step);
    }

    /// What reads show of the job, by the names of facts.
    pub fn job(&self) -> serde_json::Value {
        self.inner.lock().core.job().facts()
    }

    /// Threads that read lately, oldest ids first.
    pub fn readers(&self) -> Vec<u32> {
        let mut readers = self.inner.lock().core.readers();
        readers.sort_unstable();
        readers
    }

    /// What the core counted.
    pub fn core_stats(&self) -> Stats {
        self.inner.lock().core.stats()
    }

    /// Values of the moment.
    pub fn gauges(&self) -> Vec<Gauge> {
        let inner = self.inner.lock();
        let stats = inner.core.stats();
        let files = inner.nodes.files() as u64;
        vec![
            ("known_files", "file versions the mount knows", files),
            (
                "daemon_bytes",
                "bytes held by the daemon, fetches in flight not counted",
                inner.held_bytes,
            ),
            (
                "in_flight_bytes",
                "bytes of fetches under way",
                stats.in_flight_bytes,
            ),
            (
                "kernel_bytes",
                "bytes of the kernel part, held and passing",
                stats.kernel_bytes,
            ),
            (
                "pushed_bytes",
                "bytes pushed into the kernel and believed to be there",
                inner.kernel.bytes(),
            ),
            ("peak_bytes", "largest use of the budget so far", stats.peak_bytes),
            (
                "budget_bytes",
                "hard budget of the memory tier",
                inner.plan.tiers.memory.bytes,
            ),
            (
                "warden_files",
                "files that the warden holds open",
                inner.kernel.files() as u64,
            ),
            (
                "pending_reads",
                "reads without an answer yet",
                inner.reads.len() as u64,
            ),
            ("pending_fetches", "fetches under way", inner.fetches.len() as u64),
            (
                "pending_orders",
                "orders that the warden has not answered",
                inner.tasks.len() as u64,
            ),
            (
                "pending_drops",
                "drops that wait for a reader's copy to end",
                inner.drops.len() as u64,
            ),
            (
                "fetch_threads_busy",
                "threads now inside a source request",
                self.fetcher.busy() as u64,
            ),
        ]
    }

    /// Answer whatever still waits and let the threads end; before or after the unmount.
    pub fn close(self: &Arc<Self>) {
        let mut inner = self.inner.lock();
        inner.closed = true;
        let reads: Vec<PendingRead> = inner.reads.drain().map(|(_, read)| read).collect();
        let metadata: Vec<MetadataReply> = inner.metadata.drain().map(|(_, reply)| reply).collect();
        if let Some(journal) = &mut inner.journal {
            journal.flush();
        }
        drop(inner);
        self.fetcher.close();
        self.wake.notify_all();
        *self.orders.lock() = None;
        for read in reads {
            read.reply.error(Errno::from_i32(libc::EIO));
        }
        for reply in metadata {
            reply.fail(libc::EIO);
        }
    }

    /// Hand an event to the core and take its effects; false when the core refused it.
    fn tell(self: &Arc<Self>, inner: &mut Inner, event: Event, step: &mut Step) -> bool {
        let now = self.clock.now();
        let journalled = inner.journal.is_some().then(|| event.clone());
        if let Err(error) = inner.core.handle(event, now) {
            self.metrics.broken_promises.one();
            eprintln!("the core refused an event: {error}");
            return false;
        }
        let effects: Vec<Effect> = std::iter::from_fn(|| inner.core.poll_effect()).collect();
        if let (Some(journal), Some(event)) = (&mut inner.journal, journalled) {
            journal.write(now, event, effects.clone());
        }
        for effect in effects {
            self.take(inner, effect, step);
        }
        true
    }

    /// Start the clock of an operation.
    fn expect(&self, inner: &mut Inner, what: Overdue) {
        // What was answered in time leaves from the front, so that the queue stays as short as what is in flight.
        while inner
            .deadlines
            .front()
            .is_some_and(|(_, what)| !inner.is_open(*what))
        {
            inner.deadlines.pop_front();
        }
        let due = Nanos(self.clock.now().0 + self.options.deadline.as_nanos() as u64);
        inner.deadlines.push_back((due, what));
    }

    /// Give back the lock, wake the timer if it would sleep too long, carry out what was ordered.
    fn finish(self: &Arc<Self>, mut inner: parking_lot::MutexGuard<'_, Inner>, step: Step) {
        let next = inner.next_deadline();
        if next < inner.armed {
            inner.armed = next;
            self.wake.notify_one();
        }
        drop(inner);
        for action in step.actions {
            self.carry_out(action);
        }
    }
}

/// What one locked section ordered.
#[derive(Default)]
struct Step {
    actions: Vec<Action>,
}

impl Inner {
    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn is_open(&self, what: Overdue) -> bool {
        match what {
            Overdue::Read(ticket) => self.reads.contains_key(&ticket),
            Overdue::Fetch(id) => self.fetches.contains_key(&id),
            Overdue::Metadata(id) => self.metadata.contains_key(&id),
        }
    }

    /// How long the kernel may believe what it was told of a file.
    fn timeout_of(&self, facts: &mlopt_core::FileFacts) -> Duration {
        let decision = self
            .rules
            .decide(facts, &LiveFacts::default(), self.core.around());
        match decision.cache {
            Some(cache) if cache.immutable => FOREVER,
            Some(cache) => timeout_of(cache.staleness_ns.unwrap_or(self.plan.staleness_ns)),
            None => timeout_of(self.plan.staleness_ns),
        }
    }
}

fn timeout_of(staleness_ns: u64) -> Duration {
    Duration::from_nanos(staleness_ns).min(FOREVER)
}

/// Why a driver could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The plan is not one that the engine can carry out.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// The source's root cannot be read.
    #[error("source: {0}")]
    Source(std::io::Error),
    /// ENOSYS to OPEN holds for the life of the mount.
    #[error("remount needed: the new recipe must see opens, this mount does not show them")]
    RemountNeeded,
}
