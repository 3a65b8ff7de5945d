//! The accesses and synchronization points of PTX, in textual order.
//!
//! The memory of an address follows from the origin of its register: the first of its sources that is an address.

use super::{AccessKind, AccessedMemory, OrderEvent, opcodes};
use std::collections::HashMap;

/// Returns the events of the only kernel of a text.
pub fn events(ptx: &str) -> Vec<OrderEvent> {
    let mut origins: HashMap<&str, AccessedMemory> = HashMap::new();
    let mut shared: Vec<&str> = Vec::new();
    let mut events = Vec::new();
    // Braces are blocks, or vectors of registers between operands.
    for line in ptx.lines().map(str::trim) {
        let line = line.trim_start_matches('{').trim();
        if line.starts_with(".shared") || line.starts_with(".extern .shared") {
            shared.extend(words(line).filter(|word| !word.starts_with('.')).find(|word| !is_number(word)));
            continue;
        }
        let line = match line.strip_prefix('@') {
            Some(rest) => rest.split_once(' ').map_or("", |(_, rest)| rest.trim()),
            None => line,
        };
        let Some((opcode, operands)) = line.split_once([' ', '\t', ';']) else { continue };
        if let Some(order) = opcodes().find(|order| opcode.starts_with(order)) {
            events.push(OrderEvent::Order(vec![order]));
        }
        let address = operands.split_once('[').and_then(|(_, rest)| rest.split(']').next()).unwrap_or_default();
        if opcode.starts_with("ld.param") {
            // `[name_param_3]`
            if let (Some(to), Some(number)) = (words(operands).next(), address.rsplit("_param_").next()) {
                if let Ok(number) = number.parse() {
                    origins.insert(to, AccessedMemory::Parameter(number));
                }
            }
            continue;
        }
        let origin = |text| -> Option<AccessedMemory> {
            words(text).find_map(|word| match shared.contains(&word) {
                true => Some(AccessedMemory::Shared),
                false => origins.get(word).copied(),
            })
        };
        let kind = match opcode.split('.').next() {
            Some("ld") => Some(AccessKind::Load),
            Some("st") => Some(AccessKind::Store),
            Some("atom" | "red") => Some(AccessKind::Atomic),
            _ => None,
        };
        if let Some(kind) = kind {
            events.extend(origin(address).map(|place| OrderEvent::Access(kind, place)));
            if kind == AccessKind::Store {
                continue;
            }
        }
        // A value computed from an address is an address; a loaded value is not.
        let Some((to, from)) = operands.split_once(',') else { continue };
        let place = origin(from).filter(|_| kind.is_none());
        for to in words(if kind.is_none() { to } else { operands.split('[').next().unwrap_or_default() }) {
            match place {
                Some(place) => _ = origins.insert(to, place),
                None => _ = origins.remove(to),
            }
        }
    }
    events
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || "%$_.".contains(c))).filter(|word| !word.is_empty())
}

fn is_number(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accesses_and_barriers_are_found() {
        let ptx = "\
.visible .entry cell(
{
\t.reg .b32 \t%r<5>;
\t// demoted variable
\t.shared .align 4 .b8 _ZZ4cellE4tile[256];
\tld.param.u64 \t%rd1, [cell_param_0];
\tld.param.u64 \t%rd2, [cell_param_1];
\tcvta.to.global.u64 \t%rd3, %rd2;
\tmov.u32 \t%r1, %tid.x;
\tmul.wide.u32 \t%rd4, %r1, 4;
\tadd.s64 \t%rd5, %rd3, %rd4;
\tld.global.u32 \t%r2, [%rd5];
\tmov.u32 \t%r3, _ZZ4cellE4tile;
\tadd.s32 \t%r4, %r3, %r1;
\tst.shared.u32 \t[%r4+4], %r2;
\tbar.sync \t0;
\t@%p1 st.global.u32 \t[%rd5], %r2;
\tret;
}
";
        let access = |kind, place| OrderEvent::Access(kind, place);
        let wanted = [
            access(AccessKind::Load, AccessedMemory::Parameter(1)),
            access(AccessKind::Store, AccessedMemory::Shared),
            OrderEvent::Order(vec!["bar.sync"]),
            access(AccessKind::Store, AccessedMemory::Parameter(1)),
        ];
        assert_eq!(events(ptx), wanted);
    }
}
