//! What stays, in which part of the tier, and what leaves. Absent: when somebody reads; what is fetched.
//!
//! A block that a kernel-part policy admits is recharged: its pages came by a reader's READ and are charged to the reader's
//! cgroup, so they are dropped and filled again by the daemon, from the bytes it still holds.

use crate::cache::{Core, INODE_BYTES};
use crate::catalog::{Block, NONE, Phase};
use crate::class::{CacheClass, PrefetchClass};
use crate::eviction::{Asked, Eviction, Slot};
use crate::filetype::Detection;
use crate::transient::Standing;
use crate::{CachePriority, Effect, Extent, FileId, Tier};

const PAGE_BYTES: u64 = 4096;
/// One held block in so many has a sentinel page: unbiased estimates at 1 % of the cost of seeing everything.
const SENTINEL_ONE_IN: u64 = 100;

impl Core {
    pub(crate) fn part_of(&self, slot: Slot) -> Tier {
        self.classes[self.catalog.blocks[slot as usize].class as usize].part
    }

    /// A read of (a part of) a block was answered.
    pub(crate) fn was_read(&mut self, slot: Slot, part: &Extent) {
        self.unstage(slot, true);
        let block = &self.catalog.blocks[slot as usize];
        if block.is_resident {
            let class = block.class as usize;
            self.describe(class, slot);
            self.classes[class].policy.touch(slot);
            match self.classes[class].part {
                Tier::Kernel => self.read_of_held(slot, part),
                _ => self.trail.touch(slot, &self.catalog.blocks[slot as usize]),
            }
        } else if self.admit(slot) {
            match self.part_of(slot) {
                Tier::Kernel => self.drop_kernel(slot),
                _ => self.trail.touch(slot, &self.catalog.blocks[slot as usize]),
            }
        } else {
            let block = &self.catalog.blocks[slot as usize];
            self.trail.touch(slot, block);
            // its end may be sent before its middle: several threads take the messages
            if block.kernel >= block.length && block.pins == 0 {
                self.drop_daemon(slot);
            } else {
                self.passing.push(slot);
            }
        }
    }

    /// A held block was read although the kernel should have it: a sentinel, a fill under way, or lost pages.
    fn read_of_held(&mut self, slot: Slot, part: &Extent) {
        let block = &self.catalog.blocks[slot as usize];
        if block.phase != Phase::Idle {
            return; // the drop or fill under way ends it
        }
        if block.is_sentinel && part.offset >= self.sentinel_page(slot).offset {
            self.stats.sentinel_reads += 1;
            let extent = self.sentinel_page(slot);
            self.effects.push_back(Effect::DropKernel { extent });
        } else {
            self.drop_kernel(slot);
        }
    }

    /// Nobody needs a block's passing pages any more: they go at once where reads must be seen, else when room is needed.
    pub(crate) fn spend(&mut self, slot: Slot) {
        let block = &self.catalog.blocks[slot as usize];
        let file = &self.catalog.files[block.file.0 as usize];
        let (prefetch, stream) = (file.prefetch as usize, file.stream as usize);
        let must_leave = block.is_resident
            || self
                .prefetches
                .get(prefetch)
                .is_some_and(|group| group.prefetcher.must_see_reads())
            || self
                .prefetches
                .get(stream)
                .is_some_and(PrefetchClass::drops_behind);
        if must_leave && block.pins == 0 {
            self.leave(slot);
        } else {
            self.trail.spend(slot, block);
        }
    }

    /// Let the passing pages of a block go, and its bytes if no policy owns them.
    fn leave(&mut self, slot: Slot) {
        let block = &self.catalog.blocks[slot as usize];
        self.trail.remove(slot, block);
        if !block.is_resident {
            self.release(slot);
        } else if self.part_of(slot) == Tier::Daemon && block.kernel > 0 {
            self.drop_kernel(slot);
        }
    }

    /// Let the oldest block go whose pages nobody needs.
    pub(crate) fn evict_spent(&mut self) -> bool {
        let oldest = self.trail.oldest_spent();
        oldest.map(|slot| self.leave(slot)).is_some()
    }

    /// Let the block go that was read longest ago, although its reader may still be in its pages.
    pub(crate) fn evict_trailing(&mut self) -> bool {
        let Some(slot) = self.trail.oldest_trailing() else {
            return false;
        };
        self.catalog.blocks[slot as usize].left_early = self.demands.max(1);
        self.leave(slot);
        true
    }

    /// The same, as far as more trails than must: what was learned, and some of what readers copy just now.
    pub(crate) fn evict_surplus_trailing(&mut self) -> bool {
        let copied = self.most_demand_bytes.min(self.demand_room_bytes() / 4);
        self.trail.bytes() > self.trail_reserve.max(copied) && self.evict_trailing()
    }

    /// Tell a policy that ranks by more than the order of reads what a block is.
    fn describe(&mut self, class: usize, slot: Slot) {
        if !self.classes[class].ranks_files {
            return;
        }
        let block = &self.catalog.blocks[slot as usize];
        let format = self.catalog.files[block.file.0 as usize].format;
        let asked = Asked {
            now: self.now,
            bytes: u64::from(block.length),
            kind: Detection::of_known(self.catalog.path(block.file), format).file_type,
            pattern: self.live_facts(block.file).pattern,
        };
        self.classes[class].policy.asked(slot, &asked);
    }

    /// Try to make a block that the driver holds resident in its class.
    pub(crate) fn admit(&mut self, slot: Slot) -> bool {
        let block = &self.catalog.blocks[slot as usize];
        let file = &self.catalog.files[block.file.0 as usize];
        let (class, length) = (file.class, u64::from(block.length));
        if class == NONE || file.is_dead {
            return false;
        }
        self.describe(class as usize, slot);
        if !self.find_place(class as usize, slot) {
            return false;
        }
        let owner = &mut self.classes[class as usize];
        owner.bytes += length;
        owner.policy.insert(slot);
        if let Some(retention) = &mut owner.retention {
            retention.entered(slot, self.now);
        }
        let part = owner.part;
        let block = &mut self.catalog.blocks[slot as usize];
        block.is_resident = true;
        block.class = class;
        self.stats.admitted.add(length);
        if part == Tier::Kernel {
            self.catalog.files[self.catalog.blocks[slot as usize].file.0 as usize].silent_blocks += 1;
            self.stats.silent_blocks += 1;
        }
        let extent = self.catalog.extent(slot);
        self.effects.push_back(Effect::Keep { extent, tier: part });
        true
    }

    /// Admit a block under a new plan, where the bytes may already be.
    pub(crate) fn readmit(&mut self, slot: Slot) -> bool {
        let was_silent = self.catalog.blocks[slot as usize].kernel > 0;
        if !self.admit(slot) {
            return false;
        }
        let block = &self.catalog.blocks[slot as usize];
        match self.part_of(slot) {
            Tier::Kernel if was_silent => {}
            Tier::Kernel if block.is_in_daemon && block.phase == Phase::Idle => self.fill(slot),
            // bytes that only the kernel has cannot move to the daemon
            Tier::Daemon if !block.is_in_daemon => {
                self.disown(slot);
                return false;
            }
            _ => {}
        }
        true
    }

    /// Whether a class may grow: below its cap, its part and the budget, evicting where priorities and policies allow.
    fn find_place(&mut self, class: usize, slot: Slot) -> bool {
        let length = u64::from(self.catalog.blocks[slot as usize].length);
        let part = self.classes[class].part;
        let has_copy = part == Tier::Kernel && self.is_chosen_as_sentinel(slot);
        let copy = if has_copy { length } else { 0 };
        while self.classes[class].bytes + length > self.classes[class].cap_bytes {
            if !self.evict_from(class) {
                return false;
            }
        }
        while !self.part_has_room(part, length) {
            if !self.evict_for(class, |other| other.part == part) {
                return false;
            }
        }
        loop {
            let needed = self.held_bytes()
                + length
                + copy
                + self.sentinel_bytes
                + self.staging_reserve()
                + self.headroom_bytes()
                + self.stats.files * INODE_BYTES;
            if needed <= self.plan.tiers.memory.bytes {
                return true;
            }
            if !self.evict_for(class, |_| true) {
                return false;
            }
        }
    }

    /// Make room for a class: what some classes of lower priority hold gives way, then what its own policy lets go.
    fn evict_for(&mut self, class: usize, is_meant: impl Fn(&CacheClass) -> bool) -> bool {
        let priority = self.classes[class].action.priority;
        let below = self.lowest(
            |other| other.action.priority < priority && is_meant(other),
            |policy| policy.yields(),
        );
        below.map(|slot| self.give_up(slot)).is_some() || self.evict_from(class)
    }

    /// What the cache policies hold, however many copies there are of it [bytes].
    pub(crate) fn held_bytes(&self) -> u64 {
        self.classes.iter().map(|class| class.bytes).sum()
    }

    fn part_has_room(&self, part: Tier, length: u64) -> bool {
        let memory = &self.plan.tiers.memory;
        let kernel = (memory.kernel_share * memory.bytes as f64) as u64;
        let limit = if part == Tier::Kernel {
            kernel
        } else {
            memory.bytes - kernel
        };
        let held: u64 = self
            .classes
            .iter()
            .filter(|class| class.part == part)
            .map(|class| class.bytes)
            .sum();
        held + length <= limit
    }

    /// What held blocks must leave for staging [bytes].
    fn staging_reserve(&self) -> u64 {
        let groups = self.prefetches.iter().filter(|group| group.has_members);
        groups.map(|group| group.cap_bytes).sum()
    }

    /// Evict the policy's victim of one class.
    fn evict_from(&mut self, class: usize) -> bool {
        let victim = self.classes[class].policy.victim();
        let victim = victim.filter(|&slot| self.catalog.blocks[slot as usize].pins == 0);
        victim.map(|slot| self.give_up(slot)).is_some()
    }

    /// Evict a victim from the class of the lowest priority that has one.
    pub(crate) fn evict_resident(&mut self) -> bool {
        self.evict_lowest(|_| true)
    }

    fn evict_lowest(&mut self, is_meant: impl Fn(&CacheClass) -> bool) -> bool {
        let victim = self.lowest(is_meant, |policy| policy.victim());
        victim.map(|slot| self.give_up(slot)).is_some()
    }

    /// The block that the class of the lowest priority among some would let go, and that nobody waits for.
    fn lowest(
        &mut self,
        is_meant: impl Fn(&CacheClass) -> bool,
        choose: impl Fn(&mut dyn Eviction) -> Option<Slot>,
    ) -> Option<Slot> {
        for &priority in CachePriority::ALL {
            let classes = self.classes.iter_mut();
            let found = classes
                .filter(|class| class.action.priority == priority && is_meant(class))
                .filter_map(|class| choose(class.policy.as_mut()))
                .find(|&slot| self.catalog.blocks[slot as usize].pins == 0);
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn give_up(&mut self, slot: Slot) {
        self.disown(slot);
        self.release(slot);
    }

    /// Let the oldest copy go that nobody owns and nobody waits for; its pages in the kernel trail on.
    pub(crate) fn evict_passing(&mut self) -> bool {
        let blocks = &self.catalog.blocks;
        let slot = self.passing.take(|slot| standing(&blocks[slot as usize], false));
        slot.map(|slot| self.drop_daemon(slot)).is_some()
    }

    /// Let blocks go whose time is over.
    pub(crate) fn end_retentions(&mut self) {
        for class in 0..self.classes.len() {
            while let Some(retention) = &self.classes[class].retention
                && let Some(slot) = retention.over(self.now)
            {
                self.give_up(slot);
            }
        }
    }

    /// Let the oldest staged block go, unread.
    pub(crate) fn evict_staged(&mut self) -> bool {
        let blocks = &self.catalog.blocks;
        let slot = self.staged.take(|slot| standing(&blocks[slot as usize], true));
        slot.map(|slot| {
            self.unstage(slot, false);
            self.release(slot);
        })
        .is_some()
    }

    /// End a block's time in the staging area.
    pub(crate) fn unstage(&mut self, slot: Slot, was_used: bool) {
        let staged = std::mem::replace(&mut self.catalog.blocks[slot as usize].staged, NONE);
        if staged == NONE {
            return;
        }
        let block = self.block_ref(slot);
        let length = u64::from(self.catalog.blocks[slot as usize].length);
        let group = &mut self.prefetches[staged as usize];
        group.bytes -= length;
        group.prefetcher.outcome(block, was_used);
        let tally = if was_used {
            &mut self.stats.prefetch_used
        } else {
            &mut self.stats.prefetch_wasted
        };
        tally.add(length);
    }

    /// Take a block from its policy; its bytes stay where they are.
    pub(crate) fn disown(&mut self, slot: Slot) {
        let block = &mut self.catalog.blocks[slot as usize];
        if !std::mem::take(&mut block.is_resident) {
            return;
        }
        let (class, length, file) = (block.class as usize, u64::from(block.length), block.file);
        if std::mem::take(&mut block.is_sentinel) {
            self.stats.sentinel_blocks -= 1;
            self.sentinel_bytes -= length;
        }
        let owner = &mut self.classes[class];
        owner.policy.remove(slot);
        owner.bytes -= length;
        if let Some(retention) = &mut owner.retention {
            retention.left(slot);
        }
        self.stats.evicted.add(length);
        if owner.part == Tier::Kernel {
            self.catalog.files[file.0 as usize].silent_blocks -= 1;
            self.stats.silent_blocks -= 1;
        }
    }

    /// Let go of all copies of a block that no policy owns.
    pub(crate) fn release(&mut self, slot: Slot) {
        if self.catalog.blocks[slot as usize].pins > 0 {
            self.passing.push(slot); // a read still waits for it together with another block
            return;
        }
        self.trail.remove(slot, &self.catalog.blocks[slot as usize]);
        self.drop_daemon(slot);
        if self.catalog.blocks[slot as usize].kernel > 0 {
            self.drop_kernel(slot);
        }
    }

    fn drop_daemon(&mut self, slot: Slot) {
        let block = &mut self.catalog.blocks[slot as usize];
        // a fill under way still reads these bytes: `filled` ends it
        if block.phase == Phase::Filling || !block.is_in_daemon {
            return;
        }
        block.is_in_daemon = false;
        self.stats.daemon_bytes -= u64::from(block.length);
        let extent = self.catalog.extent(slot);
        self.effects.push_back(Effect::DropDaemon { extent });
    }

    pub(crate) fn drop_kernel(&mut self, slot: Slot) {
        let block = &mut self.catalog.blocks[slot as usize];
        if block.phase != Phase::Idle {
            return;
        }
        block.phase = Phase::Dropping;
        self.dropping += 1;
        self.dropping_bytes += u64::from(block.kernel);
        let extent = self.catalog.extent(slot);
        self.effects.push_back(Effect::DropKernel { extent });
    }

    /// Push a held block into the kernel.
    pub(crate) fn fill(&mut self, slot: Slot) {
        let is_chosen = self.is_chosen_as_sentinel(slot);
        let block = &mut self.catalog.blocks[slot as usize];
        block.phase = Phase::Filling;
        if is_chosen && !block.is_sentinel {
            block.is_sentinel = true;
            self.stats.sentinel_blocks += 1;
            self.sentinel_bytes += u64::from(block.length);
        }
        let extent = self.catalog.extent(slot);
        self.effects.push_back(Effect::Fill {
            extent,
            leave_tail_pages: u32::from(is_chosen),
        });
    }

    fn is_chosen_as_sentinel(&self, slot: Slot) -> bool {
        let block = &self.catalog.blocks[slot as usize];
        let key = u64::from(block.file.0) << 32 | u64::from(block.index);
        u64::from(block.length) > PAGE_BYTES && mix(self.plan.seed ^ key).is_multiple_of(SENTINEL_ONE_IN)
    }

    fn sentinel_page(&self, slot: Slot) -> Extent {
        let whole = self.catalog.extent(slot);
        let offset = (whole.end() - 1) / PAGE_BYTES * PAGE_BYTES;
        Extent {
            file: whole.file,
            offset,
            length: whole.end() - offset,
        }
    }

    /// The driver pushed bytes into the kernel.
    pub(crate) fn filled(&mut self, extent: &Extent) {
        for slot in self.catalog.slots(extent) {
            if self.catalog.blocks[slot as usize].phase != Phase::Filling {
                continue;
            }
            let left_out = match self.catalog.blocks[slot as usize].is_sentinel {
                true => self.sentinel_page(slot).length as u32,
                false => 0,
            };
            let block = &mut self.catalog.blocks[slot as usize];
            block.phase = Phase::Idle;
            let now_there = block.length - left_out;
            self.stats.kernel_bytes =
                self.stats.kernel_bytes + u64::from(now_there) - u64::from(block.kernel);
            block.kernel = now_there;
            if !block.is_resident {
                self.release(slot);
                continue;
            }
            if self.classes[self.catalog.blocks[slot as usize].class as usize]
                .action
                .lock
                && now_there > 0
            {
                // only what is there: locking a page that is left out would read it
                let extent = Extent {
                    length: u64::from(now_there),
                    ..self.catalog.extent(slot)
                };
                self.effects.push_back(Effect::Lock { extent });
            }
            let block = &self.catalog.blocks[slot as usize];
            if !block.is_sentinel && block.pins == 0 {
                // a sentinel's bytes stay, or each of its reads would cost a fetch
                self.drop_daemon(slot);
            }
        }
    }

    /// The kernel has no longer what it had: we asked, or it did so by itself.
    pub(crate) fn dropped(&mut self, extent: &Extent) {
        for slot in self.catalog.slots(extent) {
            let whole = self.catalog.extent(slot);
            let is_whole = extent.offset <= whole.offset && extent.end() >= whole.end();
            let overlap = extent.end().min(whole.end()) - extent.offset.max(whole.offset);
            let block = &mut self.catalog.blocks[slot as usize];
            let gone = if is_whole {
                block.kernel
            } else {
                block.kernel.min(overlap as u32)
            };
            let was_there = u64::from(block.kernel);
            block.kernel -= gone;
            self.stats.kernel_bytes -= u64::from(gone);
            let is_sentinel_page = block.is_sentinel && !is_whole && overlap <= PAGE_BYTES;
            match std::mem::take(&mut self.catalog.blocks[slot as usize].phase) {
                Phase::Dropping => {
                    self.dropping -= 1;
                    self.dropping_bytes -= was_there;
                    self.settle(slot);
                }
                // the push failed: the inode is gone from the kernel
                Phase::Filling => self.not_filled(slot),
                Phase::Idle if is_sentinel_page => {}
                Phase::Idle => self.lost(slot, u64::from(gone)),
            }
        }
    }

    /// The kernel's pages are gone as asked: fill a block that is to stay there.
    fn settle(&mut self, slot: Slot) {
        let block = &self.catalog.blocks[slot as usize];
        if block.is_resident && self.part_of(slot) == Tier::Kernel {
            if block.is_in_daemon {
                self.fill(slot);
            } else {
                self.refill(slot);
            }
        }
    }

    fn not_filled(&mut self, slot: Slot) {
        if self.catalog.blocks[slot as usize].is_resident {
            self.disown(slot);
        }
        self.release(slot);
    }

    fn lost(&mut self, slot: Slot, bytes: u64) {
        let block = &self.catalog.blocks[slot as usize];
        if !block.is_resident || self.part_of(slot) != Tier::Kernel {
            return;
        }
        self.stats.lost.add(bytes);
        if block.is_in_daemon {
            self.fill(slot);
        } else {
            self.refill(slot);
        }
    }

    /// The kernel forgot the inode, and with it all pages.
    pub(crate) fn forgotten(&mut self, file: FileId) {
        for slot in self.catalog.slots(&self.catalog.whole(file)) {
            let block = &self.catalog.blocks[slot as usize];
            // effects under way are answered by the driver as for any other block
            if block.phase != Phase::Idle {
                continue;
            }
            let was_there = block.kernel;
            self.stats.kernel_bytes -= u64::from(was_there);
            self.catalog.blocks[slot as usize].kernel = 0;
            if self.catalog.blocks[slot as usize].is_resident && self.part_of(slot) == Tier::Kernel {
                self.stats.lost.add(u64::from(was_there));
                self.disown(slot);
                self.release(slot);
            }
        }
    }

    /// Let go of a block of a version that is dead.
    pub(crate) fn forget_block(&mut self, slot: Slot) {
        self.unstage(slot, false);
        self.disown(slot);
        if let Some(id) = self.catalog.blocks[slot as usize].fetch {
            self.cancel(id);
        }
        self.release(slot);
    }

    /// Give back memory that the driver found missing in the books.
    pub(crate) fn give_back(&mut self, bytes: u64) {
        let goal = self.used_bytes().saturating_sub(bytes);
        let is_over = |core: &Core| core.used_bytes() - core.dropping_bytes > goal;
        while is_over(self) && (self.evict_spent() || self.evict_passing() || self.evict_staged()) {}
        while is_over(self) && self.evict_trailing() {}
        self.shrink_held(is_over);
    }

    /// Let go of held blocks while there are too many of them, those of the lowest priority first.
    ///
    /// Pinned classes give too: a hard budget is above a policy. The last slots go first, in one pass: with a million held
    /// blocks a search for each would hold the driver's lock for seconds.
    pub(crate) fn shrink_held(&mut self, is_over: impl Fn(&Core) -> bool) {
        for &priority in CachePriority::ALL {
            while is_over(self) && self.evict_lowest(|class| class.action.priority == priority) {}
            for slot in (0..self.catalog.blocks.len()).rev() {
                if !is_over(self) {
                    return;
                }
                let block = &self.catalog.blocks[slot];
                let is_meant = block.is_resident
                    && block.pins == 0
                    && self.classes[block.class as usize].action.priority == priority;
                if is_meant {
                    self.give_up(slot as Slot);
                }
            }
        }
    }

    /// Come back below the budget after replies put copies into the kernel.
    ///
    /// What the daemon holds frees bytes at once. Kernel pages take a while to go, so those on their way out count as gone,
    /// or one moment above the budget would empty a whole class.
    pub(crate) fn keep_budget(&mut self) {
        let budget = self.plan.tiers.memory.bytes;
        let is_over = |core: &Core, limit: u64| core.used_bytes() - core.dropping_bytes > limit;
        let with_room = budget.saturating_sub(self.demand_room_bytes());
        while is_over(self, with_room) && (self.evict_spent() || self.evict_surplus_trailing()) {}
        while self.used_bytes() > budget
            && (self.evict_passing() || self.evict_staged() || self.evict_in(Tier::Daemon))
        {}
        while is_over(self, budget) && (self.evict_trailing() || self.evict_in(Tier::Kernel)) {}
    }

    fn evict_in(&mut self, part: Tier) -> bool {
        self.evict_lowest(|class| class.part == part)
    }
}

/// How a block stands in its queue: gone from it, waited for, or free to leave.
fn standing(block: &Block, is_staged: bool) -> Standing {
    if !block.is_in_daemon || block.is_resident || (block.staged != NONE) != is_staged {
        Standing::Gone
    } else if block.pins > 0 {
        Standing::Needed
    } else {
        Standing::Free
    }
}

/// Scatter a key (the finaliser of SplitMix64), so that sentinels are spread evenly and the same for the same seed.
fn mix(key: u64) -> u64 {
    let mut mixed = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
