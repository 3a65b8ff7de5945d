//! What saved programs consist of, and how it is written as bytes.

use hidet::cache::codec::{Bytes, Encode, Reader};
use hidet::types::Scalar;

/// A tensor in a buffer: from a byte on, with an extent and a stride for each axis.
pub(super) struct SavedTensor {
    pub(super) buffer: u64,
    pub(super) offset: u64,
    pub(super) dtype: Scalar,
    pub(super) axes: Vec<(u64, u64)>,
}

/// Memory that launches use.
pub(super) enum Buffer {
    /// A part of the arena: its offset, elements and type.
    Place(u64, u64, Scalar),
    /// That many bytes, which are written before they are read.
    Empty(u64),
    /// These bytes, which launches overwrite.
    Full(Bytes),
    /// The constant with this number.
    Constant(u64),
}

/// A launch: of a kernel, with arguments, and the buffers in the arena that begin with it.
pub(super) struct SavedStep {
    pub(super) kernel: u64,
    pub(super) arguments: Vec<SavedTensor>,
    pub(super) begins: Vec<u64>,
}

/// A saved program.
pub(super) struct SavedProgram {
    /// The number of its arena.
    pub(super) arena: u64,
    /// Bytes of the arena that it needs, of its tensors apart, and the least that an arena has.
    pub(super) memory: [u64; 3],
    pub(super) buffers: Vec<Buffer>,
    pub(super) steps: Vec<SavedStep>,
    pub(super) inputs: Vec<SavedTensor>,
    pub(super) outputs: Vec<SavedTensor>,
}

/// The content of saved programs.
pub(super) struct Saved {
    pub(super) note: Bytes,
    /// Their bytes.
    pub(super) arenas: Vec<u64>,
    /// The lengths of constants. Their bytes are behind everything else, one behind the other, from where they are copied once.
    pub(super) constants: Vec<u64>,
    pub(super) kernels: Vec<Bytes>,
    pub(super) programs: Vec<SavedProgram>,
}

fn encode_dtype(dtype: Scalar, out: &mut Vec<u8>) {
    dtype.name().to_owned().encode(out);
}

fn decode_dtype(from: &mut Reader) -> Option<Scalar> {
    Scalar::from_name(&from.read::<String>()?)
}

impl Encode for SavedTensor {
    fn encode(&self, out: &mut Vec<u8>) {
        self.buffer.encode(out);
        self.offset.encode(out);
        encode_dtype(self.dtype, out);
        (self.axes.len() as u64).encode(out);
        for (extent, stride) in &self.axes {
            extent.encode(out);
            stride.encode(out);
        }
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        let (buffer, offset, dtype) = (from.read()?, from.read()?, decode_dtype(from)?);
        let (mut axes, mut bytes) = (Vec::new(), dtype.bytes() as u64);
        for _ in 0..from.read::<u64>()? {
            let (extent, stride): (u64, u64) = (from.read()?, from.read()?);
            // Sizes that no memory has would overflow later on.
            bytes = bytes.checked_mul(extent.max(1)).filter(|bytes| *bytes < 1 << 60)?;
            axes.push((extent, stride));
        }
        Some(SavedTensor { buffer, offset, dtype, axes })
    }
}

impl Encode for Buffer {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Buffer::Place(offset, count, dtype) => {
                0u8.encode(out);
                offset.encode(out);
                count.encode(out);
                encode_dtype(*dtype, out);
            }
            Buffer::Empty(bytes) => {
                1u8.encode(out);
                bytes.encode(out);
            }
            Buffer::Full(bytes) => {
                2u8.encode(out);
                bytes.encode(out);
            }
            Buffer::Constant(number) => {
                3u8.encode(out);
                number.encode(out);
            }
        }
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        match from.read::<u8>()? {
            0 => Some(Buffer::Place(from.read()?, from.read()?, decode_dtype(from)?)),
            1 => Some(Buffer::Empty(from.read()?)),
            2 => Some(Buffer::Full(from.read()?)),
            3 => Some(Buffer::Constant(from.read()?)),
            _ => None,
        }
    }
}

impl Encode for SavedStep {
    fn encode(&self, out: &mut Vec<u8>) {
        self.kernel.encode(out);
        self.arguments.encode(out);
        self.begins.encode(out);
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        Some(SavedStep { kernel: from.read()?, arguments: from.read()?, begins: from.read()? })
    }
}

impl Encode for SavedProgram {
    fn encode(&self, out: &mut Vec<u8>) {
        self.arena.encode(out);
        self.memory.iter().for_each(|bytes| bytes.encode(out));
        self.buffers.encode(out);
        self.steps.encode(out);
        self.inputs.encode(out);
        self.outputs.encode(out);
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        Some(SavedProgram {
            arena: from.read()?,
            memory: [from.read()?, from.read()?, from.read()?],
            buffers: from.read()?,
            steps: from.read()?,
            inputs: from.read()?,
            outputs: from.read()?,
        })
    }
}

impl Encode for Saved {
    fn encode(&self, out: &mut Vec<u8>) {
        self.note.encode(out);
        self.arenas.encode(out);
        self.constants.encode(out);
        self.kernels.encode(out);
        self.programs.encode(out);
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        Some(Saved {
            note: from.read()?,
            arenas: from.read()?,
            constants: from.read()?,
            kernels: from.read()?,
            programs: from.read()?,
        })
    }
}
