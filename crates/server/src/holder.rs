//! Who holds jobs on this machine: each running bellwetherd keeps a locked file under its holder's name in the data
//! folder. The kernel lets go of the lock when the process ends, however it ends, so that the next start can tell a dead
//! holder from one that sleeps, and need not wait for the leases of a dead one to run out.

use anyhow::{Context, Result};
use bellwether_engine::Engine;
use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

/// What a dead holder asked of a host in its last moment may still be under way for so long.
const LAST_CALLS: Duration = Duration::from_secs(5);

/// A holder's lock, held as long as this value lives.
pub struct Lock {
    _file: File,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The jobs of a holder without a file wait for their lease: nothing is lost.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Takes the lock of this process's holder.
///
/// # Errors
/// When the data folder can't be written.
pub fn lock(data_dir: &Path, holder: &str) -> Result<Lock> {
    let folder = folder(data_dir);
    let failed = || format!("can't write in {}", folder.display());
    std::fs::create_dir_all(&folder).with_context(failed)?;
    // Visible once it is locked: one without a lock is a dead one's.
    let (hidden, path) = (folder.join(format!(".{holder}")), folder.join(holder));
    let file = File::create(&hidden).with_context(failed)?;
    file.lock().with_context(failed)?;
    std::fs::rename(&hidden, &path).with_context(failed)?;
    Ok(Lock { _file: file, path })
}

/// Frees the jobs of holders that have ended without giving theirs back, so that they go on in a moment.
pub async fn free_jobs_of_the_dead(engine: &Engine, data_dir: &Path) {
    for (holder, path) in dead(data_dir) {
        if free_jobs(engine, &holder).await {
            // Found again at the next start otherwise.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Has the jobs of a holder that does nothing more go on in a moment; whether that could be written.
pub async fn free_jobs(engine: &Engine, holder: &str) -> bool {
    let until = engine.now().plus(LAST_CALLS);
    match engine.store().shorten_leases(holder, until).await {
        Ok(0) => true,
        Ok(jobs) => {
            tracing::info!(holder, jobs, "jobs of one that has ended go on");
            true
        }
        Err(error) => {
            tracing::warn!(holder, error = %error, context = error.context(), "jobs of one that has ended wait for their leases");
            false
        }
    }
}

/// Holders whose process has ended, with their files.
fn dead(data_dir: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(folder(data_dir)) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .filter(|(holder, path)| !holder.starts_with('.') && is_unlocked(path))
        .collect()
}

/// Only what is certainly not locked counts: any doubt means waiting for the lease.
fn is_unlocked(path: &Path) -> bool {
    let Ok(file) = OpenOptions::new().read(true).write(true).open(path) else {
        return false;
    };
    match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
    }
}

fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("holders")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_that_has_ended_without_a_word_counts_as_dead() {
        let data = tempfile::tempdir().unwrap();
        assert!(dead(data.path()).is_empty());
        let alive = lock(data.path(), "alive").unwrap();
        let orderly = lock(data.path(), "orderly").unwrap();
        drop(orderly);
        // As the kernel leaves it after a kill: the file is there, the lock is not.
        let killed = lock(data.path(), "killed").unwrap();
        let path = killed.path.clone();
        drop(killed);
        std::fs::write(&path, "").unwrap();
        assert_eq!(dead(data.path()), [("killed".to_owned(), path)]);
        drop(alive);
    }
}
