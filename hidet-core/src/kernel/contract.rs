//! The contract of a launch: checks that the arguments fit the kernel, and the kernel the device.
//!
//! Every message names the kernel, the argument and both values.

mod given;
mod strides;

pub(super) use strides::is_wide;

use super::RawArg;
use crate::device::{Device, RawTensor};
use crate::error::{Error, Result};
use crate::ir::{Access, Buffer, Function, Handle, Param, SharedMemory};
use given::Given;
use hidet_mapping::IndexExpr;

/// The values of a launch that follow from its checked arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundDims {
    /// The values of the symbolic extents.
    pub dims: Vec<i64>,
    /// Blocks along x, y, z; one of them is 0 if there is nothing to do.
    pub grid: [u32; 3],
    /// Offsets need 64 bits.
    pub wide: bool,
}

struct Contract<'a> {
    function: &'a Function,
    device: &'a Device,
}

/// Returns an error if an extent cannot be determined from the arguments.
pub fn check_dims(function: &Function) -> Result<()> {
    for (id, dim) in function.dims.iter() {
        let symbol = IndexExpr::Symbol(id.index() as u32);
        let determined = function.params.iter().any(|param| match param {
            Param::Tensor { buffer, .. } => {
                let Buffer { shape, layout, .. } = &function.buffers[*buffer];
                shape.contains(&symbol) || strides::of(layout).contains(&symbol)
            }
            Param::Scalar { .. } => false,
        });
        if !determined {
            let message = format!(
                "extent `{}` cannot be determined from the arguments: use it as the extent of an axis of a parameter",
                dim.name
            );
            return Err(Error::Kernel { kernel: function.name.clone(), message, place: function.own_place() });
        }
    }
    Ok(())
}

/// Checks the arguments of a launch and returns what follows from them, or an error that names the argument.
pub fn bind(function: &Function, device: &Device, args: &[RawArg]) -> Result<BoundDims> {
    let contract = Contract { function, device };
    let tensors = contract.types(args)?;
    let mut dims = contract.extents(&tensors)?;
    contract.strides(&tensors, &mut dims)?;
    contract.addresses(&tensors, &dims)?;
    contract.constraints(&dims)?;
    contract.aliases(&tensors)?;
    let grid = contract.grid(&dims)?;
    let wide = tensors.iter().any(|given| is_wide(given.tensor));
    Ok(BoundDims { dims, grid, wide })
}

/// Returns an error if a block needs more shared memory than the device has. To find that out takes milliseconds, which a
/// launch on a GPU saves: there the compiled kernel knows how much it needs.
pub fn check_shared(function: &Function, device: &Device, dims: &[i64]) -> Result<()> {
    Contract { function, device }.shared(dims)
}

impl Contract<'_> {
    fn error(&self, message: impl Into<String>) -> Error {
        Error::Launch { kernel: self.function.name.clone(), message: message.into() }
    }

    /// Formats extents as their author wrote them.
    fn shape(&self, shape: &[IndexExpr]) -> String {
        let extents: Vec<String> = shape.iter().map(|extent| self.show(extent)).collect();
        format!("[{}]", extents.join(", "))
    }

    /// Formats an extent with the names of the symbolic extents.
    fn show(&self, extent: &IndexExpr) -> String {
        let dims = &self.function.dims;
        extent.text(&|symbol| dims.iter().nth(symbol as usize).map_or("?".to_owned(), |(_, dim)| dim.name.clone()))
    }

    fn eval(&self, what: &str, expr: &IndexExpr, dims: &[i64]) -> Result<i64> {
        expr.eval(dims).map_err(|why| self.error(format!("{what} is {}: {why}", self.show(expr))))
    }

    /// Returns the name of a parameter.
    fn name<'a>(&'a self, param: &'a Param) -> &'a str {
        match param {
            Param::Tensor { buffer, .. } => &self.function.buffers[*buffer].name,
            Param::Scalar { name, .. } => name,
        }
    }

    /// Checks the number, kinds, devices, types and ranks of the arguments and returns the tensors.
    fn types<'a>(&'a self, args: &'a [RawArg]) -> Result<Vec<Given<'a>>> {
        let params = &self.function.params;
        if args.len() != params.len() {
            let names: Vec<String> = params.iter().map(|param| format!("`{}`", self.name(param))).collect();
            let missing = names.get(args.len()..).filter(|missing| !missing.is_empty());
            let missing = missing.map_or(String::new(), |names| format!("; missing: {}", names.join(", ")));
            let message = format!("{} arguments were passed; the kernel takes {}{missing}", args.len(), params.len());
            return Err(self.error(message));
        }
        let mut tensors = Vec::new();
        for (index, (param, arg)) in params.iter().zip(args).enumerate() {
            match (param, arg) {
                (Param::Tensor { buffer, access }, RawArg::Tensor(tensor))
                    if self.function.buffers[*buffer].entries.is_none() =>
                {
                    let buffer = &self.function.buffers[*buffer];
                    tensors.push(Given { buffer, access: *access, tensor, entry: None });
                }
                (Param::Tensor { buffer, access }, RawArg::Table(table))
                    if self.function.buffers[*buffer].entries.is_some() =>
                {
                    let (buffer, entries) = (&self.function.buffers[*buffer], table.entries());
                    tensors.extend(entries.iter().enumerate().map(|(number, tensor)| Given {
                        buffer,
                        access: *access,
                        tensor,
                        entry: Some((number, entries.len())),
                    }));
                }
                (Param::Scalar { name, value }, RawArg::Scalar(given)) => {
                    let taken = self.function.ty(*value);
                    if taken.lanes != 1 || taken.scalar != given.scalar {
                        let message = format!("argument `{name}` has type {}; the kernel takes {taken}", given.scalar);
                        return Err(self.error(message));
                    }
                }
                (param, arg) => {
                    let taken = match param {
                        Param::Scalar { .. } => "a number",
                        Param::Tensor { buffer, .. } if self.function.buffers[*buffer].entries.is_some() => {
                            "a table of tensors"
                        }
                        Param::Tensor { .. } => "a tensor",
                    };
                    let given = match arg {
                        RawArg::Scalar(given) => format!("a number ({})", given.scalar),
                        RawArg::Tensor(tensor) => format!("a tensor {:?}", tensor.shape),
                        RawArg::Table(table) => format!("a table of {} tensors", table.entries().len()),
                    };
                    let name = self.name(param);
                    let message = format!("argument {index}, `{name}`, is {given}; the kernel takes {taken}");
                    return Err(self.error(message));
                }
            }
        }
        tensors.iter().try_for_each(|given| self.tensor(given))?;
        Ok(tensors)
    }

    fn tensor(&self, given: &Given) -> Result<()> {
        let Given { buffer, tensor, entry, .. } = given;
        let shape = &buffer.shape[usize::from(entry.is_some()).min(buffer.shape.len())..];
        if !tensor.device.is_same(self.device) {
            return Err(
                self.error(format!("{given} is on {}; the kernel was compiled for {}", tensor.device, self.device))
            );
        }
        if tensor.scalar != buffer.elem {
            let message = format!("{given} has elements of type {}; the kernel takes {}", tensor.scalar, buffer.elem);
            return Err(self.error(message));
        }
        if tensor.shape.len() != shape.len() {
            return Err(self.error(format!(
                "{given} has {} axes {:?}; the kernel takes {}: {}",
                tensor.shape.len(),
                tensor.shape,
                shape.len(),
                self.shape(shape)
            )));
        }
        Ok(())
    }

    fn addresses(&self, tensors: &[Given], dims: &[i64]) -> Result<()> {
        for given in tensors {
            let Given { buffer, tensor, entry, .. } = given;
            let align = u64::from(buffer.align).max(buffer.elem.bytes() as u64);
            let address = tensor.address();
            if !address.is_multiple_of(align) && !tensor.is_empty() {
                let aligned = 1u64 << address.trailing_zeros();
                return Err(self.error(format!(
                    "{given} begins at an address aligned to {aligned} bytes (byte {} of its allocation); the kernel needs \
                     {align}",
                    tensor.offset
                )));
            }
            if entry.is_some() {
                continue;
            }
            let size = self.eval(&format!("the size of argument `{}`", buffer.name), &buffer.layout.size(), dims)?;
            if size > tensor.reach() as i64 && !tensor.is_empty() {
                return Err(self.error(format!(
                    "argument `{0}` has {1} elements, but the layout declared for `{0}` addresses {size}: allocate that \
                     many, or change the layout",
                    buffer.name,
                    tensor.reach()
                )));
            }
        }
        Ok(())
    }

    fn constraints(&self, dims: &[i64]) -> Result<()> {
        for constraint in &self.function.constraints {
            let left = self.eval("the left side of a constraint", &constraint.left, dims)?;
            let right = self.eval("the right side of a constraint", &constraint.right, dims)?;
            let relation = constraint.relation.in_words();
            if !constraint.relation.holds(left, right) {
                let side = |expr: &IndexExpr, value: i64| match expr.as_const() {
                    Some(value) => value.to_string(),
                    None => format!("{} = {value}", self.show(expr)),
                };
                let (left, right) = (side(&constraint.left, left), side(&constraint.right, right));
                let why =
                    if constraint.message.is_empty() { String::new() } else { format!(": {}", constraint.message) };
                return Err(self.error(format!("{left} must be {relation} {right}{why}")));
            }
        }
        Ok(())
    }

    /// Checks that no argument overlaps one that the kernel writes.
    fn aliases(&self, tensors: &[Given]) -> Result<()> {
        let bytes = |tensor: &RawTensor| tensor.offset..tensor.offset + tensor.reach() * tensor.scalar.bytes();
        for (index, given) in tensors.iter().enumerate().filter(|(_, given)| given.access != Access::In) {
            let others = tensors.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, other)| other);
            if let Some(other) = { others }.find(|other| given.tensor.overlaps(other.tensor)) {
                return Err(self.error(format!(
                    "{given}, which the kernel writes, shares memory with {other} (bytes {:?} and {:?} of one allocation)",
                    bytes(given.tensor),
                    bytes(other.tensor)
                )));
            }
        }
        Ok(())
    }

    fn grid(&self, dims: &[i64]) -> Result<[u32; 3]> {
        let limits = self.device.limits();
        let launch = &self.function.launch;
        if launch.threads() > limits.threads {
            let message = format!(
                "the kernel has {} threads per block; {} allows {}",
                launch.threads(),
                self.device,
                limits.threads
            );
            return Err(self.error(message));
        }
        let cluster = launch.cluster.iter().product::<u32>();
        if cluster > limits.cluster {
            let message =
                format!("the kernel has {cluster} blocks per cluster; {} allows {}", self.device, limits.cluster);
            return Err(self.error(message));
        }
        let mut grid = [0u32; 3];
        for (axis, name) in ["x", "y", "z"].into_iter().enumerate() {
            let blocks = self.eval(&format!("the grid along {name}"), &launch.grid[axis], dims)?;
            let most = i64::from(limits.grid[axis]);
            if blocks < 0 || blocks > most {
                return Err(self.error(format!(
                    "the grid has {blocks} blocks along {name} ({}); {} allows {most}",
                    self.show(&launch.grid[axis]),
                    self.device
                )));
            }
            let cluster = i64::from(launch.cluster[axis]);
            if blocks % cluster != 0 {
                let message = format!(
                    "the grid has {blocks} blocks along {name}, which is not a multiple of the cluster's {cluster}"
                );
                return Err(self.error(message));
            }
            grid[axis] = blocks as u32;
        }
        Ok(grid)
    }

    fn shared(&self, dims: &[i64]) -> Result<()> {
        let most = self.device.limits().shared as i64;
        let memory = SharedMemory::of(self.function);
        let mut largest = ("", 0);
        for area in &memory.areas {
            let name = &self.function.buffers[area.owner].name;
            let bytes = self.eval(&format!("shared buffer `{name}`"), &area.bytes, dims)?;
            if bytes > largest.1 {
                largest = (name, bytes);
            }
        }
        let sum = self.eval("shared memory", &memory.bytes(), dims)?;
        if sum > most {
            return Err(self.error(format!(
                "a block needs {sum} bytes of shared memory ({} of them for `{}`); {} allows {most}",
                largest.1, largest.0, self.device
            )));
        }
        Ok(())
    }
}
