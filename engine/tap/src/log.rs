//! Owns: the framed append-only log that a recording writes first, and reading one back up to where it was torn.
//! Absent: what payloads mean.
//!
//! Layout: the magic, then frames of `length: u32, kind: u8, crc32c: u32, payload`, little endian; the checksum
//! covers kind and payload. A frame counts only when all of it is there and matches.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const MAGIC: &[u8; 8] = b"MLOPTLG1";
const HEADER_BYTES: usize = 9;
/// A longer frame is a torn length: writers split text into chunks of 1 MiB.
const LARGEST_PAYLOAD: usize = 64 << 20;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// Facts about the run, as JSON.
    Head = 1,
    /// A piece of the tracer's text, with its position in it before.
    Text = 2,
    /// CPU times of threads at one moment.
    Cpu = 3,
    /// Name, role and arguments of a thread.
    Thread = 4,
    /// How the run ended, as JSON.
    End = 5,
}

impl FrameKind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Head, Self::Text, Self::Cpu, Self::Thread, Self::End]
            .into_iter()
            .find(|k| *k as u8 == byte)
    }
}

fn checksum(kind: u8, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&[kind]), payload)
}

/// Appends frames to a new file of mode 0600.
pub struct LogWriter {
    out: BufWriter<File>,
}

impl LogWriter {
    /// Create the log.
    ///
    /// # Errors
    /// When the file exists or cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let mut out = BufWriter::with_capacity(1 << 16, file);
        out.write_all(MAGIC)?;
        Ok(Self { out })
    }

    /// Append one frame; it reaches the file at the next `flush`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append(&mut self, kind: FrameKind, payload: &[u8]) -> io::Result<()> {
        let kind = kind as u8;
        self.out.write_all(&(payload.len() as u32).to_le_bytes())?;
        self.out.write_all(&[kind])?;
        self.out.write_all(&checksum(kind, payload).to_le_bytes())?;
        self.out.write_all(payload)
    }

    /// Hand everything to the operating system: it survives a kill of this process.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Also wait for the disk.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn sync(&mut self) -> io::Result<()> {
        self.out.flush()?;
        self.out.get_ref().sync_data()
    }
}

/// Reads frames until the end or the first damage.
pub struct LogReader {
    input: io::BufReader<File>,
    left: u64,
    /// Bytes after the last whole frame; known after `next` returned None.
    pub lost_bytes: u64,
    payload: Vec<u8>,
}

impl LogReader {
    /// Open a log. An empty or foreign file has no frame and all its bytes are lost.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let left = file.metadata()?.len();
        let mut reader = Self {
            input: io::BufReader::with_capacity(1 << 20, file),
            left,
            lost_bytes: 0,
            payload: Vec::new(),
        };
        let mut magic = [0; MAGIC.len()];
        if left >= MAGIC.len() as u64 {
            reader.input.read_exact(&mut magic)?;
        }
        if &magic == MAGIC {
            reader.left -= MAGIC.len() as u64;
        } else {
            reader.stop();
        }
        Ok(reader)
    }

    /// The next whole frame.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_frame(&mut self) -> io::Result<Option<(FrameKind, &[u8])>> {
        if self.left < HEADER_BYTES as u64 {
            self.stop();
            return Ok(None);
        }
        let mut header = [0; HEADER_BYTES];
        self.input.read_exact(&mut header)?;
        let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let crc = u32::from_le_bytes([header[5], header[6], header[7], header[8]]);
        if length > LARGEST_PAYLOAD || self.left < (HEADER_BYTES + length) as u64 {
            self.stop();
            return Ok(None);
        }
        self.payload.resize(length, 0);
        self.input.read_exact(&mut self.payload)?;
        match FrameKind::from_byte(header[4]).filter(|_| checksum(header[4], &self.payload) == crc) {
            Some(kind) => {
                self.left -= (HEADER_BYTES + length) as u64;
                Ok(Some((kind, &self.payload)))
            }
            None => {
                self.stop();
                Ok(None)
            }
        }
    }

    fn stop(&mut self) {
        self.lost_bytes += self.left;
        self.left = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("mlopt-tap-{}-{name}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        path
    }

    fn frames(path: &Path) -> (Vec<Vec<u8>>, u64) {
        let mut reader = LogReader::open(path).unwrap();
        let mut found = Vec::new();
        while let Some((_, payload)) = reader.next_frame().unwrap() {
            found.push(payload.to_vec());
        }
        (found, reader.lost_bytes)
    }

    #[test]
    fn a_log_torn_anywhere_gives_its_whole_frames_and_counts_the_rest() {
        let path = scratch("torn");
        let payloads: Vec<Vec<u8>> = (0u8..5).map(|i| vec![i; usize::from(i) * 7]).collect();
        let mut writer = LogWriter::create(&path).unwrap();
        for payload in &payloads {
            writer.append(FrameKind::Text, payload).unwrap();
        }
        writer.flush().unwrap();
        let whole = std::fs::read(&path).unwrap();
        let mut ends = vec![MAGIC.len()];
        for payload in &payloads {
            ends.push(ends.last().unwrap() + HEADER_BYTES + payload.len());
        }
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (found, lost) = frames(&path);
            let expected = ends.iter().skip(1).filter(|end| **end <= cut).count();
            assert_eq!(found, payloads[..expected], "cut at {cut}");
            let kept = if cut < MAGIC.len() { 0 } else { ends[expected] };
            assert_eq!(lost, (cut - kept) as u64, "cut at {cut}");
        }
        for flip in MAGIC.len()..whole.len() {
            let mut bad = whole.clone();
            bad[flip] ^= 0x40;
            std::fs::write(&path, &bad).unwrap();
            let (found, _) = frames(&path);
            let intact = ends.iter().skip(1).filter(|end| **end <= flip).count();
            assert_eq!(found, payloads[..intact], "flip at {flip}");
        }
        std::fs::remove_file(&path).unwrap();
    }
}
