//! Descriptors of source files that were opened a moment ago, to be used again.
//!
//! Each block is a fetch of its own, and where an open takes as long as a read (an object store: 30 ms each) the streams of
//! one file opened it once per block. Owns: which descriptors are kept and for how long; one open of a file at a time.
//! Absent: opening; telling whether a file is still the same one.

use std::fs::File;
use std::sync::Arc;

use mlopt_core::Nanos;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::clock::Clock;

/// How long an open is as good as a new one. An NFS client believes attributes for 3 s after an open, FUSE for 1 s.
const FRESH_NS: u64 = 1_000_000_000;
/// Files at most; beyond it those that are not fresh go, then all.
const MOST: usize = 256;

/// An open file.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: File,
    /// Whether reads go past the page cache.
    pub(crate) is_direct: bool,
}

/// The place of one file, with when its open was done; who opens it holds the lock, others wait for what comes of it.
type Place = Arc<Mutex<Option<(Arc<Opened>, Nanos)>>>;

/// Files that are open now, by path.
#[derive(Debug)]
pub(crate) struct OpenedFiles {
    places: Mutex<FxHashMap<Vec<u8>, Place>>,
    clock: Clock,
}

impl OpenedFiles {
    /// None are open.
    pub(crate) fn new() -> OpenedFiles {
        let places = Mutex::default();
        let clock = Clock::new();
        OpenedFiles { places, clock }
    }

    /// Find a descriptor, or open the file; and whether it was found.
    pub(crate) fn get<E>(
        &self,
        path: &[u8],
        open: impl FnOnce() -> Result<Opened, E>,
    ) -> Result<(Arc<Opened>, bool), E> {
        let place = self.place(path);
        let mut place = place.lock();
        if let Some((opened, at)) = &*place
            && self.clock.now().0 < at.0 + FRESH_NS
        {
            return Ok((opened.clone(), true));
        }
        *place = None; // closed before the next open, not after it
        let opened = Arc::new(open()?);
        *place = Some((opened.clone(), self.clock.now()));
        Ok((opened, false))
    }

    fn place(&self, path: &[u8]) -> Place {
        let mut places = self.places.lock();
        if let Some(place) = places.get(path) {
            return place.clone();
        }
        let mut gone = Vec::new(); // closed when the lock is free again: to close may take as long as to open
        if places.len() >= MOST {
            let now = self.clock.now();
            gone.extend(places.extract_if(|_, place| is_idle(place, now)));
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
        let now = self.clock.now();
        let mut places = self.places.lock();
        let gone: Vec<_> = places.extract_if(|_, place| is_idle(place, now)).collect();
        drop(places);
        drop(gone);
    }
}

fn is_idle(place: &Place, now: Nanos) -> bool {
    let opened = place.try_lock();
    opened.is_some_and(|opened| opened.as_ref().is_none_or(|(_, at)| at.0 + FRESH_NS <= now.0))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn null() -> io::Result<Opened> {
        let file = File::open("/dev/null")?;
        let is_direct = false;
        Ok(Opened { file, is_direct })
    }

    #[test]
    fn many_threads_open_a_file_once() {
        let (files, opens) = (OpenedFiles::new(), AtomicUsize::new(0));
        let open = || {
            opens.fetch_add(1, Ordering::Relaxed);
            null()
        };
        let start = Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    files.get(b"a", open).unwrap()
                });
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
        let files = OpenedFiles::new();
        for number in 0..3 * MOST {
            files.get(number.to_string().as_bytes(), null).unwrap();
            assert!(files.places.lock().len() <= MOST);
        }
        for place in files.places.lock().values() {
            let now = files.clock.now();
            assert!(!is_idle(place, now));
            assert!(is_idle(place, Nanos(now.0 + FRESH_NS)));
        }
    }
}
