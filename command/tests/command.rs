//! The command `hidet` from outside: its output, exit codes, and errors for wrong settings.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use std::process::Command;

/// The command without a GPU, a cache, or settings of the user.
fn hidet(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hidet"));
    command
        .args(arguments.split(' '))
        .env("HIDET_CACHE", "off")
        .env_remove("HIDET_CACHE_LIMIT")
        .env("HIDET_DEVICE", "sim");
    command
}

/// Returns its output and exit code.
fn says(command: &mut Command) -> (String, i32) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (text, output.status.code().unwrap())
}

#[test]
fn a_reader_who_has_enough_ends_it_quietly() {
    for arguments in ["inspect softmax --brief", "bench --list", "doctor", "viz spatial([4,8])"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (text, code) = says(hidet(arguments).stdout(writer));
        assert_eq!((text.as_str(), code), ("", 141), "{arguments}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let (text, code) = says(hidet("inspect softmax --brief").stdout(full()));
    assert!(code == 1 && text.starts_with("error: standard output: No space left on device"), "{code} {text}");
    // The error message cannot be written either.
    assert_eq!(says(hidet("inspect nonsense").stderr(full())).1, 1);
}

#[test]
fn doctor_fails_where_kernels_cannot_run() {
    let (text, code) = says(&mut hidet("doctor"));
    assert!(code == 0 && text.contains("kernels run on: the simulated device"), "{text}");
    let (text, code) = says(hidet("doctor").env("HIDET_DEVICE", "nope"));
    assert!(code == 1 && text.contains("kernels cannot run: nope: there is no such device"), "{text}");
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let (text, code) = says(hidet("doctor").env("HIDET_DEVICE", std::ffi::OsStr::from_bytes(b"cuda\xff")));
        assert!(code == 1 && text.contains("kernels cannot run"), "{text}");
    }
}

#[test]
fn a_limit_that_is_not_a_number_is_an_error() {
    let wrong = "HIDET_CACHE_LIMIT is \"2GB\"";
    for arguments in ["cache status", "cache clear", "doctor"] {
        let (text, code) = says(hidet(arguments).env("HIDET_CACHE_LIMIT", "2GB"));
        assert!(code == 1 && text.contains(wrong), "{arguments}: {code}\n{text}");
    }
}

#[test]
fn a_cache_that_cannot_be_cleared_is_an_error() {
    let (text, code) = says(hidet("cache clear").env("HIDET_CACHE", "Cargo.toml"));
    assert!(code == 1 && text.starts_with("error: the cache in Cargo.toml cannot be cleared: "), "{code} {text}");
    assert!(text.contains("HIDET_CACHE names its folder"), "{text}");
}

#[test]
fn an_unknown_kernel_is_reported_before_an_unknown_device() {
    for arguments in ["bench sofmax --device cuda:99", "bench softmax sofmax", "inspect sofmax"] {
        let (text, code) = says(&mut hidet(arguments));
        assert!(code == 1 && text.starts_with("error: there is no kernel `sofmax`"), "{arguments}: {code} {text}");
        assert!(text.contains("did you mean `softmax`"), "{arguments}: {text}");
    }
    let (text, code) = says(&mut hidet("bench nosuch"));
    assert!(code == 1 && text.starts_with("error: there is no kernel `nosuch` to measure\n"), "{code} {text}");
    let (text, code) = says(&mut hidet("bench matmul_wgmma --shape 8x8"));
    assert!(code == 1 && text.starts_with("error: 8x8 is not a shape of these kernels"), "{code} {text}");
    let (text, code) = says(&mut hidet("bench softmax --shape 0x4"));
    assert!(code != 0 && text.contains("`0` is not a valid extent"), "{code} {text}");
}

#[test]
fn an_unknown_device_is_an_error() {
    for arguments in
        ["check --only math --device cuda:99", "bench compile --device cuda:99", "bench softmax --device cuda:99"]
    {
        let (text, code) = says(&mut hidet(arguments));
        assert!(code == 1 && text.starts_with("error: "), "{arguments}: {code}\n{text}");
    }
    let (text, code) = says(&mut hidet("check --device nope"));
    assert!(code == 1 && text.contains("write `sim`, `cuda` or `cuda:1`"), "{text}");
}

#[test]
fn a_check_of_nothing_fails() {
    let (text, code) = says(&mut hidet("check --device sim --only intrinsics --named nonsense"));
    assert!(code == 1 && text.contains("0 cases passed, 0 failed"), "{text}");
    for nothing in ["--named nonsense", "--count 0"] {
        let (text, code) = says(&mut hidet(&format!("check --device sim --only operators {nothing}")));
        assert!(code == 1 && text.contains("there is nothing to check"), "{text}");
    }
}

#[test]
fn operators_are_checked_and_measured_by_name() {
    let (text, code) = says(&mut hidet("check --device sim --only operators --named relu --seed 3 --count 2"));
    assert!(code == 0 && text.contains("2 operators, 32 runs") && text.contains(" 0 wrong"), "{text}");
    let (text, code) = says(&mut hidet("bench operators matmull"));
    assert!(code == 1 && text.contains("begins with `matmull`; did you mean `matmul`?"), "{text}");
    let (text, code) = says(&mut hidet("bench operators matmul --shape 2x2x2"));
    assert!(code == 1 && text.contains("`operators` takes --device, --rounds and --csv alone"), "{text}");
    let (text, code) = says(&mut hidet("bench operators matmul --device sim"));
    assert!(code == 1 && text.contains("operators are measured on a GPU"), "{text}");
}

#[test]
fn options_of_random_programs_need_the_part_random() {
    let (text, code) = says(&mut hidet("check --device sim --count 3"));
    assert!(
        code == 1 && text.contains("are for random programs and operators: add --only random or --only operators"),
        "{text}"
    );
    let (text, code) = says(&mut hidet("check --device sim --only operators --arch sm_90a"));
    assert!(code == 1 && text.contains("are for random programs: add --only random"), "{text}");
    let (text, code) = says(&mut hidet("check --device sim --only random --family nonsense"));
    assert!(code == 1 && text.contains("there is no family `nonsense`; there are kernel, talk"), "{text}");
    let (text, code) = says(&mut hidet("check --device sim --only random --count 20 --seed 7 --family talk,kernel"));
    assert!(
        code == 0 && text.contains("20 programs compared") && text.contains("20 random programs from seed 7"),
        "{text}"
    );
}

/// The drawing in the README is the command's.
#[test]
fn the_readme_shows_what_viz_draws() {
    let expression = "spatial([4, 8]) * repeat([2, 2])";
    let (drawing, code) = says(hidet("viz").arg(expression));
    let shown = include_str!("../../README.md").split("```text\n").nth(1).and_then(|rest| rest.split("```").next());
    assert_eq!((Some(drawing.trim_end()), code), (shown.map(str::trim_end), 0));
    assert!(include_str!("../../README.md").contains(&format!("-> TaskMapping<2> {{ {expression} }}")));
}

#[test]
fn a_shape_too_large_for_the_host_is_an_error() {
    let (text, code) = says(&mut hidet("bench vector_add<f32> --device sim --shape 1000000000000000"));
    assert!(code == 1 && text.contains("out of memory: 4000000000000000 bytes requested"), "{code} {text}");
    // A layout without elements draws nothing.
    assert_eq!(says(&mut hidet("viz row_major([4294967295,4294967295,4294967295,0])")), ("\n".to_owned(), 0));
    assert_eq!(says(&mut hidet("viz row_major([4294967295,4294967295,0])")), ("\n".to_owned(), 0));
}
