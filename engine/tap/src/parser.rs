//! Owns: strace's text, line by line: whose line it is, halves of calls put together, tasks being born and dying.
//! What each call means for files is in `calls.rs`. Absent: reading the text from anywhere, clocks.
//!
//! strace prints a call in two halves when another thread's line comes between. The first half tells the arguments
//! known at entry. Descriptors are looked up at that moment: between the halves of `close(5)` another thread may
//! already have got a new descriptor 5.

use rustc_hash::FxHashMap;

use crate::descriptors::{DescriptionId, Descriptors, TableId};
use crate::files::Files;
use crate::rows::{Row, UNKNOWN};
use crate::syscall::Syscall;
use crate::text;

/// A thread of the job, from its birth to its end.
#[derive(Clone, Debug)]
pub struct Thread {
    /// Process (thread group).
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// The process that made it, 0 when not seen.
    pub ppid: u32,
    /// First sight [ns, the tracer's clock].
    pub start_ns: i64,
    /// End, or UNKNOWN.
    pub end_ns: i64,
    /// Exit code, or -signal, or UNKNOWN.
    pub exit: i64,
}

/// What was read and what could not be understood.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Lines of text.
    pub lines: u64,
    /// Finished system calls.
    pub calls: u64,
    /// Lines that are no strace lines (torn, foreign).
    pub unreadable: u64,
    /// Calls whose other half never came.
    pub halves: u64,
    /// Threads whose birth was not seen.
    pub orphans: u64,
    /// Names relative to a directory that was not seen being opened.
    pub unresolved: u64,
}

pub(crate) struct Task {
    pub(crate) pid: u32,
    pub(crate) table: TableId,
    pub(crate) cwd: usize,
    thread: usize,
    pending: Option<Pending>,
}

struct Pending {
    syscall: Syscall,
    start_ns: i64,
    text: Vec<u8>,
    held: Option<DescriptionId>,
    adopted: bool,
}

/// A finished call, both halves together.
pub(crate) struct Call<'a> {
    pub(crate) syscall: Syscall,
    pub(crate) tid: u32,
    pub(crate) t_ns: i64,
    pub(crate) dur_ns: i64,
    pub(crate) arguments: &'a [u8],
    /// What follows `= `.
    pub(crate) outcome: &'a [u8],
    /// The description that the first argument named when the call started.
    pub(crate) held: Option<DescriptionId>,
}

/// Turns strace's text into rows.
pub struct Parser {
    /// Paths.
    pub files: Files,
    /// Threads in order of appearance.
    pub threads: Vec<Thread>,
    /// Counts so far.
    pub counts: Counts,
    /// Threads that called exec and were not looked at since.
    pub execs: Vec<u32>,
    /// Threads that ended and were not forgotten yet.
    pub ended: Vec<u32>,
    pub(crate) descriptors: Descriptors,
    pub(crate) tasks: FxHashMap<u32, Task>,
    pub(crate) cwds: Vec<Vec<u8>>,
    pub(crate) rows: Vec<Row>,
    pub(crate) path: Vec<u8>,
    pub(crate) name: Vec<u8>,
    inherited: Option<TableId>,
    births: Vec<u32>,
    strangers: FxHashMap<u32, Vec<Box<[u8]>>>,
    cut: Vec<u8>,
    spare: Vec<u8>,
}

impl Parser {
    /// Start with the job's working directory.
    pub fn new(cwd: &[u8]) -> Self {
        Self {
            files: Files::default(),
            threads: Vec::new(),
            counts: Counts::default(),
            execs: Vec::new(),
            ended: Vec::new(),
            descriptors: Descriptors::default(),
            tasks: FxHashMap::default(),
            cwds: vec![cwd.to_vec()],
            rows: Vec::new(),
            path: Vec::new(),
            name: Vec::new(),
            inherited: None,
            births: Vec::new(),
            strangers: FxHashMap::default(),
            cut: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// A descriptor that the job's first process has open when it starts.
    pub fn inherit(&mut self, fd: i64, path: &[u8], position: i64) {
        let table = *self.inherited.get_or_insert_with(|| self.descriptors.new_table());
        let file = self.files.id(path);
        self.descriptors.open(table, fd, file, Some(position), false);
    }

    /// Take the next piece of text; it may end anywhere.
    pub fn feed(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        if !self.cut.is_empty() {
            let Some(end) = memchr::memchr(b'\n', rest) else {
                self.cut.extend_from_slice(rest);
                return;
            };
            let mut line = std::mem::take(&mut self.cut);
            line.extend_from_slice(&rest[..end]);
            self.line(&line);
            line.clear();
            self.cut = line;
            rest = &rest[end + 1..];
        }
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.line(&rest[..end]);
            rest = &rest[end + 1..];
        }
        self.cut.extend_from_slice(rest);
    }

    /// No text will follow: calls without a second half become rows of unknown result.
    pub fn finish(&mut self) {
        if !std::mem::take(&mut self.cut).is_empty() {
            self.counts.unreadable += 1;
        }
        for (_, lines) in std::mem::take(&mut self.strangers) {
            for line in lines {
                self.births.clear();
                self.line(&line);
            }
        }
        let tids: Vec<u32> = self.tasks.keys().copied().collect();
        for tid in tids {
            self.abandon(tid);
        }
    }

    /// Take the rows that no unfinished call on a file can precede, ordered by start; all of them after `finish`.
    pub fn take_rows(&mut self) -> Vec<Row> {
        if !self.rows.is_sorted_by_key(|row| row.t_ns) {
            self.rows.sort_by_key(|row| row.t_ns);
        }
        let horizon = self
            .tasks
            .values()
            .filter_map(|task| task.pending.as_ref())
            .filter(|pending| pending.held.is_some() || !pending.syscall.starts_with_descriptor())
            .filter(|pending| !pending.syscall.makes_task())
            .map(|pending| pending.start_ns)
            .min()
            .unwrap_or(i64::MAX);
        let ready = self.rows.partition_point(|row| row.t_ns < horizon);
        let rest = self.rows.split_off(ready);
        std::mem::replace(&mut self.rows, rest)
    }

    /// Rows that wait to be taken.
    pub fn rows_waiting(&self) -> usize {
        self.rows.len()
    }

    /// Threads that live now, as far as the text tells.
    pub fn living(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.tasks.iter().map(|(tid, task)| (task.pid, *tid))
    }

    fn line(&mut self, line: &[u8]) {
        self.counts.lines += 1;
        let Some((tid, t_ns, body)) = split_head(line) else {
            self.counts.unreadable += 1;
            return;
        };
        if !self.tasks.contains_key(&tid) && !self.welcome(tid, t_ns, line) {
            return;
        }
        match body.first() {
            Some(b'<') => self.second_half(tid, body),
            Some(b'+') => self.end(tid, t_ns, body),
            Some(b'-') => {}
            Some(c) if c.is_ascii_lowercase() => self.call_line(tid, t_ns, body),
            _ => self.counts.unreadable += 1,
        }
    }

    /// A line of a thread not known yet: it is the child of the only clone under way, or must wait.
    fn welcome(&mut self, tid: u32, t_ns: i64, line: &[u8]) -> bool {
        if self.tasks.is_empty() && self.threads.is_empty() {
            let table = self
                .inherited
                .take()
                .unwrap_or_else(|| self.descriptors.new_table());
            self.add_task(tid, tid, 0, table, 0, t_ns);
            return true;
        }
        let mut candidates = self.births.iter().filter(|parent| {
            self.tasks
                .get(parent)
                .and_then(|t| t.pending.as_ref())
                .is_some_and(|pending| !pending.adopted)
        });
        match (candidates.next().copied(), candidates.next()) {
            (Some(parent), None) => {
                let pending = self.tasks.get_mut(&parent).and_then(|task| task.pending.as_mut());
                let Some(pending) = pending else { return false };
                pending.adopted = true;
                let (syscall, text) = (pending.syscall, pending.text.clone());
                self.birth(parent, tid, syscall, &text, t_ns);
                true
            }
            (Some(_), Some(_)) => {
                self.strangers.entry(tid).or_default().push(line.into());
                self.counts.lines -= 1;
                false
            }
            (None, _) => {
                self.counts.orphans += 1;
                let table = self.descriptors.new_table();
                self.add_task(tid, tid, 0, table, 0, t_ns);
                true
            }
        }
    }

    fn call_line(&mut self, tid: u32, t_ns: i64, body: &[u8]) {
        // Names are short: a loop finds the bracket before a vector search has begun.
        let Some(open) = body.iter().take(32).position(|&c| c == b'(') else {
            self.counts.unreadable += 1;
            return;
        };
        let Some(syscall) = Syscall::from_name(&body[..open]) else {
            return;
        };
        let rest = &body[open + 1..];
        if let Some(arguments) = rest.strip_suffix(b"<unfinished ...>") {
            self.first_half(tid, t_ns, syscall, arguments);
            return;
        }
        let Some((arguments, outcome, dur_ns)) = split_outcome(rest) else {
            self.counts.unreadable += 1;
            return;
        };
        self.counts.calls += 1;
        let held = self.look_up(tid, syscall, arguments);
        let call = Call {
            syscall,
            tid,
            t_ns,
            dur_ns,
            arguments,
            outcome,
            held,
        };
        self.apply(&call, false);
        if let Some(held) = held {
            self.descriptors.release(held);
        }
    }

    fn first_half(&mut self, tid: u32, start_ns: i64, syscall: Syscall, arguments: &[u8]) {
        self.abandon(tid);
        let held = self.look_up(tid, syscall, arguments);
        if syscall == Syscall::Close {
            let table = self.tasks[&tid].table;
            if let Some(fd) = text::int(arguments) {
                self.descriptors.close(table, fd);
            }
        }
        if syscall.makes_task() {
            self.births.push(tid);
        }
        let mut kept = std::mem::take(&mut self.spare);
        kept.clear();
        kept.extend_from_slice(arguments.trim_ascii_end());
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.pending = Some(Pending {
                syscall,
                start_ns,
                text: kept,
                held,
                adopted: false,
            });
        }
    }

    fn second_half(&mut self, tid: u32, body: &[u8]) {
        let Some(pending) = self.tasks.get_mut(&tid).and_then(|task| task.pending.take()) else {
            self.counts.halves += 1;
            return;
        };
        let resumed = memchr::memmem::find(body, b" resumed>").map(|at| &body[at + 9..]);
        let Some((arguments, outcome, dur_ns)) = resumed.and_then(split_outcome) else {
            self.counts.unreadable += 1;
            self.forget(tid, pending);
            return;
        };
        self.counts.calls += 1;
        let Pending {
            syscall,
            start_ns,
            mut text,
            held,
            adopted,
        } = pending;
        if !text.is_empty() && !arguments.is_empty() && !matches!(arguments[0], b',' | b')') {
            text.push(b' ');
        }
        text.extend_from_slice(arguments);
        if syscall.makes_task() {
            self.births.retain(|parent| *parent != tid);
        }
        let call = Call {
            syscall,
            tid,
            t_ns: start_ns,
            dur_ns,
            arguments: &text,
            outcome,
            held,
        };
        self.apply(&call, adopted);
        if let Some(held) = held {
            self.descriptors.release(held);
        }
        self.spare = text;
    }

    /// A call whose second half will not come: it happened, its result is unknown.
    fn abandon(&mut self, tid: u32) {
        let Some(pending) = self.tasks.get_mut(&tid).and_then(|task| task.pending.take()) else {
            return;
        };
        self.counts.halves += 1;
        self.forget(tid, pending);
    }

    fn forget(&mut self, tid: u32, pending: Pending) {
        if pending.syscall.makes_task() {
            self.births.retain(|parent| *parent != tid);
        }
        let Pending {
            syscall,
            start_ns,
            text,
            held,
            ..
        } = pending;
        let call = Call {
            syscall,
            tid,
            t_ns: start_ns,
            dur_ns: UNKNOWN,
            arguments: &text,
            outcome: b"?",
            held,
        };
        self.apply_unknown(&call);
        if let Some(held) = held {
            self.descriptors.release(held);
        }
    }

    fn look_up(&mut self, tid: u32, syscall: Syscall, arguments: &[u8]) -> Option<DescriptionId> {
        if !syscall.starts_with_descriptor() {
            return None;
        }
        let found = self
            .descriptors
            .get(self.tasks[&tid].table, text::int(arguments)?)?;
        self.descriptors.hold(found);
        Some(found)
    }

    fn end(&mut self, tid: u32, t_ns: i64, body: &[u8]) {
        if let Some(by) = after(body, b"superseded by execve in pid ").and_then(text::int) {
            self.supersede(tid, by as u32);
            return;
        }
        let exit = match (after(body, b"exited with "), after(body, b"killed by ")) {
            (Some(code), _) => text::int(code).unwrap_or(UNKNOWN),
            (_, Some(name)) => -signal(name.split(|&c| c == b' ').next().unwrap_or(name)),
            _ => {
                self.counts.unreadable += 1;
                return;
            }
        };
        self.abandon(tid);
        if let Some(task) = self.tasks.remove(&tid) {
            self.descriptors.drop_table(task.table);
            self.ended.push(tid);
            self.threads[task.thread].end_ns = t_ns;
            self.threads[task.thread].exit = exit;
        }
    }

    /// A thread that is not the first called exec: it goes on under the number of the first.
    fn supersede(&mut self, leader: u32, by: u32) {
        let Some(pending) = self.tasks.get_mut(&by).and_then(|task| task.pending.take()) else {
            return;
        };
        if let Some(task) = self.tasks.remove(&by) {
            self.descriptors.drop_table(task.table);
        }
        if let Some(task) = self.tasks.get_mut(&leader) {
            task.pending = Some(pending);
        }
    }

    /// A clone returned (or its child spoke first): the child shares or copies as the flags say.
    pub(crate) fn birth(&mut self, parent: u32, child: u32, syscall: Syscall, arguments: &[u8], t_ns: i64) {
        let flags = match syscall {
            Syscall::Clone | Syscall::Clone3 => text::field_word(arguments, b"flags=").unwrap_or(b""),
            _ => b"",
        };
        let Some(maker) = self.tasks.get(&parent) else {
            return;
        };
        let (pid, table, cwd) = (maker.pid, maker.table, maker.cwd);
        let is_thread = text::has_flag(flags, b"CLONE_THREAD");
        let table = if text::has_flag(flags, b"CLONE_FILES") {
            self.descriptors.share_table(table)
        } else {
            self.descriptors.copy_table(table)
        };
        let cwd = if text::has_flag(flags, b"CLONE_FS") {
            cwd
        } else {
            self.cwds.push(self.cwds[cwd].clone());
            self.cwds.len() - 1
        };
        let (own_pid, ppid) = if is_thread {
            (pid, self.parent_of(parent))
        } else {
            (child, pid)
        };
        self.add_task(child, own_pid, ppid, table, cwd, t_ns);
        for line in self.strangers.remove(&child).unwrap_or_default() {
            self.line(&line);
        }
    }

    fn parent_of(&self, tid: u32) -> u32 {
        self.threads[self.tasks[&tid].thread].ppid
    }

    fn add_task(&mut self, tid: u32, pid: u32, ppid: u32, table: TableId, cwd: usize, t_ns: i64) {
        self.threads.push(Thread {
            pid,
            tid,
            ppid,
            start_ns: t_ns,
            end_ns: UNKNOWN,
            exit: UNKNOWN,
        });
        let task = Task {
            pid,
            table,
            cwd,
            thread: self.threads.len() - 1,
            pending: None,
        };
        if let Some(old) = self.tasks.insert(tid, task) {
            self.descriptors.drop_table(old.table);
        }
    }
}

fn after<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    memchr::memmem::find(text, key).map(|at| &text[at + key.len()..])
}

/// `13080 1795417665.4871 read(...` -> thread, time, rest.
fn split_head(line: &[u8]) -> Option<(u32, i64, &[u8])> {
    let space = memchr::memchr(b' ', line)?;
    let tid = line[..space].iter().try_fold(0u32, |value, c| {
        c.is_ascii_digit()
            .then(|| value.wrapping_mul(10).wrapping_add(u32::from(c - b'0')))
    })?;
    let rest = line[space..].trim_ascii_start();
    let (t_ns, used) = text::seconds(rest)?;
    let body = rest.get(used..)?.strip_prefix(b" ")?;
    (space > 0 && used > 1).then_some((tid, t_ns, body))
}

/// `4, ""..., 10)  = 10 <0.00001>` -> arguments, outcome, duration. None for a torn line.
fn split_outcome(rest: &[u8]) -> Option<(&[u8], &[u8], i64)> {
    let (rest, dur_ns) = match rest.strip_suffix(b">") {
        Some(inner) => {
            let open = memchr::memrchr(b'<', inner)?;
            match text::seconds(&inner[open + 1..]) {
                Some((ns, used)) if open + 1 + used == inner.len() => (inner[..open].trim_ascii_end(), ns),
                _ => (rest, UNKNOWN),
            }
        }
        None => (rest, UNKNOWN),
    };
    let equals = memchr::memrchr_iter(b'=', rest)
        .find(|&at| rest.get(at + 1) == Some(&b' ') && at > 0 && rest[at - 1] == b' ')?;
    let outcome = &rest[equals + 2..];
    let arguments = rest[..equals].trim_ascii_end().strip_suffix(b")")?;
    // A finished call tells how long it took; without that the line was cut, unless it never returns.
    (dur_ns != UNKNOWN || outcome.first() == Some(&b'?')).then_some((arguments, outcome, dur_ns))
}

fn signal(name: &[u8]) -> i64 {
    const NAMES: [&[u8]; 31] = [
        b"SIGHUP",
        b"SIGINT",
        b"SIGQUIT",
        b"SIGILL",
        b"SIGTRAP",
        b"SIGABRT",
        b"SIGBUS",
        b"SIGFPE",
        b"SIGKILL",
        b"SIGUSR1",
        b"SIGSEGV",
        b"SIGUSR2",
        b"SIGPIPE",
        b"SIGALRM",
        b"SIGTERM",
        b"SIGSTKFLT",
        b"SIGCHLD",
        b"SIGCONT",
        b"SIGSTOP",
        b"SIGTSTP",
        b"SIGTTIN",
        b"SIGTTOU",
        b"SIGURG",
        b"SIGXCPU",
        b"SIGXFSZ",
        b"SIGVTALRM",
        b"SIGPROF",
        b"SIGWINCH",
        b"SIGIO",
        b"SIGPWR",
        b"SIGSYS",
    ];
    NAMES
        .iter()
        .position(|known| *known == name)
        .map_or(1, |at| at as i64 + 1)
}
