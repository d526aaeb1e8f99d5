//! Owns: what each finished call does to descriptors and files, and the row it leaves. Absent: text of lines.

use memchr::memmem;

use crate::descriptors::DescriptionId;
use crate::files::{Kind, absolute};
use crate::parser::{Call, Parser};
use crate::rows::{NONE, Op, Row, UNKNOWN};
use crate::syscall::{Syscall, errno};
use crate::text::{self, Cursor};

const O_APPEND: u32 = 0o2000;
const O_TRUNC: u32 = 0o1000;
const O_DIRECTORY: u32 = 0o200_000;
const O_CLOEXEC: u32 = 0o2_000_000;
const O_TMPFILE: u32 = 0o20_200_000;

/// What a row says beside who and when.
#[derive(Default)]
struct Told {
    file: u32,
    handle: Option<u32>,
    offset: Option<i64>,
    length: Option<i64>,
    flags: u32,
}

/// Files of the kernel rather than of a storage: opened, but not worth a row.
fn is_kernel_path(path: &[u8]) -> bool {
    let below = |root: &[u8]| {
        path.strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    };
    (below(b"/dev") && !below(b"/dev/shm")) || below(b"/proc") || below(b"/sys")
}

impl Parser {
    /// Apply a finished call. `adopted`: its child, if it makes one, is known already.
    pub(crate) fn apply(&mut self, call: &Call<'_>, adopted: bool) {
        let Some(result) = outcome(call.outcome) else {
            return;
        };
        use Syscall as S;
        match call.syscall {
            S::Read | S::Readv | S::Pread64 | S::Preadv | S::Preadv2 => self.transfer(call, result, Op::Read),
            S::Write | S::Writev | S::Pwrite64 | S::Pwritev | S::Pwritev2 => {
                self.transfer(call, result, Op::Write);
            }
            S::Close => self.close(call, result),
            S::Open | S::Openat | S::Openat2 | S::Creat => self.open(call, result),
            S::Newfstatat | S::Statx | S::Stat | S::Lstat | S::Fstat => self.stat(call, result),
            S::Lseek => {
                if let (Some(id), true) = (call.held, result >= 0) {
                    self.descriptors.description_mut(id).position = Some(result);
                }
            }
            S::Mmap => self.mmap(call, result),
            S::Getdents64 | S::Getdents => self.readdir(call, result),
            S::Dup | S::Dup2 | S::Dup3 | S::Fcntl | S::CloseRange => self.rearrange(call, result),
            S::Clone | S::Clone3 | S::Fork | S::Vfork => {
                if result > 0 && !adopted {
                    self.birth(call.tid, result as u32, call.syscall, call.arguments, call.t_ns);
                }
            }
            S::Execve | S::Execveat => self.exec(call, result),
            S::Chdir | S::Fchdir | S::Unshare => self.enter(call, result),
            S::CopyFileRange | S::Sendfile | S::Splice => self.copy(call, result),
            S::Rename | S::Renameat | S::Renameat2 | S::Unlink | S::Unlinkat | S::Truncate => {
                self.change_name(call, result);
            }
            S::Ftruncate | S::Fsync | S::Fdatasync | S::Fadvise64 | S::Readahead => {
                self.on_descriptor(call, result);
            }
        }
    }

    /// A call that never returned: reads and writes become rows of unknown result, the rest is unknowable.
    pub(crate) fn apply_unknown(&mut self, call: &Call<'_>) {
        use Syscall as S;
        match call.syscall {
            S::Read | S::Readv | S::Pread64 | S::Preadv | S::Preadv2 => {
                self.transfer(call, UNKNOWN, Op::Read)
            }
            S::Write | S::Writev | S::Pwrite64 | S::Pwritev | S::Pwritev2 => {
                self.transfer(call, UNKNOWN, Op::Write);
            }
            S::Close => self.close(call, UNKNOWN),
            _ => {}
        }
    }

    fn row(&mut self, call: &Call<'_>, op: Op, result: i64, told: Told) {
        let pid = self.tasks.get(&call.tid).map_or(call.tid, |task| task.pid);
        self.rows.push(Row {
            t_ns: call.t_ns,
            dur_ns: call.dur_ns,
            pid,
            tid: call.tid,
            handle: told.handle.unwrap_or(NONE),
            op,
            file: told.file,
            offset: told.offset.unwrap_or(UNKNOWN),
            length: told.length.unwrap_or(UNKNOWN),
            result,
            flags: told.flags,
        });
    }

    fn of(&self, id: DescriptionId) -> Told {
        let description = self.descriptors.description(id);
        Told {
            file: description.file,
            handle: Some(description.handle),
            ..Told::default()
        }
    }

    fn transfer(&mut self, call: &Call<'_>, result: i64, op: Op) {
        let (length, explicit) = transfer_extent(call);
        let Some(id) = call.held else {
            // A pipe or socket: kept for reads, since a worker fetches its next batch from one.
            if op == Op::Read && explicit.is_none() {
                self.row(
                    call,
                    op,
                    result,
                    Told {
                        file: NONE,
                        length,
                        ..Told::default()
                    },
                );
            }
            return;
        };
        let mut told = self.of(id);
        let position = self.descriptors.description(id).position;
        told.offset = explicit.or(position);
        told.length = length;
        if let (None, Some(at), true) = (explicit, position, result > 0) {
            self.descriptors.description_mut(id).position = Some(at + result);
        }
        if let (Op::Read, Some(at), true) = (op, told.offset, result >= 0 && length.unwrap_or(0) > 0) {
            self.files.was_read(told.file, at, result);
        }
        self.row(call, op, result, told);
    }

    fn close(&mut self, call: &Call<'_>, result: i64) {
        if let (Some(fd), Some(task)) = (text::int(call.arguments), self.tasks.get(&call.tid)) {
            // The first half may have closed it already; then another thread's new descriptor must stay.
            let table = task.table;
            if self.descriptors.get(table, fd) == call.held {
                self.descriptors.close(table, fd);
            }
        }
        if let Some(id) = call.held {
            let told = self.of(id);
            self.row(call, Op::Close, result, told);
        }
    }

    fn open(&mut self, call: &Call<'_>, result: i64) {
        let mut cursor = Cursor::new(call.arguments);
        let directory = matches!(call.syscall, Syscall::Openat | Syscall::Openat2).then(|| cursor.word());
        if !self.resolve(call.tid, directory, &mut cursor) {
            return;
        }
        let flags = match call.syscall {
            Syscall::Creat => 0o1101,
            Syscall::Openat2 => text::open_flags(text::field_word(cursor.rest(), b"flags=").unwrap_or(b"")),
            _ => text::open_flags(cursor.word()),
        };
        let table = self.tasks[&call.tid].table;
        if is_kernel_path(&self.path) || flags & O_TMPFILE == O_TMPFILE {
            self.descriptors.close(table, result);
            return;
        }
        let file = self.files.id(&self.path);
        let mut told = Told {
            file,
            flags,
            ..Told::default()
        };
        if result >= 0 {
            let position = (flags & O_APPEND == 0).then_some(0);
            let id = self
                .descriptors
                .open(table, result, file, position, flags & O_CLOEXEC != 0);
            told.handle = Some(self.descriptors.description(id).handle);
            let kind = if flags & O_DIRECTORY != 0 {
                Kind::Directory
            } else {
                Kind::Unknown
            };
            self.exists(file, kind, (flags & O_TRUNC != 0).then_some(0));
        } else {
            self.missing(file, result);
        }
        self.row(call, Op::Open, result.min(0), told);
    }

    fn stat(&mut self, call: &Call<'_>, result: i64) {
        let mut cursor = Cursor::new(call.arguments);
        let mut told = Told::default();
        if call.syscall == Syscall::Fstat {
            let Some(id) = call.held else { return };
            told = self.of(id);
        } else {
            let directory =
                matches!(call.syscall, Syscall::Newfstatat | Syscall::Statx).then(|| cursor.word());
            let named = self.resolve(call.tid, directory, &mut cursor);
            if named && !is_kernel_path(&self.path) {
                told.file = self.files.id(&self.path);
            } else if let (Some(fd), true) = (directory.and_then(text::int), self.name.is_empty()) {
                let Some(id) = self.descriptors.get(self.tasks[&call.tid].table, fd) else {
                    return;
                };
                told = self.of(id);
            } else {
                return;
            }
        }
        if result >= 0 {
            let kind = text::field_word(call.arguments, b"_mode=").map_or(Kind::Unknown, Kind::from_mode);
            self.exists(told.file, kind, text::field(call.arguments, b"_size="));
        } else {
            self.missing(told.file, result);
        }
        self.row(call, Op::Stat, result, told);
    }

    fn mmap(&mut self, call: &Call<'_>, result: i64) {
        let (rest, offset) = text::split_last(call.arguments);
        let (rest, fd) = text::split_last(rest);
        let Some(fd) = text::int(fd).filter(|fd| *fd >= 0) else {
            return;
        };
        let Some(id) = self.descriptors.get(self.tasks[&call.tid].table, fd) else {
            return;
        };
        let mut told = self.of(id);
        let mut cursor = Cursor::new(rest);
        cursor.word();
        told.length = cursor.int();
        told.offset = text::int(offset);
        told.flags = map_flags(cursor.rest());
        self.row(
            call,
            Op::Mmap,
            if call.outcome.starts_with(b"-1") {
                result
            } else {
                0
            },
            told,
        );
    }

    fn readdir(&mut self, call: &Call<'_>, result: i64) {
        let Some(id) = call.held else { return };
        let mut told = self.of(id);
        told.length = text::int(text::split_last(call.arguments).1);
        self.exists(told.file, Kind::Directory, None);
        self.row(call, Op::Readdir, result, told);
    }

    fn rearrange(&mut self, call: &Call<'_>, result: i64) {
        if result < 0 {
            return;
        }
        let table = self.tasks[&call.tid].table;
        let mut cursor = Cursor::new(call.arguments);
        let Some(first) = cursor.int() else { return };
        let d = &mut self.descriptors;
        match call.syscall {
            Syscall::Dup | Syscall::Dup2 => d.duplicate(table, first, result, false),
            Syscall::Dup3 => {
                let close_on_exec = memmem::find(call.arguments, b"O_CLOEXEC").is_some();
                d.duplicate(table, first, result, close_on_exec);
            }
            Syscall::Fcntl => match cursor.word() {
                b"F_DUPFD" => d.duplicate(table, first, result, false),
                b"F_DUPFD_CLOEXEC" => d.duplicate(table, first, result, true),
                b"F_SETFD" => {
                    let value = cursor.word();
                    d.set_close_on_exec(table, first, value == b"FD_CLOEXEC" || value == b"0x1");
                }
                _ => {}
            },
            _ => {
                let last = cursor.int().unwrap_or(first);
                let flags = cursor.word();
                if text::has_flag(flags, b"CLOSE_RANGE_UNSHARE") {
                    self.own_table(call.tid);
                }
                let table = self.tasks[&call.tid].table;
                let only_mark = text::has_flag(flags, b"CLOSE_RANGE_CLOEXEC");
                self.descriptors.close_range(table, first, last, only_mark);
            }
        }
    }

    fn own_table(&mut self, tid: u32) {
        let shared = self.tasks[&tid].table;
        let own = self.descriptors.copy_table(shared);
        self.descriptors.drop_table(shared);
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.table = own;
        }
    }

    fn exec(&mut self, call: &Call<'_>, result: i64) {
        if result != 0 {
            return;
        }
        if let Some(task) = self.tasks.get_mut(&call.tid) {
            task.table = self.descriptors.exec(task.table);
            self.execs.push(call.tid);
        }
    }

    fn enter(&mut self, call: &Call<'_>, result: i64) {
        if result != 0 {
            return;
        }
        let mut cursor = Cursor::new(call.arguments);
        match call.syscall {
            Syscall::Chdir => {
                if self.resolve(call.tid, None, &mut cursor) {
                    let cwd = self.tasks[&call.tid].cwd;
                    self.cwds[cwd] = self.path.clone();
                }
            }
            Syscall::Fchdir => {
                let task = &self.tasks[&call.tid];
                let found = cursor.int().and_then(|fd| self.descriptors.get(task.table, fd));
                let Some(id) = found else { return };
                let file = self.descriptors.description(id).file;
                self.cwds[task.cwd] = self.files.all[file as usize].path.to_vec();
            }
            _ => {
                let flags = cursor.word();
                if text::has_flag(flags, b"CLONE_FILES") {
                    self.own_table(call.tid);
                }
                if text::has_flag(flags, b"CLONE_FS") {
                    let copy = self.cwds[self.tasks[&call.tid].cwd].clone();
                    self.cwds.push(copy);
                    let own = self.cwds.len() - 1;
                    if let Some(task) = self.tasks.get_mut(&call.tid) {
                        task.cwd = own;
                    }
                }
            }
        }
    }

    /// copy_file_range(in, off, out, off, n, flags), splice alike, sendfile(out, in, off, n).
    fn copy(&mut self, call: &Call<'_>, result: i64) {
        let mut cursor = Cursor::new(call.arguments);
        let (source, source_at, target, target_at, length) = if call.syscall == Syscall::Sendfile {
            let target = cursor.int();
            let source = cursor.int();
            let at = pointed(cursor.word());
            (source, at, target, None, cursor.int())
        } else {
            let source = cursor.int();
            let at = pointed(cursor.word());
            let target = cursor.int();
            (source, at, target, pointed(cursor.word()), cursor.int())
        };
        for (fd, at, op) in [(source, source_at, Op::Copy), (target, target_at, Op::Write)] {
            let table = self.tasks[&call.tid].table;
            let Some(id) = fd.and_then(|fd| self.descriptors.get(table, fd)) else {
                continue;
            };
            let mut told = self.of(id);
            let position = self.descriptors.description(id).position;
            told.offset = at.or(position);
            told.length = length;
            if let (None, Some(from), true) = (at, position, result > 0) {
                self.descriptors.description_mut(id).position = Some(from + result);
            }
            if let (Op::Copy, Some(from), true) = (op, told.offset, result > 0) {
                self.files.was_read(told.file, from, result);
            }
            self.row(call, op, result, told);
        }
    }

    fn change_name(&mut self, call: &Call<'_>, result: i64) {
        use Syscall as S;
        let mut cursor = Cursor::new(call.arguments);
        let relative = matches!(call.syscall, S::Renameat | S::Renameat2 | S::Unlinkat);
        let (op, names) = match call.syscall {
            S::Unlink | S::Unlinkat => (Op::Unlink, 1),
            S::Truncate => (Op::Truncate, 1),
            _ => (Op::Rename, 2),
        };
        let mut moved = None;
        for _ in 0..names {
            let directory = relative.then(|| cursor.word());
            if !self.resolve(call.tid, directory, &mut cursor) || is_kernel_path(&self.path) {
                continue;
            }
            let file = self.files.id(&self.path);
            let length = if op == Op::Truncate { cursor.int() } else { None };
            if let (Op::Truncate, Some(size), 0) = (op, length, result) {
                self.exists(file, Kind::File, Some(size));
            }
            if let (Op::Rename, 0) = (op, result) {
                match moved.replace(file) {
                    None => {}
                    Some(from) => {
                        let size = self.files.all[from as usize].size_last;
                        self.exists(file, Kind::Unknown, (size != UNKNOWN).then_some(size));
                    }
                }
            }
            self.row(
                call,
                op,
                result,
                Told {
                    file,
                    length,
                    ..Told::default()
                },
            );
        }
    }

    fn on_descriptor(&mut self, call: &Call<'_>, result: i64) {
        let Some(id) = call.held else { return };
        let mut told = self.of(id);
        let mut cursor = Cursor::new(call.arguments);
        cursor.word();
        let op = match call.syscall {
            Syscall::Ftruncate => {
                told.length = cursor.int();
                if let (Some(size), 0) = (told.length, result) {
                    self.files.saw(told.file, Kind::File, Some(size));
                }
                Op::Truncate
            }
            Syscall::Fadvise64 | Syscall::Readahead => {
                told.offset = cursor.int();
                told.length = cursor.int();
                told.flags = advice(cursor.word());
                Op::Advise
            }
            _ => Op::Fsync,
        };
        self.row(call, op, result, told);
    }

    /// Read a name argument and make it absolute in `self.path`. False when it is a pointer, empty, or relative
    /// to a directory that is not known.
    fn resolve(&mut self, tid: u32, directory: Option<&[u8]>, cursor: &mut Cursor<'_>) -> bool {
        let mut name = std::mem::take(&mut self.name);
        let is_string = cursor.string(&mut name);
        self.name = name;
        if !is_string || self.name.is_empty() {
            return false;
        }
        let task = &self.tasks[&tid];
        let base: &[u8] = match directory {
            None | Some(b"AT_FDCWD") => &self.cwds[task.cwd],
            Some(_) if self.name.first() == Some(&b'/') => b"/",
            Some(word) => match text::int(word).and_then(|fd| self.descriptors.get(task.table, fd)) {
                Some(id) => &self.files.all[self.descriptors.description(id).file as usize].path,
                None => {
                    self.counts.unresolved += 1;
                    return false;
                }
            },
        };
        absolute(base, &self.name, &mut self.path);
        true
    }

    fn exists(&mut self, file: u32, kind: Kind, size: Option<i64>) {
        let entry = &mut self.files.all[file as usize];
        if entry.kind == Kind::Absent {
            entry.kind = Kind::Unknown;
        }
        self.files.saw(file, kind, size);
    }

    fn missing(&mut self, file: u32, result: i64) {
        let entry = &mut self.files.all[file as usize];
        if result == -errno(b"ENOENT") && entry.kind == Kind::Unknown {
            entry.kind = Kind::Absent;
        }
    }
}

/// `10`, `-1 ENOENT (...)` -> -2, None for `?` (never returned, or to be restarted).
fn outcome(text: &[u8]) -> Option<i64> {
    let value = text::int(text)?;
    if value != -1 {
        return Some(value);
    }
    let name = text.split(|&c| c == b' ').nth(1).unwrap_or(b"");
    Some(-errno(name))
}

/// Length and explicit offset of a read or write.
fn transfer_extent(call: &Call<'_>) -> (Option<i64>, Option<i64>) {
    use Syscall as S;
    let (rest, last) = text::split_last(call.arguments);
    match call.syscall {
        S::Read | S::Write => (text::int(last), None),
        S::Pread64 | S::Pwrite64 => (text::int(text::split_last(rest).1), text::int(last)),
        S::Readv | S::Writev => (vector_length(call.arguments), None),
        S::Preadv | S::Pwritev => (vector_length(call.arguments), text::int(last)),
        _ => {
            // preadv2 with offset -1 uses the position of the description.
            let offset = text::int(text::split_last(rest).1).filter(|at| *at >= 0);
            (vector_length(call.arguments), offset)
        }
    }
}

fn vector_length(arguments: &[u8]) -> Option<i64> {
    const KEY: &[u8] = b"iov_len=";
    let mut total = None;
    for at in memmem::find_iter(arguments, KEY) {
        total = Some(total.unwrap_or(0) + text::int(&arguments[at + KEY.len()..])?);
    }
    total
}

/// `[100] => [600]` -> 100, NULL -> None.
fn pointed(word: &[u8]) -> Option<i64> {
    text::int(word.strip_prefix(b"[")?)
}

/// Protection in bits 0-2 (read, write, exec), bit 4 for a shared mapping.
fn map_flags(text: &[u8]) -> u32 {
    let bit = |name: &[u8], value: u32| {
        if memmem::find(text, name).is_some() {
            value
        } else {
            0
        }
    };
    bit(b"PROT_READ", 1) | bit(b"PROT_WRITE", 2) | bit(b"PROT_EXEC", 4) | bit(b"MAP_SHARED", 16)
}

fn advice(word: &[u8]) -> u32 {
    match word {
        b"POSIX_FADV_RANDOM" => 1,
        b"POSIX_FADV_SEQUENTIAL" => 2,
        b"POSIX_FADV_WILLNEED" => 3,
        b"POSIX_FADV_DONTNEED" => 4,
        b"POSIX_FADV_NOREUSE" => 5,
        _ => 0,
    }
}
