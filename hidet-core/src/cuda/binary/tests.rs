//! Kernels through the cache: hits, misses, and the source lines of what is found.

use super::{Binary, Origin, conditions, generate};
use crate::cache::{Cache, EntryKind};
use crate::ir::{Arch, Function, text};
use crate::passes::LoweringOptions;
use crate::testing::{folder::Folder, nvrtc::available};
use std::fs;
use std::process::{Command, Stdio};

const ARCH: Arch = Arch { number: 90, specific: true };
const CHECKED: LoweringOptions = LoweringOptions { wide_index: false, checks: true, contract: true };

/// A kernel whose accesses are all checked.
const SCALE: &str = "kernel scale<n>(@x: in f32[n], @y: out f32[n], %a: f32)
grid ((n + 127) / 128, 1, 1)
block (128, 1, 1)
{
  shared @tile: f32[n]
  %t: i32 = thread
  %v: f32 = load @x[%t]

  %w: f32 = mul %v, %a
  store @tile[%t] = %w
  store @y[%t] = %w
}";

fn function(text: &str, file: &str) -> Function {
    text::parse_file(text, file).unwrap()
}

fn cache(folder: &Folder) -> Cache {
    Cache::at(folder.path(), 1 << 30)
}

fn same(a: &Binary, b: &Binary) {
    assert_eq!(a.source.text, b.source.text);
    assert_eq!((&a.source.entry, &a.source.parameters), (&b.source.entry, &b.source.parameters));
    assert_eq!(a.source.static_shared, b.source.static_shared);
    assert_eq!(a.source.dynamic_shared, b.source.dynamic_shared);
    assert_eq!((&a.source.sites, &a.source.lines), (&b.source.sites, &b.source.lines));
    assert_eq!(a.source.files, b.source.files);
    assert!(a.cubin.image() == b.cubin.image());
    assert_eq!(a.cubin.usage, b.cubin.usage);
    // The log contains the time that the compilation took.
    let lines = |binary: &Binary| -> Vec<String> {
        binary.cubin.log.lines().filter(|line| !line.contains("Compile time")).map(str::to_owned).collect()
    };
    assert_eq!(lines(a), lines(b));
}

#[test]
fn a_stored_kernel_is_the_compiled_one() {
    if !available().unwrap() {
        return;
    }
    let folder = Folder::new("stored").unwrap();
    let cache = cache(&folder);
    let function = function(SCALE, "scale.hir");
    let first = Binary::of(&cache, &function, ARCH, &CHECKED).unwrap();
    let second = Binary::of(&cache, &function, ARCH, &CHECKED).unwrap();
    assert_eq!((first.origin, second.origin), (Origin::Compiled, Origin::Stored));
    same(&first, &second);
    assert!(first.cubin.usage.registers > 0 && !first.source.sites.is_empty());
    // The stored kernel equals what passes and codegen produce with positions.
    let direct = generate(&function.compacted(), ARCH, &CHECKED).unwrap();
    assert_eq!((&direct.text, direct.text_with_lines()), (&first.source.text, first.source.text_with_lines()));
    assert_eq!((direct.sites, direct.lines), (first.source.sites, first.source.lines));
}

#[test]
fn options_and_architecture_are_part_of_the_key_positions_are_not() {
    if !available().unwrap() {
        return;
    }
    let folder = Folder::new("keys").unwrap();
    let cache = cache(&folder);
    let first = function(SCALE, "scale.hir");
    let of = |function: &Function, arch: u32, options: &LoweringOptions| {
        let arch = Arch { number: arch, specific: arch >= 90 };
        Binary::of(&cache, function, arch, options).unwrap()
    };
    let plain = LoweringOptions::default();
    assert_eq!(of(&first, 90, &CHECKED).origin, Origin::Compiled);
    assert_eq!(of(&first, 90, &plain).origin, Origin::Compiled);
    assert_eq!(of(&first, 80, &plain).origin, Origin::Compiled);
    // There is no multiply-add to contract: another key, the same text.
    assert_eq!(of(&first, 90, &LoweringOptions { contract: false, ..plain.clone() }).origin, Origin::Text);
    assert_eq!(of(&function(&SCALE.replace("mul", "add"), "scale.hir"), 90, &plain).origin, Origin::Compiled);

    let moved = function(&format!("\n\n\n{}", SCALE.replace("\n\n", "\n")), "moved.hir");
    let (old, new) = (of(&first, 90, &CHECKED), of(&moved, 90, &CHECKED));
    assert_eq!(new.origin, Origin::Stored);
    let places = |binary: &Binary| -> Vec<String> {
        binary.source.sites.iter().map(|site| binary.source.place_of(site).unwrap()).collect()
    };
    let line = |place: &String| place.rsplit(':').nth(1).unwrap().parse::<u32>().unwrap();
    let (old, new) = (places(&old), places(&new));
    assert!(old.iter().all(|place| place.starts_with("scale.hir:")), "{old:?}");
    assert!(new.iter().all(|place| place.starts_with("moved.hir:")), "{new:?}");
    let lines: Vec<_> = old.iter().zip(&new).map(|(old, new)| (line(old), line(new))).collect();
    // The load stands before the empty line that is gone.
    assert_eq!(lines, [(7, 10), (10, 12), (11, 13)]);
}

#[test]
fn machine_code_is_found_by_its_text_when_the_ir_is_not() {
    if !available().unwrap() {
        return;
    }
    let folder = Folder::new("text").unwrap();
    let cache = cache(&folder);
    let function = function(SCALE, "scale.hir");
    let remove = |kind: EntryKind| {
        let files = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().unwrap() == kind.name()).for_each(|path| fs::remove_file(path).unwrap());
    };
    let first = Binary::of(&cache, &function, ARCH, &CHECKED).unwrap();
    remove(EntryKind::Kernel);
    let second = Binary::of(&cache, &function, ARCH, &CHECKED).unwrap();
    remove(EntryKind::Binary);
    let third = Binary::of(&cache, &function, ARCH, &CHECKED).unwrap();
    assert_eq!((second.origin, third.origin), (Origin::Text, Origin::Compiled));
    same(&first, &second);
    same(&first, &third);
}

#[test]
fn damaged_entries_are_compiled_again() {
    if !available().unwrap() {
        return;
    }
    let folder = Folder::new("damage").unwrap();
    let cache = cache(&folder);
    let function = function(SCALE, "scale.hir");
    let first = Binary::of(&cache, &function, ARCH, &CHECKED).unwrap();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 4;
        for bytes in [&whole[..whole.len() / 2], &flipped, b"", b"foreign"] {
            fs::write(&path, bytes).unwrap();
            let again = Binary::of(&cache, &function, ARCH, &CHECKED).unwrap();
            assert_ne!(again.origin, Origin::Stored);
            same(&first, &again);
            assert_eq!(Binary::of(&cache, &function, ARCH, &CHECKED).unwrap().origin, Origin::Stored);
        }
    }
}

#[test]
fn errors_keep_their_position_and_are_not_stored() {
    if !available().unwrap() {
        return;
    }
    let folder = Folder::new("mistakes").unwrap();
    let cache = cache(&folder);
    let old = Arch { number: 75, specific: false };
    let text = "kernel late(@x: in f32[4])\ngrid (1, 1, 1)\nblock (32, 1, 1)\n{\n  call cluster.sync()\n}";
    for (file, lines) in [("a.hir", 0), ("b.hir", 2)] {
        let function = function(&format!("{}{text}", "\n".repeat(lines)), file);
        let error = Binary::of(&cache, &function, old, &LoweringOptions::default()).unwrap_err().to_string();
        assert!(error.contains(&format!("{file}:{}:", 5 + lines)), "{error}");
    }
    assert_eq!(cache.status().bytes, 0);
}

#[test]
fn threads_that_ask_for_one_kernel_compile_it_once() {
    if !available().unwrap() {
        return;
    }
    let folder = Folder::new("threads").unwrap();
    let cache = cache(&folder);
    let binaries: Vec<Binary> = std::thread::scope(|scope| {
        let one = |file: usize| {
            let function = function(SCALE, &format!("thread{file}.hir"));
            Binary::of(&cache, &function, ARCH, &CHECKED).unwrap()
        };
        let threads: Vec<_> = (0..4).map(|file| scope.spawn(move || one(file))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    // Threads that waited share the allocation of the one that compiled; a late one finds it stored.
    let compiled: Vec<_> = binaries.iter().filter(|binary| binary.origin == Origin::Compiled).collect();
    assert!(!compiled.is_empty());
    for pair in compiled.windows(2) {
        assert!(std::sync::Arc::ptr_eq(&pair[0].cubin, &pair[1].cubin));
    }
    for (index, binary) in binaries.iter().enumerate() {
        let place = binary.source.place_of(&binary.source.sites[0]).unwrap();
        assert!(place.starts_with(&format!("thread{index}.hir:")), "{place}");
    }
}

#[test]
fn conditions_are_stored() {
    let folder = Folder::new("conditions").unwrap();
    let cache = cache(&folder);
    let text = "kernel copy<n>(@x: in f32[n], @y: out f32[n])\ngrid ((n + 127) / 128, 1, 1)\nblock (128, 1, 1)\n{
        %t: i32 = thread\n %b: i32 = block.x\n %c: i32 = const 128\n %base: i32 = mul %b, %c\n %i: i32 = add %base, %t
        %v: f32 = load.guard @x[%i]\n store.guard @y[%i] = %v\n}";
    let function = function(text, "copy.hir");
    let first = conditions(&cache, &function).unwrap();
    assert_eq!(cache.counts(), (0, 1));
    assert_eq!(conditions(&cache, &function).unwrap(), first);
    assert_eq!(cache.counts(), (1, 1));
    assert!(first[0].hold(&[256]) && !first[0].hold(&[255]));
}

/// The variable that names the folder in which a child process compiles.
const CHILD: &str = "HIDET_TEST_BINARY_CHILD";

fn names() -> impl Iterator<Item = Function> {
    (0..6).map(|index| function(&SCALE.replace("scale", &format!("scale{index}")), "scale.hir"))
}

#[test]
fn compiles_into_a_folder_when_asked_to() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let cache = Cache::at(path, 1 << 30);
    let binaries: Vec<Binary> =
        names().map(|function| Binary::of(&cache, &function, ARCH, &CHECKED).unwrap()).collect();
    println!("compiled: {}", binaries.iter().filter(|binary| binary.origin == Origin::Compiled).count());
    assert!(binaries.iter().all(|binary| binary.cubin.usage.registers > 0));
}

#[test]
fn processes_share_the_work() {
    if !available().unwrap() {
        return;
    }
    let folder = Folder::new("share").unwrap();
    let start = || {
        let mut test = Command::new(std::env::current_exe().unwrap());
        test.args(["cuda::binary::tests::compiles_into_a_folder_when_asked_to", "--exact", "--nocapture"]);
        test.env(CHILD, folder.path()).stdout(Stdio::piped()).spawn().unwrap()
    };
    let children = [start(), start(), start()];
    let compiled = children.map(|child| {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, count) = text.split_once("compiled: ").unwrap();
        count.split_whitespace().next().unwrap().parse::<usize>().unwrap()
    });
    assert_eq!(compiled.iter().sum::<usize>(), 6, "{compiled:?}");
    let cache = cache(&folder);
    for function in names() {
        assert_eq!(Binary::of(&cache, &function, ARCH, &CHECKED).unwrap().origin, Origin::Stored);
    }
    assert_eq!(cache.status().entries, [6, 6, 0]);
}

#[test]
fn a_process_that_dies_with_the_lock_blocks_no_other() {
    if !available().unwrap() {
        return;
    }
    let folder = Folder::new("dead").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["cuda::binary::tests::compiles_into_a_folder_when_asked_to", "--exact"]);
    let mut child = child.env(CHILD, folder.path()).stdout(Stdio::null()).spawn().unwrap();
    let locked = || {
        fs::read_dir(folder.path())
            .unwrap()
            .any(|entry| entry.unwrap().file_name().to_string_lossy().contains(".lock."))
    };
    while !locked() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let begin = std::time::Instant::now();
    let cache = cache(&folder);
    for function in names() {
        assert!(Binary::of(&cache, &function, ARCH, &CHECKED).unwrap().cubin.usage.registers > 0);
    }
    // Far less than the time limit of waiting for the file lock.
    assert!(begin.elapsed() < std::time::Duration::from_secs(50));
    assert!(!locked());
}
