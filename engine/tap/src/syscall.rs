//! Owns: the list of system calls that the tap asks for, and their errors' numbers. Absent: what they do.

macro_rules! syscalls {
    ($($name:literal => $variant:ident),+ $(,)?) => {
        /// A traced system call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum Syscall { $($variant),+ }

        impl Syscall {
            /// Names for the tracer's filter.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// From the name in a line; None for a call that nobody asked for.
            pub fn from_name(name: &[u8]) -> Option<Self> {
                // Becomes a switch on the length first; the text is ASCII, or it is none of these names.
                match std::str::from_utf8(name).ok()? {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

syscalls! {
    "read" => Read,
    "close" => Close,
    "openat" => Openat,
    "newfstatat" => Newfstatat,
    "lseek" => Lseek,
    "mmap" => Mmap,
    "pread64" => Pread64,
    "fstat" => Fstat,
    "write" => Write,
    "statx" => Statx,
    "stat" => Stat,
    "open" => Open,
    "getdents64" => Getdents64,
    "getdents" => Getdents,
    "lstat" => Lstat,
    "readv" => Readv,
    "preadv" => Preadv,
    "preadv2" => Preadv2,
    "fcntl" => Fcntl,
    "dup" => Dup,
    "dup2" => Dup2,
    "dup3" => Dup3,
    "close_range" => CloseRange,
    "clone" => Clone,
    "clone3" => Clone3,
    "fork" => Fork,
    "vfork" => Vfork,
    "execve" => Execve,
    "execveat" => Execveat,
    "chdir" => Chdir,
    "fchdir" => Fchdir,
    "unshare" => Unshare,
    "openat2" => Openat2,
    "creat" => Creat,
    "copy_file_range" => CopyFileRange,
    "sendfile" => Sendfile,
    "splice" => Splice,
    "pwrite64" => Pwrite64,
    "writev" => Writev,
    "pwritev" => Pwritev,
    "pwritev2" => Pwritev2,
    "rename" => Rename,
    "renameat" => Renameat,
    "renameat2" => Renameat2,
    "unlink" => Unlink,
    "unlinkat" => Unlinkat,
    "truncate" => Truncate,
    "ftruncate" => Ftruncate,
    "fsync" => Fsync,
    "fdatasync" => Fdatasync,
    "fadvise64" => Fadvise64,
    "readahead" => Readahead,
}

/// Calls whose vectors must be printed whole, for the sum of their lengths.
pub const VECTORED: &[&str] = &["readv", "preadv", "preadv2", "writev", "pwritev", "pwritev2"];

impl Syscall {
    /// Does it make a task?
    pub fn makes_task(self) -> bool {
        matches!(self, Self::Clone | Self::Clone3 | Self::Fork | Self::Vfork)
    }

    /// Is its first argument a descriptor that must be looked up when the call starts, not when it ends?
    pub fn starts_with_descriptor(self) -> bool {
        use Syscall as S;
        matches!(
            self,
            S::Read
                | S::Close
                | S::Pread64
                | S::Fstat
                | S::Write
                | S::Lseek
                | S::Getdents64
                | S::Getdents
                | S::Readv
                | S::Preadv
                | S::Preadv2
                | S::Pwrite64
                | S::Writev
                | S::Pwritev
                | S::Pwritev2
                | S::Ftruncate
                | S::Fsync
                | S::Fdatasync
                | S::Fadvise64
                | S::Readahead
        )
    }
}

/// The number of an error's name on Linux; EIO for one that files do not give.
pub fn errno(name: &[u8]) -> i64 {
    match name {
        b"EPERM" => 1,
        b"ENOENT" => 2,
        b"EINTR" => 4,
        b"EIO" => 5,
        b"ENXIO" => 6,
        b"EBADF" => 9,
        b"EAGAIN" => 11,
        b"ENOMEM" => 12,
        b"EACCES" => 13,
        b"EFAULT" => 14,
        b"EBUSY" => 16,
        b"EEXIST" => 17,
        b"EXDEV" => 18,
        b"ENODEV" => 19,
        b"ENOTDIR" => 20,
        b"EISDIR" => 21,
        b"EINVAL" => 22,
        b"ENFILE" => 23,
        b"EMFILE" => 24,
        b"ETXTBSY" => 26,
        b"EFBIG" => 27,
        b"ENOSPC" => 28,
        b"ESPIPE" => 29,
        b"EROFS" => 30,
        b"EMLINK" => 31,
        b"EPIPE" => 32,
        b"ENAMETOOLONG" => 36,
        b"ENOSYS" => 38,
        b"ENOTEMPTY" => 39,
        b"ELOOP" => 40,
        b"EOVERFLOW" => 75,
        b"EOPNOTSUPP" => 95,
        b"ENOTCONN" => 107,
        b"ETIMEDOUT" => 110,
        b"ESTALE" => 116,
        b"EDQUOT" => 122,
        _ => 5,
    }
}
