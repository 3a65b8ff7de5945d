// Operands that tensor cores cannot read, and copies that do not exist: errors at their lines.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 128)]
    pub fn padded(d: Out<f32, [64, 8]>) {
        let a = shared::<bf16>(Layout::strided([64, 64], [72, 1]));
        let b = shared::<bf16>(matrix_layout::<bf16>([8, 64], Swizzle::B128));
        let sums = registers::<f32>([4]);
        wgmma::<8>(&sums[[0]], &a[[0, 0]], &b[[0, 0]]);
        d[[thread_id() / 8, 0]] = sums[[0]];
    }

    #[launch(grid = 1, block = 128)]
    pub fn integers(d: Out<i32, [64, 8]>) {
        let a = shared::<i8>(matrix_layout::<i8>([64, 32], Swizzle::B32));
        let b = shared::<i8>(matrix_layout::<i8>([8, 32], Swizzle::B32));
        let sums = registers::<i32>([4]);
        wgmma_sub::<8>(&sums[[0]], &a[[0, 0]], &b[[0, 0]]);
        d[[thread_id() / 8, 0]] = sums[[0]];
    }

    #[launch(grid = 1, block = 32)]
    pub fn fetched(x: In<f32, [128]>) {
        let tile = shared::<f32>([128]);
        let hint = CopyHint { first_level: false, prefetch: 100 };
        cp_async_hint::<4>(&tile[[0]], &x[[0]], 4i32, hint);
    }

    #[launch(grid = 1, block = 32)]
    pub fn written(x: InOut<f32, [128]>) {
        let v = load_hint::<4>(&x[[thread_id() * 4]], LoadHint::ReadOnly);
        x.store((thread_id() * 4,), v);
    }

    #[launch(grid = 1, block = 32)]
    pub fn narrow(x: Out<f32, [8]>) {
        let tile = shared::<f32>(matrix_layout::<f32>([12, 8], Swizzle::B64));
        x[[0]] = tile[[0, 0]];
    }

    #[launch(grid = 1, block = 32)]
    pub fn part(x: Out<f32, [8]>) {
        let tile = shared::<f32>([8, 8]).slice(1);
        x[[0]] = tile.relaid::<2>(Layout::row_major([2, 4]))[[0, 0]];
    }

    #[launch(grid = 1, block = 32)]
    pub fn larger(x: Out<f32, [8]>) {
        let tile = shared::<f32, 1>([8]);
        x[[0]] = tile.relaid::<2>(Layout::row_major([3, 3]))[[0, 0]];
    }
}

fn message<T>(result: hidet::Result<T>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

fn main() {
    let device = Device::sim();
    let says = |message: String, what: &str, line: u32| {
        assert!(message.contains(what), "{message}");
        assert!(message.contains(&format!("matrix_problems.rs:{line}")), "{message}");
    };
    says(message(padded().compile(&device)), "`a` is not laid out as tensor cores require", 11);
    says(message(integers().compile(&device)), "a product of integers cannot be subtracted", 20);
    says(message(fetched().compile(&device)), "fetches 64, 128 or 256 bytes, not 100", 28);
    says(message(written().compile(&device)), "it must be an `in` parameter", 33);
    says(message(part().compile(&device)), "only a whole buffer in shared memory can have another layout", 46);
    says(message(larger().compile(&device)), "the layout needs 9 elements, but the buffer has 8", 52);
    says(message(narrow().compile(&device)), "has rows of 32 bytes; they must be a multiple of 64", 39);
}
