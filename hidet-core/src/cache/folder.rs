//! Where the cache lies.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes a folder may hold where nobody says otherwise.
const LIMIT: u64 = 1 << 30;

/// The folder of this process, as the environment says.
pub(super) fn folder() -> Option<PathBuf> {
    choose(&|name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
}

fn choose(variable: &dyn Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    match variable("HIDET_CACHE") {
        Some(folder) if folder.as_os_str() == "off" => return None,
        Some(folder) => return Some(folder),
        None => {}
    }
    // A relative path in these has no meaning.
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

/// Bytes the folder may hold, as the environment says.
pub(super) fn limit() -> u64 {
    let mib = env::var("HIDET_CACHE_LIMIT").ok().and_then(|text| text.trim().parse::<u64>().ok());
    mib.map_or(LIMIT, |mib| mib.saturating_mul(1 << 20))
}

/// Tries to write there.
pub(super) fn probe(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let path = folder.join(format!("probe.{}.{}", std::process::id(), super::evict::UNFINISHED));
    let written = fs::write(&path, [0; 4096]);
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
