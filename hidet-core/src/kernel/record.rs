//! The record of a launch on a GPU: the first fault, and printed lines.
//!
//! The record is device memory that a launch clears and the host reads afterwards, so the host waits for kernels that
//! report. Its layout is `hidet_report` of the CUDA text.

use super::BoundDims;
use crate::codegen::{LINE, LOG, Message, Source, VALUES, line};
use crate::cuda::{Context, DeviceLock, Memory, Stream};
use crate::error::{Error, Result};
use crate::ir::{Function, fault};
use std::io::{Write, stderr};

/// Bytes before the log: state, site, block and thread (8 words of 32 bits), numbers (64 bits each), used words of the
/// log, lost lines.
const BYTES: usize = 32 + 8 * VALUES + 8;

/// The report of a launch.
pub(super) struct Told {
    /// The printed lines, by block and in the order of execution.
    pub lines: Vec<String>,
    /// The first fault.
    pub fault: Option<Error>,
}

/// The memory to which a kernel reports; one launch at a time uses it.
#[derive(Debug)]
pub(super) struct Record {
    memory: Memory,
}

impl Record {
    /// Allocates the record of a kernel, without a log if it prints nothing.
    pub(super) fn new(context: &'static Context, source: &Source) -> Result<Record> {
        let prints = source.sites.iter().any(|site| matches!(site.message, Message::Line(_)));
        Ok(Record { memory: Memory::new(context, BYTES + if prints { 8 * LOG } else { 0 })? })
    }

    /// Returns its address on the device.
    pub(super) fn address(&self) -> u64 {
        self.memory.address()
    }

    /// Clears the report of the previous launch.
    pub(super) fn clear(&self, lock: &DeviceLock, stream: Stream) -> Result<()> {
        self.memory.fill_in(lock, stream, 0)
    }

    /// Waits for the kernel and returns its report.
    pub(super) fn read(&self, function: &Function, source: &Source, binding: &BoundDims) -> Result<Told> {
        let mut bytes = [0u8; BYTES];
        self.memory.read(0, &mut bytes)?;
        let word = |index: usize| u32::from_le_bytes(std::array::from_fn(|byte| bytes[index * 4 + byte]));
        let long = |index: usize| i64::from_le_bytes(std::array::from_fn(|byte| bytes[32 + index * 8 + byte]));
        let (used, lost) = (word(8 + 2 * VALUES), word(9 + 2 * VALUES));
        let lines = self.lines(source, (used as usize).min(LOG))?;
        if lost > 0 {
            // A closed standard error is no reason to fail the launch.
            let _ = writeln!(
                stderr(),
                "kernel `{}` printed {lost} more lines than fit in the 1 MiB that a launch has for them",
                function.name
            );
        }
        if word(0) == 0 {
            return Ok(Told { lines, fault: None });
        }
        let values: [i64; VALUES] = std::array::from_fn(long);
        let site = source.sites.get(word(1) as usize);
        let message = site.map(|site| site.message.text(&values, &binding.dims));
        let message = message.unwrap_or_else(|| "a fault at an unknown site".to_owned());
        let place = site.and_then(|site| source.place_of(site)).unwrap_or_else(|| function.own_place());
        let block = std::array::from_fn(|axis| word(2 + axis));
        let thread = std::array::from_fn(|axis| word(5 + axis));
        let thread = fault::thread(thread, function.launch.block, block, binding.grid);
        let report = format!("\n{message}\n  --> {place}: {thread}");
        let fault = Some(Error::Fault { kernel: function.name.clone(), report });
        Ok(Told { lines, fault })
    }

    fn lines(&self, source: &Source, used: usize) -> Result<Vec<String>> {
        let mut bytes = vec![0u8; 8 * used];
        self.memory.read(BYTES, &mut bytes)?;
        let words: Vec<u64> =
            bytes.chunks_exact(8).map(|word| u64::from_le_bytes(std::array::from_fn(|byte| word[byte]))).collect();
        Ok(lines(&words, source))
    }
}

/// Returns the lines of a log. It ends early if a line did not fit.
fn lines(mut words: &[u64], source: &Source) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(first) = words.first().filter(|first| **first != 0) {
        let (site, count) = ((first >> 32) as usize, *first as u32 as usize);
        let Some((now, later)) = words.split_at_checked(count.max(LINE)) else { break };
        words = later;
        if let Some(Message::Line(pieces)) = source.sites.get(site).map(|site| &site.message) {
            let block = now[1];
            // The order is z, y, x.
            lines.push(((block >> 48, block >> 32 & 0xffff, block as u32), line(pieces, &now[LINE..])));
        }
    }
    lines.sort_by_key(|(block, _)| *block);
    lines.into_iter().map(|(_, line)| line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Arch;
    use crate::ir::text::parse;
    use crate::{codegen, passes, sim};

    const PRINTS: &str = "\
kernel prints()
grid (2, 1, 1)
block (1, 1, 1)
{
  %b: i32 = block.x
  %minus: i32 = const -41
  %n: i32 = sub %minus, %b
  %x: f32 = cast %n
  %seven: f32 = const 7.0
  %y: f32 = div %x, %seven
  %h: f16 = cast %y
  %l: i64 = cast %n
  %v: f32x2 = vector(%x, %y)
  %p: bool = lt %n, %minus
  print(\"n \", %n as \"+5\", \" \", %n as \"#x\", \" y \", %y, \" \", %y as \"*^12.3e\", \" \", %h, \" \", %l, \" \", %v as \".1\", \" \", %p)
}
";

    /// The numbers that a kernel writes on a GPU become the same lines as on the simulated device.
    #[test]
    fn lines_are_those_of_the_simulated_device() {
        let function = passes::lower(&parse(PRINTS).unwrap(), &Default::default()).unwrap();
        let wanted = sim::run(&function, &sim::LaunchArguments::default(), &sim::Options::default()).unwrap().printed;
        let source = codegen::cuda(&function, Arch { number: 80, specific: false }).unwrap();
        let mut words = Vec::new();
        // The second block wrote first.
        for block in [1u64, 0] {
            let n = -41 - block as i32;
            let y = n as f32 / 7.0;
            let float = |value: f32| u64::from(value.to_bits());
            let half = u64::from(half::f16::from_f32(y).to_bits());
            let n32 = u64::from(n as u32);
            let values =
                [n32, n32, float(y), float(y), half, n as i64 as u64, float(n as f32), float(y), u64::from(n < -41)];
            words.extend([(values.len() + LINE) as u64, block]);
            words.extend(values);
        }
        assert_eq!(lines(&words, &source), wanted);
        assert_eq!(wanted[0], "n   -41 0xffffffd7 y -5.857143 **-5.857e0** -5.8554688 -41 [-41.0, -5.9] false");
        // A line that did not fit ends the log, and so does one that is incomplete.
        words.extend([0, 5]);
        assert_eq!(lines(&words, &source).len(), 2);
        assert_eq!(lines(&words[..12], &source).len(), 1);
    }
}
