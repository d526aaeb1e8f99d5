//! Timed reads of existing files past the page cache, by one or many threads. Absent: what the times mean.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Barrier;

use mlopt_core::Nanos;

use crate::buffers::{AlignedBuffer, PAGE};
use crate::clock::Clock;

/// One timed read.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// When it was issued [ns].
    pub start_ns: u64,
    /// When its bytes were there [ns].
    pub end_ns: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Files that are open for timed reads.
pub struct Prober {
    files: Vec<(File, u64)>,
    is_direct: bool,
    clock: Clock,
}

impl Prober {
    /// Open files and time each open [ns]; a file that cannot be opened is left out.
    ///
    /// # Errors
    /// When none can be opened: the last reason.
    pub fn open(paths: &[PathBuf]) -> io::Result<(Prober, Vec<u64>)> {
        let clock = Clock::new();
        let mut opens_ns = Vec::with_capacity(paths.len());
        let mut files = Vec::with_capacity(paths.len());
        let mut failure = io::Error::from(io::ErrorKind::NotFound);
        let mut is_direct = true;
        for path in paths {
            let mut begun = clock.now();
            let mut opened = open(path, is_direct);
            // File systems without O_DIRECT say EINVAL: drop pages before each read instead.
            if is_direct && matches!(&opened, Err(error) if error.raw_os_error() == Some(libc::EINVAL)) {
                is_direct = false;
                begun = clock.now();
                opened = open(path, false);
            }
            match opened {
                Ok(file) => {
                    opens_ns.push(clock.now().0 - begun.0);
                    let size = file.metadata()?.len();
                    files.push((file, size));
                }
                Err(error) => failure = error,
            }
        }
        match files.is_empty() {
            true => Err(failure),
            false => Ok((
                Prober {
                    files,
                    is_direct,
                    clock,
                },
                opens_ns,
            )),
        }
    }

    /// Whether reads go past the page cache; otherwise pages are dropped before each.
    pub fn is_direct(&self) -> bool {
        self.is_direct
    }

    /// Read pieces of one size at random places, by so many threads, for so long.
    ///
    /// # Errors
    /// When no file has so many bytes, no thread or buffer can be had, or a read fails.
    pub fn run(&self, bytes: u64, threads: usize, limit_ns: u64, seed: u64) -> io::Result<Vec<Request>> {
        let bytes = bytes.max(1).div_ceil(PAGE as u64) * PAGE as u64;
        let places: Vec<(&File, u64)> = self
            .files
            .iter()
            .filter(|(_, size)| *size >= bytes)
            .map(|(file, size)| (file, size / bytes))
            .collect();
        if places.is_empty() {
            return Err(io::Error::from_raw_os_error(libc::ENODATA));
        }
        let start = Barrier::new(threads);
        let deadline = || Nanos(self.clock.now().0 + limit_ns);
        std::thread::scope(|scope| {
            let (places, start) = (&places, &start);
            let mut running = Vec::new();
            for thread in 0..threads as u64 {
                running.push(scope.spawn(move || -> io::Result<Vec<Request>> {
                    let mut random = seed ^ (thread + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    let buffer = AlignedBuffer::new(bytes as usize);
                    start.wait();
                    let (mut buffer, deadline) = (buffer?, deadline());
                    let mut done = Vec::new();
                    while done.is_empty() || self.clock.now() < deadline {
                        let (file, pieces) = places[next(&mut random) as usize % places.len()];
                        let offset = next(&mut random) % pieces * bytes;
                        done.push(self.timed_read(file, &mut buffer, offset)?);
                    }
                    Ok(done)
                }));
            }
            let mut all = Vec::new();
            for thread in running {
                match thread.join() {
                    Ok(requests) => all.extend(requests?),
                    Err(_) => return Err(io::Error::other("a probing thread ended")),
                }
            }
            all.sort_by_key(|request| request.start_ns);
            Ok(all)
        })
    }

    fn timed_read(&self, file: &File, buffer: &mut AlignedBuffer, offset: u64) -> io::Result<Request> {
        if !self.is_direct {
            // SAFETY: only advises on an open descriptor.
            unsafe {
                libc::posix_fadvise(
                    file.as_raw_fd(),
                    offset as i64,
                    buffer.len() as i64,
                    libc::POSIX_FADV_DONTNEED,
                )
            };
        }
        let start = self.clock.now();
        // SAFETY: writes at most the buffer's length into it.
        let got = unsafe {
            libc::pread(
                file.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                offset as i64,
            )
        };
        let end = self.clock.now();
        match got {
            1.. => Ok(Request {
                start_ns: start.0,
                end_ns: end.0,
                bytes: got as u64,
            }),
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

fn open(path: &PathBuf, is_direct: bool) -> io::Result<File> {
    let direct = if is_direct { libc::O_DIRECT } else { 0 };
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NOCTTY | libc::O_NONBLOCK | direct)
        .open(path)?;
    if !is_direct {
        // SAFETY: only advises on an open descriptor. Read-ahead would blur the request sizes.
        unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_RANDOM) };
    }
    Ok(file)
}

/// SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_have_the_size_asked_for_and_end_after_they_start() {
        let path = std::env::temp_dir().join(format!("mlopt-probe-{}", std::process::id()));
        std::fs::write(&path, vec![7_u8; 300_000]).unwrap();
        let (prober, opens_ns) = Prober::open(&[path.clone(), PathBuf::from("/nonexistent")]).unwrap();
        assert_eq!(opens_ns.len(), 1);
        let requests = prober.run(65_536, 3, 1_000_000, 1).unwrap();
        assert!(requests.len() >= 3);
        assert!(
            requests
                .iter()
                .all(|request| request.bytes == 65_536 && request.end_ns > request.start_ns)
        );
        assert_eq!(
            prober.run(1 << 20, 1, 1, 1).unwrap_err().raw_os_error(),
            Some(libc::ENODATA)
        );
        std::fs::remove_file(&path).unwrap();
        assert!(Prober::open(&[path]).is_err());
    }
}
