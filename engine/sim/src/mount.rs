//! Drives the core as the mount would: messages become events, effects are carried out in virtual time.
//! Absent: decisions (the core's), what a message costs the reader (`front.rs`).
//!
//! The core is told nothing that the kernel would not tell: a read of resident pages never comes here.

use std::collections::VecDeque;

use mlopt_core::journal::JournalEntry;
use mlopt_core::{
    Core, CoreError, Effect, Event, Extent, FactSet, FairQueue, FetchClass, FetchId, FileId, LiveFacts,
    Nanos, Observe, Plan, Priority, ReaderId, Rules, ServedFrom, TicketId,
};
use rustc_hash::FxHashMap;

use crate::front::{MIB, Purpose};
use crate::kernel::{Origin, PAGE_BYTES};
use crate::replay::{DROP_DUE, FETCHED, Front, Replay, TICK, Then, Work};
use crate::workload::Workload;

/// The mount waits so long before it drops pages: a drop right behind a reply races with the reader's copy [ns].
const DROP_DELAY_NS: u64 = 1_000_000;
/// `ECANCELED` on Linux.
const CANCELED: i32 = 125;
/// `ETIMEDOUT` on Linux.
const TIMED_OUT: i32 = 110;
/// How long the daemon uses a descriptor again: `FRESH_NS` in the mount's `opened` [ns].
const REUSE_OPEN_NS: u64 = 1_000_000_000;
const NEVER: u64 = u64::MAX;

/// A read from the source for the daemon.
#[derive(Debug)]
pub(crate) struct Fetch {
    id: FetchId,
    extent: Extent,
    class: FetchClass,
    priority: Priority,
    streams: u16,
    deadline: u64,
    /// Whether a thread of the pool woke up for it.
    is_awake: bool,
    /// Whether the file is still to be opened.
    is_closed: bool,
    /// Bytes not yet asked for [bytes].
    left: u64,
    /// Pieces under way.
    outstanding: u32,
}

#[derive(Debug)]
struct Drop {
    due: u64,
    extent: Extent,
}

/// The mount's side of the replay.
pub(crate) struct Mount {
    core: Core,
    pub(crate) observes_opens: bool,
    /// Until when the kernel trusts a name without asking [ns].
    pub(crate) entry_expires: Vec<u64>,
    /// How long it does [ns].
    pub(crate) entry_ttl: Vec<u64>,
    pub(crate) fetches: Vec<Fetch>,
    /// When the last open of each file was or will be done [ns].
    opened: Vec<Option<u64>>,
    free_fetches: Vec<u32>,
    waiting: [FairQueue<u32>; 3],
    active_fetches: usize,
    slot_of: FxHashMap<u64, u32>,
    drops: VecDeque<Drop>,
    tick_at: u64,
    block_bytes: u64,
    first_block: Vec<u32>,
    /// Blocks that a prefetch brought and no read was served from.
    is_unread_prefetch: Vec<bool>,
    /// Every event with its effects, where somebody asked for it: what the real mount's journal has.
    pub(crate) journal: Option<Vec<JournalEntry>>,
}

impl Mount {
    /// Mount the plan over the files: all of them are listed at the start, as the walk does.
    pub(crate) fn new(plan: &Plan, facts: &FactSet, job: &Workload) -> Result<Mount, CoreError> {
        let rules = Rules::compile(plan)?;
        let mut core = Core::new(plan.clone())?;
        let around = facts.clone();
        core.handle(Event::FactsChanged { facts: around }, Nanos(0))?;
        let mut entry_ttl = Vec::with_capacity(job.files.len());
        let mut first_block = Vec::with_capacity(job.files.len());
        let mut blocks = 0_u32;
        for (number, file) in job.files.iter().enumerate() {
            let decision = rules.decide(file, &LiveFacts::default(), facts);
            entry_ttl.push(match &decision.cache {
                Some(cache) if cache.immutable => NEVER,
                Some(cache) => cache.staleness_ns.unwrap_or(plan.staleness_ns),
                None => plan.staleness_ns,
            });
            first_block.push(blocks);
            blocks += file.size.div_ceil(plan.block_bytes) as u32;
            let event = Event::Seen {
                file: FileId(number as u32),
                facts: file.clone(),
            };
            core.handle(event, Nanos(0))?;
        }
        Ok(Mount {
            core,
            observes_opens: plan.observe == Observe::Opens,
            entry_expires: entry_ttl.clone(),
            entry_ttl,
            fetches: Vec::new(),
            opened: vec![None; job.files.len()],
            free_fetches: Vec::new(),
            waiting: Default::default(),
            active_fetches: 0,
            slot_of: FxHashMap::default(),
            drops: VecDeque::new(),
            tick_at: NEVER,
            block_bytes: plan.block_bytes,
            first_block,
            is_unread_prefetch: vec![false; blocks as usize],
            journal: None,
        })
    }

    /// The trace of decisions, if the plan asks for one.
    pub(crate) fn decisions(&self) -> Option<serde_json::Value> {
        self.core.decisions()
    }

    fn blocks(&self, extent: &Extent) -> std::ops::Range<usize> {
        let base = self.first_block[extent.file.0 as usize] as usize;
        let first = base + (extent.offset / self.block_bytes) as usize;
        first..base + extent.end().div_ceil(self.block_bytes) as usize
    }

    fn next_fetch(&mut self, most: usize) -> Option<u32> {
        if self.active_fetches >= most {
            return None;
        }
        let slot = self.waiting.iter_mut().find_map(FairQueue::pop)?;
        self.active_fetches += 1;
        Some(slot)
    }

    fn take_slot(&mut self, fetch: Fetch) -> u32 {
        if let Some(slot) = self.free_fetches.pop() {
            self.fetches[slot as usize] = fetch;
            return slot;
        }
        self.fetches.push(fetch);
        self.fetches.len() as u32 - 1
    }
}

fn pages(extent: &Extent) -> (u64, u64) {
    (extent.offset / PAGE_BYTES, extent.end().div_ceil(PAGE_BYTES))
}

impl Replay<'_> {
    fn mount(&mut self) -> &mut Mount {
        match &mut self.front {
            Front::Mount(mount) => mount,
            _ => unreachable!("a message without a mount"),
        }
    }

    /// A message reached the daemon and was paid for.
    pub(crate) fn on_message(&mut self, id: u32) {
        let request = &self.requests.all[id as usize];
        let (file, reader) = (FileId(request.file), ReaderId(request.reader));
        match request.purpose {
            Purpose::Lookup => self.ask_device(id),
            Purpose::Open => {
                self.tell(Event::Open { file, reader });
                self.complete(id, Some(Origin::Held));
            }
            Purpose::Pages | Purpose::Bytes => {
                let offset = request.from * PAGE_BYTES;
                let extent = Extent {
                    file,
                    offset,
                    length: request.left,
                };
                let ticket = TicketId(u64::from(id));
                self.tell(Event::Read {
                    ticket,
                    extent,
                    reader,
                });
            }
        }
    }

    /// Hand an event to the core and carry out what it answers.
    pub(crate) fn tell(&mut self, event: Event) {
        let now = Nanos(self.now);
        let mount = self.mount();
        let journalled = mount.journal.is_some().then(|| event.clone());
        if let Err(error) = mount.core.handle(event, now) {
            self.failure.get_or_insert(error);
            self.is_finished = true;
            return;
        }
        if let (Some(journal), Some(event)) = (&mut mount.journal, journalled) {
            let effects: Vec<Effect> = std::iter::from_fn(|| mount.core.poll_effect()).collect();
            let seq = journal.len() as u64;
            journal.push(JournalEntry {
                seq,
                now,
                event,
                effects: effects.clone(),
            });
            effects.into_iter().for_each(|effect| self.carry_out(effect));
        }
        while let Some(effect) = self.mount().core.poll_effect() {
            self.carry_out(effect);
        }
        let mount = self.mount();
        let deadline = mount.core.poll_deadline().map_or(NEVER, |at| at.0.max(now.0));
        if deadline < mount.tick_at {
            mount.tick_at = deadline;
            self.heap.push(deadline, TICK);
        }
    }

    /// The deadline that the core asked for has come, unless it changed its mind.
    pub(crate) fn on_tick(&mut self) {
        let now = self.now;
        let mount = self.mount();
        if mount.tick_at > now {
            return;
        }
        mount.tick_at = NEVER;
        match mount.core.poll_deadline() {
            Some(deadline) if deadline.0 <= now => self.tell(Event::Tick),
            Some(deadline) => {
                mount.tick_at = deadline.0;
                self.heap.push(deadline.0, TICK);
            }
            None => {}
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Serve { ticket, from } => self.on_serve(ticket.0 as u32, from),
            Effect::Fail { ticket, .. } => self.complete(ticket.0 as u32, None),
            Effect::Fetch {
                id,
                extent,
                class,
                priority,
                streams,
                deadline,
                reads_through: _, // bytes have no books here
            } => self.on_fetch(Fetch {
                id,
                extent,
                class,
                priority,
                streams: streams.max(1),
                deadline: deadline.0,
                is_awake: false,
                is_closed: true,
                left: extent.length,
                outstanding: 0,
            }),
            Effect::Cancel { id } => self.on_cancel(id),
            Effect::Fill {
                extent,
                leave_tail_pages,
            } => {
                let fuse = &self.scenario.fuse;
                let us = fuse.fill_us + fuse.fill_us_per_mib * extent.length as f64 / MIB;
                self.order_warden(us, Then::Fill(extent, leave_tail_pages));
            }
            Effect::DropKernel { extent } => self.put_off_drop(extent),
            // the daemon's bytes need no books here: the core never names what it dropped
            Effect::DropDaemon { .. } | Effect::Keep { .. } | Effect::DropDisk { .. } => {}
            // locking keeps pages through pressure, which is not modelled; retired versions do not occur
            Effect::Lock { .. } | Effect::Retire { .. } => {}
        }
    }

    fn on_serve(&mut self, id: u32, from: ServedFrom) {
        let request = &self.requests.all[id as usize];
        let extent = Extent {
            file: FileId(request.file),
            offset: request.from * PAGE_BYTES,
            length: request.left,
        };
        let mount = self.mount();
        for block in mount.blocks(&extent) {
            mount.is_unread_prefetch[block] = false;
        }
        let origin = match from {
            ServedFrom::Source | ServedFrom::Late => Origin::Missed,
            ServedFrom::Prefetched => Origin::Prefetched,
            ServedFrom::Resident => Origin::Held,
        };
        self.complete(id, Some(origin));
    }

    fn on_fetch(&mut self, fetch: Fetch) {
        let (class, priority, bytes, id) = (fetch.class, fetch.priority, fetch.extent.length, fetch.id.0);
        let mount = self.mount();
        let slot = mount.take_slot(fetch);
        mount.slot_of.insert(id, slot);
        mount.waiting[class as usize].push(priority, bytes, slot);
        self.start_fetches();
    }

    fn start_fetches(&mut self) {
        let most = self.scenario.fetch_threads;
        while let Some(slot) = self.mount().next_fetch(most) {
            let bytes = self.mount().fetches[slot as usize].left;
            let storage = &self.scenario.storage;
            let client = bytes.div_ceil(storage.request_bytes.max(1)) as f64 * storage.client_request_cpu_ns
                + bytes as f64 / MIB * storage.client_mib_cpu_ns;
            let cpu_ns = self.source_cpu_ns(bytes) + client as u64;
            self.serve_source(Work {
                cpu_ns,
                then: Then::Fetch(slot),
            });
        }
    }

    /// Ask the storage for the next pieces of a fetch.
    pub(crate) fn fetch_pieces(&mut self, slot: u32) {
        let now = self.now;
        let piece_bytes = self.scenario.storage.request_bytes.max(1);
        let wake = self.scenario.wake_ns;
        loop {
            let fetch = &mut self.mount().fetches[slot as usize];
            if !fetch.is_awake {
                fetch.is_awake = true;
                fetch.outstanding = 1;
                self.heap.push(now + wake, FETCHED | slot);
                return;
            }
            if std::mem::take(&mut fetch.is_closed) {
                let file = fetch.extent.file.0 as usize;
                let done = self.open_for_fetch(file);
                if done > now {
                    self.mount().fetches[slot as usize].outstanding = 1;
                    self.heap.push(done + wake, FETCHED | slot);
                    return;
                }
                continue;
            }
            if fetch.left == 0 || fetch.outstanding >= u32::from(fetch.streams) {
                return;
            }
            let piece = fetch.left.min(piece_bytes);
            fetch.left -= piece;
            fetch.outstanding += 1;
            let is_last = fetch.left == 0;
            let done = self.device.read(now, piece);
            self.count_source(piece);
            self.heap
                .push(done + if is_last { wake } else { 0 }, FETCHED | slot);
        }
    }

    /// When a file will be open: at once if it was opened a moment ago, with whoever opens it now, or after an open.
    fn open_for_fetch(&mut self, file: usize) -> u64 {
        let now = self.now;
        match self.mount().opened[file] {
            Some(done) if done + REUSE_OPEN_NS > now => done,
            _ => {
                let done = self.device.metadata(now);
                self.count_source(0);
                self.mount().opened[file] = Some(done);
                done
            }
        }
    }

    /// The storage answered a piece of a fetch.
    pub(crate) fn on_fetched(&mut self, slot: u32) {
        let now = self.now;
        let mount = self.mount();
        let fetch = &mut mount.fetches[slot as usize];
        fetch.outstanding -= 1;
        if fetch.left > 0 {
            return self.fetch_pieces(slot);
        }
        if fetch.outstanding > 0 {
            return;
        }
        let (id, extent, class, deadline) = (fetch.id, fetch.extent, fetch.class, fetch.deadline);
        mount.active_fetches -= 1;
        mount.free_fetches.push(slot);
        mount.slot_of.remove(&id.0);
        if now > deadline {
            self.tell(Event::FetchFailed { id, errno: TIMED_OUT });
        } else {
            for block in mount.blocks(&extent) {
                mount.is_unread_prefetch[block] = class == FetchClass::Prefetch;
            }
            let bytes = extent.length;
            self.tell(Event::FetchDone { id, bytes });
        }
        self.start_fetches();
    }

    /// A fetch that waits for a thread is given up; one under way ends as it would have.
    fn on_cancel(&mut self, id: FetchId) {
        let mount = self.mount();
        let Some(slot) = mount.slot_of.get(&id.0).copied() else {
            return;
        };
        let queue = &mut mount.waiting[mount.fetches[slot as usize].class as usize];
        if queue.remove(|waiting| *waiting == slot).is_none() {
            return;
        }
        mount.free_fetches.push(slot);
        mount.slot_of.remove(&id.0);
        self.tell(Event::FetchFailed { id, errno: CANCELED });
    }

    fn put_off_drop(&mut self, extent: Extent) {
        let due = self.now + DROP_DELAY_NS;
        self.mount().drops.push_back(Drop { due, extent });
        self.heap.push(due, DROP_DUE);
    }

    /// The oldest drop is due: order the warden. Pages that nobody read yet go too, as in the kernel.
    pub(crate) fn on_drop_due(&mut self) {
        let Some(drop) = self.mount().drops.pop_front() else {
            return;
        };
        debug_assert!(drop.due <= self.now);
        let us = self.scenario.fuse.drop_us;
        self.order_warden(us, Then::Drop(drop.extent));
    }

    /// The warden pushed pages into the kernel.
    pub(crate) fn on_filled(&mut self, extent: Extent, leave_tail_pages: u32) {
        let (from, to) = pages(&extent);
        let mount = self.mount();
        let blocks = mount.blocks(&extent);
        let is_unread = blocks.clone().any(|block| mount.is_unread_prefetch[block]);
        mount.is_unread_prefetch[blocks].fill(false);
        let origin = if is_unread {
            Origin::Prefetched
        } else {
            Origin::Held
        };
        let end = to.saturating_sub(u64::from(leave_tail_pages)).max(from);
        self.pages.insert(extent.file.0, from, end, origin);
        self.tell(Event::Filled { extent });
    }

    /// The warden dropped pages.
    pub(crate) fn on_dropped(&mut self, extent: Extent) {
        let (from, to) = pages(&extent);
        self.pages.remove(extent.file.0, from, to);
        self.tell(Event::Dropped { extent });
    }
}
