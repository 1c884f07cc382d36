//! The quota of one tenant, shared by all processes of a machine that drive this tenant.
//!
//! A small file per tenant and class, in the user's state directory, holds the slots that were taken ([`Slots`]). A
//! process takes its next slot under the file's lock, and sends its call then. It takes one slot at a time, so a
//! process that is killed costs the others no more than one slot. The file matters for some seconds only. A file that
//! cannot be trusted is replaced, and nothing is sent for one window, since the calls before are not known.

use std::fs::{self, File, TryLockError};
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use ring::digest::{SHA256, digest};

use crate::clock::wall;
use crate::files;
use crate::pacer::{Claim, Slots};
use crate::platform;
use crate::wire::QuotaClass;

/// The age at which the files of a tenant that nobody drives are removed.
const KEPT: Duration = Duration::from_secs(86_400);

/// The most bytes that are read of a file. The times of the calls of one window take some kilobytes.
const LONGEST_FILE: u64 = 1 << 20;

/// The shared quota of one tenant.
#[derive(Clone, Debug)]
pub struct SharedQuota {
    dir: PathBuf,
    tenant: String,
}

impl SharedQuota {
    /// Opens the quota of a tenant, kept in files under `dir`. `tenant` is the name that
    /// [`Connection::tenant`](crate::zpa::Connection::tenant) returns. Makes the directory if needed.
    ///
    /// # Errors
    /// An [`io::Error`] if the directory cannot be made.
    pub fn open(dir: &Path, tenant: &str) -> io::Result<Self> {
        platform::private_dirs(dir)?;
        if let Some(how) = platform::changeable_by_others(&fs::symlink_metadata(dir)?) {
            return Err(io::Error::other(how));
        }
        drop_forgotten(dir);
        let tenant = format!("{:016x}", number(tenant));
        Ok(Self {
            dir: dir.to_owned(),
            tenant,
        })
    }

    /// Takes the next free slot for a call that cannot go before `earliest`.
    ///
    /// # Errors
    /// An [`io::Error`] if the file cannot be locked, read or written. Its kind is `WouldBlock` if another process
    /// holds the lock for two seconds.
    pub fn take(&self, claim: &Claim, earliest: Timestamp) -> io::Result<Timestamp> {
        let path = if claim.path.is_empty() {
            0
        } else {
            number(&format!("{} {}", claim.class, claim.path))
        };
        let file = self.file(claim.class, !claim.path.is_empty());
        Self::change(&file, claim.own.quota.window, |slots, now| {
            slots.take(claim, path, earliest, now)
        })
    }

    /// Keeps every process from taking a slot of the class before `until`.
    ///
    /// # Errors
    /// The same as for [`SharedQuota::take`].
    pub fn pause(&self, class: QuotaClass, until: Timestamp) -> io::Result<()> {
        let file = self.file(class, false);
        Self::change(&file, Duration::ZERO, |slots, _| slots.pause(until))
    }

    /// Returns the instants of the calls of the class that may still count, oldest first. If there is no file, there
    /// are none.
    ///
    /// # Errors
    /// An [`io::Error`] if the file cannot be read.
    pub fn recent(&self, class: QuotaClass) -> io::Result<Vec<Timestamp>> {
        let bytes = match files::read(&self.file(class, false), LONGEST_FILE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            bytes => bytes?,
        };
        let now = wall();
        // A file that cannot be trusted is reported when a slot is taken.
        let slots = Slots::decode(&bytes, now).unwrap_or_default();
        Ok(slots.times().filter(|at| *at <= now).collect())
    }

    fn file(&self, class: QuotaClass, by_path: bool) -> PathBuf {
        let tenant = &self.tenant;
        self.dir.join(if by_path {
            format!("{tenant}-paths")
        } else {
            format!("{tenant}-{class}")
        })
    }

    /// Changes the slots in the file, under its lock. A file that cannot be trusted is replaced by one with no free
    /// slot for `window`.
    fn change<T>(
        path: &Path,
        window: Duration,
        change: impl FnOnce(&mut Slots, Timestamp) -> T,
    ) -> io::Result<T> {
        let mut file = files::open_or_create(path)?;
        lock(&file)?;
        let bytes = files::read_within(&file, LONGEST_FILE)?;
        let now = wall();
        let before = Slots::decode(&bytes, now);
        let mut slots = before.clone().unwrap_or_else(|distrust| {
            let shown = path.display();
            tracing::warn!(
                "the file by which processes share the tenant's quota is {distrust}, so it is replaced: {shown}"
            );
            Slots::paused(now + SignedDuration::try_from(window).unwrap_or_default())
        });
        let answer = change(&mut slots, now);
        if before.as_ref() != Ok(&slots) {
            let bytes = slots.encode();
            file.rewind()?;
            file.write_all(&bytes)?;
            file.set_len(bytes.len().try_into().unwrap_or(u64::MAX))?;
        }
        Ok(answer)
    }
}

/// Locks the file, or gives up after two seconds. Processes hold the lock for microseconds. One that was suspended
/// while it held the lock must not stop this process too.
fn lock(file: &File) -> io::Result<()> {
    const TRIES: u32 = 2000;
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => sleep(Duration::from_millis(1)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::WouldBlock,
        "another process holds the lock and does not release it",
    ))
}

/// Removes files that nobody has used for a day. A file that cannot be removed stays.
fn drop_forgotten(dir: &Path) {
    let now = SystemTime::from(wall());
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let changed = entry.metadata().and_then(|metadata| metadata.modified());
        let age = changed.map(|at| now.duration_since(at).unwrap_or_default());
        if age.is_ok_and(|age| age > KEPT) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Returns a number for a name: the same in every process and version, and never zero.
fn number(name: &str) -> u64 {
    let digest = digest(&SHA256, name.as_bytes());
    let first = digest.as_ref().first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(first).max(1)
}
