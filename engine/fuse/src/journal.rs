//! The journal of a mount: every event in its order with its time, and the effects that it had; and the guard made of it:
//! a fresh core fed with it must give the same effects. Absent: when to write.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use mlopt_core::{Core, CoreError, Effect, Event, Nanos, Plan};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    now: Nanos,
    event: &'a Event,
    effects: &'a [Effect],
}

/// Writes one JSON object a line; the first line is the plan.
pub struct Journal {
    file: BufWriter<File>,
    sequence: u64,
}

impl Journal {
    /// Start a journal; the file must not exist, and only its owner may read it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: &Path, plan: &Plan) -> io::Result<Journal> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let mut journal = Journal {
            file: BufWriter::new(file),
            sequence: 0,
        };
        serde_json::to_writer(&mut journal.file, plan)?;
        journal.file.write_all(b"\n")?;
        Ok(journal)
    }

    /// Add an event. A full disk ends the journal, not the mount.
    pub fn write(&mut self, now: Nanos, event: &Event, effects: &[Effect]) {
        let line = Line {
            seq: self.sequence,
            now,
            event,
            effects,
        };
        self.sequence += 1;
        let _ = serde_json::to_writer(&mut self.file, &line);
        let _ = self.file.write_all(b"\n");
    }

    /// Hand what was written to the kernel.
    pub fn flush(&mut self) {
        let _ = self.file.flush();
    }
}

/// What a replay found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// Events fed to the fresh core.
    pub events: u64,
    /// Effects that they had.
    pub effects: u64,
    /// Sequence number of the first event whose effects differ.
    pub first_difference: Option<u64>,
}

#[derive(Deserialize)]
struct Entry {
    seq: u64,
    now: Nanos,
    event: Event,
    effects: Vec<Effect>,
}

/// Feed a journal to a fresh core and compare the effects. A last line that was cut off ends it.
///
/// # Errors
/// When the file is no journal or the core refuses its plan.
pub fn replay(path: &Path) -> io::Result<Replayed> {
    let mut lines = BufReader::new(File::open(path)?).lines();
    let plan = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
    let invalid = |error: CoreError| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
    let mut core = Core::new(Plan::from_json(&plan).map_err(invalid)?).map_err(invalid)?;
    let mut found = Replayed {
        events: 0,
        effects: 0,
        first_difference: None,
    };
    for line in lines {
        let Ok(entry) = serde_json::from_str::<Entry>(&line?) else {
            break;
        };
        // An event that the core refused had no effects; refusing it again is the same answer.
        let _ = core.handle(entry.event, entry.now);
        let mut effects = Vec::new();
        while let Some(effect) = core.poll_effect() {
            effects.push(effect);
        }
        found.events += 1;
        found.effects += effects.len() as u64;
        if effects != entry.effects && found.first_difference.is_none() {
            found.first_difference = Some(entry.seq);
        }
    }
    Ok(found)
}
