//! A scan's outcome as JSON: totals, each rule, the kept files with every reason. Absent: counting.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mlopt_core::{FileFacts, Version};
use serde_json::{Map, Value, json};

use super::Question;
use super::tally::{Count, Folder, Seen, Silence, Tally, Totals};

/// All threads' tallies as one.
struct Whole {
    totals: Totals,
    by_rule: Vec<Count>,
    wins: Vec<Count>,
    kept: HashMap<Vec<usize>, BTreeSet<Seen>>,
    folders: BTreeMap<Vec<u8>, Folder>,
    silence: Silence,
    unreadable: Vec<Value>,
}

pub(super) fn to_json(question: &Question, tallies: &[Tally]) -> Value {
    let whole = merge(question, tallies);
    let totals = &whole.totals;
    let mut report = json!({
        "totals": {
            "files": totals.files.files, "bytes": totals.files.bytes,
            "reads": totals.files.reads, "read_bytes": totals.files.read_bytes,
            "matched": totals.matched.to_json(),
            "cached": totals.cached.to_json(),
            "prefetched": totals.prefetched.to_json(),
            "streamed": totals.streamed.to_json(),
            "symlinks": totals.links, "special": totals.special,
            "unreadable": totals.unreadable,
        },
        "files": shown(question, &whole.kept).into_iter().map(|seen| explain(question, seen)).collect::<Vec<_>>(),
        "summary": (0..question.ids.len()).map(|rule| summary(question, &whole, rule)).collect::<Vec<_>>(),
        "unreadable": whole.unreadable,
    });
    if question.options.tree_depth > 0 {
        report["folders"] = whole
            .folders
            .iter()
            .map(|(path, folder)| folder_json(question, path, folder))
            .collect();
    }
    if let Some(rule) = question.options.why_not {
        report["why_not"] = silence(question, rule, &whole.silence);
    }
    report
}

fn merge(question: &Question, tallies: &[Tally]) -> Whole {
    let rules = question.ids.len();
    let mut whole = Whole {
        totals: Totals::default(),
        by_rule: vec![Count::default(); rules],
        wins: vec![Count::default(); rules],
        kept: HashMap::new(),
        folders: BTreeMap::new(),
        silence: Silence::default(),
        unreadable: Vec::new(),
    };
    for tally in tallies {
        add_totals(&mut whole.totals, &tally.totals);
        add_all(&mut whole.by_rule, &tally.by_rule);
        add_all(&mut whole.wins, &tally.wins);
        for (applied, seen) in &tally.kept {
            whole
                .kept
                .entry(applied.clone())
                .or_default()
                .extend(seen.iter().cloned());
        }
        for (path, found) in &tally.folders {
            let folder = whole.folders.entry(path.clone()).or_default();
            folder.all += found.all;
            folder.matched += found.matched;
            folder.by_rule.resize(rules, 0);
            folder
                .by_rule
                .iter_mut()
                .zip(&found.by_rule)
                .for_each(|(sum, part)| *sum += part);
        }
        whole.silence.files += tally.silence.files;
        whole.silence.crowded_out += tally.silence.crowded_out;
        let conditions = whole.silence.conditions.len().max(tally.silence.conditions.len());
        whole.silence.conditions.resize(conditions, (0, 0));
        for (sum, part) in whole.silence.conditions.iter_mut().zip(&tally.silence.conditions) {
            *sum = (sum.0 + part.0, sum.1 + part.1);
        }
        whole.unreadable.extend(tally.unreadable.iter().cloned());
    }
    whole
}

fn add_all(sums: &mut [Count], parts: &[Count]) {
    sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += *part);
}

fn add_totals(sum: &mut Totals, part: &Totals) {
    sum.files += part.files;
    sum.matched += part.matched;
    sum.streamed += part.streamed;
    sum.cached += part.cached;
    sum.prefetched += part.prefetched;
    sum.links += part.links;
    sum.special += part.special;
    sum.unreadable += part.unreadable;
}

fn summary(question: &Question, whole: &Whole, rule: usize) -> Value {
    let (applied, won) = (whole.by_rule[rule], whole.wins[rule]);
    let has_trace = !question.observed.is_empty();
    json!({
        "rule": question.ids[rule], "files": applied.files, "bytes": applied.bytes,
        "reads": applied.reads, "read_bytes": applied.read_bytes,
        "files_shaped": won.files, "never_applied": applied.files == 0,
        "unknown_facts": question.rules.unknown_facts(rule, &question.around, has_trace),
    })
}

fn folder_json(question: &Question, path: &[u8], folder: &Folder) -> Value {
    let rules = question
        .ids
        .iter()
        .zip(&folder.by_rule)
        .filter(|(_, files)| **files > 0);
    json!({
        "folder": String::from_utf8_lossy(path),
        "files": folder.all.files, "bytes": folder.all.bytes,
        "reads": folder.all.reads, "read_bytes": folder.all.read_bytes,
        "matched": folder.matched.files,
        "rules": rules.map(|(id, files)| (id.clone(), json!(files))).collect::<Map<_, _>>(),
    })
}

fn silence(question: &Question, rule: usize, found: &Silence) -> Value {
    let specs = question.rules.conditions_of(rule);
    let conditions = specs.iter().enumerate().map(|(index, spec)| {
        let (failed, unknown) = found.conditions.get(index).copied().unwrap_or_default();
        json!({
            "fact": spec.fact, "op": spec.op, "value": spec.value, "weight": spec.weight,
            "required": spec.required, "false": failed, "unknown": unknown,
        })
    });
    json!({
        "rule": question.ids[rule], "files": found.files.files, "bytes": found.files.bytes,
        "reads": found.files.reads, "read_bytes": found.files.read_bytes,
        "crowded_out": found.crowded_out, "conditions": conditions.collect::<Vec<_>>(),
    })
}

/// As many files as the limit allows, fairly from each treatment, in the order of the walk.
fn shown<'s>(question: &Question, kept: &'s HashMap<Vec<usize>, BTreeSet<Seen>>) -> Vec<&'s Seen> {
    let treatments = kept.values().map(|seen| seen.iter().enumerate());
    let mut ranked: Vec<(usize, &Seen)> = treatments.flatten().collect();
    if let Some(limit) = question.options.limit {
        ranked.sort();
        ranked.truncate(limit);
    }
    let mut files: Vec<&Seen> = ranked.into_iter().map(|(_, seen)| seen).collect();
    files.sort();
    files
}

fn explain(question: &Question, seen: &Seen) -> Value {
    let mut entry = Map::new();
    entry.insert("path".into(), String::from_utf8_lossy(&seen.path).into());
    if std::str::from_utf8(&seen.path).is_err() {
        let hex: String = seen.path.iter().map(|byte| format!("{byte:02x}")).collect();
        entry.insert("path_hex".into(), hex.into());
    }
    entry.insert("kind".into(), seen.kind.into());
    entry.insert("size".into(), seen.stat.map(|stat| stat.size).into());
    let Some(stat) = seen.stat else {
        entry.insert("rules".into(), json!([]));
        entry.insert("action".into(), Value::Null);
        return entry.into();
    };
    let observed = question.observed(&seen.path);
    let facts = FileFacts {
        path: seen.path.clone(),
        size: stat.size,
        mtime_ns: stat.mtime_ns,
        version: Version(0),
        format: seen.format,
    };
    let explanation = question.rules.explain(&facts, &observed.live, &question.around);
    entry.insert("reads".into(), observed.reads.into());
    entry.insert("read_bytes".into(), observed.bytes.into());
    entry.extend(explanation.entry());
    entry.into()
}
