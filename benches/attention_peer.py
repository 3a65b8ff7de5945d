#!/usr/bin/env python3
"""Times attention of cuDNN, through PyTorch's scaled_dot_product_attention, at the shapes of `hidet bench 'flash_attention<..>'`.

    benches/attention_peer.py [--csv FILE] [--rounds 7] [--launches 50]

Each call is captured in a CUDA graph of `launches` calls, which is replayed `rounds` times on random inputs after a warm-up;
the time of a call is the median of the rounds. Run it before and after the command whose kernels it is compared with.
"""

import argparse
import csv
import statistics
import sys

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

# batch x heads, length, extent of a head
SHAPES = [(128, 2048, 64), (128, 2048, 128)]


def measure(call, rounds, launches):
    """Median time of a call in ms."""
    call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(launches):
            call()
    graph.replay()
    times = []
    for _ in range(rounds):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        graph.replay()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) / launches)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--launches", type=int, default=50)
    options = parser.parse_args()
    rows = []
    for heads, length, extent in SHAPES:
        for dtype in (torch.float16, torch.bfloat16):
            # cuDNN takes (batch, heads, length, extent).
            q, k, v = (torch.randn(heads // 32, 32, length, extent, device="cuda", dtype=dtype) for _ in range(3))
            for causal in (False, True):
                with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
                    call = lambda: scaled_dot_product_attention(q, k, v, is_causal=causal)
                    time = measure(call, options.rounds, options.launches)
                flops = 4 * heads * length * length * extent * (0.5 if causal else 1.0)
                name = f"{str(dtype).removeprefix('torch.')}, {extent}{', causal' if causal else ''}"
                rows.append(("cudnn", name, f"{heads}x{length}", time, flops / time / 1e9))
                print(f"cudnn {name:24} {heads}x{length}  {time * 1e3:8.1f} us  {rows[-1][-1]:6.1f} TFLOP/s", flush=True)
    if options.csv:
        with open(options.csv, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["implementation", "case", "shape", "median_ms", "tflops"])
            writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main())
