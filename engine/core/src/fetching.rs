//! What is on its way from the source: single flight per block, room within the budget, demand before prefetch.
//! Absent: who transfers it and how fast.

use crate::cache::{Core, INODE_BYTES};
use crate::catalog::{NONE, Phase};
use crate::eviction::Slot;
use crate::prefetch::BlockRef;
use crate::rate::Limit;
use crate::reading::Waiting;
use crate::{
    CoreError, Effect, Extent, FetchClass, FetchId, FileId, Nanos, Priority, ServedFrom, TicketId, Tier,
};

/// Blocks kept free at least for demand fetches, so that prefetched and held bytes never make a reader wait for room.
const HEADROOM_BLOCKS: u64 = 4;
/// Room per reader that ever waited at the same time: one block comes while the copy of the last reply still leaves.
const HEADROOM_PER_DEMAND: u64 = 2;
/// The limit of that room as a part of the budget, 1 / 8.
const HEADROOM_PART: u64 = 8;
/// The limit of what trails behind readers as a part of the budget, 1 / 2: streams that fetch everything twice cost more
/// than any block that is held in their place saves.
const TRAIL_PART: u64 = 2;
/// A block that is read on within this many demand fetches after it had to leave has left too early.
const EARLY_DEMANDS: u32 = 64;
/// How often a held block is restored before the kernel has the last word.
const MOST_LOSSES: u8 = 3;

/// One fetch that was asked for.
pub(crate) struct Fetch {
    /// Its block; of a read through, the first of those that it touches.
    pub(crate) slot: Slot,
    pub(crate) extent: Extent,
    /// Brings just what one read asked for, of a file that nothing is done with: answered and forgotten.
    pub(crate) reads_through: bool,
    pub(crate) class: FetchClass,
    /// The prefetch class that asked, or `NONE`.
    pub(crate) group: u32,
    pub(crate) tickets: Vec<TicketId>,
    /// Waits for room; the driver does not know of it yet.
    pub(crate) is_queued: bool,
    pub(crate) is_unwanted: bool,
}

impl Core {
    /// Bytes of the budget in use: kernel pages, the driver's bytes, fetches under way, inodes [bytes].
    pub(crate) fn used_bytes(&self) -> u64 {
        self.stats.kernel_bytes
            + self.stats.daemon_bytes
            + self.stats.in_flight_bytes
            + self.stats.files * INODE_BYTES
    }

    /// What demand fetches find free at any time [bytes]: it grows with the readers that wait at the same time, or held
    /// blocks would let only a few of them use the source's concurrency.
    pub(crate) fn demand_room_bytes(&self) -> u64 {
        let wanted = HEADROOM_PER_DEMAND * self.most_demand_bytes;
        wanted
            .max(HEADROOM_BLOCKS * self.longest_block)
            .min(self.plan.tiers.memory.bytes / HEADROOM_PART)
    }

    /// What held and staged blocks leave to readers: room for what they wait for, and for what trails behind them [bytes].
    pub(crate) fn headroom_bytes(&self) -> u64 {
        self.demand_room_bytes() + self.trail_reserve
    }

    /// A block is asked for: if it just had to leave and its stream goes on, more must be let trail.
    pub(crate) fn note_early_leave(&mut self, slot: Slot, goes_on: bool) {
        let block = &mut self.catalog.blocks[slot as usize];
        let left = std::mem::take(&mut block.left_early);
        let is_early = goes_on && left > 0 && self.demands.wrapping_sub(left) < EARLY_DEMANDS;
        let most = self.plan.tiers.memory.bytes / TRAIL_PART;
        if is_early && self.trail_reserve < most {
            let more = 2 * u64::from(block.length);
            self.trail_reserve = (self.trail_reserve + more).min(most);
            self.shrink_to_headroom();
        }
    }

    /// Let go of held blocks where they leave too little to readers.
    fn shrink_to_headroom(&mut self) {
        let inodes = self.stats.files * INODE_BYTES;
        let limit = (self.plan.tiers.memory.bytes).saturating_sub(self.headroom_bytes() + inodes);
        self.shrink_held(|core| core.held_bytes() + core.sentinel_bytes > limit);
    }

    /// Note that a reader waits for so many bytes; more than ever need more headroom, at once.
    fn note_demand(&mut self, bytes: u64) {
        self.demands = self.demands.wrapping_add(1);
        self.demand_bytes += bytes;
        if self.demand_bytes <= self.most_demand_bytes {
            return;
        }
        let before = self.headroom_bytes();
        self.most_demand_bytes = self.demand_bytes;
        if self.headroom_bytes() > before {
            self.shrink_to_headroom();
        }
    }

    /// Join a fetch under way.
    pub(crate) fn join(&mut self, id: FetchId, ticket: TicketId) -> ServedFrom {
        let Some(fetch) = self.fetches.get_mut(&id) else {
            return ServedFrom::Source;
        };
        fetch.tickets.push(ticket);
        fetch.is_unwanted = false;
        match fetch.class {
            FetchClass::Prefetch => ServedFrom::Late,
            FetchClass::Demand | FetchClass::Refill => ServedFrom::Source,
        }
    }

    /// Start a fetch that a reader waits for.
    pub(crate) fn demand(&mut self, slot: Slot, ticket: TicketId) {
        let id = self.new_fetch(slot, FetchClass::Demand, NONE);
        self.demand_fetch(id, ticket);
    }

    /// Fetch just what a read asked for.
    pub(crate) fn read_through(&mut self, slot: Slot, extent: Extent, ticket: TicketId) {
        let id = self.add_fetch(Fetch {
            slot,
            extent,
            reads_through: true,
            class: FetchClass::Demand,
            group: NONE,
            tickets: Vec::new(),
            is_queued: true,
            is_unwanted: false,
        });
        self.demand_fetch(id, ticket);
    }

    /// Start a fetch, or let it wait for its limit or for room.
    fn demand_fetch(&mut self, id: FetchId, ticket: TicketId) {
        let Some(fetch) = self.fetches.get_mut(&id) else {
            return;
        };
        fetch.tickets.push(ticket);
        let (slot, bytes) = (fetch.slot, fetch.extent.length);
        self.note_demand(bytes);
        if !self.passes_limit(slot, id, bytes) {
            return;
        }
        if self.queued.is_empty() && self.make_room(bytes) {
            self.start(id);
        } else {
            self.enqueue(id);
        }
    }

    /// Let a fetch wait for room.
    fn enqueue(&mut self, id: FetchId) {
        if let Some(extent) = self.fetches.get(&id).map(|fetch| fetch.extent) {
            let priority = self.priority_of(extent.file);
            self.queued.push(priority, extent.length, id);
        }
    }

    fn priority_of(&self, file: FileId) -> Priority {
        let order = self.catalog.files[file.0 as usize].order;
        let order = self.orders.get(order as usize);
        order.map_or_else(Priority::default, |order| order.priority)
    }

    fn limit_of(&mut self, slot: Slot) -> Option<&mut Limit> {
        let file = self.catalog.blocks[slot as usize].file;
        let order = self.catalog.files[file.0 as usize].order;
        self.orders.get_mut(order as usize)?.limit.as_mut()
    }

    /// Take a demand fetch's bytes from its limit, or let it wait for them.
    fn passes_limit(&mut self, slot: Slot, id: FetchId, bytes: u64) -> bool {
        let now = self.now;
        let Some(limit) = self.limit_of(slot) else {
            return true;
        };
        if !limit.waiting.is_empty() || !limit.is_open(now) {
            limit.waiting.push_back(id);
            return false;
        }
        limit.charge(bytes);
        true
    }

    /// Let demand fetches through whose limit has tokens again.
    fn pass_limits(&mut self) {
        for order in 0..self.orders.len() {
            if let Some(limit) = &mut self.orders[order].limit {
                limit.holds_prefetch = false; // unless a prefetcher is held back again below
            }
            while let Some(limit) = &mut self.orders[order].limit
                && let Some(&id) = limit.waiting.front()
            {
                if let Some(fetch) = self.fetches.get(&id) {
                    if !limit.is_open(self.now) {
                        break;
                    }
                    limit.charge(fetch.extent.length);
                    limit.waiting.pop_front();
                    self.enqueue(id);
                } else {
                    limit.waiting.pop_front(); // given up meanwhile
                }
            }
        }
    }

    /// Forget all classes of order and rate; what waited for a limit waits for room alone.
    pub(crate) fn clear_orders(&mut self) {
        let orders = std::mem::take(&mut self.orders);
        for file in &mut self.catalog.files {
            file.order = NONE;
        }
        for id in orders
            .into_iter()
            .filter_map(|order| order.limit)
            .flat_map(|limit| limit.waiting)
        {
            self.enqueue(id);
        }
    }

    fn new_fetch(&mut self, slot: Slot, class: FetchClass, group: u32) -> FetchId {
        let id = self.add_fetch(Fetch {
            slot,
            extent: self.catalog.extent(slot),
            reads_through: false,
            class,
            group,
            tickets: Vec::new(),
            is_queued: true,
            is_unwanted: false,
        });
        self.catalog.blocks[slot as usize].fetch = Some(id);
        id
    }

    fn add_fetch(&mut self, fetch: Fetch) -> FetchId {
        let id = FetchId(self.next_fetch);
        self.next_fetch += 1;
        self.fetches.insert(id, fetch);
        id
    }

    fn start(&mut self, id: FetchId) {
        let Some(fetch) = self.fetches.get_mut(&id) else {
            return;
        };
        fetch.is_queued = false;
        let (extent, class, reads_through) = (fetch.extent, fetch.class, fetch.reads_through);
        let priority = self.priority_of(extent.file);
        self.stats.in_flight_bytes += extent.length;
        self.effects.push_back(Effect::Fetch {
            id,
            extent,
            class,
            reads_through,
            priority,
            streams: 1,
            deadline: Nanos(self.now.0.saturating_add(self.deadline_ns)),
        });
    }

    /// Free the bytes of a fetch that a reader waits for. One always gets through.
    fn make_room(&mut self, need: u64) -> bool {
        let budget = self.plan.tiers.memory.bytes;
        // pages on their way out count as gone: evicting on until they are would empty a class for one block
        while self.used_bytes() - self.dropping_bytes + need > budget {
            let is_freed = self.evict_spent()
                || self.evict_surplus_trailing()
                || self.evict_staged()
                || self.evict_resident()
                || self.evict_passing()
                || self.evict_trailing();
            if !is_freed {
                break;
            }
        }
        // what is under way or leaving comes back soon; without any, waiting would be for ever
        let is_coming = self.stats.in_flight_bytes > 0 || self.dropping > 0;
        self.used_bytes() + need <= budget || !is_coming
    }

    /// Start what waited for room, then fetch ahead as far as there is room left.
    pub(crate) fn pump(&mut self) {
        self.end_retentions();
        self.keep_budget();
        self.pass_limits();
        while let Some(&id) = self.queued.first() {
            let Some(bytes) = self.fetches.get(&id).map(|fetch| fetch.extent.length) else {
                self.queued.pop();
                continue;
            };
            if !self.make_room(bytes) {
                return;
            }
            self.queued.pop();
            self.start(id);
        }
        for group in 0..self.prefetches.len() {
            self.fetch_ahead(group);
        }
    }

    fn fetch_ahead(&mut self, index: usize) {
        while let Some(block) = self.prefetches[index].prefetcher.stale(&self.catalog) {
            if let Some(slot) = self.catalog.slot(block)
                && self.catalog.blocks[slot as usize].staged == index as u32
                && self.catalog.blocks[slot as usize].pins == 0
            {
                self.unstage(slot, false);
                self.release(slot);
            }
        }
        let budget = self.plan.tiers.memory.bytes;
        let headroom = self.headroom_bytes();
        loop {
            let group = &self.prefetches[index];
            let longest = self.longest_block;
            let has_place = group.outstanding < group.depth
                && (group.bytes + longest <= group.cap_bytes || group.bytes == 0);
            if !has_place || self.holds_back(index) {
                return;
            }
            let needed = longest + headroom;
            while self.used_bytes() - self.dropping_bytes + needed > budget && self.evict_spent() {}
            if self.used_bytes() + needed > budget {
                return;
            }
            let Some(block) = self.prefetches[index].prefetcher.next(&self.catalog) else {
                return;
            };
            self.prefetch(index, block);
        }
    }

    /// Whether a limit lets no prefetch of this class through now: what a reader waits for comes first.
    fn holds_back(&mut self, index: usize) -> bool {
        let now = self.now;
        let order = self.orders.get_mut(self.prefetches[index].limit as usize);
        let Some(limit) = order.and_then(|order| order.limit.as_mut()) else {
            return false;
        };
        limit.holds_prefetch = !limit.waiting.is_empty() || !limit.is_open(now);
        limit.holds_prefetch
    }

    fn prefetch(&mut self, index: usize, block: BlockRef) {
        if block.index >= self.catalog.block_count(block.file) || !self.catalog.is_absent(block) {
            return;
        }
        let slot = self.catalog.ensure_slot(block.file, block.index);
        let id = self.new_fetch(slot, FetchClass::Prefetch, index as u32);
        let group = &mut self.prefetches[index];
        group.outstanding += 1;
        let bytes = u64::from(self.catalog.blocks[slot as usize].length);
        group.bytes += bytes;
        if let Some(limit) = self.limit_of(slot) {
            limit.charge(bytes);
        }
        self.start(id);
    }

    /// Restore a held block that the kernel lost.
    pub(crate) fn refill(&mut self, slot: Slot) {
        let block = &mut self.catalog.blocks[slot as usize];
        block.losses = block.losses.saturating_add(1);
        if block.fetch.is_some() {
            return;
        }
        let need = u64::from(block.length);
        let fits = self.used_bytes() + need + self.headroom_bytes() <= self.plan.tiers.memory.bytes;
        let now = self.now;
        // beyond the limit a lost block is not restored: its next reader fetches it when the limit allows
        let may = self
            .limit_of(slot)
            .is_none_or(|limit| limit.waiting.is_empty() && limit.is_open(now));
        if self.catalog.blocks[slot as usize].losses > MOST_LOSSES || !fits || !may {
            self.disown(slot);
            self.release(slot);
            return;
        }
        if let Some(limit) = self.limit_of(slot) {
            limit.charge(need);
        }
        let id = self.new_fetch(slot, FetchClass::Refill, NONE);
        self.start(id);
    }

    pub(crate) fn fetch_done(&mut self, id: FetchId) -> Result<(), CoreError> {
        let fetch = self.end(id)?;
        let (slot, length) = (fetch.slot, fetch.extent.length);
        self.stats.fetched(fetch.class).add(length);
        let treatment = self.catalog.files[fetch.extent.file.0 as usize].treatment;
        self.treatments.fetched(treatment, fetch.class, length);
        if fetch.reads_through {
            self.answer(&fetch.tickets);
            return Ok(());
        }
        self.stats.daemon_bytes += length;
        let block = &mut self.catalog.blocks[slot as usize];
        block.is_in_daemon = true;
        block.came_ahead = fetch.class == FetchClass::Prefetch;
        let is_dead = self.catalog.files[self.catalog.blocks[slot as usize].file.0 as usize].is_dead;
        if fetch.class == FetchClass::Prefetch && fetch.group != NONE {
            let block = self.block_ref(slot);
            let group = &mut self.prefetches[fetch.group as usize];
            group.outstanding -= 1;
            if fetch.tickets.is_empty() && !is_dead && !fetch.is_unwanted {
                self.catalog.blocks[slot as usize].staged = fetch.group;
                self.staged.push(slot);
            } else {
                group.bytes -= length;
                group.prefetcher.outcome(block, !fetch.tickets.is_empty());
                let tally = if fetch.tickets.is_empty() {
                    &mut self.stats.prefetch_wasted
                } else {
                    &mut self.stats.prefetch_used
                };
                tally.add(length);
            }
        }
        let was_served = self.answer(&fetch.tickets);
        let block = &self.catalog.blocks[slot as usize];
        if was_served || block.staged != NONE {
            return Ok(());
        }
        if block.is_resident && self.part_of(slot) == Tier::Kernel && block.phase == Phase::Idle {
            self.fill(slot);
        } else if !block.is_resident {
            self.release(slot);
        }
        Ok(())
    }

    /// A fetch ended that reads wait for: those that wait for nothing else are served. Whether there were any.
    fn answer(&mut self, tickets: &[TicketId]) -> bool {
        let mut was_served = false;
        for ticket in tickets {
            let Some(read) = self.waiting.get_mut(ticket) else {
                continue;
            };
            read.missing -= 1;
            was_served = true;
            if read.missing == 0
                && let Some(read) = self.waiting.remove(ticket)
            {
                self.serve(*ticket, &read);
            }
        }
        was_served
    }

    pub(crate) fn fetch_failed(&mut self, id: FetchId, errno: i32) -> Result<(), CoreError> {
        let fetch = self.end(id)?;
        self.stats.fetches_failed += 1;
        if fetch.class == FetchClass::Prefetch && fetch.group != NONE {
            let block = self.block_ref(fetch.slot);
            let length = u64::from(self.catalog.blocks[fetch.slot as usize].length);
            let group = &mut self.prefetches[fetch.group as usize];
            group.outstanding -= 1;
            group.bytes -= length;
            group.prefetcher.outcome(block, false);
        }
        for ticket in fetch.tickets {
            self.fail(ticket, errno);
        }
        // a held block that could not be restored is held no longer
        let block = &self.catalog.blocks[fetch.slot as usize];
        if block.is_resident && !block.is_in_daemon && block.kernel == 0 {
            self.disown(fetch.slot);
        }
        Ok(())
    }

    fn end(&mut self, id: FetchId) -> Result<Fetch, CoreError> {
        match self.fetches.get(&id) {
            Some(fetch) if !fetch.is_queued => {}
            _ => {
                return Err(CoreError::Unknown {
                    what: "fetch",
                    id: id.0,
                });
            }
        }
        let fetch = self.fetches.remove(&id).ok_or(CoreError::Unknown {
            what: "fetch",
            id: id.0,
        })?;
        if !fetch.reads_through {
            self.catalog.blocks[fetch.slot as usize].fetch = None;
        }
        if fetch.class == FetchClass::Demand {
            self.demand_bytes -= fetch.extent.length;
        }
        self.stats.in_flight_bytes -= fetch.extent.length;
        Ok(fetch)
    }

    /// A fetch is no longer wanted: its bytes go when they come. One that waits for room is forgotten at once.
    pub(crate) fn cancel(&mut self, id: FetchId) {
        let Some(fetch) = self.fetches.get_mut(&id) else {
            return;
        };
        if fetch.is_queued {
            if !fetch.reads_through {
                self.catalog.blocks[fetch.slot as usize].fetch = None;
            }
            self.demand_bytes -= fetch.extent.length; // only demand fetches wait for room
            self.fetches.remove(&id);
        } else {
            fetch.is_unwanted = true;
            self.effects.push_back(Effect::Cancel { id });
        }
    }

    /// Nobody wants what is read through of a file any more.
    pub(crate) fn cancel_reads_through(&mut self, file: FileId) {
        let of_file = |fetch: &Fetch| fetch.reads_through && fetch.extent.file == file;
        let fetches = self.fetches.iter().filter(|(_, fetch)| of_file(fetch));
        let mut ids: Vec<FetchId> = fetches.map(|(&id, _)| id).collect();
        ids.sort_unstable(); // the map's order must not reach the effects
        for id in ids {
            self.cancel(id);
        }
    }

    /// Whether a read still waits; for tests of the protocol.
    pub fn waiting_reads(&self) -> usize {
        self.waiting
            .values()
            .filter(|read: &&Waiting| read.missing > 0)
            .count()
    }
}
