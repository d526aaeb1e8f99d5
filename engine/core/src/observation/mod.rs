//! What reads show: their order inside a file and from file to file, and what the job does. Absent: what is made of it
//! (rules).
//!
//! Between files: the starts of files of one folder and extension, reader by reader, so that workers that read side by
//! side do not look like disorder.

mod among;
mod inside;
mod job;
mod passes;
#[cfg(test)]
mod tests;

use rustc_hash::FxHashMap;

use among::FolderOrder;
use inside::FileOrder;
use job::JobObserver;

use crate::filetype::{extension_of, name_of};
use crate::rules::{AccessPattern, JobUse, LiveFacts, Work};
use crate::{FileId, ReaderId};

/// Of a file of up to so much, its place among the files says more than the order inside: it is read in one go.
const SHORT_FILE_BYTES: u64 = 8 << 20;
/// Readers that are remembered; each short-lived process is one.
const MOST_READERS: usize = 16_384;
const NO_FILE: u32 = u32::MAX;

/// One read of one file.
#[derive(Debug, Clone, Copy)]
pub struct ObservedRead {
    /// The file.
    pub file: FileId,
    /// Who read.
    pub reader: ReaderId,
    /// First byte.
    pub offset: u64,
    /// Bytes, more than 0 [bytes].
    pub length: u64,
}

/// What was seen of all files.
#[derive(Debug, Default)]
pub struct Observer {
    files: Vec<FileOrder>,
    folders: Vec<FolderOrder>,
    folder_of: FxHashMap<Box<[u8]>, u32>,
    /// The file that each reader read last.
    last_file: FxHashMap<ReaderId, u32>,
    job: JobObserver,
}

impl Observer {
    /// A file became known; ids are dense.
    pub fn add(&mut self, path: &[u8], size: u64) {
        let folder = self.folder_of(path);
        self.folders[folder as usize].members += 1;
        self.files.push(FileOrder {
            size,
            folder,
            successor: NO_FILE,
            ..FileOrder::default()
        });
        self.job.add(path);
    }

    /// What all reads show of the job.
    pub fn job(&self) -> JobUse {
        self.job.told()
    }

    /// What the job's processes tell that it does, where they tell it.
    pub fn set_work(&mut self, work: Option<Work>) {
        self.job.named(work);
    }

    /// Files with the same top folder and extension: sets of samples are often spread over folders by class.
    fn folder_of(&mut self, path: &[u8]) -> u32 {
        let top = path.iter().position(|&byte| byte == b'/').unwrap_or(0);
        let mut key = path[..top].to_vec();
        key.push(b'/');
        key.extend_from_slice(extension_of(name_of(path)).unwrap_or_default());
        key.make_ascii_lowercase();
        let next = self.folders.len() as u32;
        let folder = *self.folder_of.entry(key.into()).or_insert(next);
        if folder == next {
            self.folders.push(FolderOrder::default());
        }
        folder
    }

    /// Take in one open: where opens are seen, readers that the kernel serves alone are seen to come, too.
    pub fn open(&mut self, file: FileId, reader: ReaderId) {
        let index = file.0;
        let Some(known) = self.files.get_mut(index as usize) else {
            return;
        };
        let before = self.last_file.insert(reader, index);
        if before != Some(index) || known.since_visit >= known.size / 2 {
            known.since_visit = 0;
            self.job.visit(index, known.size);
        }
    }

    /// Take in one read; true when it changed what is said of the other files of its folder.
    pub fn read<'p>(&mut self, read: &ObservedRead, path_of: impl Fn(FileId) -> &'p [u8]) -> bool {
        let index = read.file.0;
        let Some(file) = self.files.get_mut(index as usize) else {
            return false;
        };
        let goes_on = file.reads > 0 && read.offset > 0 && read.offset == file.next;
        file.take(read.offset, read.length);
        if self.last_file.len() > MOST_READERS {
            self.last_file.clear(); // of processes that ended long ago, mostly
        }
        let before = self.last_file.insert(read.reader, index);
        // a reader that comes back to go on has not come anew, nor has one that looks at the start twice
        let comes = before != Some(index) && !goes_on;
        if comes || read.offset == 0 && file.since_visit >= file.size / 2 {
            file.since_visit = 0;
            self.job.visit(index, file.size);
        }
        file.since_visit += read.length;
        if before == Some(index) || read.offset != 0 {
            return false;
        }
        let rises = before.map(|before| path_of(FileId(before)) < path_of(read.file));
        self.start(before, index, rises.unwrap_or_default())
    }

    /// A reader went to the start of a file, from another one if it had any.
    fn start(&mut self, before: Option<u32>, now: u32, rises: bool) -> bool {
        let number = self.files[now as usize].folder;
        let folder = &mut self.folders[number as usize];
        let redrawn = folder.is_redrawn(&mut self.files[now as usize].pass);
        // a step between two sets says nothing of either
        let Some(before) = before.filter(|&before| self.files[before as usize].folder == number) else {
            return false;
        };
        let successor = &mut self.files[before as usize].successor;
        let is_known = std::mem::replace(successor, now) == now;
        folder.note(rises || is_known, redrawn)
    }

    /// What is known of a file's use.
    pub fn facts(&self, file: FileId) -> LiveFacts {
        let Some(known) = self.files.get(file.0 as usize) else {
            return LiveFacts::default();
        };
        let among = self
            .folders
            .get(known.folder as usize)
            .and_then(|folder| folder.pattern);
        let pattern = match (known.inside(), among) {
            (Some(AccessPattern::Sequential), Some(among)) if known.size <= SHORT_FILE_BYTES => Some(among),
            (inside, among) => inside.or(among),
        };
        LiveFacts {
            pattern,
            frequency: (known.reads > 0).then_some(u64::from(known.reads)),
            job: self.job.told(),
        }
    }

    /// Files of the same folder and extension, this one included.
    pub fn folder_members(&self, file: FileId) -> Vec<FileId> {
        let Some(folder) = self.files.get(file.0 as usize).map(|file| file.folder) else {
            return Vec::new();
        };
        let members = self
            .files
            .iter()
            .enumerate()
            .filter(|(_, file)| file.folder == folder);
        members.map(|(index, _)| FileId(index as u32)).collect()
    }

    /// The distance between the starts of reads of a file with a stride [bytes].
    pub fn stride(&self, file: FileId) -> Option<i64> {
        let known = self.files.get(file.0 as usize)?;
        (known.inside() == Some(AccessPattern::Strided)).then_some(known.step)
    }
}
