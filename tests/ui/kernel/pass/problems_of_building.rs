// Mistakes that rustc cannot see are errors of `build`, with their lines.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32)]
    pub fn leaks(y: Out<i32, [n]>) {
        #[meta]
        let mut kept = Vec::new();
        let keep = |list: &mut Vec<Expr<i32>>, v: Expr<i32>| list.push(v);
        if thread_idx().x < n {
            keep(&mut kept, thread_idx().x * 2);
        }
        y[[0]] = kept[0];
    }

    #[launch(grid = 1, block = 33)]
    pub fn grouped(y: Out<i32, [n]>) {
        #[threads(1..33)]
        {
            y[[0]] = 1;
        }
    }

    #[launch(grid = 1, block = 32)]
    pub fn sized(y: Out<i32, [n]>) {
        let t = thread_idx().x;
        let tile = shared::<i32>([t]);
        y[[0]] = tile[[0]];
    }

    #[launch(grid = 1, block = 2048)]
    pub fn crowd(y: Out<i32, [n]>) {}

    #[launch(grid = -1, block = 32)]
    pub fn nowhere(y: Out<i32, [n]>) {}

    #[launch(grid = 1, block = 32)]
    pub fn heavy(y: Out<f32, [n]>) {
        let small = shared::<f32>([4]);
        let wide = shared::<f32>([57, 1024]);
        y[[0]] = wide[[0, 0]] + small[[0]];
    }

    #[launch(grid = 1, block = 32)]
    pub fn nothing(y: Out<f32, [n]>) {
        let none = shared::<f32>([0, 4]);
    }

    #[launch(grid = 1, block = 32)]
    pub fn tall(x: In<f32, [300, 32]>) {
        let map = x.tensor_map([300, 32], Swizzle::None);
    }

    #[launch(grid = 1, block = 32)]
    pub fn scrambled(x: In<f32, [8, 32]>, y: Out<f32, [8, 32]>) {
        let map = x.tensor_map([8, 32], Swizzle::B128);
        let tile = shared::<f32>([8, 32]);
        let full = shared::<u64>([1]);
        tma_load(&tile[[0, 0]], map, (0, 0), &full[[0]]);
        y[[0, thread_id()]] = tile[[0, thread_id()]];
    }

    #[launch(grid = 1, block = 32)]
    pub fn scrambled_back(y: InOut<f32, [8, 32]>) {
        let map = y.tensor_map([8, 32], Swizzle::B128);
        let tile = shared::<f32>([8, 32]);
        tile[[0, thread_id()]] = 1.0;
        tma_store(map, (0, 0), &tile[[0, 0]]);
    }

    #[launch(grid = 1, block = 32)]
    pub fn three(x: In<f32, [n, 12]>, y: Out<f32, [n]>) {
        let v = x.load::<3>((0, 0));
    }

    #[device]
    fn factorial(n: Expr<i32>) -> Expr<i32> {
        let mut product = 1;
        if n > 1 { product = n * factorial(n - 1); }
        product
    }

    #[launch(grid = 1, block = 32)]
    pub fn endless(y: Out<i32, [n]>) {
        y[[0]] = factorial(n);
    }

    #[device]
    fn power(x: Expr<i32>, n: i32) -> Expr<i32> {
        if n == 0 { 1.into_expr() } else { x * power(x, n - 1) }
    }

    #[launch(grid = 1, block = 32)]
    pub fn recursive(y: Out<i32, [n]>) {
        y[[0]] = power(n, 90);
    }

    #[launch(grid = 1, block = 48)]
    pub fn half_warp(x: In<f32, [48]>, y: Out<f32, [48]>) {
        y[[thread_id()]] = warp_sum(x[[thread_id()]]);
    }
}

#[track_caller]
fn refused<A>(kernel: Template<A>, line: u32, words: &str) {
    let message = message(kernel.compile(&Device::sim()).err());
    assert!(message.contains(words), "{message}");
    assert!(message.contains(&format!("problems_of_building.rs:{line}:")), "{message}");
}

fn message(error: Option<hidet::Error>) -> String {
    error.map(|error| error.to_string()).unwrap_or_default()
}

fn main() {
    let leak = message(leaks().build().err());
    assert!(leak.contains("computed inside a branch or loop that has ended"), "{leak}");
    assert!(leak.contains("problems_of_building.rs:14"), "{leak}");
    let group = message(grouped().build().err());
    assert!(group.contains("must be multiples of 32"), "{group}");
    let size = message(sized().build().err());
    assert!(size.contains("not known to the launcher"), "{size}");
    refused(crowd(), 33, "a block of 2048 x 1 x 1 threads");
    refused(nowhere(), 36, "a grid of -1 blocks along x");
    refused(heavy(), 39, "233488 bytes of shared memory, @wide alone 233472; a block has at most");
    refused(nothing(), 46, "@none has an extent of 0");
    refused(tall(), 51, "a tensor map of @x: an extent of the tile is 300; it must be 1 to 256");
    refused(scrambled(), 60, "`tile` is copied through a tensor map with Swizzle::B128, but threads read or write its elements");
    refused(scrambled_back(), 69, "`tile` is copied through a tensor map with Swizzle::B128");
    refused(three(), 74, "3 elements at once: a vector has 1, 2, 4, 8 or 16");
    refused(endless(), 86, "100 calls of device functions are nested where `factorial` is called");
    assert!(recursive().build().is_ok());
    let device = Device::sim();
    let run = || half_warp().compile(&device)?.launch(&device.zeros([48])?, &mut device.zeros([48])?);
    let odd = message(run().err());
    let words = "which does not exist: the last warp of a block of 48 threads has 16 lanes";
    assert!(odd.contains(words) && !odd.contains("ended"), "{odd}");
}
