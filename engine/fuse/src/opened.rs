//! Descriptors of source files that were opened a moment ago, to be used again.
//!
//! Each block is a fetch of its own, and where an open takes as long as a read (an object store: 30 ms each) the streams of
//! one file opened it once per block. Owns: which descriptors are kept and for how long; one open of a file at a time.
//! Absent: opening; telling whether a file is still the same one.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

/// How long an open is as good as a new one. An NFS client believes attributes for 3 s after an open, FUSE for 1 s.
const FRESH: Duration = Duration::from_secs(1);
/// Files at most; beyond it those that are not fresh go, then all.
const MOST: usize = 256;

/// An open file.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: File,
    /// Whether reads go past the page cache.
    pub(crate) is_direct: bool,
    at: Instant,
}

impl Opened {
    #[allow(clippy::disallowed_methods)] // an age is all that is asked; the driver's clock is not known here
    pub(crate) fn new(file: File, is_direct: bool) -> Opened {
        let at = Instant::now();
        Opened { file, is_direct, at }
    }

    fn is_fresh(&self) -> bool {
        self.at.elapsed() < FRESH
    }
}

/// The place of one file; who opens it holds the lock, others wait for what comes of it.
type Place = Arc<Mutex<Option<Arc<Opened>>>>;

/// Files that are open now, by path.
#[derive(Debug, Default)]
pub(crate) struct OpenedFiles {
    places: Mutex<FxHashMap<Vec<u8>, Place>>,
}

impl OpenedFiles {
    /// Find a descriptor, or open the file; and whether it was found.
    pub(crate) fn get<E>(
        &self,
        path: &[u8],
        open: impl FnOnce() -> Result<Opened, E>,
    ) -> Result<(Arc<Opened>, bool), E> {
        let place = self.place(path);
        let mut place = place.lock();
        if let Some(opened) = place.as_ref().filter(|opened| opened.is_fresh()) {
            return Ok((opened.clone(), true));
        }
        *place = None; // closed before the next open, not after it
        let opened = Arc::new(open()?);
        *place = Some(opened.clone());
        Ok((opened, false))
    }

    fn place(&self, path: &[u8]) -> Place {
        let mut places = self.places.lock();
        if let Some(place) = places.get(path) {
            return place.clone();
        }
        let mut gone = Vec::new(); // closed when the lock is free again: to close may take as long as to open
        if places.len() >= MOST {
            gone.extend(places.extract_if(is_idle));
        }
        if places.len() >= MOST {
            gone.extend(places.drain()); // who holds one still reads from it
        }
        let place = places.entry(path.to_vec()).or_default().clone();
        drop(places);
        place
    }

    /// A file is not what it was: the next read opens it anew.
    pub(crate) fn forget(&self, path: &[u8]) {
        let gone = self.places.lock().remove(path);
        drop(gone);
    }

    /// Close what nobody asked for lately: an open file keeps the bytes of a deleted one.
    pub(crate) fn close_idle(&self) {
        let gone: Vec<_> = self.places.lock().extract_if(is_idle).collect();
        drop(gone);
    }
}

fn is_idle(_: &Vec<u8>, place: &mut Place) -> bool {
    let opened = place.try_lock();
    opened.is_some_and(|opened| opened.as_ref().is_none_or(|opened| !opened.is_fresh()))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn many_threads_open_a_file_once() {
        let (files, opens) = (OpenedFiles::default(), AtomicUsize::new(0));
        let open = || -> io::Result<Opened> {
            opens.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(20));
            Ok(Opened::new(File::open("/dev/null")?, false))
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| files.get(b"a", open).unwrap());
            }
        });
        assert_eq!(opens.load(Ordering::Relaxed), 1);
        assert!(files.get(b"a", open).unwrap().1);
        files.forget(b"a");
        assert!(!files.get(b"a", open).unwrap().1);
        // an open that fails leaves nothing behind
        let failed = files.get(b"b", || Err(io::Error::from_raw_os_error(libc::EIO)));
        assert!(failed.is_err());
        assert!(!files.get(b"b", open).unwrap().1);
        assert_eq!(opens.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn the_number_of_open_files_is_bounded_and_idle_ones_are_closed() {
        let files = OpenedFiles::default();
        for number in 0..3 * MOST {
            let open = || -> io::Result<Opened> { Ok(Opened::new(File::open("/dev/null")?, false)) };
            files.get(number.to_string().as_bytes(), open).unwrap();
            assert!(files.places.lock().len() <= MOST);
        }
        for place in files.places.lock().values() {
            let mut place = place.lock();
            let opened = Arc::into_inner(place.take().unwrap()).unwrap();
            let at = opened.at - 2 * FRESH;
            *place = Some(Arc::new(Opened { at, ..opened }));
        }
        files.close_idle();
        assert_eq!(files.places.lock().len(), 0);
    }
}
