//! The one table of file formats: extensions and magic bytes -> type, framework, MIME type. Absent: names that say
//! more than their extension (`names`), and how first bytes are looked at (`content`).
//!
//! A new format is one entry. An extension has one owner, and of two formats whose magic could both hold the first
//! one wins; tests keep both true.

use serde::{Serialize, Serializer};

use super::FileType::{self, Checkpoint, Config, Dataset, Index, Log, Model, Tensor, Tokenizer, Unknown};
use super::content;

/// What a file's first bytes are asked.
pub(super) type Magic = fn(&[u8]) -> bool;

/// One entry of the table.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Format {
    /// The name that `detect` gives.
    pub name: &'static str,
    /// What such files are, unless their name says more.
    pub file_type: FileType,
    /// The framework that writes them, where only one does.
    pub framework: Option<&'static str>,
    /// Extensions in lower case, without the dot.
    pub extensions: &'static [&'static str],
    /// MIME type, where one is in use.
    pub mime: Option<&'static str>,
    /// Whether the format is recognised by its first bytes.
    #[serde(serialize_with = "is_some", rename = "has_signature")]
    pub(super) magic: Option<Magic>,
}

const PYTORCH: Option<&str> = Some("pytorch");
const TENSORFLOW: Option<&str> = Some("tensorflow");
const HUGGINGFACE: Option<&str> = Some("huggingface");
const WEBDATASET: Option<&str> = Some("webdataset");
const MOSAICML: Option<&str> = Some("mosaicml");
const JAX: Option<&str> = Some("jax");
const ONNX: Option<&str> = Some("onnx");
const ANY: Option<&str> = None;

/// Every format, those with the most telling magic first.
#[rustfmt::skip]
pub static FORMATS: &[Format] = &[
    // weights and training states
    binary("safetensors", Model, HUGGINGFACE, &["safetensors"], None, content::safetensors),
    binary("gguf", Model, ANY, &["gguf"], None, content::gguf),
    binary("torch", Model, PYTORCH, &["pt", "pth"], None, content::torch),
    binary("npz", Tensor, ANY, &["npz"], None, content::npz),
    binary("keras", Model, TENSORFLOW, &["keras"], None, content::keras),
    binary("hdf5", Model, TENSORFLOW, &["h5", "hdf5"], Some("application/x-hdf5"), content::hdf5),
    binary("tflite", Model, TENSORFLOW, &["tflite"], None, content::tflite),
    binary("saved_model", Model, TENSORFLOW, &["pb"], None, content::saved_model),
    binary("onnx", Model, ONNX, &["onnx"], None, content::onnx),
    // arrays and tables
    binary("npy", Tensor, ANY, &["npy"], None, content::npy),
    binary("parquet", Dataset, ANY, &["parquet"], Some("application/vnd.apache.parquet"), content::parquet),
    binary("arrow", Dataset, ANY, &["arrow"], Some("application/vnd.apache.arrow.file"), content::arrow_file),
    binary("arrow_stream", Dataset, ANY, &["arrows"], Some("application/vnd.apache.arrow.stream"), content::arrow_stream),
    binary("feather", Dataset, ANY, &["feather"], None, content::feather),
    binary("orc", Dataset, ANY, &["orc"], None, content::orc),
    binary("avro", Dataset, ANY, &["avro"], None, content::avro),
    binary("lmdb", Dataset, ANY, &["lmdb", "mdb"], None, content::lmdb),
    binary("recordio", Dataset, Some("mxnet"), &["rec"], None, content::recordio),
    // images, sound, films
    binary("jpeg", Dataset, ANY, &["jpg", "jpeg"], Some("image/jpeg"), content::jpeg),
    binary("png", Dataset, ANY, &["png"], Some("image/png"), content::png),
    binary("gif", Dataset, ANY, &["gif"], Some("image/gif"), content::gif),
    binary("webp", Dataset, ANY, &["webp"], Some("image/webp"), content::webp),
    binary("tiff", Dataset, ANY, &["tif", "tiff"], Some("image/tiff"), content::tiff),
    binary("jpeg2000", Dataset, ANY, &["jp2"], Some("image/jp2"), content::jpeg2000),
    binary("dicom", Dataset, ANY, &["dcm"], Some("application/dicom"), content::dicom),
    binary("wav", Dataset, ANY, &["wav"], Some("audio/wav"), content::wav),
    binary("flac", Dataset, ANY, &["flac"], Some("audio/flac"), content::flac),
    binary("ogg", Dataset, ANY, &["ogg", "opus"], Some("audio/ogg"), content::ogg),
    binary("mp3", Dataset, ANY, &["mp3"], Some("audio/mpeg"), content::mp3),
    binary("mp4", Dataset, ANY, &["mp4"], Some("video/mp4"), content::mp4),
    binary("matroska", Dataset, ANY, &["mkv", "webm"], Some("video/matroska"), content::matroska),
    binary("avi", Dataset, ANY, &["avi"], Some("video/x-msvideo"), content::avi),
    // archives and shards; the magic of the later ones is a checked sum or plausible numbers, no signature
    binary("webdataset", Dataset, WEBDATASET, &[], Some("application/x-tar"), content::webdataset),
    binary("tar", Dataset, ANY, &["tar", "tgz"], Some("application/x-tar"), content::tar),
    binary("tfrecord", Dataset, TENSORFLOW, &["tfrecord", "tfrecords"], None, content::tfrecord),
    binary("mds", Dataset, MOSAICML, &["mds"], None, content::mds),
    binary("array_record", Dataset, JAX, &["array_record", "arrayrecord", "riegeli"], None, content::array_record),
    binary("ocdbt", Checkpoint, JAX, &["ocdbt"], None, content::ocdbt),
    binary("beton", Dataset, PYTORCH, &["beton"], None, content::beton),
    binary("pickle", Model, ANY, &["pkl", "pickle"], None, content::pickle),
    // known by name alone
    named("tensorflow_checkpoint", Checkpoint, TENSORFLOW, &["ckpt"], None),
    named("torch_distributed", Checkpoint, PYTORCH, &["distcp"], None),
    named("protobuf_text", Model, ANY, &["pbtxt"], Some("text/plain")),
    named("model", Model, ANY, &["model", "joblib", "ggml", "caffemodel", "mlmodel", "engine"], None),
    named("msgpack", Dataset, ANY, &["msgpack"], Some("application/vnd.msgpack")),
    named("zarr", Dataset, ANY, &["zarr"], None),
    named("nifti", Dataset, ANY, &["nii"], None),
    named("point_cloud", Dataset, ANY, &["las", "pcd"], None),
    named("bitmap", Dataset, ANY, &["bmp", "ppm"], None),
    named("csv", Dataset, ANY, &["csv", "tsv"], Some("text/csv")),
    named("json", Dataset, ANY, &["json"], Some("application/json")),
    named("json_lines", Dataset, ANY, &["jsonl", "ndjson"], Some("application/jsonl")),
    named("text", Dataset, ANY, &["txt"], Some("text/plain")),
    named("yaml", Config, ANY, &["yaml", "yml"], Some("application/yaml")),
    named("toml", Config, ANY, &["toml"], Some("application/toml")),
    named("settings", Config, ANY, &["ini", "conf", "cfg", "config"], Some("text/plain")),
    named("log", Log, ANY, &["log"], Some("text/plain")),
    named("tensorboard", Log, ANY, &["tfevents"], None),
    named("index", Index, ANY, &["idx", "index", "fai", "bai", "tbi"], None),
    named("vocabulary", Tokenizer, ANY, &["tiktoken", "bpe", "vocab"], None),
    named("markdown", Unknown, ANY, &["md", "rst"], Some("text/markdown")),
];

const fn binary(
    name: &'static str,
    file_type: FileType,
    framework: Option<&'static str>,
    extensions: &'static [&'static str],
    mime: Option<&'static str>,
    magic: Magic,
) -> Format {
    Format {
        name,
        file_type,
        framework,
        extensions,
        mime,
        magic: Some(magic),
    }
}

const fn named(
    name: &'static str,
    file_type: FileType,
    framework: Option<&'static str>,
    extensions: &'static [&'static str],
    mime: Option<&'static str>,
) -> Format {
    Format {
        name,
        file_type,
        framework,
        extensions,
        mime,
        magic: None,
    }
}

/// Functions stay here; others need to know only that there is one.
fn is_some<S: Serializer>(magic: &Option<Magic>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(magic.is_some())
}

impl Format {
    /// Whether it is recognised by its first bytes.
    pub fn has_magic(&self) -> bool {
        self.magic.is_some()
    }
}
