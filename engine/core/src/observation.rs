//! What reads show of their order: inside a file, and from file to file. Absent: what is made of it (rules).
//!
//! Inside: a stride is looked for before a sequence, so that gaps of some kB are not taken for a sequence with holes.
//! The kernel's read-ahead arrives out of order: bytes beyond the expected ones are held until they are reached, and
//! break a sequence only when that does not happen. Between files: the starts of files of one folder and extension,
//! reader by reader, so that workers that read side by side do not look like disorder.

use rustc_hash::FxHashMap;

use crate::filetype::{extension_of, name_of};
use crate::rules::{AccessPattern, LiveFacts};
use crate::{FileId, ReaderId};

/// So many steps in a row make a pattern inside a file.
const STEPS: u8 = 3;
/// Reads that early bytes may wait for the ones before them: the kernel keeps few read-ahead requests in flight.
const PATIENCE: u8 = 4;
/// Of a file of up to so much, its place among the files says more than the order inside: it is read in one go.
const SHORT_FILE_BYTES: u64 = 8 << 20;
/// Steps between files before anything is said: in a shuffle of 32, .30 to .70 rise (4 standard deviations).
const FILE_STEPS: u32 = 32;
/// Shares of steps that follow an order, of the last 64: above the one a sequence, below the other none.
const ORDERED: f64 = 0.8;
const DISORDERED: f64 = 0.7;
/// A share of files that come too early or too late for a pass over all: above it files are drawn at random.
const REDRAWN: f64 = 0.1;
/// Readers that are remembered; each short-lived process is one.
const MOST_READERS: usize = 16_384;
/// Of sets up to this size a pass is all of them.
const FEW_FILES: u32 = 8;
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
}

/// The order of reads inside one file.
#[derive(Debug, Clone, Default)]
struct FileOrder {
    size: u64,
    /// End of what was read from the start of the sequence on.
    next: u64,
    /// Bytes that arrived before those that lead to them.
    early: Option<(u64, u64)>,
    /// Where the last read began, and how far behind the one before.
    last: u64,
    step: i64,
    contiguous: u8,
    scattered: u8,
    strides: u8,
    waited: u8,
    reads: u32,
    folder: u32,
    /// The pass in which the file was last started, from 1; and which file the same reader started next.
    pass: u32,
    successor: u32,
}

/// The order of the files of one folder and extension.
#[derive(Debug, Default)]
struct FolderOrder {
    members: u32,
    /// The pass under way, from 1; files started in it, and in the longest one before.
    pass: u32,
    started: u32,
    longest: u32,
    steps: u32,
    /// The last 64 steps: whether each followed an order, and whether it fits a pass over all files.
    ordered: u64,
    redrawn: u64,
    pattern: Option<AccessPattern>,
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

    /// Take in one read; true when it changed what is said of the other files of its folder.
    pub fn read<'p>(&mut self, read: &ObservedRead, path_of: impl Fn(FileId) -> &'p [u8]) -> bool {
        let index = read.file.0;
        let Some(file) = self.files.get_mut(index as usize) else {
            return false;
        };
        file.take(read.offset, read.length);
        if self.last_file.len() > MOST_READERS {
            self.last_file.clear(); // of processes that ended long ago, mostly
        }
        let before = self.last_file.insert(read.reader, index);
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

impl FileOrder {
    fn take(&mut self, offset: u64, length: u64) {
        let (is_first, end) = (self.reads == 0, offset.saturating_add(length));
        self.reads = self.reads.saturating_add(1);
        let step = offset as i64 - self.last as i64;
        self.last = offset;
        if is_first || offset == 0 {
            // a new pass says nothing of the order inside; what is known stays
            (self.next, self.early, self.step) = (end, None, 0);
            return;
        }
        let leaves_gap = offset != self.next;
        self.strides = match step == self.step && step != 0 && leaves_gap {
            true => self.strides.saturating_add(1),
            false => 0,
        };
        self.step = step;
        if !leaves_gap {
            self.next = end;
            self.follow();
            if let Some((_, far)) = self.early.filter(|early| early.0 <= end) {
                (self.early, self.next) = (None, far.max(end));
                self.follow();
            }
            return;
        }
        self.early = match self.early {
            // a second sequence that nothing leads up to: the reader went elsewhere and reads on there
            Some((start, far)) if offset == far => {
                self.waited = self.waited.saturating_add(1);
                if self.waited < STEPS {
                    Some((start, end))
                } else {
                    (self.next, self.waited) = (end, 0);
                    (self.contiguous, self.scattered) = (STEPS, 0);
                    None
                }
            }
            // arrived before the early ones: read-ahead in reverse
            Some((start, far)) if end == start && self.waited < PATIENCE => Some((offset, far)),
            Some(_) => {
                self.break_off();
                Some((offset, end))
            }
            None => {
                self.waited = 0;
                if offset < self.next {
                    self.break_off();
                }
                Some((offset, end))
            }
        };
    }

    fn follow(&mut self) {
        self.contiguous = self.contiguous.saturating_add(1);
        (self.scattered, self.waited) = (0, 0);
    }

    fn break_off(&mut self) {
        self.scattered = self.scattered.saturating_add(1);
        (self.contiguous, self.waited) = (0, 0);
    }

    fn inside(&self) -> Option<AccessPattern> {
        if self.strides >= STEPS {
            Some(AccessPattern::Strided)
        } else if self.contiguous >= STEPS {
            Some(AccessPattern::Sequential)
        } else if self.scattered >= STEPS {
            Some(AccessPattern::Random)
        } else {
            None
        }
    }
}

impl FolderOrder {
    /// Whether a file starts that a pass over all files would not read now. `pass` is the file's own.
    ///
    /// Half of the files make a pass: a mount does not see the reads of those that it holds.
    fn is_redrawn(&mut self, pass: &mut u32) -> bool {
        let is_repeat = self.pass > 0 && *pass == self.pass;
        if self.pass == 0 || is_repeat && self.started >= (self.members / 2).max(self.members.min(FEW_FILES))
        {
            self.pass += 1;
            self.longest = self.longest.max(self.started);
            self.started = 0;
        } else if is_repeat {
            return true;
        }
        let is_new = *pass == 0;
        *pass = self.pass;
        self.started += 1;
        // a pass leaves out nothing that a later one of the same length reads
        is_new && self.pass > 1 && self.started <= self.longest
    }

    /// Take in one step; true when the pattern changed.
    fn note(&mut self, ordered: bool, redrawn: bool) -> bool {
        self.ordered = self.ordered << 1 | u64::from(ordered);
        self.redrawn = self.redrawn << 1 | u64::from(redrawn);
        self.steps = self.steps.saturating_add(1);
        // Now and then: a change costs a decision for each file of the folder.
        if !self.steps.is_multiple_of(FILE_STEPS) {
            return false;
        }
        let window = f64::from(self.steps.min(64));
        let share = f64::from(self.ordered.count_ones()) / window;
        let pattern = if share >= ORDERED {
            Some(AccessPattern::Sequential)
        } else if share > DISORDERED {
            self.pattern
        } else if f64::from(self.redrawn.count_ones()) / window > REDRAWN {
            Some(AccessPattern::Random)
        } else {
            Some(AccessPattern::Shuffled)
        };
        std::mem::replace(&mut self.pattern, pattern) != pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AccessPattern::{Random, Sequential, Shuffled, Strided};

    const KIB: u64 = 1024;

    /// Reads of one large file: what is said after each.
    fn inside(reads: &[(u64, u64)]) -> Vec<Option<AccessPattern>> {
        let mut observer = Observer::default();
        observer.add(b"big.bin", 1 << 40);
        let said = reads.iter().map(|&(offset, length)| {
            let read = ObservedRead {
                file: FileId(0),
                reader: ReaderId(1),
                offset,
                length,
            };
            observer.read(&read, |_| b"big.bin");
            observer.facts(FileId(0)).pattern
        });
        said.collect()
    }

    fn last(reads: &[(u64, u64)]) -> Option<AccessPattern> {
        inside(reads).last().copied().flatten()
    }

    #[test]
    fn four_contiguous_reads_are_a_sequence_and_fewer_are_not() {
        let reads: Vec<_> = (0..4).map(|index| (index * 128 * KIB, 128 * KIB)).collect();
        assert_eq!(inside(&reads), [None, None, None, Some(Sequential)]);
    }

    #[test]
    fn a_gap_of_some_kilobytes_is_a_stride_and_no_sequence() {
        for gap in [1, 4, 32, 63] {
            let step = 4 * KIB + gap * KIB;
            let reads: Vec<_> = (0..6).map(|index| (index * step, 4 * KIB)).collect();
            assert_eq!(last(&reads), Some(Strided), "gap {gap} KiB");
            assert!(!inside(&reads).contains(&Some(Sequential)), "gap {gap} KiB");
        }
    }

    #[test]
    fn the_stride_is_measured() {
        let mut observer = Observer::default();
        observer.add(b"a", 1 << 30);
        for index in 0..8 {
            let read = ObservedRead {
                file: FileId(0),
                reader: ReaderId(1),
                offset: index * 5120,
                length: 4096,
            };
            observer.read(&read, |_| b"a");
        }
        assert_eq!(observer.stride(FileId(0)), Some(5120));
    }

    #[test]
    fn read_ahead_out_of_order_does_not_break_a_sequence() {
        let mut reads: Vec<_> = (0..8).map(|index| (index * 128 * KIB, 128 * KIB)).collect();
        reads.swap(4, 5); // one early
        reads.swap(6, 7);
        let said = inside(&reads);
        assert!(
            said[3..].iter().all(|pattern| *pattern == Some(Sequential)),
            "{said:?}"
        );
        let mut reads: Vec<_> = (0..12).map(|index| (index * 128 * KIB, 128 * KIB)).collect();
        reads[5..8].reverse(); // three in reverse
        let said = inside(&reads);
        assert!(
            said[3..].iter().all(|pattern| *pattern == Some(Sequential)),
            "{said:?}"
        );
    }

    #[test]
    fn a_break_ends_a_sequence_also_when_it_jumps_by_six_kilobytes() {
        for jump in [6 * KIB, 1 << 30] {
            let mut reads: Vec<_> = (0..4).map(|index| (index * 4 * KIB, 4 * KIB)).collect();
            reads.push((16 * KIB + jump, 4 * KIB));
            reads.push((16 * KIB + 3 * jump, 4 * KIB));
            assert_eq!(last(&reads), None, "jump {jump}");
        }
    }

    #[test]
    fn scattered_reads_are_random_and_a_seek_is_not() {
        let places = [5_u64, 90, 13, 71, 2, 44, 60, 8];
        let reads: Vec<_> = places.iter().map(|place| (place << 20, 4 * KIB)).collect();
        assert_eq!(last(&reads), Some(Random));
        let mut reads: Vec<_> = (0..5).map(|index| (index * KIB, KIB)).collect();
        reads.extend((0..6).map(|index| ((1 << 30) + index * KIB, KIB)));
        assert_eq!(last(&reads), Some(Sequential));
    }

    /// Read whole files in an order; what is said of one of them that was never read, and of the first.
    fn between(orders: &[Vec<u32>], files: u32, readers: u32) -> Option<AccessPattern> {
        let paths: Vec<Vec<u8>> = (0..files)
            .map(|n| format!("train/{n:05}.jpg").into_bytes())
            .collect();
        let mut observer = Observer::default();
        for path in &paths {
            observer.add(path, 100 * KIB);
        }
        for order in orders {
            for (position, &file) in order.iter().enumerate() {
                let read = ObservedRead {
                    file: FileId(file),
                    reader: ReaderId(position as u32 / 8 % readers),
                    offset: 0,
                    length: 100 * KIB,
                };
                observer.read(&read, |id| &paths[id.0 as usize]);
            }
        }
        observer.facts(FileId(files - 1)).pattern
    }

    /// A Fisher-Yates shuffle by a linear congruential generator.
    fn permutation(files: u32, seed: u64) -> Vec<u32> {
        let mut order: Vec<u32> = (0..files).collect();
        let mut state = seed;
        for index in (1..order.len()).rev() {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            order.swap(index, (state >> 33) as usize % (index + 1));
        }
        order
    }

    #[test]
    fn small_files_in_a_new_order_each_epoch_are_shuffled_from_the_first_epoch_on() {
        let (first, second) = (permutation(500, 1), permutation(500, 2));
        assert_eq!(between(&[first[..200].to_vec()], 500, 1), Some(Shuffled));
        assert_eq!(between(&[first.clone(), second.clone()], 500, 1), Some(Shuffled));
        assert_eq!(between(&[first, second], 500, 4), Some(Shuffled));
    }

    #[test]
    fn files_in_the_order_of_names_or_in_one_order_each_time_are_a_sequence() {
        let names: Vec<u32> = (0..500).collect();
        assert_eq!(between(std::slice::from_ref(&names), 500, 1), Some(Sequential));
        assert_eq!(between(&[names], 500, 4), Some(Sequential));
        let order = permutation(500, 3);
        assert_eq!(
            between(&[order.clone(), order.clone(), order], 500, 1),
            Some(Sequential)
        );
    }

    #[test]
    fn files_drawn_at_random_are_no_epochs() {
        let mut draws = Vec::new();
        let mut state = 7_u64;
        for _ in 0..1500 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            draws.push((state >> 33) as u32 % 500);
        }
        assert_eq!(between(&[draws], 500, 1), Some(Random));
    }

    #[test]
    fn a_small_set_with_an_index_before_each_epoch_is_shuffled() {
        let mut observer = Observer::default();
        let paths: Vec<Vec<u8>> = (0..24)
            .map(|n| format!("train/{n:03}.bin").into_bytes())
            .chain([b"index.json".to_vec()])
            .collect();
        paths.iter().for_each(|path| observer.add(path, KIB));
        for epoch in 0..4 {
            for file in std::iter::once(24).chain(permutation(24, epoch)) {
                let read = ObservedRead {
                    file: FileId(file),
                    reader: ReaderId(1),
                    offset: 0,
                    length: KIB,
                };
                observer.read(&read, |id| &paths[id.0 as usize]);
            }
        }
        assert_eq!(observer.facts(FileId(0)).pattern, Some(Shuffled));
        assert_eq!(observer.facts(FileId(24)).pattern, None);
    }

    #[test]
    fn one_sample_looked_at_beforehand_changes_nothing() {
        let mut order = vec![0, 1, 0];
        order.extend(permutation(500, 9));
        assert_eq!(between(&[order, permutation(500, 10)], 500, 1), Some(Shuffled));
    }

    /// A mount that lists nothing learns of files when they are opened.
    #[test]
    fn files_that_become_known_one_by_one_are_judged_alike() {
        let mut order = vec![0, 1, 0];
        order.extend(permutation(300, 5));
        order.extend(permutation(300, 6));
        let mut draws = Vec::new();
        let mut state = 3_u64;
        for _ in 0..900 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            draws.push((state >> 33) as u32 % 300);
        }
        for (order, expected) in [(order, Shuffled), (draws, Random)] {
            let mut observer = Observer::default();
            let mut ids: Vec<Option<u32>> = vec![None; 300];
            let mut paths: Vec<Vec<u8>> = Vec::new();
            for name in order {
                let id = *ids[name as usize].get_or_insert_with(|| {
                    paths.push(format!("train/{name:05}.jpg").into_bytes());
                    observer.add(&paths[paths.len() - 1], KIB);
                    paths.len() as u32 - 1
                });
                let read = ObservedRead {
                    file: FileId(id),
                    reader: ReaderId(1),
                    offset: 0,
                    length: KIB,
                };
                observer.read(&read, |id| &paths[id.0 as usize]);
            }
            assert_eq!(observer.facts(FileId(0)).pattern, Some(expected));
        }
    }

    #[test]
    fn folders_do_not_disturb_one_another() {
        let mut observer = Observer::default();
        let paths: Vec<Vec<u8>> = (0..200)
            .map(|n| format!("{}/{n:03}.jpg", if n < 100 { "a" } else { "b" }).into_bytes())
            .collect();
        paths.iter().for_each(|path| observer.add(path, KIB));
        let mut order: Vec<u32> = (0..100).collect();
        order.extend(permutation(100, 4).iter().map(|n| n + 100));
        for file in order {
            let read = ObservedRead {
                file: FileId(file),
                reader: ReaderId(1),
                offset: 0,
                length: KIB,
            };
            observer.read(&read, |id| &paths[id.0 as usize]);
        }
        assert_eq!(observer.facts(FileId(50)).pattern, Some(Sequential));
        assert_eq!(observer.facts(FileId(150)).pattern, Some(Shuffled));
        assert_eq!(observer.folder_members(FileId(150)).len(), 100);
    }
}
