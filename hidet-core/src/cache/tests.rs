//! Entries that are damaged, cut off, moved or foreign; folders that are full, read-only, or not folders; many
//! processes.

use super::{Cache, Digest, EntryKind};
use crate::testing::folder::Folder;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

const LIMIT: u64 = 1 << 20;

fn name(of: u32) -> Digest {
    Digest::of(&[&of.to_le_bytes()])
}

fn value(of: u32) -> String {
    format!("entry {of} ").repeat(of as usize % 7 + 1)
}

/// Returns a cache with entry 1, and the path of its file.
fn one(folder: &Folder) -> (Cache, PathBuf) {
    let cache = Cache::at(folder.path(), LIMIT);
    cache.put(EntryKind::Binary, name(1), &value(1));
    let path = cache.path(EntryKind::Binary, name(1)).unwrap();
    assert_eq!(cache.get(EntryKind::Binary, name(1)), Some(value(1)));
    (cache, path)
}

#[test]
fn no_changed_byte_goes_unnoticed() {
    let folder = Folder::new("flip").unwrap();
    let (cache, path) = one(&folder);
    let whole = fs::read(&path).unwrap();
    for place in 0..whole.len() {
        for bit in [1, 0x80] {
            let mut bytes = whole.clone();
            bytes[place] ^= bit;
            fs::write(&path, &bytes).unwrap();
            assert_eq!(cache.get::<String>(EntryKind::Binary, name(1)), None, "byte {place}");
        }
    }
    // A damaged entry is written again.
    cache.put(EntryKind::Binary, name(1), &value(1));
    assert_eq!(cache.get(EntryKind::Binary, name(1)), Some(value(1)));
    assert_eq!(fs::read(&path).unwrap(), whole);
}

#[test]
fn entries_of_wrong_length_or_version_are_not_found() {
    let folder = Folder::new("cut").unwrap();
    let (cache, path) = one(&folder);
    let whole = fs::read(&path).unwrap();
    for len in 0..whole.len() {
        fs::write(&path, &whole[..len]).unwrap();
        assert_eq!(cache.get::<String>(EntryKind::Binary, name(1)), None, "{len} bytes");
    }
    let mut longer = whole.clone();
    longer.push(0);
    let mut version = whole.clone();
    version[7] += 1;
    for bytes in [longer, version, b"#!/bin/sh\n".to_vec(), vec![0; 4096]] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(cache.get::<String>(EntryKind::Binary, name(1)), None);
    }
    fs::write(&path, whole).unwrap();
    assert_eq!(cache.get(EntryKind::Binary, name(1)), Some(value(1)));
}

#[test]
fn an_entry_under_another_name_or_kind_is_not_found() {
    let folder = Folder::new("moved").unwrap();
    let (cache, path) = one(&folder);
    fs::copy(&path, cache.path(EntryKind::Binary, name(2)).unwrap()).unwrap();
    fs::copy(&path, cache.path(EntryKind::Kernel, name(1)).unwrap()).unwrap();
    assert_eq!(cache.get::<String>(EntryKind::Binary, name(2)), None);
    assert_eq!(cache.get::<String>(EntryKind::Kernel, name(1)), None);
    // Decoding as another type than was written fails.
    assert_eq!(cache.get::<Vec<u64>>(EntryKind::Binary, name(1)), None);
}

#[test]
fn an_unusable_folder_is_reported_once_and_stops_nothing() {
    let folder = Folder::new("unusable").unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "not a folder").unwrap();
    let cache = Cache::at(file.join("cache"), LIMIT);
    for of in 0..3 {
        cache.put(EntryKind::Kernel, name(of), &value(of));
        assert_eq!(cache.get::<String>(EntryKind::Kernel, name(of)), None);
    }
    assert!(cache.trouble().is_some());
    assert!(cache.status().trouble.is_some(), "{:?}", cache.status());
    assert!(cache.clear().is_err() || cache.clear().unwrap() == (0, 0));
    assert_eq!(fs::read_to_string(&file).unwrap(), "not a folder");
}

#[cfg(unix)]
#[test]
fn a_read_only_folder_still_has_hits() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("readonly").unwrap();
    let (cache, path) = one(&folder);
    let allow = |folder: u32, file: u32| {
        fs::set_permissions(&path, fs::Permissions::from_mode(file)).unwrap();
        fs::set_permissions(folder_of(&path), fs::Permissions::from_mode(folder)).unwrap();
    };
    fn folder_of(path: &std::path::Path) -> &std::path::Path {
        path.parent().unwrap()
    }
    allow(0o555, 0o444);
    // The superuser may write nevertheless.
    let writable = fs::write(folder.path().join("try"), "").is_ok();
    cache.put(EntryKind::Binary, name(2), &value(2));
    assert_eq!(cache.get(EntryKind::Binary, name(1)), Some(value(1)));
    assert_eq!(cache.get::<String>(EntryKind::Binary, name(2)).is_some(), writable);
    assert_eq!(cache.trouble().is_some(), !writable);
    allow(0o755, 0o644);
}

#[test]
fn off_stores_nothing() {
    let cache = Cache::off();
    cache.put(EntryKind::Kernel, name(1), &value(1));
    assert_eq!(cache.get::<String>(EntryKind::Kernel, name(1)), None);
    assert_eq!((cache.status().folder, cache.trouble(), cache.clear().unwrap()), (None, None, (0, 0)));
}

#[test]
fn the_least_recently_used_entries_are_evicted_first() {
    let folder = Folder::new("evict").unwrap();
    let cache = Cache::at(folder.path(), 40_000);
    let big = |of: u32| format!("{of:01000}");
    let age = |of: u32, seconds: u64| {
        let file = fs::File::options().append(true).open(cache.path(EntryKind::Kernel, name(of)).unwrap()).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
    };
    for of in 0..30 {
        cache.put(EntryKind::Kernel, name(of), &big(of));
        age(of, 10_000 - u64::from(of));
    }
    // Reading makes the oldest entry the most recently used.
    assert_eq!(cache.get(EntryKind::Kernel, name(0)), Some(big(0)));
    let abandoned = folder.path().join(format!("{}.1.1.{}", name(1), super::evict::UNFINISHED));
    let strange = folder.path().join("readme.txt");
    fs::write(&abandoned, "half").unwrap();
    fs::write(&strange, "mine").unwrap();
    fs::File::options().append(true).open(&abandoned).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    for of in 30..100 {
        cache.put(EntryKind::Kernel, name(of), &big(of));
    }
    let status = cache.status();
    // A sixteenth of the limit may be added before the next eviction.
    assert!(status.bytes <= 40_000 + 40_000 / 16 + 2 * 1100, "{status:?}");
    assert!(status.bytes > 20_000, "{status:?}");
    assert!(!abandoned.exists() && strange.exists());
    assert_eq!(cache.get::<String>(EntryKind::Kernel, name(1)), None);
    assert_eq!(cache.get(EntryKind::Kernel, name(99)), Some(big(99)));
    let removed = cache.clear().unwrap();
    assert_eq!(removed, (status.entries.iter().sum(), status.bytes));
    assert!(strange.exists());
    assert_eq!(cache.status().bytes, 0);
}

#[test]
fn file_locks_exclude_each_other() {
    let folder = Folder::new("turns").unwrap();
    let cache = Cache::at(folder.path(), LIMIT);
    let inside = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    if cache.get::<String>(EntryKind::Kernel, name(1)).is_some() {
                        return;
                    }
                    let _lock = cache.file_lock(name(1));
                    if cache.get::<String>(EntryKind::Kernel, name(1)).is_none() {
                        assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        std::thread::sleep(Duration::from_millis(20));
                        cache.put(EntryKind::Kernel, name(1), &value(1));
                    }
                }
            });
        }
    });
    assert_eq!(inside.into_inner(), 1);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    // Without a folder there is no lock to wait for.
    drop((Cache::off().file_lock(name(1)), Cache::at("/dev/null/none", LIMIT).file_lock(name(1))));
}

#[test]
fn files_that_others_write_stay() {
    let folder = Folder::new("unfinished").unwrap();
    let cache = Cache::at(folder.path(), LIMIT);
    // A file that a process with the same id left behind, or is writing now.
    let theirs = folder.path().join(format!("{}.{}.0.{}", name(1), std::process::id(), super::evict::UNFINISHED));
    let old = folder.path().join(format!("{}.{}", name(2), super::evict::UNFINISHED));
    fs::write(&theirs, "half").unwrap();
    let lock = cache.file_lock(name(3));
    for of in 1..4 {
        cache.put(EntryKind::Binary, name(of), &value(of));
        assert_eq!(cache.get(EntryKind::Binary, name(of)), Some(value(of)));
    }
    assert_eq!((cache.trouble(), cache.status().trouble), (None, None));
    fs::write(&old, "half").unwrap();
    fs::File::options().append(true).open(&old).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    // Three entries and the abandoned file are removed; only entries are counted.
    assert_eq!(cache.clear().unwrap().0, 3);
    assert!(theirs.exists() && !old.exists());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    drop(lock);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// The variable that names the folder for a child process to fill.
const CHILD: &str = "HIDET_TEST_CACHE_CHILD";

#[test]
fn fills_a_folder_when_asked_to() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    // Small enough that processes evict each other's entries.
    let cache = Cache::at(folder, 6_000);
    for round in 0..20 {
        for of in 0..40 {
            if let Some(found) = cache.get::<String>(EntryKind::Kernel, name(of)) {
                assert_eq!(found, value(of), "round {round}");
            }
            cache.put(EntryKind::Kernel, name(of), &value(of));
        }
    }
    assert_eq!(cache.trouble(), None);
}

#[test]
fn processes_fill_one_folder_at_once() {
    let folder = Folder::new("processes").unwrap();
    let start = || {
        let test = std::env::current_exe().unwrap();
        let arguments = ["cache::tests::fills_a_folder_when_asked_to", "--exact"];
        Command::new(test).args(arguments).env(CHILD, folder.path()).spawn().unwrap()
    };
    let mut children = [start(), start(), start()];
    // A process that is killed while it writes does no harm.
    std::thread::sleep(Duration::from_millis(15));
    let _ = children[2].kill();
    let _ = children[2].wait();
    for child in &mut children[..2] {
        assert!(child.wait().unwrap().success());
    }
    let cache = Cache::at(folder.path(), LIMIT);
    let found = (0..40).filter_map(|of| cache.get::<String>(EntryKind::Kernel, name(of)).map(|found| (of, found)));
    let found: Vec<_> = found.collect();
    assert!(!found.is_empty());
    for (of, found) in found {
        assert_eq!(found, value(of));
    }
}
