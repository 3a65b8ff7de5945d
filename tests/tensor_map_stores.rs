//! Boxes that TMA writes: their steps, and where copies may begin and end.

#![allow(missing_docs, clippy::unwrap_used)]

use hidet::prelude::*;

kernel! {
    /// Writes whole rows by TMA.
    #[launch(grid = 1, block = 32)]
    pub fn narrow(y: InOut<f32, [m, n]>) {
        let map = y.tensor_map([4, 8], Swizzle::None);
        let tile = shared::<f32>([4, 8]);
        tile[[thread_id() / 8, thread_id() % 8]] = thread_id() as f32;
        fence_proxy_async();
        sync_threads();
        if thread_id() == 0 {
            tma_store(map, (0, 0), &tile[[0, 0]]);
            bulk_commit();
            bulk_wait(0);
        }
    }

    /// A box is written to a part of `y` by TMA, and read again by threads.
    #[launch(grid = 1, block = 32)]
    pub fn stores(#[meta] step: i32, #[meta] start: [i32; 2], y: InOut<f32, [n, 8]>, z: Out<f32, [n, 8]>) {
        let map = y.tensor_map_with_steps([4, 8], [step, 1], Swizzle::None);
        let tile = shared::<f32>([4, 8]);
        tile[[thread_id() / 8, thread_id() % 8]] = thread_id() as f32;
        fence_proxy_async();
        sync_threads();
        if thread_id() == 0 {
            tma_store(map, (start[0], start[1]), &tile[[0, 0]]);
            bulk_commit();
            bulk_wait(0);
        }
        sync_threads();
        for i in (thread_id()..n * 8).step_by(32) {
            z[[i / 8, i % 8]] = y[[i / 8, i % 8]];
        }
    }
}

#[test]
fn copies_begin_where_tma_can() {
    let device = Device::sim();
    for (start, message) in [
        ([-1, 0], "a bulk store begins at coordinate -1; it may end behind the tensor, but must not begin before it"),
        ([0, -4], "a bulk store begins at coordinate -4"),
        ([0, 2], "a bulk copy begins at coordinate 2 of f32 along the last axis, which is byte 8"),
    ] {
        let (mut y, mut z) = (device.zeros([7, 8]).unwrap(), device.empty([7, 8]).unwrap());
        let error = stores(1, start).compile(&device).unwrap().launch(&mut y, &mut z).unwrap_err().to_string();
        assert!(error.contains(message) && error.contains("tests/tensor_map_stores.rs"), "{error}");
    }
    // Rows of 6 elements, 8 apart: TMA would write the seventh and the eighth.
    let memory = device.zeros::<f32, 1>([64]).unwrap();
    let mut rows = memory.strided_view(0, [8, 6], [8, 1]).unwrap();
    let error = narrow().compile(&device).unwrap().launch(&mut rows).unwrap_err().to_string();
    assert!(error.contains("n = 6 must be a multiple of 4"), "{error}");
}

#[test]
fn stored_boxes_have_steps_and_the_tensor_can_be_accessed() {
    let device = Device::sim();
    for step in [1, 2, 3] {
        let mut y = device.tensor(&[-1.0; 56], [7, 8]).unwrap();
        let mut z = device.empty([7, 8]).unwrap();
        stores(step, [1, 0]).compile(&device).unwrap().launch(&mut y, &mut z).unwrap();
        let expected: Vec<f32> = (0..56)
            .map(|i| {
                let (row, box_row) = (i / 8 - 1, (i / 8 - 1) / step);
                if row >= 0 && row % step == 0 && box_row < 4 { (box_row * 8 + i % 8) as f32 } else { -1.0 }
            })
            .collect();
        assert_eq!((y.to_vec().unwrap(), z.to_vec().unwrap()), (expected.clone(), expected));
    }
}
