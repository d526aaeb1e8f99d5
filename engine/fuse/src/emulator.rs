//! A slow storage in front of a directory: a read-only FUSE mount whose answers come when a real storage's would.
//! Owns: which operation pays what, and the answers. Absent: policy, caches of its own, source I/O beyond reading
//! the backing directory, whose page cache plays the memory of the emulated server.
//!
//! A FUSE thread reads the bytes at once and books the answer with [`schedule`]; [`timer`] sends it when it is due.
//! Modelled on an NFS client: LOOKUP, GETATTR, OPEN, READLINK and each 1,000 entries of a listing pay one latency;
//! READ pays one latency and its bytes' time on the link; all of them take a slot. Entries and attributes stay valid
//! for 60 s (acregmax), negative entries are not kept. An open drops the file's pages (an NFS client whose file
//! changed; the harshest case), or keeps them with `keep_cache` as long as size and modification time are the same.

mod counts;
pub mod schedule;
mod timer;
mod tree;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use fuser::{
    Config, Errno, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags, IoctlFlags,
    KernelConfig, LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty,
    ReplyEntry, ReplyIoctl, ReplyOpen, ReplyStatfs, Request, Session, SessionACL,
};
use mlopt_core::Nanos;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::buffers::AlignedBuffer;
use crate::clock::Clock;
use crate::kernel_mount::{self, KernelMount, MountError, MountSpec};
use counts::Counts;
pub use counts::{LogEntry, Operation};
use schedule::{Booking, Schedule, StorageSpec};
use timer::Timer;
use tree::Tree;

/// Validity of entries and attributes: an NFS client's acregmax and acdirmax.
pub const ATTRIBUTES_VALID: Duration = Duration::from_secs(60);
/// Entries of a listing that one latency pays for.
pub const ENTRIES_PER_LATENCY: u64 = 1_000;
/// Largest READ; the kernel caps it at 256 pages [bytes].
pub const REQUEST_BYTES: u32 = 1 << 20;
const READ_AHEAD_KIB: u32 = 1024;
/// Threads that take requests in; they only read from the page cache, so two keep up with two cores.
const THREADS: usize = 2;
const MAX_BACKGROUND: u16 = 256;

/// What to emulate where.
#[derive(Debug, Clone)]
pub struct EmulatorSpec {
    /// The directory with the data, canonical.
    pub source: PathBuf,
    /// Where it appears, slow.
    pub mount: MountSpec,
    /// How slow.
    pub storage: StorageSpec,
    /// Whether the kernel keeps a file's pages from one open to the next while the file is unchanged.
    pub keep_cache: bool,
}

struct Server {
    tree: Tree,
    clock: Clock,
    schedule: Mutex<Schedule>,
    counts: Mutex<Counts>,
    files: Mutex<FxHashMap<u64, Arc<File>>>,
    listings: Mutex<FxHashMap<u64, Arc<Listing>>>,
    handles: AtomicU64,
    keep_cache: bool,
}

struct Listing {
    entries: Vec<(OsString, FileType)>,
    /// Entries that the latencies so far have paid for.
    paid: AtomicU64,
}

impl Server {
    fn book(&self, bytes: u64) -> Booking {
        let mut schedule = self.schedule.lock();
        let now = self.clock.now();
        let booking = schedule.admit(now, bytes);
        let busy = schedule.busy(now);
        drop(schedule);
        self.counts.lock().saw_busy(busy);
        booking
    }

    fn answered(&self, operation: Operation, bytes: Option<u64>, booking: Booking, now: Nanos) {
        self.counts.lock().answered(operation, bytes, booking, now);
    }

    fn file(&self, handle: FileHandle) -> Option<Arc<File>> {
        self.files.lock().get(&handle.0).cloned()
    }

    fn listing(&self, handle: FileHandle) -> Option<Arc<Listing>> {
        self.listings.lock().get(&handle.0).cloned()
    }

    fn new_handle(&self) -> u64 {
        self.handles.fetch_add(1, Ordering::Relaxed)
    }
}

struct EmulatedFilesystem {
    server: Arc<Server>,
    timer: Timer,
}

impl EmulatedFilesystem {
    /// Book a metadata operation whose outcome is known, and answer when it is due.
    fn metadata<T: Send + 'static>(
        &self,
        operation: Operation,
        outcome: io::Result<T>,
        answer: impl FnOnce(io::Result<T>) + Send + 'static,
    ) {
        let booking = self.server.book(0);
        let server = Arc::clone(&self.server);
        self.timer.at(
            booking.done,
            Box::new(move |now| {
                server.answered(operation, outcome.is_ok().then_some(0), booking, now);
                answer(outcome);
            }),
        );
    }

    /// Answer with one part of a listing; it is due at once unless its entries begin a new thousand.
    fn listed(&self, listing: &Listing, last: u64, send: impl FnOnce() + Send + 'static) {
        let needed = last.max(1).div_ceil(ENTRIES_PER_LATENCY) * ENTRIES_PER_LATENCY;
        if listing.paid.fetch_max(needed, Ordering::Relaxed) >= needed {
            self.server.counts.lock().free();
            return send();
        }
        self.metadata(Operation::Readdir, Ok(()), |_| send());
    }
}

/// Add entries from an offset on until `add` says that the reply is full; returns the offset after the last one.
fn fill(listing: &Listing, offset: u64, mut add: impl FnMut(u64, &OsStr, FileType) -> bool) -> u64 {
    let mut next = offset;
    for (name, kind) in listing.entries.iter().skip(offset as usize) {
        if add(next + 1, name, *kind) {
            break;
        }
        next += 1;
    }
    next
}

impl Filesystem for EmulatedFilesystem {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // What the kernel cannot do costs speed only.
        let _ = config.add_capabilities(
            InitFlags::FUSE_DO_READDIRPLUS | InitFlags::FUSE_PARALLEL_DIROPS | InitFlags::FUSE_CACHE_SYMLINKS,
        );
        let _ = config.set_max_write(REQUEST_BYTES);
        let _ = config.set_max_background(MAX_BACKGROUND);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let outcome = self.server.tree.lookup(parent, name);
        self.metadata(Operation::Lookup, outcome, |outcome| match outcome {
            Ok(attributes) => reply.entry(&ATTRIBUTES_VALID, &attributes, Generation(0)),
            Err(error) => reply.error(error.into()),
        });
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        let outcome = self.server.tree.attributes(ino);
        self.metadata(Operation::Getattr, outcome, |outcome| match outcome {
            Ok(attributes) => reply.attr(&ATTRIBUTES_VALID, &attributes),
            Err(error) => reply.error(error.into()),
        });
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        let outcome = self.server.tree.link(ino);
        self.metadata(Operation::Readlink, outcome, |outcome| match outcome {
            Ok(target) => reply.data(target.as_os_str().as_bytes()),
            Err(error) => reply.error(error.into()),
        });
    }

    fn open(&self, _: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        if flags.0 & libc::O_ACCMODE != libc::O_RDONLY {
            return reply.error(Errno::EROFS);
        }
        let outcome = self.server.tree.open(ino).map(|(file, unchanged)| {
            let handle = self.server.new_handle();
            self.server.files.lock().insert(handle, Arc::new(file));
            let keep = self.server.keep_cache && unchanged;
            let flags = if keep {
                FopenFlags::FOPEN_KEEP_CACHE
            } else {
                FopenFlags::empty()
            };
            (FileHandle(handle), flags)
        });
        self.metadata(Operation::Open, outcome, |outcome| match outcome {
            Ok((handle, flags)) => reply.opened(handle, flags),
            Err(error) => reply.error(error.into()),
        });
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let Some(file) = self.server.file(handle) else {
            return reply.error(Errno::EBADF);
        };
        let mut buffer = match AlignedBuffer::new(size as usize) {
            Ok(buffer) => buffer,
            Err(error) => return reply.error(error.into()),
        };
        let outcome = read_fully(&file, &mut buffer, offset);
        let booking = self
            .server
            .book(outcome.as_ref().map_or(0, |length| *length as u64));
        let server = Arc::clone(&self.server);
        self.timer.at(
            booking.done,
            Box::new(move |now| {
                server.answered(
                    Operation::Read,
                    outcome.as_ref().ok().map(|length| *length as u64),
                    booking,
                    now,
                );
                match outcome {
                    Ok(length) => reply.data(&buffer[..length]),
                    Err(error) => reply.error(error.into()),
                }
            }),
        );
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        let file = self.server.files.lock().remove(&handle.0);
        drop(file);
        self.server.counts.lock().free();
        reply.ok();
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.server.counts.lock().free();
        match self.server.tree.list(ino) {
            Ok(entries) => {
                let handle = self.server.new_handle();
                let paid = AtomicU64::new(0);
                let listing = Arc::new(Listing { entries, paid });
                self.server.listings.lock().insert(handle, listing);
                reply.opened(FileHandle(handle), FopenFlags::empty());
            }
            Err(error) => reply.error(error.into()),
        }
    }

    fn readdir(&self, _: &Request, ino: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let Some(listing) = self.server.listing(handle) else {
            return reply.error(Errno::EBADF);
        };
        let last = fill(&listing, offset, |next, name, kind| {
            reply.add(ino, next, kind, name)
        });
        self.listed(&listing, last, || reply.ok());
    }

    fn readdirplus(
        &self,
        _: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let Some(listing) = self.server.listing(handle) else {
            return reply.error(Errno::EBADF);
        };
        let tree = &self.server.tree;
        let last = fill(&listing, offset, |next, name, _| {
            let found = match name.as_bytes() {
                b"." | b".." => tree.attributes(ino),
                _ => tree.lookup(ino, name),
            };
            // What vanished meanwhile is left out, as in any listing.
            found.is_ok_and(|attributes| {
                reply.add(
                    attributes.ino,
                    next,
                    name,
                    &ATTRIBUTES_VALID,
                    &attributes,
                    Generation(0),
                )
            })
        });
        self.listed(&listing, last, || reply.ok());
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.server.listings.lock().remove(&handle.0);
        self.server.counts.lock().free();
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        self.server.counts.lock().free();
        match self.server.tree.space() {
            Ok(s) => reply.statfs(
                s.f_blocks,
                s.f_bfree,
                s.f_bavail,
                s.f_files,
                s.f_ffree,
                s.f_bsize as u32,
                s.f_namemax as u32,
                s.f_frsize as u32,
            ),
            Err(error) => reply.error(error.into()),
        }
    }

    fn ioctl(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: IoctlFlags,
        _: u32,
        _: &[u8],
        _: u32,
        reply: ReplyIoctl,
    ) {
        // Python's open() asks each file whether it is a terminal; no network storage is asked that.
        self.server.counts.lock().free();
        reply.error(Errno::ENOTTY);
    }
}

/// As much as the file has, up to the buffer's length: a short answer would be padded with zeroes.
fn read_fully(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read_at(&mut buffer[length..], offset + length as u64) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// A running emulator. Dropping it unmounts lazily.
pub struct Emulator {
    server: Arc<Server>,
    mount: Mutex<KernelMount>,
    ended: Receiver<()>,
}

impl Emulator {
    /// Mount and serve, on threads of its own.
    ///
    /// # Errors
    /// When mounting fails or no thread can be made.
    pub fn start(spec: EmulatorSpec) -> Result<Emulator, MountError> {
        kernel_mount::vacate(&spec.mount.mountpoint)?;
        let clock = Clock::new();
        let server = Arc::new(Server {
            tree: Tree::new(&spec.source),
            clock,
            schedule: Mutex::new(Schedule::new(spec.storage)),
            counts: Mutex::default(),
            files: Mutex::default(),
            listings: Mutex::default(),
            handles: AtomicU64::new(1),
            keep_cache: spec.keep_cache,
        });
        let system = |what| move |source| MountError::System { what, source };
        let mut mount = KernelMount::new(&spec.mount)?;
        let fd = mount
            .take_fd()
            .ok_or_else(|| MountError::NotOurs(spec.mount.mountpoint.clone()))?;
        let filesystem = EmulatedFilesystem {
            server: Arc::clone(&server),
            timer: Timer::start(clock).map_err(system("a thread"))?,
        };
        let mut config = Config::default();
        config.n_threads = Some(THREADS);
        let session = Session::from_fd(filesystem, fd, SessionACL::All, config)
            .map_err(system("the FUSE handshake"))?;
        // Only root may; without it READs stay at 128 KiB, which `status` shows.
        let _ = mount.set_read_ahead_kib(READ_AHEAD_KIB);
        let (end, ended) = bounded(1);
        std::thread::Builder::new()
            .name("emulator".to_owned())
            .spawn(move || {
                let _ = session.run(); // ends with ENODEV once unmounted
                let _ = end.send(());
            })
            .map_err(system("a thread"))?;
        Ok(Emulator {
            server,
            mount: Mutex::new(mount),
            ended,
        })
    }

    /// Counters and what they refer to, as JSON.
    pub fn status(&self) -> serde_json::Value {
        let mut status = self.server.counts.lock().to_json();
        let schedule = self.server.schedule.lock();
        let spec = schedule.spec();
        status["specification"] = serde_json::json!({
            "latency_ns": spec.latency_ns,
            "jitter": spec.jitter,
            "bandwidth": spec.bandwidth.is_finite().then_some(spec.bandwidth),
            "concurrency": spec.concurrency,
            "seed": spec.seed,
            "keep_cache": self.server.keep_cache,
            "attributes_valid_ns": ATTRIBUTES_VALID.as_nanos() as u64,
            "entries_per_latency": ENTRIES_PER_LATENCY,
        });
        status["busy_slots"] = schedule.busy(self.server.clock.now()).into();
        status
    }

    /// Set all counters to zero and forget the log; the schedule goes on.
    pub fn reset(&self) {
        *self.server.counts.lock() = Counts::default();
    }

    /// The first 65,536 requests since the start or the last reset, in the order of their answers.
    pub fn log(&self) -> Vec<LogEntry> {
        self.server.counts.lock().log().to_vec()
    }

    /// Unmount, unless something else is mounted there now.
    ///
    /// # Errors
    /// [`MountError::Busy`] when not lazy and in use.
    pub fn unmount(&self, lazy: bool) -> Result<(), MountError> {
        self.mount.lock().unmount(lazy)
    }

    /// Wait until the mount has ended, whoever unmounted it; false when it lasts longer than this.
    pub fn wait(&self, limit: Duration) -> bool {
        !matches!(
            self.ended.recv_timeout(limit),
            Err(crossbeam_channel::RecvTimeoutError::Timeout)
        )
    }
}
