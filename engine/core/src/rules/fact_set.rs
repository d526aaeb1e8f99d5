//! Facts that are handed in: of the job, of the machine, and what is assumed for a file's use. Absent: who measures.
//!
//! One JSON object is the form at every border: `{"workload.framework": "pytorch", "system.gpu_count": 8}`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::facts::{FACTS, Fact, FactKind, FactSource};
use super::job_use::Work;

/// Values by fact; what is not named is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct FactSet {
    /// One place for each of [`FACTS`]; empty where nothing is known at all.
    values: Vec<Option<FactValue>>,
    /// `system.time`, which ages are told from [s].
    pub(super) time_s: Option<u64>,
    /// `workload.batch_size`.
    pub(super) batch_size: Option<u64>,
    /// `workload.type`, where it is a kind of work that phases follow.
    pub(crate) work: Option<Work>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum FactValue {
    Text(Box<[u8]>),
    Number(u64),
}

impl FactSet {
    /// Take values from JSON.
    ///
    /// # Errors
    /// An unknown fact, one that each file has for itself, or a value of another kind.
    pub fn from_map(map: &Map<String, Value>) -> Result<FactSet, String> {
        let mut set = FactSet::default();
        for (name, value) in map {
            set.insert(name, value)?;
        }
        Ok(set)
    }

    fn insert(&mut self, name: &str, value: &Value) -> Result<(), String> {
        let index = FACTS
            .iter()
            .position(|fact| fact.name == name)
            .ok_or_else(|| format!("unknown fact '{name}'"))?;
        let fact = &FACTS[index];
        if fact.source == FactSource::File {
            return Err(format!("{name} is told from each file and cannot be set"));
        }
        let read = match fact.kind {
            FactKind::Number => whole(value).map(FactValue::Number),
            FactKind::Word => value.as_str().map(|word| text(&word.to_ascii_lowercase())),
            FactKind::Text => value.as_str().map(text),
        };
        let kind = if fact.kind == FactKind::Number {
            "a whole number of 0 or more"
        } else {
            "a text"
        };
        let read = read.ok_or_else(|| format!("{name} is {kind}, not {value}"))?;
        if let (FactValue::Text(word), Some(words)) = (&read, fact.closed_words())
            && !words.iter().any(|known| known.as_bytes() == &**word)
        {
            return Err(format!(
                "{name} is never {value}: it is one of {}",
                words.join(", ")
            ));
        }
        match (name, &read) {
            ("system.time", FactValue::Number(number)) => self.time_s = Some(*number),
            ("workload.type", FactValue::Text(word)) => self.work = Work::of_name(word),
            ("workload.batch_size", FactValue::Number(number)) => self.batch_size = Some(*number),
            _ => {}
        }
        self.values.resize(FACTS.len(), None);
        self.values[index] = Some(read);
        Ok(())
    }

    /// The value of the fact at an index of [`FACTS`].
    pub(super) fn get(&self, index: usize) -> Option<Fact<'_>> {
        Some(match self.values.get(index)?.as_ref()? {
            FactValue::Text(bytes) => Fact::Text(bytes),
            FactValue::Number(number) => Fact::Number(*number),
        })
    }
}

impl TryFrom<Map<String, Value>> for FactSet {
    type Error = String;

    fn try_from(map: Map<String, Value>) -> Result<FactSet, String> {
        FactSet::from_map(&map)
    }
}

impl From<FactSet> for Map<String, Value> {
    fn from(set: FactSet) -> Map<String, Value> {
        let known = (0..FACTS.len()).filter_map(|index| Some((index, set.get(index)?)));
        known
            .map(|(index, value)| (FACTS[index].name.to_owned(), value.to_json()))
            .collect()
    }
}

fn text(word: &str) -> FactValue {
    FactValue::Text(word.as_bytes().into())
}

/// A whole number, also when another language wrote it as 8.0.
fn whole(value: &Value) -> Option<u64> {
    let fraction = value.as_f64().filter(|number| number.fract() == 0.0);
    // 2^53: above it a fraction no longer tells whole numbers apart
    let fraction = fraction.filter(|number| (0.0..=9_007_199_254_740_992.0).contains(number));
    value.as_u64().or(fraction.map(|number| number as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> Result<FactSet, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_set_survives_its_own_json() {
        let text = r#"{"system.gpu_count":8,"system.time":100,"workload.framework":"pytorch"}"#;
        let made = set(text).expect("facts");
        assert_eq!(made.time_s, Some(100));
        assert_eq!(serde_json::to_string(&made).expect("JSON"), text);
        assert_eq!(
            set(r#"{"workload.framework":"PyTorch"}"#).and_then(|_| set(text)),
            Ok(made)
        );
    }

    #[test]
    fn what_is_no_fact_is_refused_by_name() {
        for (text, says) in [
            (
                r#"{"workload.framwork":"pytorch"}"#,
                "unknown fact 'workload.framwork'",
            ),
            (r#"{"file.size":5}"#, "cannot be set"),
            (r#"{"system.gpu_count":"many"}"#, "a whole number"),
            (r#"{"system.gpu_count":-1}"#, "a whole number"),
            (r#"{"workload.framework":5}"#, "a text"),
            (r#"{"access.pattern":"sideways"}"#, "one of sequential"),
        ] {
            let refused = set(text).expect_err(text);
            assert!(refused.contains(says), "{refused}");
        }
        assert!(set(r#"{"system.gpu_count":8.0}"#).is_ok());
    }
}
