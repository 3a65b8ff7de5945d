//! The encoding of sources, machine code and conditions in cache entries and kernel images.
//!
//! Fields are written in the order in which they stand here. There are no versions, because the build of the crate is
//! part of every key under which one of these is stored.

use super::binary::{Binary, Origin};
use super::nvrtc::Cubin;
use crate::cache::Digest;
use crate::cache::codec::{Bytes, Encode, Reader};
use crate::codegen::{KernelParam, Message, Piece, Site, Source};
use crate::ir::{BufferId, Constraint, DimId, Format, Handle, MapId, Relation, Span, ValueId};
use crate::passes::Conditions;
use crate::types::Scalar;
use hidet_mapping::IndexExpr;
use hidet_mapping::index::IndexOp;
use std::sync::Arc;

/// A kernel under its first key: its source, with statements by number, and the key of its machine code.
impl Encode for (Source, Digest) {
    fn encode(&self, out: &mut Vec<u8>) {
        let (source, binary) = self;
        let Source { text, kernel, entry, parameters, static_shared, dynamic_shared, sites, lines, files: _ } = source;
        text.encode(out);
        kernel.encode(out);
        entry.encode(out);
        parameters.encode(out);
        static_shared.encode(out);
        dynamic_shared.encode(out);
        sites.encode(out);
        lines.encode(out);
        binary.encode(out);
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        let source = Source {
            text: from.read()?,
            kernel: from.read()?,
            entry: from.read()?,
            parameters: from.read()?,
            static_shared: from.read()?,
            dynamic_shared: from.read()?,
            sites: from.read()?,
            lines: from.read()?,
            files: Vec::new(),
        };
        Some((source, from.read()?))
    }
}

/// Machine code as it is stored. The type is private, so that no other code can pass arbitrary bytes to the driver.
pub(super) struct Stored(pub Arc<Cubin>);

/// The resources that ptxas reports are parsed again from the log.
impl Encode for Stored {
    fn encode(&self, out: &mut Vec<u8>) {
        let cubin = &self.0;
        (cubin.image().len() as u64).encode(out);
        out.extend_from_slice(cubin.image());
        cubin.log.encode(out);
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        let Bytes(image) = from.read()?;
        Some(Stored(Arc::new(Cubin::new(image, from.read()?))))
    }
}

/// A kernel in an image, which is read without the function that it was compiled from: with its positions.
impl Encode for Binary {
    fn encode(&self, out: &mut Vec<u8>) {
        let Binary { source, cubin, origin: _ } = self;
        (source.clone(), Digest::of(&[])).encode(out);
        source.files.encode(out);
        let spans = source.sites.iter().map(|site| &site.span).chain(&source.lines);
        spans.flat_map(|span| [span.file, span.line, span.column]).collect::<Vec<u32>>().encode(out);
        Stored(cubin.clone()).encode(out);
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        let (mut source, _) = from.read::<(Source, Digest)>()?;
        source.files = from.read()?;
        let numbers: Vec<u32> = from.read()?;
        let mut spans = numbers.chunks_exact(3).map(|part| Span { file: part[0], line: part[1], column: part[2] });
        for span in source.sites.iter_mut().map(|site| &mut site.span).chain(&mut source.lines) {
            *span = spans.next()?;
        }
        let Stored(cubin) = from.read()?;
        Some(Binary { source, cubin, origin: Origin::Stored })
    }
}

impl Encode for Conditions {
    fn encode(&self, out: &mut Vec<u8>) {
        self.all.encode(out);
        (self.moved as u64).encode(out);
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        let all = from.read()?;
        let moved: u64 = from.read()?;
        Some(Conditions { all, moved: moved as usize })
    }
}

/// Numbers of statements have neither file nor column.
impl Encode for Span {
    fn encode(&self, out: &mut Vec<u8>) {
        self.line.encode(out);
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        Some(Span { line: from.read()?, ..Span::default() })
    }
}

impl Encode for Site {
    fn encode(&self, out: &mut Vec<u8>) {
        let Site { message, span } = self;
        message.encode(out);
        span.encode(out);
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        Some(Site { message: from.read()?, span: from.read()? })
    }
}

impl Encode for Message {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Message::Outside { name, tile, shape, has_rows } => {
                0u8.encode(out);
                name.encode(out);
                tile.encode(out);
                shape.encode(out);
                u8::from(*has_rows).encode(out);
            }
            Message::Misaligned { name, elem, bytes } => {
                1u8.encode(out);
                name.encode(out);
                elem.encode(out);
                bytes.encode(out);
            }
            Message::Assert(message) => {
                2u8.encode(out);
                message.encode(out);
            }
            Message::Line(pieces) => {
                3u8.encode(out);
                pieces.encode(out);
            }
        }
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        Some(match from.read::<u8>()? {
            0 => {
                let (name, tile) = (from.read()?, from.read()?);
                Message::Outside { name, tile, shape: from.read()?, has_rows: from.read::<u8>()? != 0 }
            }
            1 => Message::Misaligned { name: from.read()?, elem: from.read()?, bytes: from.read()? },
            2 => Message::Assert(from.read()?),
            3 => Message::Line(from.read()?),
            _ => return None,
        })
    }
}

impl Encode for Piece {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Piece::Text(text) => {
                0u8.encode(out);
                text.encode(out);
            }
            Piece::Value { format, scalar, lanes } => {
                1u8.encode(out);
                format.to_string().encode(out);
                scalar.encode(out);
                lanes.encode(out);
            }
        }
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        Some(match from.read::<u8>()? {
            0 => Piece::Text(from.read()?),
            1 => Piece::Value {
                format: Format::parse(&from.read::<String>()?)?,
                scalar: from.read()?,
                lanes: from.read()?,
            },
            _ => return None,
        })
    }
}

impl Encode for Scalar {
    fn encode(&self, out: &mut Vec<u8>) {
        self.name().to_owned().encode(out);
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        Scalar::from_name(&from.read::<String>()?)
    }
}

impl Encode for KernelParam {
    fn encode(&self, out: &mut Vec<u8>) {
        let (tag, index) = match self {
            KernelParam::Tensor(buffer) => (0u8, buffer.index()),
            KernelParam::Scalar(value) => (1, value.index()),
            KernelParam::Dim(dim) => (2, dim.index()),
            KernelParam::Map(map) => (3, map.index()),
            KernelParam::Report => (4, 0),
            KernelParam::GridBarrier => (5, 0),
        };
        tag.encode(out);
        (index as u32).encode(out);
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        let (tag, index) = (from.read::<u8>()?, from.read::<u32>()? as usize);
        Some(match tag {
            0 => KernelParam::Tensor(BufferId::new(index)),
            1 => KernelParam::Scalar(ValueId::new(index)),
            2 => KernelParam::Dim(DimId::new(index)),
            3 => KernelParam::Map(MapId::new(index)),
            4 => KernelParam::Report,
            5 => KernelParam::GridBarrier,
            _ => return None,
        })
    }
}

impl Encode for Constraint {
    fn encode(&self, out: &mut Vec<u8>) {
        let Constraint { left, relation, right, message } = self;
        left.encode(out);
        (*relation as u8).encode(out);
        right.encode(out);
        message.encode(out);
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        const RELATIONS: [Relation; 4] = [Relation::Equal, Relation::Less, Relation::LessEqual, Relation::MultipleOf];
        let left = from.read()?;
        let tag = from.read::<u8>()?;
        let relation = RELATIONS.into_iter().find(|relation| *relation as u8 == tag)?;
        Some(Constraint { left, relation, right: from.read()?, message: from.read()? })
    }
}

const OPS: [IndexOp; 9] = [
    IndexOp::Add,
    IndexOp::Sub,
    IndexOp::Mul,
    IndexOp::Div,
    IndexOp::Rem,
    IndexOp::Xor,
    IndexOp::And,
    IndexOp::Min,
    IndexOp::Max,
];

/// Longer formulas are refused: no kernel has them.
const MAX_NODES: u32 = 10_000;

/// Operands are written before their operation, so that decoding needs no recursion.
impl Encode for IndexExpr {
    fn encode(&self, out: &mut Vec<u8>) {
        fn nodes(expr: &IndexExpr, count: &mut u32, out: &mut Vec<u8>) {
            *count += 1;
            match expr {
                IndexExpr::Const(value) => {
                    0u8.encode(out);
                    value.encode(out);
                }
                IndexExpr::Symbol(symbol) => {
                    1u8.encode(out);
                    symbol.encode(out);
                }
                IndexExpr::Binary(op, a, b) => {
                    nodes(a, count, out);
                    nodes(b, count, out);
                    (2 + *op as u8).encode(out);
                }
            }
        }
        let (mut count, mut bytes) = (0, Vec::new());
        nodes(self, &mut count, &mut bytes);
        count.encode(out);
        out.append(&mut bytes);
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        let mut stack = Vec::new();
        for _ in 0..from.read::<u32>().filter(|count| *count <= MAX_NODES)? {
            let expr = match from.read::<u8>()? {
                0 => IndexExpr::Const(from.read()?),
                1 => IndexExpr::Symbol(from.read()?),
                tag => {
                    let op = OPS.into_iter().find(|op| 2 + *op as u8 == tag)?;
                    let (b, a) = (stack.pop()?, stack.pop()?);
                    IndexExpr::Binary(op, Box::new(a), Box::new(b))
                }
            };
            stack.push(expr);
        }
        stack.pop().filter(|_| stack.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::codec::{decode, encode};

    #[test]
    fn formulas_and_conditions_are_read_back() {
        let n = || Box::new(IndexExpr::Symbol(3));
        let mut formula = IndexExpr::Const(-7);
        for op in OPS {
            formula = IndexExpr::Binary(op, Box::new(formula), n());
        }
        assert_eq!(decode(&encode(&formula)), Some(formula.clone()));
        let relations = [Relation::Equal, Relation::Less, Relation::LessEqual, Relation::MultipleOf];
        let all = Vec::from(relations.map(|relation| Constraint {
            left: formula.clone(),
            relation,
            right: *n(),
            message: "why".to_owned(),
        }));
        let conditions = Conditions { all, moved: 2 };
        assert_eq!(decode(&encode(&conditions)), Some(conditions));
        let parameters = vec![
            KernelParam::Tensor(BufferId::new(1)),
            KernelParam::Scalar(ValueId::new(2)),
            KernelParam::Dim(DimId::new(3)),
            KernelParam::Map(MapId::new(4)),
            KernelParam::Report,
        ];
        assert_eq!(decode(&encode(&parameters)), Some(parameters));
    }

    #[test]
    fn invalid_bytes_are_refused() {
        for bytes in [&[0xffu8; 64][..], &[1; 64], &[0; 3]] {
            assert_eq!(decode::<IndexExpr>(bytes), None);
            assert_eq!(decode::<Conditions>(bytes), None);
            assert_eq!(decode::<Vec<KernelParam>>(bytes), None);
        }
    }
}
