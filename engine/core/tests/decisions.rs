//! The trace of decisions: there where it is asked for, in order, bounded.

use mlopt_core::{Core, Nanos, Plan};
use serde_json::json;

fn core(debug: bool) -> Core {
    let plan = Plan::from_json(&format!(
        r#"{{"version":1,"seed":7,"block_bytes":4096,"observe":"none","staleness_ns":60000000000,
        "threshold":0.5,"max_rules":5,"debug":{debug},
        "tiers":{{"memory":{{"bytes":1048576,"kernel_share":0.0}},"disk":{{"bytes":0,"dir_required":false}}}},
        "rules":[{{"id":"small","priority":1,"order":0,"match":"all","origin":{{"layer":"flag","file":"t","line":1}},
        "conditions":[{{"fact":"file.size","op":"less_than","value":100,"weight":1.0,"required":false}}],
        "actions":[{{"type":"cache","parameters":{{"policy":"lru"}}}}]}}]}}"#
    ));
    Core::new(plan.expect("the plan is valid")).expect("the core has what it asks for")
}

fn see(core: &mut Core, number: u32) {
    let size = if number.is_multiple_of(2) { 10 } else { 1000 };
    let path = format!("{number}.bin").into_bytes();
    let facts = json!({"path": path, "size": size, "mtime_ns": 0, "version": 1});
    let event = json!({"event": "seen", "file": number, "facts": facts});
    let event = serde_json::from_value(event).expect("the event is one");
    core.handle(event, Nanos(u64::from(number)))
        .expect("files come in order");
}

#[test]
fn a_plan_without_debug_keeps_no_trace() {
    let mut core = core(false);
    see(&mut core, 0);
    assert!(core.decisions().is_none());
}

#[test]
fn each_decision_names_its_rules_and_the_winner_of_each_parameter() {
    let mut core = core(true);
    see(&mut core, 0);
    see(&mut core, 1);
    let trace = core.decisions().expect("the plan asks for it");
    assert_eq!(trace["made"], 2);
    assert_eq!(trace["kept"][0]["path"], "0.bin");
    assert_eq!(trace["kept"][0]["rules"][0]["id"], "small");
    assert_eq!(trace["kept"][0]["winners"]["cache.policy"], "small");
    assert_eq!(trace["kept"][1]["now_ns"], 1);
    assert_eq!(trace["kept"][1]["rules"].as_array().map(Vec::len), Some(0));
}

#[test]
fn the_trace_is_bounded_and_keeps_the_latest() {
    let mut core = core(true);
    for number in 0..10_050 {
        see(&mut core, number);
    }
    let trace = core.decisions().expect("the plan asks for it");
    assert_eq!(trace["made"], 10_050);
    assert_eq!(trace["kept"].as_array().map(Vec::len), Some(10_000));
    assert_eq!(trace["kept"][0]["path"], "50.bin");
}
