//! What the kernel was told of: names, node ids, versions. Absent: I/O, time, locks.
//!
//! A node id names one version of a file for the life of the mount. When the source has another version, the id is retired
//! and the name gets a new one; `st_ino` stays that of the name's first version. fuser reports one number for both in
//! LOOKUP, so later versions are announced with attributes that expire at once: the GETATTR that follows has it right.

use std::time::{Duration, UNIX_EPOCH};

use fuser::{FileAttr, FileType, INodeNo};
use mlopt_core::{FileFacts, FileId, Version};
use rustc_hash::FxHashMap;

use crate::source::Attributes;

/// Node id of the root.
pub const ROOT: u64 = 1;
/// Directory cookies 1 and 2 are `.` and `..`.
const FIRST_COOKIE: u64 = 3;
/// st_blksize: stdio reads in such pieces, and each piece that is not in the kernel is a message [bytes].
const PREFERRED_READ_BYTES: u32 = 128 << 10;

/// One version of a file, or a directory, link or special file.
#[derive(Debug)]
pub struct Node {
    /// Directory it was last found in.
    pub parent: u64,
    /// Its name there.
    pub name: Box<[u8]>,
    /// What stat(2) shows.
    pub st_ino: u64,
    /// As the source told them.
    pub attributes: Attributes,
    /// The core's name of this version; regular files only.
    pub file: Option<FileId>,
    /// How often the kernel was told of it and did not forget.
    pub lookups: u64,
    /// The source has another version.
    pub retired: bool,
    /// How long the kernel may believe entry and attributes.
    pub timeout: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Child {
    cookie: u64,
    node: u64,
    st_ino: u64,
}

/// What became of a name that the source told of.
#[derive(Debug)]
pub struct Known {
    /// Its node id now.
    pub node: u64,
    /// Stable position in its directory.
    pub cookie: u64,
    /// Facts of a version that is new.
    pub seen: Option<(FileId, FileFacts)>,
    /// The version that it replaces.
    pub replaced: Option<FileId>,
}

/// Every node of a mount.
#[derive(Debug)]
pub struct Nodes {
    nodes: Vec<Node>,
    children: FxHashMap<(u64, Box<[u8]>), Child>,
    /// Hard links share one node, so that their bytes are held once.
    linked: FxHashMap<(u64, u64, Version), u64>,
    files: Vec<u64>,
    cookies: u64,
}

impl Nodes {
    /// Only the root is known.
    pub fn new(root: Attributes, timeout: Duration) -> Nodes {
        let node = Node {
            parent: ROOT,
            name: Box::default(),
            st_ino: ROOT,
            attributes: root,
            file: None,
            lookups: 1,
            retired: false,
            timeout,
        };
        Nodes {
            nodes: vec![node],
            children: FxHashMap::default(),
            linked: FxHashMap::default(),
            files: Vec::new(),
            cookies: FIRST_COOKIE,
        }
    }

    /// A node by its id.
    pub fn get(&self, node: u64) -> Option<&Node> {
        self.nodes.get(usize::try_from(node.checked_sub(1)?).ok()?)
    }

    /// A node by its id, to change it.
    pub fn get_mut(&mut self, node: u64) -> Option<&mut Node> {
        self.nodes.get_mut(usize::try_from(node.checked_sub(1)?).ok()?)
    }

    /// The node id of a file version.
    pub fn of_file(&self, file: FileId) -> Option<u64> {
        self.files.get(file.0 as usize).copied()
    }

    /// Number of file versions known.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// Path relative to the source's root; empty for the root.
    pub fn path(&self, node: u64) -> Vec<u8> {
        let mut names: Vec<&[u8]> = Vec::new();
        let mut at = node;
        while at != ROOT {
            let Some(found) = self.get(at) else { break };
            names.push(&found.name);
            at = found.parent;
        }
        names.reverse();
        names.join(&b'/')
    }

    /// The node at a path relative to the source's root, if the kernel was ever told of it. Names are compared, not
    /// resolved: `..` is no name, and nothing lies below a link.
    pub fn find(&self, path: &[u8]) -> Option<u64> {
        path.split(|&byte| byte == b'/').try_fold(ROOT, |parent, name| {
            let child = self.children.get(&(parent, Box::from(name)))?;
            Some(child.node)
        })
    }

    /// Path of a name in a directory.
    pub fn child_path(&self, parent: u64, name: &[u8]) -> Vec<u8> {
        let mut path = self.path(parent);
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        path
    }

    /// Take in what the source says of a name. New versions get `timeout` until the rules were asked.
    pub fn observe(&mut self, parent: u64, name: &[u8], attributes: Attributes, timeout: Duration) -> Known {
        let key = (parent, Box::from(name));
        let before = self.children.get(&key).copied();
        if let Some(child) = before
            && let Some(node) = self.get_mut(child.node)
            && !node.retired
            && same_thing(&node.attributes, &attributes)
        {
            node.attributes = attributes;
            node.parent = parent;
            node.name = key.1;
            return Known {
                node: child.node,
                cookie: child.cookie,
                seen: None,
                replaced: None,
            };
        }
        let replaced = before.and_then(|child| {
            let node = self.get_mut(child.node)?;
            let was = node.file.filter(|_| !node.retired);
            node.retired = true;
            was
        });
        let cookie = before.map_or_else(|| self.next_cookie(), |child| child.cookie);
        let link = (attributes.dev, attributes.ino, attributes.version());
        let shared = (attributes.kind() == libc::S_IFREG && attributes.nlink > 1)
            .then(|| self.linked.get(&link).copied())
            .flatten()
            .filter(|node| self.get(*node).is_some_and(|node| !node.retired));
        let (node, seen) = match shared {
            Some(node) => (node, None),
            None => self.add(
                parent,
                name,
                attributes,
                timeout,
                before.map(|child| child.st_ino),
            ),
        };
        if attributes.nlink > 1 && attributes.kind() == libc::S_IFREG {
            self.linked.insert(link, node);
        }
        let st_ino = self.get(node).map_or(node, |node| node.st_ino);
        self.children.insert(key, Child { cookie, node, st_ino });
        Known {
            node,
            cookie,
            seen,
            replaced,
        }
    }

    fn add(
        &mut self,
        parent: u64,
        name: &[u8],
        attributes: Attributes,
        timeout: Duration,
        st_ino: Option<u64>,
    ) -> (u64, Option<(FileId, FileFacts)>) {
        let node = self.nodes.len() as u64 + 1;
        let file = (attributes.kind() == libc::S_IFREG).then(|| {
            self.files.push(node);
            FileId(self.files.len() as u32 - 1)
        });
        let facts = file.map(|file| {
            let facts = FileFacts {
                path: self.child_path(parent, name),
                size: attributes.size,
                mtime_ns: attributes.mtime_ns,
                version: attributes.version(),
                format: None,
            };
            (file, facts)
        });
        self.nodes.push(Node {
            parent,
            name: name.into(),
            st_ino: st_ino.unwrap_or(node),
            attributes,
            file,
            lookups: 0,
            retired: false,
            timeout,
        });
        (node, facts)
    }

    fn next_cookie(&mut self) -> u64 {
        self.cookies += 1;
        self.cookies - 1
    }
}

impl Node {
    /// What the kernel gets; `number` is the node id in a LOOKUP and `st_ino` in a GETATTR.
    pub fn file_attr(&self, number: u64) -> FileAttr {
        let found = &self.attributes;
        let time = |ns: i64| {
            let span = Duration::from_nanos(ns.unsigned_abs());
            if ns < 0 {
                UNIX_EPOCH.checked_sub(span)
            } else {
                UNIX_EPOCH.checked_add(span)
            }
            .unwrap_or(UNIX_EPOCH)
        };
        FileAttr {
            ino: INodeNo(number),
            size: found.size,
            blocks: found.blocks,
            atime: time(found.atime_ns),
            mtime: time(found.mtime_ns),
            ctime: time(found.ctime_ns),
            crtime: UNIX_EPOCH,
            kind: file_type(found.kind()),
            perm: (found.mode & 0o7777) as u16,
            nlink: found.nlink,
            uid: found.uid,
            gid: found.gid,
            rdev: found.rdev,
            blksize: PREFERRED_READ_BYTES,
            flags: 0,
        }
    }
}

/// Whether two observations are of one version. A directory stays itself when names come and go.
fn same_thing(before: &Attributes, now: &Attributes) -> bool {
    if before.kind() != now.kind() {
        return false;
    }
    match now.kind() {
        libc::S_IFDIR => (before.dev, before.ino) == (now.dev, now.ino),
        _ => before.validator() == now.validator(),
    }
}

fn file_type(kind: u32) -> FileType {
    match kind {
        libc::S_IFDIR => FileType::Directory,
        libc::S_IFLNK => FileType::Symlink,
        libc::S_IFIFO => FileType::NamedPipe,
        libc::S_IFSOCK => FileType::Socket,
        libc::S_IFCHR => FileType::CharDevice,
        libc::S_IFBLK => FileType::BlockDevice,
        _ => FileType::RegularFile,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(ino: u64, size: u64, nlink: u32) -> Attributes {
        Attributes {
            dev: 1,
            ino,
            mode: libc::S_IFREG | 0o644,
            nlink,
            uid: 0,
            gid: 0,
            rdev: 0,
            size,
            blocks: 1,
            atime_ns: 0,
            mtime_ns: 5,
            ctime_ns: 5,
        }
    }

    fn nodes() -> Nodes {
        let root = Attributes {
            mode: libc::S_IFDIR | 0o755,
            ..attributes(1, 0, 2)
        };
        Nodes::new(root, Duration::ZERO)
    }

    #[test]
    fn a_new_version_gets_a_new_id_and_keeps_its_inode_number() {
        let mut nodes = nodes();
        let first = nodes.observe(ROOT, b"a", attributes(7, 10, 1), Duration::ZERO);
        assert_eq!(first.seen.unwrap().0, FileId(0));
        let again = nodes.observe(ROOT, b"a", attributes(7, 10, 1), Duration::ZERO);
        assert_eq!(
            (again.node, again.cookie, again.seen.is_none()),
            (first.node, first.cookie, true)
        );
        let second = nodes.observe(ROOT, b"a", attributes(7, 11, 1), Duration::ZERO);
        assert_ne!(second.node, first.node);
        assert_eq!(second.replaced, Some(FileId(0)));
        assert_eq!(second.seen.unwrap().0, FileId(1));
        assert_eq!(second.cookie, first.cookie);
        assert!(nodes.get(first.node).unwrap().retired);
        assert_eq!(
            nodes.get(second.node).unwrap().st_ino,
            nodes.get(first.node).unwrap().st_ino
        );
    }

    #[test]
    fn hard_links_share_one_node() {
        let mut nodes = nodes();
        let one = nodes.observe(ROOT, b"one", attributes(7, 10, 2), Duration::ZERO);
        let two = nodes.observe(ROOT, b"two", attributes(7, 10, 2), Duration::ZERO);
        assert_eq!(one.node, two.node);
        assert_ne!(one.cookie, two.cookie);
        assert_eq!(nodes.files(), 1);
    }

    #[test]
    fn paths_are_relative_to_the_root() {
        let mut nodes = nodes();
        let directory = Attributes {
            mode: libc::S_IFDIR,
            ..attributes(8, 0, 2)
        };
        let parent = nodes.observe(ROOT, b"d", directory, Duration::ZERO).node;
        let file = nodes.observe(parent, b"f", attributes(9, 1, 1), Duration::ZERO);
        assert_eq!(nodes.path(file.node), b"d/f");
        assert_eq!(file.seen.unwrap().1.path, b"d/f");
        assert_eq!(nodes.path(ROOT), b"");
        assert_eq!(nodes.find(b"d/f"), Some(file.node));
        for nowhere in [
            &b""[..],
            b"/",
            b"..",
            b"d/../d/f",
            b"d//f",
            b"d/f/",
            b"/d/f",
            b"d/f\0",
        ] {
            assert_eq!(nodes.find(nowhere), None, "{nowhere:?}");
        }
    }
}
