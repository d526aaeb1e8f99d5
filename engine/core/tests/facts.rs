//! Facts of job and machine: what they change, when decisions are made anew, and that a journal replays them.

use mlopt_core::journal::{JournalEntry, replay};
use mlopt_core::{Core, Effect, Event, FactSet, FileFacts, FileId, KnownFormat, Nanos, Plan, Version};
use serde_json::{Value, json};

fn plan(conditions: &Value) -> Value {
    json!({
        "version": 1, "seed": 0, "block_bytes": 1 << 20, "observe": "none", "staleness_ns": 0,
        "threshold": 0.5, "max_rules": 5,
        "tiers": {"memory": {"bytes": 1 << 24, "kernel_share": 1.0}, "disk": {"bytes": 0, "dir_required": false}},
        "rules": [{
            "id": "r", "priority": 1, "order": 0, "match": "all",
            "origin": {"layer": "custom", "file": "t", "line": 1},
            "conditions": conditions, "actions": [{"type": "cache", "parameters": {"policy": "pinned"}}],
        }],
    })
}

fn condition(fact: &str, op: &str, value: &Value) -> Value {
    json!({"fact": fact, "op": op, "value": value, "weight": 1.0, "required": false})
}

struct Job {
    core: Core,
    journal: Vec<String>,
}

impl Job {
    fn new(conditions: &Value) -> Job {
        let text = plan(conditions).to_string();
        let core = Core::new(Plan::from_json(&text).expect("a plan")).expect("compiles");
        let mut job = Job {
            core,
            journal: vec![text],
        };
        job.tell(Event::Seen {
            file: FileId(0),
            facts: FileFacts {
                path: b"weights/model.bin".to_vec(),
                size: 100,
                mtime_ns: 1_000 * 1_000_000_000,
                version: Version(1),
                format: None,
            },
        });
        job
    }

    fn tell(&mut self, event: Event) {
        let now = Nanos(self.journal.len() as u64);
        self.core.handle(event.clone(), now).expect("in order");
        let effects: Vec<Effect> = std::iter::from_fn(|| self.core.poll_effect()).collect();
        let entry = JournalEntry {
            seq: self.journal.len() as u64 - 1,
            now,
            event,
            effects,
        };
        self.journal.push(serde_json::to_string(&entry).expect("JSON"));
    }

    fn learn(&mut self, facts: &Value) {
        let facts: FactSet = serde_json::from_value(facts.clone()).expect("facts");
        self.tell(Event::FactsChanged { facts });
    }

    fn is_cached(&self) -> bool {
        self.core.decide(FileId(0)).expect("known").cache.is_some()
    }
}

#[test]
fn a_job_that_becomes_known_changes_decisions_and_one_that_is_forgotten_takes_them_back() {
    let mut job = Job::new(&json!([condition(
        "workload.framework",
        "equals",
        &json!("PyTorch")
    )]));
    assert!(!job.is_cached());
    job.learn(&json!({"workload.framework": "pytorch", "system.gpu_count": 8}));
    assert!(job.is_cached());
    job.learn(&json!({}));
    assert!(!job.is_cached());
}

#[test]
fn an_unknown_fact_is_neither_below_nor_above_a_number() {
    let mut job = Job::new(&json!([condition("system.gpu_count", "less_than", &json!(4))]));
    assert!(!job.is_cached());
    job.learn(&json!({"system.gpu_count": 0}));
    assert!(job.is_cached());
}

#[test]
fn a_file_is_as_old_as_the_machine_says() {
    let mut job = Job::new(&json!([condition("file.age", "greater_than", &json!(60))]));
    assert!(!job.is_cached(), "without a clock the age is unknown");
    job.learn(&json!({"system.time": 1_050}));
    assert!(!job.is_cached());
    job.learn(&json!({"system.time": 1_061}));
    assert!(job.is_cached());
}

#[test]
fn first_bytes_correct_what_the_name_said() {
    let mut job = Job::new(&json!([condition(
        "file.format",
        "equals",
        &json!("safetensors")
    )]));
    assert!(!job.is_cached());
    let mut header = 64_u64.to_le_bytes().to_vec();
    header.extend_from_slice(b"{\"weight\":{}}");
    let format = KnownFormat::of_content(&header).expect("safetensors");
    job.tell(Event::Recognized {
        file: FileId(0),
        format,
    });
    assert!(job.is_cached());
    let explained = job.core.explain(FileId(0)).expect("known");
    assert_eq!(explained.facts["file.framework"], "huggingface");
    assert_eq!(explained.facts["file.type"], "model");
}

#[test]
fn a_journal_with_facts_replays_to_the_same_effects() {
    let mut job = Job::new(&json!([condition("workload.rank", "equals", &json!(0))]));
    job.learn(&json!({"workload.rank": 0, "workload.framework": "jax"}));
    job.tell(Event::Read {
        ticket: serde_json::from_value(json!(1)).expect("a ticket"),
        extent: serde_json::from_value(json!({"file": 0, "offset": 0, "length": 100})).expect("an extent"),
        reader: serde_json::from_value(json!(1)).expect("a reader"),
    });
    let text = job.journal.join("\n") + "\n";
    let (events, difference) = replay(&text).expect("a journal");
    assert_eq!((events, difference.is_none()), (3, true));
    // a journal of a mount that did not know the job has other effects or none; the facts are in the text
    assert!(text.contains(r#""workload.rank":0"#));
}

/// Read a file whole; nobody carries out what the core orders.
fn read(job: &mut Job, file: u32, ticket: u64) {
    job.tell(Event::Read {
        ticket: serde_json::from_value(json!(ticket)).expect("a ticket"),
        extent: serde_json::from_value(json!({"file": file, "offset": 0, "length": 100})).expect("an extent"),
        reader: serde_json::from_value(json!(1)).expect("a reader"),
    });
}

/// A job whose model became known first, then 20 samples.
fn job_on_samples(conditions: &Value) -> Job {
    let mut job = Job::new(conditions);
    for file in 1..21 {
        job.tell(Event::Seen {
            file: FileId(file),
            facts: FileFacts {
                path: format!("samples/{file:02}.jpg").into_bytes(),
                size: 100,
                mtime_ns: 0,
                version: Version(1),
                format: None,
            },
        });
    }
    job
}

#[test]
fn an_epoch_that_reads_show_changes_decisions_and_replays() {
    let mut job = job_on_samples(&json!([condition("workload.epoch", "greater_equal", &json!(1))]));
    for file in 1..21 {
        read(&mut job, file, u64::from(file));
        assert!(!job.is_cached());
    }
    for file in 1..21 {
        read(&mut job, file, 100 + u64::from(file));
    }
    assert!(job.is_cached(), "also a file that nobody read");
    let (events, difference) = replay(&(job.journal.join("\n") + "\n")).expect("a journal");
    assert_eq!((events, difference.is_none()), (61, true));
    // what is handed in stands above what reads show
    job.learn(&json!({"workload.epoch": 0}));
    assert!(!job.is_cached());
    job.learn(&json!({}));
    assert!(job.is_cached());
}

#[test]
fn decisions_are_made_anew_only_when_a_condition_asks_for_what_changed() {
    let count = |conditions: &Value| {
        let mut plan = plan(conditions);
        plan["debug"] = json!(true);
        let mut job = job_on_samples(conditions);
        job.core = {
            let mut fresh = Core::new(Plan::from_json(&plan.to_string()).expect("a plan")).expect("compiles");
            for line in &job.journal[1..] {
                let entry: JournalEntry = serde_json::from_str(line).expect("an entry");
                fresh.handle(entry.event, entry.now).expect("in order");
            }
            fresh
        };
        for pass in 0..3 {
            for file in 1..21 {
                read(&mut job, file, 1 + pass * 100 + u64::from(file));
            }
        }
        job.core.decisions().expect("a trace")["made"].clone()
    };
    let files = 21;
    assert_eq!(
        count(&json!([condition("workload.rank", "equals", &json!(0))])),
        json!(files)
    );
    // unknown before the first read, 0 after it, then 1, then 2: only the first two of these change a verdict
    let asked = count(&json!([condition("workload.epoch", "less_than", &json!(1))]));
    assert_eq!(asked, json!(3 * files));
}

#[test]
fn a_phase_follows_what_the_processes_tell() {
    let mut job = job_on_samples(&json!([condition(
        "workload.phase",
        "equals",
        &json!("training")
    )]));
    for file in 1..21 {
        read(&mut job, file, u64::from(file));
    }
    assert!(!job.is_cached(), "one pass shows no training");
    job.learn(&json!({"workload.type": "training"}));
    assert!(job.is_cached());
}
