//! libyaml's parser, made safe to call. The only file of this crate with unsafe code. Absent: what events mean.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use unsafe_libyaml as unsafe_yaml;

use crate::event::{Event, Kind};
use crate::finding::Mark;

/// What is no YAML.
pub(crate) struct Problem {
    pub(crate) said: String,
    /// Where it was found; none for a character that is not allowed.
    pub(crate) found: Option<Mark>,
    /// Where what it is about began.
    pub(crate) opened: Option<Mark>,
}

pub(crate) struct Parser<'t> {
    /// Boxed since libyaml keeps pointers into it.
    inner: Box<unsafe_yaml::yaml_parser_t>,
    text: PhantomData<&'t str>,
}

impl<'t> Parser<'t> {
    pub(crate) fn new(text: &'t str) -> Parser<'t> {
        let mut inner = Box::new(MaybeUninit::<unsafe_yaml::yaml_parser_t>::uninit());
        // SAFETY: initialize sets every field and fails only without memory, where it aborts; the text outlives the
        // parser by its lifetime.
        let inner = unsafe {
            let _ = unsafe_yaml::yaml_parser_initialize(inner.as_mut_ptr());
            let mut inner = inner.assume_init();
            unsafe_yaml::yaml_parser_set_encoding(&raw mut *inner, unsafe_yaml::YAML_UTF8_ENCODING);
            unsafe_yaml::yaml_parser_set_input_string(&raw mut *inner, text.as_ptr(), text.len() as u64);
            inner
        };
        Parser {
            inner,
            text: PhantomData,
        }
    }

    /// The next event; after the last one, and after an error, nothing.
    pub(crate) fn next(&mut self) -> Result<Event, Problem> {
        let mut event = MaybeUninit::<unsafe_yaml::yaml_event_t>::uninit();
        // SAFETY: parse sets the event, also where it fails; its strings live until it is deleted, and `event_of`
        // copies them.
        unsafe {
            if unsafe_yaml::yaml_parser_parse(&raw mut *self.inner, event.as_mut_ptr()).fail {
                return Err(self.problem());
            }
            let made = event_of(event.assume_init_ref());
            unsafe_yaml::yaml_event_delete(event.as_mut_ptr());
            Ok(made)
        }
    }

    /// # Safety
    /// Parsing has failed.
    unsafe fn problem(&self) -> Problem {
        let parser = &*self.inner;
        // SAFETY: both are null or texts of the program itself.
        let (problem, context) = unsafe { (static_text(parser.problem), static_text(parser.context)) };
        let is_of_reader = parser.error == unsafe_yaml::YAML_READER_ERROR;
        Problem {
            said: [context, problem]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(", "),
            found: (problem.is_some() && !is_of_reader).then(|| place(parser.problem_mark)),
            opened: (context.is_some() && !is_of_reader).then(|| place(parser.context_mark)),
        }
    }
}

impl Drop for Parser<'_> {
    fn drop(&mut self) {
        // SAFETY: it was initialized and is deleted once.
        unsafe { unsafe_yaml::yaml_parser_delete(&raw mut *self.inner) };
    }
}

/// # Safety
/// The event was set by libyaml and not deleted.
unsafe fn event_of(event: &unsafe_yaml::yaml_event_t) -> Event {
    let mark = place(event.start_mark);
    // SAFETY: the type tells which part of the union was set.
    unsafe {
        match event.type_ {
            unsafe_yaml::YAML_DOCUMENT_START_EVENT => Event::new(mark, Kind::Document),
            unsafe_yaml::YAML_NO_EVENT | unsafe_yaml::YAML_STREAM_END_EVENT => {
                Event::new(mark, Kind::Nothing)
            }
            unsafe_yaml::YAML_ALIAS_EVENT => {
                let name = text(event.data.alias.anchor).unwrap_or_default();
                Event::new(mark, Kind::Alias(name))
            }
            unsafe_yaml::YAML_SCALAR_EVENT => {
                let scalar = &event.data.scalar;
                let bytes = std::slice::from_raw_parts(scalar.value, scalar.length as usize);
                let value = String::from_utf8_lossy(bytes).into_owned();
                let is_plain = scalar.style == unsafe_yaml::YAML_PLAIN_SCALAR_STYLE;
                Event {
                    tag: text(scalar.tag),
                    anchor: text(scalar.anchor),
                    ..Event::new(mark, Kind::Scalar(value, is_plain))
                }
            }
            unsafe_yaml::YAML_SEQUENCE_START_EVENT => Event {
                tag: text(event.data.sequence_start.tag),
                anchor: text(event.data.sequence_start.anchor),
                ..Event::new(mark, Kind::List)
            },
            unsafe_yaml::YAML_MAPPING_START_EVENT => Event {
                tag: text(event.data.mapping_start.tag),
                anchor: text(event.data.mapping_start.anchor),
                ..Event::new(mark, Kind::Mapping)
            },
            // The ends of lists and mappings; the start of the stream and ends of documents are passed over.
            _ => Event::new(mark, Kind::End),
        }
    }
}

/// # Safety
/// Null, or a text that ends with a zero.
unsafe fn text(start: *const u8) -> Option<String> {
    // SAFETY: as promised by the caller.
    let text = unsafe { (!start.is_null()).then(|| CStr::from_ptr(start.cast())) };
    text.map(|text| text.to_string_lossy().into_owned())
}

/// # Safety
/// Null, or a text of the program itself.
unsafe fn static_text(start: *const i8) -> Option<&'static str> {
    // SAFETY: as promised by the caller.
    let text = unsafe { (!start.is_null()).then(|| CStr::from_ptr(start.cast())) };
    text.and_then(|text| text.to_str().ok())
}

fn place(mark: unsafe_yaml::yaml_mark_t) -> Mark {
    Mark {
        line: mark.line as u32 + 1,
        column: mark.column as u32 + 1,
    }
}
