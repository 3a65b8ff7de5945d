//! Checks and assertions: what a kernel reports, and how its threads end then.
//!
//! A thread that finds a fault records it, if it is the first of the launch, and ends. Nothing is trapped, so the
//! context stays usable. Others must not wait for it for ever: every wait of such a kernel gives up once a fault is
//! recorded.

use super::kernel::Generator;
use super::site::{Message, VALUES};
use crate::error::Result;
use crate::ir::{BufferId, ValueId};
use hidet_mapping::IndexExpr;

impl Generator<'_> {
    /// The statement that reports a fault and ends the thread.
    fn fault(&mut self, message: Message, values: &[String]) -> Result<String> {
        let site = self.site(message);
        let Some(report) = &self.report else { return Err(self.error("no report")) };
        let values: String = values.iter().map(|value| format!(", {value}")).collect();
        Ok(format!("{{ hidet_fault({report}, {site}{values}); {} }}", self.leave()))
    }

    /// Reports a tile outside of the shape.
    pub(super) fn check(
        &mut self,
        buffer: BufferId,
        index: &[ValueId],
        tile: &[u32],
        shape: &[IndexExpr],
    ) -> Result<()> {
        let name = self.function.buffers[buffer].name.clone();
        if shape.len() != index.len() || tile.len() != index.len() || index.len() > VALUES {
            let (rank, index) = (shape.len(), index.len());
            return Err(
                self.error(format!("a check of `{name}` in {rank} axes has {index} indices (at most {VALUES})"))
            );
        }
        let (mut inside, mut values) = (Vec::new(), Vec::new());
        for ((value, extent), tile) in index.iter().zip(shape).zip(tile) {
            let value = self.value(*value)?;
            let extent = self.extent(extent);
            let index = value.within(2);
            inside.push(match tile {
                1 => format!("{index} >= 0 && {index} < {}", extent.within(2)),
                tile => format!("{index} >= 0 && {index} <= {} - {tile}", extent.within(3)),
            });
            values.push(value.text);
        }
        let report = self.fault(Message::Outside { name, tile: tile.to_vec(), shape: shape.to_vec() }, &values)?;
        self.out.line(format!("if (!({})) {report}", inside.join(" && ")));
        Ok(())
    }

    /// Reports an element at no multiple of so many bytes.
    pub(super) fn align(&mut self, buffer: BufferId, index: &[ValueId], bytes: u32) -> Result<()> {
        let position = self.position(buffer, index, false)?;
        let pointer = self.pointer(buffer, &position);
        let memory = &self.function.buffers[buffer];
        let message = Message::Misaligned { name: memory.name.clone(), elem: memory.elem, bytes };
        let report = self.fault(message, &[position.text])?;
        self.out.line(format!("if (!hidet_aligned<{bytes}>({})) {report}", pointer.text));
        Ok(())
    }

    /// Reports a condition that does not hold.
    pub(super) fn assert(&mut self, cond: ValueId, message: &str) -> Result<()> {
        let cond = self.value(cond)?;
        let report = self.fault(Message::Assert(message.to_owned()), &[])?;
        self.out.line(format!("if (!{}) {report}", cond.within(0)));
        Ok(())
    }
}
