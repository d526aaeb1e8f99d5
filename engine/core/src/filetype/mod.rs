//! What kind of file this is: type, format and framework, from names alone or from first bytes and names.
//!
//! Owns: the one table of formats (`formats`), the signatures (`content`), the names that say more (`names`).
//! Absent: reading files. A mount asks for names only; a tool that may read hands in first bytes.

mod content;
mod formats;
mod names;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use content::FIRST_BYTES;
pub use formats::{FORMATS, Format};
pub(crate) use names::{LONGEST_NAME, extension_of, name_of};

/// What rules call `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileType {
    /// Trained weights.
    Model,
    /// Samples: images, audio, text, tables, shards.
    Dataset,
    /// The state of a training run, to resume it.
    Checkpoint,
    /// Settings.
    Config,
    /// Bare arrays.
    Tensor,
    /// What a job wrote about itself.
    Log,
    /// Vocabularies and merge tables.
    Tokenizer,
    /// Where things are in other files.
    Index,
    /// None of these.
    Unknown,
}

impl FileType {
    /// Every type, in the order of the documentation.
    pub const ALL: [FileType; 9] = [
        FileType::Model,
        FileType::Dataset,
        FileType::Checkpoint,
        FileType::Config,
        FileType::Tensor,
        FileType::Log,
        FileType::Tokenizer,
        FileType::Index,
        FileType::Unknown,
    ];

    /// The name that recipes use.
    pub const fn name(self) -> &'static str {
        match self {
            FileType::Model => "model",
            FileType::Dataset => "dataset",
            FileType::Checkpoint => "checkpoint",
            FileType::Config => "config",
            FileType::Tensor => "tensor",
            FileType::Log => "log",
            FileType::Tokenizer => "tokenizer",
            FileType::Index => "index",
            FileType::Unknown => "unknown",
        }
    }

    /// Tell the type from the name of a file; the case of letters does not matter.
    pub fn of_path(path: &[u8]) -> FileType {
        Detection::of_path(path).file_type
    }

    /// Whether a name may say this of a file whose bytes are known: a checkpoint may be safetensors, but settings
    /// are never a picture, and weights called data.txt are weights.
    fn refines_content(self) -> bool {
        use FileType::{Checkpoint, Index, Log, Tokenizer};
        matches!(self, Checkpoint | Index | Log | Tokenizer)
    }
}

/// What told the format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DetectedBy {
    /// Its first bytes.
    Content,
    /// Its name.
    Name,
}

/// What kind of file this is.
#[derive(Debug, Clone, Copy)]
pub struct Detection {
    /// What rules call `type`.
    pub file_type: FileType,
    /// The entry of the table; `None` where nothing fits.
    pub format: Option<&'static Format>,
    /// The framework that writes such files, where only one does.
    pub framework: Option<&'static str>,
    /// What told the format.
    pub by: Option<DetectedBy>,
}

impl Detection {
    /// Tell from the name alone.
    pub fn of_path(path: &[u8]) -> Detection {
        Detection::of(names::look_up(path), None)
    }

    /// Tell from first bytes ([`FIRST_BYTES`] are enough, fewer may say less), then from the name. Any bytes are fine.
    pub fn of_content(path: &[u8], first_bytes: &[u8]) -> Detection {
        Detection::of(names::look_up(path), KnownFormat::of_content(first_bytes))
    }

    /// Tell from a format that first bytes told before, and from the name.
    pub fn of_known(path: &[u8], content: Option<KnownFormat>) -> Detection {
        Detection::of(names::look_up(path), content)
    }

    fn of(named: names::Named, content: Option<KnownFormat>) -> Detection {
        let content = content.map(|known| known.0);
        let format = content.or(named.format);
        let told = if content.is_some() {
            named.file_type().filter(|file_type| file_type.refines_content())
        } else {
            named.file_type()
        };
        let prose = content.is_none() && told == Some(FileType::Unknown);
        let framework = match (content.and_then(|format| format.framework), named.framework()) {
            (Some(content), Some(name)) if builds_on(name, content) => Some(name),
            (Some(content), _) => Some(content),
            (None, name) => name.filter(|_| !prose && content.is_none()),
        };
        Detection {
            file_type: told
                .or(format.map(|format| format.file_type))
                .unwrap_or(FileType::Unknown),
            format,
            framework,
            by: match (content, format) {
                (Some(_), _) => Some(DetectedBy::Content),
                (None, Some(_)) => Some(DetectedBy::Name),
                (None, None) => told.map(|_| DetectedBy::Name),
            },
        }
    }
}

/// Whether files of the one framework are files of the other as well.
fn builds_on(framework: &str, base: &str) -> bool {
    matches!(
        (framework, base),
        ("lightning", "pytorch") | ("huggingface", "pytorch")
    )
}

/// A format that first bytes told; crosses borders by its name.
#[derive(Debug, Clone, Copy)]
pub struct KnownFormat(&'static Format);

impl KnownFormat {
    /// Look at first bytes; `None` where no signature fits.
    pub fn of_content(first_bytes: &[u8]) -> Option<KnownFormat> {
        let mut formats = FORMATS.iter();
        let found = formats.find(|format| format.magic.is_some_and(|magic| magic(first_bytes)));
        found.map(KnownFormat)
    }
}

impl PartialEq for KnownFormat {
    fn eq(&self, other: &KnownFormat) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for KnownFormat {}

impl Serialize for KnownFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name)
    }
}

impl<'de> Deserialize<'de> for KnownFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<KnownFormat, D::Error> {
        let name = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let found = FORMATS.iter().find(|format| format.name == name);
        let unknown = || serde::de::Error::custom(format!("unknown file format '{name}'"));
        found.map(KnownFormat).ok_or_else(unknown)
    }
}
