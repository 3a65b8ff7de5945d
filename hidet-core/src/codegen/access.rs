//! Accesses to memory, calls and inline PTX.

use super::expr::{self, CppExpr};
use super::intrinsic::fill;
use super::kernel::Generator;
use super::{literal, prelude, types};
use crate::error::Result;
use crate::intrinsics::matrix::Form;
use crate::intrinsics::{Intrinsic, Meaning};
use crate::ir::descriptor;
use crate::ir::{Access, Arg, AsmOperand, BufferId, Param, Scope, ValueId};
use crate::types::{Scalar, Type};

/// The offset of an element in a flattened buffer.
pub(super) struct Position {
    /// The pointer to the first element.
    base: String,
    pub(super) whole: CppExpr,
    /// In global memory, the same offset as a sum of two parts. The second part and the whole are nonnegative, so the
    /// first part does not overflow even though integers wrap: it may be added to the pointer separately, and accesses
    /// that differ only in the second part then share that address.
    sum: Option<[CppExpr; 2]>,
}

impl Generator<'_> {
    /// Returns the position of an element in a flattened buffer.
    pub(super) fn position(&self, buffer: BufferId, index: &[ValueId], guard: bool) -> Result<Position> {
        let name = &self.function.buffers[buffer].name;
        if guard {
            return Err(self.error(format!("a protected access to `{name}` was not lowered")));
        }
        let (base, index) = match (self.function.buffers[buffer].entries, index) {
            (Some(_), [entry, index @ ..]) => {
                let input =
                    self.function.params.iter().any(
                        |param| matches!(param, Param::Tensor { buffer: of, access: Access::In } if *of == buffer),
                    );
                let constant = if input { "const " } else { "" };
                let elem = types::scalar(self.function.buffers[buffer].elem);
                let entry = self.value(*entry)?.text;
                (format!("hidet_tensor<{constant}{elem}>({}, {entry})", self.buffers[buffer]), index)
            }
            _ => (self.buffers[buffer].clone(), index),
        };
        match index {
            [position] => {
                let global = self.function.buffers[buffer].scope == Scope::Global;
                let whole = self.value(*position)?;
                if global && self.opaque.leaps[*position] {
                    let whole = expr::opaque_extension(Scalar::I32, Scalar::I64, &whole);
                    return Ok(Position { base, whole, sum: None });
                }
                let sum = self.sums[*position].clone().filter(|_| global);
                if !global || !self.opaque.far[*position] {
                    return Ok(Position { base, whole, sum });
                }
                // What is not negative is printed as unsigned, because of unsigned integers NVRTC knows that they wrap.
                let unsigned = |a: &CppExpr| expr::convert(Scalar::I32, Scalar::U32, a);
                let sum = sum.filter(|_| self.opaque.beyond[*position]);
                let sum = sum.map(|[first, rest]| [unsigned(&first), rest]);
                Ok(Position { base, whole: unsigned(&whole), sum })
            }
            _ => Err(self.error(format!("an access to `{name}` with {} indices was not lowered", index.len()))),
        }
    }

    /// Returns a pointer to an element.
    pub(super) fn pointer(&self, position: &Position) -> CppExpr {
        let name = &position.base;
        match position {
            Position { whole, .. } if whole.text == "0" => CppExpr::atom(name),
            Position { sum: Some([base, rest]), .. } => {
                CppExpr { text: format!("{name} + {} + {}", base.within(2), rest.within(2)), level: 3 }
            }
            Position { whole, .. } => CppExpr { text: format!("{name} + {}", whole.within(2)), level: 3 },
        }
    }

    /// Returns an element as an lvalue.
    fn element(&self, position: &Position) -> String {
        let name = &position.base;
        match &position.sum {
            Some([base, rest]) => format!("({name} + {})[{}]", base.within(2), rest.text),
            None => format!("{name}[{}]", position.whole.text),
        }
    }

    /// Reads an element, or consecutive ones.
    pub(super) fn load(&self, buffer: BufferId, index: &[ValueId], ty: Type, guard: bool) -> Result<CppExpr> {
        let position = self.position(buffer, index, guard)?;
        let name = &self.buffers[buffer];
        Ok(match (ty.lanes, self.function.buffers[buffer].scope) {
            (1, _) => CppExpr::atom(self.element(&position)),
            (lanes, Scope::Register) => {
                let each: Vec<CppExpr> =
                    (0..lanes).map(|lane| CppExpr::atom(element(name, &position.whole, lane))).collect();
                super::expr::vector(ty, &each)
            }
            (lanes, _) => CppExpr::atom(format!("load<{lanes}>({})", self.pointer(&position).text)),
        })
    }

    /// Writes an element, or consecutive ones.
    pub(super) fn store(
        &mut self,
        buffer: BufferId,
        index: &[ValueId],
        lanes: u8,
        value: &CppExpr,
        guard: bool,
    ) -> Result<()> {
        let position = self.position(buffer, index, guard)?;
        let name = self.buffers[buffer].clone();
        match (lanes, self.function.buffers[buffer].scope) {
            (1, _) => {
                let element = self.element(&position);
                self.out.line(format!("{element} = {};", value.text));
            }
            (lanes, Scope::Register) => {
                let elem = types::name(Type::vector(self.function.buffers[buffer].elem, lanes));
                self.out.open("{");
                self.out.line(format!("const {elem} hidet_value = {};", value.text));
                for lane in 0..lanes {
                    self.out.line(format!("{} = hidet_value[{lane}];", element(&name, &position.whole, lane)));
                }
                self.out.close("}");
            }
            _ => self.out.line(format!("store({}, {});", self.pointer(&position).text, value.text)),
        }
        Ok(())
    }

    /// Calls an intrinsic.
    pub(super) fn call(&mut self, intrinsic: Intrinsic, args: &[Arg], result: Option<ValueId>) -> Result<()> {
        let row = intrinsic.row();
        let (mut operands, mut elems, mut forms) = (Vec::new(), Vec::new(), vec![None; args.len()]);
        for arg in args {
            let (text, elem) = match arg {
                Arg::Value(value) => (self.value(*value)?.text, types::scalar(self.function.ty(*value).scalar)),
                Arg::Address { buffer, index } => {
                    let position = self.position(*buffer, index, false)?;
                    let elem = types::scalar(self.function.buffers[*buffer].elem);
                    let pointer = self.pointer(&position);
                    // The row's text may index an element of a register array.
                    let level = if self.function.buffers[*buffer].scope == Scope::Register { 0 } else { 9 };
                    (pointer.within(level), elem)
                }
                Arg::Imm(number) => (number.to_string(), "int"),
                Arg::Map(map) => (format!("&{}", self.maps[*map]), "hidet_tensor_map"),
            };
            operands.push(text);
            elems.push(elem);
        }
        if operands.len() != row.operands.len() {
            let message =
                format!("`{}` takes {} operands, but {} were passed", row.name, row.operands.len(), operands.len());
            return Err(self.error(message));
        }
        for (_, place) in descriptor::shared_operands(row.meaning, &row.operands) {
            let Arg::Imm(form) = args[place] else { continue };
            forms[place] = Form::decode(form);
            if forms[place].is_none() {
                return Err(
                    self.error(format!("operand {place} of `{}` does not describe the layout of a matrix", row.name))
                );
            }
        }
        let mbarrier = match (row.meaning, args.first()) {
            (Meaning::MbarrierWait | Meaning::MbarrierTest, Some(Arg::Address { buffer, .. }))
                if self.remote[descriptor::owner(self.function, *buffer)] =>
            {
                "hidet_cluster_mbarrier"
            }
            _ => "hidet_mbarrier",
        };
        if self.before_call(row, mbarrier, &operands) {
            return Ok(());
        }
        if row.meaning == Meaning::GridSync {
            let Some(barrier) = &self.grid_barrier else {
                return Err(self.error("`grid.sync` needs a cooperative launch"));
            };
            match (self.faults, &self.report) {
                (true, Some(report)) => {
                    self.out.line(format!("if (!hidet_grid_sync_unless({report}, {barrier})) {}", self.leave()))
                }
                _ => self.out.line(format!("hidet_grid_sync({barrier});")),
            }
            return Ok(());
        }
        let atomic = match (row.meaning, args.first()) {
            (Meaning::Atomic(op, _), Some(Arg::Address { buffer, .. })) => {
                let buffer = &self.function.buffers[*buffer];
                let swapped = buffer.scope == Scope::Shared && prelude::is_loop_in_shared(op, buffer.elem);
                if swapped { "hidet_swap" } else { "hidet_atomic" }
            }
            _ => "hidet_atomic",
        };
        let text = row.cuda.replace("hidet_mbarrier", mbarrier).replace("hidet_atomic", atomic);
        let text = fill(&text, &operands, &elems, &forms);
        match result {
            Some(value) => {
                let name = self.name_value(value);
                self.out.line(format!("const {} {name} = {text};", types::name(self.function.ty(value))));
            }
            None if row.result == crate::intrinsics::ResultRule::None => self.out.line(text),
            None => self.out.line(format!("{text};")),
        }
        Ok(())
    }

    /// Writes inline PTX. Shared memory is addressed by 32-bit shared addresses, global memory by pointers.
    pub(super) fn asm(&mut self, template: &str, operands: &[AsmOperand]) -> Result<()> {
        // PTX numbers the written operands first.
        let written = |operand: &&AsmOperand| matches!(operand, AsmOperand::Out(_));
        let outs = operands.iter().filter(written).count();
        let (mut out_index, mut in_index) = (0, outs);
        let (mut numbers, mut out_text, mut in_text) = (Vec::new(), Vec::new(), Vec::new());
        for operand in operands {
            match operand {
                AsmOperand::Out(value) => {
                    let (scalar, constraint) = self.asm_type(*value)?;
                    let name = self.name_value(*value);
                    self.out.line(format!("{} {name};", types::scalar(scalar)));
                    let member = if types::is_struct(scalar) { ".bits" } else { "" };
                    out_text.push(format!("\"={constraint}\"({name}{member})"));
                    numbers.push(format!("%{out_index}"));
                    out_index += 1;
                    continue;
                }
                AsmOperand::In(value) => {
                    let (scalar, constraint) = self.asm_type(*value)?;
                    let member = if types::is_struct(scalar) { ".bits" } else { "" };
                    in_text.push(format!("\"{constraint}\"({}{member})", self.value(*value)?.within(0)));
                }
                AsmOperand::Address { buffer, index } => {
                    let position = self.position(*buffer, index, false)?;
                    let pointer = self.pointer(&position);
                    in_text.push(match self.function.buffers[*buffer].scope {
                        Scope::Global => format!("\"l\"({})", pointer.text),
                        Scope::Shared => format!("\"r\"(hidet_shared_address({}))", pointer.text),
                        Scope::Register => return Err(self.error("registers have no address in PTX; pass values")),
                    });
                }
            }
            numbers.push(format!("%{in_index}"));
            in_index += 1;
        }
        let text = fill(&template.replace('%', "%%"), &numbers, &[], &[]);
        self.out.line(format!(
            "asm volatile({} : {} : {} : \"memory\");",
            literal::quoted(&text),
            out_text.join(", "),
            in_text.join(", ")
        ));
        Ok(())
    }

    fn asm_type(&self, value: ValueId) -> Result<(Scalar, char)> {
        let ty = self.function.ty(value);
        match types::constraint(ty.scalar) {
            Some(constraint) if ty.lanes == 1 => Ok((ty.scalar, constraint)),
            _ => Err(self.error(format!("PTX has no register for `{ty}`; cast it to a word of 16, 32 or 64 bits"))),
        }
    }
}

/// Returns one of several consecutive elements of a register array.
fn element(name: &str, position: &CppExpr, lane: u8) -> String {
    match (position.text.parse::<i64>(), lane) {
        (Ok(position), lane) => format!("{name}[{}]", position + i64::from(lane)),
        (_, 0) => format!("{name}[{}]", position.text),
        (_, lane) => format!("{name}[{} + {lane}]", position.within(3)),
    }
}
