//! Tests of the passes.

use super::{File, parsed};
use hidet_core::Error;
use hidet_core::ir::{Function, text, verify};
use hidet_core::passes::{self, LoweringOptions, PIPELINE};

/// `; test: pass NAME OPTION..`: one pass turns the kernel into the text after `; ----`, and does not change it again.
pub(super) fn pass(file: &File, found: &mut File, argument: &str) -> Result<(), String> {
    let mut words = argument.split_whitespace();
    let name = words.next().unwrap_or_default();
    let options = options(words)?;
    let pass = PIPELINE.iter().find(|pass| pass.name == name).ok_or_else(|| format!("there is no pass `{name}`"))?;
    let mut function = valid(file)?;
    if let Err(error) = (pass.run)(&mut function, &options) {
        return fails(found, &error);
    }
    sound(name, &function)?;
    let mut again = function.clone();
    (pass.run)(&mut again, &options).map_err(|error| format!("the second time: {error}"))?;
    if name != "insert_checks" && !again.structurally_equals(&function) {
        return Err(format!("`{name}` changes its own result:\n{}\n{}", text::print(&function), text::print(&again)));
    }
    found.expected = Some(text::print(&function));
    Ok(())
}

/// `; test: lower OPTION..`: all passes turn the kernel into the text after `; ----`.
pub(super) fn lower(file: &File, found: &mut File, argument: &str) -> Result<(), String> {
    let options = options(argument.split_whitespace())?;
    let mut unsound = Ok(());
    let lowered = passes::lower_with(&valid(file)?, &options, &mut |pass, function| {
        if unsound.is_ok() {
            unsound = sound(pass.name, function);
        }
    });
    unsound?;
    match lowered {
        Ok(function) => found.expected = Some(text::print(&function)),
        Err(error) => fails(found, &error)?,
    }
    Ok(())
}

/// `; test: bounds`: the report on the bounds of every access is the text after `; ----`.
pub(super) fn bounds(file: &File, found: &mut File) -> Result<(), String> {
    let report = passes::bounds_report(&valid(file)?).map_err(|error| error.to_string())?;
    found.expected = Some(report.to_string());
    Ok(())
}

fn options<'a>(words: impl Iterator<Item = &'a str>) -> Result<LoweringOptions, String> {
    let mut options = LoweringOptions::default();
    for word in words {
        match word {
            "checks" => options.checks = true,
            "wide" => options.wide_index = true,
            "no-contract" => options.contract = false,
            _ => return Err(format!("unknown option `{word}`")),
        }
    }
    Ok(options)
}

fn valid(file: &File) -> Result<Function, String> {
    let function = parsed(file)?;
    match verify::verify(&function) {
        Ok(()) => Ok(function),
        Err(problems) => Err(format!("the kernel is not valid: {}", problems[0].message)),
    }
}

/// A pass refuses the kernel: the message is expected at the statement.
fn fails(found: &mut File, error: &Error) -> Result<(), String> {
    let Error::Kernel { message, place, .. } = error else { return Err(error.to_string()) };
    let line: Option<usize> = place.split(':').nth(1).and_then(|line| line.parse().ok());
    found.errors.push((line.map_or(usize::MAX, |line| line - 1), message.clone()));
    Ok(())
}

/// Returns an error if a function is not valid, or does not survive printing and parsing.
fn sound(pass: &str, function: &Function) -> Result<(), String> {
    let printed = text::print(function);
    if let Err(problems) = verify::verify(function) {
        return Err(format!("after `{pass}`: {}\n{printed}", problems[0].message));
    }
    let again = text::parse(&printed).map_err(|error| format!("after `{pass}`: {error}\n{printed}"))?;
    if !again.structurally_equals(function) {
        return Err(format!("after `{pass}` the text is another function:\n{printed}"));
    }
    Ok(())
}
