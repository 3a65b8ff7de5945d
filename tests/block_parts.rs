//! Kernels made of block-level parts are short.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

/// The most lines of a kernel, from its `#[launch]` to its last brace, and the most columns of a line.
const LINES: usize = 40;
const COLUMNS: usize = 100;

/// Each kernel and its file.
const KERNELS: [(&str, &str); 3] = [
    ("matmul_wgmma", "examples/18_wgmma_7_cluster.rs"),
    ("matmul_double_buffered", "examples/12_matmul_double_buffered.rs"),
    ("flash_attention", "examples/src/hard/flash_attention.rs"),
];

/// Returns the lines of a kernel item.
fn item(text: &str, name: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let signature = lines.iter().position(|line| line.contains(&format!("fn {name}"))).unwrap();
    let first = lines[..signature].iter().rposition(|line| line.trim_start().starts_with("#[launch")).unwrap();
    let indent = lines[first].len() - lines[first].trim_start().len();
    let last = lines[signature..].iter().position(|line| *line == format!("{}}}", " ".repeat(indent))).unwrap();
    lines[first..=signature + last].iter().map(|line| line.to_string()).collect()
}

/// Returns the number of statements that end in a line: semicolons outside of brackets.
fn statements(line: &str) -> usize {
    let mut depth = 0;
    let mut ends = 0;
    for c in line.split("//").next().unwrap().chars() {
        depth += i32::from("([".contains(c)) - i32::from(")]".contains(c));
        ends += usize::from(c == ';' && depth == 0);
    }
    ends
}

#[test]
fn kernels_of_parts_have_at_most_40_lines() {
    for (name, file) in KERNELS {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let lines = item(&text, name);
        assert!(lines.len() <= LINES, "{name} has {} lines", lines.len());
        for line in &lines {
            assert!(line.chars().count() <= COLUMNS, "{name}: {line}");
            assert!(statements(line) <= 1, "{name}: {line}");
        }
    }
}

#[test]
fn lines_and_statements_are_counted() {
    let text = "    #[launch(grid = 1)]\n    pub fn k(x: In<f32, [n]>) {\n        a; b;\n        f([0; 2]); // a; b\n    }\n}\n";
    let lines = item(text, "k");
    assert_eq!(lines.len(), 5);
    assert_eq!(lines.iter().map(|line| statements(line)).collect::<Vec<_>>(), [0, 0, 2, 1, 0]);
}
