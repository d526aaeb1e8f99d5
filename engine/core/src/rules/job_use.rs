//! What reads show of the whole job: values of the facts `workload.*` that nobody handed in. Absent: how they are told
//! from reads (`observation::job`), and what processes tell (Python, handed in as facts).

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a job does with its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// It learns from samples.
    Training,
    /// It serves or applies a model.
    Inference,
    /// It turns data into other data.
    Preprocessing,
    /// It measures a model.
    Evaluation,
}

/// What a job does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It reads settings, vocabularies and weights, and no sample yet.
    Initialization,
    /// It reads samples to learn from.
    Training,
    /// Between epochs it reads a smaller set that is not the one it learns from.
    Validation,
    /// It reads samples to measure a model.
    Evaluation,
    /// It serves or applies a model.
    Inference,
    /// It reads data to turn it into other data.
    Preprocessing,
}

/// What reads show of the job; `None` is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct JobUse {
    /// What it does.
    pub work: Option<Work>,
    /// What it does now.
    pub phase: Option<Phase>,
    /// The pass over the samples that it is in, from 0.
    pub epoch: Option<u64>,
    /// The model files that it read in one folder [bytes].
    pub model_bytes: Option<u64>,
    /// The samples that it read [bytes].
    pub dataset_bytes: Option<u64>,
}

impl JobUse {
    /// By the names of facts, as a set is handed in; what is unknown is left out.
    pub fn facts(&self) -> Value {
        let words = [
            ("workload.type", self.work.map(Work::name)),
            ("workload.phase", self.phase.map(Phase::name)),
        ];
        let numbers = [
            ("workload.epoch", self.epoch),
            ("workload.model_size", self.model_bytes),
            ("workload.dataset_size", self.dataset_bytes),
        ];
        let words = words
            .into_iter()
            .filter_map(|(name, word)| Some((name, word?.into())));
        let numbers = numbers
            .into_iter()
            .filter_map(|(name, number)| Some((name, number?.into())));
        let all = words.chain(numbers).map(|(name, value)| (name.to_owned(), value));
        Value::Object(all.collect())
    }
}

impl Work {
    /// Every kind of work, in the order of the documentation.
    pub const ALL: [Work; 4] = [
        Work::Training,
        Work::Inference,
        Work::Preprocessing,
        Work::Evaluation,
    ];

    /// The name that recipes use.
    pub const fn name(self) -> &'static str {
        match self {
            Work::Training => "training",
            Work::Inference => "inference",
            Work::Preprocessing => "preprocessing",
            Work::Evaluation => "evaluation",
        }
    }

    /// The kind of work of a name.
    pub(crate) fn of_name(name: &[u8]) -> Option<Work> {
        Work::ALL.into_iter().find(|work| work.name().as_bytes() == name)
    }
}

impl Phase {
    /// Every phase that reads can show.
    pub const ALL: [Phase; 6] = [
        Phase::Initialization,
        Phase::Training,
        Phase::Validation,
        Phase::Evaluation,
        Phase::Inference,
        Phase::Preprocessing,
    ];

    /// The name that recipes use.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Initialization => "initialization",
            Phase::Training => "training",
            Phase::Validation => "validation",
            Phase::Evaluation => "evaluation",
            Phase::Inference => "inference",
            Phase::Preprocessing => "preprocessing",
        }
    }
}
