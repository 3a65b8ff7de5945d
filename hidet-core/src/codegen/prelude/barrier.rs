//! Named barriers, mbarriers, fences.

use super::{Piece, parse};

pub(super) fn pieces() -> Vec<Piece> {
    parse(
        r#"
## hidet_bar_sync
@ void hidet_bar_sync(int id, int threads) { asm volatile("bar.sync %0, %1;" :: "r"(id), "r"(threads) : "memory"); }

## hidet_bar_arrive
@ void hidet_bar_arrive(int id, int threads) { asm volatile("bar.arrive %0, %1;" :: "r"(id), "r"(threads) : "memory"); }

## hidet_fence_proxy_async
@ void hidet_fence_proxy_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

## hidet_nanosleep
@ void hidet_nanosleep(unsigned ns) { asm volatile("nanosleep.u32 %0;" :: "r"(ns)); }

## hidet_mbarrier_init
@ void hidet_mbarrier_init(unsigned long long* bar, int count) {
    asm volatile("mbarrier.init.shared.b64 [%0], %1;" :: "r"(hidet_shared_address(bar)), "r"(count) : "memory");
}

## hidet_mbarrier_init_fence
@ void hidet_mbarrier_init_fence() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }

## hidet_mbarrier_invalidate
@ void hidet_mbarrier_invalidate(unsigned long long* bar) {
    asm volatile("mbarrier.inval.shared.b64 [%0];" :: "r"(hidet_shared_address(bar)) : "memory");
}

## hidet_mbarrier_arrive
@ void hidet_mbarrier_arrive(unsigned long long* bar) {
    asm volatile("{\n.reg .b64 state;\nmbarrier.arrive.shared.b64 state, [%0];\n}" :: "r"(hidet_shared_address(bar)) : "memory");
}

## hidet_mbarrier_arrive_expect
@ void hidet_mbarrier_arrive_expect(unsigned long long* bar, int bytes) {
    asm volatile("{\n.reg .b64 state;\nmbarrier.arrive.expect_tx.shared.b64 state, [%0], %1;\n}"
                 :: "r"(hidet_shared_address(bar)), "r"(bytes) : "memory");
}

## hidet_mbarrier_expect
@ void hidet_mbarrier_expect(unsigned long long* bar, int bytes) {
    asm volatile("mbarrier.expect_tx.relaxed.cta.shared.b64 [%0], %1;" :: "r"(hidet_shared_address(bar)), "r"(bytes) : "memory");
}

## hidet_mbarrier_test
@ bool hidet_mbarrier_test(unsigned long long* bar, int parity) {
    unsigned done;
    asm volatile("{\n.reg .pred p;\nmbarrier.test_wait.parity.shared.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
                 : "=r"(done) : "r"(hidet_shared_address(bar)), "r"(parity) : "memory");
    return done != 0;
}

## hidet_mbarrier_wait
@ void hidet_mbarrier_wait(unsigned long long* bar, int parity) {
#if __CUDA_ARCH__ >= 900
    unsigned done = 0;
    while (!done) {
        asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
                     : "=r"(done) : "r"(hidet_shared_address(bar)), "r"(parity) : "memory");
    }
#else
    while (!hidet_mbarrier_test(bar, parity)) {}
#endif
}
## hidet_mbarrier_wait_unless
@ bool hidet_mbarrier_wait_unless(hidet_report* report, unsigned long long* bar, int parity) {
    while (!hidet_mbarrier_test(bar, parity)) {
        if (hidet_faulted(report)) return false;
    }
    return true;
}
"#,
    )
}
