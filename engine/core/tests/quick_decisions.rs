//! What the index decides is what each rule says, one by one: random plans, files and facts.

use mlopt_core::rules::{AccessPattern, Rules, check_condition};
use mlopt_core::{FactSet, FileFacts, LiveFacts, Plan, Version};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Few letters, so that random patterns often fit random paths.
const TEXT: &str = "[ab]{1,2}(/[ab]{1,2}){0,2}";
const WORDS: [&str; 8] = ["jpg", "bin", "a", "b", "", ".A", "model", "unknown"];

fn pattern() -> impl Strategy<Value = String> {
    let parts = "a|b|\\.|/|\\*|\\*\\*|\\?|/\\*\\*|\\*\\*/|\\[ab\\]|\\{a,b\\}";
    prop_oneof![
        proptest::collection::vec(parts, 1..5).prop_map(|parts| parts.concat()),
        TEXT.prop_map(|folder| folder + "/**"),
        "[ab]{1,2}".prop_map(|start| start + "*"),
        "[ab.]{1,2}".prop_map(|end| format!("*{end}")),
        Just("**".to_owned()),
    ]
}

fn on_text() -> impl Strategy<Value = (&'static str, &'static str, Value)> {
    let facts = ["file.path", "file.name"];
    let part = prop::sample::select(vec!["contains", "not_contains", "starts_with", "ends_with"]);
    let one = prop::sample::select(vec!["equals", "not_equals"]);
    let list = prop::sample::select(vec!["in", "not_in"]);
    let how = prop_oneof![
        (Just("glob"), pattern().prop_map(Value::from)),
        (part, "[ab./]{0,2}".prop_map(Value::from)),
        (one, TEXT.prop_map(Value::from)),
        (list, proptest::collection::vec(TEXT, 0..4).prop_map(Value::from)),
        (Just("matches"), "\\^?[ab.]{1,2}[+]?\\$?".prop_map(Value::from)),
    ];
    (prop::sample::select(facts.to_vec()), how).prop_map(|(fact, (op, value))| (fact, op, value))
}

fn on_word() -> impl Strategy<Value = (&'static str, &'static str, Value)> {
    let facts = [
        "file.extension",
        "file.type",
        "file.format",
        "access.pattern",
        "workload.framework",
    ];
    let word = prop::sample::select([&WORDS[..], &["random", "PyTorch"]].concat());
    let one = prop::sample::select(vec!["equals", "not_equals", "contains", "starts_with"]);
    let list = prop::sample::select(vec!["in", "not_in"]);
    let how = prop_oneof![
        (one, word.clone().prop_map(Value::from)),
        (list, proptest::collection::vec(word, 1..5).prop_map(Value::from)),
        (Just("exists"), any::<bool>().prop_map(Value::from)),
    ];
    (prop::sample::select(facts.to_vec()), how).prop_map(|(fact, (op, value))| (fact, op, value))
}

fn on_number() -> impl Strategy<Value = (&'static str, &'static str, Value)> {
    let facts = ["file.size", "file.age", "access.frequency", "system.gpu_count"];
    let number = || {
        let edges = vec![json!(-1), json!(u64::MAX), json!(1e300), json!(-0.5)];
        prop_oneof![
            (0_u64..6).prop_map(Value::from),
            (0_u64..6).prop_map(|number| json!(number as f64 + 0.5)),
            prop::sample::select(edges),
        ]
    };
    let compared = vec![
        "equals",
        "not_equals",
        "less_than",
        "less_equal",
        "greater_than",
        "greater_equal",
    ];
    let how = prop_oneof![
        (prop::sample::select(compared), number()),
        (
            Just("between"),
            (number(), number()).prop_map(|(least, most)| json!([least, most]))
        ),
        (
            Just("in"),
            proptest::collection::vec(number(), 0..4).prop_map(Value::from)
        ),
        (Just("exists"), any::<bool>().prop_map(Value::from)),
    ];
    (prop::sample::select(facts.to_vec()), how).prop_map(|(fact, (op, value))| (fact, op, value))
}

fn condition() -> impl Strategy<Value = Value> {
    let weights = vec![0.0, 0.1, 0.2, 0.3, 0.7, 1.0];
    let test = prop_oneof![3 => on_text(), 2 => on_word(), 2 => on_number()]
        .prop_filter("a random pattern may be none", |(fact, op, value)| {
            check_condition(fact, op, value.clone()).is_ok()
        });
    (test, prop::sample::select(weights), prop::bool::weighted(0.2)).prop_map(
        |((fact, op, value), weight, required)| {
            json!({"fact": fact, "op": op, "value": value, "weight": weight, "required": required})
        },
    )
}

fn rule() -> impl Strategy<Value = Value> {
    // A table, a mask, and more conditions than a mask has bits.
    let conditions = prop_oneof![
        8 => proptest::collection::vec(condition(), 0..4),
        2 => proptest::collection::vec(condition(), 5..9),
        1 => proptest::collection::vec(condition(), 63..67),
    ];
    let matching = prop::sample::select(vec!["weighted", "all", "any"]);
    let threshold = prop::option::of(prop::sample::select(vec![0.0, 0.3, 0.6, 1.0]));
    (conditions, matching, threshold, 0_u32..4, 0_u8..5).prop_map(
        |(conditions, matching, threshold, priority, share)| {
            let parameters = json!({"share": f64::from(share) / 4.0});
            json!({
                "priority": priority, "match": matching, "threshold": threshold, "conditions": conditions,
                "origin": {"layer": "custom", "file": "t", "line": 1},
                "actions": [{"type": "cache", "parameters": parameters}],
            })
        },
    )
}

fn rules() -> impl Strategy<Value = Vec<Value>> {
    let some = proptest::collection::vec(rule(), 1..12);
    // Conditions that rules share, and more rules than fit on the stack.
    (some, prop_oneof![4 => 1_usize..3, 1 => 65_usize..70]).prop_map(|(some, times)| {
        let repeated = (0..times).flat_map(|_| some.clone());
        repeated
            .enumerate()
            .map(|(order, mut rule)| {
                rule["id"] = json!(format!("r{order}"));
                rule["order"] = json!(order);
                rule
            })
            .collect()
    })
}

fn facts() -> impl Strategy<Value = (FileFacts, LiveFacts, FactSet)> {
    let path = (
        TEXT,
        prop::sample::select(vec!["", ".jpg", ".JPG", ".bin", ".safetensors"]),
    );
    let file = (path, 0_u64..6, 0_i64..3).prop_map(|((path, extension), size, changed)| FileFacts {
        path: (path + extension).into_bytes(),
        size,
        mtime_ns: changed * 1_000_000_000,
        version: Version(0),
        format: None,
    });
    let live = (
        prop::option::of(Just(AccessPattern::Random)),
        prop::option::of(0_u64..6),
    )
        .prop_map(|(pattern, frequency)| LiveFacts {
            pattern,
            frequency,
            ..LiveFacts::default()
        });
    let sets = vec![
        json!({}),
        json!({"workload.framework": "pytorch", "system.gpu_count": 3}),
        json!({"system.time": 5}),
    ];
    let around = prop::sample::select(sets).prop_map(|set| serde_json::from_value(set).expect("facts"));
    (file, live, around)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_decision_is_what_its_explanation_says(
        rules in rules(), max_rules in 1_u32..40,
        files in proptest::collection::vec(facts(), 8..16),
    ) {
        let plan = json!({
            "version": 1, "seed": 0, "block_bytes": 1 << 20, "observe": "none", "staleness_ns": 0,
            "threshold": 0.5, "max_rules": max_rules, "rules": rules,
            "tiers": {"memory": {"bytes": 1 << 24, "kernel_share": 1.0}, "disk": {"bytes": 0, "dir_required": false}},
        });
        let plan = Plan::from_json(&plan.to_string()).expect("a plan");
        let rules = Rules::compile(&plan).expect("conditions that compile");
        for (file, live, around) in &files {
            let decided = rules.decide(file, live, around);
            let explained = rules.explain(file, live, around).decision;
            prop_assert_eq!(decided, explained, "{:?}", file);
        }
    }
}
