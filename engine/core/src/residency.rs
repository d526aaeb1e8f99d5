//! What becomes of a block that was read: kept, in which part of the tier, passed on or let go. Absent: when somebody
//! reads; what is fetched; who gives way (`room`); the kernel's copies (`kernel_pages`).
//!
//! A block that a kernel-part policy admits is recharged: its pages came by a reader's READ and are charged to the reader's
//! cgroup, so they are dropped and filled again by the daemon, from the bytes it still holds.

use crate::cache::Core;
use crate::catalog::{NONE, Phase};
use crate::class::PrefetchClass;
use crate::eviction::{Asked, Slot};
use crate::filetype::Detection;
use crate::{Effect, Extent, Tier};

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
        } else if block.is_in_daemon && self.admit(slot) {
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
    pub(crate) fn leave(&mut self, slot: Slot) {
        let block = &self.catalog.blocks[slot as usize];
        self.trail.remove(slot, block);
        if !block.is_resident {
            self.release(slot);
        } else if self.part_of(slot) == Tier::Daemon && block.kernel > 0 {
            self.drop_kernel(slot);
        }
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
            // its copy is not in the books of what is held; a read under way still needs it
            Tier::Kernel if was_silent && self.catalog.blocks[slot as usize].pins == 0 => {
                self.drop_daemon(slot)
            }
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

    pub(crate) fn drop_daemon(&mut self, slot: Slot) {
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

    /// Let go of a block of a version that is dead.
    pub(crate) fn forget_block(&mut self, slot: Slot) {
        self.unstage(slot, false);
        self.disown(slot);
        if let Some(id) = self.catalog.blocks[slot as usize].fetch {
            self.cancel(id);
        }
        self.release(slot);
    }
}
