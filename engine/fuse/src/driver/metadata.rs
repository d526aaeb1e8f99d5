//! Lookups, attributes, listings, links, totals: each a job of the pool with a timer, never source I/O on a FUSE thread.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

use fuser::{
    Errno, FileAttr, Generation, INodeNo, ReplyAttr, ReplyData, ReplyDirectoryPlus, ReplyEntry, ReplyStatfs,
};
use mlopt_core::Event;

use super::{Action, Driver, Inner, Overdue, Step};
use crate::fetcher::Demand;
use crate::nodes::{Known, ROOT};
use crate::source::{Attributes, Listed, Totals};

const GENERATION: Generation = Generation(0);
/// Cookies of `.` and `..`.
const DOT: u64 = 1;
const DOT_DOT: u64 = 2;

/// One name of a listing that is being read.
#[derive(Debug, Clone)]
pub struct ListedNode {
    cookie: u64,
    node: u64,
    name: Box<[u8]>,
}

/// A reply that waits for the source.
pub enum MetadataReply {
    /// To LOOKUP.
    Entry(ReplyEntry),
    /// To GETATTR.
    Attributes(ReplyAttr),
    /// To READDIRPLUS from a position.
    Listing(ReplyDirectoryPlus, u64),
    /// To READLINK.
    Link(ReplyData),
    /// To STATFS.
    Totals(ReplyStatfs),
}

/// What the source said, in the kernel's words.
pub(super) enum Found {
    Entry {
        attributes: Box<FileAttr>,
        attribute_timeout: Duration,
        entry_timeout: Duration,
    },
    Attributes(Box<FileAttr>, Duration),
    Link(Vec<u8>),
    Totals(Totals),
}

impl MetadataReply {
    /// Answer with an error.
    pub fn fail(self, errno: i32) {
        let errno = Errno::from_i32(errno);
        match self {
            MetadataReply::Entry(reply) => reply.error(errno),
            MetadataReply::Attributes(reply) => reply.error(errno),
            MetadataReply::Listing(reply, _) => reply.error(errno),
            MetadataReply::Link(reply) => reply.error(errno),
            MetadataReply::Totals(reply) => reply.error(errno),
        }
    }

    pub(super) fn finish(self, found: Result<Found, i32>) {
        match (self, found) {
            (reply, Err(errno)) => reply.fail(errno),
            (
                MetadataReply::Entry(reply),
                Ok(Found::Entry {
                    attributes,
                    attribute_timeout,
                    entry_timeout,
                }),
            ) => reply.entry_with_ttls(&attribute_timeout, &entry_timeout, &attributes, GENERATION),
            (MetadataReply::Attributes(reply), Ok(Found::Attributes(attributes, timeout))) => {
                reply.attr(&timeout, &attributes);
            }
            (MetadataReply::Link(reply), Ok(Found::Link(target))) => reply.data(&target),
            (MetadataReply::Totals(reply), Ok(Found::Totals(totals))) => reply.statfs(
                totals.blocks,
                totals.free,
                totals.free,
                totals.files,
                totals.free_files,
                totals.block_bytes,
                totals.name_bytes,
                totals.block_bytes,
            ),
            (reply, Ok(_)) => reply.fail(libc::EIO),
        }
    }
}

impl Driver {
    /// LOOKUP.
    pub fn lookup(self: &Arc<Self>, parent: u64, name: &OsStr, reply: ReplyEntry) {
        self.metrics.lookup_messages.one();
        let name: Box<[u8]> = name.as_bytes().into();
        let path = self.inner.lock().nodes.child_path(parent, &name);
        self.ask_source(MetadataReply::Entry(reply), parent, move |driver| {
            let attributes = driver.source.stat(&path).map_err(errno)?;
            Ok(Said::Entry(parent, name, attributes))
        });
    }

    /// GETATTR.
    pub fn getattr(self: &Arc<Self>, node: u64, reply: ReplyAttr) {
        self.metrics.getattr_messages.one();
        let inner = self.inner.lock();
        let Some((path, parent)) = inner.live_path(node) else {
            drop(inner);
            reply.error(Errno::from_i32(libc::ESTALE));
            return;
        };
        drop(inner);
        self.ask_source(MetadataReply::Attributes(reply), parent, move |driver| {
            match driver.source.stat(&path) {
                Ok(attributes) => Ok(Said::Attributes(node, attributes)),
                // The id names a version whose name is gone.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Err(libc::ESTALE),
                Err(error) => Err(errno(error)),
            }
        });
    }

    /// READDIRPLUS.
    pub fn readdirplus(self: &Arc<Self>, node: u64, offset: u64, mut reply: ReplyDirectoryPlus) {
        self.metrics.readdirplus_messages.one();
        let mut inner = self.inner.lock();
        let Some((path, _)) = inner.live_path(node) else {
            drop(inner);
            reply.error(Errno::from_i32(libc::ESTALE));
            return;
        };
        if offset > 0
            && let Some(listing) = inner.listings.get(&node).cloned()
        {
            if inner.put_entries(node, &listing, offset, &mut reply) == 0 {
                inner.listings.remove(&node); // read to the end
            }
            drop(inner);
            reply.ok();
            return;
        }
        drop(inner);
        self.ask_source(MetadataReply::Listing(reply, offset), node, move |driver| {
            Ok(Said::Listing(node, driver.source.list(&path).map_err(errno)?))
        });
    }

    /// READLINK.
    pub fn readlink(self: &Arc<Self>, node: u64, reply: ReplyData) {
        let inner = self.inner.lock();
        let Some((path, parent)) = inner.live_path(node) else {
            drop(inner);
            reply.error(Errno::from_i32(libc::ESTALE));
            return;
        };
        drop(inner);
        self.ask_source(MetadataReply::Link(reply), parent, move |driver| {
            Ok(Said::Done(Found::Link(
                driver.source.readlink(&path).map_err(errno)?,
            )))
        });
    }

    /// STATFS.
    pub fn statfs(self: &Arc<Self>, reply: ReplyStatfs) {
        self.ask_source(MetadataReply::Totals(reply), ROOT, |driver| {
            Ok(Said::Done(Found::Totals(driver.source.totals().map_err(errno)?)))
        });
    }

    fn ask_source(
        self: &Arc<Self>,
        reply: MetadataReply,
        directory: u64,
        ask: impl FnOnce(&Arc<Driver>) -> Result<Said, i32> + Send + 'static,
    ) {
        let mut inner = self.inner.lock();
        if inner.closed {
            drop(inner);
            reply.fail(libc::EIO);
            return;
        }
        let id = inner.new_id();
        inner.metadata.insert(id, reply);
        self.expect(&mut inner, Overdue::Metadata(id));
        self.finish(inner, Step::default());
        self.metrics.source_metadata_requests.one();
        let driver = self.clone();
        self.fetcher.submit(Demand::metadata(directory), move || {
            let said = ask(&driver);
            driver.source_said(id, said);
        });
    }

    fn source_said(self: &Arc<Self>, id: u64, said: Result<Said, i32>) {
        let mut step = Step::default();
        let mut inner = self.inner.lock();
        let Some(reply) = inner.metadata.remove(&id) else {
            return; // its timer answered
        };
        let found = match said {
            Err(errno) => {
                if errno != libc::ENOENT {
                    self.metrics.source_errors.one();
                }
                Err(errno)
            }
            Ok(Said::Done(found)) => Ok(found),
            Ok(Said::Entry(parent, name, attributes)) => {
                let known = self.learn(&mut inner, parent, &name, attributes, &mut step);
                Ok(inner.entry(known.node))
            }
            Ok(Said::Attributes(node, attributes)) => self.refresh(&mut inner, node, attributes, &mut step),
            Ok(Said::Listing(node, names)) => {
                let listing = self.learn_listing(&mut inner, node, names, &mut step);
                if let MetadataReply::Listing(mut reply, offset) = reply {
                    inner.put_entries(node, &listing, offset, &mut reply);
                    inner.listings.insert(node, listing);
                    self.finish(inner, step);
                    reply.ok();
                } else {
                    self.finish(inner, step);
                    reply.fail(libc::EIO);
                }
                return;
            }
        };
        step.actions.insert(0, Action::Finish(reply, found));
        self.finish(inner, step);
    }

    /// Take in what the source says of a name, and tell the core what is new.
    fn learn(
        self: &Arc<Self>,
        inner: &mut Inner,
        parent: u64,
        name: &[u8],
        attributes: Attributes,
        step: &mut Step,
    ) -> Known {
        let timeout = super::timeout_of(inner.plan.staleness_ns);
        let mut known = inner.nodes.observe(parent, name, attributes, timeout);
        if let Some(file) = known.replaced {
            self.metrics.changed_files.one();
            self.release(inner, file, step);
            let version = attributes.version();
            self.tell(inner, Event::SourceChanged { file, version }, step);
        }
        if let Some((file, facts)) = known.seen.take() {
            let timeout = inner.timeout_of(&facts);
            if let Some(node) = inner.nodes.get_mut(known.node) {
                node.timeout = timeout;
            }
            self.tell(inner, Event::Seen { file, facts }, step);
        }
        known
    }

    fn learn_listing(
        self: &Arc<Self>,
        inner: &mut Inner,
        parent: u64,
        names: Vec<Listed>,
        step: &mut Step,
    ) -> Arc<Vec<ListedNode>> {
        let mut listing: Vec<ListedNode> = names
            .into_iter()
            .map(|listed| {
                let known = self.learn(inner, parent, &listed.name, listed.attributes, step);
                ListedNode {
                    cookie: known.cookie,
                    node: known.node,
                    name: listed.name.into(),
                }
            })
            .collect();
        // By cookie, which a name keeps for ever: a listing under change has no name twice and misses none that stays.
        listing.sort_unstable_by_key(|listed| listed.cookie);
        Arc::new(listing)
    }

    fn refresh(
        self: &Arc<Self>,
        inner: &mut Inner,
        node: u64,
        attributes: Attributes,
        step: &mut Step,
    ) -> Result<Found, i32> {
        let Some(found) = inner.nodes.get_mut(node) else {
            return Err(libc::ESTALE);
        };
        let same = found.attributes.kind() == attributes.kind()
            && (attributes.kind() == libc::S_IFDIR || found.attributes.validator() == attributes.validator());
        if same && !found.retired {
            found.attributes = attributes;
            let shown = found.file_attr(found.st_ino);
            return Ok(Found::Attributes(Box::new(shown), found.timeout));
        }
        found.retired = true;
        if let Some(file) = found.file {
            self.metrics.changed_files.one();
            self.release(inner, file, step);
            let version = attributes.version();
            self.tell(inner, Event::SourceChanged { file, version }, step);
        }
        Err(libc::ESTALE)
    }
}

enum Said {
    Entry(u64, Box<[u8]>, Attributes),
    Attributes(u64, Attributes),
    Listing(u64, Vec<Listed>),
    Done(Found),
}

impl Inner {
    fn live_path(&self, node: u64) -> Option<(Vec<u8>, u64)> {
        let found = self.nodes.get(node).filter(|node| !node.retired)?;
        Some((self.nodes.path(node), found.parent))
    }

    /// Count a lookup and say what the kernel gets.
    fn entry(&mut self, node: u64) -> Found {
        let Some(found) = self.nodes.get_mut(node) else {
            return Found::Link(Vec::new()); // answered with EIO; an id just given is always there
        };
        found.lookups += 1;
        // A later version shows another st_ino than its node id, which only GETATTR can say.
        let attribute_timeout = if found.st_ino == node {
            found.timeout
        } else {
            Duration::ZERO
        };
        Found::Entry {
            attributes: Box::new(found.file_attr(node)),
            attribute_timeout,
            entry_timeout: found.timeout,
        }
    }

    /// Put names from a position on into a reply until it is full; returns how many.
    fn put_entries(
        &mut self,
        directory: u64,
        listing: &[ListedNode],
        offset: u64,
        reply: &mut ReplyDirectoryPlus,
    ) -> usize {
        let mut put = 0;
        for (cookie, name) in [(DOT, "."), (DOT_DOT, "..")] {
            if offset < cookie
                && let Some(found) = self.nodes.get(directory)
            {
                let shown = found.file_attr(found.st_ino);
                let number = INodeNo(found.st_ino);
                if reply.add(number, cookie, name, &Duration::ZERO, &shown, GENERATION) {
                    return put;
                }
                put += 1;
            }
        }
        let from = listing.partition_point(|listed| listed.cookie <= offset);
        for listed in &listing[from..] {
            let Some(found) = self.nodes.get_mut(listed.node) else {
                continue;
            };
            // A later version: expired at once, so that the next use asks again and learns its st_ino.
            let timeout = if found.st_ino == listed.node && !found.retired {
                found.timeout
            } else {
                Duration::ZERO
            };
            let shown = found.file_attr(listed.node);
            let name = OsStr::from_bytes(&listed.name);
            let number = INodeNo(listed.node);
            if reply.add(number, listed.cookie, name, &timeout, &shown, GENERATION) {
                break;
            }
            found.lookups += 1;
            put += 1;
        }
        put
    }
}

fn errno(error: std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}
