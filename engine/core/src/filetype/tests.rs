//! Tests of the table: names, signatures, and that no bytes make trouble.

use proptest::prelude::*;

use super::*;

fn check(path: &str, expected: FileType) {
    assert_eq!(FileType::of_path(path.as_bytes()), expected, "{path}");
}

fn framework(path: &str) -> Option<&'static str> {
    Detection::of_path(path.as_bytes()).framework
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
    check("run/events.tfevents", FileType::Log);
    check("mds/train/index.json", FileType::Index);
    check("saved/variables/variables.data-00000-of-00001", FileType::Model);
    check("saved/variables/variables.index", FileType::Model);
    check("run/ckpt-7.data-00000-of-00002", FileType::Checkpoint);
    check("run/ckpt-7.index", FileType::Checkpoint);
    check("tfds/mnist-train.array_record-00000-of-00001", FileType::Dataset);
    check("era5.zarr/.zmetadata", FileType::Index);
    check("weights/a.bin-00000-of-00001", FileType::Unknown);
}

#[test]
fn chunks_of_a_store_that_is_a_folder_are_data() {
    let format = |path: &str| {
        Detection::of_path(path.as_bytes())
            .format
            .map(|format| format.name)
    };
    for path in ["era5.zarr/t2m/0.0.0", "a/ERA5.ZARR/c/0/0", "x.zarr/1"] {
        assert_eq!(format(path), Some("zarr"), "{path}");
        check(path, FileType::Dataset);
    }
    assert_eq!(format("x.zarr/README.md"), Some("markdown"));
    assert_eq!(format("x.zarrs/0.0"), None);
    assert_eq!(format("zarr/0.0"), None);
}

#[test]
fn a_shard_number_is_no_extension() {
    let format = |path: &str| {
        Detection::of_path(path.as_bytes())
            .format
            .map(|format| format.name)
    };
    assert_eq!(format("a.tfrecord-00000-of-00128"), Some("tfrecord"));
    assert_eq!(format("a.tfrecord-00000-of-00128.gz"), Some("tfrecord"));
    assert_eq!(format("a.parquet-3-of-4"), Some("parquet"));
    for path in ["-1-of-2", "a-of-2", "a--of-2", "1-of-", "a.tfrecord-of-00128"] {
        assert_eq!(format(path), None, "{path}");
    }
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

#[test]
fn names_tell_the_framework_where_only_one_writes_them() {
    for (path, expected) in [
        ("a.pth", Some("pytorch")),
        ("a.pt", Some("pytorch")),
        ("a.pb", Some("tensorflow")),
        ("a.h5", Some("tensorflow")),
        ("a.ckpt", Some("tensorflow")),
        ("a.tfrecord", Some("tensorflow")),
        ("logs/epoch=3-step=4000.ckpt", Some("lightning")),
        ("a.onnx", Some("onnx")),
        ("a.safetensors", Some("huggingface")),
        ("m/tokenizer.json", Some("huggingface")),
        ("shard.00000.mds", Some("mosaicml")),
        ("ckpt/7/manifest.ocdbt", Some("jax")),
        ("mnist-train.array_record-00000-of-00001", Some("jax")),
        ("saved/variables/variables.index", Some("tensorflow")),
        ("cache/dataset_info.json", Some("huggingface")),
        ("lightning_logs/version_0/hparams.yaml", Some("lightning")),
        ("train.beton", Some("pytorch")),
        ("a.bin", None),
        ("a.jpg", None),
        ("pytorch/README.md", None),
    ] {
        assert_eq!(framework(path), expected, "{path}");
    }
}

fn zip_of(first_entry: &str) -> Vec<u8> {
    let mut bytes = b"PK\x03\x04".to_vec();
    bytes.resize(26, 0);
    bytes.extend((first_entry.len() as u16).to_le_bytes());
    bytes.extend([0, 0]);
    bytes.extend(first_entry.as_bytes());
    bytes
}

fn tar_of(first_member: &str) -> Vec<u8> {
    let mut block = vec![0_u8; 512];
    block[..first_member.len()].copy_from_slice(first_member.as_bytes());
    block[257..262].copy_from_slice(b"ustar");
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
    block[154] = 0;
    block
}

fn tfrecord() -> Vec<u8> {
    let mut bytes = 5_u64.to_le_bytes().to_vec();
    bytes.extend((crc32c::crc32c(&bytes).rotate_right(15).wrapping_add(0xa282_ead8)).to_le_bytes());
    bytes.extend(b"hello");
    bytes
}

fn mds() -> Vec<u8> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for offset in [40_u32, 60, 90] {
        bytes.extend(offset.to_le_bytes());
    }
    bytes.extend(br#"{"column_encodings": []}"#);
    bytes
}

/// A first example of each format with a signature, under a name that says nothing.
fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let mut safetensors = 90_u64.to_le_bytes().to_vec();
    safetensors.extend(br#"{"__metadata__":{}}"#);
    let mut lmdb = vec![0; 16];
    lmdb.extend(0xbeef_c0de_u32.to_le_bytes());
    let mut dicom = vec![0; 128];
    dicom.extend(b"DICM");
    let mut arrow_stream = b"\xff\xff\xff\xff".to_vec();
    arrow_stream.extend(168_u32.to_le_bytes());
    arrow_stream.extend(16_u32.to_le_bytes());
    let mut array_record = b"\x83\xaf\x70\xd1\x0d\x88\x4a\x3f".to_vec();
    array_record.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0]);
    array_record.extend(b"\x91\xba\xc2\x3c\x92\x87\xe1\xa9");
    let mut ocdbt = b"\x0c\xdb\x3a\x2a".to_vec();
    ocdbt.extend(100_u64.to_le_bytes());
    ocdbt.extend([0, 0]);
    let mut beton = b"\x02\0\x02\0".to_vec();
    beton.extend((8_u32 << 20).to_le_bytes());
    beton.extend(1000_u64.to_le_bytes());
    beton.extend((16_u64 << 20).to_le_bytes());
    vec![
        ("array_record", array_record),
        ("ocdbt", ocdbt),
        ("beton", beton),
        ("safetensors", safetensors),
        ("gguf", b"GGUF\x03\0\0\0".to_vec()),
        ("torch", zip_of("archive/data.pkl")),
        ("torch", zip_of("resnet/.format_version")),
        ("torch", zip_of("net/code/__torch__.py")),
        (
            "torch",
            b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec(),
        ),
        ("npz", zip_of("arr_0.npy")),
        ("keras", zip_of("metadata.json")),
        ("hdf5", b"\x89HDF\r\n\x1a\n\0".to_vec()),
        ("tflite", b"\x1c\0\0\0TFL3".to_vec()),
        ("saved_model", b"\x08\x01\x12\x80\x01\x0a\x05".to_vec()),
        ("onnx", b"\x08\x07\x12\x07pytorch\x1a\x03".to_vec()),
        ("npy", b"\x93NUMPY\x01\0".to_vec()),
        ("parquet", b"PAR1\x15".to_vec()),
        ("arrow", b"ARROW1\0\0".to_vec()),
        ("arrow_stream", arrow_stream),
        ("feather", b"FEA1".to_vec()),
        ("orc", b"ORC".to_vec()),
        ("avro", b"Obj\x01".to_vec()),
        ("lmdb", lmdb),
        ("recordio", b"\x0a\x23\xd7\xce".to_vec()),
        ("jpeg", b"\xff\xd8\xff\xe0".to_vec()),
        ("png", b"\x89PNG\r\n\x1a\n".to_vec()),
        ("gif", b"GIF89a".to_vec()),
        ("webp", b"RIFF\0\0\0\0WEBP".to_vec()),
        ("tiff", b"II*\0".to_vec()),
        ("jpeg2000", b"\0\0\0\x0cjP  ".to_vec()),
        ("dicom", dicom),
        ("wav", b"RIFF\0\0\0\0WAVE".to_vec()),
        ("flac", b"fLaC".to_vec()),
        ("ogg", b"OggS".to_vec()),
        ("mp3", b"ID3\x04".to_vec()),
        ("mp4", b"\0\0\0\x18ftypmp42".to_vec()),
        ("matroska", b"\x1a\x45\xdf\xa3".to_vec()),
        ("avi", b"RIFF\0\0\0\0AVI ".to_vec()),
        ("webdataset", tar_of("000000.jpg")),
        ("tar", tar_of("src/main.c")),
        ("tfrecord", tfrecord()),
        ("mds", mds()),
        ("pickle", b"\x80\x04\x95".to_vec()),
    ]
}

#[test]
fn each_signature_tells_its_format_under_any_name() {
    for (expected, bytes) in samples() {
        let found = Detection::of_content(b"blob", &bytes);
        assert_eq!(found.format.map(|format| format.name), Some(expected));
        assert_eq!(found.by, Some(DetectedBy::Content));
    }
    for format in FORMATS.iter().filter(|format| format.has_magic()) {
        let has_sample = samples().iter().any(|(name, _)| *name == format.name);
        assert!(has_sample, "no sample of {}", format.name);
    }
}

#[test]
fn a_cut_signature_tells_nothing_and_never_panics() {
    for (name, bytes) in samples() {
        for length in 0..bytes.len() {
            let _ = Detection::of_content(b"blob", &bytes[..length]);
        }
        // zip without a known entry, a text, an empty file
        assert!(KnownFormat::of_content(&[]).is_none(), "{name}");
    }
    assert!(KnownFormat::of_content(&zip_of("word/document.xml")).is_none());
    assert!(KnownFormat::of_content(b"import tensorflow as tf.keras torch pytorch saved_model").is_none());
    assert!(KnownFormat::of_content(&vec![0; 4096]).is_none());
    assert!(KnownFormat::of_content(&vec![0xff; 4096]).is_none());
}

#[test]
fn bytes_win_over_the_extension_and_names_refine_them() {
    let torch = zip_of("archive/data.pkl");
    let told = |path: &str, bytes: &[u8]| Detection::of_content(path.as_bytes(), bytes);
    // a picture is no config, weights are no text
    assert_eq!(
        told("config.json", b"\x89PNG\r\n\x1a\n").file_type,
        FileType::Dataset
    );
    assert_eq!(told("notes.txt", &torch).file_type, FileType::Model);
    assert_eq!(told("data.bin", &torch).framework, Some("pytorch"));
    // the name says what the weights are for
    assert_eq!(told("optimizer.bin", &torch).file_type, FileType::Checkpoint);
    let lightning = told("epoch=3-step=9.ckpt", &torch);
    assert_eq!(
        (lightning.file_type, lightning.framework),
        (FileType::Checkpoint, Some("lightning"))
    );
    // a .ckpt that is a torch zip is not TensorFlow's
    let plain = told("last.ckpt", &torch);
    assert_eq!(
        (plain.file_type, plain.framework),
        (FileType::Checkpoint, Some("pytorch"))
    );
    // TensorBoard frames its log as TFRecord does
    assert_eq!(
        told("events.out.tfevents.1.host", &tfrecord()).file_type,
        FileType::Log
    );
    // without a signature the name is all there is
    let text = told("m/config.json", b"{\"a\": 1}");
    assert_eq!(
        (text.file_type, text.by),
        (FileType::Config, Some(DetectedBy::Name))
    );
}

#[test]
fn each_extension_has_one_owner_and_each_name_one_format() {
    let mut extensions: Vec<_> = FORMATS.iter().flat_map(|format| format.extensions).collect();
    let mut names: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
    let counts = (extensions.len(), names.len());
    assert!(counts.0 > 80 && counts.1 > 50, "{counts:?}");
    extensions.sort();
    extensions.dedup();
    names.sort();
    names.dedup();
    assert_eq!((extensions.len(), names.len()), counts);
}

#[test]
fn a_known_format_crosses_by_its_name() {
    let known: KnownFormat = serde_json::from_str("\"torch\"").expect("a format");
    assert_eq!(serde_json::to_string(&known).expect("a name"), "\"torch\"");
    let detected = Detection::of_known(b"weights.dat", Some(known));
    assert_eq!(
        (detected.file_type, detected.framework),
        (FileType::Model, Some("pytorch"))
    );
    assert!(serde_json::from_str::<KnownFormat>("\"toch\"").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_and_any_name_are_answered(path in prop::collection::vec(any::<u8>(), 0..300),
                                           bytes in prop::collection::vec(any::<u8>(), 0..1100)) {
        let found = Detection::of_content(&path, &bytes);
        prop_assert_eq!(found.by == Some(DetectedBy::Content), KnownFormat::of_content(&bytes).is_some());
    }

    #[test]
    fn damaged_signatures_are_answered(which in 0_usize..60, at in 0_usize..600, byte in any::<u8>()) {
        let samples = samples();
        let (_, mut bytes) = samples[which % samples.len()].clone();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = Detection::of_content(b"x", &bytes);
    }

    #[test]
    fn noise_is_almost_never_taken_for_a_format(bytes in prop::collection::vec(any::<u8>(), 512..1024)) {
        // the shortest signatures have three bytes: 1 of 4 million blocks of noise
        prop_assert!(KnownFormat::of_content(&bytes).is_none());
    }
}
