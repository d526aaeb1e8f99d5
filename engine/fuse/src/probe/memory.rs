//! A file system in memory without any work of its own: what using it costs is FUSE's cost. Absent: real bytes.

use std::ffi::OsStr;
use std::io;
use std::time::{Duration, UNIX_EPOCH};

use crossbeam_channel::{Receiver, bounded};
use fuser::{
    Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, Notifier, OpenFlags, ReplyAttr, ReplyData, ReplyEntry, ReplyOpen, Request,
    Session, SessionACL,
};
use parking_lot::Mutex;

use crate::buffers::AlignedBuffer;
use crate::kernel_mount::{KernelMount, MountError, MountSpec};

const VALID: Duration = Duration::from_secs(86_400);
const REQUEST_BYTES: u32 = 1 << 20;
const READ_AHEAD_KIB: u32 = 1024;
/// Number of the first file; 1 is the root.
const FIRST: u64 = 2;

/// What is in it.
#[derive(Debug, Clone, Copy)]
pub struct Content {
    /// Files, named by their numbers from 0.
    pub files: u64,
    /// Bytes of each.
    pub file_bytes: u64,
    /// Answer OPEN; otherwise the kernel is told never to ask.
    pub answers_open: bool,
}

struct MemoryFilesystem {
    content: Content,
    zeroes: AlignedBuffer,
}

impl MemoryFilesystem {
    fn attributes(&self, ino: u64) -> FileAttr {
        let is_root = ino == 1;
        FileAttr {
            ino: INodeNo(ino),
            size: if is_root { 0 } else { self.content.file_bytes },
            blocks: self.content.file_bytes.div_ceil(512),
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: if is_root {
                FileType::Directory
            } else {
                FileType::RegularFile
            },
            perm: if is_root { 0o555 } else { 0o444 },
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

impl Filesystem for MemoryFilesystem {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // What the kernel cannot do costs speed only. EXPLICIT_INVAL_DATA as the real mount has it.
        let _ =
            config.add_capabilities(InitFlags::FUSE_PARALLEL_DIROPS | InitFlags::FUSE_EXPLICIT_INVAL_DATA);
        let _ = config.set_max_write(REQUEST_BYTES);
        Ok(())
    }

    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let number: Option<u64> = name.to_str().and_then(|name| name.parse().ok());
        match number.filter(|number| *number < self.content.files) {
            Some(number) => reply.entry(&VALID, &self.attributes(FIRST + number), Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&VALID, &self.attributes(ino.0));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.content.answers_open {
            true => reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE),
            false => reply.error(Errno::ENOSYS),
        }
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let left = self.content.file_bytes.saturating_sub(offset);
        reply.data(&self.zeroes[..left.min(u64::from(size)) as usize]);
    }
}

/// The mounted file system. Dropping it unmounts.
pub struct MemoryMount {
    content: Content,
    notifier: Notifier,
    mount: Mutex<KernelMount>,
    ended: Receiver<()>,
}

impl MemoryMount {
    /// Mount it with one serving thread.
    ///
    /// # Errors
    /// When mounting fails or no thread can be made.
    pub fn start(spec: &MountSpec, content: Content) -> Result<MemoryMount, MountError> {
        let system = |what| move |source| MountError::System { what, source };
        let zeroes = AlignedBuffer::new(REQUEST_BYTES as usize).map_err(system("a buffer"))?;
        let mut mount = KernelMount::new(spec)?;
        let fd = mount
            .take_fd()
            .ok_or_else(|| MountError::NotOurs(spec.mountpoint.clone()))?;
        let filesystem = MemoryFilesystem { content, zeroes };
        let session = Session::from_fd(filesystem, fd, SessionACL::All, Config::default())
            .map_err(system("the FUSE handshake"))?;
        let _ = mount.set_read_ahead_kib(READ_AHEAD_KIB); // only root may
        let notifier = session.notifier();
        let (end, ended) = bounded(1);
        std::thread::Builder::new()
            .name("memory".to_owned())
            .spawn(move || {
                let _ = session.run(); // ends with ENODEV once unmounted
                let _ = end.send(());
            })
            .map_err(system("a thread"))?;
        Ok(MemoryMount {
            content,
            notifier,
            mount: Mutex::new(mount),
            ended,
        })
    }

    /// Push all bytes of some files into the kernel's page cache.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn push(&self, first: u64, files: u64) -> io::Result<()> {
        let zeroes = AlignedBuffer::new(REQUEST_BYTES as usize)?;
        for number in first..(first + files).min(self.content.files) {
            let mut offset = 0;
            while offset < self.content.file_bytes {
                let length = (self.content.file_bytes - offset).min(zeroes.len() as u64);
                self.notifier
                    .store(INodeNo(FIRST + number), offset, &zeroes[..length as usize])?;
                offset += length;
            }
        }
        Ok(())
    }

    /// Unmount and wait for the serving thread.
    ///
    /// # Errors
    /// When the mount is not ours any more.
    pub fn stop(&self) -> Result<(), MountError> {
        self.mount.lock().unmount(true)?;
        let _ = self.ended.recv_timeout(Duration::from_secs(5));
        Ok(())
    }
}
