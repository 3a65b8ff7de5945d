//! Finds shared libraries of CUDA at run time, so that building needs none of them.

use libloading::Library;
use std::path::{Path, PathBuf};

/// The versions of CUDA whose libraries have the functions used here, newest first.
const MAJORS: [&str; 2] = ["13", "12"];

/// Loads `lib<stem>.so`, by name (`LD_LIBRARY_PATH` and the loader's own folders), then from the folders in which the
/// CUDA toolkit and Python packages install it. It is never unloaded.
pub fn load(stem: &str, package: &str) -> Result<&'static Library, String> {
    let names: Vec<String> =
        MAJORS.iter().map(|major| format!("lib{stem}.so.{major}")).chain([format!("lib{stem}.so")]).collect();
    let folders = folders();
    let inside = |folder: &PathBuf| names.iter().map(|name| folder.join(name)).collect::<Vec<_>>();
    let paths = names.iter().map(PathBuf::from).chain(folders.iter().flat_map(inside).filter(|path| path.exists()));
    let mut refused = Vec::new();
    for path in paths {
        // SAFETY: loading a library of CUDA only runs its initialisers.
        match unsafe { Library::new(&path) } {
            Ok(library) => return Ok(Box::leak(Box::new(library))),
            // An existing file that was not loaded gives a useful error; a name that was not found does not.
            Err(error) if path.is_absolute() => refused.push(format!("\n  {error}")),
            Err(_) => {}
        }
    }
    let newest = &names[0];
    if !refused.is_empty() {
        return Err(format!("{newest} was found, but not loaded:{}", refused.concat()));
    }
    let looked: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    Err(format!(
        "{newest} was not found; install the CUDA toolkit (12 or newer), or `pip install {package}`, and put the folder \
         of {newest} on LD_LIBRARY_PATH (looked there and in {})",
        if looked.is_empty() { "the loader's folders".to_owned() } else { looked.join(", ") }
    ))
}

/// Returns the folders that exist and may hold libraries of CUDA.
fn folders() -> Vec<PathBuf> {
    let mut roots: Vec<PathBuf> =
        ["CUDA_HOME", "CUDA_PATH"].iter().filter_map(std::env::var_os).map(PathBuf::from).collect();
    roots.push("/usr/local/cuda".into());
    let mut versions = children(Path::new("/usr/local"), "cuda-");
    versions.sort_unstable();
    roots.extend(versions.into_iter().rev());
    let mut folders: Vec<PathBuf> = roots.iter().flat_map(|root| [root.join("lib64"), root.join("lib")]).collect();
    // Related libraries are often beside NVRTC.
    folders.extend(mapped("libnvrtc.so"));
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let prefixes = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(variable);
    for prefix in prefixes.chain(["/usr/local".into(), "/usr".into(), "/opt/conda".into()]) {
        for python in children(&prefix.join("lib"), "python3") {
            for packages in ["site-packages", "dist-packages"] {
                let nvidia = python.join(packages).join("nvidia");
                folders.extend(["cu13", "cublas"].map(|package| nvidia.join(package).join("lib")));
            }
        }
    }
    folders.retain(|folder| folder.is_dir());
    let mut unique: Vec<PathBuf> = Vec::new();
    for folder in folders {
        if !unique.contains(&folder) {
            unique.push(folder);
        }
    }
    unique
}

/// Returns the entries of a folder whose names begin with `beginning`.
fn children(folder: &Path, beginning: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let named = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(beginning));
    entries.filter_map(|entry| Some(entry.ok()?.path())).filter(named).collect()
}

/// Returns the folder of a library that this process has loaded, and the folder of its sister package for cuBLAS.
fn mapped(name: &str) -> Vec<PathBuf> {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return Vec::new() };
    let path = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|path| path.contains(name));
    let Some(folder) = path.and_then(|path| Path::new(path).parent()) else { return Vec::new() };
    let sister = folder.parent().and_then(Path::parent).map(|nvidia| nvidia.join("cublas/lib"));
    [folder.to_path_buf()].into_iter().chain(sister).collect()
}

/// A struct of functions that are looked up by name in a library; each returns a status.
macro_rules! functions {
    ($(#[$doc:meta])* $table:ident { $($name:ident($($arg:ident: $ty:ty),* $(,)?);)* }) => {
        $(#[$doc])*
        #[allow(non_snake_case)]
        struct $table {
            $($name: unsafe extern "C" fn($($arg: $ty),*) -> i32,)*
        }

        impl $table {
            fn find(library: &libloading::Library) -> Result<$table, String> {
                Ok($table {
                    $($name: {
                        // SAFETY: the type is the one the library declares.
                        let symbol = unsafe { library.get::<unsafe extern "C" fn($($ty),*) -> i32>(stringify!($name)) };
                        *symbol.map_err(|_| concat!("the library found lacks `", stringify!($name), "`").to_owned())?
                    },)*
                })
            }
        }
    };
}
pub(super) use functions;

/// Returns the name of a status of cuBLAS.
pub fn status(code: i32) -> String {
    let name = match code {
        1 => "CUBLAS_STATUS_NOT_INITIALIZED",
        3 => "CUBLAS_STATUS_ALLOC_FAILED",
        7 => "CUBLAS_STATUS_INVALID_VALUE",
        8 => "CUBLAS_STATUS_ARCH_MISMATCH",
        11 => "CUBLAS_STATUS_MAPPING_ERROR",
        13 => "CUBLAS_STATUS_EXECUTION_FAILED",
        14 => "CUBLAS_STATUS_INTERNAL_ERROR",
        15 => "CUBLAS_STATUS_NOT_SUPPORTED",
        _ => return format!("status {code}"),
    };
    format!("{name} ({code})")
}

/// Returns an error if a call failed.
pub fn check(what: &str, code: i32) -> Result<(), String> {
    if code == 0 { Ok(()) } else { Err(format!("{what} failed: {}", status(code))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_says_what_to_do() {
        let error = load("hidet_has_no_such_library", "nvidia-nothing").map(|_| ()).unwrap_err();
        assert!(
            error.starts_with("libhidet_has_no_such_library.so.13 was not found; install the CUDA toolkit"),
            "{error}"
        );
        assert!(error.contains("`pip install nvidia-nothing`") && error.contains("LD_LIBRARY_PATH"), "{error}");
    }

    #[test]
    fn statuses_have_names() {
        assert_eq!(check("cublasLtCreate", 1).unwrap_err(), "cublasLtCreate failed: CUBLAS_STATUS_NOT_INITIALIZED (1)");
        assert_eq!(check("x", 99).unwrap_err(), "x failed: status 99");
        assert_eq!(check("x", 0), Ok(()));
    }
}
