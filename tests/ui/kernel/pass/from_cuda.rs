// The entries of the table `From CUDA and Triton` of the language that no other program uses: they compile.

use hidet::prelude::*;

fn sigmoid(x: Expr<f32>) -> Expr<f32> {
    1.0 / (1.0 + (-x).exp())
}

kernel! {
    #[launch(grid = n.div_ceil(256), block = 256, min_blocks = 2)]
    pub fn names(x: In<f32, [n]>, y: Out<f32, [n]>, sums: InOut<i32, [4]>) {
        let i = block_idx().x * block_dim().x + thread_idx().x;
        let whole = grid_dim().x * 256;
        let (v, w) = (x.get((i,)), lane_id() + warp_id());
        fence_block();
        fence_device();
        fence_system();
        barrier_sync(1, 256);
        let largest = block_max::<256>(v).max(warp_max(v));
        let (before, through) = block_scan_add::<256>(w);
        let other = shuffle(v, 0) + shuffle_up(v, 1) + shuffle_down(v, 1) + shuffle_xor(v, 1) + block_sum::<256>(v);
        let votes = warp_all(v > 0.0) && warp_any(v > 0.0) && warp_ballot(v > 0.0) == active_mask();
        let f = v.exp() + v.ln() + v.log2() + v.sin() + v.tanh() + v.erf() + v.sqrt() + v.rsqrt() + v.abs() + v.powf(2.0);
        let g = v.mul_add(f, 1.0).min(f) + f % 2.0 + f.floor() + f.ceil() + f.round_ties_even() + f.copysign(v) + sigmoid(v);
        let h = Expr::<f32>::from_bits((v as f16 as f32).to_bits()) + v.abs().powf(1.0 / 3.0).copysign(v);
        let bits = (w as u32).count_ones() + (w as u32).leading_zeros() + (w as u32).reverse_bits();
        let more = byte_permute(bits, 1u32, 0x3210u32) + dot4(bits, bits, 0u32);
        let total = other + largest + f + g + h + (before + through + whole) as f32 + (bits + more) as f32;
        y.set((i,), votes.select(total, 2.0));
        if thread_id() == 0 {
            atomic_add(&sums[[0]], 1);
            atomic_max(&sums[[1]], 7);
            atomic_exchange(&sums[[2]], 5);
            atomic_cas(&sums[[3]], 0, 9);
        }
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let (x, mut y) = (device.tensor(&[1.0; 256], [256])?, device.empty([256])?);
    let mut sums = device.zeros([4])?;
    names().compile(&device)?.launch(&x, &mut y, &mut sums)?;
    assert_eq!(sums.to_vec()?, [1, 7, 5, 9]);
    names().cuda("sm_80").map(|text| assert!(text.contains("__launch_bounds__(256, 2)"), "{text}"))
}
