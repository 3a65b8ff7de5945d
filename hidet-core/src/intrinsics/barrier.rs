//! Barriers of the block, the warp, named barriers, mbarriers, and fences.

use super::{Effect, Level, Meaning, Order, ResultRule, Row, Space, Together, TypeRule, row};
use crate::types::{Scalar, Type};

const MBARRIER: TypeRule = TypeRule::Is(Type { scalar: Scalar::U64, lanes: 1 });

fn mbarrier(name: &str, cuda: &str, meaning: Meaning, doc: &str) -> Row {
    row(name, cuda, meaning, doc).since(80, false).address(Space::Shared, Effect::Barrier, MBARRIER, 1)
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(
            "sync.threads",
            "__syncthreads();",
            Meaning::SyncThreads,
            "Barrier of all threads of the block; accesses before it happen before those after it.",
        )
        .together(Together::Block),
        row(
            "bar.sync",
            "hidet_bar_sync($0, $1);",
            Meaning::BarrierSync,
            "Named barrier of the given number of threads (PTX `bar.sync`).",
        )
        .value(Type::I32)
        .imm(32, 1024)
        .together(Together::Named),
        row(
            "bar.arrive",
            "hidet_bar_arrive($0, $1);",
            Meaning::BarrierArrive,
            "Arrives at a named barrier without waiting (PTX `bar.arrive`).",
        )
        .value(Type::I32)
        .imm(32, 1024),
        row(
            "sync.warp",
            "__syncwarp($0);",
            Meaning::SyncWarp,
            "Barrier of the lanes of a mask; accesses before it happen before those after it.",
        )
        .value(Type::U32)
        .together(Together::Lanes),
        row(
            "fence.block",
            "__threadfence_block();",
            Meaning::Fence(Level::Block),
            "Orders this thread's accesses for the threads of its block; an acquire from another block needs a wider fence.",
        ),
        row(
            "fence.device",
            "__threadfence();",
            Meaning::Fence(Level::Device),
            "Orders this thread's accesses for all threads of the device.",
        ),
        row(
            "fence.system",
            "__threadfence_system();",
            Meaning::Fence(Level::System),
            "Orders this thread's accesses for the device and the host.",
        ),
        row(
            "fence.proxy.async",
            "hidet_fence_proxy_async();",
            Meaning::FenceProxyAsync(Space::Shared),
            "Makes this thread's accesses to shared memory visible to asynchronous copies and tensor cores (PTX `fence.proxy.async`).",
        )
        .since(90, false),
        row(
            "fence.proxy.async.global",
            "hidet_fence_proxy_async_global();",
            Meaning::FenceProxyAsync(Space::Global),
            "Makes this thread's accesses to global memory visible to asynchronous bulk copies.",
        )
        .since(90, false),
        mbarrier(
            "mbarrier.init",
            "hidet_mbarrier_init($0, $1);",
            Meaning::MbarrierInit,
            "Initialises an mbarrier with the number of arrivals per phase.",
        )
        .value(Type::I32),
        row(
            "mbarrier.init.fence",
            "hidet_mbarrier_init_fence();",
            Meaning::MbarrierInitFence,
            "Makes initialised mbarriers visible to the cluster and to asynchronous copies.",
        )
        .since(90, false),
        mbarrier(
            "mbarrier.invalidate",
            "hidet_mbarrier_invalidate($0);",
            Meaning::MbarrierInvalidate,
            "Invalidates an mbarrier, so that its memory can be reused.",
        ),
        mbarrier(
            "mbarrier.arrive",
            "hidet_mbarrier_arrive($0);",
            Meaning::MbarrierArrive(Order::Release),
            "Arrives at an mbarrier; this thread's accesses before it happen before the end of the phase (PTX `mbarrier.arrive`).",
        ),
        mbarrier(
            "mbarrier.arrive.expect",
            "hidet_mbarrier_arrive_expect($0, $1);",
            Meaning::MbarrierArriveExpect,
            "Arrives at an mbarrier and increases the transaction count of the phase, the bytes that asynchronous copies must deliver (PTX `mbarrier.arrive.expect_tx`).",
        )
        .since(90, false)
        .value(Type::I32),
        mbarrier(
            "mbarrier.expect",
            "hidet_mbarrier_expect($0, $1);",
            Meaning::MbarrierExpect,
            "Increases the transaction count of the phase, the bytes that asynchronous copies must deliver (PTX `mbarrier.expect_tx`).",
        )
        .since(90, false)
        .value(Type::I32),
        mbarrier(
            "mbarrier.wait",
            "hidet_mbarrier_wait($0, $1);",
            Meaning::MbarrierWait,
            "Waits until the phase whose parity is the operand has completed (PTX `mbarrier.try_wait.parity` in a loop).",
        )
        .value(Type::I32),
        mbarrier(
            "mbarrier.test",
            "hidet_mbarrier_test($0, $1)",
            Meaning::MbarrierTest,
            "Returns true if the phase whose parity is the operand has completed (PTX `mbarrier.test_wait.parity`).",
        )
        .value(Type::I32)
        .gives(ResultRule::Is(Type::BOOL)),
        row(
            "nanosleep",
            "hidet_nanosleep($0);",
            Meaning::NanoSleep,
            "Suspends the thread for approximately the given number of nanoseconds (CUDA `__nanosleep`).",
        )
        .value(Type::U32),
        row("clock", "(long long)clock64()", Meaning::Clock, "Returns the clock of the multiprocessor in cycles (CUDA `clock64`).")
            .gives(ResultRule::Is(Type { scalar: Scalar::I64, lanes: 1 })),
    ]
}
