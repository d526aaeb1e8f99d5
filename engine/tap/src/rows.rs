//! Owns: one recorded call as a row, and batches of rows as columns. Absent: where they come from or go.

/// Stands for "unknown" in columns that have no own null.
pub const UNKNOWN: i64 = i64::MIN;
/// Stands for "no file" and "no handle".
pub const NONE: u32 = u32::MAX;

/// What a call did to a file; the order is the order of `Op::NAMES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Op {
    /// open, openat, openat2, creat.
    Open,
    /// close of one descriptor.
    Close,
    /// read, pread64, readv, preadv, preadv2.
    Read,
    /// write and its relatives.
    Write,
    /// A file-backed mmap.
    Mmap,
    /// msync of a mapping.
    Msync,
    /// stat and its relatives.
    Stat,
    /// getdents64.
    Readdir,
    /// truncate, ftruncate.
    Truncate,
    /// unlink, unlinkat.
    Unlink,
    /// rename and its relatives, one row for each of the two names.
    Rename,
    /// fsync, fdatasync.
    Fsync,
    /// fadvise64, readahead.
    Advise,
    /// The file that copy_file_range, sendfile or splice reads from.
    Copy,
}

impl Op {
    /// Names as the trace stores them.
    pub const NAMES: [&'static str; 14] = [
        "open", "close", "read", "write", "mmap", "msync", "stat", "readdir", "truncate", "unlink", "rename",
        "fsync", "advise", "copy",
    ];
}

/// One call on one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Start of the call [ns, the tracer's clock].
    pub t_ns: i64,
    /// Duration [ns], or UNKNOWN.
    pub dur_ns: i64,
    /// Process.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// Open file description, or NONE.
    pub handle: u32,
    /// What was done.
    pub op: Op,
    /// File, or NONE when the descriptor is no file (a pipe, a socket).
    pub file: u32,
    /// First byte, or UNKNOWN.
    pub offset: i64,
    /// Bytes asked for, or UNKNOWN.
    pub length: i64,
    /// Bytes, or -errno, or UNKNOWN when the call never returned.
    pub result: i64,
    /// Flags of an open, protection and kind of a mapping, advice.
    pub flags: u32,
}

/// Rows as columns, ordered by start.
#[derive(Default, Debug)]
#[allow(missing_docs)]
pub struct Columns {
    pub t_ns: Vec<i64>,
    pub dur_ns: Vec<i64>,
    pub pid: Vec<u32>,
    pub tid: Vec<u32>,
    pub handle: Vec<u32>,
    pub op: Vec<u8>,
    pub file: Vec<u32>,
    pub offset: Vec<i64>,
    pub length: Vec<i64>,
    pub result: Vec<i64>,
    pub flags: Vec<u32>,
}

impl Columns {
    /// Transpose rows.
    pub fn from_rows(rows: &[Row]) -> Self {
        let n = rows.len();
        let mut columns = Self {
            t_ns: Vec::with_capacity(n),
            dur_ns: Vec::with_capacity(n),
            pid: Vec::with_capacity(n),
            tid: Vec::with_capacity(n),
            handle: Vec::with_capacity(n),
            op: Vec::with_capacity(n),
            file: Vec::with_capacity(n),
            offset: Vec::with_capacity(n),
            length: Vec::with_capacity(n),
            result: Vec::with_capacity(n),
            flags: Vec::with_capacity(n),
        };
        // One pass: a row is a cache line, eleven passes would fetch each eleven times.
        for r in rows {
            columns.t_ns.push(r.t_ns);
            columns.dur_ns.push(r.dur_ns);
            columns.pid.push(r.pid);
            columns.tid.push(r.tid);
            columns.handle.push(r.handle);
            columns.op.push(r.op as u8);
            columns.file.push(r.file);
            columns.offset.push(r.offset);
            columns.length.push(r.length);
            columns.result.push(r.result);
            columns.flags.push(r.flags);
        }
        columns
    }
}
