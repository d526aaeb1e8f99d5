//! Walk a directory tree in the order of names, without following links. Absent: what is done with what is found.

use std::ffi::OsStr;
use std::fs::{self, DirEntry, FileType};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What was found at a path.
pub enum Found {
    /// A regular file of this size [bytes].
    File(u64),
    /// A symbolic link; it is not followed.
    Symlink,
    /// A socket, pipe or device.
    Special,
    /// A directory or file that could not be looked at.
    Unreadable(io::Error),
}

/// A walk under way.
pub struct Walk {
    root: PathBuf,
    /// The one thing to give where the walk starts at no directory.
    single: Option<(Vec<u8>, Found)>,
    /// What is left of each open directory, last name first, with its path relative to the root.
    open: Vec<(Vec<u8>, Vec<DirEntry>)>,
}

impl Walk {
    /// Start at a directory, or at what lies at `start` below it; paths are relative to the root either way.
    pub fn new(root: &Path, start: &[u8]) -> io::Result<Walk> {
        let mut walk = Walk {
            root: root.to_path_buf(),
            single: None,
            open: Vec::new(),
        };
        let place = root.join(OsStr::from_bytes(start));
        let metadata = fs::symlink_metadata(&place)?;
        if start.is_empty() || metadata.is_dir() {
            walk.open.push((start.to_vec(), sorted_entries(&place)?));
        } else {
            let found = found(metadata.file_type(), || Ok(metadata.len()))?;
            walk.single = Some((start.to_vec(), found));
        }
        Ok(walk)
    }

    fn look_at(&mut self, path: &[u8], entry: &DirEntry) -> io::Result<Option<Found>> {
        let kind: FileType = entry.file_type()?;
        if kind.is_dir() {
            let entries = sorted_entries(&self.root.join(OsStr::from_bytes(path)))?;
            self.open.push((path.to_vec(), entries));
            return Ok(None);
        }
        found(kind, || Ok(entry.metadata()?.len())).map(Some)
    }
}

impl Iterator for Walk {
    /// Path relative to the root and what is there; directories are entered, not given.
    type Item = (Vec<u8>, Found);

    fn next(&mut self) -> Option<(Vec<u8>, Found)> {
        if let Some(single) = self.single.take() {
            return Some(single);
        }
        loop {
            let (folder, entries) = self.open.last_mut()?;
            let Some(entry) = entries.pop() else {
                self.open.pop();
                continue;
            };
            let mut path = folder.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(entry.file_name().as_bytes());
            match self.look_at(&path, &entry) {
                Ok(Some(found)) => return Some((path, found)),
                Ok(None) => {}
                Err(error) => return Some((path, Found::Unreadable(error))),
            }
        }
    }
}

fn found(kind: FileType, size: impl FnOnce() -> io::Result<u64>) -> io::Result<Found> {
    Ok(if kind.is_file() {
        Found::File(size()?)
    } else if kind.is_symlink() {
        Found::Symlink
    } else {
        Found::Special
    })
}

/// Entries of one directory, the last name first, so that taking from the end gives the order of names.
fn sorted_entries(directory: &Path) -> io::Result<Vec<DirEntry>> {
    let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_cached_key(|entry| std::cmp::Reverse(entry.file_name()));
    Ok(entries)
}
