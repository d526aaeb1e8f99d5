//! Owns: one recording, live (tail the tracer's file, log it, parse it, sample) or replayed from what a dead one left.
//! Absent: starting the tracer, clocks, DuckDB.
//!
//! The tracer writes to a plain file, so that it needs no reader to go on. What was copied into the log is punched
//! out of that file: the text exists once on disk.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::log::{FrameKind, LogReader, LogWriter};
use crate::parser::Parser;
use crate::sampler::{Identity, Role, Sample, Sampler, decode_samples, encode_samples};

const CHUNK_BYTES: usize = 1 << 20;
/// Punched in whole pieces of this size, so that each call frees blocks of any file system.
const PUNCH_BYTES: u64 = 1 << 20;

struct Live {
    log: LogWriter,
    spool: File,
    copied: u64,
    punched: u64,
    sampler: Sampler,
    buffer: Vec<u8>,
}

/// What a replay of a log found.
#[derive(Debug, Default)]
pub struct Replayed {
    /// Payload of the head frame.
    pub head: Option<Vec<u8>>,
    /// Payload of the end frame, None when the recorder died.
    pub end: Option<Vec<u8>>,
    /// Bytes of log and text that are damaged or gone.
    pub lost_bytes: u64,
    /// Time of the last CPU sample [ns, the tracer's clock].
    pub last_sample_ns: Option<i64>,
}

/// A recording and what is known of it so far.
pub struct Recording {
    /// Calls.
    pub parser: Parser,
    /// Samples not taken yet.
    pub samples: Vec<Sample>,
    /// Threads' names, in order of appearance; a thread that called exec appears again.
    pub identities: Vec<Identity>,
    live: Option<Live>,
}

impl Recording {
    /// Nothing recorded yet.
    pub fn new(parser: Parser) -> Self {
        Self {
            parser,
            samples: Vec::new(),
            identities: Vec::new(),
            live: None,
        }
    }

    /// Begin to log, and to tail the tracer's file.
    ///
    /// # Errors
    /// When the log exists or a file cannot be opened.
    pub fn begin(&mut self, log: &Path, spool: &Path, head: &[u8]) -> io::Result<()> {
        let spool = File::options().read(true).write(true).open(spool)?;
        let mut log = LogWriter::create(log)?;
        log.append(FrameKind::Head, head)?;
        log.sync()?;
        let buffer = vec![0; CHUNK_BYTES];
        let sampler = Sampler::default();
        self.live = Some(Live {
            log,
            spool,
            copied: 0,
            punched: 0,
            sampler,
            buffer,
        });
        Ok(())
    }

    /// Also sample all threads of this process.
    pub fn watch(&mut self, pid: u32, role: Role) {
        if let Some(live) = &mut self.live {
            live.sampler.watch(pid, role);
        }
    }

    /// Take in what the tracer wrote, sample, log. `tree`: find the job's threads in /proc, for want of a tracer.
    ///
    /// # Errors
    /// When log or text cannot be read or written.
    pub fn tick(&mut self, t_ns: i64, tree: bool) -> io::Result<u64> {
        let Some(live) = &mut self.live else { return Ok(0) };
        let taken = live.take_text(&mut self.parser)?;
        let mut met = Vec::new();
        for tid in std::mem::take(&mut self.parser.ended) {
            live.sampler.forget(tid);
        }
        for (pid, tid) in self.parser.living() {
            met.extend(live.sampler.meet(pid, tid, Role::Job));
        }
        for (pid, tid, role) in live.sampler.discover(tree) {
            met.extend(live.sampler.meet(pid, tid, role));
        }
        for tid in std::mem::take(&mut self.parser.execs) {
            met.extend(live.sampler.meet_again(tid));
        }
        for identity in met {
            live.log.append(FrameKind::Thread, &identity.encode())?;
            self.identities.push(identity);
        }
        let samples = live.sampler.sample(t_ns);
        if !samples.is_empty() {
            live.log.append(FrameKind::Cpu, &encode_samples(&samples))?;
            self.samples.extend(samples);
        }
        live.log.flush()?;
        live.punch();
        Ok(taken)
    }

    /// Write the end frame; the log is complete.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub fn end(&mut self, end: &[u8]) -> io::Result<()> {
        if let Some(mut live) = self.live.take() {
            live.log.append(FrameKind::End, end)?;
            live.log.sync()?;
        }
        self.parser.finish();
        Ok(())
    }

    /// Take in a log, and what the tracer wrote after it.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn replay(&mut self, log: &Path, spool: Option<&Path>) -> io::Result<Replayed> {
        let mut found = Replayed::default();
        let mut copied = 0;
        let mut reader = LogReader::open(log)?;
        while let Some((kind, payload)) = reader.next_frame()? {
            match kind {
                FrameKind::Head => found.head = Some(payload.to_vec()),
                FrameKind::End => found.end = Some(payload.to_vec()),
                FrameKind::Thread => self.identities.extend(Identity::decode(payload)),
                FrameKind::Cpu => {
                    let samples = decode_samples(payload);
                    found.last_sample_ns = samples.last().map(|s| s.t_ns).or(found.last_sample_ns);
                    self.samples.extend(samples);
                }
                FrameKind::Text => {
                    self.parser.feed(payload);
                    copied += payload.len() as u64;
                }
            }
        }
        found.lost_bytes = reader.lost_bytes;
        if let Some(spool) = spool {
            found.lost_bytes += self.read_rest(spool, copied)?;
        }
        self.parser.finish();
        Ok(found)
    }

    /// The tracer's text after what the log has; returns the bytes that were punched out and not logged.
    fn read_rest(&mut self, spool: &Path, from: u64) -> io::Result<u64> {
        let file = File::open(spool)?;
        let mut buffer = vec![0; CHUNK_BYTES];
        let (mut at, mut lost) = (from, 0);
        loop {
            let got = file.read_at(&mut buffer, at)?;
            if got == 0 {
                return Ok(lost);
            }
            at += got as u64;
            // Text has no NUL: a hole was in a part of the log that is damaged.
            for piece in buffer[..got].split(|&c| c == 0).filter(|piece| !piece.is_empty()) {
                self.parser.feed(piece);
            }
            lost += memchr::memchr_iter(0, &buffer[..got]).count() as u64;
        }
    }
}

impl Live {
    fn take_text(&mut self, parser: &mut Parser) -> io::Result<u64> {
        let start = self.copied;
        loop {
            let got = self.spool.read_at(&mut self.buffer, self.copied)?;
            if got == 0 {
                return Ok(self.copied - start);
            }
            self.log.append(FrameKind::Text, &self.buffer[..got])?;
            parser.feed(&self.buffer[..got]);
            self.copied += got as u64;
        }
    }

    /// Free what the log holds by now. A file system that cannot do it keeps the text twice.
    fn punch(&mut self) {
        let upto = self.copied / PUNCH_BYTES * PUNCH_BYTES;
        if upto > self.punched {
            // SAFETY: plain system call on a descriptor that this struct owns.
            unsafe {
                libc::fallocate(
                    self.spool.as_raw_fd(),
                    libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE,
                    self.punched as libc::off_t,
                    (upto - self.punched) as libc::off_t,
                );
            }
            self.punched = upto;
        }
    }
}
