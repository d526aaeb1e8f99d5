//! Owns: dense numbers for paths and what calls told about each file. Absent: the file system itself.

use memchr::memmem;
use rustc_hash::FxHashMap;

use crate::rows::UNKNOWN;

/// What kind of thing a path names, as far as calls told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Nothing told yet.
    #[default]
    Unknown,
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A pipe, socket or device.
    Special,
    /// Every call on it failed with ENOENT.
    Absent,
}

impl Kind {
    /// The name as the trace stores it, None for unknown.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Unknown => None,
            Self::File => Some("file"),
            Self::Directory => Some("directory"),
            Self::Link => Some("link"),
            Self::Special => Some("special"),
            Self::Absent => Some("absent"),
        }
    }

    /// From the word after `st_mode=`.
    pub fn from_mode(mode: &[u8]) -> Self {
        match mode {
            m if m.starts_with(b"S_IFREG") => Self::File,
            m if m.starts_with(b"S_IFDIR") => Self::Directory,
            m if m.starts_with(b"S_IFLNK") => Self::Link,
            m if m.starts_with(b"S_IF") => Self::Special,
            _ => Self::Unknown,
        }
    }
}

/// What is known of one path.
#[derive(Clone, Debug)]
pub struct File {
    /// Absolute, bytes as they are.
    pub path: Box<[u8]>,
    /// Kind.
    pub kind: Kind,
    /// Size at the first sight [bytes], or UNKNOWN.
    pub size_first: i64,
    /// Size at the last sight [bytes], or UNKNOWN.
    pub size_last: i64,
    /// End of the furthest byte read [bytes].
    pub extent_read: i64,
    /// Whether a read met the end of the file, so that `extent_read` is its size.
    pub end_seen: bool,
}

/// Numbers paths by first appearance.
#[derive(Default)]
pub struct Files {
    ids: FxHashMap<Box<[u8]>, u32>,
    /// All files, by number.
    pub all: Vec<File>,
}

impl Files {
    /// The number of a path, new if unseen.
    pub fn id(&mut self, path: &[u8]) -> u32 {
        if let Some(&id) = self.ids.get(path) {
            return id;
        }
        let id = self.all.len() as u32;
        let path: Box<[u8]> = path.into();
        self.ids.insert(path.clone(), id);
        self.all.push(File {
            path,
            kind: Kind::Unknown,
            size_first: UNKNOWN,
            size_last: UNKNOWN,
            extent_read: 0,
            end_seen: false,
        });
        id
    }

    /// A stat told kind and size.
    pub fn saw(&mut self, id: u32, kind: Kind, size: Option<i64>) {
        let file = &mut self.all[id as usize];
        if kind != Kind::Unknown {
            file.kind = kind;
        }
        if let Some(size) = size {
            if file.size_first == UNKNOWN {
                file.size_first = size;
            }
            file.size_last = size;
        }
    }

    /// A read returned `got` of `asked` bytes at `offset`.
    pub fn was_read(&mut self, id: u32, offset: i64, got: i64) {
        let file = &mut self.all[id as usize];
        if got > 0 {
            file.extent_read = file.extent_read.max(offset + got);
        } else if offset >= file.extent_read {
            file.extent_read = offset;
            file.end_seen = true;
        }
    }
}

/// Write `path`, taken relative to `base`, into `out` without doubled slashes, `.` or `..`.
///
/// Lexical: a `..` after a symbolic link to a directory names the link's parent, where the kernel means the target's.
pub fn absolute(base: &[u8], path: &[u8], out: &mut Vec<u8>) {
    out.clear();
    if path.first() == Some(&b'/') {
        if memmem::find(path, b"/.").is_none() && memmem::find(path, b"//").is_none() {
            out.extend_from_slice(path);
            if out.len() > 1 && out.last() == Some(&b'/') {
                out.pop();
            }
            return;
        }
    } else {
        out.extend_from_slice(base);
        if out == b"/" {
            out.clear();
        }
    }
    for part in path.split(|&c| c == b'/') {
        match part {
            b"" | b"." => {}
            b".." => out.truncate(memchr::memrchr(b'/', out).unwrap_or(0)),
            name => {
                out.push(b'/');
                out.extend_from_slice(name);
            }
        }
    }
    if out.is_empty() {
        out.push(b'/');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base: &str, path: &str, expected: &str) {
        let mut out = Vec::new();
        absolute(base.as_bytes(), path.as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{base} + {path}");
    }

    #[test]
    fn paths_become_absolute_and_clean() {
        check("/a", "b", "/a/b");
        check("/", "b", "/b");
        check("/a/b", "../c/./d//e/", "/a/c/d/e");
        check("/a", "/x//y", "/x/y");
        check("/a", "/x/", "/x");
        check("/a", "/x/.hidden", "/x/.hidden");
        check("/a", "../../..", "/");
        check("/a", "/", "/");
        check("/a", ".", "/a");
    }
}
