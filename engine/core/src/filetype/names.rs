//! What names say: names that tell more than their extension, and the table's extensions. Absent: content, folders
//! (a folder's name does not make a file a data set: `data/README.md` is none), but for stores that are folders.

use std::sync::LazyLock;

use super::FileType::{self, Checkpoint, Config, Dataset, Index, Log, Model, Tokenizer, Unknown};
use super::formats::{FORMATS, Format};

/// NAME_MAX of Linux [bytes].
pub(crate) const LONGEST_NAME: usize = 255;

/// A name that tells more than its extension.
pub(super) struct NameRule {
    test: NameTest,
    pub(super) file_type: FileType,
    pub(super) framework: Option<&'static str>,
}

enum NameTest {
    /// The name without its extension is one of these.
    Stem(&'static [&'static str]),
    /// The whole name is one of these.
    Whole(&'static [&'static str]),
    /// The name has one of these in it.
    Contains(&'static [&'static str]),
    /// The name ends with one of these.
    Ends(&'static [&'static str]),
    /// One of these extensions, and one of these in the rest.
    Shard(&'static [&'static str], &'static [&'static str]),
    /// One of these extensions, and the rest ends with one of these.
    Suffix(&'static [&'static str], &'static [&'static str]),
}

const WEIGHTS: &[&str] = &["pt", "pth", "bin", "safetensors", "ckpt"];

/// Tried in order, before extensions.
static NAMES: &[NameRule] = &[
    rule(
        NameTest::Stem(&["readme", "license", "licence", "notice", "changelog", "authors"]),
        Unknown,
        None,
    ),
    rule(NameTest::Stem(&["requirements"]), Config, None),
    rule(
        NameTest::Stem(&[
            "tokenizer",
            "tokenizer_config",
            "special_tokens_map",
            "added_tokens",
            "vocab",
            "vocabulary",
            "merges",
            "spiece",
            "sentencepiece",
        ]),
        Tokenizer,
        Some("huggingface"),
    ),
    // what the Hub's libraries read beside weights and tables
    rule(
        NameTest::Whole(&[
            "adapter_config.json",
            "dataset_dict.json",
            "dataset_info.json",
            "dataset_infos.json",
            "generation_config.json",
            "preprocessor_config.json",
            "processor_config.json",
        ]),
        Config,
        Some("huggingface"),
    ),
    rule(NameTest::Whole(&["hparams.yaml"]), Config, Some("lightning")),
    rule(NameTest::Whole(&["flax_model.msgpack"]), Model, Some("jax")),
    // of MosaicML's shards and others: which shards there are
    rule(NameTest::Whole(&["index.json"]), Index, None),
    // of a Zarr store: what its chunks hold
    rule(
        NameTest::Whole(&[".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json"]),
        Index,
        None,
    ),
    // the weights of a SavedModel, in its folder variables/
    rule(
        NameTest::Whole(&["variables.data", "variables.index"]),
        Model,
        Some("tensorflow"),
    ),
    // ckpt-1.index, ckpt-1.data-00000-of-00001
    rule(
        NameTest::Shard(&["data", "index"], &["ckpt", "checkpoint"]),
        Checkpoint,
        Some("tensorflow"),
    ),
    rule(NameTest::Whole(&["checkpoint"]), Checkpoint, Some("tensorflow")),
    // Orbax, as JAX programs save
    rule(
        NameTest::Whole(&["_checkpoint_metadata", "manifest.ocdbt", "array_metadatas"]),
        Checkpoint,
        Some("jax"),
    ),
    rule(
        NameTest::Stem(&[
            "optimizer",
            "scheduler",
            "scaler",
            "rng_state",
            "trainer_state",
            "training_args",
        ]),
        Checkpoint,
        Some("pytorch"),
    ),
    rule(NameTest::Contains(&[".tfevents."]), Log, Some("tensorflow")),
    rule(
        NameTest::Ends(&[".safetensors.index.json", ".bin.index.json"]),
        Index,
        Some("huggingface"),
    ),
    rule(NameTest::Ends(&[".index.json"]), Index, None),
    // model.ckpt-1000.index, model.ckpt-1000.data-00000-of-00001, model.ckpt-1000.meta
    rule(NameTest::Contains(&[".ckpt-"]), Checkpoint, Some("tensorflow")),
    // what Lightning names by default: epoch=3-step=4000.ckpt
    rule(
        NameTest::Shard(&["ckpt"], &["epoch=", "step="]),
        Checkpoint,
        Some("lightning"),
    ),
    // train.tfrecord-17; with "-of-" after it the number is cut off before
    rule(
        NameTest::Contains(&[".tfrecord-", ".tfrecords-"]),
        Dataset,
        Some("tensorflow"),
    ),
    rule(
        NameTest::Suffix(&["json"], &["config", "settings", "params", "args"]),
        Config,
        None,
    ),
    rule(
        NameTest::Shard(WEIGHTS, &["checkpoint", "ckpt", "rng_state"]),
        Checkpoint,
        Some("pytorch"),
    ),
    rule(
        NameTest::Shard(&["bin"], &["pytorch_model"]),
        Model,
        Some("pytorch"),
    ),
    rule(NameTest::Shard(&["bin"], &["model"]), Model, None),
];

const fn rule(test: NameTest, file_type: FileType, framework: Option<&'static str>) -> NameRule {
    NameRule {
        test,
        file_type,
        framework,
    }
}

/// What a name says, by the rules above and by its extension.
#[derive(Clone, Copy, Default)]
pub(super) struct Named {
    pub(super) rule: Option<&'static NameRule>,
    pub(super) format: Option<&'static Format>,
}

impl Named {
    pub(super) fn file_type(&self) -> Option<FileType> {
        let by_rule = self.rule.map(|rule| rule.file_type);
        by_rule.or(self.format.map(|format| format.file_type))
    }

    pub(super) fn framework(&self) -> Option<&'static str> {
        let by_rule = self.rule.and_then(|rule| rule.framework);
        by_rule.or(self.format.and_then(|format| format.framework))
    }
}

/// Look at the last component of a path; the case of letters does not matter.
pub(super) fn look_up(path: &[u8]) -> Named {
    let name = name_of(path);
    let mut buffer = [0_u8; LONGEST_NAME];
    let Some(lowered) = buffer.get_mut(..name.len()) else {
        return Named::default(); // longer than a file system allows
    };
    lowered.copy_from_slice(name);
    lowered.make_ascii_lowercase();
    let name = strip_shard_number(strip_compression(lowered));
    let extension = extension_of(name).unwrap_or_default();
    let stem = match extension.len() {
        0 => name,
        length => &name[..name.len() - length - 1],
    };
    Named {
        rule: NAMES.iter().find(|rule| rule.test.holds(name, stem, extension)),
        format: of_extension(extension).or_else(|| of_store(path)),
    }
}

/// A store that is a folder: each chunk of `x.zarr` has a number for its name.
fn of_store(path: &[u8]) -> Option<&'static Format> {
    let folders = path.len() - name_of(path).len();
    let is_zarr = path[..folders]
        .windows(6)
        .any(|part| part.eq_ignore_ascii_case(b".zarr/"));
    if is_zarr { of_extension(b"zarr") } else { None }
}

impl NameTest {
    fn holds(&self, name: &[u8], stem: &[u8], extension: &[u8]) -> bool {
        let is = |text: &[u8], words: &[&str]| words.iter().any(|word| word.as_bytes() == text);
        let has = |text: &[u8], words: &[&str]| words.iter().any(|word| contains(text, word.as_bytes()));
        let ends = |text: &[u8], words: &[&str]| words.iter().any(|word| text.ends_with(word.as_bytes()));
        match self {
            NameTest::Stem(words) => is(stem, words),
            NameTest::Whole(words) => is(name, words),
            NameTest::Contains(words) => has(name, words),
            NameTest::Ends(words) => ends(name, words),
            NameTest::Shard(extensions, words) => is(extension, extensions) && has(stem, words),
            NameTest::Suffix(extensions, words) => is(extension, extensions) && ends(stem, words),
        }
    }
}

/// Extensions of the table, sorted: a look-up is seven comparisons instead of a hundred.
static EXTENSIONS: LazyLock<Vec<(&'static [u8], &'static Format)>> = LazyLock::new(|| {
    let owned = |format: &'static Format| {
        let extensions = format.extensions.iter();
        extensions.map(move |extension| (extension.as_bytes(), format))
    };
    let mut all: Vec<_> = FORMATS.iter().flat_map(owned).collect();
    all.sort_unstable_by_key(|&(extension, _)| extension);
    all
});

fn of_extension(extension: &[u8]) -> Option<&'static Format> {
    let found = EXTENSIONS.binary_search_by_key(&extension, |&(known, _)| known);
    found.ok().map(|index| EXTENSIONS[index].1)
}

/// The last component of a path.
pub(crate) fn name_of(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

/// What follows the last dot of a name, without the dot; `None` for `README` and `.profile`.
pub(crate) fn extension_of(name: &[u8]) -> Option<&[u8]> {
    let dot = name.iter().rposition(|&byte| byte == b'.')?;
    (dot > 0 && dot + 1 < name.len()).then(|| &name[dot + 1..])
}

/// `samples.jsonl.gz` is what `samples.jsonl` is.
fn strip_compression(name: &[u8]) -> &[u8] {
    for suffix in [&b".gz"[..], b".zst", b".zstd", b".xz", b".bz2", b".lz4"] {
        if let Some(inner) = name.strip_suffix(suffix) {
            return inner;
        }
    }
    name
}

/// `train.tfrecord-00000-of-00128` is what `train.tfrecord` is.
fn strip_shard_number(name: &[u8]) -> &[u8] {
    let before_number = |text: &'_ [u8]| {
        let digits = text.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        (digits > 0).then(|| text.len() - digits)
    };
    let stem = before_number(name).and_then(|end| name[..end].strip_suffix(b"-of-"));
    let stem = stem.and_then(|stem| before_number(stem).and_then(|end| stem[..end].strip_suffix(b"-")));
    stem.unwrap_or(name)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
