//! Report of the bounds of every access: proved, moved to the launcher, or kept.
//!
//! An access is *proved* if no input can make it leave its buffer. It is *moved to the launcher* if this holds whenever
//! some extents are multiples of tile sizes, or at least as large as a tile: the launcher evaluates these conditions
//! and chooses between the kernel and its instances by [`specialise`], which have the conditions as constraints and
//! therefore need no guards there. Everything else is *kept*: a protected access keeps its branch, a plain one is
//! promised by the author and checked with [`LoweringOptions::checks`].

use super::bounds::Proofs;
use super::{LoweringOptions, PIPELINE};
use crate::error::Result;
use crate::ir::{BinaryOp, Constraint, DimId, Function, Handle, Op, Relation, Stmt, StmtId, ValueId};
use hidet_mapping::IndexExpr;
use hidet_mapping::index::IndexOp;
use std::collections::{BTreeSet, HashMap};
use std::fmt;

/// The bounds of all accesses of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundsReport {
    /// The name of the kernel.
    pub kernel: String,
    /// Number of accesses that are proved to be within their buffer.
    pub proved: usize,
    /// The conditions of instances with fewer guards, the one with the fewest guards first.
    pub instances: Vec<Conditions>,
    /// The accesses that no instance has proved.
    pub kept: Vec<Kept>,
}

/// The conditions under which the launcher runs an instance with fewer guards.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditions {
    /// The conditions.
    pub all: Vec<Constraint>,
    /// Number of accesses that they prove.
    pub moved: usize,
}

/// An access that is not proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The name of the buffer.
    pub buffer: String,
    /// It is protected; otherwise its author promises that it is inside.
    pub guarded: bool,
    /// Its source position: `file:line:column`.
    pub place: String,
}

impl Conditions {
    /// Returns true if a launch with these symbolic extents meets the conditions.
    pub fn hold(&self, dims: &[i64]) -> bool {
        let meets = |condition: &Constraint| {
            let (Ok(left), Ok(right)) = (condition.left.eval(dims), condition.right.eval(dims)) else { return false };
            match condition.relation {
                Relation::Equal => left == right,
                Relation::Less => left < right,
                Relation::LessEqual => left <= right,
                Relation::MultipleOf => left.checked_rem(right) == Some(0),
            }
        };
        self.all.iter().all(meets)
    }
}

/// Returns the report of a kernel as it was written.
pub fn bounds_report(function: &Function) -> Result<BoundsReport> {
    let prepared = prepare(function)?;
    let base = Proofs::of(&prepared);
    let proved = base.inside.len();
    let mut instances: Vec<Conditions> = Vec::new();
    if proved < base.all.len() {
        let (multiples, least) = candidates(&prepared);
        for candidates in [multiples, least] {
            let found = fewest(&prepared, candidates, &base);
            if found.moved > 0 {
                // Drops instances that prove no more than weaker conditions do.
                instances.retain(|stronger| stronger.moved > found.moved);
                instances.push(found);
            }
        }
    }
    let strongest = instances.first().map_or(&[][..], |conditions| &conditions.all);
    let assumed = Proofs::beyond(&with(&prepared, strongest), &base.inside);
    let accesses = assumed.all.iter().filter(|access| !assumed.inside.contains(access));
    let kept = accesses.filter_map(|access| kept(&prepared, access.0, access.1)).collect();
    Ok(BoundsReport { kernel: function.name.clone(), proved, instances, kept })
}

/// Returns a minimal subset of the candidates that proves as much as all of them; the accesses of `base` need none.
fn fewest(prepared: &Function, mut conditions: Vec<Constraint>, base: &Proofs) -> Conditions {
    let proved = base.inside.len();
    let count = |conditions: &[Constraint]| Proofs::beyond(&with(prepared, conditions), &base.inside).inside.len();
    let most = if conditions.is_empty() { proved } else { count(&conditions) };
    if most == proved {
        return Conditions { all: Vec::new(), moved: 0 };
    }
    // Removes unneeded conditions, the largest numbers first, because weaker conditions are better.
    let mut position = 0;
    while position < conditions.len() {
        let mut fewer = conditions.clone();
        fewer.remove(position);
        if count(&fewer) == most {
            conditions = fewer;
        } else {
            position += 1;
        }
    }
    Conditions { all: conditions, moved: most - proved }
}

/// Returns the instance for launches that meet the conditions, which become its constraints.
pub fn specialise(function: &Function, conditions: &Conditions) -> Function {
    with(function, &conditions.all)
}

fn with(function: &Function, conditions: &[Constraint]) -> Function {
    let mut function = function.clone();
    function.constraints.extend_from_slice(conditions);
    function
}

/// Returns the kernel as it is before guards are lowered.
fn prepare(function: &Function) -> Result<Function> {
    let mut function = function.clone();
    for pass in PIPELINE.iter().take_while(|pass| pass.name != "lower_guard") {
        (pass.run)(&mut function, &LoweringOptions::default())?;
    }
    Ok(function)
}

/// Returns conditions that may help: extents are multiples of the tiles into which the grid and the loops divide them;
/// and, if a minimum moves a tile inwards, extents are at least as large as a tile.
fn candidates(function: &Function) -> (Vec<Constraint>, Vec<Constraint>) {
    let mut tiles: BTreeSet<(i64, u32)> = BTreeSet::new();
    for extent in &function.launch.grid {
        divisors(extent, &mut tiles);
    }
    let mut found = tiles.clone();
    let mut ops: HashMap<ValueId, Op> = HashMap::new();
    let mut moved = false;
    function.each_stmt(&mut |_, stmt| match stmt {
        Stmt::Let { value, op } => {
            moved |= matches!(op, Op::Binary(BinaryOp::Min, a, _) if function.ty(*a).scalar.is_int());
            ops.insert(*value, op.clone());
        }
        Stmt::For { end, step, .. } => {
            if let (Some(Op::Dim(dim)), Some(Op::Const(step))) = (ops.get(end), ops.get(step)) {
                found.extend(step.as_int().map(|step| (step, dim.index() as u32)));
            }
        }
        _ => {}
    });
    let lanes: BTreeSet<i64> = function.values.iter().map(|(_, value)| i64::from(value.ty.lanes)).collect();
    // Only extents bound accesses; strides do not.
    let is_extent =
        |dim: &u32| function.buffers.iter().any(|(_, memory)| memory.shape.contains(&IndexExpr::Symbol(*dim)));
    let extents: Vec<u32> = function.dims.handles().map(|dim| dim.index() as u32).filter(is_extent).collect();
    for lanes in lanes {
        found.extend(extents.iter().map(|dim| (lanes, *dim)));
    }
    let large = found.into_iter().rev().filter(|(of, _)| *of > 1);
    let multiples = large.map(|(of, dim)| multiple(function, dim, of)).collect();
    let tiles = tiles.into_iter().rev().filter(|(of, _)| moved && *of > 1);
    (multiples, tiles.map(|(of, dim)| at_least(function, dim, of)).collect())
}

fn at_least(function: &Function, dim: u32, least: i64) -> Constraint {
    let name = &function.dims[DimId::new(dim as usize)].name;
    Constraint {
        left: IndexExpr::Const(least),
        relation: Relation::LessEqual,
        right: IndexExpr::Symbol(dim),
        message: format!("{name} must be at least {least}"),
    }
}

fn multiple(function: &Function, dim: u32, of: i64) -> Constraint {
    let name = &function.dims[DimId::new(dim as usize)].name;
    Constraint {
        left: IndexExpr::Symbol(dim),
        relation: Relation::MultipleOf,
        right: IndexExpr::Const(of),
        message: format!("{name} must be a multiple of {of}"),
    }
}

/// Collects the constants by which a formula divides dims.
fn divisors(formula: &IndexExpr, found: &mut BTreeSet<(i64, u32)>) {
    let IndexExpr::Binary(op, a, b) = formula else { return };
    divisors(a, found);
    divisors(b, found);
    if let (IndexOp::Div, Some(by)) = (op, b.as_const()) {
        a.substitute(&mut |symbol| {
            found.insert((by, symbol));
            IndexExpr::Symbol(symbol)
        });
    }
}

fn kept(function: &Function, stmt: StmtId, operand: usize) -> Option<Kept> {
    let (buffer, guarded) = match &function.stmts[stmt] {
        Stmt::Let { op: Op::Load { buffer, guard, .. }, .. } | Stmt::Store { buffer, guard, .. } => (*buffer, *guard),
        Stmt::Call { args, .. } => match args.get(operand)? {
            crate::ir::Arg::Address { buffer, .. } => (*buffer, false),
            _ => return None,
        },
        _ => return None,
    };
    Some(Kept { buffer: function.buffers[buffer].name.clone(), guarded, place: function.place(stmt) })
}

impl fmt::Display for BoundsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moved = self.instances.first().map_or(0, |conditions| conditions.moved);
        let (proved, kept) = (self.proved, self.kept.len());
        write!(f, "kernel `{}`: {} accesses: {proved} proved, ", self.kernel, proved + moved + kept)?;
        writeln!(f, "{moved} moved to the launcher, {kept} kept")?;
        for (number, conditions) in self.instances.iter().enumerate() {
            if number > 0 {
                writeln!(f, "  else, for {} of them:", conditions.moved)?;
            }
            for condition in &conditions.all {
                writeln!(f, "  the launcher checks: {}", condition.message)?;
            }
        }
        for Kept { buffer, guarded, place } in &self.kept {
            let how = if *guarded { "guarded at run time" } else { "promised by the author" };
            writeln!(f, "  kept: `{buffer}` at {place}, {how}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{bounds_report, specialise};
    use crate::ir::{Stmt, text};
    use crate::passes::{LoweringOptions, lower};

    const COPY: &str = "kernel copy<n>(@x: in f32[n], @y: out f32[n])
        grid ((n + 127) / 128, 1, 1)
        block (128, 1, 1)
        {
          %t: i32 = thread
          %b: i32 = block.x
          %c: i32 = const 128
          %base: i32 = mul %b, %c
          %i: i32 = add %base, %t
          %v: f32 = load.guard @x[%i]
          store.guard @y[%i] = %v
        }";

    #[test]
    fn the_instance_for_multiples_has_no_branches() {
        let function = text::parse(COPY).unwrap();
        let report = bounds_report(&function).unwrap();
        assert_eq!([256, 0, 257].map(|n| report.instances[0].hold(&[n])), [true, true, false]);
        let branches = |function| {
            let lowered = lower(function, &LoweringOptions::default()).unwrap();
            let mut count = 0;
            lowered.each_stmt(&mut |_, stmt| count += usize::from(matches!(stmt, Stmt::If { .. })));
            count
        };
        assert_eq!((branches(&function), branches(&specialise(&function, &report.instances[0]))), (2, 0));
    }
}
