//! The state machine: events in, effects and the next deadline out.
//!
//! Owns: the order of things when an event comes; reads and their answers. The other halves: `fetching` (what is on its
//! way, and whether there is room), `residency` (what stays, where, and what leaves). Absent: time, bytes, devices.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::catalog::{Catalog, NONE, Phase};
use crate::class::{Ahead, CacheClass, OrderClass, PrefetchClass, some_policy_ranks_files};
use crate::decisions::DecisionTrace;
use crate::eviction::Slot;
use crate::fetching::Fetch;
use crate::observation::{ObservedRead, Observer};
use crate::order::FairQueue;
use crate::prefetch::{BlockRef, SeenRead};
use crate::rules::{Explanation, LiveFacts, Reach, Rules};
use crate::stats::Stats;
use crate::trail::Trail;
use crate::transient::Transient;
use crate::treatment::Treatments;
use crate::{
    CoreError, Decision, Effect, Event, Extent, FactSet, FetchId, FileFacts, FileId, KnownFormat, Nanos,
    Plan, PrioritizeAction, ReaderId, ServedFrom, TicketId, Tier,
};

/// Default time a fetch may take before its readers get ETIMEDOUT [ns]; `mlopt mount --deadline` sets another.
const FETCH_DEADLINE_NS: u64 = 60_000_000_000;
/// Kernel memory of one listed file: dentry, inode and FUSE's own node; 1-2 kB were measured [bytes].
pub(crate) const INODE_BYTES: u64 = 2048;
const ESTALE: i32 = 116;

/// A read that waits for blocks.
pub(crate) struct Waiting {
    pub(crate) extent: Extent,
    pub(crate) missing: u32,
    pub(crate) from: ServedFrom,
}

/// The engine's core; one per mount or simulated mount.
pub struct Core {
    pub(crate) plan: Plan,
    rules: Rules,
    /// What is known of job and machine.
    around: FactSet,
    /// What reads show; kept only where some rule or policy asks for it.
    observer: Option<Observer>,
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
    pub(crate) queued: FairQueue<(Slot, FetchId)>,
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
    decisions: DecisionTrace,
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
    fn within(&self, extent: Extent) -> Result<Extent, CoreError> {
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

    fn seen(&mut self, file: FileId, facts: &FileFacts) -> Result<(), CoreError> {
        if file.0 as usize != self.catalog.files.len() {
            return Err(CoreError::Unknown {
                what: "next file id",
                id: u64::from(file.0),
            });
        }
        self.catalog.add(facts);
        self.stats.files += 1;
        self.longest_block = self.longest_block.max(facts.size.min(self.plan.block_bytes));
        if let Some(observer) = &mut self.observer {
            observer.add(&facts.path, facts.size);
        }
        let decision = self.rules.decide(facts, &self.live_facts(file), &self.around);
        self.assign(file, decision)
    }

    /// Put a file into the classes of its decision.
    fn assign(&mut self, file: FileId, decision: Decision) -> Result<(), CoreError> {
        self.decisions.note(file, self.now, &decision);
        self.treat(file, &decision);
        let tier_bytes = self.plan.tiers.memory.bytes;
        let class = match decision.cache {
            None => NONE,
            Some(action) => match self.classes.iter().position(|class| class.action == action) {
                Some(index) => index as u32,
                None => {
                    self.classes.push(CacheClass::new(action, tier_bytes)?);
                    self.classes.len() as u32 - 1
                }
            },
        };
        let order = decision.prioritize.map_or(NONE, |action| self.order_of(action));
        let prefetch = decision.prefetch.map(Ahead::Prefetch);
        let stream = decision.stream.map(Ahead::Stream);
        let prefetch = prefetch.map_or(Ok(NONE), |ahead| self.group_of(ahead, order))?;
        let stream = stream.map_or(Ok(NONE), |ahead| self.group_of(ahead, order))?;
        let known = &mut self.catalog.files[file.0 as usize];
        (known.class, known.order) = (class, order);
        let is_empty = known.size == 0;
        for (now, before) in [(prefetch, &mut known.prefetch), (stream, &mut known.stream)] {
            if *before != now {
                *before = now;
                if now != NONE && !is_empty {
                    let group = &mut self.prefetches[now as usize];
                    group.has_members = true;
                    group.prefetcher.member(file);
                }
            }
        }
        Ok(())
    }

    /// Count a file where its rules are counted.
    fn treat(&mut self, file: FileId, decision: &Decision) {
        let treatment = self.treatments.of(&decision.applied);
        let known = &mut self.catalog.files[file.0 as usize];
        let before = std::mem::replace(&mut known.treatment, treatment);
        if !known.is_dead && before != treatment {
            self.treatments.leaves(before, known.size);
            self.treatments.enters(treatment, known.size);
        }
    }

    fn order_of(&mut self, action: PrioritizeAction) -> u32 {
        let found = self.orders.iter().position(|order| order.action == action);
        let index = found.unwrap_or_else(|| {
            self.orders.push(OrderClass::new(action, self.now));
            self.orders.len() - 1
        });
        index as u32
    }

    /// The class of files that are fetched ahead alike, within one limit.
    fn group_of(&mut self, ahead: Ahead, order: u32) -> Result<u32, CoreError> {
        let is_limited = order != NONE && self.orders[order as usize].limit.is_some();
        let limit = if is_limited { order } else { NONE };
        let mut groups = self.prefetches.iter();
        if let Some(index) = groups.position(|group| group.ahead == ahead && group.limit == limit) {
            return Ok(index as u32);
        }
        let tier_bytes = self.plan.tiers.memory.bytes;
        self.prefetches
            .push(PrefetchClass::new(ahead, limit, tier_bytes)?);
        Ok(self.prefetches.len() as u32 - 1)
    }

    pub(crate) fn live_facts(&self, file: FileId) -> LiveFacts {
        let observer = self.observer.as_ref();
        observer.map_or(LiveFacts::default(), |observer| observer.facts(file))
    }

    fn judge(&self, file: FileId) -> Decision {
        let facts = self.catalog.facts(file);
        self.rules.decide(&facts, &self.live_facts(file), &self.around)
    }

    fn judge_anew(&mut self, file: FileId) -> Result<(), CoreError> {
        if self.catalog.files[file.0 as usize].is_dead {
            return Ok(());
        }
        let decision = self.judge(file);
        self.assign(file, decision)
    }

    /// Note how a file is read; decide anew where that changes the verdict of some condition.
    fn observe(&mut self, extent: &Extent, reader: ReaderId) -> Result<(), CoreError> {
        let Some(observer) = &mut self.observer else {
            return Ok(());
        };
        let read = ObservedRead {
            file: extent.file,
            reader,
            offset: extent.offset,
            length: extent.length,
        };
        let before = observer.facts(extent.file);
        let folder_changed = observer.read(&read, |file| self.catalog.path(file));
        let after = observer.facts(extent.file);
        if self.rules.depend_on(&before, &after, &self.around) {
            self.judge_anew(extent.file)?;
        }
        if folder_changed {
            for file in self
                .observer
                .iter()
                .flat_map(|seen| seen.folder_members(extent.file))
                .collect::<Vec<_>>()
            {
                self.judge_anew(file)?;
            }
        }
        Ok(())
    }

    fn recognized(&mut self, file: FileId, format: KnownFormat) -> Result<(), CoreError> {
        self.catalog.files[file.0 as usize].format = Some(format);
        if self.rules.need_content() {
            self.judge_anew(file)?;
        }
        Ok(())
    }

    /// Take over what is known of job and machine; decide anew what that can change.
    fn facts_changed(&mut self, facts: FactSet) -> Result<(), CoreError> {
        let before = std::mem::replace(&mut self.around, facts);
        let reach = self.rules.reach_of(&before, &self.around);
        for file in (0..self.catalog.files.len() as u32).map(FileId) {
            let concerned = match reach {
                Reach::None => break,
                Reach::All => true,
                Reach::Aged => self
                    .rules
                    .has_aged(&self.catalog.facts(file), &before, &self.around),
            };
            if concerned {
                self.judge_anew(file)?;
            }
        }
        Ok(())
    }

    fn opened(&mut self, file: FileId, reader: ReaderId) -> Result<(), CoreError> {
        let prefetch = self.catalog.files[self.known(file)?.0 as usize].prefetch;
        if prefetch != NONE {
            self.prefetches[prefetch as usize]
                .prefetcher
                .opened(file, reader, &self.catalog);
        }
        Ok(())
    }

    fn hinted(&mut self, files: &[FileId]) -> Result<(), CoreError> {
        for &file in files {
            self.known(file)?;
        }
        for (index, group) in self.prefetches.iter_mut().enumerate() {
            let members: Vec<FileId> = files
                .iter()
                .copied()
                .filter(|file| self.catalog.files[file.0 as usize].prefetch == index as u32)
                .collect();
            if !members.is_empty() {
                group.prefetcher.hint(&members, &self.catalog);
            }
        }
        Ok(())
    }

    fn read(&mut self, ticket: TicketId, extent: Extent, reader: ReaderId) -> Result<(), CoreError> {
        let extent = self.within(extent)?;
        if extent.length == 0 {
            return Err(CoreError::Unknown {
                what: "bytes of an empty read in file",
                id: u64::from(extent.file.0),
            });
        }
        if self.catalog.files[extent.file.0 as usize].is_dead {
            self.stats.failed += 1;
            self.effects.push_back(Effect::Fail {
                ticket,
                errno: ESTALE,
            });
            return Ok(());
        }
        self.observe(&extent, reader)?;
        let (goes_on, spent) = self.trail.follow(reader, &extent, &self.catalog);
        for slot in spent {
            self.spend(slot);
        }
        let known = &self.catalog.files[extent.file.0 as usize];
        for group in [known.prefetch, known.stream] {
            if group != NONE {
                let seen = SeenRead {
                    file: extent.file,
                    offset: extent.offset,
                    end: extent.end(),
                    reader,
                };
                self.prefetches[group as usize]
                    .prefetcher
                    .read(&seen, &self.catalog);
            }
        }
        let block_bytes = self.plan.block_bytes;
        let blocks = (extent.offset / block_bytes) as u32..=((extent.end() - 1) / block_bytes) as u32;
        let mut read = Waiting {
            extent,
            missing: 0,
            from: ServedFrom::Resident,
        };
        for index in blocks {
            let slot = self.catalog.ensure_slot(extent.file, index);
            let (from, is_missing) = self.want(slot, ticket, goes_on);
            read.from = farther(read.from, from);
            read.missing += u32::from(is_missing);
            self.catalog.blocks[slot as usize].pins += 1;
        }
        if read.missing == 0 {
            self.serve(ticket, &read);
        } else {
            self.waiting.insert(ticket, read);
        }
        Ok(())
    }

    /// See to it that a block is held or on its way; say where it comes from and whether it must be waited for.
    fn want(&mut self, slot: Slot, ticket: TicketId, goes_on: bool) -> (ServedFrom, bool) {
        let block = &self.catalog.blocks[slot as usize];
        if block.is_in_daemon {
            // what is neither held nor came ahead is still here from a demand fetch of the same pass
            let from = match (block.is_resident, block.came_ahead) {
                (true, _) => ServedFrom::Resident,
                (false, true) => ServedFrom::Prefetched,
                (false, false) => ServedFrom::Source,
            };
            return (from, false);
        }
        if let Some(id) = block.fetch {
            return (self.join(id, ticket), true);
        }
        self.note_early_leave(slot, goes_on);
        self.demand(slot, ticket);
        (ServedFrom::Source, true)
    }

    /// Answer a read whose blocks are all held, and let each block find its place.
    pub(crate) fn serve(&mut self, ticket: TicketId, read: &Waiting) {
        self.effects.push_back(Effect::Serve {
            ticket,
            from: read.from,
        });
        self.stats.served(read.from).add(read.extent.length);
        let treatment = self.catalog.files[read.extent.file.0 as usize].treatment;
        self.treatments.served(treatment, read.from, read.extent.length);
        for slot in self.catalog.slots(&read.extent) {
            let whole = self.catalog.extent(slot);
            let part = Extent {
                file: whole.file,
                offset: whole.offset.max(read.extent.offset),
                length: whole.end().min(read.extent.end()) - whole.offset.max(read.extent.offset),
            };
            let block = &mut self.catalog.blocks[slot as usize];
            block.pins -= 1;
            let entered = (part.length as u32).min(block.length - block.kernel);
            block.kernel += entered;
            if block.phase == Phase::Dropping {
                self.dropping_bytes += u64::from(entered);
            }
            self.stats.kernel_bytes += u64::from(entered);
            self.was_read(slot, &part);
        }
    }

    fn source_changed(&mut self, file: FileId, version: crate::Version) {
        if self.catalog.files[file.0 as usize].is_dead {
            return;
        }
        let mut stale: Vec<TicketId> = self
            .waiting
            .iter()
            .filter(|(_, read)| read.extent.file == file)
            .map(|(&ticket, _)| ticket)
            .collect();
        stale.sort_unstable(); // the map's order must not reach the effects
        for ticket in stale {
            self.fail(ticket, ESTALE);
        }
        for slot in self.catalog.slots(&self.catalog.whole(file)) {
            self.forget_block(slot);
        }
        let known = &mut self.catalog.files[file.0 as usize];
        known.is_dead = true;
        self.treatments.leaves(known.treatment, known.size);
        self.effects.push_back(Effect::Retire { file, version });
    }

    /// Answer a waiting read with an error.
    pub(crate) fn fail(&mut self, ticket: TicketId, errno: i32) {
        let Some(read) = self.waiting.remove(&ticket) else {
            return;
        };
        for slot in self.catalog.slots(&read.extent) {
            let block = &mut self.catalog.blocks[slot as usize];
            block.pins -= 1;
            if block.is_in_daemon && !block.is_resident && block.staged == NONE {
                self.passing.push(slot);
            }
        }
        self.stats.failed += 1;
        self.effects.push_back(Effect::Fail { ticket, errno });
    }

    fn swap_plan(&mut self, plan: Plan) -> Result<(), CoreError> {
        let rules = Rules::compile(&plan)?;
        if plan.block_bytes != self.plan.block_bytes {
            return Err(CoreError::Plan(format!(
                "block_bytes changes from {} to {}: remount needed",
                self.plan.block_bytes, plan.block_bytes
            )));
        }
        if plan.observe != self.plan.observe {
            return Err(CoreError::Plan("what is observed changes: remount needed".into()));
        }
        let needs_observer = needs_observer(&rules, &plan);
        let fresh = (needs_observer && self.observer.is_none()).then(|| self.catalog.observer());
        let decisions: Vec<Decision> = (0..self.catalog.files.len() as u32)
            .map(FileId)
            .map(|file| {
                let observer = fresh.as_ref().or(self.observer.as_ref());
                let live = observer.map_or(LiveFacts::default(), |seen| seen.facts(file));
                rules.decide(&self.catalog.facts(file), &live, &self.around)
            })
            .collect();
        let caches = decisions.iter().filter_map(|decision| decision.cache);
        for action in caches.collect::<Vec<_>>() {
            CacheClass::new(action, plan.tiers.memory.bytes)?; // refuse before anything is changed
        }
        let held: Vec<Slot> = self.resident_slots();
        for &slot in &held {
            self.disown(slot);
        }
        for slot in self.staged_slots() {
            self.unstage(slot, false);
            self.release(slot);
        }
        self.decisions = DecisionTrace::new(plan.debug);
        self.treatments = Treatments::default();
        self.plan = plan;
        self.observer = fresh.or(self.observer.take()).filter(|_| needs_observer);
        self.rules = rules;
        self.classes.clear();
        self.prefetches.clear();
        self.clear_orders();
        for fetch in self.fetches.values_mut() {
            fetch.group = NONE;
        }
        for (file, decision) in decisions.into_iter().enumerate() {
            let known = &mut self.catalog.files[file];
            (known.prefetch, known.stream, known.treatment) = (NONE, NONE, NONE);
            self.assign(FileId(file as u32), decision)?;
        }
        for slot in held {
            if !self.readmit(slot) {
                self.release(slot);
            }
        }
        Ok(())
    }

    pub(crate) fn resident_slots(&self) -> Vec<Slot> {
        let blocks = self.catalog.blocks.iter().enumerate();
        blocks
            .filter(|(_, block)| block.is_resident)
            .map(|(slot, _)| slot as Slot)
            .collect()
    }

    fn staged_slots(&self) -> Vec<Slot> {
        let blocks = self.catalog.blocks.iter().enumerate();
        blocks
            .filter(|(_, block)| block.staged != NONE)
            .map(|(slot, _)| slot as Slot)
            .collect()
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

fn needs_observer(rules: &Rules, plan: &Plan) -> bool {
    rules.need_live_facts() || some_policy_ranks_files(plan)
}

/// Where a read came from is where its farthest block came from.
fn farther(a: ServedFrom, b: ServedFrom) -> ServedFrom {
    let rank = |from| match from {
        ServedFrom::Resident => 0,
        ServedFrom::Prefetched => 1,
        ServedFrom::Late => 2,
        ServedFrom::Source => 3,
    };
    if rank(b) > rank(a) { b } else { a }
}
