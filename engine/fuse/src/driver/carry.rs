//! Effects of the core turned into replies, fetches and orders.

use std::sync::Arc;

use fuser::{Errno, INodeNo};
use mlopt_core::{
    Effect, Event, Extent, FIRST_BYTES, FetchClass, FetchId, FileId, KnownFormat, Priority, ServedFrom,
    TicketId,
};

use super::{Action, Block, Driver, Fetch, Inner, Invalidation, Overdue, PendingRead, Push, Step};
use crate::buffers::{AlignedBuffer, PAGE};
use crate::fetcher::{Demand, Urgency};
use crate::source::{Attributes, ReadError};

/// One push into the kernel at most [bytes]: what fuser and the kernel take in a piece.
const PUSH_BYTES: usize = 1 << 20;

impl Inner {
    /// Take a read out of the books.
    pub(super) fn take_read(&mut self, ticket: TicketId) -> Option<PendingRead> {
        let read = self.reads.remove(&ticket)?;
        if let Some(count) = self.reads_of.get_mut(&read.extent.file) {
            *count -= 1;
            if *count == 0 {
                self.reads_of.remove(&read.extent.file);
            }
        }
        Some(read)
    }

    /// The pieces of held blocks that make up an extent; `None` if one is missing.
    fn pieces(&self, extent: &Extent) -> Option<Vec<(Block, std::ops::Range<usize>)>> {
        if let Some((block, _)) = self.read_through.as_ref().filter(|(_, of)| of == extent) {
            return Some(vec![(block.clone(), 0..block.len())]);
        }
        let blocks = self.held.get(&extent.file)?;
        let mut pieces = Vec::with_capacity(1);
        let mut at = extent.offset;
        while at < extent.end() {
            let (start, block) = blocks.range(..=at).next_back()?;
            let from = (at - start) as usize;
            let until = block.len().min((extent.end() - start) as usize);
            if from >= until {
                return None;
            }
            pieces.push((block.clone(), from..until));
            at = start + until as u64;
        }
        Some(pieces)
    }

    /// Whole blocks held that lie in an extent.
    pub(super) fn blocks_in(&self, extent: &Extent) -> Vec<(u64, Block)> {
        self.held.get(&extent.file).map_or_else(Vec::new, |blocks| {
            blocks
                .range(extent.offset..extent.end())
                .map(|(offset, block)| (*offset, block.clone()))
                .collect()
        })
    }

    fn drop_daemon(&mut self, extent: &Extent) {
        let Some(blocks) = self.held.get_mut(&extent.file) else {
            return;
        };
        let offsets: Vec<u64> = blocks
            .range(extent.offset..extent.end())
            .map(|(offset, _)| *offset)
            .collect();
        for offset in offsets {
            if let Some(block) = blocks.remove(&offset) {
                self.held_bytes -= block.len() as u64;
            }
        }
        if blocks.is_empty() {
            self.held.remove(&extent.file);
        }
    }
}

impl Driver {
    /// Take an effect over into the books, and order what is to be done outside of the lock.
    pub(super) fn take(self: &Arc<Self>, inner: &mut Inner, effect: Effect, step: &mut Step) {
        match effect {
            Effect::Serve { ticket, from } => self.serve(inner, ticket, from, step),
            Effect::Fail { ticket, errno } => {
                if let Some(read) = inner.take_read(ticket) {
                    self.metrics.failed_reads.one();
                    step.actions.push(Action::Fail(read.reply, errno));
                    self.unpark(inner, read.extent.file, step);
                }
            }
            Effect::Fetch {
                id,
                extent,
                class,
                reads_through,
                priority,
                streams,
                ..
            } => {
                inner.fetches.insert(
                    id,
                    Fetch {
                        extent,
                        reads_through,
                        parts: 0,
                        cancelled: false,
                        blocks: Vec::new(),
                        failed: None,
                    },
                );
                self.expect(inner, Overdue::Fetch(id));
                let urgency = match class {
                    FetchClass::Demand => Urgency::Demand,
                    FetchClass::Refill => Urgency::Refill,
                    FetchClass::Prefetch => Urgency::Prefetch,
                };
                let streams = usize::from(streams.max(1));
                step.actions.push(Action::Fetch {
                    id,
                    extent,
                    urgency,
                    priority,
                    streams,
                });
            }
            Effect::Cancel { id } => {
                if let Some(fetch) = inner.fetches.get_mut(&id) {
                    fetch.cancelled = true;
                }
            }
            Effect::DropDaemon { extent } => inner.drop_daemon(&extent),
            Effect::Keep { extent, tier } => self.keep(inner, extent, tier, step),
            Effect::Fill {
                extent,
                leave_tail_pages,
            } => self.fill(inner, extent, leave_tail_pages, step),
            Effect::DropKernel { extent } => self.drop_soon(inner, extent, step),
            Effect::Lock { extent } => self.lock_pages(inner, extent, step),
            Effect::Retire { file, .. } => self.retire(inner, file, step),
            Effect::DropDisk { .. } => {} // no disk tier yet: the core never orders it
        }
    }

    fn serve(self: &Arc<Self>, inner: &mut Inner, ticket: TicketId, from: ServedFrom, step: &mut Step) {
        let Some(read) = inner.take_read(ticket) else {
            return; // its timer answered already
        };
        let file = read.extent.file;
        match inner.pieces(&read.extent) {
            Some(pieces) => {
                match from {
                    ServedFrom::Source => self.metrics.served_source_reads.one(),
                    ServedFrom::Resident => self.metrics.served_resident_reads.one(),
                    ServedFrom::Prefetched => self.metrics.served_prefetched_reads.one(),
                    ServedFrom::Late => self.metrics.served_late_reads.one(),
                }
                inner.note_reply(file, self.clock.now());
                step.actions.push(Action::Reply(read.reply, pieces));
            }
            None => {
                self.metrics.broken_promises.one();
                self.metrics.failed_reads.one();
                step.actions.push(Action::Fail(read.reply, libc::EIO));
            }
        }
        self.unpark(inner, file, step);
    }

    fn retire(self: &Arc<Self>, inner: &mut Inner, file: FileId, step: &mut Step) {
        let Some(node) = inner.nodes.of_file(file) else {
            return;
        };
        if let Some(found) = inner.nodes.get_mut(node) {
            found.retired = true;
            let entry = Invalidation::Entry {
                parent: found.parent,
                name: found.name.clone(),
            };
            step.actions.push(Action::Invalidate(entry));
        }
        self.release(inner, file, step);
    }

    pub(super) fn carry_out(self: &Arc<Self>, action: Action) {
        match action {
            Action::Reply(reply, pieces) => match pieces.as_slice() {
                [(block, range)] => reply.data(&block[range.clone()]),
                _ => match joined(&pieces) {
                    Ok(bytes) => reply.data(&bytes),
                    Err(error) => reply.error(Errno::from(error)),
                },
            },
            Action::Fail(reply, errno) => reply.error(Errno::from_i32(errno)),
            Action::Fetch {
                id,
                extent,
                urgency,
                priority,
                streams,
            } => self.start_fetch(id, extent, (urgency, priority), streams),
            Action::Order(order) => self.order(order),
            Action::Push(push) => {
                let _ = self.pushes.send(push);
            }
            Action::Invalidate(what) => {
                let _ = self.invalidations.send(what);
            }
            Action::Finish(reply, found) => reply.finish(found),
        }
    }

    fn start_fetch(
        self: &Arc<Self>,
        id: FetchId,
        extent: Extent,
        (urgency, priority): (Urgency, Priority),
        streams: usize,
    ) {
        let mut inner = self.inner.lock();
        let reads_through = inner.fetches.get(&id).is_some_and(|fetch| fetch.reads_through);
        let block_bytes = if reads_through {
            extent.length
        } else {
            inner.plan.block_bytes
        };
        let blocks: Vec<(u64, u64)> = (0..extent.length.div_ceil(block_bytes))
            .map(|index| {
                let offset = extent.offset + index * block_bytes;
                (offset, block_bytes.min(extent.end() - offset))
            })
            .collect();
        let Some(node) = inner.nodes.of_file(extent.file) else {
            return;
        };
        let (path, attributes, directory) = match inner.nodes.get(node) {
            Some(found) => (inner.nodes.path(node), found.attributes, found.parent),
            None => return,
        };
        let share = blocks.len().div_ceil(streams).max(1);
        let parts: Vec<Vec<(u64, u64)>> = blocks.chunks(share).map(<[_]>::to_vec).collect();
        match inner.fetches.get_mut(&id) {
            Some(fetch) => fetch.parts = parts.len(),
            None => return, // timed out before it began
        }
        drop(inner);
        let path = Arc::new(path);
        for part in parts {
            let (driver, path) = (self.clone(), path.clone());
            let demand = Demand {
                urgency,
                priority,
                bytes: part.iter().map(|(_, length)| length).sum(),
                directory,
            };
            self.fetcher.submit(demand, move || {
                driver.fetch_part(id, extent.file, &path, &attributes, &part);
            });
        }
    }

    /// On a thread of the pool: read some blocks of a fetch.
    fn fetch_part(
        self: &Arc<Self>,
        id: FetchId,
        file: FileId,
        path: &[u8],
        attributes: &Attributes,
        blocks: &[(u64, u64)],
    ) {
        let wanted = match self.inner.lock().fetches.get(&id) {
            Some(fetch) if fetch.cancelled || fetch.failed.is_some() => Err(libc::ECANCELED),
            Some(_) => Ok(()),
            None => return, // timed out
        };
        let result = wanted.and_then(|()| self.read_blocks(path, attributes, blocks));
        let changed = matches!(result, Err(libc::ESTALE));
        let version = changed.then(|| {
            let now = self.source.stat(path);
            now.map_or(mlopt_core::Version(0), |now| now.version())
        });
        let mut step = Step::default();
        let mut inner = self.inner.lock();
        let Some(fetch) = inner.fetches.get_mut(&id) else {
            return;
        };
        match result {
            Ok(read) => fetch.blocks.extend(read),
            Err(errno) => fetch.failed = fetch.failed.or(Some(errno)),
        }
        fetch.parts -= 1;
        if fetch.parts == 0
            && let Some(fetch) = inner.fetches.remove(&id)
        {
            self.end_fetch(&mut inner, id, fetch, &mut step);
        }
        if let Some(version) = version
            && let Some(node) = inner.nodes.of_file(file)
            && inner.nodes.get(node).is_some_and(|node| !node.retired)
        {
            self.metrics.changed_files.one();
            self.retire(&mut inner, file, &mut step);
            self.tell(&mut inner, Event::SourceChanged { file, version }, &mut step);
        }
        self.finish(inner, step);
    }

    /// Look at the first bytes of a file when they come, where some rule asks what they tell.
    fn recognize(self: &Arc<Self>, inner: &mut Inner, fetch: &Fetch, step: &mut Step) {
        let file = fetch.extent.file;
        if !inner.rules.need_content() || inner.core.has_format(file) {
            return;
        }
        let first = fetch.blocks.iter().find(|(offset, _)| *offset == 0);
        let seen = first.map(|(_, block)| &block[..block.len().min(FIRST_BYTES)]);
        if let Some(format) = seen.and_then(KnownFormat::of_content) {
            self.tell(inner, Event::Recognized { file, format }, step);
        }
    }

    fn end_fetch(self: &Arc<Self>, inner: &mut Inner, id: FetchId, fetch: Fetch, step: &mut Step) {
        if let Some(errno) = fetch.failed {
            self.tell(inner, Event::FetchFailed { id, errno }, step);
            return;
        }
        self.recognize(inner, &fetch, step);
        if fetch.reads_through {
            inner.read_through = fetch
                .blocks
                .into_iter()
                .next()
                .map(|(_, block)| (block, fetch.extent));
            let bytes = fetch.extent.length;
            self.tell(inner, Event::FetchDone { id, bytes }, step);
            inner.read_through = None;
            return;
        }
        let held = inner.held.entry(fetch.extent.file).or_default();
        for (offset, block) in fetch.blocks {
            inner.held_bytes += block.len() as u64;
            if let Some(old) = held.insert(offset, block) {
                inner.held_bytes -= old.len() as u64;
            }
        }
        let bytes = fetch.extent.length;
        self.tell(inner, Event::FetchDone { id, bytes }, step);
    }

    fn read_blocks(
        &self,
        path: &[u8],
        attributes: &Attributes,
        blocks: &[(u64, u64)],
    ) -> Result<Vec<(u64, Block)>, i32> {
        let first = blocks.first().map_or(0, |(offset, _)| *offset);
        let mut buffers = Vec::with_capacity(blocks.len());
        for (_, length) in blocks {
            buffers.push(AlignedBuffer::new(*length as usize).map_err(|_| libc::ENOMEM)?);
        }
        self.metrics.source_read_requests.add(blocks.len() as u64);
        match self.source.read(path, attributes, first, &mut buffers) {
            Ok(()) => {
                let offsets = blocks.iter().map(|(offset, _)| *offset);
                let bytes: usize = buffers.iter().map(|buffer| buffer.len()).sum();
                self.metrics.source_read_bytes.add(bytes as u64);
                Ok(offsets.zip(buffers.into_iter().map(Arc::new)).collect())
            }
            Err(ReadError::Changed) => Err(libc::ESTALE),
            Err(ReadError::Errno(errno)) => {
                self.metrics.source_errors.one();
                // ESTALE would mean a new version to the caller; after three tries it is the source's trouble.
                Err(if errno == libc::ESTALE { libc::EIO } else { errno })
            }
        }
    }

    /// On the pusher's thread: `notify_store` may wait for an unanswered READ of the same pages.
    pub fn push(self: &Arc<Self>, push: &Push) {
        let complete = push
            .blocks
            .iter()
            .map(|(_, block)| block.len() as u64)
            .sum::<u64>();
        let end = push.extent.offset + push.bytes;
        let mut result = if complete < push.bytes {
            Err(libc::EIO)
        } else {
            Ok(())
        };
        for (offset, block) in &push.blocks {
            for (index, piece) in block.chunks(PUSH_BYTES).enumerate() {
                let at = offset + (index * PUSH_BYTES) as u64;
                let room = end.saturating_sub(at).min(piece.len() as u64) as usize;
                if result.is_err() || room == 0 {
                    break;
                }
                result = match self.notifier.get() {
                    Some(notifier) => notifier
                        .store(INodeNo(push.node), at, &piece[..room])
                        .map_err(|error| error.raw_os_error().unwrap_or(libc::EIO)),
                    None => Err(libc::ENOTCONN),
                };
            }
        }
        self.pushed(push.extent, push.bytes, push.leave_tail_pages, result.is_ok());
    }

    /// On the invalidator's thread.
    pub fn invalidate(self: &Arc<Self>, what: &Invalidation) {
        use std::os::unix::ffi::OsStrExt;
        let Some(notifier) = self.notifier.get() else {
            return;
        };
        match what {
            Invalidation::Entry { parent, name } => {
                let _ = notifier.inval_entry(INodeNo(*parent), std::ffi::OsStr::from_bytes(name));
            }
            Invalidation::Pages { node, extent } => {
                let length = extent.length.next_multiple_of(PAGE as u64);
                let _ = notifier.inval_inode(INodeNo(*node), extent.offset as i64, length as i64);
                self.dropped(*extent, 0);
            }
        }
    }
}

fn joined(pieces: &[(Block, std::ops::Range<usize>)]) -> std::io::Result<AlignedBuffer> {
    let mut bytes = AlignedBuffer::new(pieces.iter().map(|(_, range)| range.len()).sum())?;
    let mut at = 0;
    for (block, range) in pieces {
        bytes[at..at + range.len()].copy_from_slice(&block[range.clone()]);
        at += range.len();
    }
    Ok(bytes)
}
