//! Our own mounting: /dev/fuse, mount(2), umount2(2), and who owns what. Absent: the FUSE protocol (fuser's), and any
//! system call on the mounted tree: whoever serves a mount must never wait for it, so a mount is recognised by
//! /proc/self/mountinfo alone.
//!
//! fuser's own mounting is not used: its release 0.18.0 may unmount a stranger's newer mount at the same path and
//! hangs with `AutoUnmount`. The order is: [`KernelMount::new`], then `Session::from_fd` with
//! [`KernelMount::take_fd`], at the end [`KernelMount::unmount`], after which the session's threads end and join.

use std::ffi::{CString, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crossbeam_channel::bounded;
use thiserror::Error;

/// What the kernel shows as the type of each of our mounts.
pub const FILESYSTEM_TYPE: &str = "fuse.mlopt";
const DEVICE: &str = "/dev/fuse";
const MOUNTINFO: &str = "/proc/self/mountinfo";
const HELPER: &str = "fusermount3";
/// A dead mount answers at once; a live one that does not answer within this time is busy, not dead.
const DEAD_CHECK: Duration = Duration::from_secs(2);

/// Why a mount or unmount did not happen.
#[derive(Debug, Error)]
pub enum MountError {
    /// The kernel has no FUSE, or the container hides its device.
    #[error(
        "/dev/fuse is missing: load the kernel module with 'modprobe fuse', or give the container the device"
    )]
    NoDevice,
    /// The device exists but may not be opened.
    #[error(
        "/dev/fuse may not be opened by this user: run as root or make the device accessible (mode 0666)"
    )]
    DeviceForbidden,
    /// mount(2) is not permitted and the helper did not do it either.
    #[error("mounting is not permitted: run as root or install fusermount3 (package fuse3); {0}")]
    NotPermitted(String),
    /// The helper lets other users in only where its settings say so.
    #[error(
        "an ordinary user may not let others in here: add the line user_allow_other to /etc/fuse.conf, or leave out \
         --allow-other"
    )]
    OthersForbidden,
    /// The mountpoint is missing, no directory or otherwise unusable.
    #[error("{}: not usable as a mountpoint: {source}", path.display())]
    BadMountpoint {
        /// The mountpoint.
        path: PathBuf,
        /// The kernel's reason.
        source: io::Error,
    },
    /// A live mount of ours is there already.
    #[error("{}: a live mount of mlopt is there already", .0.display())]
    Taken(PathBuf),
    /// Something else is mounted there now, or nothing.
    #[error("{}: our mount is not there any more", .0.display())]
    NotOurs(PathBuf),
    /// Files below it are open, or a process lives there.
    #[error("{}: the mount is busy", .0.display())]
    Busy(PathBuf),
    /// Any other failed call.
    #[error("{what}: {source}")]
    System {
        /// Which call.
        what: &'static str,
        /// The kernel's reason.
        source: io::Error,
    },
}

impl MountError {
    /// The errno that says the same, for callers that know errors by number.
    pub fn errno(&self) -> i32 {
        match self {
            MountError::NoDevice => libc::ENODEV,
            MountError::DeviceForbidden => libc::EACCES,
            MountError::NotPermitted(_) | MountError::OthersForbidden => libc::EPERM,
            MountError::Taken(_) => libc::EEXIST,
            MountError::NotOurs(_) => libc::EINVAL,
            MountError::Busy(_) => libc::EBUSY,
            MountError::BadMountpoint { source, .. } | MountError::System { source, .. } => {
                source.raw_os_error().unwrap_or(libc::EIO)
            }
        }
    }
}

/// What to mount and where.
#[derive(Debug, Clone)]
pub struct MountSpec {
    /// An existing directory.
    pub mountpoint: PathBuf,
    /// What the kernel shows as the source of the mount; any bytes but NUL.
    pub fsname: OsString,
    /// Mount with MS_RDONLY: without it each file read costs a GETATTR for its access time.
    pub read_only: bool,
    /// Let other users in.
    pub allow_other: bool,
    /// Let the kernel compare owner, group and mode with who asks. Not in a user namespace of one id, where each foreign
    /// group is nobody's and files of the user's other groups would be refused: all who get in there have the daemon's
    /// rights, and the source decides.
    pub check_permissions: bool,
}

/// One line of /proc/self/mountinfo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountEntry {
    /// Number of the mount, unique while it exists.
    pub mount_id: u64,
    /// Number of the mount that it is mounted on.
    pub parent_id: u64,
    /// Device, major part.
    pub major: u32,
    /// Device, minor part.
    pub minor: u32,
    /// Where.
    pub mountpoint: PathBuf,
    /// Type, as `fuse.mlopt`.
    pub filesystem_type: String,
    /// Source, for our mounts the fsname.
    pub fsname: OsString,
}

impl MountEntry {
    /// Whether one of our processes made it.
    pub fn is_ours(&self) -> bool {
        self.filesystem_type == FILESYSTEM_TYPE
    }

    fn same_mount(&self, other: &MountEntry) -> bool {
        (self.mount_id, self.major, self.minor) == (other.mount_id, other.major, other.minor)
    }
}

/// Owner of one mount. Dropping it unmounts lazily, so that no error path leaves a corpse.
#[derive(Debug)]
pub struct KernelMount {
    fd: Option<OwnedFd>,
    entry: MountEntry,
    by_helper: bool,
    mounted: bool,
}

impl KernelMount {
    /// Mount. The kernel queues its INIT message; nothing waits for an answer yet.
    ///
    /// # Errors
    /// When the device, the permission or the mountpoint is missing.
    pub fn new(spec: &MountSpec) -> Result<KernelMount, MountError> {
        let mountpoint = resolve(&spec.mountpoint).map_err(|source| MountError::BadMountpoint {
            path: spec.mountpoint.clone(),
            source,
        })?;
        let (fd, by_helper) = match open_device().and_then(|fd| {
            mount_directly(&fd, &mountpoint, spec)?;
            Ok(fd)
        }) {
            Ok(fd) => (fd, false),
            Err(error @ (MountError::DeviceForbidden | MountError::NotPermitted(_))) => (
                mount_by_helper(&mountpoint, spec).map_err(|why| first(error, why))?,
                true,
            ),
            Err(error) => return Err(error),
        };
        let entry = match topmost(&mountpoint) {
            Ok(Some(entry)) if entry.is_ours() => entry,
            Ok(_) => return Err(MountError::NotOurs(mountpoint)),
            Err(source) => {
                return Err(MountError::System {
                    what: MOUNTINFO,
                    source,
                });
            }
        };
        Ok(KernelMount {
            fd: Some(fd),
            entry,
            by_helper,
            mounted: true,
        })
    }

    /// The connection, for `Session::from_fd`; the first call gets it.
    pub fn take_fd(&mut self) -> Option<OwnedFd> {
        self.fd.take()
    }

    /// Which mount it is.
    pub fn entry(&self) -> &MountEntry {
        &self.entry
    }

    /// Where it is mounted, without symbolic links.
    pub fn mountpoint(&self) -> &Path {
        &self.entry.mountpoint
    }

    /// Let the kernel read ahead this far: READs grow to 1 MiB only if it is 1024 or more [KiB].
    ///
    /// # Errors
    /// When sysfs may not be written: in a user namespace it stays at 128 KiB, which costs speed only.
    pub fn set_read_ahead_kib(&self, kib: u32) -> io::Result<()> {
        let MountEntry { major, minor, .. } = self.entry;
        fs::write(
            format!("/sys/class/bdi/{major}:{minor}/read_ahead_kb"),
            kib.to_string(),
        )
    }

    /// Unmount, unless something else is mounted there now.
    ///
    /// # Errors
    /// [`MountError::Busy`] when not lazy and in use; the mount then stays ours and alive.
    pub fn unmount(&mut self, lazy: bool) -> Result<(), MountError> {
        if !self.mounted {
            return Ok(());
        }
        let result = unmount_entry(&self.entry, lazy, self.by_helper);
        if !matches!(result, Err(MountError::Busy(_))) {
            self.mounted = false;
        }
        result
    }
}

impl Drop for KernelMount {
    fn drop(&mut self) {
        let _ = self.unmount(true);
    }
}

/// What is mounted on exactly this path, the topmost of several; from the mount table only.
///
/// # Errors
/// When the mount table cannot be read.
pub fn topmost(mountpoint: &Path) -> io::Result<Option<MountEntry>> {
    let entries: Vec<MountEntry> = mounts()?
        .into_iter()
        .filter(|entry| entry.mountpoint == mountpoint)
        .collect();
    let covered = |entry: &MountEntry| entries.iter().any(|above| above.parent_id == entry.mount_id);
    Ok(entries.iter().find(|entry| !covered(entry)).cloned())
}

/// Every mount of this namespace.
///
/// # Errors
/// When the mount table cannot be read.
pub fn mounts() -> io::Result<Vec<MountEntry>> {
    Ok(fs::read(MOUNTINFO)?
        .split(|byte| *byte == b'\n')
        .filter_map(parse_entry)
        .collect())
}

/// Unmount whatever mount of ours this entry describes, if it is still the topmost at its path.
///
/// # Errors
/// [`MountError::NotOurs`] when another mount is there now or it is of another type, [`MountError::Busy`] when in use.
pub fn unmount(entry: &MountEntry, lazy: bool) -> Result<(), MountError> {
    unmount_entry(entry, lazy, false)
}

/// Whether the daemon behind a mount of ours is gone (ENOTCONN). Waits two seconds at most.
pub fn is_dead(entry: &MountEntry) -> bool {
    if !entry.is_ours() {
        return false;
    }
    // A mount that is alive but stuck would hold us for ever: a thread asks, and only its answer counts.
    let (answer, asked) = bounded(1);
    let path = entry.mountpoint.clone();
    let asker = std::thread::Builder::new().spawn(move || {
        let dead =
            fs::symlink_metadata(path).is_err_and(|error| error.raw_os_error() == Some(libc::ENOTCONN));
        let _ = answer.send(dead);
    });
    asker.is_ok() && asked.recv_timeout(DEAD_CHECK).unwrap_or(false)
}

/// Clear a dead mount of ours from a mountpoint; false when there is none. Never touches a live one.
///
/// # Errors
/// When the mount table cannot be read or the unmount fails.
pub fn clear_dead(mountpoint: &Path) -> Result<bool, MountError> {
    let path = resolve(mountpoint).map_err(|source| MountError::BadMountpoint {
        path: mountpoint.to_owned(),
        source,
    })?;
    let found = topmost(&path).map_err(|source| MountError::System {
        what: MOUNTINFO,
        source,
    })?;
    match found {
        Some(entry) if is_dead(&entry) => unmount(&entry, true).map(|()| true),
        _ => Ok(false),
    }
}

/// Make room at a mountpoint: clear a dead mount of ours, refuse a live one.
///
/// # Errors
/// [`MountError::Taken`] when a live mount of ours is there.
pub fn vacate(mountpoint: &Path) -> Result<(), MountError> {
    clear_dead(mountpoint)?;
    match resolve(mountpoint).and_then(|path| topmost(&path)) {
        Ok(Some(entry)) if entry.is_ours() => Err(MountError::Taken(entry.mountpoint)),
        _ => Ok(()), // what else is wrong with the path, mounting will say
    }
}

/// The path as the mount table spells it, without a system call on what is mounted there if that is dead.
///
/// # Errors
/// When its parent does not exist.
pub fn resolve(mountpoint: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(mountpoint) {
        Err(error) if error.raw_os_error() == Some(libc::ENOTCONN) => {
            let absolute = std::path::absolute(mountpoint)?;
            match (absolute.parent(), absolute.file_name()) {
                (Some(parent), Some(name)) => Ok(fs::canonicalize(parent)?.join(name)),
                _ => Err(error),
            }
        }
        result => result,
    }
}

fn open_device() -> Result<OwnedFd, MountError> {
    let opened = fs::OpenOptions::new().read(true).write(true).open(DEVICE); // std sets O_CLOEXEC
    opened
        .map(OwnedFd::from)
        .map_err(|source| match source.raw_os_error() {
            Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => MountError::NoDevice,
            Some(libc::EACCES | libc::EPERM) => MountError::DeviceForbidden,
            _ => MountError::System { what: DEVICE, source },
        })
}

fn mount_directly(fd: &OwnedFd, mountpoint: &Path, spec: &MountSpec) -> Result<(), MountError> {
    // SAFETY: both calls only return numbers.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    // The name travels as mount(2)'s source, not among the options: commas in it are harmless.
    let mut options = format!(
        "fd={},rootmode=40000,user_id={uid},group_id={gid}",
        fd.as_raw_fd()
    );
    if spec.check_permissions {
        options.push_str(",default_permissions");
    }
    if spec.allow_other {
        options.push_str(",allow_other");
    }
    let mut flags = libc::MS_NOSUID | libc::MS_NODEV;
    if spec.read_only {
        flags |= libc::MS_RDONLY;
    }
    let source = c_string(spec.fsname.as_bytes())?;
    let target = c_string(mountpoint.as_os_str().as_bytes())?;
    let kind = c_string(FILESYSTEM_TYPE.as_bytes())?;
    let data = c_string(options.as_bytes())?;
    // SAFETY: four NUL-terminated strings that outlive the call.
    let status = unsafe {
        libc::mount(
            source.as_ptr(),
            target.as_ptr(),
            kind.as_ptr(),
            flags,
            data.as_ptr().cast(),
        )
    };
    if status == 0 {
        return Ok(());
    }
    let source = io::Error::last_os_error();
    Err(match source.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => MountError::NotPermitted(source.to_string()),
        Some(libc::ENODEV) => MountError::NoDevice,
        _ => MountError::BadMountpoint {
            path: mountpoint.to_owned(),
            source,
        },
    })
}

/// Let the set-user-id helper of the distribution mount for us; it hands the connection back over a socket.
fn mount_by_helper(mountpoint: &Path, spec: &MountSpec) -> Result<OwnedFd, String> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(|error| error.to_string())?;
    let mut options = OsString::from("subtype=mlopt,nosuid,nodev,fsname=");
    options.push(escaped(&spec.fsname));
    if spec.check_permissions {
        options.push(",default_permissions");
    }
    if spec.allow_other {
        options.push(",allow_other");
    }
    if spec.read_only {
        options.push(",ro");
    }
    let inherited = theirs.as_raw_fd();
    let mut command = Command::new(HELPER);
    command
        .arg("-o")
        .arg(options)
        .arg("--")
        .arg(mountpoint)
        .env("_FUSE_COMMFD", inherited.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    // SAFETY: fcntl is async-signal-safe and touches the child's own descriptor table only.
    unsafe {
        command.pre_exec(move || match libc::fcntl(inherited, libc::F_SETFD, 0) {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
    let child = command.spawn().map_err(|error| format!("{HELPER}: {error}"))?;
    drop(theirs);
    let fd = receive_fd(ours.as_raw_fd());
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    match fd {
        Some(fd) if output.status.success() => Ok(fd),
        _ => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// One descriptor from a message of the helper (SCM_RIGHTS); None when it closed the socket without one.
fn receive_fd(socket: i32) -> Option<OwnedFd> {
    let mut byte = 0_u8;
    let mut part = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    let mut control = [0_u64; 8]; // room and alignment for one descriptor's header (24 bytes)
    // SAFETY: all-zero is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: the message points to live buffers of the stated sizes; a descriptor is read only from a header that
    // the kernel wrote, and is owned by nobody else.
    unsafe {
        if libc::recvmsg(socket, &raw mut message, libc::MSG_CMSG_CLOEXEC) <= 0 {
            return None;
        }
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if header.is_null() || (*header).cmsg_type != libc::SCM_RIGHTS {
            return None;
        }
        let fd = std::ptr::read_unaligned(libc::CMSG_DATA(header).cast::<i32>());
        Some(OwnedFd::from_raw_fd(fd))
    }
}

fn unmount_entry(entry: &MountEntry, lazy: bool, by_helper: bool) -> Result<(), MountError> {
    let now = topmost(&entry.mountpoint).map_err(|source| MountError::System {
        what: MOUNTINFO,
        source,
    })?;
    if !now.is_some_and(|now| now.is_ours() && now.same_mount(entry)) {
        return Err(MountError::NotOurs(entry.mountpoint.clone()));
    }
    if by_helper {
        return unmount_by_helper(&entry.mountpoint, lazy);
    }
    let target = c_string(entry.mountpoint.as_os_str().as_bytes())?;
    let flags = if lazy { libc::MNT_DETACH } else { 0 } | libc::UMOUNT_NOFOLLOW;
    // SAFETY: a NUL-terminated string that outlives the call.
    if unsafe { libc::umount2(target.as_ptr(), flags) } == 0 {
        return Ok(());
    }
    let source = io::Error::last_os_error();
    match source.raw_os_error() {
        Some(libc::EBUSY) => Err(MountError::Busy(entry.mountpoint.clone())),
        Some(libc::EPERM) => unmount_by_helper(&entry.mountpoint, lazy),
        _ => Err(MountError::System {
            what: "umount2",
            source,
        }),
    }
}

fn unmount_by_helper(mountpoint: &Path, lazy: bool) -> Result<(), MountError> {
    let output = Command::new(HELPER)
        .arg(if lazy { "-uz" } else { "-u" })
        .arg("--")
        .arg(mountpoint)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| MountError::NotPermitted(format!("{HELPER}: {error}")))?;
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(()),
        false if said.contains("busy") => Err(MountError::Busy(mountpoint.to_owned())),
        false => Err(MountError::NotPermitted(said.trim().to_owned())),
    }
}

/// The first failure tells the user more than the helper's, unless the helper was there and refused.
fn first(error: MountError, helper: String) -> MountError {
    match error {
        MountError::NotPermitted(_) if helper.contains("user_allow_other") => MountError::OthersForbidden,
        MountError::NotPermitted(why) => MountError::NotPermitted(format!("{why}; {helper}")),
        other => other,
    }
}

fn c_string(bytes: &[u8]) -> Result<CString, MountError> {
    CString::new(bytes).map_err(|error| MountError::System {
        what: "a path with a NUL byte",
        source: error.into(),
    })
}

/// For the helper's option list, where a comma ends the value.
fn escaped(name: &OsString) -> OsString {
    let bytes = name.as_bytes().iter().flat_map(|byte| match byte {
        b',' | b'\\' => vec![b'\\', *byte],
        _ => vec![*byte],
    });
    OsString::from_vec(bytes.collect())
}

/// `36 35 98:0 /root /point rw shared:1 - type source options`, with octal escapes in paths.
fn parse_entry(line: &[u8]) -> Option<MountEntry> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let dash = fields.iter().position(|field| *field == b"-")?;
    let text = |index: usize| std::str::from_utf8(fields.get(index)?).ok();
    let (major, minor) = text(2)?.split_once(':')?;
    Some(MountEntry {
        mount_id: text(0)?.parse().ok()?,
        parent_id: text(1)?.parse().ok()?,
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
        mountpoint: PathBuf::from(OsString::from_vec(unescaped(fields.get(4)?))),
        filesystem_type: text(dash + 1)?.to_owned(),
        fsname: OsString::from_vec(unescaped(fields.get(dash + 2)?)),
    })
}

fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((head, tail)) = rest.split_first() {
        let octal = (*head == b'\\').then(|| tail.get(..3)).flatten();
        let code = octal
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                bytes.push(code);
                rest = &tail[3..];
            }
            None => {
                bytes.push(*head);
                rest = tail;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_mount_table_is_read_with_its_escapes() {
        let line = br"36 35 0:98 / /mnt/a\040b\134c ro,nosuid shared:1 master:2 - fuse.mlopt mlopt:a\040,b ro,user_id=0";
        let entry = parse_entry(line).unwrap();
        assert_eq!(
            (entry.mount_id, entry.parent_id, entry.major, entry.minor),
            (36, 35, 0, 98)
        );
        assert_eq!(entry.mountpoint, PathBuf::from(r"/mnt/a b\c"));
        assert_eq!(entry.fsname, OsString::from("mlopt:a ,b"));
        assert!(entry.is_ours());
        assert_eq!(parse_entry(b""), None);
        assert_eq!(parse_entry(b"36 35 0:98 / /mnt rw"), None);
    }

    #[test]
    fn the_helpers_options_are_safe_against_commas() {
        assert_eq!(escaped(&OsString::from(r"a,b\c")), OsString::from(r"a\,b\\c"));
    }

    #[test]
    fn a_missing_mountpoint_is_named() {
        let spec = MountSpec {
            mountpoint: PathBuf::from("/nonexistent/mountpoint"),
            fsname: OsString::from("mlopt:test"),
            read_only: true,
            allow_other: false,
            check_permissions: true,
        };
        let error = KernelMount::new(&spec).unwrap_err();
        assert!(matches!(&error, MountError::BadMountpoint { .. }), "{error}");
        assert!(error.to_string().contains("/nonexistent/mountpoint"));
        assert_eq!(error.errno(), libc::ENOENT);
    }

    #[test]
    fn a_foreign_mount_is_neither_dead_nor_unmounted() {
        let root = topmost(Path::new("/")).unwrap().unwrap();
        assert!(!is_dead(&root));
        assert!(matches!(unmount(&root, true), Err(MountError::NotOurs(_))));
        assert!(!clear_dead(Path::new("/")).unwrap());
    }

    #[test]
    fn our_mount_is_found_by_its_id_and_dies_with_its_connection() {
        let directory = std::env::temp_dir().join(format!("mlopt-kernel-mount-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let spec = MountSpec {
            mountpoint: directory.clone(),
            fsname: OsString::from("mlopt:a,b c"),
            read_only: true,
            allow_other: true,
            check_permissions: true,
        };
        let mut mount = match KernelMount::new(&spec) {
            Ok(mount) => mount,
            Err(error) => {
                fs::remove_dir(&directory).unwrap();
                eprintln!("skipped: {error}");
                return;
            }
        };
        let entry = mount.entry().clone();
        assert_eq!(entry.fsname, OsString::from("mlopt:a,b c"));
        assert!(matches!(
            unmount(
                &MountEntry {
                    mount_id: entry.mount_id + 1,
                    ..entry.clone()
                },
                true
            ),
            Err(MountError::NotOurs(_))
        ));
        drop(mount.take_fd()); // the daemon dies
        assert!(is_dead(&entry));
        assert!(clear_dead(&directory).unwrap());
        assert!(matches!(mount.unmount(true), Err(MountError::NotOurs(_))));
        fs::remove_dir(&directory).unwrap();
    }
}
