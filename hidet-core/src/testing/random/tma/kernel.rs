//! Kernels of bulk copies in the text form of the IR.
//!
//! A load goes through a ring of stages, each with an mbarrier: one thread issues the copies of the next rounds, and all
//! threads read the box. A store is filled by all threads, and waited for in groups by the thread that issues it.

use super::boxes::CopyMap;
use std::fmt::Write;

/// A kernel of bulk copies.
#[derive(Clone, Debug)]
pub(super) struct CopyKernel {
    pub map: CopyMap,
    pub copy: CopyKind,
    pub blocks: i64,
    /// The number of blocks that get each box.
    pub cluster: i64,
    pub threads: i64,
    /// The thread that issues the copies.
    pub issuer: i64,
    /// The number of boxes per block.
    pub rounds: i64,
    /// The number of boxes in shared memory.
    pub stages: i64,
    /// The number of boxes that are loaded in advance, at most [`CopyKernel::stages`].
    pub ahead: i64,
    /// The coordinates; in the im2col mode, the number of the first pixel and its channel.
    pub starts: Vec<Varying>,
    /// The offsets of the im2col mode.
    pub offsets: Vec<Varying>,
}

/// What is copied.
#[derive(Clone, Copy, Debug)]
pub(super) enum CopyKind {
    /// Boxes of the tensor, each element combined with another one of the box by that operation.
    Load(Option<&'static str>),
    /// Boxes to the tensor, combined with its elements by that reduction.
    Store(Option<&'static str>),
}

/// A number that depends on the block and the round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Varying {
    pub first: i64,
    pub by_block: i64,
    pub by_round: i64,
}

impl Varying {
    pub fn constant(first: i64) -> Varying {
        Varying { first, by_block: 0, by_round: 0 }
    }

    /// Makes it a multiple of a number, as the last coordinate of a copy must be one of 16 bytes.
    pub fn align(&mut self, unit: i64) {
        for part in [&mut self.first, &mut self.by_block, &mut self.by_round] {
            *part -= part.rem_euclid(unit);
        }
    }

    /// Makes it 0 or more, as the coordinates of a store must be.
    pub fn raise(&mut self) {
        for part in [&mut self.first, &mut self.by_block, &mut self.by_round] {
            *part = (*part).max(0);
        }
    }

    pub fn at(&self, block: i64, round: i64) -> i64 {
        self.first + block * self.by_block + round * self.by_round
    }
}

/// The element that is combined with element `e` of a box is `e * PARTNER.0 + PARTNER.1` modulo their number.
pub(super) const PARTNER: (i64, i64) = (7, 3);

impl CopyKernel {
    /// Returns the coordinates and offsets of a copy.
    pub fn coordinates(&self, block: i64, round: i64) -> (Vec<i64>, Vec<i64>) {
        let [starts, offsets] =
            [&self.starts, &self.offsets].map(|all| all.iter().map(|of| of.at(block, round)).collect::<Vec<i64>>());
        match self.map.pixels {
            None => (starts, offsets),
            Some(_) => ([self.map.first_pixel(starts[0]), vec![starts[1]]].concat(), offsets),
        }
    }

    /// Returns the distance of stages in elements: boxes begin at multiples of 128 bytes.
    pub fn stage(&self) -> i64 {
        let unit = 128 / self.map.elem.bytes() as i64;
        (self.map.elements() + unit - 1) / unit * unit
    }

    /// Returns the name of the intrinsic.
    pub fn intrinsic(&self) -> String {
        let rank = self.map.axes.len();
        match self.copy {
            CopyKind::Load(_) => {
                let mode = if self.map.pixels.is_some() { "im2col." } else { "" };
                format!("tma.load.{mode}{rank}d{}", if self.cluster > 1 { ".multicast" } else { "" })
            }
            CopyKind::Store(None) => format!("tma.store.{rank}d"),
            CopyKind::Store(Some(op)) => format!("tma.reduce.{op}.{rank}d"),
        }
    }

    /// Returns the text of the kernel.
    pub fn text(&self) -> String {
        let mut body = Body::default();
        match self.copy {
            CopyKind::Load(combine) => self.load(&mut body, combine),
            CopyKind::Store(_) => self.store(&mut body),
        }
        let CopyKernel { map, blocks, cluster, threads, rounds, stages, .. } = self;
        let (elem, elements, part) = (map.elem, map.elements(), map.text());
        let mut shape: Vec<String> = map.shape.iter().map(i64::to_string).collect();
        if map.symbolic {
            shape[0] = "n".to_owned();
        }
        let tensor = format!("{elem}[{}] align 128", shape.join(", "));
        let boxes = format!("{elem}[{blocks}, {rounds}, {elements}]");
        let params = match self.copy {
            CopyKind::Load(_) => format!("@g: in {tensor}, @y: out {boxes}"),
            CopyKind::Store(_) => format!("@x: in {boxes}, @g: inout {tensor}"),
        };
        format!(
            "kernel tma{}({params})\ngrid ({blocks}, 1, 1)\nblock ({threads}, 1, 1)\ncluster ({cluster}, 1, 1)\n{{\n\
             shared @s: {elem}[{}] align 1024\nshared @full: u64[{stages}]\nmap #0 = @g {part}\n{}}}\n",
            if map.symbolic { "<n>" } else { "" },
            self.stage() * stages,
            body.text
        )
    }

    fn load(&self, body: &mut Body, combine: Option<&str>) {
        let sync = if self.cluster > 1 { "call cluster.sync()" } else { "call sync.threads()" };
        let (elem, elements) = (self.map.elem, self.map.elements());
        self.begin(body);
        body.line("if %issues {");
        body.open_loop("%b", "%zero", self.stages, 1);
        body.line("call mbarrier.init(@full[%b], %one)\n}\ncall mbarrier.init.fence()\n}");
        body.line(sync);
        body.open_loop("%p", "%zero", self.ahead, 1);
        self.issue(body, "%p");
        body.line("}");
        body.open_loop("%k", "%zero", self.rounds, 1);
        let (stage, turn) = (body.by("rem", "%k", self.stages), body.by("div", "%k", self.stages));
        let (parity, base) = (body.by("rem", &turn, 2), body.by("mul", &stage, self.stage()));
        body.line(format!("call mbarrier.wait(@full[{stage}], {parity})"));
        self.each(body, |body| {
            let place = body.value("i32", format!("add {base}, %e"));
            let mut value = body.value(elem.name(), format!("load @s[{place}]"));
            if let Some(op) = combine {
                let partner = body.by("mul", "%e", PARTNER.0);
                let partner = body.by("add", &partner, PARTNER.1);
                let partner = body.by("rem", &partner, elements);
                let place = body.value("i32", format!("add {base}, {partner}"));
                let other = body.value(elem.name(), format!("load @s[{place}]"));
                value = body.value(elem.name(), format!("{op} {value}, {other}"));
            }
            body.line(format!("store @y[%block, %k, %e] = {value}"));
        });
        body.line(sync);
        let next = body.by("add", "%k", self.ahead);
        let more = body.by("lt", &next, self.rounds);
        body.line(format!("if {more} {{"));
        self.issue(body, &next);
        body.line("}\n}");
        // The shared memory of a block must live until its peers have copied to it.
        body.line(if self.cluster > 1 { sync } else { "" });
    }

    fn store(&self, body: &mut Body) {
        self.begin(body);
        body.open_loop("%k", "%zero", self.rounds, 1);
        let stage = body.by("rem", "%k", self.stages);
        let base = body.by("mul", &stage, self.stage());
        self.each(body, |body| {
            let place = body.value("i32", format!("add {base}, %e"));
            let value = body.value(self.map.elem.name(), "load @x[%block, %k, %e]");
            body.line(format!("store @s[{place}] = {value}"));
        });
        body.line("call fence.proxy.async()\ncall sync.threads()\nif %issues {");
        let at = self.numbers(body, "%k");
        body.line(format!("call {}(#0, {at}, @s[{base}])", self.intrinsic()));
        body.line(format!("call bulk.commit()\ncall bulk.wait.read({})\n}}", self.stages - 1));
        body.line("call sync.threads()\n}\nif %issues {\ncall bulk.wait(0)\n}");
    }

    /// Defines the values that all kernels use.
    fn begin(&self, body: &mut Body) {
        body.line("%zero: i32 = const 0\n%one: i32 = const 1\n%t: i32 = thread\n%block: i32 = block.x");
        body.line(format!("%issuer: i32 = const {}\n%issues: bool = eq %t, %issuer", self.issuer));
        body.line(format!("%cluster: i32 = const {}\n%group: i32 = div %block, %cluster", self.cluster));
    }

    /// Adds statements for each element `%e` of a box, each in one thread.
    fn each(&self, body: &mut Body, add: impl FnOnce(&mut Body)) {
        body.open_loop("%e", "%t", self.map.elements(), self.threads);
        add(body);
        body.line("}");
    }

    /// Issues the load of a round.
    fn issue(&self, body: &mut Body, round: &str) {
        body.line("if %issues {");
        let stage = body.by("rem", round, self.stages);
        let bytes = body.int(self.map.elements() * self.map.elem.bytes() as i64);
        body.line(format!("call mbarrier.arrive.expect(@full[{stage}], {bytes})"));
        if self.cluster > 1 {
            let rank = body.value("i32", "cluster_rank");
            let leads = body.by("eq", &rank, 0);
            body.line(format!("if {leads} {{"));
        }
        let (base, at) = (body.by("mul", &stage, self.stage()), self.numbers(body, round));
        let mut mask = String::new();
        if self.cluster > 1 {
            mask = format!(", {}", body.value("u32", format!("const {}", (1 << self.cluster) - 1)));
        }
        body.line(format!("call {}(@s[{base}], #0, {at}, @full[{stage}]{mask})", self.intrinsic()));
        body.line(if self.cluster > 1 { "}\n}" } else { "}" });
    }

    /// Computes the coordinates and offsets of the copy of a round.
    fn numbers(&self, body: &mut Body, round: &str) -> String {
        let [mut at, offsets] =
            [&self.starts, &self.offsets].map(|all| all.iter().map(|of| of.emit(body, round)).collect::<Vec<String>>());
        if let Some(pixels) = &self.map.pixels {
            let (mut rest, channel) = (at[0].clone(), at[1].clone());
            let mut place = vec![channel];
            // One image is added, so that no number is negative.
            rest = body.by("add", &rest, pixels.iter().map(|pixel| pixel.count).product());
            for (pixel, axis) in pixels.iter().zip(&self.map.axes[1..]).rev() {
                let index = body.by("rem", &rest, pixel.count);
                rest = body.by("div", &rest, pixel.count);
                let scaled = body.by("mul", &index, axis.step);
                place.insert(0, body.by("add", &scaled, pixel.lower));
            }
            place.insert(0, body.by("sub", &rest, 1));
            at = place;
        }
        [at, offsets].concat().join(", ")
    }
}

impl Varying {
    fn emit(&self, body: &mut Body, round: &str) -> String {
        let (block, round) = (body.by("mul", "%group", self.by_block), body.by("mul", round, self.by_round));
        let moved = body.value("i32", format!("add {block}, {round}"));
        body.by("add", &moved, self.first)
    }
}

/// The body of a kernel.
#[derive(Default)]
struct Body {
    text: String,
    values: usize,
}

impl Body {
    fn line(&mut self, line: impl AsRef<str>) {
        let _ = writeln!(self.text, "{}", line.as_ref());
    }

    /// Defines a value. Returns its name.
    fn value(&mut self, ty: &str, op: impl AsRef<str>) -> String {
        self.values += 1;
        let name = format!("%v{}", self.values);
        self.line(format!("{name}: {ty} = {}", op.as_ref()));
        name
    }

    fn int(&mut self, value: i64) -> String {
        self.value("i32", format!("const {value}"))
    }

    /// Begins a loop.
    fn open_loop(&mut self, index: &str, from: &str, end: i64, step: i64) {
        let (end, step) = (self.int(end), self.int(step));
        self.line(format!("for {index}: i32 in {from}..{end} step {step} {{"));
    }

    /// Defines the result of an operation on a value and a constant.
    fn by(&mut self, op: &str, value: &str, constant: i64) -> String {
        let constant = self.int(constant);
        let ty = if matches!(op, "eq" | "lt") { "bool" } else { "i32" };
        self.value(ty, format!("{op} {value}, {constant}"))
    }
}
