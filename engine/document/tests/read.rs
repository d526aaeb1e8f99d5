//! Texts become values with places or findings, whatever they hold. What findings say is tested from Python too
//! (tests/recipes).

use mlopt_document::{Document, Mapping, Mark, Node, Part, Value, read};
use proptest::prelude::*;

fn codes(text: &str, is_json: bool) -> Vec<&'static str> {
    let findings = read(text, is_json).expect_err("is refused");
    findings.iter().map(|finding| finding.code).collect()
}

fn mapping(node: &Node) -> &Mapping {
    match &node.value {
        Value::Mapping(mapping) => mapping,
        other => panic!("a mapping, not {other:?}"),
    }
}

/// A value as text, to compare the two forms; aliases as what they stand for are left to Python.
fn shown(document: &Document, node: &Node) -> String {
    let word = |number: u32| document.words()[number as usize].as_ref();
    match &node.value {
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| shown(document, item)).collect();
            format!("[{}]", items.join(","))
        }
        Value::Mapping(mapping) => {
            let entries = mapping.entries().iter();
            let entries: Vec<String> = entries
                .map(|(key, _, item)| format!("{:?}:{}", word(*key), shown(document, item)))
                .collect();
            format!("{{{}}}", entries.join(","))
        }
        Value::Text(number) => format!("{:?}", word(*number)),
        other => format!("{other:?}"),
    }
}

#[test]
fn marks_lead_to_keys_values_and_what_encloses_them() {
    let document = read("a:\n  - {b: 1, 'c': [x,\n   y]}\n", false).expect("a recipe");
    let at = |path: &[Part<'_>], of_key| {
        let Mark { line, column } = document.mark(path, of_key);
        (line, column)
    };
    let list = [Part::Key("a"), Part::Index(0), Part::Key("c")];
    assert_eq!(at(&list, true), (2, 12));
    assert_eq!(at(&list, false), (2, 17));
    let item = [&list[..], &[Part::Index(1)]].concat();
    assert_eq!(at(&item, false), (3, 4));
    assert_eq!(at(&[Part::Key("a"), Part::Key("b")], false), (2, 3));
    assert_eq!(at(&[Part::Key("nothing")], true), (1, 1));
}

#[test]
fn a_mapping_of_many_keys_finds_each() {
    let text: String = (0..100).map(|number| format!("k{number}: {number}\n")).collect();
    let document = read(&text, false).expect("a recipe");
    assert_eq!(mapping(&document.root).entries().len(), 100);
    for number in 0..100_u32 {
        let key = format!("k{number}");
        assert_eq!(
            document.mark(&[Part::Key(&key)], true),
            Mark {
                line: number + 1,
                column: 1
            }
        );
    }
    assert_eq!(codes(&format!("{text}k3: 5\n"), false), ["MLO109"]);
}

#[test]
fn the_same_values_in_yaml_and_in_json() {
    let text =
        r#"{"a": [1, -2.5e3, true, null, "x\ny"], "b": {"c": {}, "d": []}, "e": "18446744073709551615"}"#;
    let (yaml, json) = (read(text, false).expect("YAML"), read(text, true).expect("JSON"));
    assert_eq!(shown(&yaml, &yaml.root), shown(&json, &json.root));
    let pair = read(r#"{"a": "\ud83d\ude00\u00e9"}"#, true).expect("JSON");
    assert_eq!(shown(&pair, &pair.root), "{\"a\":\"\u{1f600}\u{e9}\"}");
}

#[test]
fn a_text_may_end_anywhere() {
    for (text, expected) in [
        ("a: |\n  x", "{\"a\":\"x\"}"),
        ("a: >-\n  x\n  y", "{\"a\":\"x y\"}"),
        ("\u{feff}a: 1", "{\"a\":Integer(1)}"),
        ("\u{ff46}: 1", "{\"\u{ff46}\":Integer(1)}"),
    ] {
        let document = read(text, false).expect(text);
        assert_eq!(shown(&document, &document.root), expected, "{text:?}");
    }
    assert_eq!(codes("a: \"x\\", false), ["MLO103"]);
    assert_eq!(codes("a: \u{fffe}", false), ["MLO102"]);
}

#[test]
fn what_is_too_deep_or_too_much_is_refused_before_it_exists() {
    for opening in ["[", "{a: ", "- "] {
        assert_eq!(
            codes(&format!("a: \n {}", opening.repeat(100_000)), false),
            ["MLO105"],
            "{opening}"
        );
    }
    assert_eq!(
        codes(&format!("{{\"a\": {}", "[".repeat(100_000)), true),
        ["MLO105"]
    );
    assert_eq!(codes(&format!("a: [{}]", "x,".repeat(5_001)), false), ["MLO182"]);
    assert!(read(&format!("value: [{}]", "x,".repeat(5_001)), false).is_ok());
    let bomb = format!("a: &a [{}]\nb: [{}]", "x,".repeat(999), "*a,".repeat(200));
    assert_eq!(codes(&bomb, false), ["MLO106"]);
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "(\\PC|[\n\t \"'\\\\:,{}\\[\\]#&*!|>%-]){0,60}", is_json: bool) {
        if let Err(findings) = read(&text, is_json) {
            prop_assert!(!findings.is_empty());
        }
    }

    /// Pieces of YAML in any order, which reach further into the parser than any text.
    #[test]
    fn pieces_of_yaml_are_answered(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("a: "), Just("- "), Just("\n"), Just("  "), Just("{"), Just("}"), Just("["), Just("]"),
                Just(","), Just("|\n "), Just(">-\n  "), Just("&x "), Just("*x"), Just("!t "), Just("\"\\u"),
                Just("'"), Just("\""), Just("? "), Just(": "), Just("--- "), Just("...\n"), Just("# c"),
                Just("%TAG ! x\n"), Just("1"), Just("word"), Just("\t"), Just("\u{85}"), Just("\u{e9}"), Just("\\"),
            ],
            0..30,
        ),
        is_json: bool,
    ) {
        let text = pieces.concat();
        if let Err(findings) = read(&text, is_json) {
            prop_assert!(!findings.is_empty());
            let lines = text.split(['\n', '\r', '\u{85}']).count() as u32;
            for mark in findings.iter().filter_map(|finding| finding.mark) {
                prop_assert!(1 <= mark.line && mark.line <= lines.max(1) + 1 && mark.column >= 1);
            }
        }
    }
}
