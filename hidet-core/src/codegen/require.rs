//! The architectures that a function can be compiled for.

use crate::error::{Error, Result};
use crate::ir::{Arch, Block, Function, Op, Special, Stmt, StmtId};

/// The oldest architecture that NVRTC of CUDA 13 compiles for, and whose warp semantics are assumed.
const OLDEST: u32 = 75;

/// A feature in a function that not every architecture has.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    /// The feature, such as an intrinsic or clusters.
    pub what: String,
    /// The lowest architecture, and true if it must be the `a` variant.
    pub least: (u32, bool),
    /// The highest architecture, if there is one: instructions of `sm_90a` are not in `sm_100a`.
    pub most: Option<u32>,
    /// The statement that needs it.
    pub stmt: Option<StmtId>,
}

impl Requirement {
    /// Returns true if an architecture has it.
    pub fn holds(&self, arch: Arch) -> bool {
        arch.number >= self.least.0
            && (arch.specific || !self.least.1)
            && self.most.is_none_or(|most| arch.number <= most)
    }

    fn least_name(&self) -> String {
        Arch { number: self.least.0, specific: self.least.1 }.to_string()
    }
}

/// Returns the requirements of a function, in the order of its statements.
pub fn requirements(function: &Function) -> Vec<Requirement> {
    let mut found = Vec::new();
    if function.launch.cluster != [1; 3] {
        found.push(Requirement { what: "a cluster of blocks".to_owned(), least: (90, false), most: None, stmt: None });
    }
    if !function.maps.is_empty() {
        found.push(Requirement { what: "a tensor map".to_owned(), least: (90, false), most: None, stmt: None });
    }
    walk(function, &function.body, &mut found);
    found
}

fn walk(function: &Function, block: &Block, found: &mut Vec<Requirement>) {
    for id in &block.0 {
        let stmt = &function.stmts[*id];
        match stmt {
            Stmt::Call { intrinsic, .. } => {
                let row = intrinsic.row();
                if row.min_arch > (75, false) {
                    let what = format!("intrinsic `{}`", row.name);
                    found.push(Requirement { what, least: row.min_arch, most: row.max_arch, stmt: Some(*id) });
                }
            }
            Stmt::Let { op: Op::Special(special @ (Special::ClusterRank | Special::ClusterSize)), .. } => {
                // Without clusters, both are constants.
                if function.launch.cluster != [1; 3] {
                    let what = format!("`{}`", special.name());
                    found.push(Requirement { what, least: (90, false), most: None, stmt: Some(*id) });
                }
            }
            _ => {}
        }
        for inner in stmt.blocks() {
            walk(function, inner, found);
        }
    }
}

/// Returns the architectures of [`Arch::TESTED`] that meet all requirements of a function.
pub fn archs(function: &Function) -> Vec<Arch> {
    let needs = requirements(function);
    Arch::TESTED.into_iter().filter(|arch| needs.iter().all(|need| need.holds(*arch))).collect()
}

/// Returns an error that names the first feature that an architecture lacks.
pub fn check(function: &Function, arch: Arch) -> Result<()> {
    if arch.number < OLDEST {
        let message = format!("hidet needs a GPU of sm_{OLDEST} or newer (Turing); this one is {arch}");
        return Err(Error::Kernel { kernel: function.name.clone(), message, place: function.own_place() });
    }
    let Some(need) = requirements(function).into_iter().find(|need| !need.holds(arch)) else { return Ok(()) };
    let message = match need.most {
        Some(most) if arch.number > most => {
            format!("{} exists only on {}; the target is {arch}", need.what, need.least_name())
        }
        _ => format!("{} needs {} or newer; the target is {arch}", need.what, need.least_name()),
    };
    let place = need.stmt.map_or_else(|| function.own_place(), |stmt| function.place(stmt));
    Err(Error::Kernel { kernel: function.name.clone(), message, place })
}
