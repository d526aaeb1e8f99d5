//! Reads and their answers: which blocks a read needs, where they come from, and when it can be answered.
//! Absent: fetching, and what becomes of a block that was read (`residency`).

use crate::cache::Core;
use crate::catalog::{NONE, Phase};
use crate::eviction::Slot;
use crate::prefetch::SeenRead;
use crate::{CoreError, Effect, Extent, FileId, ReaderId, ServedFrom, TicketId};

const ESTALE: i32 = 116;

/// A read that waits for blocks.
pub(crate) struct Waiting {
    pub(crate) extent: Extent,
    pub(crate) missing: u32,
    pub(crate) from: ServedFrom,
}

impl Core {
    pub(crate) fn opened(&mut self, file: FileId, reader: ReaderId) -> Result<(), CoreError> {
        self.observe_open(self.known(file)?, reader)?;
        let prefetch = self.catalog.files[file.0 as usize].prefetch;
        if prefetch != NONE {
            self.prefetches[prefetch as usize]
                .prefetcher
                .opened(file, reader, &self.catalog);
        }
        Ok(())
    }

    pub(crate) fn hinted(&mut self, files: &[FileId]) -> Result<(), CoreError> {
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

    pub(crate) fn read(
        &mut self,
        ticket: TicketId,
        extent: Extent,
        reader: ReaderId,
    ) -> Result<(), CoreError> {
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
        let first = self.catalog.ensure_slot(extent.file, *blocks.start());
        if self.nothing_is_done_with(&extent) {
            for slot in self.catalog.slots(&extent) {
                self.note_early_leave(slot, goes_on);
                self.catalog.blocks[slot as usize].pins += 1;
            }
            let (missing, from) = (1, ServedFrom::Source);
            self.waiting.insert(
                ticket,
                Waiting {
                    extent,
                    missing,
                    from,
                },
            );
            self.read_through(first, extent, ticket);
            return Ok(());
        }
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

    /// Whether no action asks for anything that an extent's blocks would be good for, and none is here or on its way.
    fn nothing_is_done_with(&self, extent: &Extent) -> bool {
        self.catalog.files[extent.file.0 as usize].is_untreated
            && self.catalog.slots(extent).all(|slot| {
                let block = &self.catalog.blocks[slot as usize];
                !block.is_in_daemon && !block.is_resident && block.fetch.is_none()
            })
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

    pub(crate) fn source_changed(&mut self, file: FileId, version: crate::Version) {
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
        self.cancel_reads_through(file);
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
