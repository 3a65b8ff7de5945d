//! Machine code read from `nvdisasm`: instructions with their Rust lines, loops, and findings.
//!
//! Line numbers come from the line table of the cubin; an inlined helper has the line of its call.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

/// An instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Its offset in bytes.
    pub offset: u32,
    /// Its text, without the semicolon.
    pub text: String,
    /// The file and line it came from.
    pub place: Option<(String, u32)>,
    /// The number of loops around it.
    pub depth: u32,
}

impl Instruction {
    /// Returns the operation without guard and operands, for example `LDG.E.128`.
    pub fn name(&self) -> &str {
        let text =
            self.text.strip_prefix('@').map_or(self.text.as_str(), |rest| rest.split_once(' ').map_or("", |p| p.1));
        text.split_whitespace().next().unwrap_or("")
    }

    /// Returns true if it is of that family: `LDG` for `LDG.E.128`.
    pub fn is(&self, family: &str) -> bool {
        self.name().split('.').next() == Some(family)
    }

    /// Returns the bytes of a load or store.
    pub fn bytes(&self) -> u32 {
        let width = self.name().split('.').find_map(|part| match part {
            "U8" | "S8" => Some(1),
            "U16" | "S16" => Some(2),
            "64" => Some(8),
            "128" => Some(16),
            "ENL2" => Some(32),
            _ => None,
        });
        width.unwrap_or(4)
    }
}

/// Disassembles machine code, or returns an error if that is not possible.
pub fn disassemble(image: &[u8]) -> Result<Vec<Instruction>, String> {
    let path = std::env::temp_dir().join(format!("hidet-{}.cubin", std::process::id()));
    std::fs::write(&path, image).map_err(|error| format!("{}: {error}", path.display()))?;
    let output = tools("nvdisasm").into_iter().find_map(|tool| {
        Command::new(tool).args(["--print-line-info-inline", "--print-code"]).arg(&path).output().ok()
    });
    let _ = std::fs::remove_file(&path);
    match output {
        Some(output) if output.status.success() => Ok(parse(&String::from_utf8_lossy(&output.stdout))),
        Some(output) => Err(format!("nvdisasm failed: {}", String::from_utf8_lossy(&output.stderr).trim())),
        None => {
            Err("nvdisasm is neither on the PATH, nor in CUDA_HOME, nor beside libnvrtc on LD_LIBRARY_PATH, nor among \
                     Python's nvidia packages; it comes with the CUDA toolkit, or `pip install nvidia-cuda-nvdisasm`"
                .to_owned())
        }
    }
}

/// Returns the paths of a tool, in the order in which they are tried.
fn tools(name: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from(name)];
    for home in ["CUDA_HOME", "CUDA_PATH"] {
        found.extend(std::env::var_os(home).map(|home| PathBuf::from(home).join("bin").join(name)));
    }
    found.push(PathBuf::from("/usr/local/cuda/bin").join(name));
    // Python's packages have `lib` and `bin` side by side.
    let libraries = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    found.extend(std::env::split_paths(&libraries).map(|folder| folder.join("../bin").join(name)));
    let script = "import nvidia; print(list(nvidia.__path__)[0])";
    if let Ok(output) = Command::new("python3").args(["-c", script]).output() {
        let packages = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        let folders = std::fs::read_dir(packages).into_iter().flatten().flatten();
        found.extend(folders.map(|folder| folder.path().join("bin").join(name)));
    }
    found
}

/// Parses a listing with line information into instructions.
pub fn parse(listing: &str) -> Vec<Instruction> {
    let mut instructions: Vec<Instruction> = Vec::new();
    let (mut place, mut labels) = (None, BTreeMap::new());
    for line in listing.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("//## File \"") {
            // The last such line before an instruction is the outermost call.
            let mut parts = rest.split('"');
            let file = parts.next().unwrap_or_default().to_owned();
            let number = parts.next().and_then(|rest| rest.strip_prefix(", line "));
            let number = number.and_then(|rest| rest.split_whitespace().next()).and_then(|digits| digits.parse().ok());
            place = number.map(|number| (file, number));
        } else if let Some(label) = line.strip_suffix(':') {
            labels.insert(label.to_owned(), instructions.len());
        } else if let Some((offset, text)) = line.strip_prefix("/*").and_then(|rest| rest.split_once("*/")) {
            let (Ok(offset), Some(text)) = (u32::from_str_radix(offset, 16), text.trim().strip_suffix(';')) else {
                continue;
            };
            let text = text.trim().to_owned();
            instructions.push(Instruction { offset, text, place: place.clone(), depth: 0 });
        }
    }
    // A backward jump is a loop. The code after the end jumps to itself, which is not a loop.
    for at in 0..instructions.len() {
        let target = instructions[at].text.split_once("`(").and_then(|(_, rest)| rest.split(')').next());
        let Some(&start) = target.and_then(|target| labels.get(target)) else { continue };
        // Code moved behind the end jumps backward too.
        let moved = start < at && instructions[start..at].iter().any(|one| one.text == "EXIT");
        if instructions[at].is("BRA") && start < at && !moved {
            instructions[start..=at].iter_mut().for_each(|inside| inside.depth += 1);
        }
    }
    while instructions.last().is_some_and(|last| last.is("NOP") || last.is("BRA")) {
        instructions.pop();
    }
    instructions
}

/// Formats the instructions under the lines they came from; `source` returns the text of a line.
pub fn listing(instructions: &[Instruction], source: &dyn Fn(&str, u32) -> Option<String>) -> String {
    let mut out = String::new();
    let mut last = None;
    for instruction in instructions {
        if last != Some(&instruction.place) {
            if let Some((file, line)) = &instruction.place {
                let name = file.rsplit('/').next().unwrap_or(file);
                let text = source(file, *line).unwrap_or_default();
                let _ = writeln!(out, "\n{name}:{line}  {}", text.trim());
            }
            last = Some(&instruction.place);
        }
        let depth = "| ".repeat(instruction.depth.min(4) as usize);
        let _ = writeln!(out, "  {:04x}  {depth}{}", instruction.offset, instruction.text);
    }
    out
}

/// The kinds that the mix counts, each with the families of instructions that belong to it.
const KINDS: &[(&str, &[&str])] = &[
    ("tensor cores, warp group", &["HGMMA", "IGMMA", "QGMMA", "BGMMA"]),
    ("tensor cores, warp", &["HMMA", "IMMA", "QMMA", "DMMA"]),
    ("f32 multiply-add", &["FFMA", "FFMA2"]),
    ("f32 other", &["FADD", "FMUL", "FMNMX", "FSETP", "FSEL"]),
    ("f16, bf16", &["HFMA2", "HADD2", "HMUL2", "HMNMX2", "HSETP2"]),
    ("f64", &["DFMA", "DADD", "DMUL", "DSETP"]),
    ("special functions", &["MUFU"]),
    ("conversions", &["F2F", "F2I", "I2F", "F2FP", "I2FP", "F2IP"]),
    (
        "integers",
        &[
            "IMAD", "IADD3", "VIADD", "LEA", "LOP3", "SHF", "ISETP", "PRMT", "SEL", "IMNMX", "VIMNMX", "UIADD3",
            "ULEA", "ULOP3", "USHF", "UIMAD",
        ],
    ),
    ("bulk copies", &["UTMALDG", "UTMASTG", "UTMAREDG", "UTMAPF", "UBLKCP", "UBLKRED"]),
    ("asynchronous copies", &["LDGSTS"]),
    ("matrices to and from shared", &["LDSM", "STSM"]),
    ("shuffles, votes", &["SHFL", "VOTE", "REDUX", "MATCH"]),
    ("atomics", &["ATOM", "ATOMG", "ATOMS", "RED"]),
    (
        "barriers, fences",
        &[
            "BAR",
            "SYNCS",
            "MEMBAR",
            "FENCE",
            "DEPBAR",
            "LDGDEPBAR",
            "WARPSYNC",
            "WARPGROUP",
            "UCGABAR_ARV",
            "UCGABAR_WAIT",
        ],
    ),
    ("branches", &["BRA", "BSSY", "BSYNC", "EXIT", "CALL", "RET", "BREAK", "WARPSYNC.COLLECTIVE"]),
];

/// Formats how many instructions of each kind there are, and how many of them are in loops.
pub fn mix(instructions: &[Instruction]) -> String {
    let mut rows: Vec<(String, usize, usize)> = Vec::new();
    let mut count = |name: String, wanted: &dyn Fn(&Instruction) -> bool| {
        let all = instructions.iter().filter(|one| wanted(one)).count();
        let inside = instructions.iter().filter(|one| one.depth > 0 && wanted(one)).count();
        if all > 0 {
            rows.push((name, all, inside));
        }
    };
    count("all".to_owned(), &|_| true);
    for (name, families) in KINDS {
        count((*name).to_owned(), &|one| families.iter().any(|family| one.is(family)));
    }
    let moves = [
        ("loads from global", "LDG"),
        ("stores to global", "STG"),
        ("loads from shared", "LDS"),
        ("stores to shared", "STS"),
        ("loads from local", "LDL"),
        ("stores to local", "STL"),
    ];
    for (name, family) in moves {
        for bytes in [32, 16, 8, 4, 2, 1] {
            count(format!("{name}, {bytes} bytes"), &|one| one.is(family) && one.bytes() == bytes);
        }
    }
    let mut out = format!("{:<30} {:>7} {:>9}\n", "instructions", "count", "in loops");
    for (name, all, inside) in rows {
        let _ = writeln!(out, "{name:<30} {all:>7} {inside:>9}");
    }
    out
}

/// Returns possible causes of slowness, one per line: spilled registers, and narrow loads from global memory in loops.
pub fn findings(instructions: &[Instruction]) -> Vec<String> {
    let mut found: BTreeMap<(u8, String), usize> = BTreeMap::new();
    for instruction in instructions {
        let place = match &instruction.place {
            Some((file, line)) => format!("{}:{line}", file.rsplit('/').next().unwrap_or(file)),
            None => "unknown line".to_owned(),
        };
        let (kind, what) = if instruction.is("LDL") || instruction.is("STL") {
            (
                0,
                format!(
                    "{place}: accesses to local memory: registers are spilled, or an array is indexed with a variable"
                ),
            )
        } else if instruction.is("LDG") && instruction.depth > 0 && instruction.bytes() <= 4 {
            let bytes = instruction.bytes();
            (1, format!("{place}: loads of {bytes} bytes from global memory in a loop; vectors of 16 take fewer"))
        } else {
            continue;
        };
        *found.entry((kind, what)).or_default() += 1;
    }
    found.into_iter().map(|((_, what), count)| format!("{what} ({count})")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "\
.text.kern:
\t//## File \"/a/foo.rs\", line 13
        /*0000*/                   LDC R1, c[0x0][0x28] ;
.L_x_1:
\t//## File \"/a/k.cu\", line 1 inlined at \"/a/foo.rs\", line 15
\t//## File \"/a/foo.rs\", line 15
        /*0010*/                   LDG.E.CONSTANT R12, desc[UR6][R10.64] ;
        /*0020*/              @!P0 LDG.E.128 R4, desc[UR6][R10.64] ;
        /*0030*/              @P1 BRA `(.L_x_1) ;
        /*0040*/                   STL.64 [R1], R2 ;
        /*0050*/                   EXIT ;
.L_x_2:
        /*0060*/                   BRA `(.L_x_2);
        /*0070*/                   NOP;
";

    #[test]
    fn instructions_have_lines_and_loops() {
        let code = parse(LISTING);
        let shown: Vec<_> = code.iter().map(|one| (one.name(), one.depth, one.bytes())).collect();
        let wanted = [
            ("LDC", 0, 4),
            ("LDG.E.CONSTANT", 1, 4),
            ("LDG.E.128", 1, 16),
            ("BRA", 1, 4),
            ("STL.64", 0, 8),
            ("EXIT", 0, 4),
        ];
        assert_eq!(shown, wanted);
        assert_eq!(code[1].place, Some(("/a/foo.rs".to_owned(), 15)));
    }

    #[test]
    fn code_stands_under_its_source() {
        let text = listing(&parse(LISTING), &|_, line| (line == 15).then(|| "    y += x;".to_owned()));
        assert!(text.contains("foo.rs:15  y += x;\n  0010  | LDG.E.CONSTANT R12"), "{text}");
        assert_eq!(text.matches("foo.rs:15").count(), 1, "{text}");
    }

    #[test]
    fn what_costs_time_is_found() {
        let code = parse(LISTING);
        let found = findings(&code);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("foo.rs:15: accesses to local memory"), "{found:?}");
        assert!(found[1].starts_with("foo.rs:15: loads of 4 bytes from global memory in a loop"), "{found:?}");
        let mix = mix(&code);
        let row = |name: &str| mix.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        assert!(row("loads from global, 16 bytes").ends_with("       1         1"), "{mix}");
        assert!(row("all").ends_with("       6         3"), "{mix}");
    }
}
