//! What conditions can ask about: the list of facts. Absent: how they are measured (drivers, `observation`), and their
//! values for one file (`view`).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::job_use::{JobUse, Phase, Work};
use super::view::{self, View};
use crate::filetype::FileType;

/// How reads follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessPattern {
    /// Each read starts where the last one ended; or the files of a folder in one order.
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
    pub const fn name(self) -> &'static str {
        match self {
            AccessPattern::Sequential => "sequential",
            AccessPattern::Random => "random",
            AccessPattern::Strided => "strided",
            AccessPattern::Shuffled => "shuffled",
        }
    }
}

/// What was observed of a file, and of the job, so far; `None` is unknown and makes a condition unknown, never false.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LiveFacts {
    /// How its reads follow one another.
    pub pattern: Option<AccessPattern>,
    /// Reads that were seen so far.
    pub frequency: Option<u64>,
    /// What all reads show of the job.
    #[serde(default)]
    pub job: JobUse,
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
    /// The file itself.
    File,
    /// Observed while the file is used.
    Live,
    /// The job: its processes, or a trace.
    Job,
    /// The machine.
    Host,
}

/// The words that a fact can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// Any.
    Any,
    /// What is measured here; a person may hand in others.
    Known(&'static [&'static str]),
    /// No other.
    Only(&'static [&'static str]),
}

/// One entry of the list of facts.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct FactInfo {
    /// Canonical name.
    pub name: &'static str,
    /// What its values are.
    pub kind: FactKind,
    /// Of a number: bytes, s, bytes/s, 1/s, or 1 for a count.
    pub unit: Option<&'static str>,
    /// Where they come from.
    pub source: FactSource,
    /// When the value is taken anew.
    pub refresh: &'static str,
    /// The words that it can be.
    #[serde(serialize_with = "list_words")]
    pub words: Words,
    /// Whether people may hand in other words.
    pub is_open: bool,
    /// One sentence.
    pub summary: &'static str,
    /// What is known of it where nobody handed a value in.
    #[serde(skip)]
    pub(super) read: ReadFact,
    /// Whether reads show it of the whole job.
    #[serde(skip)]
    pub(super) is_shown_by_reads: bool,
}

pub(super) type ReadFact = for<'v> fn(&'v View<'_>) -> Option<Fact<'v>>;

/// The value of a fact for one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// What a file is never asked twice.
const AT_SIGHT: &str = "when the file is first seen";
/// What first bytes may correct.
const BY_CONTENT: &str = "when the file is first seen, and when its first bytes were";
const AT_READS: &str = "with each read that the mount sees";
const AT_START: &str = "when the job's processes were looked at, every 30 s";
const EVERY_30_S: &str = "every 30 s";
const ONCE: &str = "when mounting";
/// Of a job: told by its processes, else by its reads.
const AT_START_OR_VISITS: &str =
    "when the job's processes were looked at, every 30 s; else when a reader comes to a file";
const AT_VISITS: &str = "when a reader comes to a file, where some rule asks for it";
const AT_GROWTH: &str = "when a reader comes to a file, where some rule asks for it; in steps of an eighth";

const TYPES: [&str; FileType::ALL.len()] = {
    let mut names = [""; FileType::ALL.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = FileType::ALL[index].name();
        index += 1;
    }
    names
};
const PATTERNS: [&str; AccessPattern::ALL.len()] = {
    let mut names = [""; AccessPattern::ALL.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = AccessPattern::ALL[index].name();
        index += 1;
    }
    names
};
const WORKLOADS: [&str; Work::ALL.len()] = {
    let mut names = [""; Work::ALL.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = Work::ALL[index].name();
        index += 1;
    }
    names
};
const FRAMEWORKS: &[&str] = &[
    "pytorch",
    "tensorflow",
    "jax",
    "huggingface",
    "lightning",
    "webdataset",
    "mosaicml",
    "mxnet",
    "onnx",
];
const PHASES: [&str; Phase::ALL.len()] = {
    let mut names = [""; Phase::ALL.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = Phase::ALL[index].name();
        index += 1;
    }
    names
};

/// Every fact that a condition may name.
#[rustfmt::skip]
pub static FACTS: &[FactInfo] = &[
    // what a file is
    text("file.path", "Path relative to the source.", view::path),
    text("file.name", "Last component of the path.", view::name),
    word("file.extension", FactSource::File, AT_SIGHT, Words::Any, "What follows the last dot of the name; empty without one.", view::extension),
    number("file.size", "bytes", FactSource::File, AT_SIGHT, "Size.", view::size),
    word("file.type", FactSource::File, BY_CONTENT, Words::Only(&TYPES), "Kind of file, from first bytes where they are known, else from the name.", view::file_type),
    word("file.format", FactSource::File, BY_CONTENT, Words::Any, "Format, as safetensors, parquet or jpeg; unknown where nothing tells.", view::format),
    word("file.framework", FactSource::File, BY_CONTENT, Words::Known(FRAMEWORKS), "The framework that writes such files, where only one does.", view::framework),
    word("file.mime_type", FactSource::File, BY_CONTENT, Words::Any, "MIME type, where one is in use.", view::mime_type),
    number("file.age", "s", FactSource::File, EVERY_30_S, "Time since the last change.", view::age),
    // how it is used
    word("access.pattern", FactSource::Live, AT_READS, Words::Only(&PATTERNS), "How reads follow one another, inside a long file or from file to file of a folder.", view::pattern),
    number("access.frequency", "1", FactSource::Live, AT_READS, "Reads seen so far.", view::frequency),
    number("access.batch_size", "1", FactSource::Live, "from a trace, or as workload.batch_size", "Files per batch.", view::batch_size),
    // by whom
    shown_word("workload.type", Words::Known(&WORKLOADS), AT_START_OR_VISITS, "What the job does: from its command line, else training where the data set is read again.", view::work),
    given_word("workload.framework", FactSource::Job, Words::Known(FRAMEWORKS), AT_START, "The framework that the job has loaded."),
    shown_word("workload.phase", Words::Known(&PHASES), AT_VISITS, "What the job does now, from the files that it reads and from workload.type.", view::phase),
    given("workload.batch_size", "1", FactSource::Job, AT_START, "Samples per batch."),
    shown("workload.epoch", "1", AT_VISITS, "Number of the pass over the data set, from 0; unknown where files are drawn at random.", view::epoch),
    shown("workload.model_size", "bytes", AT_GROWTH, "Model and checkpoint files that were read, each once, of the folder with most of them.", view::model_size),
    shown("workload.dataset_size", "bytes", AT_GROWTH, "Files of the data set that were read, each once.", view::dataset_size),
    given("workload.process_id", "1", FactSource::Job, AT_START, "Process that reads."),
    given("workload.rank", "1", FactSource::Job, AT_START, "Rank of a distributed job's process (RANK)."),
    given("workload.world_size", "1", FactSource::Job, AT_START, "Processes of a distributed job (WORLD_SIZE)."),
    given("workload.workers", "1", FactSource::Job, AT_START, "Processes or threads that read data."),
    // on what
    given("system.available_memory", "bytes", FactSource::Host, EVERY_30_S, "Memory free for use; at most what the control group leaves."),
    given("system.total_memory", "bytes", FactSource::Host, EVERY_30_S, "All memory, or the control group's limit if less."),
    given("system.memory_limit", "bytes", FactSource::Host, EVERY_30_S, "Limit of the control group; unknown where nothing limits."),
    given("system.cpu_count", "1", FactSource::Host, EVERY_30_S, "CPUs that may be used: affinity and the control group's quota count."),
    given("system.gpu_count", "1", FactSource::Host, ONCE, "GPUs; unknown where neither NVML nor the driver tells."),
    given("system.gpu_memory", "bytes", FactSource::Host, ONCE, "Memory of all GPUs; unknown without NVML."),
    given("system.network_bandwidth", "bytes/s", FactSource::Host, ONCE, "Throughput of the source, from a probe file."),
    given("system.storage_iops", "1/s", FactSource::Host, ONCE, "Requests that the source serves, from a probe file."),
    given("system.time", "s", FactSource::Host, EVERY_30_S, "Seconds since the Unix epoch, which ages are told from."),
];

impl FactInfo {
    /// The words beside which it can be no other.
    pub(super) fn closed_words(&self) -> Option<&'static [&'static str]> {
        match self.words {
            Words::Only(words) => Some(words),
            Words::Any | Words::Known(_) => None,
        }
    }
}

fn list_words<S: serde::Serializer>(words: &Words, serializer: S) -> Result<S::Ok, S::Error> {
    match words {
        Words::Any => serializer.serialize_none(),
        Words::Known(words) | Words::Only(words) => words.serialize(serializer),
    }
}

const fn text(name: &'static str, summary: &'static str, read: ReadFact) -> FactInfo {
    FactInfo {
        name,
        kind: FactKind::Text,
        unit: None,
        source: FactSource::File,
        refresh: AT_SIGHT,
        words: Words::Any,
        is_open: true,
        summary,
        read,
        is_shown_by_reads: false,
    }
}

const fn word(
    name: &'static str,
    source: FactSource,
    refresh: &'static str,
    words: Words,
    summary: &'static str,
    read: ReadFact,
) -> FactInfo {
    FactInfo {
        name,
        kind: FactKind::Word,
        unit: None,
        source,
        refresh,
        words,
        is_open: !matches!(words, Words::Only(_)),
        summary,
        read,
        is_shown_by_reads: false,
    }
}

const fn number(
    name: &'static str,
    unit: &'static str,
    source: FactSource,
    refresh: &'static str,
    summary: &'static str,
    read: ReadFact,
) -> FactInfo {
    FactInfo {
        name,
        kind: FactKind::Number,
        unit: Some(unit),
        source,
        refresh,
        words: Words::Any,
        is_open: true,
        summary,
        read,
        is_shown_by_reads: false,
    }
}

/// A word that is unknown unless it is handed in, be it by who measures it.
const fn given_word(
    name: &'static str,
    source: FactSource,
    words: Words,
    refresh: &'static str,
    summary: &'static str,
) -> FactInfo {
    word(name, source, refresh, words, summary, view::nothing)
}

/// A number of that kind.
const fn given(
    name: &'static str,
    unit: &'static str,
    source: FactSource,
    refresh: &'static str,
    summary: &'static str,
) -> FactInfo {
    number(name, unit, source, refresh, summary, view::nothing)
}

/// A word that reads show of the job, unless it is handed in.
const fn shown_word(
    name: &'static str,
    words: Words,
    refresh: &'static str,
    summary: &'static str,
    read: ReadFact,
) -> FactInfo {
    FactInfo {
        is_shown_by_reads: true,
        ..word(name, FactSource::Job, refresh, words, summary, read)
    }
}

/// A number of that kind.
const fn shown(
    name: &'static str,
    unit: &'static str,
    refresh: &'static str,
    summary: &'static str,
    read: ReadFact,
) -> FactInfo {
    FactInfo {
        is_shown_by_reads: true,
        ..number(name, unit, FactSource::Job, refresh, summary, read)
    }
}
