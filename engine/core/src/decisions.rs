//! The trace of decisions that a plan with `debug` asks for: which rules took part for a file, and which won each
//! parameter. Absent: why a rule took part (`rules::explain`), and how a decision is carried out.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use crate::{AppliedRule, Catalog, Decision, FileId, Nanos, Plan, Winner};

/// About 2 MB, whatever the number of files: who debugs looks at the last ones.
const KEPT: usize = 10_000;

struct Note {
    file: FileId,
    now: Nanos,
    applied: Vec<AppliedRule>,
    winners: Vec<Winner>,
}

/// The latest decisions, if they are asked for.
pub(crate) struct DecisionTrace {
    is_on: bool,
    made: u64,
    notes: VecDeque<Note>,
}

impl DecisionTrace {
    pub(crate) fn new(is_on: bool) -> DecisionTrace {
        DecisionTrace {
            is_on,
            made: 0,
            notes: VecDeque::new(),
        }
    }

    pub(crate) fn note(&mut self, file: FileId, now: Nanos, decision: &Decision) {
        if !self.is_on {
            return;
        }
        self.made += 1;
        if self.notes.len() == KEPT {
            self.notes.pop_front();
        }
        self.notes.push_back(Note {
            file,
            now,
            applied: decision.applied.clone(),
            winners: decision.winners.clone(),
        });
    }

    /// For people and JSON; `None` where nobody asked for it.
    pub(crate) fn to_json(&self, plan: &Plan, catalog: &Catalog) -> Option<Value> {
        let id = |rule: usize| plan.rules.get(rule).map_or("", |spec| spec.id.as_str());
        let shown = |note: &Note| {
            let facts = catalog.facts(note.file);
            let rules = note.applied.iter();
            let winners = note.winners.iter();
            json!({
                "path": String::from_utf8_lossy(&facts.path),
                "now_ns": note.now.0,
                "rules": rules
                    .map(|applied| json!({"id": id(applied.rule), "score": applied.score}))
                    .collect::<Vec<_>>(),
                "winners": winners
                    .map(|won| (format!("{}.{}", won.action, won.parameter), Value::from(id(won.rule))))
                    .collect::<Map<_, _>>(),
            })
        };
        self.is_on.then(|| {
            json!({
                "made": self.made,
                "kept": self.notes.iter().map(shown).collect::<Vec<_>>(),
            })
        })
    }
}
