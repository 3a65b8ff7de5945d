//! Asynchronous copies (`cp.async`).

use super::{Piece, parse, piece};
use crate::intrinsics::{PREFETCHES, copy_name};

pub(super) fn pieces() -> Vec<Piece> {
    let mut pieces = waits();
    for (bytes, first_level) in [(4, true), (8, true), (16, false), (16, true)] {
        pieces.extend(PREFETCHES.map(|prefetch| copy(bytes, first_level, prefetch)));
    }
    pieces
}

fn copy(bytes: u32, first_level: bool, prefetch: u32) -> Piece {
    let name = format!("hidet_{}", copy_name(bytes, first_level, prefetch).replace('.', "_"));
    let cache = if first_level { "ca" } else { "cg" };
    let hint = if prefetch > 0 { format!(".L2::{prefetch}B") } else { String::new() };
    let text = format!(
        "__device__ __forceinline__ void {name}(void* to, const void* from, int bytes) {{\n    asm volatile(\"cp.async.{cache}.shared.global{hint} [%0], [%1], {bytes}, %2;\" :: \"r\"(hidet_shared_address(to)), \"l\"(from), \"r\"(bytes) : \"memory\");\n}}\n"
    );
    piece(name, text)
}

fn waits() -> Vec<Piece> {
    parse(
        r#"
## hidet_cp_async_commit
@ void hidet_cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

## hidet_cp_async_wait
template <int N> @ void hidet_cp_async_wait() { asm volatile("cp.async.wait_group %0;" :: "n"(N) : "memory"); }

## hidet_cp_async_wait_all
@ void hidet_cp_async_wait_all() { asm volatile("cp.async.wait_all;" ::: "memory"); }

## hidet_cp_async_mbarrier_arrive
@ void hidet_cp_async_mbarrier_arrive(unsigned long long* bar) {
    asm volatile("cp.async.mbarrier.arrive.shared.b64 [%0];" :: "r"(hidet_shared_address(bar)) : "memory");
}

## hidet_cp_async_mbarrier_arrive_noinc
@ void hidet_cp_async_mbarrier_arrive_noinc(unsigned long long* bar) {
    asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" :: "r"(hidet_shared_address(bar)) : "memory");
}
"#,
    )
}
