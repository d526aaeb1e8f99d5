//! Judge every file of a tree, or of a trace, by a plan's rules: counts for all, reasons for some. Absent: layout for
//! people.
//!
//! `tally` counts while threads walk, one tally each; `report` merges them and explains.

mod report;
mod tally;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use mlopt_core::{AccessPattern, FactSet, LiveFacts, Plan, rules::Rules};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use serde::Deserialize;

use crate::error::{MloptError, from_core};
use crate::walk::{Stat, Walk};
use tally::Tally;

/// More threads do not make one disk's metadata faster.
const MOST_THREADS: usize = 4;

/// A scan under way; `advance` it until it is done, then take the `report`.
#[pyclass(frozen, module = "mlopt_engine._native")]
pub struct RuleScan {
    question: Arc<Question>,
    walk: Walk,
    tallies: Mutex<Vec<Tally>>,
}

/// What is asked of each file.
pub(crate) struct Question {
    rules: Rules,
    ids: Vec<String>,
    around: FactSet,
    /// What a trace tells of files, by path.
    observed: HashMap<Vec<u8>, Observed>,
    options: Options,
    /// The tree's root, where first bytes are looked at.
    content_of: Option<PathBuf>,
}

/// How much is kept, and of what.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    /// How many files are explained, shared out among treatments; none means all.
    limit: Option<usize>,
    /// The rule whose silence is asked for: only files that it does not treat are explained.
    why_not: Option<usize>,
    /// Folders down to this depth are counted; 0 for none.
    tree_depth: usize,
    /// Look at first bytes.
    content: bool,
    /// What is known of job and machine.
    facts: FactSet,
}

/// What a job did with a file.
#[derive(Debug, Clone, Copy, Default)]
struct Observed {
    live: LiveFacts,
    reads: u64,
    bytes: u64,
}

/// A file of a trace: path, size, modification time, and what was observed.
type TracedFile = (Vec<u8>, u64, i64, Option<String>, u64, u64);

#[pymethods]
impl RuleScan {
    /// Scan what lies at `starts` below `root`; without a root, the traced files themselves.
    #[new]
    #[pyo3(signature = (plan_json, root=None, starts=vec![PathBuf::new()], options_json="{}", traced=Vec::new()))]
    fn new(
        plan_json: &str,
        root: Option<PathBuf>,
        starts: Vec<PathBuf>,
        options_json: &str,
        traced: Vec<TracedFile>,
    ) -> PyResult<RuleScan> {
        let plan = Plan::from_json(plan_json).map_err(from_core)?;
        let options: Options =
            serde_json::from_str(options_json).map_err(|error| MloptError::new_err(error.to_string()))?;
        let walk = match &root {
            Some(root) => Walk::new(root, &starts)
                .map_err(|error| PyOSError::new_err((error.raw_os_error(), error.to_string())))?,
            None => Walk::listed(traced.iter().map(listed).collect()),
        };
        let question = Question {
            rules: Rules::compile(&plan).map_err(from_core)?,
            ids: plan.rules.iter().map(|rule| rule.id.clone()).collect(),
            around: options.facts.clone(),
            observed: traced.into_iter().map(observed).collect(),
            content_of: root.filter(|_| options.content),
            options,
        };
        let question = Arc::new(question);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let tallies = (0..threads.min(MOST_THREADS)).map(|_| Tally::new(question.clone()));
        Ok(RuleScan {
            walk,
            tallies: Mutex::new(tallies.collect()),
            question,
        })
    }

    /// Look at about so many more files. Gives how many it looked at; 0 when the walk is over.
    fn advance(&self, py: Python<'_>, files: usize) -> usize {
        py.detach(|| {
            let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
            self.walk.advance(&mut tallies, files)
        })
    }

    /// What was found so far, as JSON.
    fn report(&self, py: Python<'_>) -> String {
        py.detach(|| {
            let tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
            report::to_json(&self.question, &tallies).to_string()
        })
    }
}

fn listed((path, size, mtime_ns, ..): &TracedFile) -> (Vec<u8>, Stat) {
    let stat = Stat {
        size: *size,
        mtime_ns: *mtime_ns,
    };
    (path.clone(), stat)
}

fn observed((path, _, _, pattern, reads, bytes): TracedFile) -> (Vec<u8>, Observed) {
    let named = |name: String| AccessPattern::ALL.into_iter().find(|known| known.name() == name);
    let live = LiveFacts {
        pattern: pattern.and_then(named),
        frequency: (reads > 0).then_some(reads),
        ..LiveFacts::default()
    };
    (path, Observed { live, reads, bytes })
}
