//! `hidet cache`: the compiled kernels kept on disk.

use super::Outcome;
use clap::{Args, Subcommand};
use hidet::cache::{Cache, EntryKind, Status};
use std::fmt::Write;
use std::path::Path;
use std::time::SystemTime;

/// The action.
#[derive(Args)]
pub struct CacheCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Print the folder, its content, and problems with writing to it.
    Status,
    /// Remove all entries.
    Clear,
}

impl CacheCommand {
    /// Runs the action for the cache that the environment names. Returns true if kernels can be kept.
    pub fn run(&self) -> Outcome {
        let cache = Cache::global();
        match self.action {
            Action::Status => {
                let status = cache.status();
                print!("{}", text(&status, SystemTime::now()));
                Ok(status.trouble.is_none())
            }
            Action::Clear => {
                if let Some(trouble) = cache.status().trouble.filter(|_| cache.folder().is_none()) {
                    return Err(trouble);
                }
                let cleared = cache.clear().map_err(|error| {
                    let folder = cache.folder().unwrap_or(Path::new("")).display();
                    format!("the cache in {folder} cannot be cleared: {error}\nHIDET_CACHE names its folder")
                });
                let (entries, bytes) = cleared?;
                println!("removed {entries} entries, {}", size(bytes));
                Ok(true)
            }
        }
    }
}

/// `3.2 MiB`
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// `5 minutes ago`
fn ago(then: SystemTime, now: SystemTime) -> String {
    let seconds = now.duration_since(then).unwrap_or_default().as_secs();
    let (count, unit) = match seconds {
        0..120 => (seconds, "seconds"),
        120..7200 => (seconds / 60, "minutes"),
        7200..172_800 => (seconds / 3600, "hours"),
        _ => (seconds / 86_400, "days"),
    };
    format!("{count} {unit} ago")
}

fn text(status: &Status, now: SystemTime) -> String {
    let Some(folder) = &status.folder else {
        let why = status.trouble.as_deref().unwrap_or("HIDET_CACHE=off, or no folder for caches is known");
        return format!("off: compiled kernels are not kept ({why})\n");
    };
    let mut text = format!("folder: {}\n", folder.display());
    let what = |kind| match kind {
        EntryKind::Kernel => "kernels, found by their IR",
        EntryKind::Binary => "cubins, found by their CUDA text",
        EntryKind::Bounds => "conditions under which a specialised kernel applies",
    };
    for (count, kind) in status.entries.iter().zip(EntryKind::ALL) {
        let _ = writeln!(text, "{count:8} {}", what(kind));
    }
    let _ = writeln!(text, "size: {} of at most {}", size(status.bytes), size(status.limit));
    if let Some((first, last)) = status.used {
        let _ = writeln!(text, "last used: newest entry {}, oldest entry {}", ago(last, now), ago(first, now));
    }
    if let Some(trouble) = &status.trouble {
        let _ =
            writeln!(text, "nothing can be kept there: {trouble}\n  set HIDET_CACHE to another folder, or to `off`");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_status_reads_well() {
        let now = SystemTime::now();
        let mut status = Status {
            folder: Some("/caches/hidet".into()),
            entries: [3, 2, 1],
            bytes: 3 << 19,
            limit: 1 << 30,
            used: Some((now - Duration::from_secs(200_000), now - Duration::from_secs(300))),
            trouble: None,
        };
        let expected = "folder: /caches/hidet\n       3 kernels, found by their IR\n       2 cubins, found by their CUDA text\n       \
                        1 conditions under which a specialised kernel applies\nsize: 1.5 MiB of at most 1024.0 MiB\n\
                        last used: newest entry 5 minutes ago, oldest entry 2 days ago\n";
        assert_eq!(text(&status, now), expected);
        status.trouble = Some("No space left on device".to_owned());
        assert!(text(&status, now).ends_with("`off`\n"));
        status.folder = None;
        assert!(text(&status, now).starts_with("off: "));
    }
}
