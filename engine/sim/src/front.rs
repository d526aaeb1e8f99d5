//! What a reader meets at an open and at a read: lookups, page cache, read-ahead, messages, requests.
//! Absent: how the daemon answers a message (`mount.rs`), what the storage takes (`device.rs`).

use crate::cpu::Task;
use crate::job::Stage;
use crate::kernel::{Origin, PAGE_BYTES};
use crate::replay::{DEVICE, Front, Replay, Then, Work};
use crate::workload::{Access, Op};

/// What a request of a reader is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Pages `[from, to)` for the page cache.
    Pages,
    /// Bytes that no cache sees.
    Bytes,
    /// A name or attributes.
    Lookup,
    /// The open itself.
    Open,
}

/// A message or request under way.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) purpose: Purpose,
    pub(crate) file: u32,
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Bytes that are still to be asked of the storage [bytes].
    pub(crate) left: u64,
    pub(crate) reader: Task,
    waiters: Vec<Task>,
    /// The next request of the same file.
    next: u32,
}

const NONE: u32 = u32::MAX;

/// All requests under way, and per file those for its pages.
#[derive(Debug)]
pub(crate) struct Requests {
    pub(crate) all: Vec<Request>,
    free: Vec<u32>,
    of_file: Vec<u32>,
}

impl Requests {
    pub(crate) fn new(files: usize) -> Requests {
        Requests {
            all: Vec::new(),
            free: Vec::new(),
            of_file: vec![NONE; files],
        }
    }

    fn add(&mut self, purpose: Purpose, file: u32, (from, to): (u64, u64), left: u64, reader: Task) -> u32 {
        let next = self.of_file[file as usize];
        let id = self.free.pop().unwrap_or_else(|| {
            self.all.push(Request {
                purpose,
                file,
                from,
                to,
                left,
                reader,
                waiters: Vec::new(),
                next,
            });
            self.all.len() as u32 - 1
        });
        let request = &mut self.all[id as usize];
        (request.purpose, request.file, request.from, request.to) = (purpose, file, from, to);
        (request.left, request.reader, request.next) = (left, reader, next);
        request.waiters.clear();
        self.of_file[file as usize] = id;
        id
    }

    fn for_page(&self, file: u32, page: u64) -> Option<u32> {
        let mut id = self.of_file[file as usize];
        while id != NONE {
            let request = &self.all[id as usize];
            if request.purpose == Purpose::Pages && (request.from..request.to).contains(&page) {
                return Some(id);
            }
            id = request.next;
        }
        None
    }

    fn unlink(&mut self, id: u32) {
        let (file, next) = (self.all[id as usize].file as usize, self.all[id as usize].next);
        if self.of_file[file] == id {
            self.of_file[file] = next;
        } else {
            let mut before = self.of_file[file];
            while self.all[before as usize].next != id {
                before = self.all[before as usize].next;
            }
            self.all[before as usize].next = next;
        }
        self.free.push(id);
    }
}

impl Replay<'_> {
    /// The part of an access's recorded CPU that the recorded storage's client burnt inside the reader [ns].
    pub(crate) fn recorded_client_ns(&self, access: &Access) -> f64 {
        let storage = &self.scenario.storage;
        match access.op {
            Op::Read => self.client_ns(access.length),
            _ => storage.client_request_cpu_ns,
        }
    }

    fn client_ns(&self, bytes: u64) -> f64 {
        let storage = &self.scenario.storage;
        let requests = bytes.div_ceil(storage.request_bytes.max(PAGE_BYTES));
        requests as f64 * storage.client_request_cpu_ns + bytes as f64 / MIB * storage.client_mib_cpu_ns
    }

    /// An open, stat or listing: true when nobody has to be asked.
    pub(crate) fn look_up(&mut self, r: usize, access: &Access) -> bool {
        let must_ask = match &self.front {
            Front::Bound(_) => false,
            Front::Source { .. } | Front::PageCache { .. } => self.scenario.storage.metadata_latency_ns > 0.0,
            Front::Mount(mount) => mount.entry_expires[access.file as usize] <= self.now,
        };
        if must_ask && self.readers[r].debt >= 1.0 && !self.spend(r) {
            return false;
        }
        self.readers[r].stage = Stage::Looked;
        if let Front::Source { keeps_pages } | Front::PageCache { keeps_pages, .. } = &self.front {
            if access.op == Op::Open && !keeps_pages {
                // a file without KEEP_CACHE: the open voids its pages
                let pages = self.pages.pages(access.file);
                self.pages.remove(access.file, 0, pages);
            }
            self.charge_client(r, self.scenario.storage.client_request_cpu_ns);
        }
        if !must_ask {
            return true;
        }
        if matches!(self.front, Front::Mount(_)) {
            let cost = self.scenario.fuse.lookup_us;
            self.message(r, Purpose::Lookup, access.file, cost);
        } else {
            self.ask(r, Purpose::Lookup, access.file);
        }
        false
    }

    /// Behind the lookup: the OPEN message, where the mount asks for it.
    pub(crate) fn after_lookup(&mut self, r: usize, access: &Access) -> bool {
        let is_open = access.op == Op::Open;
        self.readers[r].stage = if is_open { Stage::Opened } else { Stage::Finish };
        let Front::Mount(mount) = &self.front else {
            return true;
        };
        if !is_open {
            return true;
        }
        if !mount.observes_opens {
            self.charge_call(r, self.scenario.fuse.silent_us * 1e3);
            return true;
        }
        let cost = self.scenario.fuse.open_us;
        self.message(r, Purpose::Open, access.file, cost);
        false
    }

    /// Ask the storage for metadata.
    fn ask(&mut self, r: usize, purpose: Purpose, file: u32) {
        let id = self.requests.add(purpose, file, (0, 0), 0, r as Task);
        self.wait_for(r, id);
        self.serve_source(Work {
            cpu_ns: self.scenario.storage.request_cpu_ns as u64,
            then: Then::Device(id),
        });
    }

    /// Send the daemon a message other than READ.
    fn message(&mut self, r: usize, purpose: Purpose, file: u32, cost_us: f64) {
        let id = self.requests.add(purpose, file, (0, 0), 0, r as Task);
        self.wait_for(r, id);
        let share = self.scenario.fuse.client_share;
        self.charge_call(r, cost_us * 1e3 * share);
        self.serve(Work {
            cpu_ns: (cost_us * 1e3 * (1.0 - share)) as u64,
            then: Then::Message(id),
        });
    }

    pub(crate) fn wait_for(&mut self, r: usize, id: u32) {
        self.readers[r].waits_since = self.now;
        self.requests.all[id as usize].waiters.push(r as Task);
    }

    /// A read of a bound: the future is known, so is whether it misses.
    pub(crate) fn read_bound(&mut self, r: usize, access: &Access, is_miss: bool) -> bool {
        if is_miss && self.readers[r].debt >= 1.0 && !self.spend(r) {
            return false;
        }
        self.readers[r].stage = Stage::Finish;
        self.count_read(access, access.length * u64::from(is_miss), 0);
        if !is_miss {
            return true;
        }
        self.charge_client(r, self.client_ns(access.length));
        let id = self
            .requests
            .add(Purpose::Bytes, access.file, (0, 0), access.length, r as Task);
        self.wait_for(r, id);
        self.serve_source(Work {
            cpu_ns: self.source_cpu_ns(access.length),
            then: Then::Device(id),
        });
        false
    }

    /// Walk the pages of a read: true when the reader goes on, false when it waits.
    pub(crate) fn walk(&mut self, r: usize, access: &Access) -> bool {
        let (file, first) = (access.file, access.offset / PAGE_BYTES);
        let most = self.read_ahead_pages;
        loop {
            let (page, to) = (self.readers[r].page, self.readers[r].to_page);
            let reach = self.pages.first_missing(file, page, to);
            let is_coming = reach < to && self.pages.is_in_flight(file, reach);
            if let Some(marker) = self.readers[r].read_ahead.marker() {
                // the copy of an answered window may have jumped over it
                let touched = marker >= first && (marker < reach || (marker == reach && is_coming));
                if touched && marker < self.pages.pages(file) {
                    let window = self.readers[r].read_ahead.on_marker(most);
                    self.ask_pages(r, file, window);
                    continue;
                }
            }
            self.readers[r].page = reach;
            if reach == to {
                self.readers[r].read_ahead.has_read(to - 1);
                return self.end_read(r, access);
            }
            if is_coming {
                let Some(id) = self.requests.for_page(file, reach) else {
                    unreachable!("a page in flight without a request");
                };
                self.wait_for(r, id);
                return false;
            }
            if self.readers[r].debt >= 1.0 {
                // what the reader computed before its message comes before the message
                if !self.spend(r) {
                    return false;
                }
                continue;
            }
            let window = self.readers[r].read_ahead.on_miss(reach, to - reach, most);
            self.ask_pages(r, file, window);
        }
    }

    fn end_read(&mut self, r: usize, access: &Access) -> bool {
        let from = access.offset / PAGE_BYTES;
        let to = self.readers[r].to_page;
        let found = self.pages.consume(access.file, from, to);
        let per_page = access.length as f64 / (to - from) as f64;
        let missed = (found.missed as f64 * per_page).round() as u64;
        let prefetched = (found.prefetched as f64 * per_page).round() as u64;
        if !matches!(self.front, Front::Source { .. }) {
            let silent = access.length.saturating_sub(missed + prefetched);
            self.charge_call(
                r,
                silent as f64 / MIB * self.scenario.fuse.silent_us_per_mib * 1e3,
            );
        }
        self.count_read(access, missed, prefetched);
        self.readers[r].stage = Stage::Finish;
        true
    }

    fn count_read(&mut self, access: &Access, missed: u64, prefetched: u64) {
        let books = &mut self.report.epochs[self.epoch as usize];
        books.reads += 1;
        books.bytes += access.length;
        books.prefetched_bytes += prefetched;
        books.resident_bytes += access.length.saturating_sub(missed + prefetched);
        if missed == 0 && prefetched == 0 {
            books.resident_reads += 1;
        } else if missed == 0 {
            books.prefetched_reads += 1;
        }
    }

    /// Ask for the pages of a window that are neither there nor on their way.
    fn ask_pages(&mut self, r: usize, file: u32, (from, to): (u64, u64)) {
        let end = to.min(self.pages.pages(file));
        let mut at = from.min(end);
        loop {
            let (start, stop) = self.pages.next_gap(file, at, end);
            if start >= stop {
                return;
            }
            self.send_read(r, file, (start, stop));
            at = stop;
        }
    }

    fn send_read(&mut self, r: usize, file: u32, (from, to): (u64, u64)) {
        let size = self.pages.size(file);
        let bytes = (to * PAGE_BYTES).min(size) - from * PAGE_BYTES;
        let id = self
            .requests
            .add(Purpose::Pages, file, (from, to), bytes, r as Task);
        self.pages.start_flight(file, from, to);
        if !matches!(self.front, Front::Mount(_)) {
            self.charge_client(r, self.client_ns(bytes));
            self.serve_source(Work {
                cpu_ns: self.source_cpu_ns(bytes),
                then: Then::Device(id),
            });
            return;
        }
        self.report.epochs[self.epoch as usize].messages += 1;
        let fuse = &self.scenario.fuse;
        let cost = (fuse.read_us + fuse.read_us_per_mib * bytes as f64 / MIB) * 1e3;
        let share = fuse.client_share;
        self.charge_call(r, cost * share);
        self.serve(Work {
            cpu_ns: (cost * (1.0 - share) + fuse.serve_us * 1e3) as u64,
            then: Then::Message(id),
        });
    }

    /// CPU that a source read of so many bytes costs this machine outside the job [ns].
    pub(crate) fn source_cpu_ns(&self, bytes: u64) -> u64 {
        let storage = &self.scenario.storage;
        let requests = bytes.div_ceil(storage.request_bytes.max(1));
        (requests as f64 * storage.request_cpu_ns + bytes as f64 / MIB * storage.mib_cpu_ns) as u64
    }

    /// A request reaches the storage: book its next piece.
    pub(crate) fn ask_device(&mut self, id: u32) {
        let request = &mut self.requests.all[id as usize];
        let piece = request.left.min(self.scenario.storage.request_bytes.max(1));
        request.left -= piece;
        let is_last = request.left == 0;
        let done = match request.purpose {
            Purpose::Pages | Purpose::Bytes => self.device.read(self.now, piece),
            Purpose::Lookup | Purpose::Open => self.device.metadata(self.now),
        };
        self.count_source(piece);
        let wake = if is_last { self.scenario.wake_ns } else { 0 };
        self.heap.push(done + wake, DEVICE | id);
    }

    pub(crate) fn count_source(&mut self, bytes: u64) {
        let books = &mut self.report.epochs[self.epoch.min(self.job.epochs - 1) as usize];
        books.source_bytes += bytes;
        books.source_requests += 1;
    }

    /// The storage answered a piece of a request.
    pub(crate) fn on_device(&mut self, id: u32) {
        if self.requests.all[id as usize].left > 0 {
            return self.ask_device(id);
        }
        if let (Purpose::Lookup, Front::Mount(mount)) =
            (self.requests.all[id as usize].purpose, &mut self.front)
        {
            let file = self.requests.all[id as usize].file as usize;
            mount.entry_expires[file] = self.now.saturating_add(mount.entry_ttl[file]);
        }
        self.complete(id, Some(Origin::Missed));
    }

    /// A request is answered: its pages are resident, its waiters go on. None is an error.
    pub(crate) fn complete(&mut self, id: u32, origin: Option<Origin>) {
        let request = &mut self.requests.all[id as usize];
        let (purpose, file, from, to) = (request.purpose, request.file, request.from, request.to);
        let waiters = std::mem::take(&mut request.waiters);
        self.requests.unlink(id);
        if purpose == Purpose::Pages {
            self.pages.end_flight(file, from, to);
            if let Some(origin) = origin {
                self.pages.insert(file, from, to, origin);
            }
            self.keep_within_cache(file, from, to);
        }
        for waiter in &waiters {
            let reader = &mut self.readers[*waiter as usize];
            let waited = self.now - reader.waits_since;
            reader.stall_ns += waited;
            self.stall_ns += waited;
            if purpose == Purpose::Pages {
                match origin {
                    // the reader copies while the pages are locked: a drop cannot come between
                    Some(_) => reader.page = reader.page.max(to.min(reader.to_page)),
                    None => {
                        self.report.failed_reads += 1;
                        reader.page = reader.to_page;
                    }
                }
            }
            self.ready.push_back(*waiter);
        }
        self.requests.all[id as usize].waiters = waiters;
    }

    /// The page cache forgets its oldest pages when it is full.
    fn keep_within_cache(&mut self, file: u32, from: u64, to: u64) {
        let Front::PageCache {
            budget_pages,
            held_pages,
            order,
            ..
        } = &mut self.front
        else {
            return;
        };
        order.push_back((file, from, to));
        *held_pages += to - from;
        while *held_pages > *budget_pages {
            let Some((file, from, to)) = order.pop_front() else {
                return;
            };
            *held_pages -= to - from;
            self.pages.remove(file, from, to);
        }
    }
}

/// A binary million [bytes].
pub(crate) const MIB: f64 = 1_048_576.0;
