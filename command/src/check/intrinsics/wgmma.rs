//! Products of a warp group. Threads write the operands through the layouts of their buffers, from which the operand
//! forms follow; swizzles, majors and signs vary with n.

use super::super::numbers::Random;
use super::case::Case;
use super::matrix::{held, product};
use super::numbers::{all_bits, small};
use hidet::intrinsics::matrix::{Product, wgmma_accumulator, wgmma_left};
use hidet::intrinsics::{Meaning, Row};
use hidet::types::Scalar;

/// An operand in shared memory.
struct Operand {
    /// True if the buffer is `(k, mn)`.
    transposed: bool,
    /// Extent along m or n, and along k.
    extents: [usize; 2],
    /// The position along k at which the product begins.
    start: usize,
    values: Vec<i64>,
}

impl Operand {
    /// Returns the element `(mn, k)` of the product.
    fn at(&self, mn: usize, k: usize) -> i64 {
        let [rows, depth] = self.extents;
        let k = self.start + k;
        self.values[if self.transposed { k * rows + mn } else { mn * depth + k }]
    }
}

/// Returns the layout of `rows x columns` elements whose rows are cut into spans.
fn layout([rows, columns]: [usize; 2], bytes: usize, span: usize) -> String {
    let (chunks, length, parts) = (span / 16, 16 / bytes, columns * bytes / span);
    let atom = match span {
        16 => format!("row[{rows}, {chunks}]"),
        _ => format!("swizzle(row[{rows}, {chunks}], axis 1, by 0, step {})", (128 / span).ilog2()),
    };
    format!("row[1, {parts}] * {atom} * row[1, {length}]")
}

/// Declares and fills an operand of `mn x k` elements.
fn operand(case: &mut Case, name: &str, scalar: Scalar, [mn, k]: [usize; 2], variant: usize) -> Operand {
    let bytes = scalar.bytes();
    let transposed = bytes == 2 && variant / 4 % 2 == 1;
    let wanted = [128, 64, 32, 16][variant % 4];
    let (extents, span) = if transposed {
        // A row of the buffer is a multiple of the span.
        ([mn, 2 * k], (0..4).map(|down| wanted >> down).find(|span| *span >= 16 && mn * 2 % span == 0).unwrap_or(16))
    } else {
        ([mn, wanted.max(32) / bytes], wanted)
    };
    let shape = if transposed { [extents[1], extents[0]] } else { extents };
    let start = extents[1] - k;
    let values = small(&mut Random::new(variant as u64 + 7), scalar, mn * extents[1]);
    let [rows, columns] = shape;
    case.input(name, scalar, all_bits(scalar, &values));
    case.memory(format!(
        "shared @s{name}: {scalar}[{rows}, {columns}] layout {} align 1024",
        layout(shape, bytes, span)
    ));
    let (total, width, threads) = (case.int((rows * columns) as i64), case.int(columns as i64), case.int(128));
    let at = format!("%{name}");
    case.each(
        &format!("{name}_i"),
        (rows * columns).div_ceil(128) as u32,
        &[
            format!("{at}_f: i32 = mul {at}_i, {threads}"),
            format!("{at}_p: i32 = add {at}_f, %t"),
            format!("{at}_on: bool = lt {at}_p, {total}"),
            format!("if {at}_on {{"),
            format!("  {at}_r: i32 = div {at}_p, {width}"),
            format!("  {at}_c: i32 = rem {at}_p, {width}"),
            format!("  {at}_v: {scalar} = load @{name}[{at}_p]"),
            format!("  store @s{name}[{at}_r, {at}_c] = {at}_v"),
            "}".to_owned(),
        ],
    );
    Operand { transposed, extents, start, values }
}

/// Returns the address of an operand, and its form.
fn address(case: &mut Case, name: &str, operand: &Operand) -> (String, String) {
    let start = case.int(operand.start as i64);
    let index = if operand.transposed { format!("{start}, %z") } else { format!("%z, {start}") };
    (format!("@s{name}[{index}]"), u8::from(operand.transposed).to_string())
}

/// The cases of a row.
pub fn cases(row: &Row) -> Vec<Case> {
    let Meaning::Wgmma { product: Product { n, k, d, a, b, .. }, registers } = row.meaning else { return Vec::new() };
    let variant = n as usize / 8;
    let (columns, depth) = (n as usize, k as usize);
    let (negate_a, negate_b) = (a.is_float() && variant % 3 == 1, a.is_float() && variant % 5 == 2);
    let add = variant % 4 != 3;
    let mut case = Case::new(&row.name, "", 128);
    let mut random = Random::new(u64::from(n));
    let mut forms = Vec::new();
    let (left, first) = if registers {
        let left = small(&mut random, a, 64 * depth);
        let mapping = wgmma_left(a.bytes() as u32);
        case.input("a", a, held(&mapping, depth, &all_bits(a, &left)));
        case.memory(format!("register @ra: {a}[{}]", mapping.tasks_per_worker()));
        case.fill("ra", "a", a, mapping.tasks_per_worker());
        (left, "@ra[%z]".to_owned())
    } else {
        let operand = operand(&mut case, "a", a, [64, depth], variant / 2);
        let (address, form) = address(&mut case, "a", &operand);
        forms.push(form);
        ((0..64 * depth).map(|at| operand.at(at / depth, at % depth)).collect(), address)
    };
    let operand = operand(&mut case, "b", b, [columns, depth], variant);
    let (second, form) = address(&mut case, "b", &operand);
    forms.push(form);
    let right: Vec<i64> = (0..depth * columns).map(|at| operand.at(at % columns, at / columns)).collect();
    let start = small(&mut random, d, 64 * columns);
    let old = if add { start.clone() } else { vec![0; start.len()] };
    let sign = if negate_a != negate_b { -1 } else { 1 };
    let expected = product([64, columns, depth], sign, &left, &right, &old);
    let sums = wgmma_accumulator(n);
    let bits = |values: &[i64]| held(&sums, columns, &all_bits(d, values));
    case.inout("d", d, bits(&start), bits(&expected));
    case.memory(format!("register @rd: {d}[{}]", n / 2));
    case.fill("rd", "d", d, n / 2);
    case.line(format!("%on: bool = const {add}"));
    case.line("call fence.proxy.async()");
    case.line("call sync.threads()");
    case.line("call wgmma.fence()");
    let signs =
        if a.is_float() { vec![u8::from(negate_a).to_string(), u8::from(negate_b).to_string()] } else { vec![] };
    let numbers = [signs, forms].concat().join(", ");
    case.line(format!("call {}(@rd[%z], {first}, {second}, %on, {numbers})", row.name));
    case.line("call wgmma.commit()");
    case.line("call wgmma.wait(0)");
    case.drain("rd", "d", d, n / 2);
    vec![case]
}
