//! The child process, which runs kernels on a GPU: a fault that loses the context, and a kernel that never ends, only
//! end this process.

use super::job::{Call, Ending, Job, Slot};
use super::wire::{Reader, Writer, receive};
use hidet::codegen::{LOG, VALUES};
use hidet::cuda::nvrtc::Cubin;
use hidet::cuda::{Context, Memory, Module, encode};
use std::collections::HashMap;
use std::ffi::c_void;
use std::io::{stdin, stdout};
use std::sync::mpsc;

/// The environment variable that marks the child.
pub const CHILD: &str = "HIDET_CHECK_RANDOM_CHILD";

/// Bytes of a record before its log, with the layout of `hidet_report` in the CUDA text.
const RECORD: usize = 32 + 8 * VALUES + 8;

/// Answers messages until there are no more. A message is a batch of programs with the machine code of their kernels.
pub fn run(context: &'static Context) -> Result<bool, String> {
    let mut lane = Lane::new(context).map_err(|error| error.to_string())?;
    let (to, batches) = mpsc::channel();
    // If the parent ends while a kernel runs forever, this process must not wait for the kernel.
    std::thread::spawn(move || {
        while let Some(message) = receive(&mut stdin().lock()) {
            if to.send(message).is_err() {
                return;
            }
        }
        std::process::exit(0);
    });
    let answer = |ending: &Ending| {
        let mut writer = Writer::default();
        ending.write(&mut writer);
        writer.send(&mut stdout().lock()).map_err(|error| error.to_string())
    };
    answer(&Ending::Memory(Vec::new()))?;
    for message in batches {
        let mut reader = Reader::new(&message);
        let image = reader.bytes();
        let jobs = reader.all(Job::read);
        // SAFETY: the image is a complete one that NVRTC compiled, received through a pipe.
        let cubin = unsafe { Cubin::from_image(image.to_vec()) };
        let entries: Vec<&str> = jobs.iter().flat_map(|job| &job.calls).map(|call| call.entry.as_str()).collect();
        let kernels: Vec<(&str, &str)> = entries.iter().map(|entry| (*entry, *entry)).collect();
        let modules = Module::load_all(context, &cubin, &kernels);
        let modules = modules.map(|modules| entries.iter().copied().zip(modules).collect::<HashMap<_, _>>());
        for job in &jobs {
            let ending = match &modules {
                Ok(modules) => lane.run(job, modules),
                Err(error) => Err(error.clone()),
            };
            answer(&ending.unwrap_or_else(|error| Ending::Trouble(error.to_string())))?;
        }
    }
    Ok(true)
}

/// A device, and the memory that kernels need beside their tensors.
struct Lane {
    context: &'static Context,
    report: Memory,
    barrier: Memory,
    memory: Memory,
}

impl Lane {
    fn new(context: &'static Context) -> hidet::Result<Lane> {
        let memory = |bytes| Memory::new(context, bytes);
        Ok(Lane { context, report: memory(RECORD + 8 * LOG)?, barrier: memory(256)?, memory: memory(1 << 16)? })
    }

    /// Runs a program. Returns its memory afterwards, or what a kernel reports.
    fn run(&mut self, job: &Job, modules: &HashMap<&str, Module>) -> hidet::Result<Ending> {
        if self.memory.len() < job.memory.len() {
            self.memory = Memory::new(self.context, job.memory.len().next_power_of_two())?;
        }
        let (mut memory, base) = (job.memory.clone(), self.memory.address());
        for place in &job.addresses {
            if let Some(word) = memory[*place as usize..].first_chunk_mut() {
                *word = (base + u64::from_le_bytes(*word)).to_le_bytes();
            }
        }
        self.memory.write(0, &memory)?;
        let reports = job.calls.iter().any(|call| call.slots.contains(&Slot::Report));
        if reports {
            self.report.zero()?;
        }
        for call in &job.calls {
            self.launch(call, modules)?;
        }
        if reports {
            let mut record = [0; 8];
            self.report.read(0, &mut record)?;
            let [state, site] = [&record[..4], &record[4..]]
                .map(|bytes| bytes.iter().rev().fold(0u32, |word, byte| word << 8 | u32::from(*byte)));
            if state != 0 {
                return Ok(Ending::Trouble(format!("a kernel reports a fault, at site {site}")));
            }
        }
        self.memory.read(0, &mut memory)?;
        Ok(Ending::Memory(memory))
    }

    fn launch(&self, call: &Call, modules: &HashMap<&str, Module>) -> hidet::Result<()> {
        let missing = || self.context.error(format!("the kernel `{}` is missing", call.entry));
        let module = modules.get(call.entry.as_str()).ok_or_else(missing)?;
        module.allow_shared(call.launch.shared as usize)?;
        if call.launch.cluster.iter().product::<u32>() > 8 {
            module.allow_large_clusters()?;
        }
        let base = self.memory.address();
        let (mut words, mut maps) = (Vec::new(), Vec::new());
        for slot in &call.slots {
            words.push(match slot {
                Slot::Address(offset) => base + offset,
                Slot::Number(number) => *number,
                Slot::Report => self.report.address(),
                Slot::GridBarrier => self.barrier.address(),
                Slot::Map(shape, offset) => {
                    maps.push(encode(shape, base + offset)?);
                    0
                }
            });
        }
        let mut pointers: Vec<*mut c_void> = words.iter_mut().map(|word| (word as *mut u64).cast()).collect();
        let of_maps = call.slots.iter().zip(&mut pointers).filter(|(slot, _)| matches!(slot, Slot::Map(..)));
        for ((_, pointer), map) in of_maps.zip(&mut maps) {
            *pointer = std::ptr::from_mut(map).cast();
        }
        let stream = self.context.stream();
        let lock = stream.device_lock(false)?;
        if call.slots.contains(&Slot::GridBarrier) {
            self.barrier.fill_in(&lock, stream, 0)?;
        }
        // SAFETY: the parameters are those that the text was generated with.
        unsafe { module.launch(&lock, stream, &call.launch, pointers.as_mut_ptr()) }
    }
}
