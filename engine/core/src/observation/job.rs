//! What visits of files show of the job: what it does, in which pass over its samples it is, how much there is. Absent:
//! what a visit is (`Observer`), when a pass begins (`passes`), and what processes tell, which stands above.
//!
//! Files are put together by what their names say: settings, vocabularies and indexes; weights, folder by folder; and
//! sets of samples, by top folder, extension, and the word for a part (train, val, test). The set of which most bytes
//! were visited is the data set. No timers: a phase lasts until other files are read.

use rustc_hash::FxHashMap;

use super::passes::Passes;
use crate::filetype::{Detection, FileType, extension_of, name_of};
use crate::rules::{JobUse, Phase, Work};

/// Visits in a row to one set before the job counts as reading it: workers still end the set before.
const SETTLED: u32 = 8;
/// Folders and names that call a set a part to measure with, and one to learn from.
const TO_MEASURE: [&[u8]; 7] = [
    b"val",
    b"valid",
    b"validation",
    b"test",
    b"testing",
    b"eval",
    b"dev",
];
const TO_LEARN: [&[u8]; 2] = [b"train", b"training"];

/// What is known of one file.
#[derive(Debug, Clone, Copy)]
struct Member {
    set: u32,
    /// The pass in which it was last visited, from 1.
    pass: u32,
}

/// What files of a set are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Settings, vocabularies, indexes.
    Settings,
    /// Models and checkpoints.
    Weights,
    /// What a job learns from or goes through.
    Samples,
}

#[derive(Debug)]
struct Set {
    role: Role,
    /// Its names say that a model is measured with it.
    is_to_measure: bool,
    /// Files of it that were ever visited [bytes].
    bytes: u64,
    passes: Passes,
}

/// What was seen of the job.
#[derive(Debug, Default)]
pub(super) struct JobObserver {
    members: Vec<Member>,
    sets: Vec<Set>,
    set_of: FxHashMap<Box<[u8]>, u32>,
    /// What the job's processes tell that it does.
    named: Option<Work>,
    /// The set with most bytes visited.
    main: Option<u32>,
    /// The sample set that was visited last, how often in a row, and the one that counts as being read.
    last: u32,
    streak: u32,
    current: Option<u32>,
    /// Whether anything was visited, and weights.
    has_begun: bool,
    has_weights: bool,
    told: JobUse,
}

impl JobObserver {
    pub(super) fn add(&mut self, path: &[u8]) {
        let role = match Detection::of_path(path).file_type {
            FileType::Model | FileType::Checkpoint => Role::Weights,
            FileType::Config | FileType::Tokenizer | FileType::Index | FileType::Log => Role::Settings,
            FileType::Dataset | FileType::Tensor | FileType::Unknown => Role::Samples,
        };
        let part = part_of(path);
        let next = self.sets.len() as u32;
        let set = *self.set_of.entry(key_of(path, role, part)).or_insert(next);
        if set == next {
            self.sets.push(Set {
                role,
                is_to_measure: part == Part::ToMeasure,
                bytes: 0,
                passes: Passes::default(),
            });
        }
        self.sets[set as usize].passes.members += 1;
        self.members.push(Member { set, pass: 0 });
    }

    /// The processes of the job tell what it does, or no longer do.
    pub(super) fn named(&mut self, work: Option<Work>) {
        self.named = work;
        self.tell();
    }

    pub(super) fn told(&self) -> JobUse {
        self.told
    }

    /// A reader came to a file, or began it anew.
    pub(super) fn visit(&mut self, file: u32, size: u64) {
        let member = &mut self.members[file as usize];
        let number = member.set;
        let set = &mut self.sets[number as usize];
        let is_new = member.pass == 0;
        set.passes.visit(file, &mut member.pass);
        if is_new {
            set.bytes += size;
        }
        let (role, bytes, needed) = (set.role, set.bytes, set.passes.members.min(SETTLED));
        self.has_begun = true;
        match role {
            Role::Settings => {}
            Role::Weights => self.has_weights = true,
            Role::Samples => {
                let most = self.main.map_or(0, |main| self.sets[main as usize].bytes);
                if self.main.is_none() || bytes > most {
                    self.main = Some(number);
                }
                self.streak = if self.last == number { self.streak + 1 } else { 1 };
                self.last = number;
                if self.streak >= needed {
                    self.current = Some(number);
                }
            }
        }
        self.tell();
    }

    /// Sizes grow with each file of the first pass: they are told when an eighth came to them, or with other news.
    fn tell(&mut self) {
        let main = self.main.map(|main| &self.sets[main as usize]);
        let weights = self.sets.iter().filter(|set| set.role == Role::Weights);
        let now = JobUse {
            work: main
                .filter(|main| main.passes.has_repeated())
                .map(|_| Work::Training),
            phase: self.phase(),
            epoch: main.and_then(|main| main.passes.epoch()),
            model_bytes: match self.has_weights {
                true => weights.map(|set| set.bytes).max(),
                false => None,
            },
            dataset_bytes: main.map(|main| main.bytes),
        };
        let told = self.told;
        let others = |job: JobUse| (job.work, job.phase, job.epoch);
        let grew = |now: Option<u64>, told: Option<u64>| now > told.map(|bytes| bytes + bytes / 8);
        if others(now) != others(told)
            || grew(now.model_bytes, told.model_bytes)
            || grew(now.dataset_bytes, told.dataset_bytes)
        {
            self.told = now;
        }
    }

    fn phase(&self) -> Option<Phase> {
        let (Some(current), Some(main)) = (self.current, self.main) else {
            let serves = self.has_weights && self.named == Some(Work::Inference);
            let phase = if serves {
                Phase::Inference
            } else {
                Phase::Initialization
            };
            return self.has_begun.then_some(phase);
        };
        let has_repeated = self.sets[main as usize].passes.has_repeated();
        match self.named.or(has_repeated.then_some(Work::Training))? {
            Work::Training if self.measures(current, main) => Some(Phase::Validation),
            Work::Training => Some(Phase::Training),
            Work::Inference => Some(Phase::Inference),
            Work::Preprocessing => Some(Phase::Preprocessing),
            Work::Evaluation => Some(Phase::Evaluation),
        }
    }

    /// Whether a set is one to measure with: its names say so, or it is small and read when a pass over the data set is over.
    fn measures(&self, set: u32, main: u32) -> bool {
        if set == main {
            return false;
        }
        let (set, main) = (&self.sets[set as usize], &self.sets[main as usize]);
        let is_small = set.passes.members > 1 && 2 * set.bytes <= main.bytes;
        let was_validating = self.told.phase == Some(Phase::Validation);
        set.is_to_measure || is_small && (was_validating || main.passes.is_nearly_over())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    ToLearn,
    ToMeasure,
}

/// The part of a data set that folders or the name speak of; the first word counts.
fn part_of(path: &[u8]) -> Part {
    let words = path.split(|byte| !byte.is_ascii_alphanumeric());
    let is = |word: &[u8], known: &[&[u8]]| known.iter().any(|known| known.eq_ignore_ascii_case(word));
    let mut parts = words.filter_map(|word| match word {
        word if is(word, &TO_LEARN) => Some(Part::ToLearn),
        word if is(word, &TO_MEASURE) => Some(Part::ToMeasure),
        _ => None,
    });
    parts.next().unwrap_or(Part::Whole)
}

fn key_of(path: &[u8], role: Role, part: Part) -> Box<[u8]> {
    let end = |slash: Option<usize>| slash.unwrap_or(0);
    let (folder, extension) = match role {
        Role::Settings => (0, &b""[..]),
        Role::Weights => (end(path.iter().rposition(|&byte| byte == b'/')), &b""[..]),
        Role::Samples => (
            end(path.iter().position(|&byte| byte == b'/')),
            extension_of(name_of(path)).unwrap_or_default(),
        ),
    };
    let mut key = vec![role as u8, part as u8];
    key.extend_from_slice(&path[..folder]);
    key.push(b'/');
    key.extend_from_slice(extension);
    key[2..].make_ascii_lowercase();
    key.into()
}
