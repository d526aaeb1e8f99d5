//! What first bytes say: one predicate per format. Absent: names. None of them panics or allocates, whatever it is
//! given; what is shorter than a signature has none.

/// How many first bytes of a file are enough for every predicate: the header block of a tar is 512, HDF5 may start
/// after one.
pub const FIRST_BYTES: usize = 1024;

/// A header of more than this is no header (safetensors' own limit) [bytes].
const LONGEST_SAFETENSORS_HEADER: u64 = 100_000_000;
/// What follows the archive's own folder in the first entry of a file that `torch.save` or TorchScript wrote.
const TORCH_ENTRIES: [&[u8]; 8] = [
    b"data.pkl",
    b"data/",
    b"code/",
    b"constants.pkl",
    b"version",
    b"byteorder",
    b".format_version",
    b".data/",
];
/// What a sample of a WebDataset shard is made of: the extensions of the first member.
const SAMPLE_PARTS: [&[u8]; 21] = [
    b"jpg",
    b"jpeg",
    b"png",
    b"webp",
    b"ppm",
    b"cls",
    b"cls2",
    b"txt",
    b"text",
    b"transcript",
    b"json",
    b"npy",
    b"npz",
    b"pth",
    b"pyd",
    b"flac",
    b"wav",
    b"mp3",
    b"mp4",
    b"index",
    b"__key__",
];

fn at(bytes: &[u8], offset: usize, signature: &[u8]) -> bool {
    bytes
        .get(offset..)
        .is_some_and(|rest| rest.starts_with(signature))
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let word = bytes.get(offset..offset.checked_add(4)?)?;
    word.try_into().ok().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    let word = bytes.get(offset..offset.checked_add(8)?)?;
    word.try_into().ok().map(u64::from_le_bytes)
}

/// The name of the first entry of a zip archive.
fn first_zip_entry(bytes: &[u8]) -> Option<&[u8]> {
    if !bytes.starts_with(b"PK\x03\x04") {
        return None;
    }
    let length = usize::from(*bytes.get(26)?) | usize::from(*bytes.get(27)?) << 8;
    bytes.get(30..30 + length)
}

/// A length of eight bytes, then the JSON header.
pub(super) fn safetensors(bytes: &[u8]) -> bool {
    let plausible = u64_at(bytes, 0).is_some_and(|length| (2..=LONGEST_SAFETENSORS_HEADER).contains(&length));
    let opened = at(bytes, 8, b"{");
    let after = bytes.get(9).copied();
    plausible && opened && after.is_none_or(|byte| matches!(byte, b'"' | b'}' | b' ' | b'\n' | b'\t'))
}

pub(super) fn gguf(bytes: &[u8]) -> bool {
    // version 1 to 3 so far, of either byte order
    let version = u32_at(bytes, 4).map(|version| version.min(version.swap_bytes()));
    bytes.starts_with(b"GGUF") && version.is_some_and(|version| (1..=16).contains(&version))
}

/// The zip that `torch.save` writes since 1.6, and the pickled magic number of before.
pub(super) fn torch(bytes: &[u8]) -> bool {
    const LEGACY: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    let zipped = first_zip_entry(bytes).and_then(|name| {
        let slash = name.iter().position(|&byte| byte == b'/')?;
        let inner = &name[slash + 1..];
        let entry = TORCH_ENTRIES
            .iter()
            .find(|entry| inner == **entry || (entry.ends_with(b"/") && inner.starts_with(entry)));
        entry.map(|_| ())
    });
    zipped.is_some() || (at(bytes, 0, b"\x80") && at(bytes, 2, LEGACY))
}

pub(super) fn npz(bytes: &[u8]) -> bool {
    first_zip_entry(bytes).is_some_and(|name| name.ends_with(b".npy"))
}

/// The zip of Keras 3.
pub(super) fn keras(bytes: &[u8]) -> bool {
    first_zip_entry(bytes)
        .is_some_and(|name| matches!(name, b"metadata.json" | b"config.json" | b"model.weights.h5"))
}

/// The superblock, which may follow a user block of 512 bytes.
pub(super) fn hdf5(bytes: &[u8]) -> bool {
    const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";
    at(bytes, 0, SIGNATURE) || at(bytes, 512, SIGNATURE)
}

pub(super) fn tflite(bytes: &[u8]) -> bool {
    at(bytes, 4, b"TFL3")
}

/// Schema version 1, a graph, and first in it its description: 08 01 12 alone is ONNX as well.
pub(super) fn saved_model(bytes: &[u8]) -> bool {
    let graph = bytes.strip_prefix(b"\x08\x01\x12").and_then(after_varint);
    graph.is_some_and(|graph| graph.first() == Some(&0x0a))
}

/// A version of the format (3 to 16), then the name of the program that wrote it, or another known field.
pub(super) fn onnx(bytes: &[u8]) -> bool {
    let (Some(&[0x08, version, tag]), Some(rest)) = (bytes.first_chunk::<3>(), bytes.get(3..)) else {
        return false;
    };
    if !(3..=16).contains(&version) {
        return false;
    }
    match tag {
        // producer name
        0x12 => {
            let length = rest.first().copied().map_or(0, usize::from);
            let name = rest.get(1..1 + length).unwrap_or_default();
            (1..=64).contains(&length)
                && name.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ')
                && name.len() == length
        }
        // graph, whose first field is a node
        0x3a => after_varint(rest).is_some_and(|graph| graph.first() == Some(&0x0a)),
        _ => false,
    }
}

fn after_varint(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().take(10).position(|byte| byte & 0x80 == 0)?;
    bytes.get(end + 1..)
}

pub(super) fn npy(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x93NUMPY")
}

pub(super) fn parquet(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PAR1") || bytes.starts_with(b"PARE")
}

pub(super) fn arrow_file(bytes: &[u8]) -> bool {
    bytes.starts_with(b"ARROW1\0\0")
}

/// The mark of a message, the length of its description, and the offset of its root.
pub(super) fn arrow_stream(bytes: &[u8]) -> bool {
    let length = u32_at(bytes, 4);
    let root = u32_at(bytes, 8);
    bytes.starts_with(b"\xff\xff\xff\xff")
        && length.is_some_and(|length| length > 0 && length % 8 == 0 && length < 1 << 26)
        && root.is_some_and(|root| root > 0 && root < length.unwrap_or_default())
}

pub(super) fn feather(bytes: &[u8]) -> bool {
    bytes.starts_with(b"FEA1")
}

pub(super) fn orc(bytes: &[u8]) -> bool {
    bytes.starts_with(b"ORC")
}

pub(super) fn avro(bytes: &[u8]) -> bool {
    bytes.starts_with(b"Obj\x01")
}

pub(super) fn lmdb(bytes: &[u8]) -> bool {
    u32_at(bytes, 16) == Some(0xbeef_c0de)
}

pub(super) fn recordio(bytes: &[u8]) -> bool {
    u32_at(bytes, 0) == Some(0xced7_230a)
}

pub(super) fn jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\xff\xd8\xff")
}

pub(super) fn png(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x89PNG\r\n\x1a\n")
}

pub(super) fn gif(bytes: &[u8]) -> bool {
    bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a")
}

fn riff(bytes: &[u8], form: &[u8]) -> bool {
    bytes.starts_with(b"RIFF") && at(bytes, 8, form)
}

pub(super) fn webp(bytes: &[u8]) -> bool {
    riff(bytes, b"WEBP")
}

pub(super) fn wav(bytes: &[u8]) -> bool {
    riff(bytes, b"WAVE")
}

pub(super) fn avi(bytes: &[u8]) -> bool {
    riff(bytes, b"AVI ")
}

pub(super) fn tiff(bytes: &[u8]) -> bool {
    bytes.starts_with(b"II*\0") || bytes.starts_with(b"MM\0*")
}

pub(super) fn jpeg2000(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0\0\0\x0cjP  ")
}

pub(super) fn dicom(bytes: &[u8]) -> bool {
    at(bytes, 128, b"DICM")
}

pub(super) fn flac(bytes: &[u8]) -> bool {
    bytes.starts_with(b"fLaC")
}

pub(super) fn ogg(bytes: &[u8]) -> bool {
    bytes.starts_with(b"OggS")
}

/// A tag; a bare frame has eleven bits of sync, too few to tell it from noise.
pub(super) fn mp3(bytes: &[u8]) -> bool {
    bytes.starts_with(b"ID3")
}

pub(super) fn mp4(bytes: &[u8]) -> bool {
    at(bytes, 4, b"ftyp")
}

pub(super) fn matroska(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x1a\x45\xdf\xa3")
}

/// A tar whose first member is part of a sample.
pub(super) fn webdataset(bytes: &[u8]) -> bool {
    let name = bytes.get(..100).unwrap_or_default();
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    let base = name.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let last = base.rsplit(|&byte| byte == b'.').next().unwrap_or_default();
    let is_part = last.len() < base.len() && SAMPLE_PARTS.iter().any(|part| last.eq_ignore_ascii_case(part));
    is_part && tar(bytes)
}

/// A header block whose checksum holds: old archives have no other mark, and "ustar" alone may be text.
pub(super) fn tar(bytes: &[u8]) -> bool {
    let Some(block) = bytes.get(..512) else {
        return false;
    };
    let mut written = 0_u32;
    for &byte in block[148..156].iter().skip_while(|&&byte| byte == b' ') {
        match byte {
            b'0'..=b'7' => written = written * 8 + u32::from(byte - b'0'),
            _ => break,
        }
    }
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    let field: u32 = block[148..156].iter().map(|&byte| u32::from(byte)).sum();
    block[0] != 0 && written == sum - field + 8 * u32::from(b' ')
}

/// A length and the masked checksum of that length.
pub(super) fn tfrecord(bytes: &[u8]) -> bool {
    let (Some(length), Some(written)) = (bytes.get(..8), u32_at(bytes, 8)) else {
        return false;
    };
    let sum = crc32c::crc32c(length);
    // the mask of TFRecord: a rotation and a constant, so that sums of sums stay random
    written == sum.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The number of samples and where each starts, the first one after the table and a short description.
pub(super) fn mds(bytes: &[u8]) -> bool {
    const LONGEST_DESCRIPTION: u64 = 1 << 20;
    let Some(samples) = u32_at(bytes, 0).map(u64::from).filter(|&samples| samples > 0) else {
        return false;
    };
    let table_end = 4 + 4 * (samples + 1);
    let Some(first) = u32_at(bytes, 4).map(u64::from) else {
        return false;
    };
    let mut last = 0;
    let rises = (0..=samples)
        .map_while(|index| u32_at(bytes, 4 + 4 * index as usize))
        .all(|start| start >= std::mem::replace(&mut last, start));
    let description = usize::try_from(table_end).ok().and_then(|end| bytes.get(end));
    rises
        && (table_end..=table_end + LONGEST_DESCRIPTION).contains(&first)
        // a table longer than the first bytes is rising numbers enough
        && (description == Some(&b'{') || samples as usize >= FIRST_BYTES / 8)
}

/// The first chunk of a Riegeli/records file, which is the same in each: what ArrayRecord writes.
pub(super) fn array_record(bytes: &[u8]) -> bool {
    const BLOCK_HEADER: &[u8] = b"\x83\xaf\x70\xd1\x0d\x88\x4a\x3f\0\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0";
    at(bytes, 0, BLOCK_HEADER) && at(bytes, 24, b"\x91\xba\xc2\x3c\x92\x87\xe1\xa9")
}

/// The manifest of TensorStore's key-value store, which Orbax keeps its checkpoints in.
pub(super) fn ocdbt(bytes: &[u8]) -> bool {
    // the magic, the manifest's length, format 0
    bytes.starts_with(b"\x0c\xdb\x3a\x2a") && bytes.get(12) == Some(&0)
}

/// FFCV: version 2 (or 1), the number of fields, a page size that is a power of two, samples, and the offset of the
/// table of allocations, which follows at least one page.
pub(super) fn beton(bytes: &[u8]) -> bool {
    const MOST_FIELDS: u32 = 256;
    let (Some(head), Some(page), Some(samples), Some(table)) = (
        u32_at(bytes, 0),
        u32_at(bytes, 4),
        u64_at(bytes, 8),
        u64_at(bytes, 16),
    ) else {
        return false;
    };
    matches!(head & 0xffff, 1 | 2)
        && (1..=MOST_FIELDS).contains(&(head >> 16))
        && page.is_power_of_two()
        && page >= 1 << 12
        && (1..1 << 40).contains(&samples)
        && (u64::from(page)..1 << 50).contains(&table)
}

/// Protocol 2 to 5 and an opcode that can follow.
pub(super) fn pickle(bytes: &[u8]) -> bool {
    match bytes.first_chunk::<3>() {
        Some(&[0x80, 2 | 3, next]) => matches!(next, b'}' | b']' | b'(' | b'c' | b'X' | b'K' | b'M' | b')'),
        Some(&[0x80, 4 | 5, next]) => next == 0x95,
        _ => false,
    }
}
