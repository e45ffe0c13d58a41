//! What the program remembers between calls: `$XDG_CONFIG_HOME/bellwether/config.toml`, readable by its owner only, since
//! it holds tokens.

use crate::exit::{Exit, Fault, Outcome};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    env, fs,
    io::{ErrorKind, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// The file's contents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The server last logged in to; used when none is named.
    pub server: Option<String>,
    /// What is known of each server, by its address.
    pub logins: BTreeMap<String, Login>,
}

/// A login at one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Whose token it is.
    pub login: String,
    /// The API token.
    pub token: String,
    /// One more certificate authority to trust for this server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

/// Where the file is.
pub fn path() -> Outcome<PathBuf> {
    let set = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let base = set("XDG_CONFIG_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| set("HOME").map(|home| home.join(".config")));
    let base = base.ok_or_else(|| {
        Fault::usage("Neither XDG_CONFIG_HOME nor HOME says where to keep the login.")
    })?;
    Ok(base.join("bellwether").join("config.toml"))
}

/// Reads the file; one that is not there is empty.
pub fn load() -> Outcome<Config> {
    let Ok(path) = path() else {
        return Ok(Config::default());
    };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Config::default()),
        Err(e) => return Err(Fault::usage(format!("Can't read {}: {e}.", path.display()))),
    };
    if fs::metadata(&path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0) {
        eprintln!(
            "warning: others can read {} and with it your tokens; run: chmod 600 {0}",
            path.display()
        );
    }
    toml::from_str(&text).map_err(|e| {
        Fault::usage(format!(
            "{} can't be understood: {}",
            path.display(),
            e.message()
        ))
    })
}

/// Writes the file whole or not at all.
pub fn save(config: &Config) -> Outcome {
    let path = path()?;
    write(&path, config).map_err(|e| {
        Fault::new(
            Exit::Failed,
            format!("Can't write {}: {e}.", path.display()),
        )
    })
}

fn write(path: &Path, config: &Config) -> std::io::Result<()> {
    let text = toml::to_string(config).map_err(std::io::Error::other)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}
