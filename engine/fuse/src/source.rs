//! The source: a directory, reached through one descriptor of its root and never outside of it. Absent: threads, timers,
//! caching; every call here may block as long as the storage likes and is made by the fetch pool only.
//!
//! Each path is resolved by openat2 with RESOLVE_BENEATH, NO_MAGICLINKS and NO_SYMLINKS: a hostile link or `..` in the
//! tree, also one put there between two calls, leads to an error and not out of the source.

use std::ffi::CString;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use mlopt_core::Version;
use parking_lot::{Condvar, Mutex};
use rustc_hash::FxHasher;

use crate::buffers::{AlignedBuffer, PAGE};
use crate::opened::{Opened, OpenedFiles};

/// Two changes this close together may carry the same time stamps: the kernel's coarse clock ticks each 4 to 10 ms.
const TIMESTAMP_GRANULARITY: Duration = Duration::from_millis(20);
/// From here on attributes of a listing are asked for in parallel: serial, 2,000 files at 5 ms take 10 s.
const SLOW_STAT: Duration = Duration::from_micros(200);
const STATS_BEFORE_JUDGING: usize = 16;
const PARALLEL_STATS: usize = 16;
const TRIES: usize = 3;

/// Attributes of one entry, as stat(2) has them; also the validator that tells two versions apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// Device of the source file system.
    pub dev: u64,
    /// Inode number there.
    pub ino: u64,
    /// Type and permissions, as st_mode.
    pub mode: u32,
    /// Number of links.
    pub nlink: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device number of a device file.
    pub rdev: u32,
    /// Size [bytes].
    pub size: u64,
    /// Allocated size in units of 512 bytes.
    pub blocks: u64,
    /// Last access [ns since the epoch].
    pub atime_ns: i64,
    /// Last change of the content [ns since the epoch].
    pub mtime_ns: i64,
    /// Last change of anything [ns since the epoch].
    pub ctime_ns: i64,
}

impl Attributes {
    /// What tells this content from another one under the same name.
    pub fn version(&self) -> Version {
        let mut hasher = FxHasher::default();
        self.validator().hash(&mut hasher);
        Version(hasher.finish())
    }

    /// The fields that a change of content cannot leave alone.
    pub fn validator(&self) -> (u64, u64, u64, i64, i64) {
        (self.dev, self.ino, self.size, self.mtime_ns, self.ctime_ns)
    }

    /// The type bits of the mode, as `libc::S_IFREG`.
    pub fn kind(&self) -> u32 {
        self.mode & libc::S_IFMT
    }
}

/// One name of a directory.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Name, bytes as they are.
    pub name: Vec<u8>,
    /// Its attributes.
    pub attributes: Attributes,
}

/// Totals of the source's file system, for statfs.
#[derive(Debug, Clone, Copy)]
pub struct Totals {
    /// All blocks.
    pub blocks: u64,
    /// Free blocks.
    pub free: u64,
    /// All file slots.
    pub files: u64,
    /// Free file slots.
    pub free_files: u64,
    /// Unit of the blocks [bytes].
    pub block_bytes: u32,
    /// Longest name [bytes].
    pub name_bytes: u32,
}

/// Why bytes could not be had.
#[derive(Debug)]
pub enum ReadError {
    /// The file is another one now, or vanished.
    Changed,
    /// The source's own error.
    Errno(i32),
}

/// A directory as source.
#[derive(Debug)]
pub struct PosixSource {
    root: OwnedFd,
    opened: OpenedFiles,
    naps: (Mutex<()>, Condvar),
}

impl PosixSource {
    /// Open the root; everything later goes through its descriptor.
    ///
    /// # Errors
    /// When it is missing or no directory.
    pub fn open(directory: &Path) -> io::Result<PosixSource> {
        let path = CString::new(directory.as_os_str().as_bytes())?;
        // SAFETY: a NUL-terminated path; the descriptor returned is ours.
        let root = owned(unsafe {
            libc::open(
                path.as_ptr(),
                libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC,
            )
        })?;
        Ok(PosixSource {
            root,
            opened: OpenedFiles::new(),
            naps: (Mutex::new(()), Condvar::new()),
        })
    }

    /// Attributes of a path relative to the root; empty names the root. Links are shown, not followed.
    ///
    /// # Errors
    /// The source's error.
    pub fn stat(&self, path: &[u8]) -> io::Result<Attributes> {
        if path.is_empty() {
            return stat_fd(self.root.as_raw_fd());
        }
        let fd = self.resolve(path, libc::O_PATH | libc::O_NOFOLLOW)?;
        stat_fd(fd.as_raw_fd())
    }

    /// All names of a directory with their attributes; names that vanish meanwhile are left out.
    ///
    /// # Errors
    /// The source's error.
    pub fn list(&self, path: &[u8]) -> io::Result<Vec<Listed>> {
        let target: &[u8] = if path.is_empty() { b"." } else { path };
        let directory = self.resolve(target, libc::O_RDONLY | libc::O_DIRECTORY)?;
        let names = read_names(&directory)?;
        stat_names(&directory, names)
    }

    /// The target of a symbolic link, as it is written.
    ///
    /// # Errors
    /// The source's error.
    pub fn readlink(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        let link = self.resolve(path, libc::O_PATH | libc::O_NOFOLLOW)?;
        let mut target = vec![0_u8; libc::PATH_MAX as usize];
        // SAFETY: the buffer has the length given; an empty path means the descriptor itself.
        let length = unsafe {
            libc::readlinkat(
                link.as_raw_fd(),
                c"".as_ptr(),
                target.as_mut_ptr().cast(),
                target.len(),
            )
        };
        if length < 0 {
            return Err(io::Error::last_os_error());
        }
        target.truncate(length as usize);
        Ok(target)
    }

    /// Totals of the file system.
    ///
    /// # Errors
    /// The source's error.
    pub fn totals(&self) -> io::Result<Totals> {
        // SAFETY: zeroed is a valid statvfs.
        let mut found: libc::statvfs = unsafe { std::mem::zeroed() };
        // SAFETY: the descriptor is open, the result has the right type.
        if unsafe { libc::fstatvfs(self.root.as_raw_fd(), &raw mut found) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Totals {
            blocks: found.f_blocks,
            free: found.f_bfree,
            files: found.f_files,
            free_files: found.f_ffree,
            block_bytes: found.f_bsize as u32,
            name_bytes: found.f_namemax as u32,
        })
    }

    /// Read `buffers`, one after the other from `offset`, of exactly this version of a file.
    ///
    /// Leaves no second copy in the page cache: O_DIRECT, or dropped at once where the source refuses that. The
    /// validator must agree before and after; a file changed a moment ago is waited for, because a second change
    /// within one clock tick would carry the same stamps.
    ///
    /// # Errors
    /// [`ReadError::Changed`], or the source's errno; a short read is EIO, never zeros.
    pub fn read(
        &self,
        path: &[u8],
        expected: &Attributes,
        offset: u64,
        buffers: &mut [AlignedBuffer],
    ) -> Result<(), ReadError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.read_once(path, expected, offset, buffers) {
                // An NFS client's handle can go stale without a change; a new open tells.
                Err(ReadError::Errno(libc::ESTALE | libc::EINTR | libc::EAGAIN)) if tries < TRIES => {
                    self.opened.forget(path);
                }
                Err(error) => {
                    self.opened.forget(path);
                    return Err(error);
                }
                Ok(()) => return Ok(()),
            }
        }
    }

    fn read_once(
        &self,
        path: &[u8],
        expected: &Attributes,
        offset: u64,
        buffers: &mut [AlignedBuffer],
    ) -> Result<(), ReadError> {
        let check = |opened: &Opened| match stat_fd(opened.file.as_raw_fd()) {
            Ok(now) if now.validator() == expected.validator() => Ok(()),
            Ok(_) => Err(ReadError::Changed),
            Err(error) => Err(errno(&error)),
        };
        let open = || self.open_for_reading(path);
        let (mut opened, is_reused) = self.opened.get(path, open)?;
        if is_reused && check(&opened).is_err() {
            self.opened.forget(path); // another file may have taken its place
            opened = self.opened.get(path, open)?.0;
        }
        check(&opened)?;
        let (file, direct) = (&opened.file, opened.is_direct);
        self.wait_until_settled(expected);
        let mut position = offset;
        let mut result = Ok(());
        for buffer in buffers.iter_mut() {
            result = read_exactly(file, direct, position, buffer);
            if result.is_err() {
                break;
            }
            position += buffer.len() as u64;
        }
        if !direct {
            // SAFETY: the descriptor is open; the call only gives advice.
            unsafe {
                libc::posix_fadvise(
                    file.as_raw_fd(),
                    offset as i64,
                    (position - offset) as i64,
                    libc::POSIX_FADV_DONTNEED,
                )
            };
        }
        check(&opened)?; // a change explains an error and a short read better than they explain themselves
        result
    }

    /// Close files that nobody read lately.
    pub fn close_idle(&self) {
        self.opened.close_idle();
    }

    fn open_for_reading(&self, path: &[u8]) -> Result<Opened, ReadError> {
        // O_NONBLOCK: a FIFO put in the file's place must not block the thread; O_NOATIME needs ownership, so it is tried.
        let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let opened = self
            .resolve(path, flags | libc::O_DIRECT)
            .map(|fd| of_fd(fd, true));
        let opened = match opened {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                self.resolve(path, flags).map(|fd| of_fd(fd, false))
            }
            result => result,
        };
        opened.map_err(|error| match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP | libc::ENXIO) => ReadError::Changed,
            _ => errno(&error),
        })
    }

    fn wait_until_settled(&self, attributes: &Attributes) {
        let newest = attributes.mtime_ns.max(attributes.ctime_ns);
        let age = wall_clock_ns().saturating_sub(newest);
        let granularity = TIMESTAMP_GRANULARITY.as_nanos() as i64;
        if (0..granularity).contains(&age) {
            let rest = Duration::from_nanos((granularity - age) as u64);
            self.naps.1.wait_for(&mut self.naps.0.lock(), rest);
        }
    }

    fn resolve(&self, path: &[u8], flags: i32) -> io::Result<OwnedFd> {
        const BENEATH: u64 = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS | libc::RESOLVE_NO_SYMLINKS;
        let path = CString::new(path)?;
        // SAFETY: zeroed is a valid open_how.
        let mut how: libc::open_how = unsafe { std::mem::zeroed() };
        how.flags = (flags | libc::O_CLOEXEC) as u64;
        how.resolve = BENEATH;
        loop {
            // SAFETY: a NUL-terminated path and a struct of the size given.
            let fd = unsafe {
                libc::syscall(
                    libc::SYS_openat2,
                    self.root.as_raw_fd(),
                    path.as_ptr(),
                    &raw const how,
                    size_of::<libc::open_how>(),
                )
            };
            match owned(fd as RawFd) {
                // EAGAIN: a rename elsewhere raced with the check of `..`.
                Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR)) => {}
                result => return result,
            }
        }
    }
}

fn read_exactly(file: &File, direct: bool, offset: u64, buffer: &mut AlignedBuffer) -> Result<(), ReadError> {
    let wanted = buffer.len();
    let mut done = 0;
    while done < wanted {
        let room = if direct {
            &mut buffer.whole_pages()[done..]
        } else {
            &mut buffer[done..]
        };
        // SAFETY: the slice is valid for its length.
        let got = unsafe {
            libc::pread(
                file.as_raw_fd(),
                room.as_mut_ptr().cast(),
                room.len(),
                (offset + done as u64) as i64,
            )
        };
        match got {
            0 => return Err(ReadError::Errno(libc::EIO)), // shorter than its size: an error, never zeros
            1.. => done += got as usize,
            _ => match io::Error::last_os_error() {
                error if error.raw_os_error() == Some(libc::EINTR) => {}
                error if direct && error.raw_os_error() == Some(libc::EINVAL) => {
                    // Opened with O_DIRECT but not aligned to this device's liking.
                    clear_direct(file)?;
                    let result = read_exactly(file, false, offset, buffer);
                    // SAFETY: only advice.
                    unsafe {
                        libc::posix_fadvise(
                            file.as_raw_fd(),
                            offset as i64,
                            wanted as i64,
                            libc::POSIX_FADV_DONTNEED,
                        )
                    };
                    return result;
                }
                error => return Err(errno(&error)),
            },
        }
        // After a short direct read the position must be on a page again.
        if direct && done < wanted && done % PAGE != 0 {
            return Err(ReadError::Errno(libc::EIO));
        }
    }
    Ok(())
}

fn of_fd(fd: OwnedFd, is_direct: bool) -> Opened {
    let file = File::from(fd);
    Opened { file, is_direct }
}

fn clear_direct(file: &File) -> Result<(), ReadError> {
    // SAFETY: the descriptor is open.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, 0) } != 0 {
        return Err(errno(&io::Error::last_os_error()));
    }
    Ok(())
}

fn errno(error: &io::Error) -> ReadError {
    ReadError::Errno(error.raw_os_error().unwrap_or(libc::EIO))
}

fn owned(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a descriptor just returned by the kernel, owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn stat_fd(fd: RawFd) -> io::Result<Attributes> {
    // SAFETY: zeroed is a valid stat.
    let mut found: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the result has the right type.
    if unsafe { libc::fstat(fd, &raw mut found) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(attributes(&found))
}

fn stat_at(directory: RawFd, name: &[u8]) -> io::Result<Attributes> {
    let name = CString::new(name)?;
    // SAFETY: zeroed is a valid stat.
    let mut found: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: a NUL-terminated name of one component; the result has the right type.
    let failed = unsafe {
        libc::fstatat(
            directory,
            name.as_ptr(),
            &raw mut found,
            libc::AT_SYMLINK_NOFOLLOW,
        )
    };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(attributes(&found))
}

fn attributes(found: &libc::stat) -> Attributes {
    let time = |seconds: i64, ns: i64| seconds.saturating_mul(1_000_000_000).saturating_add(ns);
    Attributes {
        dev: found.st_dev,
        ino: found.st_ino,
        mode: found.st_mode,
        nlink: u32::try_from(found.st_nlink).unwrap_or(u32::MAX),
        uid: found.st_uid,
        gid: found.st_gid,
        rdev: found.st_rdev as u32,
        size: found.st_size as u64,
        blocks: found.st_blocks as u64,
        atime_ns: time(found.st_atime, found.st_atime_nsec),
        mtime_ns: time(found.st_mtime, found.st_mtime_nsec),
        ctime_ns: time(found.st_ctime, found.st_ctime_nsec),
    }
}

fn read_names(directory: &OwnedFd) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    let mut buffer = AlignedBuffer::new(256 << 10)?;
    loop {
        // SAFETY: the buffer has the length given.
        let got = unsafe {
            libc::syscall(
                libc::SYS_getdents64,
                directory.as_raw_fd(),
                buffer.as_mut_ptr(),
                buffer.len(),
            )
        };
        if got < 0 {
            return Err(io::Error::last_os_error());
        }
        if got == 0 {
            return Ok(names);
        }
        let mut rest = &buffer[..got as usize];
        // linux_dirent64: ino u64, off i64, reclen u16, type u8, name up to NUL.
        while rest.len() > 19 {
            let record = usize::from(u16::from_ne_bytes([rest[16], rest[17]]));
            let name = rest[19..record].split(|byte| *byte == 0).next().unwrap_or(&[]);
            if name != b"." && name != b".." {
                names.push(name.to_vec());
            }
            rest = &rest[record..];
        }
    }
}

fn stat_names(directory: &OwnedFd, names: Vec<Vec<u8>>) -> io::Result<Vec<Listed>> {
    let fd = directory.as_raw_fd();
    let clock = crate::clock::Clock::new();
    let mut listed = Vec::with_capacity(names.len());
    let mut names = names.into_iter();
    for name in names.by_ref().take(STATS_BEFORE_JUDGING) {
        listed.extend(listed_entry(fd, name)?);
    }
    let names: Vec<Vec<u8>> = names.collect();
    let slow = clock.now().0 > SLOW_STAT.as_nanos() as u64 * STATS_BEFORE_JUDGING as u64;
    if !slow || names.is_empty() {
        for name in names {
            listed.extend(listed_entry(fd, name)?);
        }
        return Ok(listed);
    }
    let share = names.len().div_ceil(PARALLEL_STATS);
    std::thread::scope(|scope| {
        let workers: Vec<_> = names
            .chunks(share)
            .map(|part| {
                scope.spawn(move || {
                    part.iter()
                        .filter_map(|name| listed_entry(fd, name.clone()).transpose())
                        .collect::<io::Result<Vec<Listed>>>()
                })
            })
            .collect();
        for worker in workers {
            let part = worker
                .join()
                .map_err(|_| io::Error::from_raw_os_error(libc::EIO))?;
            listed.extend(part?);
        }
        Ok(listed)
    })
}

fn listed_entry(directory: RawFd, name: Vec<u8>) -> io::Result<Option<Listed>> {
    match stat_at(directory, &name) {
        Ok(attributes) => Ok(Some(Listed { name, attributes })),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Wall clock, only ever compared with the source's time stamps.
#[allow(clippy::disallowed_methods)]
fn wall_clock_ns() -> i64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as i64)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("mlopt-source-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn nothing_outside_of_the_root_can_be_reached() {
        let root = directory("beneath");
        fs::create_dir_all(root.join("inner")).unwrap();
        fs::write(root.join("outside"), b"secret").unwrap();
        symlink("../outside", root.join("inner/link")).unwrap();
        symlink("..", root.join("inner/up")).unwrap();
        let source = PosixSource::open(&root.join("inner")).unwrap();
        assert_eq!(source.readlink(b"link").unwrap(), b"../outside");
        assert_eq!(source.stat(b"link").unwrap().kind(), libc::S_IFLNK);
        assert!(source.stat(b"../outside").is_err());
        assert!(source.stat(b"up/outside").is_err());
        let attributes = source.stat(b"link").unwrap();
        let mut buffers = [AlignedBuffer::new(6).unwrap()];
        assert!(source.read(b"link", &attributes, 0, &mut buffers).is_err());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_version_that_is_gone_is_told_from_an_error() {
        let root = directory("changed");
        fs::write(root.join("file"), vec![1_u8; 5000]).unwrap();
        let source = PosixSource::open(&root).unwrap();
        let before = source.stat(b"file").unwrap();
        let mut buffers = [
            AlignedBuffer::new(4096).unwrap(),
            AlignedBuffer::new(904).unwrap(),
        ];
        source.read(b"file", &before, 0, &mut buffers).unwrap();
        assert!(buffers.iter().all(|buffer| buffer.iter().all(|byte| *byte == 1)));
        fs::write(root.join("file"), vec![2_u8; 5000]).unwrap();
        assert!(matches!(
            source.read(b"file", &before, 0, &mut buffers),
            Err(ReadError::Changed)
        ));
        fs::remove_file(root.join("file")).unwrap();
        assert!(matches!(
            source.read(b"file", &before, 0, &mut buffers),
            Err(ReadError::Changed)
        ));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_file_that_takes_anothers_place_is_opened_anew() {
        let root = directory("replaced");
        fs::write(root.join("file"), vec![1_u8; 5000]).unwrap();
        let source = PosixSource::open(&root).unwrap();
        let before = source.stat(b"file").unwrap();
        let mut buffers = [AlignedBuffer::new(5000).unwrap()];
        source.read(b"file", &before, 0, &mut buffers).unwrap();
        fs::write(root.join("new"), vec![2_u8; 5000]).unwrap();
        fs::rename(root.join("new"), root.join("file")).unwrap();
        let after = source.stat(b"file").unwrap();
        source.read(b"file", &after, 0, &mut buffers).unwrap();
        assert!(buffers[0].iter().all(|byte| *byte == 2));
        // whoever still wants the old one learns that it is gone
        assert!(matches!(
            source.read(b"file", &before, 0, &mut buffers),
            Err(ReadError::Changed)
        ));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_listing_has_every_name_as_its_bytes_are() {
        use std::os::unix::ffi::OsStrExt;
        let root = directory("names");
        for name in [&b"plain"[..], b"\xff\xfe", b"new\nline"] {
            fs::write(root.join(std::ffi::OsStr::from_bytes(name)), b"x").unwrap();
        }
        let mut names: Vec<Vec<u8>> = PosixSource::open(&root)
            .unwrap()
            .list(b"")
            .unwrap()
            .into_iter()
            .map(|entry| entry.name)
            .collect();
        names.sort();
        assert_eq!(
            names,
            [b"new\nline".to_vec(), b"plain".to_vec(), b"\xff\xfe".to_vec()]
        );
        fs::remove_dir_all(root).unwrap();
    }
}
