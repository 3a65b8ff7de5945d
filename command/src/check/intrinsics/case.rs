//! A case: a kernel in the text form of the IR around one intrinsic, its inputs, and the expected output, bit for bit.

use hidet::Result;
use hidet::device::{Device, RawTensor, Storage};
use hidet::intrinsics::{Intrinsic, Row};
use hidet::ir::text;
use hidet::kernel::{CompileOptions, Compiled, RawArg};
use hidet::types::Scalar;
use std::fmt::Write;

/// A tensor parameter: bits of its elements before the launch and, where the kernel writes it, after it.
#[derive(Debug)]
pub struct Data {
    name: String,
    scalar: Scalar,
    bits: Vec<u64>,
    expected: Option<Vec<u64>>,
    shape: Vec<usize>,
}

/// A case.
#[derive(Debug)]
pub struct Case {
    /// The name of the row.
    pub row: String,
    /// The types and sizes of the case.
    pub detail: String,
    threads: u32,
    blocks: u32,
    /// Further launch settings.
    launch: &'static str,
    memory: String,
    body: String,
    data: Vec<Data>,
}

/// The positions of a thread's elements: consecutive among those of all threads, or separate.
#[derive(Clone, Copy)]
enum Place {
    Memory,
    Registers,
}

impl Case {
    /// A case of one block, unless [`Case::grid`] says otherwise.
    pub fn new(row: impl Into<String>, detail: impl Into<String>, threads: u32) -> Case {
        let numbers = [("z", 0), ("one", 1)];
        let mut case = Case {
            row: row.into(),
            detail: detail.into(),
            threads,
            blocks: 1,
            launch: "",
            memory: String::new(),
            body: String::new(),
            data: Vec::new(),
        };
        case.line("%t: i32 = thread");
        for (name, value) in numbers {
            case.line(format!("%{name}: i32 = const {value}"));
        }
        case
    }

    /// Sets the number of blocks, and further launch settings such as `cluster (2, 1, 1)`.
    pub fn grid(&mut self, blocks: u32, launch: &'static str) {
        (self.blocks, self.launch) = (blocks, launch);
    }

    /// Adds a tensor that is read.
    pub fn input(&mut self, name: &str, scalar: Scalar, bits: Vec<u64>) {
        let shape = vec![bits.len()];
        self.data.push(Data { name: name.to_owned(), scalar, bits, expected: None, shape });
    }

    /// Adds a tensor that is written.
    pub fn output(&mut self, name: &str, scalar: Scalar, expected: Vec<u64>) {
        let bits = vec![0; expected.len()];
        self.inout(name, scalar, bits, expected);
    }

    /// Adds a tensor that is read and written.
    pub fn inout(&mut self, name: &str, scalar: Scalar, bits: Vec<u64>, expected: Vec<u64>) {
        let shape = vec![bits.len()];
        self.data.push(Data { name: name.to_owned(), scalar, bits, expected: Some(expected), shape });
    }

    /// Sets the shape of a tensor with several axes.
    pub fn shape(&mut self, name: &str, shape: Vec<usize>) {
        for data in self.data.iter_mut().filter(|data| data.name == name) {
            data.shape.clone_from(&shape);
        }
    }

    /// Declares memory, for example `shared @tile: f16[64]`.
    pub fn memory(&mut self, declaration: impl AsRef<str>) {
        let _ = writeln!(self.memory, "  {}", declaration.as_ref());
    }

    /// Adds a statement.
    pub fn line(&mut self, line: impl AsRef<str>) {
        let _ = writeln!(self.body, "  {}", line.as_ref());
    }

    /// Adds statements, one per line.
    pub fn lines(&mut self, lines: &str) {
        lines.lines().for_each(|line| self.line(line));
    }

    /// Returns the intrinsics that it calls.
    pub fn calls(&self) -> impl Iterator<Item = &'static Row> {
        let names = self.body.split("call ").skip(1).filter_map(|call| call.split('(').next());
        names.filter_map(Intrinsic::named).map(Intrinsic::row)
    }

    /// Returns the `i32` constant of that value.
    pub fn int(&mut self, value: i64) -> String {
        let name = format!("%c{value}").replace('-', "_minus_");
        if !self.body.contains(&format!("{name}: ")) {
            self.line(format!("{name}: i32 = const {value}"));
        }
        name
    }

    /// Adds `for %i in 0..count { body }`.
    pub fn each(&mut self, index: &str, count: u32, body: &[String]) {
        let end = self.int(i64::from(count));
        self.line(format!("for %{index}: i32 in %z..{end} step %one {{"));
        for line in body {
            self.line(format!("  {line}"));
        }
        self.line("}");
    }

    /// Copies `count` elements per thread from a tensor or shared memory to registers: `registers[i] = from[t * count +
    /// i]`.
    pub fn fill(&mut self, registers: &str, from: &str, scalar: Scalar, count: u32) {
        self.transfer((from, Place::Memory), (registers, Place::Registers), scalar, count);
    }

    /// The inverse of [`Case::fill`].
    pub fn drain(&mut self, registers: &str, to: &str, scalar: Scalar, count: u32) {
        self.transfer((registers, Place::Registers), (to, Place::Memory), scalar, count);
    }

    /// Copies between tensors and shared memory, `count` elements per thread.
    pub fn copy(&mut self, from: &str, to: &str, scalar: Scalar, count: u32) {
        self.transfer((from, Place::Memory), (to, Place::Memory), scalar, count);
    }

    fn transfer(
        &mut self,
        (from, from_place): (&str, Place),
        (to, to_place): (&str, Place),
        scalar: Scalar,
        count: u32,
    ) {
        let n = self.int(i64::from(count));
        let tag = format!("{from}_{to}");
        let at = |place| match place {
            Place::Memory => format!("%{tag}_a"),
            Place::Registers => format!("%{tag}_i"),
        };
        self.each(
            &format!("{tag}_i"),
            count,
            &[
                format!("%{tag}_b: i32 = mul %t, {n}"),
                format!("%{tag}_a: i32 = add %{tag}_b, %{tag}_i"),
                format!("%{tag}_v: {scalar} = load @{from}[{}]", at(from_place)),
                format!("store @{to}[{}] = %{tag}_v", at(to_place)),
            ],
        );
    }

    /// Returns the kernel.
    pub fn text(&self) -> String {
        let access = |data: &Data| if data.expected.is_some() { "inout" } else { "in" };
        let params: Vec<String> = self
            .data
            .iter()
            .map(|data| format!("@{}: {} {}{:?} align 128", data.name, access(data), data.scalar, data.shape))
            .collect();
        format!(
            "kernel check({})\ngrid ({}, 1, 1)\nblock ({}, 1, 1)\n{}\nmin_blocks 1\n{{\n{}{}}}\n",
            params.join(", "),
            self.blocks,
            self.threads,
            self.launch,
            self.memory,
            self.body
        )
    }

    /// Returns the kernel compiled for a device.
    pub fn compile(&self, device: &Device) -> Result<Compiled> {
        Compiled::new(text::parse_file(&self.text(), "kernel")?, device, &CompileOptions::default())
    }

    /// Runs it. Returns the contents of the tensors that it writes.
    pub fn run(&self, device: &Device, kernel: &Compiled) -> Result<Vec<Vec<u64>>> {
        let tensors = self.data.iter().map(|data| tensor(device, data)).collect::<Result<Vec<_>>>()?;
        let args: Vec<RawArg<'_>> = tensors.iter().map(RawArg::Tensor).collect();
        kernel.launch(&args)?;
        let written = tensors.iter().zip(&self.data).filter(|(_, data)| data.expected.is_some());
        written.map(|(tensor, _)| bits_of(tensor)).collect()
    }

    /// Returns the first difference of a result from the expected one.
    pub fn difference(&self, got: &[Vec<u64>]) -> Option<String> {
        let outputs = self.data.iter().filter_map(|data| data.expected.as_ref().map(|bits| (data, bits)));
        for ((data, expected), got) in outputs.zip(got) {
            if let Some(at) = (0..expected.len()).find(|at| got.get(*at) != expected.get(*at)) {
                let (got, expected) = (got.get(at).copied().unwrap_or_default(), expected[at]);
                return Some(format!("{}[{at}] is {got:#x}, expected {expected:#x} ({})", data.name, data.scalar));
            }
        }
        None
    }
}

fn tensor(device: &Device, data: &Data) -> Result<RawTensor> {
    let size = data.scalar.bytes();
    let bytes: Vec<u8> = data.bits.iter().flat_map(|bits| bits.to_le_bytes().into_iter().take(size)).collect();
    let storage = Storage::from_bytes(device, &bytes)?;
    RawTensor::new(device, storage, 0, data.scalar, &data.shape)
}

fn bits_of(tensor: &RawTensor) -> Result<Vec<u64>> {
    let size = tensor.scalar().bytes();
    let mut bytes = vec![0; tensor.bytes()];
    tensor.storage().read(tensor.offset(), &mut bytes)?;
    let word = |chunk: &[u8]| chunk.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    Ok(bytes.chunks_exact(size).map(word).collect())
}
