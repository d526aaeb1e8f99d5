//! One file as conditions see it: what it is, how it is used, by whom and on what. Absent: the list of facts.

use std::cell::OnceCell;

use super::fact_set::FactSet;
use super::facts::{FACTS, Fact, LiveFacts};
use crate::FileFacts;
use crate::filetype::{Detection, LONGEST_NAME, extension_of, name_of};

/// Parts of the path are found once, words are in lower case.
pub(super) struct View<'a> {
    file: &'a FileFacts,
    live: &'a LiveFacts,
    around: &'a FactSet,
    name: &'a [u8],
    extension: [u8; LONGEST_NAME],
    extension_length: usize,
    detection: OnceCell<Detection>,
}

/// Stands for any file where only what is around it is asked.
pub(super) static NO_FILE: FileFacts = FileFacts {
    path: Vec::new(),
    size: 0,
    mtime_ns: 0,
    version: crate::Version(0),
    format: None,
};

impl<'a> View<'a> {
    pub(super) fn new(file: &'a FileFacts, live: &'a LiveFacts, around: &'a FactSet) -> View<'a> {
        let name = name_of(&file.path);
        let mut view = View {
            file,
            live,
            around,
            name,
            extension: [0; LONGEST_NAME],
            extension_length: 0,
            detection: OnceCell::new(),
        };
        let written = extension_of(name).unwrap_or_default();
        if let Some(buffer) = view.extension.get_mut(..written.len()) {
            buffer.copy_from_slice(written);
            buffer.make_ascii_lowercase();
            view.extension_length = written.len();
        }
        view
    }

    /// The value of a fact, by its index in [`FACTS`]: what was handed in, else what is known here.
    pub(super) fn value(&self, index: usize) -> Option<Fact<'_>> {
        self.around.get(index).or_else(|| (FACTS[index].read)(self))
    }

    fn detection(&self) -> &Detection {
        self.detection
            .get_or_init(|| Detection::of_known(&self.file.path, self.file.format))
    }
}

pub(super) fn path<'v>(view: &'v View<'_>) -> Option<Fact<'v>> {
    Some(Fact::Text(&view.file.path))
}

pub(super) fn name<'v>(view: &'v View<'_>) -> Option<Fact<'v>> {
    Some(Fact::Text(view.name))
}

pub(super) fn extension<'v>(view: &'v View<'_>) -> Option<Fact<'v>> {
    Some(Fact::Text(&view.extension[..view.extension_length]))
}

pub(super) fn size<'v>(view: &'v View<'_>) -> Option<Fact<'v>> {
    Some(Fact::Number(view.file.size))
}

pub(super) fn file_type<'v>(view: &'v View<'_>) -> Option<Fact<'v>> {
    Some(word(view.detection().file_type.name()))
}

pub(super) fn format<'v>(view: &'v View<'_>) -> Option<Fact<'v>> {
    view.detection().format.map(|format| word(format.name))
}

pub(super) fn framework<'v>(view: &'v View<'_>) -> Option<Fact<'v>> {
    view.detection().framework.map(word)
}

pub(super) fn mime_type<'v>(view: &'v View<'_>) -> Option<Fact<'v>> {
    view.detection().format.and_then(|format| format.mime).map(word)
}

/// Unknown without a clock, and for a file whose time nobody knows.
pub(super) fn age<'v>(view: &'v View<'_>) -> Option<Fact<'v>> {
    let changed = u64::try_from(view.file.mtime_ns).ok().filter(|&time| time > 0)?;
    let now = view.around.time_s?;
    Some(Fact::Number(now.saturating_sub(changed / 1_000_000_000)))
}

pub(super) fn pattern<'v>(view: &'v View<'_>) -> Option<Fact<'v>> {
    view.live.pattern.map(|pattern| word(pattern.name()))
}

pub(super) fn frequency<'v>(view: &'v View<'_>) -> Option<Fact<'v>> {
    view.live.frequency.map(Fact::Number)
}

pub(super) fn work<'v>(view: &'v View<'_>) -> Option<Fact<'v>> {
    view.live.job.work.map(|work| word(work.name()))
}

pub(super) fn phase<'v>(view: &'v View<'_>) -> Option<Fact<'v>> {
    view.live.job.phase.map(|phase| word(phase.name()))
}

pub(super) fn epoch<'v>(view: &'v View<'_>) -> Option<Fact<'v>> {
    view.live.job.epoch.map(Fact::Number)
}

pub(super) fn model_size<'v>(view: &'v View<'_>) -> Option<Fact<'v>> {
    view.live.job.model_bytes.map(Fact::Number)
}

pub(super) fn dataset_size<'v>(view: &'v View<'_>) -> Option<Fact<'v>> {
    view.live.job.dataset_bytes.map(Fact::Number)
}

pub(super) fn batch_size<'v>(view: &'v View<'_>) -> Option<Fact<'v>> {
    view.around.batch_size.map(Fact::Number)
}

pub(super) fn nothing<'v>(_: &'v View<'_>) -> Option<Fact<'v>> {
    None
}

fn word(text: &'static str) -> Fact<'static> {
    Fact::Text(text.as_bytes())
}
