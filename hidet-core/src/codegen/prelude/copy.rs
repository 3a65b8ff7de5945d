//! Asynchronous copies of a thread.

use super::{Piece, parse};

pub(super) fn pieces() -> Vec<Piece> {
    parse(
        r#"
## hidet_cp_async_4
@ void hidet_cp_async_4(void* to, const void* from, int bytes) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" :: "r"(hidet_shared_address(to)), "l"(from), "r"(bytes) : "memory");
}

## hidet_cp_async_8
@ void hidet_cp_async_8(void* to, const void* from, int bytes) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" :: "r"(hidet_shared_address(to)), "l"(from), "r"(bytes) : "memory");
}

## hidet_cp_async_16
@ void hidet_cp_async_16(void* to, const void* from, int bytes) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" :: "r"(hidet_shared_address(to)), "l"(from), "r"(bytes) : "memory");
}

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
"#,
    )
}
