//! Kernel images: compiled kernels as bytes, which load without NVRTC.

use super::lazy::LazyFunction;
use super::plan::{Choice, Plans};
use super::strided::Strided;
use super::{CompileOptions, Compiled, Inner, Instance, Printer, RawArg, contract, gpu};
use crate::cache::codec::{Encode, Reader, decode, encode};
use crate::cache::{Cache, Digest};
use crate::cuda::{self, BUILD, Binary};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::ir::{Arch, Function, Param, text, verify};
use crate::passes::{self, Conditions, LoweringOptions};
use std::sync::{Arc, OnceLock};

/// The first bytes of an image: the magic, with the version of the format as its last byte.
const MAGIC: [u8; 8] = *b"hidetim\x02";

/// A compiled kernel: the function, the options, and instances for one architecture with their machine code. Made with
/// NVRTC on any machine, it loads where there is no NVRTC.
///
/// An image is for the build of hidet that made it, because host and machine code must agree on parameters. Reading one
/// of another build, or damaged bytes, is an error. The checksum does not protect from bytes that somebody made to do
/// harm: load only images that you would run as a program.
///
/// ```no_run
/// use hidet::kernel::Image;
/// use hidet::prelude::*;
///
/// kernel! {
///     #[launch(grid = n.div_ceil(256), block = 256)]
///     fn double(x: InOut<f32, [n]>) {
///         let i = block_idx().x * 256 + thread_id();
///         if i < n { x[[i]] *= 2.0; }
///     }
/// }
///
/// // Where NVRTC is:
/// std::fs::write("double.image", double().image("sm_90a")?.to_bytes()).unwrap();
/// // On the machine with the GPU:
/// let image = Image::from_bytes(&std::fs::read("double.image").unwrap())?;
/// let device = Device::cuda(0)?;
/// double().load(&image, &device)?.launch(&mut device.zeros([1000])?)?;
/// # Ok::<(), hidet::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Image {
    arch: Arch,
    /// Compacted, as the machine code names its parts.
    function: LazyFunction,
    /// The digest of its text without source positions.
    digest: Digest,
    checks: bool,
    contract: bool,
    wide_index: bool,
    narrow: Binary,
    wide: Option<Binary>,
    unguarded: Vec<(Conditions, Binary)>,
}

/// Returns the digest of a compacted function without its source positions.
fn digest(function: &Function) -> Digest {
    Digest::of(&[text::print(function).as_bytes()])
}

fn error(message: impl Into<String>) -> Error {
    Error::Device { device: "kernel image".to_owned(), message: message.into() }
}

impl Image {
    /// Compiles a kernel ahead of time, with all instances that a launch may choose. Needs NVRTC, but no GPU.
    pub fn of(mut function: Function, arch: Arch, options: &CompileOptions) -> Result<Image> {
        verify::check(&function)?;
        contract::check_dims(&function)?;
        function.compact();
        let CompileOptions { checks, contract, wide_index, .. } = *options;
        let cache = Cache::global();
        let compile = |function: &Function, wide_index: bool| {
            Binary::of(cache, function, arch, &LoweringOptions { wide_index, checks, contract })
        };
        let narrow = compile(&function, wide_index)?;
        let wide = (!wide_index).then(|| compile(&function, true)).transpose()?;
        let fewer_guards = |conditions: Conditions| {
            let binary = compile(&passes::specialise(&function, &conditions), wide_index)?;
            Ok((conditions, binary))
        };
        let unguarded = cuda::conditions(cache, &function)?.into_iter().map(fewer_guards).collect::<Result<_>>()?;
        let (digest, function) = (digest(&function), function.into());
        Ok(Image { arch, function, digest, checks, contract, wide_index, narrow, wide, unguarded })
    }

    /// Returns the architecture that the machine code is for.
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// Returns the kernel.
    pub fn function(&self) -> &Function {
        self.function.whole()
    }

    /// Returns the kernel with its parameters, extents and launch, perhaps without its statements. From an image that was
    /// read it takes less time than [`function`](Image::function).
    pub fn head(&self) -> &Function {
        self.function.head()
    }

    /// Returns the number of instances.
    pub fn instances(&self) -> usize {
        1 + usize::from(self.wide.is_some()) + self.unguarded.len()
    }

    /// Loads an instance on a GPU.
    pub(super) fn instance(&self, choice: Choice, device: &Device) -> Result<Instance> {
        let binary = match choice {
            Choice::Narrow => Some(&self.narrow),
            Choice::Wide => self.wide.as_ref(),
            Choice::Unguarded(number) => self.unguarded.get(number).map(|(_, binary)| binary),
        };
        let (Some(binary), Some(context)) = (binary, device.as_cuda()) else {
            return Err(error(format!("it has no such instance of `{}` for {device}", self.head().name)));
        };
        gpu::Instance::load(self.head(), context, binary.clone()).map(Instance::Gpu)
    }

    /// Returns an error that names the shape if these arguments need 64-bit offsets, and the image has no instance with
    /// them.
    pub(super) fn check_wide(&self, args: &[RawArg]) -> Result<()> {
        if self.wide.is_some() {
            return Ok(());
        }
        let shapes = self.head().params.iter().zip(args).filter_map(|(param, arg)| match param {
            Param::Tensor { buffer, .. } => {
                let tensor = arg.tensors().iter().find(|tensor| contract::is_wide(tensor))?;
                Some(format!("argument `{}` has the shape {:?}", self.head().buffers[*buffer].name, tensor.shape()))
            }
            Param::Scalar { .. } => None,
        });
        let message = format!(
            "{}, which needs 64-bit offsets, and the image that the kernel was loaded from has no instance with these; \
             make the image by `Template::image`, or after a launch with such a shape",
            shapes.collect::<Vec<_>>().join(", ")
        );
        Err(Error::Launch { kernel: self.head().name.clone(), message })
    }

    /// Returns an error if it is not of this function. Positions in the source do not count.
    pub(super) fn check_is_of(&self, mut function: Function) -> Result<()> {
        function.compact();
        if digest(&function) == self.digest {
            return Ok(());
        }
        let (name, own) = (&function.name, &self.head().name);
        Err(error(if name == own {
            format!("the kernel `{name}` has changed since the image was made; make the image again")
        } else {
            format!("it is of the kernel `{own}`, not of `{name}`")
        }))
    }

    /// Returns the image as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let content = encode(self);
        let checksum = Digest::of(&[BUILD.as_bytes(), &content]);
        [&MAGIC[..], &encode(&BUILD.to_owned()), &checksum.0, &content].concat()
    }

    /// Returns the image that these bytes hold, or an error if they are not one, damaged, or of another build of hidet.
    pub fn from_bytes(bytes: &[u8]) -> Result<Image> {
        let damaged = || error("it is damaged or incomplete; make it again");
        match bytes.get(..MAGIC.len()) {
            Some(magic) if magic == MAGIC => {}
            Some(magic) if magic[..7] == MAGIC[..7] => {
                return Err(error(format!(
                    "it has version {} of the format, and this build of hidet reads version {}; make it again",
                    magic[7], MAGIC[7]
                )));
            }
            _ => return Err(error("the bytes are not a kernel image")),
        }
        let mut reader = Reader::new(&bytes[MAGIC.len()..]);
        let build: String = reader.read().ok_or_else(damaged)?;
        if build != BUILD {
            return Err(error("it was made by another build of hidet; make it again with this one"));
        }
        let checksum: Digest = reader.read().ok_or_else(damaged)?;
        if Digest::of(&[build.as_bytes(), reader.rest()]) != checksum {
            return Err(damaged());
        }
        let image: Image = decode(reader.rest()).ok_or_else(damaged)?;
        contract::check_dims(image.head())?;
        Ok(image)
    }
}

impl Compiled {
    /// Returns an image of the kernel with the instances that launches have made so far; [`Image::of`] makes all.
    /// Returns an error on the simulated device, which has no machine code.
    pub fn image(&self) -> Result<Image> {
        let inner = &*self.0;
        if let Some(image) = &inner.image {
            return Ok(image.clone());
        }
        let binary = |instance: &Instance| match instance {
            Instance::Gpu(instance) => Some(instance.binary()),
            Instance::Sim(_) => None,
        };
        let made = |instance: &OnceLock<Result<Instance>>| binary(instance.get()?.as_ref().ok()?);
        let (Some(arch), Some(narrow)) = (inner.device.arch(), binary(&inner.narrow)) else {
            return Err(error("the simulated device has no machine code; make it by `Template::image`"));
        };
        let each = inner.unguarded.iter();
        let unguarded = each.filter_map(|(conditions, instance)| Some((conditions.clone(), made(instance)?))).collect();
        let CompileOptions { checks, contract, wide_index, .. } = inner.options;
        let (function, wide) = (inner.function.clone(), made(&inner.wide));
        let digest = digest(function.whole());
        Ok(Image { arch, function, digest, checks, contract, wide_index, narrow, wide, unguarded })
    }

    /// Loads an image on a device, without NVRTC. Where the image has no instance with fewer guards for the extents of
    /// a launch, the one with all guards runs; a shape that only an instance which is not in the image could run is an
    /// error of the launch. The simulated device takes the function from the image. Returns an error if the image is
    /// for another architecture.
    pub fn load(image: &Image, device: &Device) -> Result<Compiled> {
        let Image { arch, checks, contract, wide_index, unguarded, .. } = image;
        let (checks, contract, wide_index) = (*checks, *contract, *wide_index);
        let options = CompileOptions { checks, contract, wide_index, printer: Printer::default() };
        let Some(context) = device.as_cuda() else { return Compiled::new(image.function.parsed()?, device, &options) };
        if context.properties.arch != *arch {
            let message = format!("it is for {arch}, and {device} is {}", context.properties.arch);
            return Err(error(message));
        }
        Ok(Compiled(Arc::new(Inner {
            function: image.function.clone(),
            device: device.clone(),
            options,
            plans: Plans::new(image.head()),
            narrow: image.instance(Choice::Narrow, device)?,
            wide: OnceLock::new(),
            strided: Strided::new(image.head()),
            unguarded: unguarded.iter().map(|(conditions, _)| (conditions.clone(), OnceLock::new())).collect(),
            image: Some(image.clone()),
        })))
    }
}

impl Encode for Image {
    fn encode(&self, out: &mut Vec<u8>) {
        self.arch.to_string().encode(out);
        self.function.text().encode(out);
        self.digest.encode(out);
        [self.checks, self.contract, self.wide_index].iter().for_each(|flag| u8::from(*flag).encode(out));
        self.narrow.encode(out);
        u8::from(self.wide.is_some()).encode(out);
        self.wide.iter().for_each(|binary| binary.encode(out));
        (self.unguarded.len() as u64).encode(out);
        for (conditions, binary) in &self.unguarded {
            conditions.encode(out);
            binary.encode(out);
        }
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        let arch = Arch::from_name(&from.read::<String>()?)?;
        let function = LazyFunction::from_text(from.read()?).ok()?;
        let digest = from.read()?;
        let mut flag = || Some(from.read::<u8>()? != 0);
        let [checks, contract, wide_index] = [flag()?, flag()?, flag()?];
        let narrow = from.read()?;
        let wide = if from.read::<u8>()? != 0 { Some(from.read()?) } else { None };
        let mut unguarded = Vec::new();
        for _ in 0..from.read::<u64>()? {
            unguarded.push((from.read()?, from.read()?));
        }
        Some(Image { arch, function, digest, checks, contract, wide_index, narrow, wide, unguarded })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codegen;
    use crate::cuda::Origin;
    use crate::cuda::nvrtc::Cubin;
    use crate::device::{RawTensor, Storage};
    use crate::types::Scalar;

    const TEXT: &str = "kernel k<n>(@x: in i32[n], @y: out i32[n])\ngrid (1, 1, 1)\nblock (4, 1, 1)\n{\n  \
                        %t: i32 = thread\n  %v: i32 = load @x[%t]\n  store @y[%t] = %v\n}";

    /// An image with machine code that no driver would take.
    fn image(text: &str, wide: bool) -> Image {
        let mut function = text::parse_file(text, "k.hir").unwrap();
        function.compact();
        let arch = Arch::from_name("sm_90a").unwrap();
        let binary = |wide_index: bool| {
            let options = LoweringOptions { wide_index, checks: true, contract: true };
            let source = codegen::cuda(&passes::lower(&function, &options).unwrap(), arch).unwrap();
            assert!(!source.sites.is_empty() && !source.files.is_empty());
            // SAFETY: it is never loaded.
            let cubin = unsafe { Cubin::from_image(b"\x7fELF".to_vec()) };
            Binary { source, cubin: Arc::new(cubin), origin: Origin::Compiled }
        };
        let unguarded = vec![(Conditions { all: Vec::new(), moved: 3 }, binary(false))];
        let (narrow, wide) = (binary(false), wide.then(|| binary(true)));
        let (digest, function) = (digest(&function), function.into());
        Image { arch, function, digest, checks: true, contract: true, wide_index: false, narrow, wide, unguarded }
    }

    fn refused(bytes: &[u8], message: &str) {
        let error = Image::from_bytes(bytes).unwrap_err().to_string();
        assert!(error.contains(message), "{error}\ndoes not say: {message}");
    }

    #[test]
    fn images_are_read_back_with_all_positions() {
        for wide in [false, true] {
            let image = image(TEXT, wide);
            let bytes = image.to_bytes();
            let read = Image::from_bytes(&bytes).unwrap();
            assert_eq!(text::print_with_spans(read.function()), text::print_with_spans(image.function()));
            assert_eq!((read.instances(), read.arch()), (2 + usize::from(wide), image.arch));
            let (old, new) = (&image.narrow.source, &read.narrow.source);
            assert_eq!((&new.text, &new.lines, &new.files), (&old.text, &old.lines, &old.files));
            let place = new.place_of(&new.sites[0]).unwrap();
            assert!(place.starts_with("k.hir:6:") && Some(place) == old.place_of(&old.sites[0]));
            assert_eq!(read.to_bytes(), bytes);
        }
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let bytes = image(TEXT, true).to_bytes();
        for at in (0..bytes.len()).step_by(7).chain([0, 7, 8, 16]) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 16;
            assert!(Image::from_bytes(&damaged).is_err(), "byte {at}");
            refused(&bytes[..at], if at < MAGIC.len() { "not a kernel image" } else { "damaged or incomplete" });
        }
        refused(&[&bytes[..], b"x"].concat(), "damaged or incomplete");
        let mut other = bytes.clone();
        other[7] = 9;
        refused(&other, "version 9 of the format, and this build of hidet reads version 2");
        other = bytes.clone();
        other[17] ^= 1;
        refused(&other, "made by another build of hidet");
        *other.last_mut().unwrap() ^= 1;
        refused(b"\x7fELF and so on", "the bytes are not a kernel image");
    }

    #[test]
    fn a_shape_without_an_instance_is_named() {
        let device = Device::sim();
        let storage = Storage::uninit(&device, 16).unwrap();
        let x = RawTensor::placed(&device, storage, 0, Scalar::I32, &[1 << 31]);
        let error = image(TEXT, false).check_wide(&[RawArg::Tensor(&x)]).unwrap_err().to_string();
        assert!(
            error.starts_with("launch of `k`: argument `x` has the shape [2147483648], which needs 64-bit"),
            "{error}"
        );
        image(TEXT, true).check_wide(&[RawArg::Tensor(&x)]).unwrap();
    }

    #[test]
    fn an_image_of_another_kernel_or_of_an_earlier_state_is_refused() {
        let image = image(TEXT, false);
        let check = |text: &str| image.check_is_of(text::parse(text).unwrap());
        check(TEXT).unwrap();
        let error = check(&TEXT.replace("store @y[%t] = %v", "store @y[%t] = %t")).unwrap_err().to_string();
        assert_eq!(error, "kernel image: the kernel `k` has changed since the image was made; make the image again");
        let error = check(&TEXT.replace("kernel k", "kernel j")).unwrap_err().to_string();
        assert_eq!(error, "kernel image: it is of the kernel `k`, not of `j`");
    }
}
