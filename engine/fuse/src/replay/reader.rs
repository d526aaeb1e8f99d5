//! One reader of a replayed job: opens, stats, reads and sums up what it read. Absent: when it may go on.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustc_hash::FxHashMap;

use super::{Access, Op};
use crate::buffers::AlignedBuffer;

/// Bytes per read(2) at most: the job's own buffers were not larger either, as a rule.
const BUFFER_BYTES: usize = 8 << 20;
/// Problems that are kept word by word.
const PROBLEMS_KEPT: usize = 20;

/// What went wrong with one access.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Number of the file.
    pub file: u32,
    /// The system's reason; 0 when the file was shorter than recorded.
    pub errno: i32,
}

/// What one reader did in one epoch.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Bytes read.
    pub bytes: u64,
    /// Accesses made.
    pub accesses: u64,
    /// Accesses that failed or were short.
    pub errors: u64,
    /// Sum of a hash of (file, offset, length, CRC-32C of the bytes) of each read; its order does not matter.
    pub checksum: u64,
    /// The first problems.
    pub problems: Vec<Problem>,
}

impl Tally {
    /// Add another's.
    pub fn add(&mut self, other: &Tally) {
        self.bytes += other.bytes;
        self.accesses += other.accesses;
        self.errors += other.errors;
        self.checksum = self.checksum.wrapping_add(other.checksum);
        let room = PROBLEMS_KEPT.saturating_sub(self.problems.len());
        self.problems.extend(other.problems.iter().take(room).cloned());
    }

    fn problem(&mut self, file: u32, errno: i32) {
        self.errors += 1;
        if self.problems.len() < PROBLEMS_KEPT {
            self.problems.push(Problem { file, errno });
        }
    }
}

/// Does accesses below one directory.
pub struct Hands<'a> {
    root: BorrowedFd<'a>,
    paths: &'a [CString],
    open: FxHashMap<u32, OwnedFd>,
    buffer: AlignedBuffer,
}

impl<'a> Hands<'a> {
    /// Below this directory; paths are relative to it.
    ///
    /// # Errors
    /// ENOMEM when there is no memory for the buffer.
    pub fn new(root: BorrowedFd<'a>, paths: &'a [CString]) -> io::Result<Hands<'a>> {
        Ok(Hands {
            root,
            paths,
            open: FxHashMap::default(),
            buffer: AlignedBuffer::new(BUFFER_BYTES)?,
        })
    }

    /// Do one access; its failure is counted.
    pub fn access(&mut self, access: &Access, tally: &mut Tally) {
        tally.accesses += 1;
        let outcome = match access.op {
            Op::Open => self.reopen(access.file),
            Op::Read => self.read(access, tally),
            Op::Stat => self.stat(access.file),
            Op::List => self.list(access.file),
        };
        if let Err(error) = outcome {
            tally.problem(access.file, error.raw_os_error().unwrap_or(libc::EIO));
        }
        if access.is_last_use {
            self.open.remove(&access.file);
        }
    }

    fn path(&self, file: u32) -> io::Result<&'a CString> {
        let path = &self.paths[file as usize];
        // What lies outside the directory was not recorded below the source either.
        let is_inside = !path.as_bytes().starts_with(b"/")
            && !path
                .as_bytes()
                .split(|byte| *byte == b'/')
                .any(|name| name == b"..");
        match is_inside {
            true => Ok(path),
            false => Err(io::Error::from_raw_os_error(libc::EINVAL)),
        }
    }

    fn reopen(&mut self, file: u32) -> io::Result<()> {
        let fd = self.open_at(
            file,
            libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NOCTTY | libc::O_NONBLOCK,
        )?;
        self.open.insert(file, fd);
        Ok(())
    }

    fn open_at(&self, file: u32, flags: i32) -> io::Result<OwnedFd> {
        // SAFETY: the path ends with NUL and outlives the call; the descriptor is owned by nobody else.
        unsafe {
            match libc::openat(self.root.as_raw_fd(), self.path(file)?.as_ptr(), flags) {
                -1 => Err(io::Error::last_os_error()),
                fd => Ok(OwnedFd::from_raw_fd(fd)),
            }
        }
    }

    fn read(&mut self, access: &Access, tally: &mut Tally) -> io::Result<()> {
        if !self.open.contains_key(&access.file) {
            self.reopen(access.file)?; // the job had it open before the record begins
        }
        let fd = self.open[&access.file].as_raw_fd();
        let mut done = 0;
        let mut crc = 0;
        while done < access.length {
            let wanted = (access.length - done).min(BUFFER_BYTES as u64) as usize;
            // SAFETY: writes at most `wanted` bytes into the buffer, which has as many.
            let got = unsafe {
                libc::pread(
                    fd,
                    self.buffer.as_mut_ptr().cast(),
                    wanted,
                    (access.offset + done) as i64,
                )
            };
            match got {
                0 => break,
                1.. => {
                    crc = crc32c::crc32c_append(crc, &self.buffer[..got as usize]);
                    done += got as u64;
                }
                _ => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
            }
        }
        tally.bytes += done;
        if done > 0 {
            let parts = [u64::from(access.file), access.offset, done, u64::from(crc)];
            tally.checksum = tally.checksum.wrapping_add(mixed(&parts));
        }
        if done < access.length {
            tally.problem(access.file, 0);
        }
        Ok(())
    }

    fn stat(&self, file: u32) -> io::Result<()> {
        let path = self.path(file)?;
        let empty_means_root = libc::AT_EMPTY_PATH;
        // SAFETY: all-zero is a valid stat; the path ends with NUL and outlives the call.
        unsafe {
            let mut found: libc::stat = std::mem::zeroed();
            match libc::fstatat(
                self.root.as_raw_fd(),
                path.as_ptr(),
                &raw mut found,
                empty_means_root,
            ) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        }
    }

    fn list(&self, file: u32) -> io::Result<()> {
        let fd = if self.path(file)?.is_empty() {
            self.root.try_clone_to_owned()?
        } else {
            self.open_at(file, libc::O_RDONLY | libc::O_CLOEXEC | libc::O_DIRECTORY)?
        };
        for entry in fs::read_dir(format!("/proc/self/fd/{}", fd.as_raw_fd()))? {
            entry?;
        }
        Ok(())
    }
}

/// SplitMix64 over the parts.
fn mixed(parts: &[u64]) -> u64 {
    parts.iter().fold(0x9E37_79B9_7F4A_7C15, |hash, part| {
        let mut z = hash ^ part;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)).wrapping_add(0x9E37_79B9_7F4A_7C15)
    })
}
