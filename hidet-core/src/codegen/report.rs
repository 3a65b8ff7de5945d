//! Checks, assertions and prints: what a kernel reports, and how its threads exit after a fault.
//!
//! A thread that finds a fault records it, if it is the first of the launch, and exits. There is no trap, so the
//! context stays usable. Other threads must not wait for it forever: every wait of such a kernel gives up after a fault
//! is recorded.
//!
//! Prints write numbers to a log, which the host formats, so that a format has the same meaning on all devices.

use super::kernel::Generator;
use super::site::{Message, Piece, VALUES};
use crate::error::Result;
use crate::ir::{BufferId, PrintPiece, ValueId};
use crate::types::Scalar;
use hidet_mapping::IndexExpr;

impl Generator<'_> {
    /// Returns the statement that reports a fault and exits the thread.
    fn fault(&mut self, message: Message, values: &[String]) -> Result<String> {
        let site = self.site(message);
        let Some(report) = &self.report else { return Err(self.error("no report")) };
        let values: String = values.iter().map(|value| format!(", {value}")).collect();
        Ok(format!("{{ hidet_fault({report}, {site}{values}); {} }}", self.leave()))
    }

    /// Writes the check that a tile is inside of the shape.
    pub(super) fn check(
        &mut self,
        buffer: BufferId,
        index: &[ValueId],
        tile: &[u32],
        shape: &[IndexExpr],
        rows: Option<ValueId>,
    ) -> Result<()> {
        let name = self.function.buffers[buffer].name.clone();
        if shape.len() != index.len() || tile.len() != index.len() || index.len() + usize::from(rows.is_some()) > VALUES
        {
            let (rank, index) = (shape.len(), index.len());
            return Err(self
                .error(format!("a check of `{name}`, which has {rank} axes, has {index} indices (at most {VALUES})")));
        }
        let (mut inside, mut values) = (Vec::new(), Vec::new());
        let rows = rows.map(|rows| self.value(rows)).transpose()?;
        for (axis, ((value, bound), tile)) in index.iter().zip(shape).zip(tile).enumerate() {
            let value = self.value(*value)?;
            let rows = rows.clone().filter(|_| axis == 1);
            let is_formula = rows.is_none();
            let extent = rows.unwrap_or_else(|| self.extent(bound));
            let index = value.within(2);
            values.push(value.text.clone());
            let known = value.text.parse().ok().zip(bound.as_const().filter(|_| is_formula));
            if known.is_some_and(|(index, bound): (i64, i64)| 0 <= index && index + i64::from(*tile) <= bound) {
                continue;
            }
            inside.push(match tile {
                1 => format!("{index} >= 0 && {index} < {}", extent.within(2)),
                tile => format!("{index} >= 0 && {index} <= {} - {tile}", extent.within(3)),
            });
        }
        if inside.is_empty() {
            return Ok(());
        }
        let has_rows = rows.is_some();
        values.extend(rows.map(|rows| rows.text));
        let message = Message::Outside { name, tile: tile.to_vec(), shape: shape.to_vec(), has_rows };
        let report = self.fault(message, &values)?;
        self.out.line(format!("if (!({})) {report}", inside.join(" && ")));
        Ok(())
    }

    /// Writes the check that an element is aligned to this many bytes.
    pub(super) fn align(&mut self, buffer: BufferId, index: &[ValueId], bytes: u32) -> Result<()> {
        let position = self.position(buffer, index, false)?;
        let pointer = self.pointer(&position);
        let memory = &self.function.buffers[buffer];
        let message = Message::Misaligned { name: memory.name.clone(), elem: memory.elem, bytes };
        let report = self.fault(message, &[position.whole.text])?;
        self.out.line(format!("if (!hidet_aligned<{bytes}>({})) {report}", pointer.text));
        Ok(())
    }

    /// Writes an assertion.
    pub(super) fn assert(&mut self, cond: ValueId, message: &str) -> Result<()> {
        let cond = self.value(cond)?;
        let report = self.fault(Message::Assert(message.to_owned()), &[])?;
        self.out.line(format!("if (!{}) {report}", cond.within(0)));
        Ok(())
    }

    /// Writes the print of a line to the log.
    pub(super) fn print(&mut self, pieces: &[PrintPiece]) -> Result<()> {
        let (mut line, mut values) = (Vec::new(), Vec::new());
        for piece in pieces {
            line.push(match piece {
                PrintPiece::Text(text) => Piece::Text(text.clone()),
                PrintPiece::Value { value, format } => {
                    let ty = self.function.ty(*value);
                    let value = self.value(*value)?;
                    // A literal may have a narrower type.
                    let long = match ty.scalar {
                        Scalar::I64 => "(long long)",
                        Scalar::U64 => "(unsigned long long)",
                        _ => "",
                    };
                    match ty.lanes {
                        1 if long.is_empty() => values.push(value.text),
                        1 => values.push(format!("{long}{}", value.within(1))),
                        lanes => values.extend((0..lanes).map(|lane| format!("{}[{lane}]", value.within(0)))),
                    }
                    Piece::Value { format: *format, scalar: ty.scalar, lanes: u32::from(ty.lanes) }
                }
            });
        }
        let site = self.site(Message::Line(line));
        let Some(report) = &self.report else { return Err(self.error("no report")) };
        let values: String = values.iter().map(|value| format!(", {value}")).collect();
        self.out.line(format!("hidet_print({report}, {site}{values});"));
        Ok(())
    }
}
