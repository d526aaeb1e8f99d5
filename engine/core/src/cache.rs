//! The state machine: events in, effects and the next deadline out.
//!
//! Owns: the state, and the order of things when an event comes. The other parts: `deciding` (what happens to which file),
//! `reading` (reads and their answers), `fetching` (what is on its way), `residency` (what becomes of what was read), `room`
//! (who gives way), `kernel_pages` (the kernel's copies). Absent: time, bytes, devices.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::catalog::{Catalog, Phase};
use crate::class::{CacheClass, OrderClass, PrefetchClass};
use crate::deciding::needs_observer;
use crate::decisions::DecisionTrace;
use crate::eviction::Slot;
use crate::fetching::Fetch;
use crate::observation::Observer;
use crate::order::FairQueue;
use crate::prefetch::BlockRef;
use crate::reading::Waiting;
use crate::rules::{Explanation, JobUse, Rules};
use crate::stats::Stats;
use crate::trail::Trail;
use crate::transient::Transient;
use crate::treatment::Treatments;
use crate::{
    CoreError, Decision, Effect, Event, Extent, FactSet, FetchId, FileId, Nanos, Plan, TicketId, Tier,
};

/// Default time a fetch may take before its readers get ETIMEDOUT [ns]; `mlopt mount --deadline` sets another.
const FETCH_DEADLINE_NS: u64 = 60_000_000_000;
/// Kernel memory of one listed file: dentry, inode and FUSE's own node; 1-2 kB were measured [bytes].
pub(crate) const INODE_BYTES: u64 = 2048;
/// The engine's core; one per mount or simulated mount.
pub struct Core {
    pub(crate) plan: Plan,
    pub(crate) rules: Rules,
    /// What is known of job and machine.
    pub(crate) around: FactSet,
    /// What reads show; kept only where some rule or policy asks for it.
    pub(crate) observer: Option<Observer>,
    pub(crate) now: Nanos,
    pub(crate) deadline_ns: u64,
    pub(crate) catalog: Catalog,
    pub(crate) classes: Vec<CacheClass>,
    pub(crate) prefetches: Vec<PrefetchClass>,
    pub(crate) orders: Vec<OrderClass>,
    pub(crate) effects: VecDeque<Effect>,
    pub(crate) fetches: FxHashMap<FetchId, Fetch>,
    pub(crate) next_fetch: u64,
    /// Blocks whose demand fetch waits for room.
    pub(crate) queued: FairQueue<FetchId>,
    pub(crate) waiting: FxHashMap<TicketId, Waiting>,
    /// Blocks in the daemon that no policy owns: read in part or waited for, and staged unread.
    pub(crate) passing: Transient,
    pub(crate) staged: Transient,
    /// Blocks whose pages only pass through the kernel.
    pub(crate) trail: Trail,
    /// What may trail at least, learned from blocks that left too early [bytes].
    pub(crate) trail_reserve: u64,
    pub(crate) demands: u32,
    /// Blocks whose kernel pages are being dropped, and those pages [bytes].
    pub(crate) dropping: u32,
    pub(crate) dropping_bytes: u64,
    /// Blocks that readers wait for, queued or on their way [bytes], and the most there ever were.
    pub(crate) demand_bytes: u64,
    pub(crate) most_demand_bytes: u64,
    /// Second copies that the daemon keeps of blocks with a sentinel page [bytes].
    pub(crate) sentinel_bytes: u64,
    /// The longest block of any file: what demand fetches need as room [bytes].
    pub(crate) longest_block: u64,
    pub(crate) stats: Stats,
    pub(crate) decisions: DecisionTrace,
    pub(crate) treatments: Treatments,
}

impl Core {
    /// Start with an empty cache.
    ///
    /// # Errors
    /// `CoreError::Plan` when the plan asks for what the engine does not have.
    pub fn new(plan: Plan) -> Result<Core, CoreError> {
        let rules = Rules::compile(&plan)?;
        Ok(Core {
            around: FactSet::default(),
            observer: needs_observer(&rules, &plan).then(Observer::default),
            rules,
            now: Nanos(0),
            deadline_ns: FETCH_DEADLINE_NS,
            catalog: Catalog::new(plan.block_bytes),
            decisions: DecisionTrace::new(plan.debug),
            treatments: Treatments::default(),
            plan,
            classes: Vec::new(),
            prefetches: Vec::new(),
            orders: Vec::new(),
            effects: VecDeque::new(),
            fetches: FxHashMap::default(),
            next_fetch: 0,
            queued: FairQueue::default(),
            waiting: FxHashMap::default(),
            passing: Transient::default(),
            staged: Transient::default(),
            trail: Trail::default(),
            trail_reserve: 0,
            demands: 0,
            dropping: 0,
            dropping_bytes: 0,
            demand_bytes: 0,
            most_demand_bytes: 0,
            sentinel_bytes: 0,
            longest_block: 0,
            stats: Stats::default(),
        })
    }

    /// Set how long a fetch may take [ns].
    pub fn set_fetch_deadline(&mut self, deadline_ns: u64) {
        self.deadline_ns = deadline_ns;
    }

    /// Take one event.
    ///
    /// # Errors
    /// When the driver broke the contract; the state is unchanged then.
    pub fn handle(&mut self, event: Event, now: Nanos) -> Result<(), CoreError> {
        if now < self.now {
            return Err(CoreError::TimeWentBackwards { last: self.now, now });
        }
        self.now = now;
        match event {
            Event::Seen { file, facts } => self.seen(file, &facts)?,
            Event::Open { file, reader } => self.opened(file, reader)?,
            Event::Read {
                ticket,
                extent,
                reader,
            } => self.read(ticket, extent, reader)?,
            Event::Forgotten { file } => self.forgotten(self.known(file)?),
            Event::FetchDone { id, .. } => self.fetch_done(id)?,
            Event::FetchFailed { id, errno } => self.fetch_failed(id, errno)?,
            Event::Filled { extent } => self.filled(&self.within(extent)?),
            Event::Dropped { extent } => self.dropped(&self.within(extent)?),
            Event::Hint { files } => self.hinted(&files)?,
            Event::SourceChanged { file, version } => self.source_changed(self.known(file)?, version),
            Event::Pressure { bytes, .. } => self.give_back(bytes),
            Event::Tick => {}
            Event::Recognized { file, format } => self.recognized(self.known(file)?, format)?,
            Event::FactsChanged { facts } => self.facts_changed(facts)?,
            Event::PlanSwapped { plan } => self.swap_plan(*plan)?,
        }
        self.pump();
        self.note_peak();
        Ok(())
    }

    /// The trace of decisions, if the plan asks for one: how many were `made`, and the latest ones in `kept`.
    pub fn decisions(&self) -> Option<serde_json::Value> {
        self.decisions.to_json(&self.plan, &self.catalog)
    }

    /// The rules of the plan in force, each with what it is applied to and what came of it so far.
    pub fn rules_in_force(&self) -> serde_json::Value {
        self.treatments.to_json(&self.plan)
    }

    /// What is held of a file now: in the kernel as far as the books know, and by the driver [bytes].
    pub fn held_of(&self, file: FileId) -> Option<(u64, u64)> {
        Some(self.catalog.held_of(self.known(file).ok()?))
    }

    /// Take the next effect, in order.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When the core wants a `Tick`: a limit lets the next fetch through, or a block's retention is over.
    pub fn poll_deadline(&self) -> Option<Nanos> {
        let limits = self
            .orders
            .iter()
            .filter_map(|order| order.limit.as_ref()?.next_due());
        let blocks = self
            .classes
            .iter()
            .filter_map(|class| class.retention.as_ref()?.next_due());
        limits.chain(blocks).min()
    }

    /// What the rules ask for a file, from all that is known of it now.
    pub fn decide(&self, file: FileId) -> Option<Decision> {
        self.known(file).ok()?;
        Some(self.judge(file))
    }

    /// Every rule and condition with its verdict on a file.
    pub fn explain(&self, file: FileId) -> Option<Explanation> {
        self.known(file).ok()?;
        let live = self.live_facts(file);
        Some(self.rules.explain(&self.catalog.facts(file), &live, &self.around))
    }

    /// Whether the first bytes of a file were recognized.
    pub fn has_format(&self, file: FileId) -> bool {
        let known = self.catalog.files.get(file.0 as usize);
        known.is_some_and(|file| file.format.is_some())
    }

    /// What is known of job and machine.
    pub fn around(&self) -> &FactSet {
        &self.around
    }

    /// What reads show of the job; nothing where no rule asks for what they show.
    pub fn job(&self) -> JobUse {
        self.observer.as_ref().map_or(JobUse::default(), Observer::job)
    }

    /// Who read lately.
    pub fn readers(&self) -> Vec<u32> {
        self.trail.readers().map(|reader| reader.0).collect()
    }

    /// What happened so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// The plan in force.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Everything that the cache policies hold, with the part of the tier it lives in.
    pub fn held(&self) -> Vec<(Extent, Tier)> {
        let blocks = self.catalog.blocks.iter().enumerate();
        blocks
            .filter(|(_, block)| block.is_resident)
            .map(|(slot, block)| {
                (
                    self.catalog.extent(slot as Slot),
                    self.classes[block.class as usize].part,
                )
            })
            .collect()
    }

    pub(crate) fn known(&self, file: FileId) -> Result<FileId, CoreError> {
        match self.catalog.files.get(file.0 as usize) {
            Some(_) => Ok(file),
            None => Err(CoreError::Unknown {
                what: "file",
                id: u64::from(file.0),
            }),
        }
    }

    /// Check that an extent lies within a known file.
    pub(crate) fn within(&self, extent: Extent) -> Result<Extent, CoreError> {
        let file = self.known(extent.file)?;
        let size = self.catalog.files[file.0 as usize].size;
        let end = extent.offset.checked_add(extent.length);
        match end {
            // page-granular drivers may name the whole last page
            Some(end) if end <= size.next_multiple_of(4096) => Ok(Extent {
                length: end.min(size).saturating_sub(extent.offset),
                ..extent
            }),
            _ => Err(CoreError::Unknown {
                what: "bytes beyond the end of file",
                id: u64::from(file.0),
            }),
        }
    }

    fn note_peak(&mut self) {
        let used = self.used_bytes();
        self.stats.peak_bytes = self.stats.peak_bytes.max(used);
    }

    /// Whether nothing is under way: every read answered, every effect of the kernel confirmed.
    pub fn is_quiescent(&self) -> bool {
        self.waiting.is_empty()
            && self.fetches.is_empty()
            && self
                .catalog
                .blocks
                .iter()
                .all(|block| block.phase == Phase::Idle && block.pins == 0)
    }

    pub(crate) fn block_ref(&self, slot: Slot) -> BlockRef {
        let block = &self.catalog.blocks[slot as usize];
        BlockRef {
            file: block.file,
            index: block.index,
        }
    }
}
