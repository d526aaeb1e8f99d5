//! The kernel's copies of blocks: dropped, filled, lost and forgotten, and the sentinels that tell of silent reads.
//! Absent: which blocks are to have one (`residency`).

use crate::cache::Core;
use crate::catalog::Phase;
use crate::eviction::Slot;
use crate::{Effect, Extent, FileId, Tier};

const PAGE_BYTES: u64 = 4096;
/// One held block in so many has a sentinel page: unbiased estimates at 1 % of the cost of seeing everything.
const SENTINEL_ONE_IN: u64 = 100;

impl Core {
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

    pub(crate) fn is_chosen_as_sentinel(&self, slot: Slot) -> bool {
        let block = &self.catalog.blocks[slot as usize];
        let key = u64::from(block.file.0) << 32 | u64::from(block.index);
        u64::from(block.length) > PAGE_BYTES && mix(self.plan.seed ^ key).is_multiple_of(SENTINEL_ONE_IN)
    }

    pub(crate) fn sentinel_page(&self, slot: Slot) -> Extent {
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
}

/// Scatter a key (the finaliser of SplitMix64), so that sentinels are spread evenly and the same for the same seed.
fn mix(key: u64) -> u64 {
    let mut mixed = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
