"""Trains the small network of example 14 on 1,200 of the 1,797 digits and writes weights.f32.

Needs numpy only. Deterministic: the split, the first weights and the order of the samples come from one seed.

    python3 examples/digits/train.py

The split is written so that the example can repeat it without a library: sort the samples by
`(index * 2654435761 + seed) mod 2^32`; the first 1,200 train, the other 597 are held out.

weights.f32, little endian: w1 [64, 96], b1 [96], w2 [96, 10], b2 [10]. export.py makes digits.onnx of it, so run that too.
"""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SEED = 7
HIDDEN = 96
EPOCHS = 120


def split(count):
    keys = (np.arange(count, dtype=np.uint64) * 2654435761 + SEED) % 2**32
    order = np.argsort(keys, kind="stable")
    return order[:1200], order[1200:]


def shifted(images, dx, dy):
    """The images moved by a pixel, zeros coming in: the only augmentation."""
    moved = np.roll(images.reshape(-1, 8, 8), (dy, dx), axis=(1, 2))
    if dx == 1: moved[:, :, 0] = 0
    if dx == -1: moved[:, :, -1] = 0
    if dy == 1: moved[:, 0, :] = 0
    if dy == -1: moved[:, -1, :] = 0
    return moved.reshape(-1, 64)


def forward(x, w1, b1, w2, b2):
    hidden = np.maximum(x @ w1 + b1, 0)
    logits = hidden @ w2 + b2
    p = np.exp(logits - logits.max(1, keepdims=True))
    return hidden, p / p.sum(1, keepdims=True)


def main():
    data = np.fromfile(HERE / "digits.u8", dtype=np.uint8).reshape(-1, 65)
    images, labels = data[:, :64].astype(np.float32) / 16, data[:, 64]
    train, test = split(len(data))
    shifts = [(0, 0), (0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
    x = np.concatenate([shifted(images[train], dx, dy) for dx, dy in shifts])
    y = np.concatenate([labels[train]] * len(shifts))

    rng = np.random.default_rng(SEED)
    params = [
        rng.normal(0, (2 / 64) ** 0.5, (64, HIDDEN)), np.zeros(HIDDEN),
        rng.normal(0, (2 / HIDDEN) ** 0.5, (HIDDEN, 10)), np.zeros(10),
    ]
    params = [p.astype(np.float32) for p in params]
    first, second = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params]
    step = 0
    for epoch in range(EPOCHS):
        rate = 2e-3 * 0.5 * (1 + np.cos(np.pi * epoch / EPOCHS))
        order = rng.permutation(len(x))
        for batch in np.array_split(order, len(x) // 64):
            step += 1
            w1, b1, w2, b2 = params
            hidden, p = forward(x[batch], *params)
            p[np.arange(len(batch)), y[batch]] -= 1
            p /= len(batch)
            back = (p @ w2.T) * (hidden > 0)
            grads = [x[batch].T @ back, back.sum(0), hidden.T @ p, p.sum(0)]
            for i, g in enumerate(grads):
                g = g + (2e-4 * params[i] if params[i].ndim == 2 else 0)
                first[i] += 0.1 * (g - first[i])
                second[i] += 0.001 * (g * g - second[i])
                m, v = first[i] / (1 - 0.9**step), second[i] / (1 - 0.999**step)
                params[i] = (params[i] - rate * m / (np.sqrt(v) + 1e-8)).astype(np.float32)
    for name, part in (("train", train), ("held out", test)):
        right = (forward(images[part], *params)[1].argmax(1) == labels[part]).sum()
        print(f"{name}: {right} of {len(part)} right, {100 * right / len(part):.2f}%")
    np.concatenate([p.ravel() for p in params]).astype("<f4").tofile(HERE / "weights.f32")


if __name__ == "__main__":
    main()
