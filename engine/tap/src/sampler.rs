//! Owns: reading the CPU time and run-queue delay of threads from /proc. Absent: clocks; the caller says what time it is.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

use rustc_hash::FxHashMap;

use crate::redact::redact;

/// Above this many threads their files are opened for each sample, to stay below the limit of open files.
const FILES_KEPT_OPEN: usize = 256;
/// Bytes of a command line that are kept.
const LONGEST_COMMAND_LINE: usize = 4096;

/// Whose CPU time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Role {
    /// The recorded job.
    Job = 0,
    /// strace.
    Tracer = 1,
    /// This process.
    Recorder = 2,
    /// A daemon that serves a FUSE file system.
    Daemon = 3,
}

impl Role {
    /// Names as the trace stores them.
    pub const NAMES: [&'static str; 4] = ["job", "tracer", "recorder", "daemon"];

    /// From the number in a frame.
    pub fn from_byte(byte: u8) -> Option<Self> {
        [Self::Job, Self::Tracer, Self::Recorder, Self::Daemon]
            .into_iter()
            .find(|role| *role as u8 == byte)
    }
}

/// CPU time of one thread at one moment, cumulative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Thread.
    pub tid: u32,
    /// When [ns, the tracer's clock].
    pub t_ns: i64,
    /// On a CPU [ns].
    pub cpu_ns: u64,
    /// Runnable, waiting for a CPU [ns].
    pub delay_ns: u64,
}

/// Name and command line of a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Thread.
    pub tid: u32,
    /// Process.
    pub pid: u32,
    /// Process that made it, 0 when unknown.
    pub ppid: u32,
    /// Whose.
    pub role: Role,
    /// Name of the thread.
    pub comm: Vec<u8>,
    /// Command line, secrets masked, words separated by NUL.
    pub argv: Vec<u8>,
}

impl Identity {
    /// Read name and command line of a living thread.
    fn read(pid: u32, tid: u32, role: Role) -> Option<Self> {
        let mut comm = fs::read(format!("/proc/{pid}/task/{tid}/comm")).ok()?;
        comm.truncate(comm.trim_ascii_end().len());
        let mut line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.truncate(LONGEST_COMMAND_LINE);
        let words: Vec<Vec<u8>> = line
            .trim_ascii_end()
            .split(|&c| c == 0)
            .filter(|w| !w.is_empty())
            .map(<[u8]>::to_vec)
            .collect();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let ppid = status
            .lines()
            .find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
            .unwrap_or(0);
        Some(Self {
            tid,
            pid,
            ppid,
            role,
            comm,
            argv: redact(&words).join(&0),
        })
    }

    /// As a frame's payload.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for number in [
            self.tid,
            self.pid,
            self.ppid,
            self.role as u32,
            self.comm.len() as u32,
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.comm);
        out.extend_from_slice(&self.argv);
        out
    }

    /// From a frame's payload.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let number = |i: usize| {
            let bytes: [u8; 4] = payload.get(4 * i..4 * i + 4)?.try_into().ok()?;
            Some(u32::from_le_bytes(bytes))
        };
        let rest = payload.get(20..)?;
        let (comm, argv) = rest.split_at_checked(number(4)? as usize)?;
        Some(Self {
            tid: number(0)?,
            pid: number(1)?,
            ppid: number(2)?,
            role: Role::from_byte(number(3)? as u8)?,
            comm: comm.to_vec(),
            argv: argv.to_vec(),
        })
    }
}

/// Samples of one moment as a frame's payload.
pub fn encode_samples(samples: &[Sample]) -> Vec<u8> {
    let mut out = Vec::with_capacity(samples.len() * 28);
    for sample in samples {
        out.extend_from_slice(&sample.tid.to_le_bytes());
        out.extend_from_slice(&sample.t_ns.to_le_bytes());
        out.extend_from_slice(&sample.cpu_ns.to_le_bytes());
        out.extend_from_slice(&sample.delay_ns.to_le_bytes());
    }
    out
}

/// Samples from a frame's payload.
pub fn decode_samples(payload: &[u8]) -> Vec<Sample> {
    let long = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
    payload
        .chunks_exact(28)
        .map(|c| Sample {
            tid: c[..4].try_into().map_or(0, u32::from_le_bytes),
            t_ns: long(&c[4..12]) as i64,
            cpu_ns: long(&c[12..20]),
            delay_ns: long(&c[20..28]),
        })
        .collect()
}

struct Watched {
    pid: u32,
    stat: Option<File>,
    last: (u64, u64),
    gone: bool,
}

/// Reads threads' CPU times; remembers which it knows.
#[derive(Default)]
pub struct Sampler {
    watched: FxHashMap<u32, Watched>,
    processes: Vec<(u32, Role)>,
}

impl Sampler {
    /// Watch all threads of a process that is not found through the trace.
    pub fn watch(&mut self, pid: u32, role: Role) {
        if !self.processes.iter().any(|(known, _)| *known == pid) {
            self.processes.push((pid, role));
        }
    }

    /// Threads of watched processes, and with `tree` those of their descendants.
    pub fn discover(&self, tree: bool) -> Vec<(u32, u32, Role)> {
        let mut found = Vec::new();
        let mut todo = self.processes.clone();
        while let Some((pid, role)) = todo.pop() {
            let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
                continue;
            };
            for task in tasks.flatten() {
                let Some(tid) = task.file_name().to_str().and_then(|name| name.parse().ok()) else {
                    continue;
                };
                found.push((pid, tid, role));
                if tree && role == Role::Job {
                    let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
                    todo.extend(
                        children
                            .split_whitespace()
                            .filter_map(|c| Some((c.parse().ok()?, role))),
                    );
                }
            }
        }
        found
    }

    /// Begin to watch a thread; returns who it is when it is new and alive.
    pub fn meet(&mut self, pid: u32, tid: u32, role: Role) -> Option<Identity> {
        if self.watched.contains_key(&tid) {
            return None;
        }
        let identity = Identity::read(pid, tid, role);
        let keep = self.watched.len() < FILES_KEPT_OPEN;
        let stat = if keep {
            File::open(stat_path(pid, tid)).ok()
        } else {
            None
        };
        let gone = identity.is_none();
        self.watched.insert(
            tid,
            Watched {
                pid,
                stat,
                last: (0, 0),
                gone,
            },
        );
        identity
    }

    /// Read a thread's name again: it has called exec.
    pub fn meet_again(&mut self, tid: u32) -> Option<Identity> {
        let watched = self.watched.get_mut(&tid)?;
        watched.gone = false;
        Identity::read(watched.pid, tid, Role::Job)
    }

    /// A thread ended; its number may be used again.
    pub fn forget(&mut self, tid: u32) {
        self.watched.remove(&tid);
    }

    /// Read all watched threads; only those that ran or waited since the last sample are returned.
    pub fn sample(&mut self, t_ns: i64) -> Vec<Sample> {
        let mut samples = Vec::new();
        for (&tid, watched) in &mut self.watched {
            if watched.gone {
                continue;
            }
            match read_stat(watched, tid) {
                Ok(Some(now)) if now != watched.last => {
                    watched.last = now;
                    samples.push(Sample {
                        tid,
                        t_ns,
                        cpu_ns: now.0,
                        delay_ns: now.1,
                    });
                }
                Ok(_) => {}
                Err(_) => {
                    watched.gone = true;
                    watched.stat = None;
                }
            }
        }
        samples.sort_by_key(|sample| sample.tid);
        samples
    }
}

fn stat_path(pid: u32, tid: u32) -> String {
    format!("/proc/{pid}/task/{tid}/schedstat")
}

fn read_stat(watched: &Watched, tid: u32) -> io::Result<Option<(u64, u64)>> {
    let mut buffer = [0; 96];
    let length = match &watched.stat {
        Some(file) => file.read_at(&mut buffer, 0)?,
        None => File::open(stat_path(watched.pid, tid))?.read_at(&mut buffer, 0)?,
    };
    let mut words = buffer[..length].split(|c| c.is_ascii_whitespace());
    let mut next = || std::str::from_utf8(words.next()?).ok()?.parse().ok();
    Ok(next().zip(next()))
}
