//! From events to a document, with caps. The cap on depth bounds the recursion.

use rustc_hash::FxHashMap;

use crate::event::{Event, Events, Kind};
use crate::finding::{Finding, Mark};
use crate::plain::{Plain, plain, trap};
use crate::value::{Document, Mapping, Node, Value, Words};

/// The deepest recipe known has 9 levels (nested template parameters).
pub const MAX_DEPTH: usize = 64;
/// 1,000 rules of 3 conditions and 2 actions have about 60,000 nodes; aliases count as what they stand for.
pub const MAX_NODES: usize = 100_000;
/// Lists and mappings beyond this cost seconds to explain and are no recipe; only the value of a condition, a list of
/// names or extensions, may be longer.
pub const MAX_ENTRIES: usize = 5_000;
/// Nobody reads more; the dearest, a regular expression that is too large, takes 4 ms to find.
pub const MAX_FINDINGS: usize = 200;

/// The key of a condition whose value may be a long list.
const CONDITION_VALUE: &str = "value";
/// How much of a number that is too long is shown [characters].
const SHOWN_DIGITS: usize = 24;

/// Read all events.
pub(crate) fn read<E: Events>(events: E) -> Result<Document, Vec<Finding>> {
    let mut reader = Reader {
        events,
        findings: Vec::new(),
        words: Words::default(),
        anchors: FxHashMap::default(),
        anchor_count: 0,
        size: 0,
    };
    let root = match reader.document() {
        Ok(root) => root,
        Err(last) => {
            reader.findings.push(last);
            return Err(reader.findings);
        }
    };
    let Some(root) = root.filter(|root| !matches!(root.value, Value::Null)) else {
        let remedy = "Start from a recipe that ships";
        return Err(vec![Finding::new("MLO110", "is empty", None, remedy)]);
    };
    if !matches!(root.value, Value::Mapping(_)) {
        let is_list = matches!(root.value, Value::List(_));
        let kind = if is_list { "a list" } else { "a single value" };
        let message = format!("a recipe is a mapping of keys, not {kind}");
        let remedy = "Start with 'version:' and 'rules:'";
        return Err(vec![Finding::new("MLO110", message, Some(root.mark), remedy)]);
    }
    if !reader.findings.is_empty() {
        return Err(reader.findings);
    }
    Ok(Document {
        root,
        words: reader.words,
    })
}

struct Reader<E> {
    events: E,
    findings: Vec<Finding>,
    words: Words,
    /// Of each finished anchor: its number, and how many nodes it stands for.
    anchors: FxHashMap<String, (u32, usize)>,
    anchor_count: u32,
    size: usize,
}

/// Where a node stands, as far as the caps ask.
#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    /// It may be a list of any length.
    may_be_long: bool,
}

impl Place {
    fn below(self, levels: usize) -> Place {
        Place {
            depth: self.depth + levels,
            may_be_long: false,
        }
    }
}

/// What ends the reading.
type Reading<T> = Result<T, Finding>;

impl<E: Events> Reader<E> {
    /// Read the one document; none if there is none.
    fn document(&mut self) -> Reading<Option<Node>> {
        let mut root = None;
        loop {
            let event = self.events.next()?;
            match event.kind {
                Kind::Nothing => return Ok(root),
                Kind::Document if root.is_some() => {
                    let message = "holds more than one document";
                    return Err(refusal("MLO113", message, event.mark, "Keep one recipe per file"));
                }
                Kind::Document => {
                    let first = self.events.next()?;
                    let place = Place {
                        depth: 0,
                        may_be_long: false,
                    };
                    root = Some(self.node(first, place)?);
                }
                _ => {}
            }
        }
    }

    /// Read the node that starts with an event.
    fn node(&mut self, event: Event, place: Place) -> Reading<Node> {
        let (mark, before) = (event.mark, self.size);
        self.grow(1, mark)?;
        if let Kind::Alias(name) = event.kind {
            let value = self.expand(&name, mark)?;
            return Ok(Node {
                mark,
                anchor: 0,
                value,
            });
        }
        if let Some(tag) = event.tag {
            let message = format!("tag '{tag}' is not allowed: recipes are plain data");
            self.report("MLO107", message, mark, "Remove it")?;
        }
        if place.depth > MAX_DEPTH {
            let message = format!("is nested deeper than {MAX_DEPTH} levels");
            let remedy = "No recipe needs that; look for a bracket left open";
            return Err(refusal("MLO105", message, mark, remedy));
        }
        let value = match event.kind {
            Kind::List => self.list(place)?,
            Kind::Mapping => self.mapping(place)?,
            Kind::Scalar(text, is_plain) => self.scalar(text, is_plain, mark)?,
            _ => Value::Null,
        };
        let mut anchor = 0;
        if let Some(name) = event.anchor {
            self.anchor_count += 1;
            anchor = self.anchor_count;
            self.anchors.insert(name, (anchor, self.size - before));
        }
        Ok(Node { mark, anchor, value })
    }

    fn list(&mut self, place: Place) -> Reading<Value> {
        let mut items = Vec::new();
        loop {
            let event = self.events.next()?;
            if matches!(event.kind, Kind::End) {
                return Ok(Value::List(items));
            }
            if items.len() == MAX_ENTRIES && !place.may_be_long {
                return Err(too_long("list", event.mark));
            }
            items.push(self.node(event, place.below(1))?);
        }
    }

    fn mapping(&mut self, place: Place) -> Reading<Value> {
        let mut mapping = Mapping::default();
        loop {
            let event = self.events.next()?;
            let mark = event.mark;
            if matches!(event.kind, Kind::End) {
                return Ok(Value::Mapping(mapping));
            }
            let key = self.key(event)?;
            if mapping.entries().len() == MAX_ENTRIES {
                return Err(too_long("mapping", mark));
            }
            let may_be_long = key == CONDITION_VALUE;
            let number = self.words.take(&key);
            if let Some((_, first, _)) = mapping.find(number) {
                let key = self.words.get(number);
                let message = format!("key '{key}' comes twice, first in line {}", first.line);
                self.report("MLO109", message, mark, "Keep one of them")?;
                let again = self.events.next()?;
                self.node(again, place.below(2))?;
                continue;
            }
            let value = self.events.next()?;
            let place = Place {
                may_be_long,
                ..place.below(1)
            };
            mapping.push(number, mark, self.node(value, place)?);
        }
    }

    /// Read a key, which is always text.
    fn key(&mut self, event: Event) -> Reading<String> {
        let Kind::Scalar(text, is_plain) = event.kind else {
            let remedy = "Quote it, or look for a stray bracket";
            return Err(refusal("MLO122", "a key must be a word", event.mark, remedy));
        };
        if is_plain && text == "<<" {
            let message = "merge keys are not supported";
            self.report("MLO108", message, event.mark, "Write the keys out")?;
        }
        if let Some(meaning) = trap(&text).filter(|_| is_plain) {
            let message = format!("unquoted '{text}' {meaning}");
            self.report("MLO111", message, event.mark, &format!("Write \"{text}\""))?;
        }
        Ok(text)
    }

    /// Read a single value; plain words become constants and numbers, quoted ones stay text.
    fn scalar(&mut self, text: String, is_plain: bool, mark: Mark) -> Reading<Value> {
        if !is_plain {
            return Ok(Value::Text(self.words.take(&text)));
        }
        match plain(&text) {
            Plain::Value(value) => return Ok(value),
            Plain::Text => {}
            Plain::Trap(meaning) => {
                let is_word = text.starts_with(char::is_alphabetic);
                let remedy = if is_word {
                    "Write true or false, or quote the word"
                } else {
                    "Quote it, or write it plainly"
                };
                self.report("MLO111", format!("unquoted '{text}' {meaning}"), mark, remedy)?;
            }
            Plain::NoNumber => {
                let message = format!("{text} is not a usable number");
                self.report("MLO112", message, mark, "Write a finite number")?;
            }
            Plain::TooLarge => {
                let message = format!("{text:.SHOWN_DIGITS$} does not fit into 64 bits");
                self.report("MLO112", message, mark, "Write a smaller number")?;
            }
        }
        Ok(Value::Text(self.words.take(&text)))
    }

    /// Put the anchored value in the alias's place; what it holds counts again.
    fn expand(&mut self, name: &str, mark: Mark) -> Reading<Value> {
        let Some(&(anchor, size)) = self.anchors.get(name) else {
            let message = format!("alias '*{name}' names no finished anchor");
            let remedy = "Define it before, outside of itself";
            return Err(refusal("MLO106", message, mark, remedy));
        };
        self.grow(size, mark)?;
        Ok(Value::Alias(anchor))
    }

    /// Count nodes, aliases as what they stand for.
    fn grow(&mut self, size: usize, mark: Mark) -> Reading<()> {
        self.size += size;
        if self.size <= MAX_NODES {
            return Ok(());
        }
        let message = format!(
            "holds more than {} values once its aliases are expanded",
            thousands(MAX_NODES)
        );
        let remedy = "Split the recipe, or write fewer aliases";
        Err(refusal("MLO106", message, mark, remedy))
    }

    /// Note a finding and go on, unless there are too many.
    fn report(
        &mut self,
        code: &'static str,
        message: impl Into<String>,
        mark: Mark,
        remedy: &str,
    ) -> Reading<()> {
        self.findings
            .push(Finding::new(code, message, Some(mark), remedy));
        if self.findings.len() < MAX_FINDINGS {
            return Ok(());
        }
        let message = format!("holds more than {MAX_FINDINGS} problems: what follows was not looked at");
        Err(refusal("MLO181", message, mark, "Is this file a recipe?"))
    }
}

/// A list or mapping that is no part of a recipe.
fn too_long(kind: &str, mark: Mark) -> Finding {
    let message = format!("a {kind} of more than {} entries", thousands(MAX_ENTRIES));
    refusal(
        "MLO182",
        message,
        mark,
        "Only the value of a condition may be that long",
    )
}

/// The finding that ends the reading.
fn refusal(code: &'static str, message: impl Into<String>, mark: Mark, remedy: &str) -> Finding {
    Finding::new(code, message, Some(mark), remedy)
}

/// A number below a million, as people read it.
fn thousands(number: usize) -> String {
    format!("{},{:03}", number / 1000, number % 1000)
}
