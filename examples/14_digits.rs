//! Real input from end to end: classifies handwritten digits with three kernels written here.
//!
//! The network has one hidden layer; `digits/train.py` trained it on 1,200 of the 1,797 digits. The accuracy is
//! measured on the other 597, which were not used in training. Runs on a GPU if there is one, or else on the simulated
//! device.

use hidet::prelude::*;

kernel! {
    /// y = relu(x * w + b), or without relu: one thread per output, tiles of x and w in shared memory.
    #[launch(grid = (n.div_ceil(16), m.div_ceil(16)), block = (16, 16))]
    pub fn dense(
        #[meta] relu: bool,
        x: In<f32, [m, k]>,
        w: In<f32, [k, n]>,
        b: In<f32, [n]>,
        y: Out<f32, [m, n]>,
    ) {
        let x_tile = shared::<f32>([16, 16]);
        let w_tile = shared::<f32>([16, 16]);
        let (tx, ty) = (thread_idx().x, thread_idx().y);
        let (row, col) = (block_idx().y * 16 + ty, block_idx().x * 16 + tx);
        let mut sum = 0.0;
        for k0 in (0..k).step_by(16) {
            x_tile[[ty, tx]] = x.get((row, k0 + tx));
            w_tile[[ty, tx]] = w.get((k0 + ty, col));
            sync_threads();
            for p in unroll(0..16) {
                sum += x_tile[[ty, p]] * w_tile[[p, tx]];
            }
            sync_threads();
        }
        let sum = sum + b.get((col,));
        y.set((row, col), if relu { sum.max(0.0) } else { sum });
    }

    /// y = softmax(x) along the last axis, one warp per row.
    #[launch(grid = rows.div_ceil(4), block = 128)]
    pub fn softmax(x: In<f32, [rows, cols]>, y: Out<f32, [rows, cols]>) {
        let row = block_idx().x * 4 + warp_id();
        if row < rows {
            let mut top = f32::MIN;
            for j in lanes(cols) {
                top = top.max(x[[row, j]]);
            }
            let top = warp_max(top);
            let mut sum = 0.0;
            for j in lanes(cols) {
                sum += (x[[row, j]] - top).exp();
            }
            let scale = 1.0 / warp_sum(sum);
            for j in lanes(cols) {
                y[[row, j]] = (x[[row, j]] - top).exp() * scale;
            }
        }
    }

    /// The column of the largest element of each row, the first if several are equal; one thread per row.
    #[launch(grid = rows.div_ceil(64), block = 64)]
    pub fn argmax(x: In<f32, [rows, cols]>, best: Out<i32, [rows]>) {
        let row = block_idx().x * 64 + thread_idx().x;
        if row < rows {
            let mut top = x[[row, 0]];
            let mut at = 0;
            for j in 1..cols {
                let v = x[[row, j]];
                if v > top {
                    top = v;
                    at = j;
                }
            }
            best[[row]] = at;
        }
    }
}

const HIDDEN: usize = 96;

/// Returns the images, scaled to 0..=1, and their labels: the held-out digits or the training digits.
pub fn digits(held_out: bool) -> (Vec<f32>, Vec<i32>) {
    let data = include_bytes!("digits/digits.u8");
    // The same split as in digits/train.py: sorted by a hash of the index, the first 1,200 are for training.
    let mut order: Vec<usize> = (0..data.len() / 65).collect();
    order.sort_by_key(|&index| (index as u64 * 2_654_435_761 + 7) % (1 << 32));
    let chosen = if held_out { &order[1200..] } else { &order[..1200] };
    let digit = |&index: &usize| &data[index * 65..(index + 1) * 65];
    let images = chosen.iter().map(digit).flat_map(|d| d[..64].iter().map(|&pixel| pixel as f32 / 16.0)).collect();
    (images, chosen.iter().map(digit).map(|d| d[64] as i32).collect())
}

/// Returns how many digits of a set the network classifies correctly on a device, and how many there are.
pub fn classify(device: &Device, held_out: bool) -> hidet::Result<(usize, usize)> {
    let bytes = include_bytes!("digits/weights.f32").as_chunks::<4>().0;
    let weights: Vec<f32> = bytes.iter().map(|&b| f32::from_le_bytes(b)).collect();
    let (w1, rest) = weights.split_at(64 * HIDDEN);
    let (b1, rest) = rest.split_at(HIDDEN);
    let (w2, b2) = rest.split_at(HIDDEN * 10);

    let (images, labels) = digits(held_out);
    let count = labels.len();
    let x = device.tensor(&images, [count, 64])?;
    let (w1, b1) = (device.tensor(w1, [64, HIDDEN])?, device.tensor(b1, [HIDDEN])?);
    let (w2, b2) = (device.tensor(w2, [HIDDEN, 10])?, device.tensor(b2, [10])?);
    let mut hidden = device.empty([count, HIDDEN])?;
    let mut logits = device.empty([count, 10])?;
    let mut chances = device.empty([count, 10])?;
    let mut best = device.empty([count])?;

    dense(true).compile(device)?.launch(&x, &w1, &b1, &mut hidden)?;
    dense(false).compile(device)?.launch(&hidden, &w2, &b2, &mut logits)?;
    softmax().compile(device)?.launch(&logits, &mut chances)?;
    argmax().compile(device)?.launch(&chances, &mut best)?;

    let right = best.to_vec()?.iter().zip(&labels).filter(|(guess, label)| guess == label).count();
    Ok((right, count))
}

#[allow(dead_code)]
fn main() -> hidet::Result<()> {
    let device = Device::best()?;
    println!("device: {}", device);
    for (set, held_out) in [("trained on", false), ("held out", true)] {
        let (right, count) = classify(&device, held_out)?;
        println!("{set:>10}: {right} of {count} digits right, {:.2}%", 100.0 * right as f64 / count as f64);
    }
    Ok(())
}
