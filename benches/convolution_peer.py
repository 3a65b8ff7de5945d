#!/usr/bin/env python3
"""Times convolutions of cuDNN, through PyTorch, at the shapes of `hidet bench convolution`.

    benches/convolution_peer.py [--csv FILE] [--rounds 15] [--launches 50]

Images are f16 with channels last; cuDNN chooses its algorithm by trial (`cudnn.benchmark`). Each convolution is captured in a
CUDA graph of `launches` calls, which is replayed `rounds` times on random inputs after a warm-up; the time of a call is the
median of the rounds. Run it before and after the command whose kernels it is compared with.
"""

import argparse
import csv
import sys

import torch
from torch.nn.functional import conv2d

from attention_peer import measure

# The 3 x 3 layers of resnet50: size, input channels, output channels, stride
LAYERS = [(56, 64, 64, 1), (56, 128, 128, 2), (28, 128, 128, 1), (28, 256, 256, 2), (14, 256, 256, 1), (14, 512, 512, 2), (7, 512, 512, 1)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--launches", type=int, default=50)
    options = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    rows = []
    for images in (1, 8):
        for size, channels, outputs, stride in LAYERS:
            new = lambda *shape: torch.randn(*shape, device="cuda", dtype=torch.float16).to(memory_format=torch.channels_last)
            x, f = new(images, channels, size, size), new(outputs, channels, 3, 3)
            with torch.no_grad():
                time = measure(lambda: conv2d(x, f, stride=stride, padding=1), options.rounds, options.launches)
            flops = 18 * images * ((size - 1) // stride + 1) ** 2 * channels * outputs
            rows.append(("cudnn", f"{images}x{size}x{channels}x{outputs}x{stride}", time, flops / time / 1e9))
            print(f"cudnn {rows[-1][1]:20} {time * 1e3:8.2f} us  {rows[-1][-1]:6.1f} TFLOP/s", flush=True)
    if options.csv:
        with open(options.csv, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["implementation", "shape", "median_ms", "tflops"])
            writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main())
