//! PTX keeps the order of a kernel (see `hidet::testing::order`): a cell for each kind of barrier, memory and access.
//! In each, threads read what others wrote, wait at a barrier, write again, wait again, and read the same elements once
//! more: both reads must be in PTX, each on its side of the barrier.

#![allow(clippy::panic, clippy::unwrap_used)]

use hidet::ir::{Arch, Function, text, verify};
use hidet::passes::{LoweringOptions, lower};
use hidet::testing::order::{events, is_kept};
use hidet::{codegen, cuda::nvrtc, sim, testing};
use rayon::prelude::*;

const HOPPER: Arch = Arch { number: 90, specific: true };

/// A synchronization point: its name, the launch (grid, block, more), the statements before it, the barrier.
struct Order {
    name: &'static str,
    launch: (u32, u32, &'static str),
    before: &'static str,
    barrier: &'static str,
}

const ORDERS: [Order; 8] = [
    Order { name: "sync.threads", launch: (1, 64, ""), before: "", barrier: "call sync.threads()" },
    Order {
        name: "bar.sync",
        launch: (1, 64, ""),
        before: "%three: i32 = const 3",
        barrier: "call bar.sync(%three, 64)",
    },
    Order {
        name: "sync.warp",
        launch: (1, 32, ""),
        before: "%lanes: u32 = const 4294967295",
        barrier: "call sync.warp(%lanes)",
    },
    Order { name: "cluster.sync", launch: (2, 32, "cluster (2, 1, 1)"), before: "", barrier: "call cluster.sync()" },
    Order {
        name: "cluster.arrive/wait",
        launch: (2, 32, "cluster (2, 1, 1)"),
        before: "",
        barrier: "call cluster.arrive()\ncall cluster.wait()",
    },
    Order { name: "grid.sync", launch: (2, 32, "cooperative"), before: "", barrier: "call grid.sync()" },
    Order {
        name: "fence.device and barrier",
        launch: (1, 64, ""),
        before: "",
        barrier: "call fence.device()\ncall sync.threads()",
    },
    Order {
        name: "mbarrier",
        launch: (1, 64, ""),
        before: "%sixtyfour: i32 = const 64\n%first: bool = eq %t, %z\nif %first {\n call mbarrier.init(@bar[%z], %sixtyfour)\n}\ncall sync.threads()",
        barrier: "call mbarrier.arrive(@bar[%z])\ncall mbarrier.wait(@bar[%z], %phase)",
    },
];

const MEMORIES: [&str; 3] = ["shared", "global InOut", "global Out"];

/// Elements per access; 0 for an atomic operation in place of the second write.
const ACCESSES: [(&str, i64); 3] = [("scalar", 1), ("vector", 4), ("atomic", 0)];

/// The kernel of a cell.
fn kernel(order: &Order, memory: &str, lanes: i64) -> Function {
    let (grid, block, more) = order.launch;
    let (atomic, lanes) = (lanes == 0, lanes.max(1));
    let (elem, ty) = if lanes == 4 { ("i32", "i32x4") } else { ("i32", "i32") };
    let shared = memory == "shared";
    let threads = if shared { block } else { grid * block };
    let all = i64::from(threads) * lanes;
    // Two phases of an mbarrier are 0 and 1.
    let mut phase = 0;
    let mut meet = || {
        let text = order.barrier.replace("%phase", ["%z", "%one"][phase % 2]) + "\n";
        phase += 1;
        text
    };
    let write = |value: &str, atomic: bool| match atomic {
        true => format!("%old{value}: {elem} = call atomic.add(@a[%next], %{value})\n"),
        false if memory == "global InOut" => format!("store @a[%next] = %{value}\n"),
        false => format!("store @a[%at] = %{value}\nstore @a[%far] = %{value}\n"),
    };
    let read = |name: &str| match memory {
        "global InOut" => format!("%{name}: {ty} = load @a[%at]\n"),
        _ => format!("%{name}: {ty} = load @a[%next]\n"),
    };
    let mut body = String::new();
    if memory != "global InOut" {
        body += &(write("x", false) + &meet());
    }
    body += &(read("before") + &meet());
    body += &format!("%sum: {ty} = add %before, %x\n");
    body += &(write("sum", atomic) + &meet());
    body += &(read("after") + &format!("%twice: {ty} = mul %after, %after\n%result: {ty} = add %before, %twice\n"));
    let (elements, own) = if memory == "global InOut" { (all + lanes, all) } else { (2 * all, all) };
    let (param, tile) = match memory {
        "shared" => (String::new(), format!("shared @a: {elem}[{elements}] align 16\n")),
        "global InOut" => (format!("@a: inout {elem}[{elements}] align 16, "), String::new()),
        _ => (format!("@a: out {elem}[{elements}] align 16, "), String::new()),
    };
    let bar = if order.name == "mbarrier" { "shared @bar: u64[1]\n" } else { "" };
    let n = i64::from(grid * block) * lanes;
    let source = format!(
        "kernel cell(@x: in {elem}[{n}] align 16, {param}@y: out {elem}[{n}] align 16)\n\
         grid ({grid}, 1, 1)\nblock ({block}, 1, 1)\n{more}\n{{\n{tile}{bar}\
         %t: i32 = thread\n%z: i32 = const 0\n%one: i32 = const 1\n%b: i32 = block.x\n%size: i32 = const {block}\n\
         %start: i32 = mul %b, %size\n%thread: i32 = add %start, %t\n%lanes_: i32 = const {lanes}\n\
         %i: i32 = mul %thread, %lanes_\n%j: i32 = mul %t, %lanes_\n%at: i32 = add %{index}, %z\n\
         %next: i32 = add %at, %lanes_\n%own: i32 = const {own}\n%far: i32 = add %at, %own\n{before}\n\
         %x: {ty} = load @x[%i]\n{body}store @y[%i] = %result\n}}\n",
        index = if shared { "j" } else { "i" },
        before = order.before,
    );
    text::parse(&source).unwrap_or_else(|error| panic!("{error}\n{source}"))
}

/// Checks that the checkers are silent on a cell, so that its order is promised.
fn is_silent(function: &Function) -> Result<(), String> {
    verify::check(function).map_err(|error| error.to_string())?;
    let mut arguments = sim::LaunchArguments::default();
    for param in &function.params {
        if let hidet::ir::Param::Tensor { buffer, access } = param {
            let buffer = &function.buffers[*buffer];
            let bytes = buffer.layout.size().eval(&[]).unwrap() as usize * buffer.elem.bytes();
            let memory = match access {
                hidet::ir::Access::Out => sim::Memory::uninit(bytes),
                _ => sim::Memory::zeroed(bytes),
            };
            arguments.tensors.push(sim::TensorArg { memory: memory.unwrap().into(), offset: 0 });
        }
    }
    sim::run(function, &arguments, &sim::Options::default()).map(drop).map_err(|failure| failure.to_string())
}

/// Returns an error if PTX does not keep the order of a kernel, or `None` if that cannot be decided.
fn kept(function: &Function) -> Option<Result<(), String>> {
    let lowered = lower(function, &LoweringOptions::default()).unwrap();
    let source = codegen::cuda(&lowered, HOPPER).unwrap();
    let events = events(&lowered, &source)?;
    let ptx = nvrtc::ptx(&source, HOPPER).unwrap();
    Some(is_kept(&events, &ptx).map_err(|why| format!("{why}\n{}\n{ptx}", source.text)))
}

#[test]
fn every_cell_keeps_its_order() {
    if !testing::nvrtc::available().unwrap() {
        return;
    }
    let mut cells = Vec::new();
    for order in &ORDERS {
        for memory in MEMORIES {
            cells.extend(ACCESSES.map(|(access, lanes)| (order, memory, access, lanes)));
        }
    }
    let lost: Vec<String> = cells
        .par_iter()
        .filter_map(|(order, memory, access, lanes)| {
            let function = kernel(order, memory, *lanes);
            let cell = format!("{} x {memory} x {access}", order.name);
            if let Err(why) = is_silent(&function) {
                return Some(format!("{cell}: {why}\n{}", text::print(&function)));
            }
            let kept = kept(&function).unwrap_or_else(|| panic!("the PTX of {cell} is not straight-line code"));
            kept.err().map(|why| format!("{cell}: {why}"))
        })
        .collect();
    let names: Vec<&str> = lost.iter().filter_map(|why| why.lines().next()).collect();
    assert!(lost.is_empty(), "{} of {} cells: {names:#?}\n{}", lost.len(), cells.len(), lost[0]);
}
