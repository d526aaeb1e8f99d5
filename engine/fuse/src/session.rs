//! The life of a mount: threads up, kernel mount, warden, unmount, threads down. Absent: state on disk, signals, sockets
//! (the Python face has them).

use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::unbounded;
use fuser::{BackgroundSession, Config, Session, SessionACL};
use mlopt_core::{FactSet, Plan};
use parking_lot::Mutex;
use serde::Deserialize;

use crate::driver::{Driver, DriverError, DriverOptions, keep_time};
use crate::filesystem::Mounted;
use crate::journal::Journal;
use crate::kernel_mount::{KernelMount, MountError, MountSpec};
use crate::metrics;
use crate::source::PosixSource;
use crate::warden::{Answer, send_orders};

/// Settings of a mount, as the Python face hands them over in JSON.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionOptions {
    /// What the kernel shows as the mount's source.
    pub fsname: String,
    /// Each operation is answered within this time [ns].
    pub deadline_ns: u64,
    /// Let other users in.
    pub allow_other: bool,
    /// Let the kernel check owner, group and mode; false where all who get in have the daemon's rights.
    pub check_permissions: bool,
    /// Threads that take FUSE messages.
    pub fuse_threads: usize,
    /// Threads for source I/O at most.
    pub fetch_threads: usize,
    /// How often held pages are checked [ns].
    pub sweep_ns: u64,
    /// The kernel's read-ahead on this mount [KiB].
    pub read_ahead_kib: u32,
    /// Command line of the warden; none runs without one.
    pub warden: Option<Vec<String>>,
    /// Where to journal.
    pub journal: Option<PathBuf>,
    /// What is known of job and machine at the start.
    #[serde(default)]
    pub facts: FactSet,
}

/// Why a session did not start or end.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The kernel mount.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// The driver.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// Any other call.
    #[error("{what}: {source}")]
    System {
        /// Which.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// A mount that is served.
pub struct MountSession {
    driver: Arc<Driver>,
    kernel: Mutex<KernelMount>,
    served: Mutex<Option<BackgroundSession>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    warden: Mutex<Option<Child>>,
    options: SessionOptions,
    quitting: Arc<AtomicBool>,
}

impl MountSession {
    /// Mount and serve; returns when the kernel and the daemon have shaken hands.
    ///
    /// # Errors
    /// When source, plan, device, permission or mountpoint is not usable.
    pub fn start(
        source: &Path,
        mountpoint: &Path,
        plan: Plan,
        options: SessionOptions,
    ) -> Result<MountSession, SessionError> {
        let opened = PosixSource::open(source).map_err(DriverError::Source)?;
        let journal = match &options.journal {
            Some(path) => Some(Journal::create(path, &plan).map_err(system("journal"))?),
            None => None,
        };
        let wants_walk = wants_walk(&plan);
        let (pushes, to_push) = unbounded();
        let (invalidations, to_invalidate) = unbounded();
        let driver_options = DriverOptions {
            deadline: Duration::from_nanos(options.deadline_ns),
            fetch_threads: options.fetch_threads,
            sweep: Duration::from_nanos(options.sweep_ns),
        };
        let driver = Arc::new(Driver::new(
            opened,
            plan,
            driver_options,
            journal,
            pushes,
            invalidations,
        )?);
        driver.set_facts(options.facts.clone());
        let mut kernel = KernelMount::new(&MountSpec {
            mountpoint: mountpoint.to_owned(),
            fsname: options.fsname.clone().into(),
            read_only: true,
            allow_other: options.allow_other,
            check_permissions: options.check_permissions,
        })?;
        let served = serve(&mut kernel, &driver, &options).map_err(system("FUSE session"))?;
        // After the handshake, which sets it to 128 KiB. Where it may not be set (user namespace): slower, correct.
        let _ = kernel.set_read_ahead_kib(options.read_ahead_kib);
        driver.set_notifier(served.notifier());

        let mut threads = Vec::new();
        let timer = driver.clone();
        threads.push(spawn("timer", move || keep_time(&timer))?);
        let pusher = driver.clone();
        spawn("pusher", move || {
            to_push.iter().for_each(|push| pusher.push(&push));
        })?;
        let invalidator = driver.clone();
        spawn("invalidator", move || {
            to_invalidate
                .iter()
                .for_each(|what| invalidator.invalidate(&what));
        })?;
        let session = MountSession {
            driver,
            kernel: Mutex::new(kernel),
            served: Mutex::new(Some(served)),
            threads: Mutex::new(threads),
            warden: Mutex::new(None),
            options,
            quitting: Arc::default(),
        };
        session.start_warden()?;
        if wants_walk {
            session.driver.walk();
        }
        Ok(session)
    }

    /// Unmount. Not lazy: refused while files are open or a process lives there, and the mount goes on.
    ///
    /// # Errors
    /// [`MountError::Busy`] when refused.
    pub fn unmount(&self, lazy: bool) -> Result<(), SessionError> {
        self.stop_warden();
        let unmounted = self.kernel.lock().unmount(lazy);
        match unmounted {
            Ok(()) | Err(MountError::NotOurs(_)) => {}
            Err(error) => {
                self.start_warden()?;
                return Err(error.into());
            }
        }
        if lazy {
            // Open files keep the connection alive; the last close ends it.
            return Ok(());
        }
        self.close();
        Ok(())
    }

    /// Whether the kernel still talks to us.
    pub fn is_served(&self) -> bool {
        self.served
            .lock()
            .as_ref()
            .is_some_and(|served| !served.guard.is_finished())
    }

    /// Answer what waits and end the threads; after the unmount.
    pub fn close(&self) {
        self.stop_warden();
        self.driver.close();
        if let Some(served) = self.served.lock().take() {
            // Joined only when over: a lazily unmounted file that stays open would hold us for ever.
            if served.guard.is_finished() {
                let _ = served.join();
            }
        }
        for thread in self.threads.lock().drain(..) {
            let _ = thread.join();
        }
    }

    /// Swap the plan.
    ///
    /// # Errors
    /// When the plan is not usable on this mount; the old one stays.
    pub fn reload(&self, plan: Plan) -> Result<(), SessionError> {
        Ok(self.driver.reload(plan)?)
    }

    /// Tell what is known of job and machine now.
    pub fn set_facts(&self, facts: FactSet) {
        self.driver.set_facts(facts);
    }

    /// Threads that read lately.
    pub fn readers(&self) -> Vec<u32> {
        self.driver.readers()
    }

    /// All counters and gauges as JSON.
    pub fn stats_json(&self) -> String {
        metrics::json(
            &self.driver.metrics,
            &self.driver.gauges(),
            &self.driver.core_stats(),
        )
    }

    /// The trace of decisions as JSON; `null` where the plan asks for none.
    pub fn decisions_json(&self) -> String {
        serde_json::Value::from(self.driver.decisions()).to_string()
    }

    /// What reads show of the job, as JSON by the names of facts; empty where no rule asks for it.
    pub fn job_json(&self) -> String {
        self.driver.job().to_string()
    }

    /// The rules in force and what came of each, as JSON.
    pub fn rules_json(&self) -> String {
        self.driver.rules_in_force().to_string()
    }

    /// What happens to a file and why, as JSON; `None` for what this mount has not shown yet.
    pub fn explain_json(&self, path: &[u8]) -> Option<String> {
        Some(self.driver.explain(path)?.to_string())
    }

    /// All counters and gauges as Prometheus text.
    pub fn metrics_text(&self) -> String {
        metrics::prometheus(&self.driver.metrics, &self.driver.gauges())
    }

    /// Process id of the warden, if one runs.
    pub fn warden_pid(&self) -> Option<u32> {
        self.warden.lock().as_ref().map(Child::id)
    }

    fn start_warden(&self) -> Result<(), SessionError> {
        let Some([program, arguments @ ..]) = self.options.warden.as_deref() else {
            return Ok(());
        };
        let mountpoint = self.kernel.lock().mountpoint().to_owned();
        let mut child = Command::new(program)
            .args(arguments)
            .arg(mountpoint)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .current_dir("/") // a working directory below the mount would keep it busy
            .spawn()
            .map_err(system("warden"))?;
        let (Some(pipe), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Ok(());
        };
        let (orders, to_send) = unbounded();
        self.driver.set_warden(Some(orders));
        self.quitting.store(false, Ordering::SeqCst);
        spawn("warden-orders", move || send_orders(&to_send, pipe))?;
        let driver = self.driver.clone();
        let quitting = self.quitting.clone();
        spawn("warden-answers", move || {
            let mut answers = BufReader::new(answers);
            while let Ok(answer) = Answer::read(&mut answers) {
                driver.answered(answer);
            }
            if !quitting.load(Ordering::SeqCst) {
                driver.metrics.warden_deaths.one();
            }
            driver.set_warden(None);
        })?;
        *self.warden.lock() = Some(child);
        Ok(())
    }

    /// The end of its pipe ends the warden; its open files would keep the mount busy.
    fn stop_warden(&self) {
        self.quitting.store(true, Ordering::SeqCst);
        let child = self.warden.lock().take();
        if let Some(mut child) = child {
            self.driver.set_warden(None);
            let _ = child.wait();
        }
    }
}

impl Drop for MountSession {
    fn drop(&mut self) {
        let _ = self.unmount(true);
        self.driver.close();
    }
}

fn serve(
    kernel: &mut KernelMount,
    driver: &Arc<Driver>,
    options: &SessionOptions,
) -> io::Result<BackgroundSession> {
    let fd = kernel.take_fd().ok_or(io::ErrorKind::NotConnected)?;
    let mut config = Config::default();
    // The kernel checks who may do what, or all have our rights: user space lets all in.
    config.acl = SessionACL::All;
    config.n_threads = Some(options.fuse_threads.max(1));
    Session::from_fd(Mounted::new(driver.clone()), fd, SessionACL::All, config)?.spawn()
}

/// Held classes and sets need each inode to exist, before anybody asks for it.
fn wants_walk(plan: &Plan) -> bool {
    plan.rules.iter().flat_map(|rule| &rule.actions).any(|action| {
        let asks = |kind, name, word| {
            action.kind == kind && action.parameters.get(name).is_some_and(|value| value == word)
        };
        asks("prefetch", "mode", "epoch_set") || asks("cache", "policy", "pinned")
    })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, SessionError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(system("thread"))
}

fn system(what: &'static str) -> impl Fn(io::Error) -> SessionError {
    move |source| SessionError::System { what, source }
}
