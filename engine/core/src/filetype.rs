//! What kind of file a path names: one table of names and extensions. Absent: content, folders (a folder's name
//! does not make a file a data set: `data/README.md` is none).

use serde::{Deserialize, Serialize};

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
    pub fn name(self) -> &'static str {
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
        let name = name_of(path);
        let mut buffer = [0_u8; LONGEST_NAME];
        let Some(lowered) = buffer.get_mut(..name.len()) else {
            return FileType::Unknown; // longer than a file system allows
        };
        lowered.copy_from_slice(name);
        lowered.make_ascii_lowercase();
        let name = strip_compression(lowered);
        of_whole_name(name).unwrap_or_else(|| of_extension(name))
    }
}

/// NAME_MAX of Linux [bytes].
pub(crate) const LONGEST_NAME: usize = 255;

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
    for suffix in [&b".gz"[..], b".zst", b".xz", b".bz2", b".lz4"] {
        if let Some(inner) = name.strip_suffix(suffix) {
            return inner;
        }
    }
    name
}

/// Names that say more than their extension.
fn of_whole_name(name: &[u8]) -> Option<FileType> {
    let stem = match extension_of(name) {
        Some(extension) => &name[..name.len() - extension.len() - 1],
        None => name,
    };
    let kind = match stem {
        b"readme" | b"license" | b"licence" | b"notice" | b"changelog" | b"authors" => FileType::Unknown,
        b"requirements" => FileType::Config,
        b"tokenizer"
        | b"vocab"
        | b"vocabulary"
        | b"merges"
        | b"spiece"
        | b"sentencepiece"
        | b"special_tokens_map"
        | b"added_tokens"
        | b"tokenizer_config" => FileType::Tokenizer,
        b"checkpoint" if stem.len() == name.len() => FileType::Checkpoint,
        b"optimizer" | b"scheduler" | b"scaler" | b"rng_state" | b"trainer_state" | b"training_args" => {
            FileType::Checkpoint
        }
        _ => return of_name_parts(name, stem),
    };
    Some(kind)
}

/// Shards and series, whose names carry numbers.
fn of_name_parts(name: &[u8], stem: &[u8]) -> Option<FileType> {
    let extension = extension_of(name).unwrap_or_default();
    if contains(name, b".tfevents.") || name.starts_with(b"events.out.tfevents") {
        return Some(FileType::Log);
    }
    if name.ends_with(b".index.json") {
        return Some(FileType::Index);
    }
    // TensorFlow: model.ckpt-1000.index, model.ckpt-1000.data-00000-of-00001, model.ckpt-1000.meta
    if contains(name, b".ckpt-") {
        return Some(FileType::Checkpoint);
    }
    // train.tfrecord-00000-of-00128, train-00000-of-00128.tfrecord.gz
    if contains(name, b".tfrecord-") || contains(name, b".tfrecords-") {
        return Some(FileType::Dataset);
    }
    match extension {
        b"json"
            if [&b"config"[..], b"settings", b"params", b"args"]
                .iter()
                .any(|end| stem.ends_with(end)) =>
        {
            Some(FileType::Config)
        }
        b"pt" | b"pth" | b"bin" | b"safetensors"
            if contains(stem, b"checkpoint") || contains(stem, b"ckpt") || stem.starts_with(b"rng_state") =>
        {
            Some(FileType::Checkpoint)
        }
        b"bin" if contains(stem, b"model") => Some(FileType::Model),
        _ => None,
    }
}

fn of_extension(name: &[u8]) -> FileType {
    match extension_of(name).unwrap_or_default() {
        b"pth" | b"pt" | b"h5" | b"hdf5" | b"keras" | b"pb" | b"pbtxt" | b"onnx" | b"pkl" | b"pickle"
        | b"model" | b"joblib" | b"safetensors" | b"gguf" | b"ggml" | b"tflite" | b"caffemodel"
        | b"mlmodel" | b"engine" => FileType::Model,
        b"ckpt" | b"distcp" => FileType::Checkpoint,
        b"jpg" | b"jpeg" | b"png" | b"bmp" | b"tif" | b"tiff" | b"webp" | b"gif" | b"ppm" | b"jp2"
        | b"wav" | b"mp3" | b"flac" | b"ogg" | b"opus" | b"mp4" | b"mkv" | b"avi" | b"webm" | b"csv"
        | b"tsv" | b"json" | b"jsonl" | b"ndjson" | b"txt" | b"parquet" | b"orc" | b"avro" | b"arrow"
        | b"feather" | b"msgpack" | b"tfrecord" | b"tfrecords" | b"tar" | b"tgz" | b"mds" | b"beton"
        | b"lmdb" | b"mdb" | b"zarr" | b"rec" | b"dcm" | b"nii" | b"las" | b"pcd" => FileType::Dataset,
        b"npy" | b"npz" => FileType::Tensor,
        b"yaml" | b"yml" | b"toml" | b"ini" | b"conf" | b"cfg" | b"config" => FileType::Config,
        b"log" | b"tfevents" => FileType::Log,
        b"idx" | b"index" | b"fai" | b"bai" | b"tbi" => FileType::Index,
        b"tiktoken" | b"bpe" | b"vocab" => FileType::Tokenizer,
        _ => FileType::Unknown,
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: FileType) {
        assert_eq!(FileType::of_path(path.as_bytes()), expected, "{path}");
    }

    #[test]
    fn plain_extensions_have_one_meaning_in_any_case() {
        check("a.pth", FileType::Model);
        check("MODEL.PT", FileType::Model);
        check("x.gguf", FileType::Model);
        check("x.csv", FileType::Dataset);
        check("train/cat/1.JPG", FileType::Dataset);
        check("shard-000001.tar", FileType::Dataset);
        check("shard-000001.tar.gz", FileType::Dataset);
        check("train.tfrecord-00000-of-00128", FileType::Dataset);
        check("a.yaml", FileType::Config);
        check("a.npy", FileType::Tensor);
        check("training.log", FileType::Log);
        check("data.bin", FileType::Unknown);
    }

    #[test]
    fn names_say_more_than_extensions() {
        check("m/config.json", FileType::Config);
        check("m/generation_config.json", FileType::Config);
        check("m/model.safetensors.index.json", FileType::Index);
        check("m/tokenizer.json", FileType::Tokenizer);
        check("m/merges.txt", FileType::Tokenizer);
        check("m/pytorch_model-00001-of-00002.bin", FileType::Model);
        check("run/checkpoint-40.pt", FileType::Checkpoint);
        check("run/__0_0.distcp", FileType::Checkpoint);
        check("run/model.ckpt-1000.index", FileType::Checkpoint);
        check("run/events.out.tfevents.1700000000.host", FileType::Log);
    }

    #[test]
    fn folder_words_and_prose_are_no_type() {
        check("data/README.md", FileType::Unknown);
        check("documents/readme.txt", FileType::Unknown);
        check("testing/a.md", FileType::Unknown);
        check("database/main.go", FileType::Unknown);
        check("blog.py", FileType::Unknown);
        check("models/notes", FileType::Unknown);
        check(".profile", FileType::Unknown);
        check("", FileType::Unknown);
    }
}
