//! What one thread of a scan counts and keeps. Absent: explanations.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use mlopt_core::rules::Verdict;
use mlopt_core::{Decision, FIRST_BYTES, FileFacts, KnownFormat, Version};
use serde_json::{Value, json};

use super::{Observed, Question};
use crate::walk::{Found, Stat, Visit, in_order};

/// Reasons kept for people; a tree without any permission must not fill the memory with them.
const UNREADABLE_KEPT: usize = 100;

/// Files, their bytes, and what a job read of them.
#[derive(Default, Clone, Copy)]
pub(super) struct Count {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) reads: u64,
    pub(super) read_bytes: u64,
}

impl Count {
    fn add(&mut self, size: u64, seen: Observed) {
        *self += Count {
            files: 1,
            bytes: size,
            reads: seen.reads,
            read_bytes: seen.bytes,
        };
    }

    pub(super) fn to_json(self) -> Value {
        json!({"files": self.files, "bytes": self.bytes, "reads": self.reads, "read_bytes": self.read_bytes})
    }
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Count) {
        self.files += other.files;
        self.bytes += other.bytes;
        self.reads += other.reads;
        self.read_bytes += other.read_bytes;
    }
}

#[derive(Default, Clone, Copy)]
pub(super) struct Totals {
    pub(super) files: Count,
    pub(super) matched: Count,
    pub(super) streamed: Count,
    pub(super) cached: Count,
    pub(super) prefetched: Count,
    pub(super) links: u64,
    pub(super) special: u64,
    pub(super) unreadable: u64,
}

/// One folder of the tree view: what lies in it, deeper folders included once the depth is reached.
#[derive(Default, Clone)]
pub(super) struct Folder {
    pub(super) all: Count,
    pub(super) matched: Count,
    pub(super) by_rule: Vec<u64>,
}

/// A path kept for explanation, in the order of a walk by names.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) path: Vec<u8>,
    pub(super) kind: &'static str,
    pub(super) stat: Option<Stat>,
    pub(super) format: Option<KnownFormat>,
}

impl Ord for Seen {
    fn cmp(&self, other: &Seen) -> std::cmp::Ordering {
        in_order(&self.path, &other.path)
    }
}

impl PartialOrd for Seen {
    fn partial_cmp(&self, other: &Seen) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Seen {
    fn eq(&self, other: &Seen) -> bool {
        self.path == other.path
    }
}

impl Eq for Seen {}

/// Why one rule does not treat files.
#[derive(Default, Clone)]
pub(super) struct Silence {
    pub(super) files: Count,
    /// It fired, but stronger rules filled the number of rules that may apply.
    pub(super) crowded_out: u64,
    /// For each condition: files for which it is false, and unknown.
    pub(super) conditions: Vec<(u64, u64)>,
}

/// Everything that one thread found.
pub(super) struct Tally {
    question: Arc<Question>,
    pub(super) totals: Totals,
    pub(super) by_rule: Vec<Count>,
    pub(super) wins: Vec<Count>,
    /// For each set of rules that applied together, the first files of it in the order of the walk.
    pub(super) kept: HashMap<Vec<usize>, BTreeSet<Seen>>,
    pub(super) folders: BTreeMap<Vec<u8>, Folder>,
    pub(super) silence: Silence,
    pub(super) unreadable: Vec<Value>,
    /// Buffers that live on from file to file.
    facts: FileFacts,
    applied: Vec<usize>,
}

impl Visit for Tally {
    fn visit(&mut self, path: &[u8], found: Found) {
        match found {
            Found::File(stat) => self.judge(path, stat),
            Found::Symlink => {
                self.totals.links += 1;
                self.keep_other(path, "symlink");
            }
            Found::Special => {
                self.totals.special += 1;
                self.keep_other(path, "special");
            }
            Found::Unreadable(error) => {
                self.totals.unreadable += 1;
                if self.unreadable.len() < UNREADABLE_KEPT {
                    let path = String::from_utf8_lossy(path);
                    self.unreadable
                        .push(json!({"path": path, "problem": error.to_string()}));
                }
            }
        }
    }
}

impl Tally {
    pub(super) fn new(question: Arc<Question>) -> Tally {
        let rules = question.ids.len();
        Tally {
            question,
            totals: Totals::default(),
            by_rule: vec![Count::default(); rules],
            wins: vec![Count::default(); rules],
            kept: HashMap::new(),
            folders: BTreeMap::new(),
            silence: Silence::default(),
            unreadable: Vec::new(),
            facts: FileFacts {
                path: Vec::new(),
                size: 0,
                mtime_ns: 0,
                version: Version(0),
                format: None,
            },
            applied: Vec::new(),
        }
    }

    fn judge(&mut self, path: &[u8], stat: Stat) {
        let question = self.question.clone();
        let seen = question.observed(path);
        self.facts.path.clear();
        self.facts.path.extend_from_slice(path);
        (self.facts.size, self.facts.mtime_ns) = (stat.size, stat.mtime_ns);
        self.facts.format = question
            .content_of
            .as_deref()
            .and_then(|root| recognize(root, path));
        let decision = question.rules.decide(&self.facts, &seen.live, &question.around);
        self.count(&decision, stat.size, seen);
        if question.options.tree_depth > 0 {
            self.count_folder(path, stat.size, seen, question.options.tree_depth);
        }
        if let Some(rule) = question.options.why_not {
            if self.applied.contains(&rule) {
                return;
            }
            self.count_silence(rule, stat.size, seen);
        }
        self.keep(path, "file", Some(stat));
    }

    fn count(&mut self, decision: &Decision, size: u64, seen: Observed) {
        let totals = &mut self.totals;
        totals.files.add(size, seen);
        if !decision.applied.is_empty() {
            totals.matched.add(size, seen);
        }
        match decision.cache {
            Some(_) => totals.cached.add(size, seen),
            None => totals.streamed.add(size, seen),
        }
        if decision.prefetch.is_some() || decision.stream.is_some() {
            totals.prefetched.add(size, seen);
        }
        self.applied.clear();
        self.applied
            .extend(decision.applied.iter().map(|applied| applied.rule));
        for &rule in &self.applied {
            self.by_rule[rule].add(size, seen);
            if decision.winners.iter().any(|winner| winner.rule == rule) {
                self.wins[rule].add(size, seen);
            }
        }
    }

    fn count_folder(&mut self, path: &[u8], size: u64, seen: Observed, depth: usize) {
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let end = slashes.map(|(at, _)| at).take(depth).last().unwrap_or(0);
        if !self.folders.contains_key(&path[..end]) {
            let folder = Folder {
                by_rule: vec![0; self.by_rule.len()],
                ..Folder::default()
            };
            self.folders.insert(path[..end].to_vec(), folder);
        }
        if let Some(folder) = self.folders.get_mut(&path[..end]) {
            folder.all.add(size, seen);
            if !self.applied.is_empty() {
                folder.matched.add(size, seen);
            }
            for &rule in &self.applied {
                folder.by_rule[rule] += 1;
            }
        }
    }

    fn count_silence(&mut self, rule: usize, size: u64, seen: Observed) {
        let (fires, verdicts) =
            self.question
                .rules
                .verdicts(rule, &self.facts, &seen.live, &self.question.around);
        self.silence.files.add(size, seen);
        self.silence.crowded_out += u64::from(fires);
        self.silence.conditions.resize(verdicts.len(), (0, 0));
        for (count, verdict) in self.silence.conditions.iter_mut().zip(verdicts) {
            count.0 += u64::from(verdict == Verdict::False);
            count.1 += u64::from(verdict == Verdict::Unknown);
        }
    }

    fn keep_other(&mut self, path: &[u8], kind: &'static str) {
        if self.question.options.why_not.is_none() {
            self.applied.clear();
            self.facts.format = None;
            self.keep(path, kind, None);
        }
    }

    fn keep(&mut self, path: &[u8], kind: &'static str, stat: Option<Stat>) {
        let limit = self.question.options.limit;
        let full = self
            .kept
            .get(&self.applied)
            .filter(|kept| Some(kept.len()) == limit);
        let beyond = full.and_then(BTreeSet::last);
        if limit == Some(0) || beyond.is_some_and(|last| in_order(path, &last.path).is_gt()) {
            return;
        }
        let seen = Seen {
            path: path.to_vec(),
            kind,
            stat,
            format: self.facts.format,
        };
        let kept = match self.kept.get_mut(&self.applied) {
            Some(kept) => kept,
            None => self.kept.entry(self.applied.clone()).or_default(),
        };
        kept.insert(seen);
        if limit.is_some_and(|limit| kept.len() > limit) {
            kept.pop_last();
        }
    }
}

impl Question {
    pub(super) fn observed(&self, path: &[u8]) -> Observed {
        if self.observed.is_empty() {
            return Observed::default();
        }
        self.observed.get(path).copied().unwrap_or_default()
    }
}

/// What the first bytes of a file tell; nothing where it cannot be read.
fn recognize(root: &Path, path: &[u8]) -> Option<KnownFormat> {
    let mut first = Vec::with_capacity(FIRST_BYTES);
    let file = File::open(root.join(OsStr::from_bytes(path))).ok()?;
    file.take(FIRST_BYTES as u64).read_to_end(&mut first).ok()?;
    KnownFormat::of_content(&first)
}
