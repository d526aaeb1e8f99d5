//! The FUSE operations of a mount, each handed to the driver at once. Absent: anything that waits.

use std::ffi::OsStr;
use std::io;
use std::sync::Arc;

use fuser::{
    Errno, FileHandle, Filesystem, FopenFlags, INodeNo, InitFlags, IoctlFlags, KernelConfig, LockOwner,
    OpenFlags, ReplyAttr, ReplyData, ReplyDirectoryPlus, ReplyEntry, ReplyIoctl, ReplyOpen, ReplyStatfs,
    Request,
};

use crate::driver::Driver;

/// READs and pushes of 1 MiB: the kernel's default limit of pages per request [bytes].
const MAX_MESSAGE_BYTES: u32 = 1 << 20;
/// Reads ahead in flight; the default of 16 leaves the source idle.
const MAX_BACKGROUND: u16 = 64;

/// One mount, as fuser sees it.
pub struct Mounted {
    driver: Arc<Driver>,
}

impl Mounted {
    /// Serve a driver.
    pub fn new(driver: Arc<Driver>) -> Mounted {
        Mounted { driver }
    }
}

impl Filesystem for Mounted {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // Each flag is a gain where the kernel has it; none is needed to be correct.
        for flag in [
            InitFlags::FUSE_DO_READDIRPLUS,
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_CACHE_SYMLINKS,
            // Content changes only with the node id: a new mtime must not throw the pages away.
            InitFlags::FUSE_EXPLICIT_INVAL_DATA,
        ] {
            let _ = config.add_capabilities(flag);
        }
        let _ = config.set_max_write(MAX_MESSAGE_BYTES);
        let _ = config.set_max_background(MAX_BACKGROUND);
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.driver.lookup(parent.0, name, reply);
    }

    fn forget(&self, _request: &Request, node: INodeNo, count: u64) {
        self.driver.forget(&[(node.0, count)]);
    }

    fn getattr(&self, _request: &Request, node: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        self.driver.getattr(node.0, reply);
    }

    fn readlink(&self, _request: &Request, node: INodeNo, reply: ReplyData) {
        self.driver.readlink(node.0, reply);
    }

    fn open(&self, request: &Request, node: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        if !self.driver.observes_opens() {
            // Once for the life of the mount: the kernel never asks again and keeps the page cache.
            self.driver.metrics.open_messages.one();
            reply.error(Errno::ENOSYS);
            return;
        }
        match self.driver.opened(node.0, request.pid()) {
            Ok(()) => reply.opened(
                FileHandle(0),
                FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_NOFLUSH,
            ),
            Err(errno) => reply.error(Errno::from_i32(errno)),
        }
    }

    fn opendir(&self, _request: &Request, _node: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        if self.driver.observes_opens() {
            reply.opened(FileHandle(0), FopenFlags::empty());
        } else {
            reply.error(Errno::ENOSYS);
        }
    }

    fn read(
        &self,
        request: &Request,
        node: INodeNo,
        _handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.driver.read(node.0, offset, size, request.pid(), reply);
    }

    fn readdirplus(
        &self,
        _request: &Request,
        node: INodeNo,
        _handle: FileHandle,
        offset: u64,
        reply: ReplyDirectoryPlus,
    ) {
        self.driver.readdirplus(node.0, offset, reply);
    }

    fn statfs(&self, _request: &Request, _node: INodeNo, reply: ReplyStatfs) {
        self.driver.statfs(reply);
    }

    fn ioctl(
        &self,
        _request: &Request,
        _node: INodeNo,
        _handle: FileHandle,
        _flags: IoctlFlags,
        _command: u32,
        _input: &[u8],
        _output_bytes: u32,
        reply: ReplyIoctl,
    ) {
        self.driver.metrics.ioctl_messages.one();
        reply.error(Errno::ENOTTY);
    }
}
