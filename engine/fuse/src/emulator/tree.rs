//! The emulated directory: node ids, attributes, listings, read through the page cache, which is the memory of the
//! emulated server. Absent: latency, FUSE replies.

use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{FileAttr, FileType, INodeNo};
use parking_lot::RwLock;
use rustc_hash::FxHashMap;

/// One path, known to the kernel by its number.
#[derive(Debug)]
pub struct Node {
    path: PathBuf,
    /// Size and modification time at the last open; unchanged means that the kernel may keep its pages.
    opened: RwLock<Option<(u64, i64, i64)>>,
}

#[derive(Debug, Default)]
struct Nodes {
    by_number: Vec<Arc<Node>>,
    by_path: FxHashMap<PathBuf, u64>,
}

/// Numbers are given once per path and never taken back: about 250 bytes for each path ever looked up.
#[derive(Debug)]
pub struct Tree {
    nodes: RwLock<Nodes>,
}

impl Tree {
    /// A directory, its root being number 1.
    pub fn new(source: &Path) -> Tree {
        let tree = Tree {
            nodes: RwLock::default(),
        };
        tree.number(source.to_owned());
        tree
    }

    /// The path of a node.
    ///
    /// # Errors
    /// ESTALE when the kernel names a number that was never given.
    pub fn node(&self, ino: INodeNo) -> io::Result<Arc<Node>> {
        let nodes = self.nodes.read();
        let index = (ino.0 as usize).wrapping_sub(1);
        let node = nodes.by_number.get(index).cloned();
        node.ok_or_else(|| io::Error::from_raw_os_error(libc::ESTALE))
    }

    fn number(&self, path: PathBuf) -> u64 {
        if let Some(number) = self.nodes.read().by_path.get(&path) {
            return *number;
        }
        let mut nodes = self.nodes.write();
        if let Some(number) = nodes.by_path.get(&path) {
            return *number;
        }
        nodes.by_number.push(Arc::new(Node {
            path: path.clone(),
            opened: RwLock::new(None),
        }));
        let number = nodes.by_number.len() as u64;
        nodes.by_path.insert(path, number);
        number
    }

    /// Attributes of a node.
    ///
    /// # Errors
    /// As lstat(2).
    pub fn attributes(&self, ino: INodeNo) -> io::Result<FileAttr> {
        let metadata = fs::symlink_metadata(&self.node(ino)?.path)?;
        Ok(file_attr(ino, &metadata))
    }

    /// Find a name in a directory.
    ///
    /// # Errors
    /// As lstat(2).
    pub fn lookup(&self, parent: INodeNo, name: &OsStr) -> io::Result<FileAttr> {
        let path = self.node(parent)?.path.join(name);
        let metadata = fs::symlink_metadata(&path)?;
        Ok(file_attr(INodeNo(self.number(path)), &metadata))
    }

    /// Target of a symbolic link.
    ///
    /// # Errors
    /// As readlink(2).
    pub fn link(&self, ino: INodeNo) -> io::Result<PathBuf> {
        fs::read_link(&self.node(ino)?.path)
    }

    /// Open a file; also tells whether it is as it was at the open before.
    ///
    /// # Errors
    /// As open(2); ELOOP for a symbolic link.
    pub fn open(&self, ino: INodeNo) -> io::Result<(File, bool)> {
        let node = self.node(ino)?;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(&node.path)?;
        let metadata = file.metadata()?;
        let seen = (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
        let before = node.opened.write().replace(seen);
        Ok((file, before == Some(seen)))
    }

    /// Space of the file system that holds the directory.
    ///
    /// # Errors
    /// As statvfs(3).
    pub fn space(&self) -> io::Result<libc::statvfs> {
        let root = self.node(INodeNo::ROOT)?;
        let path = CString::new(root.path.as_os_str().as_bytes())?;
        // SAFETY: all-zero is a valid statvfs; the path ends with NUL and outlives the call.
        unsafe {
            let mut space: libc::statvfs = std::mem::zeroed();
            match libc::statvfs(path.as_ptr(), &raw mut space) {
                0 => Ok(space),
                _ => Err(io::Error::last_os_error()),
            }
        }
    }

    /// Names and kinds of a directory's entries, sorted, `.` and `..` first.
    ///
    /// # Errors
    /// As readdir(3).
    pub fn list(&self, ino: INodeNo) -> io::Result<Vec<(OsString, FileType)>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.node(ino)?.path)? {
            let entry = entry?;
            entries.push((entry.file_name(), kind(entry.file_type()?)));
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        let dots = [".", ".."].map(|name| (OsString::from(name), FileType::Directory));
        Ok(dots.into_iter().chain(entries).collect())
    }
}

fn file_attr(ino: INodeNo, metadata: &Metadata) -> FileAttr {
    FileAttr {
        ino,
        size: metadata.len(),
        blocks: metadata.blocks(),
        atime: time(metadata.atime(), metadata.atime_nsec()),
        mtime: time(metadata.mtime(), metadata.mtime_nsec()),
        ctime: time(metadata.ctime(), metadata.ctime_nsec()),
        crtime: UNIX_EPOCH,
        kind: kind(metadata.file_type()),
        perm: (metadata.mode() & 0o7777) as u16,
        nlink: metadata.nlink() as u32,
        uid: metadata.uid(),
        gid: metadata.gid(),
        rdev: metadata.rdev() as u32,
        blksize: metadata.blksize() as u32,
        flags: 0,
    }
}

fn time(seconds: i64, nanoseconds: i64) -> SystemTime {
    let fraction = Duration::from_nanos(nanoseconds as u64);
    match u64::try_from(seconds) {
        Ok(after) => UNIX_EPOCH + Duration::from_secs(after) + fraction,
        Err(_) => UNIX_EPOCH - Duration::from_secs(seconds.unsigned_abs()) + fraction,
    }
}

fn kind(kind: fs::FileType) -> FileType {
    match () {
        () if kind.is_dir() => FileType::Directory,
        () if kind.is_symlink() => FileType::Symlink,
        () if kind.is_fifo() => FileType::NamedPipe,
        () if kind.is_socket() => FileType::Socket,
        () if kind.is_block_device() => FileType::BlockDevice,
        () if kind.is_char_device() => FileType::CharDevice,
        () => FileType::RegularFile,
    }
}
