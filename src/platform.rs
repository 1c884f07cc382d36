//! Everything that differs between operating systems.
//!
//! | | Unix | Windows and others |
//! |---|---|---|
//! | New files and directories | 0600 and 0700: their owner's alone | the permissions of the directory they are in |
//! | A link in the place of a run's file | refused | followed |
//! | A run that others own or can write to | refused without `--trust-run` | not noticed |
//! | A run that was copied from elsewhere | noticed by the inode of its directory | noticed if it came from another user |
//! | A secret's file that others can read | refused | not noticed |
//! | A settings file that others can change | refused if it says where to connect, what to run or which file to read | not noticed |
//! | Names of new files after a crash of the machine | on disk: directories are synced | as the file system keeps them |
//! | The clock of the slots that processes share | runs on while the machine sleeps, and nobody sets it (Linux; elsewhere as Windows) | the wall clock |
//! | A state directory on a network file system | named in a warning (Linux) | not noticed |
//! | Stopping in order | Ctrl-C, SIGTERM and SIGHUP | Ctrl-C |
//! | A secret that is typed | not shown | refused |
//! | Leaving a screen that is watched | `q` or Ctrl-C | Ctrl-C |
//! | A lock file that was replaced meanwhile | noticed by device and inode | cannot happen: an open file cannot be removed |
//!
//! The program is built and tested on Linux. The other column is written by the documentation of Rust's standard
//! library; it has been neither built nor run.

pub mod tty;

use std::fs::{DirBuilder, File, FileType, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::task::Poll;

/// Returns options that make new files their owner's alone.
#[must_use]
pub fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Lets all users of the machine read a file, and its owner alone change it.
///
/// # Errors
/// When its permissions cannot be changed.
#[cfg(unix)]
pub fn let_others_read(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

/// Does nothing: permissions are those of the directory.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn let_others_read(_: &File) -> io::Result<()> {
    Ok(())
}

/// Makes a directory, with all above it, that is its owner's alone, and puts the new names on disk. Returns whether it was
/// not there.
///
/// # Errors
/// When it cannot be made; [`io::ErrorKind::NotADirectory`] when something else has its name.
pub fn private_dirs(path: &Path) -> io::Result<bool> {
    let above = path.ancestors().filter(|dir| *dir != Path::new(""));
    let missing: Vec<&Path> = above.take_while(|dir| !dir.exists()).collect();
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(io::ErrorKind::NotADirectory.into())
        }
        made => made,
    }?;
    for dir in &missing {
        sync_dir(dir.parent().unwrap_or(Path::new("")))?;
    }
    Ok(!missing.is_empty())
}

/// Puts the names of the files in a directory on disk.
///
/// # Errors
/// When the directory cannot be opened or synced.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let dir = if dir.as_os_str().is_empty() {
            Path::new(".")
        } else {
            dir
        };
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

/// Tells whether others than its owner can read or write a file.
///
/// # Errors
/// When its permissions cannot be read.
#[cfg(unix)]
pub fn is_open_to_others(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(file.metadata()?.permissions().mode() & 0o077 != 0)
}

/// Returns `false`: permissions are not looked at.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn is_open_to_others(_: &File) -> io::Result<bool> {
    Ok(false)
}

/// Adds to the options that no symbolic link is followed at the end of the path, and that a pipe is not waited for.
#[cfg(unix)]
pub fn follow_no_link(options: &mut OpenOptions) {
    use rustix::fs::OFlags;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    if let Ok(flags) = flags.bits().try_into() {
        std::os::unix::fs::OpenOptionsExt::custom_flags(options, flags);
    }
}

/// Does nothing: [`names`] and the type of the file are all that is looked at.
#[cfg(not(unix))]
pub fn follow_no_link(_: &mut OpenOptions) {}

/// Tells whether an error says that a symbolic link was not followed.
#[cfg(unix)]
#[must_use]
pub fn is_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// Returns `false`: symbolic links are followed.
#[cfg(not(unix))]
#[must_use]
pub fn is_link(_: &io::Error) -> bool {
    false
}

/// Returns the number of names that a file has: 1, unless it has hard links.
#[cfg(unix)]
#[must_use]
pub fn names(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(metadata)
}

/// Returns 1: hard links are not looked at.
#[cfg(not(unix))]
#[must_use]
pub fn names(_: &Metadata) -> u64 {
    1
}

/// Returns how others than this user can change a file or a directory; `None` if they cannot.
#[cfg(unix)]
#[must_use]
pub fn changeable_by_others(metadata: &Metadata) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let owner = metadata.uid();
    if owner != rustix::process::geteuid().as_raw() {
        return Some(format!("it belongs to another user (uid {owner})"));
    }
    let mode = metadata.mode() & 0o777;
    (mode & 0o022 != 0).then(|| format!("others can write to it (mode {mode:04o})"))
}

/// Returns `None`: owners and permissions are not looked at.
#[cfg(not(unix))]
#[must_use]
pub fn changeable_by_others(_: &Metadata) -> Option<String> {
    None
}

/// Returns the number by which its file system knows a directory. A copy has another.
#[cfg(unix)]
#[must_use]
pub fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

/// Returns 0: directories are not told apart.
#[cfg(not(unix))]
#[must_use]
pub fn inode(_: &Metadata) -> u64 {
    0
}

/// Returns the file or directory through which others can change what an open file says: the file itself if it belongs to
/// another user than this one and root or others can write to it, or a directory above it in which others can replace
/// names.
///
/// # Errors
/// When permissions cannot be read.
#[cfg(unix)]
pub fn opening_for_others(path: &Path, file: &File) -> io::Result<Option<PathBuf>> {
    use std::os::unix::fs::MetadataExt as _;
    const OTHERS_WRITE: u32 = 0o022;
    const STICKY: u32 = 0o1000;
    let found = file.metadata()?;
    let owners = [0, rustix::process::geteuid().as_raw()];
    if !owners.contains(&found.uid()) || found.mode() & OTHERS_WRITE != 0 {
        return Ok(Some(path.to_owned()));
    }
    if !found.is_file() {
        // A pipe of this process has no directory.
        return Ok(None);
    }
    // A link can be replaced where it stands, and its target where that stands.
    let places = [std::path::absolute(path)?, path.canonicalize()?];
    for directory in places.iter().flat_map(|place| place.ancestors().skip(1)) {
        let mode = std::fs::metadata(directory)?.mode();
        if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 {
            return Ok(Some(directory.to_owned()));
        }
    }
    Ok(None)
}

/// Returns `None`: permissions are not looked at.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn opening_for_others(_: &Path, _: &File) -> io::Result<Option<PathBuf>> {
    Ok(None)
}

/// Takes a regular file from others, if they can read or write it.
///
/// # Errors
/// When it belongs to somebody else.
pub fn make_private(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    if file.metadata()?.is_file() && is_open_to_others(file)? {
        use std::os::unix::fs::PermissionsExt as _;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// Returns the id of this start of the machine, and the nanoseconds since then, on a clock that nobody sets and that goes on
/// while the machine sleeps. Returns `None` if the system has no such clock.
#[cfg(target_os = "linux")]
#[must_use]
pub fn since_boot() -> Option<(&'static str, i64)> {
    use rustix::time::{ClockId, clock_gettime};
    use std::sync::OnceLock;
    static BOOT: OnceLock<Option<String>> = OnceLock::new();
    let read = || std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    let boot = BOOT.get_or_init(read).as_deref()?.trim_end();
    let time = clock_gettime(ClockId::Boottime);
    Some((
        boot,
        time.tv_sec
            .checked_mul(1_000_000_000)?
            .checked_add(time.tv_nsec)?,
    ))
}

/// Returns `None`.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn since_boot() -> Option<(&'static str, i64)> {
    None
}

/// Returns the kind of the network file system that a directory is on; `None` if it is on another, or the system does not
/// tell.
#[cfg(target_os = "linux")]
#[must_use]
pub fn network_filesystem(dir: &Path) -> Option<&'static str> {
    // The numbers of statfs(2).
    const KINDS: [(u64, &str); 9] = [
        (0x6969, "NFS"),
        (0xff53_4d42, "CIFS"),
        (0xfe53_4d42, "SMB"),
        (0x517b, "SMB"),
        (0x5346_414f, "AFS"),
        (0x00c3_6400, "Ceph"),
        (0x0bd0_0bd0, "Lustre"),
        (0x0102_1997, "9p"),
        (0x0116_1970, "GFS2"),
    ];
    let found = rustix::fs::statfs(dir).ok()?;
    let magic = u64::try_from(found.f_type).ok()? & 0xffff_ffff;
    let kind = KINDS.iter().find(|(number, _)| *number == magic)?;
    Some(kind.1)
}

/// Returns `None`: the kind of a file system is not looked at.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn network_filesystem(_: &Path) -> Option<&'static str> {
    None
}

/// Tells whether a file is a pipe.
#[cfg(unix)]
#[must_use]
pub fn is_pipe(kind: FileType) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&kind)
}

/// Returns `false`: pipes have no paths.
#[cfg(not(unix))]
#[must_use]
pub fn is_pipe(_: FileType) -> bool {
    false
}

/// Tells whether the open file is the one at that path.
#[cfg(unix)]
#[must_use]
pub fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let same = file.metadata().and_then(|open| {
        let there = std::fs::metadata(path)?;
        Ok((open.dev(), open.ino()) == (there.dev(), there.ino()))
    });
    same.unwrap_or(false)
}

/// Returns `true`: an open file cannot be removed.
#[cfg(not(unix))]
#[must_use]
pub fn is_at(_: &File, _: &Path) -> bool {
    true
}

/// Fills `bytes` from a position in a file.
///
/// # Errors
/// When there are not so many bytes, or they cannot be read.
#[cfg(unix)]
pub fn read_exact_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

/// Fills `bytes` from a position in a file, whose own position it moves.
///
/// # Errors
/// When there are not so many bytes, or they cannot be read.
#[cfg(not(unix))]
pub fn read_exact_at(mut file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(bytes)
}

/// Waits for a signal that asks the process to stop: Ctrl-C, SIGTERM, or SIGHUP of a terminal that is closed. A signal
/// that the parent process has set to be ignored stays ignored, as `nohup` asks for.
///
/// # Errors
/// When the system refuses to tell of signals.
#[cfg(unix)]
pub async fn interrupted() -> io::Result<()> {
    use tokio::signal::unix::SignalKind;
    let hangup = SignalKind::hangup();
    any_of(&[SignalKind::interrupt(), SignalKind::terminate(), hangup]).await
}

/// Waits for a signal that insists on the end of the process. SIGHUP does not count: one closed terminal may send it
/// twice.
///
/// # Errors
/// When the system refuses to tell of signals.
#[cfg(unix)]
pub async fn interrupted_again() -> io::Result<()> {
    use tokio::signal::unix::SignalKind;
    any_of(&[SignalKind::interrupt(), SignalKind::terminate()]).await
}

#[cfg(unix)]
async fn any_of(kinds: &[tokio::signal::unix::SignalKind]) -> io::Result<()> {
    let ignored = ignored_signals();
    let is_ignored = |number: i32| ignored >> (number - 1) & 1 == 1;
    let heeded = kinds.iter().filter(|kind| !is_ignored(kind.as_raw_value()));
    let signals: io::Result<Vec<_>> = heeded
        .map(|kind| tokio::signal::unix::signal(*kind))
        .collect();
    let mut signals = signals?;
    std::future::poll_fn(|context| {
        let mut each = signals.iter_mut();
        if each.any(|signal| signal.poll_recv(context).is_ready()) {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    })
    .await
}

/// Returns the signals that this process ignores, one bit each from signal 1 on. Linux alone tells.
#[cfg(unix)]
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// Waits for Ctrl-C.
///
/// # Errors
/// When the system refuses to tell of it.
#[cfg(not(unix))]
pub async fn interrupted() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}

/// Waits for Ctrl-C.
///
/// # Errors
/// When the system refuses to tell of it.
#[cfg(not(unix))]
pub async fn interrupted_again() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
