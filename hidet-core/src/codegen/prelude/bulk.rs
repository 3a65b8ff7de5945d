//! Bulk copies by TMA, clusters, and `setmaxnreg`.

use super::{Piece, parse, piece};

/// Returns `"r"(c0), "r"(c1)` and `%3, %4` for a number of coordinates, the first of which is operand `first`.
fn coordinates(rank: usize, first: usize) -> (String, String, String) {
    let params = (0..rank).map(|i| format!(", int c{i}")).collect();
    let operands = (0..rank).map(|i| format!(", \"r\"(c{i})")).collect();
    let numbers = (first..first + rank).map(|i| format!("%{i}")).collect::<Vec<_>>().join(", ");
    (params, operands, numbers)
}

pub(super) fn pieces() -> Vec<Piece> {
    let mut pieces = plain();
    pieces.extend(remote_reductions());
    for rank in 1..=5 {
        pieces.extend(tensor(rank));
    }
    for rank in 3..=5 {
        pieces.extend(im2col(rank));
    }
    pieces.extend(reductions());
    pieces
}

/// Returns a helper `hidet_tma_<name>` of one instruction.
fn define(name: &str, params: &str, instruction: String, operands: &str) -> Piece {
    let name = format!("hidet_tma_{name}");
    let text = format!(
        "__device__ __forceinline__ void {name}({params}) {{\n    asm volatile(\"{instruction};\" :: {operands} : \"memory\");\n}}\n"
    );
    piece(name, text)
}

/// Loads of columns of pixels.
fn im2col(rank: usize) -> [Piece; 2] {
    let all = |number: usize, each: &dyn Fn(usize) -> String| (0..number).map(each).collect::<String>();
    let params = all(rank, &|i| format!(", int c{i}")) + &all(rank - 2, &|i| format!(", int o{i}"));
    let operands =
        all(rank, &|i| format!(", \"r\"(c{i})")) + &all(rank - 2, &|i| format!(", \"h\"((unsigned short)o{i})"));
    let numbers =
        |first: usize, count: usize| (first..first + count).map(|i| format!("%{i}")).collect::<Vec<_>>().join(", ");
    let addresses = "\"r\"(hidet_shared_address(to)), \"l\"(map), \"r\"(hidet_shared_address(bar))";
    let instruction =
        format!("cp.async.bulk.tensor.{rank}d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes");
    let ends = |first: usize| {
        format!("[%0], [%1, {{{}}}], [%2], {{{}}}", numbers(first, rank), numbers(first + rank, rank - 2))
    };
    [
        define(
            &format!("load_im2col_{rank}d"),
            &format!("void* to, const hidet_tensor_map* map, unsigned long long* bar{params}"),
            format!("{instruction} {}", ends(3)),
            &format!("{addresses}{operands}"),
        ),
        define(
            &format!("load_im2col_{rank}d_multicast"),
            &format!("void* to, const hidet_tensor_map* map, unsigned long long* bar, unsigned mask{params}"),
            format!("{instruction}.multicast::cluster {}, %3", ends(4)),
            &format!("{addresses}, \"h\"((unsigned short)mask){operands}"),
        ),
    ]
}

fn tensor(rank: usize) -> Vec<Piece> {
    let define = |name: &str, params: &str, instruction: String, operands: &str| {
        define(&name.replace('#', &format!("{rank}d")), params, instruction, operands)
    };
    let (params, operands, at3) = coordinates(rank, 3);
    let (_, _, at4) = coordinates(rank, 4);
    let (_, _, at2) = coordinates(rank, 2);
    let (_, _, at1) = coordinates(rank, 1);
    let map = "const hidet_tensor_map* map";
    let mut pieces = vec![
        define(
            "load_#",
            &format!("void* to, {map}, unsigned long long* bar{params}"),
            format!(
                "cp.async.bulk.tensor.{rank}d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {{{at3}}}], [%2]"
            ),
            &format!("\"r\"(hidet_shared_address(to)), \"l\"(map), \"r\"(hidet_shared_address(bar)){operands}"),
        ),
        define(
            "load_#_multicast",
            &format!("void* to, {map}, unsigned long long* bar, unsigned mask{params}"),
            format!(
                "cp.async.bulk.tensor.{rank}d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], \
                 [%1, {{{at4}}}], [%2], %3"
            ),
            &format!(
                "\"r\"(hidet_shared_address(to)), \"l\"(map), \"r\"(hidet_shared_address(bar)), \"h\"((unsigned short)mask){operands}"
            ),
        ),
        define(
            "store_#",
            &format!("{map}, const void* from{params}"),
            format!("cp.async.bulk.tensor.{rank}d.global.shared::cta.bulk_group [%0, {{{at2}}}], [%1]"),
            &format!("\"l\"(map), \"r\"(hidet_shared_address(from)){operands}"),
        ),
        define(
            "prefetch_#",
            &format!("{map}{params}"),
            format!("cp.async.bulk.prefetch.tensor.{rank}d.L2.global [%0, {{{at1}}}]"),
            &format!("\"l\"(map){operands}"),
        ),
    ];
    pieces.extend(OPERATIONS.map(|op| {
        define(
            &format!("reduce_{op}_#"),
            &format!("{map}, const void* from{params}"),
            format!("cp.reduce.async.bulk.tensor.{rank}d.global.shared::cta.{op}.bulk_group [%0, {{{at2}}}], [%1]"),
            &format!("\"l\"(map), \"r\"(hidet_shared_address(from)){operands}"),
        )
    }));
    pieces
}

const OPERATIONS: [&str; 6] = ["add", "min", "max", "and", "or", "xor"];

/// Reductions of plain bytes name the type of an element: one overload per type.
fn reductions() -> impl Iterator<Item = Piece> {
    const TYPES: [(&str, &str); 8] = [
        ("unsigned", "u32"),
        ("int", "s32"),
        ("unsigned long long", "u64"),
        ("long long", "s64"),
        ("float", "f32"),
        ("double", "f64"),
        ("f16", "f16"),
        ("bf16", "bf16"),
    ];
    OPERATIONS.into_iter().map(|op| {
        let name = format!("hidet_bulk_reduce_{op}");
        let mut text = String::new();
        for (c, ptx) in TYPES {
            let (float, wide) = (ptx.contains('f'), ptx.len() == 3 && ptx.ends_with("32"));
            let (half, bits) = (ptx.ends_with("16"), matches!(op, "and" | "or" | "xor"));
            let ptx = match op {
                // Signed and unsigned sums have the same bits.
                "add" if ptx == "s64" => continue,
                "add" if half => format!("noftz.{ptx}"),
                "add" => ptx.to_owned(),
                _ if bits && float => continue,
                _ if bits => if wide { "b32".to_owned() } else { "b64".to_owned() },
                _ if float && !half => continue,
                _ => ptx.to_owned(),
            };
            text += &format!(
                "__device__ __forceinline__ void {name}({c}* to, const {c}* from, int bytes) {{\n    asm volatile(\"cp.reduce.async.bulk.global.shared::cta.bulk_group.{op}.{ptx} [%0], [%1], %2;\"\n                 :: \"l\"(to), \"r\"(hidet_shared_address(from)), \"r\"(bytes) : \"memory\");\n}}\n"
            );
        }
        piece(name, text)
    })
}

/// `red.async`, overloaded by type.
fn remote_reductions() -> Vec<Piece> {
    let one = |name: &str, c: &str, ptx: &str, constraint: &str| {
        format!(
            "__device__ __forceinline__ void hidet_cluster_reduce_async_{name}({c}* p, int rank, {c} value, unsigned long long* \
             bar) {{\n    asm volatile(\"red.async.relaxed.cluster.shared::cluster.mbarrier::complete_tx::bytes.{name}.{ptx} \
             [%0], %1, [%2];\" :: \"r\"(hidet_mapa(p, rank)), \"{constraint}\"(value), \"r\"(hidet_mapa(bar, rank)) : \
             \"memory\");\n}}\n"
        )
    };
    let all = ["add", "min", "max", "and", "or", "xor"].map(|name| {
        let [signed, unsigned] = if matches!(name, "and" | "or" | "xor") { ["b32"; 2] } else { ["s32", "u32"] };
        let mut text = one(name, "int", signed, "r") + &one(name, "unsigned", unsigned, "r");
        if name == "add" {
            text += &one(name, "unsigned long long", "u64", "l");
        }
        piece(format!("hidet_cluster_reduce_async_{name}"), text)
    });
    all.into()
}

fn plain() -> Vec<Piece> {
    parse(
        r#"
## hidet_tma_prefetch_map
@ void hidet_tma_prefetch_map(const hidet_tensor_map* map) { asm volatile("prefetch.tensormap [%0];" :: "l"(map) : "memory"); }

## hidet_bulk_load
@ void hidet_bulk_load(void* to, const void* from, int bytes, unsigned long long* bar) {
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];"
                 :: "r"(hidet_shared_address(to)), "l"(from), "r"(bytes), "r"(hidet_shared_address(bar)) : "memory");
}

## hidet_bulk_store
@ void hidet_bulk_store(void* to, const void* from, int bytes) {
    asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;"
                 :: "l"(to), "r"(hidet_shared_address(from)), "r"(bytes) : "memory");
}

## hidet_bulk_commit
@ void hidet_bulk_commit() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }

## hidet_bulk_wait
template <int N> @ void hidet_bulk_wait() { asm volatile("cp.async.bulk.wait_group %0;" :: "n"(N) : "memory"); }

## hidet_bulk_wait_read
template <int N> @ void hidet_bulk_wait_read() { asm volatile("cp.async.bulk.wait_group.read %0;" :: "n"(N) : "memory"); }

## hidet_cluster_arrive
@ void hidet_cluster_arrive() { asm volatile("barrier.cluster.arrive.release;" ::: "memory"); }

## hidet_cluster_arrive_relaxed
@ void hidet_cluster_arrive_relaxed() { asm volatile("barrier.cluster.arrive.relaxed;" ::: "memory"); }

## hidet_cluster_wait
@ void hidet_cluster_wait() { asm volatile("barrier.cluster.wait.acquire;" ::: "memory"); }

## hidet_cluster_sync
@ void hidet_cluster_sync() { hidet_cluster_arrive(); hidet_cluster_wait(); }

## hidet_mapa
@ unsigned hidet_mapa(const void* p, int rank) {
    unsigned r;
    asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(r) : "r"(hidet_shared_address(p)), "r"(rank));
    return r;
}

## hidet_cluster_load
template <class T> @ T hidet_cluster_load(const T* p, int rank) {
    unsigned at = hidet_mapa(p, rank);
    if constexpr (sizeof(T) == 8) {
        unsigned long long r;
        asm volatile("ld.shared::cluster.b64 %0, [%1];" : "=l"(r) : "r"(at) : "memory");
        return bitcast<T>(r);
    } else if constexpr (sizeof(T) == 4) {
        unsigned r;
        asm volatile("ld.shared::cluster.b32 %0, [%1];" : "=r"(r) : "r"(at) : "memory");
        return bitcast<T>(r);
    } else if constexpr (sizeof(T) == 2) {
        unsigned short r;
        asm volatile("ld.shared::cluster.b16 %0, [%1];" : "=h"(r) : "r"(at) : "memory");
        return bitcast<T>(r);
    } else {
        unsigned r;
        asm volatile("ld.shared::cluster.u8 %0, [%1];" : "=r"(r) : "r"(at) : "memory");
        return bitcast<T>((unsigned char)r);
    }
}

## hidet_cluster_store
template <class T> @ void hidet_cluster_store(T* p, int rank, T value) {
    unsigned at = hidet_mapa(p, rank);
    if constexpr (sizeof(T) == 8) {
        asm volatile("st.shared::cluster.b64 [%0], %1;" :: "r"(at), "l"(bitcast<unsigned long long>(value)) : "memory");
    } else if constexpr (sizeof(T) == 4) {
        asm volatile("st.shared::cluster.b32 [%0], %1;" :: "r"(at), "r"(bitcast<unsigned>(value)) : "memory");
    } else if constexpr (sizeof(T) == 2) {
        asm volatile("st.shared::cluster.b16 [%0], %1;" :: "r"(at), "h"(bitcast<unsigned short>(value)) : "memory");
    } else {
        asm volatile("st.shared::cluster.u8 [%0], %1;" :: "r"(at), "r"((unsigned)bitcast<unsigned char>(value)) : "memory");
    }
}

## hidet_cluster_mbarrier_arrive
@ void hidet_cluster_mbarrier_arrive(unsigned long long* bar, int rank) {
    asm volatile("mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%0];" :: "r"(hidet_mapa(bar, rank)) : "memory");
}

## hidet_cluster_mbarrier_arrive_relaxed
@ void hidet_cluster_mbarrier_arrive_relaxed(unsigned long long* bar, int rank) {
    asm volatile("mbarrier.arrive.relaxed.cluster.shared::cluster.b64 _, [%0];" :: "r"(hidet_mapa(bar, rank)) : "memory");
}

## hidet_cluster_mbarrier_arrive_expect
@ void hidet_cluster_mbarrier_arrive_expect(unsigned long long* bar, int rank, int bytes) {
    asm volatile("mbarrier.arrive.expect_tx.release.cluster.shared::cluster.b64 _, [%0], %1;"
                 :: "r"(hidet_mapa(bar, rank)), "r"(bytes) : "memory");
}

## hidet_cluster_store_async
template <class T> @ void hidet_cluster_store_async(T* p, int rank, T value, unsigned long long* bar) {
    if constexpr (sizeof(T) == 4) {
        asm volatile("st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.b32 [%0], %1, [%2];"
                     :: "r"(hidet_mapa(p, rank)), "r"(bitcast<unsigned>(value)), "r"(hidet_mapa(bar, rank)) : "memory");
    } else {
        asm volatile("st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.b64 [%0], %1, [%2];"
                     :: "r"(hidet_mapa(p, rank)), "l"(bitcast<unsigned long long>(value)), "r"(hidet_mapa(bar, rank)) : "memory");
    }
}

## hidet_cluster_bulk_copy
@ void hidet_cluster_bulk_copy(void* to, int rank, const void* from, int bytes, unsigned long long* bar) {
    asm volatile("cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];"
                 :: "r"(hidet_mapa(to, rank)), "r"(hidet_shared_address(from)), "r"(bytes), "r"(hidet_mapa(bar, rank)) : "memory");
}

## hidet_setmaxnreg_inc
template <int N> @ void hidet_setmaxnreg_inc() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" :: "n"(N)); }

## hidet_setmaxnreg_dec
template <int N> @ void hidet_setmaxnreg_dec() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" :: "n"(N)); }

## hidet_elect_one
@ bool hidet_elect_one() {
    unsigned chosen;
    asm volatile("{\n.reg .pred p;\nelect.sync _|p, 0xffffffff;\nselp.u32 %0, 1, 0, p;\n}" : "=r"(chosen));
    return chosen != 0;
}

## hidet_grid_arrive
// One block arrives at the barrier of the grid: the first one adds what makes the top bit change when all have.
@ unsigned hidet_grid_arrive(unsigned* barrier) {
    unsigned blocks = gridDim.x * gridDim.y * gridDim.z;
    bool first = blockIdx.x + blockIdx.y + blockIdx.z == 0;
    unsigned before;
    asm volatile("atom.add.release.gpu.global.u32 %0, [%1], %2;"
                 : "=r"(before) : "l"(barrier), "r"(first ? 0x80000000u - (blocks - 1u) : 1u) : "memory");
    return before;
}

## hidet_grid_met
@ bool hidet_grid_met(unsigned* barrier, unsigned before) {
    unsigned now;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(now) : "l"(barrier) : "memory");
    return ((before ^ now) & 0x80000000u) != 0u;
}

## hidet_grid_sync
@ void hidet_grid_sync(unsigned* barrier) {
    __syncthreads();
    if (threadIdx.x + threadIdx.y + threadIdx.z == 0) {
        unsigned before = hidet_grid_arrive(barrier);
        while (!hidet_grid_met(barrier, before)) {}
    }
    __syncthreads();
}

## hidet_grid_sync_unless
// The same where threads may end early with a fault, also the one that arrives for its block.
@ bool hidet_grid_sync_unless(hidet_report* report, unsigned* barrier) {
    __syncthreads();
    bool met = !hidet_faulted(report);
    if (threadIdx.x + threadIdx.y + threadIdx.z == 0) {
        unsigned before = hidet_grid_arrive(barrier);
        while (met && !hidet_grid_met(barrier, before)) met = !hidet_faulted(report);
    }
    return __syncthreads_and(met);
}

## hidet_grid_wait
@ void hidet_grid_wait() { asm volatile("griddepcontrol.wait;" ::: "memory"); }

## hidet_grid_launch
@ void hidet_grid_launch() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }
"#,
    )
}
