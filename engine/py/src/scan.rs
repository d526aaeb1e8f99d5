//! Judge every file of a tree by a plan's rules: counts for all, reasons for some. Absent: layout for people.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use mlopt_core::{Decision, FileFacts, LiveFacts, Plan, Version, rules::Rules};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use serde_json::{Map, Value, json};

use crate::error::from_core;
use crate::walk::{Found, Walk};

/// A scan under way; `advance` it until it is done, then take the `report`.
#[pyclass(frozen, module = "mlopt_engine._native")]
pub struct RuleScan {
    rules: Rules,
    ids: Vec<String>,
    /// How many files are explained; none means all.
    limit: Option<usize>,
    state: Mutex<State>,
}

struct State {
    walk: Walk,
    seen: Vec<Seen>,
    /// For each set of rules that applied together, how many files of it are kept for explanation.
    kept: HashMap<Vec<usize>, usize>,
    totals: Totals,
    by_rule: Vec<Count>,
    wins: Vec<Count>,
    unreadable: Vec<Value>,
}

/// A file kept for explanation, in the order of the walk.
struct Seen {
    path: Vec<u8>,
    kind: &'static str,
    size: Option<u64>,
    /// Which of its treatment's files it is, from 0: the limit is shared out among treatments.
    rank: usize,
}

#[derive(Default, Clone, Copy)]
struct Count {
    files: u64,
    bytes: u64,
}

#[derive(Default)]
struct Totals {
    files: Count,
    streamed: Count,
    cached: Count,
    prefetched: Count,
    links: u64,
    special: u64,
    unreadable: u64,
}

impl Count {
    fn add(&mut self, size: u64) {
        self.files += 1;
        self.bytes += size;
    }

    fn to_json(self) -> Value {
        json!({"files": self.files, "bytes": self.bytes})
    }
}

/// Reasons kept for people; a tree without any permission must not fill the memory with them.
const UNREADABLE_KEPT: usize = 100;

#[pymethods]
impl RuleScan {
    #[new]
    #[pyo3(signature = (plan_json, root, limit=None, start=None))]
    fn new(
        plan_json: &str,
        root: PathBuf,
        limit: Option<usize>,
        start: Option<PathBuf>,
    ) -> PyResult<RuleScan> {
        let plan = Plan::from_json(plan_json).map_err(from_core)?;
        let rules = Rules::compile(&plan).map_err(from_core)?;
        let start = start.unwrap_or_default();
        let walk = Walk::new(&root, start.as_os_str().as_bytes())
            .map_err(|error| PyOSError::new_err((error.raw_os_error(), error.to_string())))?;
        Ok(RuleScan {
            rules,
            ids: plan.rules.iter().map(|rule| rule.id.clone()).collect(),
            limit,
            state: Mutex::new(State {
                walk,
                seen: Vec::new(),
                kept: HashMap::new(),
                totals: Totals::default(),
                by_rule: vec![Count::default(); plan.rules.len()],
                wins: vec![Count::default(); plan.rules.len()],
                unreadable: Vec::new(),
            }),
        })
    }

    /// Look at up to so many more files. Gives how many it looked at; 0 when the walk is over.
    fn advance(&self, py: Python<'_>, files: usize) -> usize {
        py.detach(|| {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let mut looked_at = 0;
            while looked_at < files {
                let Some((path, found)) = state.walk.next() else {
                    break;
                };
                self.take(&mut state, path, found);
                looked_at += 1;
            }
            looked_at
        })
    }

    /// What was found so far, as JSON.
    fn report(&self, py: Python<'_>) -> String {
        py.detach(|| {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            self.to_json(&state).to_string()
        })
    }
}

impl RuleScan {
    fn take(&self, state: &mut State, path: Vec<u8>, found: Found) {
        match found {
            Found::File(size) => self.judge(state, path, size),
            Found::Symlink => {
                state.totals.links += 1;
                self.keep(state, path, "symlink", None, Vec::new());
            }
            Found::Special => {
                state.totals.special += 1;
                self.keep(state, path, "special", None, Vec::new());
            }
            Found::Unreadable(error) => {
                state.totals.unreadable += 1;
                if state.unreadable.len() < UNREADABLE_KEPT {
                    let path = String::from_utf8_lossy(&path);
                    state
                        .unreadable
                        .push(json!({"path": path, "problem": error.to_string()}));
                }
            }
        }
    }

    fn judge(&self, state: &mut State, path: Vec<u8>, size: u64) {
        let facts = facts(path, size);
        let decision = self.rules.decide(&facts, &LiveFacts::default());
        state.totals.files.add(size);
        if decision.cache.is_some() {
            state.totals.cached.add(size);
        }
        if decision.prefetch.is_some() || decision.stream.is_some() {
            state.totals.prefetched.add(size);
        }
        if decision.cache.is_none() {
            state.totals.streamed.add(size);
        }
        let applied: Vec<usize> = decision.applied.iter().map(|applied| applied.rule).collect();
        for &rule in &applied {
            state.by_rule[rule].add(size);
            if decision.winners.iter().any(|winner| winner.rule == rule) {
                state.wins[rule].add(size);
            }
        }
        self.keep(state, facts.path, "file", Some(size), applied);
    }

    fn keep(
        &self,
        state: &mut State,
        path: Vec<u8>,
        kind: &'static str,
        size: Option<u64>,
        applied: Vec<usize>,
    ) {
        let rank = match self.limit {
            None => 0,
            Some(limit) => {
                let kept = state.kept.entry(applied).or_default();
                if *kept == limit {
                    return;
                }
                *kept += 1;
                *kept - 1
            }
        };
        state.seen.push(Seen {
            path,
            kind,
            size,
            rank,
        });
    }

    fn to_json(&self, state: &State) -> Value {
        let shown = self.shown(&state.seen);
        let summary = self.ids.iter().enumerate().map(|(rule, id)| {
            let (applied, won) = (state.by_rule[rule], state.wins[rule]);
            json!({
                "rule": id, "files": applied.files, "bytes": applied.bytes,
                "files_shaped": won.files, "never_applied": applied.files == 0,
            })
        });
        json!({
            "totals": {
                "files": state.totals.files.files, "bytes": state.totals.files.bytes,
                "cached": state.totals.cached.to_json(),
                "prefetched": state.totals.prefetched.to_json(),
                "streamed": state.totals.streamed.to_json(),
                "symlinks": state.totals.links, "special": state.totals.special,
                "unreadable": state.totals.unreadable,
            },
            "files": shown.into_iter().map(|seen| self.explain(seen)).collect::<Vec<_>>(),
            "summary": summary.collect::<Vec<_>>(),
            "unreadable": state.unreadable,
        })
    }

    /// As many files as the limit allows, fairly from each treatment, in the order of the walk.
    fn shown<'s>(&self, seen: &'s [Seen]) -> Vec<&'s Seen> {
        let mut order: Vec<usize> = (0..seen.len()).collect();
        if let Some(limit) = self.limit {
            order.sort_by_key(|&index| (seen[index].rank, index));
            order.truncate(limit);
            order.sort_unstable();
        }
        order.into_iter().map(|index| &seen[index]).collect()
    }

    fn explain(&self, seen: &Seen) -> Value {
        let mut entry = Map::new();
        entry.insert("path".into(), String::from_utf8_lossy(&seen.path).into());
        if std::str::from_utf8(&seen.path).is_err() {
            let hex: String = seen.path.iter().map(|byte| format!("{byte:02x}")).collect();
            entry.insert("path_hex".into(), hex.into());
        }
        entry.insert("kind".into(), seen.kind.into());
        entry.insert("size".into(), seen.size.into());
        let Some(size) = seen.size else {
            entry.insert("rules".into(), json!([]));
            entry.insert("action".into(), Value::Null);
            return entry.into();
        };
        let explanation = self
            .rules
            .explain(&facts(seen.path.clone(), size), &LiveFacts::default());
        entry.insert("facts".into(), explanation.facts.into());
        entry.insert("rules".into(), json!(explanation.rules));
        entry.insert("origin".into(), self.origin(&explanation.decision));
        let decision = explanation.decision;
        entry.insert("action".into(), decision.actions());
        entry.into()
    }

    /// Which rule set each parameter.
    fn origin(&self, decision: &Decision) -> Value {
        let winners = decision.winners.iter();
        let named = winners.map(|winner| {
            let parameter = format!("{}.{}", winner.action, winner.parameter);
            (parameter, Value::from(self.ids[winner.rule].clone()))
        });
        named.collect::<Map<_, _>>().into()
    }
}

fn facts(path: Vec<u8>, size: u64) -> FileFacts {
    FileFacts {
        path,
        size,
        mtime_ns: 0,
        version: Version(0),
    }
}
