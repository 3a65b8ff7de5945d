//! The location and the limit of the cache, from environment variables.

use super::entry;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Default limit in bytes.
const LIMIT: u64 = 1 << 30;

/// Returns the folder of this process, or `None` if the cache is off.
pub(super) fn folder() -> Option<PathBuf> {
    choose(&|name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
}

fn choose(variable: &dyn Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    match variable("HIDET_CACHE") {
        Some(folder) if folder.as_os_str() == "off" => return None,
        Some(folder) => return Some(folder),
        None => {}
    }
    // Relative paths in these variables are ignored, as the XDG specification says.
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    let caches = if cfg!(windows) {
        absolute("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        absolute("HOME").map(|home| home.join("Library/Caches"))
    } else {
        absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))
    };
    caches.map(|caches| caches.join("hidet"))
}

/// Returns the limit of the folder in bytes, or a message if the variable is not a number.
pub(super) fn limit() -> Result<u64, String> {
    bytes(env::var_os("HIDET_CACHE_LIMIT").unwrap_or_default().as_os_str())
}

fn bytes(mib: &OsStr) -> Result<u64, String> {
    let number = mib.to_str().map(str::trim);
    match number.map(str::parse::<u64>) {
        _ if mib.is_empty() => Ok(LIMIT),
        Some(Ok(mib)) => Ok(mib.saturating_mul(1 << 20)),
        _ => Err(format!("HIDET_CACHE_LIMIT is {mib:?}, which is not a number of MiB; write 2048 for 2 GiB")),
    }
}

/// Creates the folder and writes to it, or returns the error.
pub(super) fn probe(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let (mut file, path) = entry::create(folder, "probe")?;
    let written = file.write_all(&[0; 4096]);
    let removed = fs::remove_file(&path);
    written.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(set: &[(&str, &str)]) -> Option<PathBuf> {
        choose(&|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| PathBuf::from(value)))
    }

    #[test]
    fn a_limit_is_a_number_of_mib() {
        assert_eq!(bytes("".as_ref()), Ok(LIMIT));
        assert_eq!(bytes(" 2 ".as_ref()), Ok(2 << 20));
        let wrong = "HIDET_CACHE_LIMIT is \"2GB\", which is not a number of MiB; write 2048 for 2 GiB";
        assert_eq!(bytes("2GB".as_ref()), Err(wrong.to_owned()));
        assert!(bytes("-1".as_ref()).is_err());
    }

    #[test]
    fn the_environment_decides() {
        assert_eq!(of(&[("HIDET_CACHE", "off"), ("HOME", "/home/me")]), None);
        assert_eq!(of(&[("HIDET_CACHE", "here"), ("HOME", "/home/me")]), Some("here".into()));
        assert_eq!(of(&[]), None);
        if cfg!(target_os = "linux") {
            assert_eq!(of(&[("HOME", "/home/me")]), Some("/home/me/.cache/hidet".into()));
            assert_eq!(of(&[("HOME", "/home/me"), ("XDG_CACHE_HOME", "/tmp/c")]), Some("/tmp/c/hidet".into()));
            assert_eq!(of(&[("HOME", "/home/me"), ("XDG_CACHE_HOME", "c")]), Some("/home/me/.cache/hidet".into()));
        }
    }
}
