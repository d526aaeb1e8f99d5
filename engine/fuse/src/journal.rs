//! Writes a mount's journal: the plan's line, then every event in its order with its time and the effects that it had.
//! Absent: the format's reader and the replay (`mlopt_core::journal`).

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use mlopt_core::journal::JournalEntry;
use mlopt_core::{Effect, Event, Nanos, Plan};

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
    pub fn write(&mut self, now: Nanos, event: Event, effects: Vec<Effect>) {
        let entry = JournalEntry {
            seq: self.sequence,
            now,
            event,
            effects,
        };
        self.sequence += 1;
        let _ = serde_json::to_writer(&mut self.file, &entry);
        let _ = self.file.write_all(b"\n");
    }

    /// Hand what was written to the kernel.
    pub fn flush(&mut self) {
        let _ = self.file.flush();
    }
}
