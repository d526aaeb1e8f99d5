//! Walk a directory tree with several threads, without following links. Absent: what is done with what is found, and
//! any order: who needs one sorts (`in_order`).

use std::cmp::Ordering as Order;
use std::ffi::OsStr;
use std::fs::{self, DirEntry, Metadata, ReadDir};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Names of a directory that one thread takes at a time: few enough to stop soon on a slow storage, and enough to
/// hide what taking them costs (20 us of looking at files for .2 us).
const NAMES_AT_ONCE: usize = 64;

/// What was found at a path.
pub enum Found {
    /// A regular file.
    File(Stat),
    /// A symbolic link; it is not followed.
    Symlink,
    /// A socket, pipe or device.
    Special,
    /// A directory or file that could not be looked at.
    Unreadable(io::Error),
}

/// What the file system says of a file.
#[derive(Debug, Clone, Copy)]
pub struct Stat {
    /// Size [bytes].
    pub size: u64,
    /// Modification time since the Unix epoch [ns], 0 when unknown.
    pub mtime_ns: i64,
}

/// Takes what one thread finds.
pub trait Visit: Send {
    /// A path relative to the root, in a buffer that the walk goes on with.
    fn visit(&mut self, path: &[u8], found: Found);
}

/// Where the walk of one piece of the tree begins.
enum Piece {
    /// A directory to be listed.
    Folder(Vec<u8>),
    /// The rest of a directory: names that nobody works on stay with the kernel, however many there are.
    Rest(Vec<u8>, ReadDir),
    /// One thing at a path.
    Single(Vec<u8>),
    /// Files that somebody else listed.
    Listed(Vec<(Vec<u8>, Stat)>),
}

#[derive(Default)]
struct Pieces {
    open: Vec<Piece>,
    /// Threads that work on a piece and may open others.
    busy: usize,
}

/// A walk under way.
pub struct Walk {
    root: PathBuf,
    pieces: Mutex<Pieces>,
    news: Condvar,
}

impl Walk {
    /// Start at what lies at each of `starts` below the root, the root itself being "": a directory or a single
    /// file. Paths are relative to the root.
    pub fn new(root: &Path, starts: &[PathBuf]) -> io::Result<Walk> {
        let pieces = starts.iter().map(|start| {
            let place = root.join(start);
            let path = start.as_os_str().as_bytes().to_vec();
            // a link stays a link, but for the root itself
            let metadata = match path.is_empty() {
                true => fs::metadata(&place)?,
                false => fs::symlink_metadata(&place)?,
            };
            if !path.is_empty() && !metadata.is_dir() {
                return Ok(Piece::Single(path));
            }
            fs::read_dir(&place)?; // say at once what cannot be listed
            Ok(Piece::Folder(path))
        });
        Ok(Walk::over(root, pieces.collect::<io::Result<_>>()?))
    }

    /// Give files that are already known.
    pub fn listed(files: Vec<(Vec<u8>, Stat)>) -> Walk {
        let mut open = Vec::new();
        let mut files = files.into_iter().peekable();
        while files.peek().is_some() {
            open.push(Piece::Listed(files.by_ref().take(NAMES_AT_ONCE).collect()));
        }
        Walk::over(Path::new(""), open)
    }

    fn over(root: &Path, open: Vec<Piece>) -> Walk {
        Walk {
            root: root.to_path_buf(),
            pieces: Mutex::new(Pieces { open, busy: 0 }),
            news: Condvar::new(),
        }
    }

    /// Let a thread for each visitor work until about so many paths were given; the number of them, 0 at the end.
    pub fn advance<V: Visit>(&self, visitors: &mut [V], paths: usize) -> usize {
        let given = AtomicUsize::new(0);
        thread::scope(|scope| {
            for visitor in visitors {
                scope.spawn(|| self.work(visitor, &given, paths));
            }
        });
        given.into_inner()
    }

    fn lock(&self) -> MutexGuard<'_, Pieces> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, visitor: &mut impl Visit, given: &AtomicUsize, enough: usize) {
        while given.load(Ordering::Relaxed) < enough
            && let Some(piece) = self.take()
        {
            given.fetch_add(self.walk(piece, visitor), Ordering::Relaxed);
            self.lock().busy -= 1;
            self.news.notify_all();
        }
    }

    /// Take a piece; none when nothing is left and nobody works who could open another.
    fn take(&self) -> Option<Piece> {
        let mut pieces = self.lock();
        loop {
            if let Some(piece) = pieces.open.pop() {
                pieces.busy += 1;
                return Some(piece);
            }
            if pieces.busy == 0 {
                return None;
            }
            pieces = self.news.wait(pieces).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn add(&self, piece: Piece) {
        self.lock().open.push(piece);
        self.news.notify_one();
    }

    /// Walk one piece; returns how many paths were given.
    fn walk(&self, piece: Piece, visitor: &mut impl Visit) -> usize {
        match piece {
            Piece::Folder(folder) => match fs::read_dir(self.root.join(OsStr::from_bytes(&folder))) {
                Ok(listing) => self.list(folder, listing, visitor),
                Err(error) => {
                    visitor.visit(&folder, Found::Unreadable(error));
                    1
                }
            },
            Piece::Rest(folder, listing) => self.list(folder, listing, visitor),
            Piece::Single(path) => {
                let found = fs::symlink_metadata(self.root.join(OsStr::from_bytes(&path)));
                visitor.visit(
                    &path,
                    found.map_or_else(Found::Unreadable, |data| classify(&data)),
                );
                1
            }
            Piece::Listed(files) => {
                for (path, stat) in &files {
                    visitor.visit(path, Found::File(*stat));
                }
                files.len()
            }
        }
    }

    /// Take some names of a directory, leave the rest to whoever comes next, and look at those.
    fn list(&self, folder: Vec<u8>, mut listing: ReadDir, visitor: &mut impl Visit) -> usize {
        let mut given = 0;
        let mut names = Vec::with_capacity(NAMES_AT_ONCE);
        for entry in listing.by_ref().take(NAMES_AT_ONCE) {
            match entry {
                Ok(entry) => names.push(entry),
                Err(error) => {
                    visitor.visit(&folder, Found::Unreadable(error));
                    given += 1;
                }
            }
        }
        if names.len() + given == NAMES_AT_ONCE {
            self.add(Piece::Rest(folder.clone(), listing));
        }
        given + self.look_at_all(&folder, &names, visitor)
    }

    fn look_at_all(&self, folder: &[u8], names: &[DirEntry], visitor: &mut impl Visit) -> usize {
        let mut path = folder.to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        let stem = path.len();
        let mut given = 0;
        for entry in names {
            path.truncate(stem);
            path.extend_from_slice(entry.file_name().as_bytes());
            let found = match entry.file_type() {
                Ok(kind) if kind.is_dir() => {
                    self.add(Piece::Folder(path.clone()));
                    continue;
                }
                Ok(kind) if kind.is_symlink() => Found::Symlink,
                Ok(kind) if !kind.is_file() => Found::Special,
                Ok(_) => entry
                    .metadata()
                    .map_or_else(Found::Unreadable, |data| classify(&data)),
                Err(error) => Found::Unreadable(error),
            };
            visitor.visit(&path, found);
            given += 1;
        }
        given
    }
}

fn classify(metadata: &Metadata) -> Found {
    let kind = metadata.file_type();
    if kind.is_file() {
        Found::File(Stat {
            size: metadata.len(),
            mtime_ns: metadata
                .mtime()
                .saturating_mul(1_000_000_000)
                .saturating_add(metadata.mtime_nsec()),
        })
    } else if kind.is_symlink() {
        Found::Symlink
    } else {
        Found::Special
    }
}

/// The order of a walk that goes through each directory by name: component by component.
pub fn in_order(a: &[u8], b: &[u8]) -> Order {
    let shared = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    // a folder ends where a longer name goes on: the slash comes before any other byte
    let rank = |path: &[u8]| {
        path.get(shared)
            .map(|&byte| if byte == b'/' { 0 } else { u16::from(byte) + 1 })
    };
    rank(a).cmp(&rank(b))
}
