//! What conditions can ask about: the list of facts, and their values for one file. Absent: how live values are
//! measured (drivers).

use std::cell::OnceCell;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::FileFacts;
use crate::filetype::{FileType, LONGEST_NAME, extension_of, name_of};

/// How the reads of one file follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessPattern {
    /// Each read starts where the last one ended.
    Sequential,
    /// No order.
    Random,
    /// A constant gap between reads.
    Strided,
    /// Whole files, in a new order each epoch.
    Shuffled,
}

impl AccessPattern {
    /// Every pattern, in the order of the documentation.
    pub const ALL: [AccessPattern; 4] = [
        AccessPattern::Sequential,
        AccessPattern::Random,
        AccessPattern::Strided,
        AccessPattern::Shuffled,
    ];

    /// The name that recipes use.
    pub fn name(self) -> &'static str {
        match self {
            AccessPattern::Sequential => "sequential",
            AccessPattern::Random => "random",
            AccessPattern::Strided => "strided",
            AccessPattern::Shuffled => "shuffled",
        }
    }
}

/// What was observed of a file so far; `None` is unknown and makes a condition unknown, never false.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LiveFacts {
    /// How its reads follow one another.
    pub pattern: Option<AccessPattern>,
    /// Reads that were seen so far.
    pub frequency: Option<u64>,
}

/// What a fact's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// Bytes; letters count as they are.
    Text,
    /// A word; the case of letters does not matter.
    Word,
    /// A number.
    Number,
}

/// Where a fact's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FactSource {
    /// Known when the file is first seen.
    File,
    /// Observed while the file is used.
    Live,
    /// Nothing measures it yet: always unknown.
    Unmeasured,
}

/// One entry of the list of facts.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct FactInfo {
    /// Canonical name.
    pub name: &'static str,
    /// What its values are.
    pub kind: FactKind,
    /// Where they come from.
    pub source: FactSource,
    /// One sentence, with the unit.
    pub summary: &'static str,
    #[serde(skip)]
    pub(super) read: Option<ReadFact>,
}

pub(super) type ReadFact = for<'v> fn(&'v FileView<'_>) -> Option<Fact<'v>>;

/// The value of a fact for one file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fact<'a> {
    Text(&'a [u8]),
    Number(u64),
}

impl Fact<'_> {
    /// For people and JSON; bytes that are no UTF-8 are replaced.
    pub(super) fn to_json(self) -> Value {
        match self {
            Fact::Text(bytes) => Value::from(String::from_utf8_lossy(bytes)),
            Fact::Number(number) => Value::from(number),
        }
    }
}

/// Every fact that a condition may name.
pub static FACTS: &[FactInfo] = &[
    fact(
        "file.path",
        FactKind::Text,
        FactSource::File,
        "Path relative to the source.",
        |view| Some(Fact::Text(view.path)),
    ),
    fact(
        "file.name",
        FactKind::Text,
        FactSource::File,
        "Last component of the path.",
        |view| Some(Fact::Text(view.name)),
    ),
    fact(
        "file.extension",
        FactKind::Word,
        FactSource::File,
        "What follows the last dot of the name; empty without one.",
        |view| Some(Fact::Text(view.extension())),
    ),
    fact(
        "file.size",
        FactKind::Number,
        FactSource::File,
        "Size [bytes].",
        |view| Some(Fact::Number(view.size)),
    ),
    fact(
        "file.type",
        FactKind::Word,
        FactSource::File,
        "Kind of file, from its name: model, dataset, checkpoint, config, tensor, log, tokenizer, index, unknown.",
        |view| Some(Fact::Text(view.file_type().name().as_bytes())),
    ),
    fact(
        "access.pattern",
        FactKind::Word,
        FactSource::Live,
        "How reads of the file follow one another: sequential, random, strided, shuffled.",
        |view| {
            view.live
                .pattern
                .map(|pattern| Fact::Text(pattern.name().as_bytes()))
        },
    ),
    fact(
        "access.frequency",
        FactKind::Number,
        FactSource::Live,
        "Reads seen so far [1].",
        |view| view.live.frequency.map(Fact::Number),
    ),
    unmeasured("access.batch_size", FactKind::Number, "Samples per batch [1]."),
    unmeasured(
        "workload.type",
        FactKind::Word,
        "What the job does: training, inference, preprocessing.",
    ),
    unmeasured(
        "workload.framework",
        FactKind::Word,
        "The framework of the job, as pytorch.",
    ),
    unmeasured("workload.phase", FactKind::Word, "Phase of training."),
    unmeasured("workload.batch_size", FactKind::Number, "Samples per batch [1]."),
    unmeasured("workload.epoch", FactKind::Number, "Number of the epoch [1]."),
    unmeasured(
        "workload.model_size",
        FactKind::Number,
        "Size of the model [bytes].",
    ),
    unmeasured(
        "workload.dataset_size",
        FactKind::Number,
        "Size of the data set [bytes].",
    ),
    unmeasured("workload.process_id", FactKind::Number, "Process that reads [1]."),
    unmeasured("file.mime_type", FactKind::Word, "MIME type."),
    unmeasured("system.gpu_count", FactKind::Number, "GPUs of the machine [1]."),
    unmeasured(
        "system.gpu_memory",
        FactKind::Number,
        "Memory of the GPUs [bytes].",
    ),
    unmeasured(
        "system.available_memory",
        FactKind::Number,
        "Memory free for use [bytes].",
    ),
    unmeasured(
        "system.network_bandwidth",
        FactKind::Number,
        "Bandwidth of the network [bytes/s].",
    ),
    unmeasured(
        "system.storage_iops",
        FactKind::Number,
        "Operations that the storage does [1/s].",
    ),
];

const fn fact(
    name: &'static str,
    kind: FactKind,
    source: FactSource,
    summary: &'static str,
    read: ReadFact,
) -> FactInfo {
    FactInfo {
        name,
        kind,
        source,
        summary,
        read: Some(read),
    }
}

const fn unmeasured(name: &'static str, kind: FactKind, summary: &'static str) -> FactInfo {
    FactInfo {
        name,
        kind,
        source: FactSource::Unmeasured,
        summary,
        read: None,
    }
}

/// A file as conditions see it: parts of the path found once, words in lower case.
pub(super) struct FileView<'a> {
    path: &'a [u8],
    name: &'a [u8],
    size: u64,
    live: &'a LiveFacts,
    extension: [u8; LONGEST_NAME],
    extension_length: usize,
    file_type: OnceCell<FileType>,
}

impl<'a> FileView<'a> {
    pub(super) fn new(facts: &'a FileFacts, live: &'a LiveFacts) -> FileView<'a> {
        let name = name_of(&facts.path);
        let mut view = FileView {
            path: &facts.path,
            name,
            size: facts.size,
            live,
            extension: [0; LONGEST_NAME],
            extension_length: 0,
            file_type: OnceCell::new(),
        };
        let written = extension_of(name).unwrap_or_default();
        if let Some(buffer) = view.extension.get_mut(..written.len()) {
            buffer.copy_from_slice(written);
            buffer.make_ascii_lowercase();
            view.extension_length = written.len();
        }
        view
    }

    fn extension(&self) -> &[u8] {
        &self.extension[..self.extension_length]
    }

    fn file_type(&self) -> FileType {
        *self.file_type.get_or_init(|| FileType::of_path(self.path))
    }
}
