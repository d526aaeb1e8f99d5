//! The kernel's pages: which were pushed, which are to be dropped, and what the warden is asked to do about it.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlopt_core::{Event, Extent, FileId, Nanos, Tier};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Action, Driver, Inner, Invalidation, Push, Step};
use crate::buffers::PAGE;
use crate::warden::{Answer, LANE_STARTED, Order, OrderKind};

/// A drop right after the last reply races with the reader's copy and costs 27 % more READs; 200 us were enough on an idle
/// machine, a busy one gets more [ns].
const SETTLE_NS: u64 = 1_000_000;
/// A page that is mapped or being read survives a drop; tried this often before the books give it up.
const DROP_TRIES: u32 = 3;

/// Why the warden was asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum WardenTask {
    Hold(FileId),
    Fill { extent: Extent, leave_tail_pages: u32 },
    Drop { extent: Extent, tries: u32 },
    Count { extent: Extent },
    Lock,
}

#[derive(Debug, Default)]
struct FilePages {
    /// offset -> (bytes, pages expected)
    filled: BTreeMap<u64, (u64, u64)>,
    filling: u32,
    keeping: bool,
}

/// What was pushed into the kernel and is believed to be there.
#[derive(Debug, Default)]
pub(super) struct KernelPages {
    files: FxHashMap<FileId, FilePages>,
    holding: FxHashSet<FileId>,
    parked: FxHashMap<FileId, Vec<Push>>,
    bytes: u64,
}

impl std::fmt::Debug for Push {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Push({:?})", self.extent)
    }
}

impl KernelPages {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn files(&self) -> usize {
        self.holding.len()
    }

    /// The inode is gone with all its pages.
    pub(super) fn forget(&mut self, file: FileId) {
        if let Some(pages) = self.files.remove(&file) {
            self.bytes -= pages.filled.values().map(|(bytes, _)| bytes).sum::<u64>();
        }
    }

    fn remove(&mut self, extent: &Extent) {
        let Some(pages) = self.files.get_mut(&extent.file) else {
            return;
        };
        let offsets: Vec<u64> = pages
            .filled
            .range(extent.offset..extent.end())
            .map(|(offset, _)| *offset)
            .collect();
        for offset in offsets {
            self.bytes -= pages.filled.remove(&offset).map_or(0, |(bytes, _)| bytes);
        }
    }
}

impl Inner {
    /// Note that a read of a file was answered just now.
    pub(super) fn note_reply(&mut self, file: FileId, now: Nanos) {
        self.forget_old_replies(now.0);
        self.replies.push_back((now, file));
    }

    fn forget_old_replies(&mut self, now_ns: u64) {
        while self
            .replies
            .front()
            .is_some_and(|(when, _)| when.0 + SETTLE_NS <= now_ns)
        {
            self.replies.pop_front();
        }
    }
}

impl Driver {
    /// Give the driver its warden, or tell it that there is none any more.
    pub fn set_warden(self: &Arc<Self>, orders: Option<crossbeam_channel::Sender<Order>>) {
        let lost = orders.is_none();
        *self.orders.lock() = orders;
        let mut step = Step::default();
        let mut inner = self.inner.lock();
        inner.warden_threads.clear();
        if lost {
            inner.kernel.holding.clear();
            let tasks: Vec<WardenTask> = inner.tasks.drain().map(|(_, task)| task).collect();
            for task in tasks {
                self.undone(&mut inner, task, &mut step);
            }
        } else {
            // After a busy unmount a new warden takes over what the old one held.
            let files: Vec<FileId> = inner.kernel.files.keys().copied().collect();
            for file in files {
                self.hold(&mut inner, file, &mut step);
            }
        }
        self.finish(inner, step);
    }

    /// Order a walk of the whole mount, so that each file has an inode and the core has seen it.
    pub fn walk(self: &Arc<Self>) {
        self.order(Order {
            kind: OrderKind::Walk,
            id: 0,
            node: 0,
            offset: 0,
            length: 0,
            path: Vec::new(),
        });
    }

    /// Send an order; without a warden its task is undone at once.
    pub(super) fn order(self: &Arc<Self>, order: Order) {
        let id = order.id;
        let sent = self
            .orders
            .lock()
            .as_ref()
            .is_some_and(|orders| orders.send(order).is_ok());
        if !sent {
            let mut step = Step::default();
            let mut inner = self.inner.lock();
            if let Some(task) = inner.tasks.remove(&id) {
                self.undone(&mut inner, task, &mut step);
            }
            self.finish(inner, step);
        }
    }

    pub(super) fn keep(self: &Arc<Self>, inner: &mut Inner, extent: Extent, tier: Tier, step: &mut Step) {
        if tier == Tier::Kernel {
            inner.kernel.files.entry(extent.file).or_default().keeping = true;
            self.hold(inner, extent.file, step);
        }
    }

    fn hold(self: &Arc<Self>, inner: &mut Inner, file: FileId, step: &mut Step) {
        if inner.kernel.holding.insert(file) {
            let extent = Extent {
                file,
                offset: 0,
                length: 0,
            };
            self.ask(inner, OrderKind::Hold, extent, WardenTask::Hold(file), step);
        }
    }

    pub(super) fn fill(
        self: &Arc<Self>,
        inner: &mut Inner,
        extent: Extent,
        leave_tail_pages: u32,
        step: &mut Step,
    ) {
        inner.kernel.files.entry(extent.file).or_default().filling += 1;
        inner.kernel.holding.insert(extent.file);
        // Asked anew also where it is held already: a push to an inode that is not there counts as done in fuser.
        let task = WardenTask::Fill {
            extent,
            leave_tail_pages,
        };
        self.ask(inner, OrderKind::Hold, extent, task, step);
    }

    fn start_push(
        self: &Arc<Self>,
        inner: &mut Inner,
        extent: Extent,
        leave_tail_pages: u32,
        step: &mut Step,
    ) {
        let Some(node) = inner.nodes.of_file(extent.file) else {
            return;
        };
        let page = PAGE as u64;
        let pages = extent.length.div_ceil(page);
        let left = u64::from(leave_tail_pages).min(pages);
        let bytes = if left == 0 {
            extent.length
        } else {
            (pages - left) * page
        };
        let push = Push {
            node,
            extent,
            bytes,
            leave_tail_pages,
            blocks: inner.blocks_in(&extent),
        };
        if inner.reads_of.contains_key(&extent.file) {
            inner.kernel.parked.entry(extent.file).or_default().push(push);
        } else {
            step.actions.push(Action::Push(push));
        }
    }

    /// The last READ of a file was answered: pushes that waited for it may go.
    pub(super) fn unpark(self: &Arc<Self>, inner: &mut Inner, file: FileId, step: &mut Step) {
        if !inner.reads_of.contains_key(&file)
            && let Some(pushes) = inner.kernel.parked.remove(&file)
        {
            step.actions.extend(pushes.into_iter().map(Action::Push));
        }
    }

    pub(super) fn pushed(self: &Arc<Self>, extent: Extent, bytes: u64, left: u32, done: bool) {
        let mut step = Step::default();
        let mut inner = self.inner.lock();
        let kernel = &mut inner.kernel;
        let pages = kernel.files.entry(extent.file).or_default();
        pages.filling = pages.filling.saturating_sub(1);
        let event = if done {
            self.metrics.fills.one();
            self.metrics.filled_bytes.add(bytes);
            let expected = extent
                .length
                .div_ceil(PAGE as u64)
                .saturating_sub(u64::from(left));
            let before = pages.filled.insert(extent.offset, (bytes, expected));
            kernel.bytes += bytes;
            kernel.bytes -= before.map_or(0, |(bytes, _)| bytes);
            Event::Filled { extent }
        } else {
            self.metrics.failed_fills.one();
            Event::Dropped { extent }
        };
        self.tell(&mut inner, event, &mut step);
        self.release_if_empty(&mut inner, extent.file, &mut step);
        self.finish(inner, step);
    }

    /// Order a drop: at once, or where a reply of the file is fresh when its reader's copy is over.
    pub(super) fn drop_soon(self: &Arc<Self>, inner: &mut Inner, extent: Extent, step: &mut Step) {
        let now = self.clock.now().0;
        while inner
            .replies
            .front()
            .is_some_and(|(when, _)| when.0 + SETTLE_NS <= now)
        {
            inner.replies.pop_front();
        }
        if inner.replies.iter().any(|(_, file)| *file == extent.file) {
            inner.drops.push_back((Nanos(now + SETTLE_NS), extent));
        } else {
            self.drop_pages(inner, extent, 1, step);
        }
    }

    pub(super) fn start_drops(self: &Arc<Self>, inner: &mut Inner, now: Nanos, step: &mut Step) {
        while inner.drops.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, extent)) = inner.drops.pop_front() {
                self.drop_pages(inner, extent, 1, step);
            }
        }
    }

    fn drop_pages(self: &Arc<Self>, inner: &mut Inner, extent: Extent, tries: u32, step: &mut Step) {
        let node = inner.nodes.of_file(extent.file);
        let retired = node
            .and_then(|node| inner.nodes.get(node))
            .is_none_or(|node| node.retired);
        if let (true, Some(node)) = (retired, node) {
            // Its name leads to another version now, so that the warden cannot open it.
            let pages = Invalidation::Pages { node, extent };
            step.actions.push(Action::Invalidate(pages));
            return;
        }
        let task = WardenTask::Drop { extent, tries };
        self.ask(inner, OrderKind::Drop, extent, task, step);
    }

    pub(super) fn dropped(self: &Arc<Self>, extent: Extent, left: u64) {
        let mut step = Step::default();
        let mut inner = self.inner.lock();
        self.tell_dropped(&mut inner, extent, left, &mut step);
        self.finish(inner, step);
    }

    fn tell_dropped(self: &Arc<Self>, inner: &mut Inner, extent: Extent, left: u64, step: &mut Step) {
        self.metrics.drops.one();
        self.metrics.undropped_pages.add(left);
        inner.kernel.remove(&extent);
        if let Some(pages) = inner.kernel.files.get_mut(&extent.file) {
            pages.keeping = false;
        }
        self.tell(inner, Event::Dropped { extent }, step);
        self.release_if_empty(inner, extent.file, step);
    }

    pub(super) fn lock_pages(self: &Arc<Self>, inner: &mut Inner, extent: Extent, step: &mut Step) {
        self.ask(inner, OrderKind::Lock, extent, WardenTask::Lock, step);
    }

    /// Ask the kernel, by the warden, whether it still has what was pushed.
    pub(super) fn start_sweep(self: &Arc<Self>, inner: &mut Inner, step: &mut Step) {
        let pages = inner.kernel.files.iter().flat_map(|(file, pages)| {
            pages.filled.iter().map(|(offset, (bytes, _))| Extent {
                file: *file,
                offset: *offset,
                length: *bytes,
            })
        });
        let extents: Vec<Extent> = pages.collect();
        for extent in extents {
            self.ask(
                inner,
                OrderKind::Count,
                extent,
                WardenTask::Count { extent },
                step,
            );
        }
    }

    fn release_if_empty(self: &Arc<Self>, inner: &mut Inner, file: FileId, step: &mut Step) {
        let empty = inner
            .kernel
            .files
            .get(&file)
            .is_none_or(|pages| pages.filled.is_empty() && pages.filling == 0 && !pages.keeping);
        if empty {
            inner.kernel.files.remove(&file);
            self.release(inner, file, step);
        }
    }

    pub(super) fn release(self: &Arc<Self>, inner: &mut Inner, file: FileId, step: &mut Step) {
        if inner.kernel.holding.remove(&file)
            && let Some(node) = inner.nodes.of_file(file)
        {
            step.actions.push(Action::Order(Order {
                kind: OrderKind::Release,
                id: 0,
                node,
                offset: 0,
                length: 0,
                path: Vec::new(),
            }));
        }
    }

    fn ask(
        self: &Arc<Self>,
        inner: &mut Inner,
        kind: OrderKind,
        extent: Extent,
        task: WardenTask,
        step: &mut Step,
    ) {
        let Some(node) = inner.nodes.of_file(extent.file) else {
            return;
        };
        let id = inner.new_id();
        inner.tasks.insert(id, task);
        step.actions.push(Action::Order(Order {
            kind,
            id,
            node,
            offset: extent.offset,
            length: extent.length,
            path: inner.nodes.path(node),
        }));
    }

    /// The warden answered.
    pub fn answered(self: &Arc<Self>, answer: Answer) {
        let mut step = Step::default();
        let mut inner = self.inner.lock();
        if answer.id == LANE_STARTED {
            inner.warden_threads.insert(answer.value as u32);
            return;
        }
        let Some(task) = inner.tasks.remove(&answer.id) else {
            return;
        };
        match task {
            _ if answer.errno != 0 => self.undone(&mut inner, task, &mut step),
            WardenTask::Hold(_) | WardenTask::Lock => {}
            WardenTask::Fill {
                extent,
                leave_tail_pages,
            } => self.start_push(&mut inner, extent, leave_tail_pages, &mut step),
            WardenTask::Drop { extent, tries } if answer.value > 0 && tries < DROP_TRIES => {
                let _ = tries;
                self.drop_pages(&mut inner, extent, tries + 1, &mut step);
            }
            WardenTask::Drop { extent, .. } => {
                self.tell_dropped(&mut inner, extent, answer.value, &mut step);
            }
            WardenTask::Count { extent } => self.counted(&mut inner, extent, answer.value, &mut step),
        }
        self.finish(inner, step);
    }

    fn counted(self: &Arc<Self>, inner: &mut Inner, extent: Extent, found: u64, step: &mut Step) {
        let pages = inner.kernel.files.get(&extent.file);
        let expected = pages.and_then(|pages| pages.filled.get(&extent.offset));
        // More may be there (a sentinel that was read); less means the kernel gave pages away.
        if expected.is_some_and(|(bytes, pages)| *bytes == extent.length && found < *pages) {
            self.metrics.lost_blocks.one();
            inner.kernel.remove(&extent);
            self.tell(inner, Event::Dropped { extent }, step);
            self.release_if_empty(inner, extent.file, step);
        }
    }

    /// An order that could not be carried out: the mount stays correct without.
    fn undone(self: &Arc<Self>, inner: &mut Inner, task: WardenTask, step: &mut Step) {
        match task {
            WardenTask::Hold(file) => {
                inner.kernel.holding.remove(&file);
            }
            WardenTask::Fill { extent, .. } => {
                inner.kernel.holding.remove(&extent.file);
                if let Some(pages) = inner.kernel.files.get_mut(&extent.file) {
                    pages.filling = pages.filling.saturating_sub(1);
                }
                self.metrics.failed_fills.one();
                self.tell(inner, Event::Dropped { extent }, step);
                self.release_if_empty(inner, extent.file, step);
            }
            WardenTask::Drop { extent, .. } => {
                if let Some(node) = inner.nodes.of_file(extent.file) {
                    let pages = Invalidation::Pages { node, extent };
                    step.actions.push(Action::Invalidate(pages));
                }
            }
            WardenTask::Count { .. } | WardenTask::Lock => {}
        }
    }
}
