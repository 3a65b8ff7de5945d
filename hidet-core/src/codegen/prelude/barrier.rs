//! Named barriers, mbarriers, fences.

use super::{Piece, parse};

pub(super) fn pieces() -> Vec<Piece> {
    let mut pieces = basic();
    // A wait acquires within the block. If threads of other blocks arrive, it must acquire within the cluster.
    pieces.extend(waits("hidet_mbarrier", "", ".shared"));
    pieces.extend(waits("hidet_cluster_mbarrier", ".acquire.cluster", ".shared::cta"));
    pieces
}

/// Tests of an mbarrier's phase and waits for its end.
fn waits(name: &str, order: &str, space: &str) -> Vec<Piece> {
    let text = WAITS.replace("NAME", name).replace("ORDER", order).replace("SPACE", space);
    // The table is never freed.
    parse(Box::leak(text.into_boxed_str()))
}

const WAITS: &str = r#"
## NAME_test
@ bool NAME_test(unsigned long long* bar, int parity) {
    unsigned done;
    asm volatile("{\n.reg .pred p;\nmbarrier.test_wait.parityORDERSPACE.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
                 : "=r"(done) : "r"(hidet_shared_address(bar)), "r"(parity) : "memory");
    return done != 0;
}

## NAME_wait
@ void NAME_wait(unsigned long long* bar, int parity) {
#if __CUDA_ARCH__ >= 900
    unsigned done = 0;
    while (!done) {
        asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parityORDERSPACE.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
                     : "=r"(done) : "r"(hidet_shared_address(bar)), "r"(parity) : "memory");
    }
#else
    while (!NAME_test(bar, parity)) {}
#endif
}

## NAME_wait_unless
@ bool NAME_wait_unless(hidet_report* report, unsigned long long* bar, int parity) {
    while (!NAME_test(bar, parity)) {
        if (hidet_faulted(report)) return false;
    }
    return true;
}
"#;

fn basic() -> Vec<Piece> {
    parse(
        r#"
## hidet_bar_sync
@ void hidet_bar_sync(int id, int threads) { asm volatile("bar.sync %0, %1;" :: "r"(id), "r"(threads) : "memory"); }

## hidet_bar_arrive
@ void hidet_bar_arrive(int id, int threads) { asm volatile("bar.arrive %0, %1;" :: "r"(id), "r"(threads) : "memory"); }

## hidet_fence_proxy_async
@ void hidet_fence_proxy_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

## hidet_fence_proxy_async_global
@ void hidet_fence_proxy_async_global() { asm volatile("fence.proxy.async.global;" ::: "memory"); }

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

## hidet_warp_group
@ int hidet_warp_group() { return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) / 128; }

## hidet_clear_barriers
@ void hidet_clear_barriers(unsigned* words, unsigned count) {
    const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    for (unsigned i = thread; i < count; i += blockDim.x * blockDim.y * blockDim.z) words[i] = 0;
    __syncthreads();
}

## hidet_linger
@ void hidet_linger() { hidet_nanosleep(1000000u); }

## hidet_warp_faulted
// Asked by all lanes of a warp together, so that all of them give up or none.
@ bool hidet_warp_faulted(hidet_report* report) { return __any_sync(0xffffffffu, hidet_faulted(report)) != 0; }

## hidet_meet
// So many threads meet, whole warps at a time, or only arrive; whether they did: all of them give up, or none, once a
// fault is recorded. Of a word, bits 0 to 15 count those that arrived, 16 to 30 the phases that ended, and bit 31 says
// that the phase will not end.
template <bool Wait> __device__ __noinline__ bool hidet_meet(hidet_report* report, unsigned* word, unsigned threads) {
    const unsigned given_up = 1u << 31, phases = 0x7fff0000u;
    __threadfence_block();
    __syncwarp();
    const int leader = __ffs(__ballot_sync(0xffffffffu, true)) - 1;
    unsigned lane;
    asm volatile("mov.u32 %0, %%laneid;" : "=r"(lane));
    unsigned good = 1;
    if (lane == leader) {
        unsigned old = atomicOr(word, 0u), now;
        bool last;
        do {
            now = old;
            if (now & given_up) break;
            last = (now & 0xffffu) + 32u == threads;
            unsigned next = last ? (now + 0x10000u) & phases : now + 32u;
            // The last one decides for all.
            if (last && hidet_faulted(report)) next = now | given_up;
            old = atomicCAS(word, now, next);
            if (old == now) { now = next; break; }
        } while (true);
        const unsigned phase = old & phases;
        if (old & given_up) {
            good = 0;
        } else if (last) {
            good = !(now & given_up);
        } else if (Wait) {
            while (true) {
                now = atomicOr(word, 0u);
                if ((now & phases) != phase) break;
                if (!(now & given_up) && hidet_faulted(report)) {
                    if (atomicCAS(word, now, now | given_up) != now) continue;
                    now |= given_up;
                }
                if (now & given_up) { good = 0; break; }
            }
        }
    }
    good = __shfl_sync(0xffffffffu, good, leader);
    __threadfence_block();
    return good != 0;
}
"#,
    )
}
