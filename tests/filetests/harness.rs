//! Runs one filetest.

mod lowering;
mod run;

use hidet_core::Error;
use hidet_core::codegen;
use hidet_core::ir::{Arch, Function, text, verify};
use std::path::Path;

#[path = "simulate.rs"]
mod simulate;

/// A file, cut into its parts.
struct File {
    /// Comments before the kernel, without `; test:` and `; error:`.
    notes: Vec<String>,
    /// The tests to run.
    tests: Vec<String>,
    /// The lines of the kernel without their `; error:` comments.
    kernel: Vec<String>,
    /// The messages expected: line of the kernel from 0 (`usize::MAX`: the signature), message.
    errors: Vec<(usize, String)>,
    /// The line of the file at which the kernel begins.
    first: usize,
    /// The text after `; ----`.
    expected: Option<String>,
}

fn cut(source: &str) -> File {
    let mut file =
        File { notes: Vec::new(), tests: Vec::new(), kernel: Vec::new(), errors: Vec::new(), first: 0, expected: None };
    for (number, line) in source.lines().enumerate() {
        if let Some(expected) = &mut file.expected {
            expected.push_str(line);
            expected.push('\n');
        } else if line.trim_end() == "; ----" {
            file.expected = Some(String::new());
        } else if file.kernel.is_empty() && line.starts_with(';') {
            if let Some(test) = line.strip_prefix("; test: ") {
                file.tests.push(test.trim().to_owned());
            } else if let Some(error) = line.strip_prefix("; error: ") {
                file.errors.push((usize::MAX, error.to_owned()));
            } else {
                file.notes.push(line.to_owned());
            }
        } else {
            let mut parts = line.split(" ; error: ");
            if file.kernel.is_empty() {
                file.first = number;
            }
            file.kernel.push(parts.next().unwrap_or_default().to_owned());
            let at = number - file.first;
            file.errors.extend(parts.map(|error| (at, error.to_owned())));
        }
    }
    file
}

impl File {
    fn text(&self) -> String {
        self.kernel.join("\n") + "\n"
    }

    /// Returns the file with the results in place of the expectations.
    fn blessed(&self) -> String {
        let mut out = String::new();
        let mut push = |line: &str| {
            out.push_str(line.trim_end());
            out.push('\n');
        };
        self.notes.iter().for_each(|line| push(line));
        self.tests.iter().for_each(|test| push(&format!("; test: {test}")));
        self.errors
            .iter()
            .filter(|(line, _)| *line == usize::MAX)
            .for_each(|(_, error)| push(&format!("; error: {error}")));
        for (number, line) in self.kernel.iter().enumerate() {
            let mut line = line.clone();
            self.errors
                .iter()
                .filter(|(at, _)| *at == number)
                .for_each(|(_, error)| line += &format!(" ; error: {error}"));
            push(&line);
        }
        if let Some(expected) = &self.expected {
            push("; ----");
            out.push_str(expected);
        }
        out
    }
}

/// Runs the tests that the file selects.
pub fn run(path: &Path) -> Result<(), String> {
    let source = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let file = cut(&source);
    if file.tests.is_empty() {
        return Err("the file has no `; test:` line".to_owned());
    }
    let mut found =
        File { notes: file.notes.clone(), tests: file.tests.clone(), kernel: file.kernel.clone(), ..cut("") };
    found.expected = file.expected.clone();
    for test in &file.tests {
        let (kind, argument) = test.split_once(' ').unwrap_or((test, ""));
        match kind {
            "roundtrip" => roundtrip(&file, &mut found)?,
            "verify" => verify_errors(&file, &mut found)?,
            "run" => run::run(&parsed(&file)?, &file.notes, &mut found.expected)?,
            "parse" => parse_error(&file, &mut found)?,
            "pass" => lowering::pass(&file, &mut found, argument)?,
            "bounds" => lowering::bounds(&file, &mut found)?,
            "lower" => lowering::lower(&file, &mut found, argument)?,
            "cuda" => cuda(&file, &mut found, argument)?,
            "sim" => {
                let function = parsed(&file)?;
                verify::check(&function).map_err(|error| error.to_string())?;
                found.errors.extend(simulate::simulate(&function, argument)?);
                simulate::simulate_lowered(&function, argument)?;
            }
            _ => return Err(format!("unknown test `{kind} {argument}`")),
        }
    }
    compare(path, &source, &file, &found)
}

fn compare(path: &Path, source: &str, file: &File, found: &File) -> Result<(), String> {
    let wanted = found.blessed();
    if wanted == source {
        return Ok(());
    }
    if std::env::var_os("HIDET_BLESS").is_some() {
        return std::fs::write(path, wanted).map_err(|error| error.to_string());
    }
    let mut message = String::new();
    let place = |line: usize| match line {
        usize::MAX => "signature".to_owned(),
        _ => format!("line {}", file.first + line + 1),
    };
    for (line, error) in found.errors.iter().filter(|error| !file.errors.contains(error)) {
        message += &format!("not expected, {}: {error}\n", place(*line));
    }
    for (line, error) in file.errors.iter().filter(|error| !found.errors.contains(error)) {
        message += &format!("missing, {}: {error}\n", place(*line));
    }
    if message.is_empty() {
        message = format!("the file should read:\n{wanted}");
    }
    Err(message)
}

fn parsed(file: &File) -> Result<Function, String> {
    text::parse_file(&file.text(), "kernel").map_err(|error| error.to_string())
}

fn roundtrip(file: &File, found: &mut File) -> Result<(), String> {
    let function = parsed(file)?;
    let printed = text::print(&function);
    let again = text::parse(&printed).map_err(|error| format!("the printed text is refused: {error}\n{printed}"))?;
    if !again.structurally_equals(&function) {
        return Err(format!("the printed text is another function:\n{printed}"));
    }
    if text::print(&again) != printed {
        return Err("printing is not stable".to_owned());
    }
    let with_spans = text::print_with_spans(&function);
    let spanned = text::parse(&with_spans).map_err(|error| format!("with spans: {error}\n{with_spans}"))?;
    if text::print_with_spans(&spanned) != with_spans {
        return Err("spans do not survive".to_owned());
    }
    match file.expected {
        Some(_) => found.expected = Some(printed),
        None => found.kernel = printed.lines().map(str::to_owned).collect(),
    }
    Ok(())
}

fn verify_errors(file: &File, found: &mut File) -> Result<(), String> {
    let function = parsed(file)?;
    for problem in verify::verify(&function).err().unwrap_or_default() {
        let line = (problem.span.line as usize).checked_sub(1).unwrap_or(usize::MAX);
        found.errors.push((line, problem.message));
    }
    Ok(())
}

fn parse_error(file: &File, found: &mut File) -> Result<(), String> {
    match text::parse(&file.text()) {
        Err(Error::Parse { line, message }) => {
            // The end of the text is after its last line.
            found.errors.push(((line - 1).min(file.kernel.len() - 1), message));
            Ok(())
        }
        Err(other) => Err(other.to_string()),
        Ok(_) => Err("the text is accepted".to_owned()),
    }
}

/// Finds the CUDA text of the kernel, without the helpers before it, or the error.
fn cuda(file: &File, found: &mut File, arch: &str) -> Result<(), String> {
    let arch = Arch::from_name(arch).ok_or_else(|| format!("no architecture `{arch}`"))?;
    let function = parsed(file)?;
    verify::check(&function).map_err(|error| error.to_string())?;
    match codegen::cuda(&function, arch) {
        Ok(source) => {
            let start = source.text.find("extern \"C\" __global__").unwrap_or(0);
            found.expected = Some(source.text[start..].to_owned());
        }
        Err(Error::Kernel { message, place, .. }) => {
            let line = place.split(':').nth(1).and_then(|line| line.parse::<usize>().ok());
            found.errors.push((line.map_or(usize::MAX, |line| line - 1), message));
        }
        Err(other) => return Err(other.to_string()),
    }
    Ok(())
}
