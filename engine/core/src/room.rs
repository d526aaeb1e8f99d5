//! Who gives way: to a class that may grow, to a reader in need, to the budget. Absent: what wants in, and when.
//!
//! Between classes priority decides, inside a class its policy. What passes and what is staged goes before what is held.

use crate::cache::{Core, INODE_BYTES};
use crate::catalog::{Block, NONE};
use crate::class::CacheClass;
use crate::eviction::{Eviction, Slot};
use crate::transient::Standing;
use crate::{CachePriority, Tier};

impl Core {
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

    /// Whether a class may grow: below its cap, its part and the budget, evicting where priorities and policies allow.
    pub(crate) fn find_place(&mut self, class: usize, slot: Slot) -> bool {
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
