//! What each rule is applied to and what came of it: files now, reads and fetches so far, over changes and a new plan.

use mlopt_core::{Core, Effect, Event, Extent, FileFacts, FileId, Nanos, Plan, ReaderId, TicketId, Version};
use serde_json::{Value, json};

/// `small` and `all` keep what is below 100 bytes and everything named `*.bin`.
fn plan(small: u64) -> Plan {
    let rule = |id: &str, order: u32, fact: &str, op: &str, value: Value| {
        json!({
            "id": id, "priority": 1, "order": order, "match": "all",
            "origin": {"layer": "custom", "file": "t.yaml", "line": order + 1},
            "conditions": [{"fact": fact, "op": op, "value": value, "weight": 1.0, "required": false}],
            "actions": [{"type": "cache", "parameters": {"policy": "lru"}}],
        })
    };
    let plan = json!({
        "version": 1, "seed": 7, "block_bytes": 4096, "observe": "none", "staleness_ns": 60_000_000_000_u64,
        "threshold": 0.5, "max_rules": 5,
        "tiers": {"memory": {"bytes": 1 << 20, "kernel_share": 0.0}, "disk": {"bytes": 0, "dir_required": false}},
        "rules": [
            rule("small", 0, "file.size", "less_than", json!(small)),
            rule("all", 1, "file.path", "glob", json!("*.bin")),
        ],
    });
    Plan::from_json(&plan.to_string()).expect("the plan is valid")
}

fn tell(core: &mut Core, event: Event) {
    core.handle(event, Nanos(0)).expect("the event is in order");
    while let Some(effect) = core.poll_effect() {
        let answer = match effect {
            Effect::Fetch { id, extent, .. } => Event::FetchDone {
                id,
                bytes: extent.length,
            },
            Effect::DropKernel { extent } => Event::Dropped { extent },
            _ => continue,
        };
        core.handle(answer, Nanos(0)).expect("the answer is in order");
    }
}

fn see(core: &mut Core, number: u32, path: &str, size: u64) {
    let facts = FileFacts {
        path: path.as_bytes().to_vec(),
        size,
        mtime_ns: 0,
        version: Version(1),
        format: None,
    };
    let file = FileId(number);
    tell(core, Event::Seen { file, facts });
}

fn read(core: &mut Core, ticket: u64, file: u32, length: u64) {
    let extent = Extent {
        file: FileId(file),
        offset: 0,
        length,
    };
    let (ticket, reader) = (TicketId(ticket), ReaderId(1));
    tell(
        core,
        Event::Read {
            ticket,
            extent,
            reader,
        },
    );
}

fn core() -> Core {
    let mut core = Core::new(plan(100)).expect("the core has what it asks for");
    see(&mut core, 0, "a.bin", 10);
    see(&mut core, 1, "b.bin", 1000);
    see(&mut core, 2, "c.txt", 1000);
    core
}

#[test]
fn files_count_for_each_of_their_rules_and_for_none_where_none_applies() {
    let report = core().rules_in_force();
    let now = |rule: usize| report["rules"][rule]["now"].clone();
    assert_eq!((&now(0)["files"], &now(0)["bytes"]), (&json!(1), &json!(10)));
    assert_eq!((&now(1)["files"], &now(1)["bytes"]), (&json!(2), &json!(1010)));
    let none = &report["no_rule"];
    assert_eq!((&none["files"], &none["bytes"]), (&json!(1), &json!(1000)));
    assert_eq!(report["rules"][1]["origin"]["line"], 2);
    assert_eq!(report["rules"][1]["threshold"], 0.5);
}

#[test]
fn reads_and_fetches_count_for_the_rules_of_their_file() {
    let mut core = core();
    read(&mut core, 1, 1, 1000);
    read(&mut core, 2, 1, 1000);
    let report = core.rules_in_force();
    let now = &report["rules"][1]["now"];
    assert_eq!(now["fetched"]["demand"], json!({"count": 1, "bytes": 1000}));
    assert_eq!(now["served"]["source"], json!({"count": 1, "bytes": 1000}));
    assert_eq!(now["served"]["resident"], json!({"count": 1, "bytes": 1000}));
    assert_eq!(report["rules"][0]["now"]["served"]["source"]["count"], 0);
    assert_eq!(core.held_of(FileId(1)).map(|(_, daemon)| daemon), Some(1000));
    assert_eq!(core.held_of(FileId(2)), Some((0, 0)));
}

#[test]
fn a_version_that_the_source_replaced_is_counted_no_more() {
    let mut core = core();
    let (file, version) = (FileId(0), Version(2));
    tell(&mut core, Event::SourceChanged { file, version });
    tell(&mut core, Event::SourceChanged { file, version });
    see(&mut core, 3, "a.bin", 500);
    let report = core.rules_in_force();
    assert_eq!(report["rules"][0]["now"]["files"], 0);
    assert_eq!(report["rules"][1]["now"]["bytes"], 1500);
}

#[test]
fn a_new_plan_counts_from_its_start() {
    let mut core = core();
    read(&mut core, 1, 1, 1000);
    let (file, version) = (FileId(2), Version(2));
    tell(&mut core, Event::SourceChanged { file, version });
    let plan = Box::new(plan(5000));
    tell(&mut core, Event::PlanSwapped { plan });
    let report = core.rules_in_force();
    assert_eq!(report["rules"][0]["now"]["files"], 2);
    assert_eq!(report["rules"][1]["now"]["fetched"]["demand"]["count"], 0);
    assert_eq!(report["no_rule"]["files"], 0);
}
