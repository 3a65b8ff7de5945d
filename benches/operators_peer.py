#!/usr/bin/env python3
"""Times operators of PyTorch for `hidet bench operators`, which starts it.

It reads lines: `case REPEATS WORDS..` records REPEATS calls in a CUDA graph and answers `ready`, `time` replays it once and
answers microseconds per call; any other answer is an error. Products are those of cuBLAS, attention is that of cuDNN through
scaled_dot_product_attention, that of single queries and of f32 by the quickest way of it, orders, sums up to each element, LSTM and
resizing are its own kernels, everything else is compiled by torch.compile.
"""

import sys

try:
    import torch
    import torch.nn.functional as F
    from torch.nn.attention import SDPBackend, sdpa_kernel
except ImportError as error:
    print(error, flush=True)
    sys.exit(1)

TYPES = {"f16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32, "tf32": torch.float32, "x3": torch.float32}


def attention_backends(names=("FLASH_ATTENTION", "CUDNN_ATTENTION", "EFFICIENT_ATTENTION")):
    """Contexts in which attention is computed by one way each."""
    return [lambda own=getattr(SDPBackend, name): sdpa_kernel(own) for name in names]


def fastest(call, contexts):
    """The call in that context, of those that accept it, in which it takes the least time."""
    best = None
    for context in contexts:

        def within(context=context):
            with context():
                return call()

        try:
            within()
        except RuntimeError:
            continue
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(5):
            within()
        end.record()
        torch.cuda.synchronize()
        time = begin.elapsed_time(end)
        if best is None or time < best[0]:
            best = (time, within)
    if best is None:
        raise RuntimeError("no backend accepts it")
    return best[1]


def call_of(words):
    """The work of a case as a function without arguments."""
    operator, dtype, *kind, shape = words
    shape = [int(extent) for extent in shape.split("x")]
    new = lambda *shape: torch.randn(*shape, device="cuda", dtype=TYPES[dtype])
    compiled = lambda f: torch.compile(f, dynamic=False)
    torch.backends.cuda.matmul.allow_tf32 = dtype == "tf32"
    if operator == "matmul" and dtype in ("e4m3", "i8"):
        m, n, k = shape
        if dtype == "i8":
            a, b = (torch.randint(-80, 80, extents, device="cuda", dtype=torch.int8) for extents in ((m, k), (n, k)))
            return lambda: torch._int_mm(a, b.t())
        a, b = (torch.randn(*extents, device="cuda").to(torch.float8_e4m3fn) for extents in ((m, k), (n, k)))
        one = torch.ones((), device="cuda")
        return lambda: torch._scaled_mm(a, b.t(), one, one, out_dtype=torch.bfloat16, use_fast_accum=True)
    if operator in ("matmul", "scaled_i8"):  # the other side of weights of 8 bits is the product of 16 bits
        m, n, k = shape
        a, b = new(m, k), new(k, n) if kind == ["nn"] else new(n, k).t()
        out = new(m, n)
        return lambda: torch.matmul(a, b, out=out)
    if operator == "linear":
        m, n, k = shape
        a, b, bias, residual = new(m, k), new(n, k), new(n), new(m, n)
        f = compiled(lambda a, b, bias, residual: F.gelu(a @ b.t() + bias) + residual)
        return lambda: f(a, b, bias, residual)
    if operator == "attention":
        q, k, v = (new(*shape) for _ in range(3))
        attend = lambda: F.scaled_dot_product_attention(q, k, v, is_causal=kind == ["causal"])
        # cuDNN has none of f32.
        names = ["CUDNN_ATTENTION"] if dtype != "f32" else ["EFFICIENT_ATTENTION", "MATH"]
        return fastest(attend, attention_backends(names))
    if operator == "decode":
        sequences, heads, shared, context, features = shape
        q, k, v = new(sequences, heads, 1, features), *(new(sequences, shared, context, features) for _ in range(2))
        return fastest(lambda: F.scaled_dot_product_attention(q, k, v, enable_gqa=True), attention_backends())
    if operator in ("conv", "conv_bare", "conv_add"):
        size, channels, outputs, kernel, stride = shape
        new = lambda *shape: torch.randn(*shape, device="cuda", dtype=TYPES[dtype]).to(memory_format=torch.channels_last)
        x, w = new(int(kind[0]), channels, size, size), new(outputs, channels, kernel, kernel)
        bias = torch.randn(outputs, device="cuda", dtype=TYPES[dtype])
        if operator == "conv_bare":
            return lambda: F.conv2d(x, w, stride=stride, padding=kernel // 2)
        if operator == "conv_add":
            residual = torch.randn_like(F.conv2d(x, w, stride=stride, padding=kernel // 2))
            f = compiled(lambda x, w, bias, r: F.relu(F.conv2d(x, w, bias, stride=stride, padding=kernel // 2)) + r)
            return lambda: f(x, w, bias, residual)
        pad, step = [kernel // 2] * 2, [stride] * 2
        return lambda: torch.cudnn_convolution_relu(x, w, bias, step, pad, [1, 1], 1)  # the fused convolution of cuDNN
    if operator == "depthwise":
        size, channels, kernel, stride = shape
        x, w = new(int(kind[0]), channels, size, size), new(channels, 1, kernel, kernel)
        x = x.to(memory_format=torch.channels_last)
        return lambda: F.conv2d(x, w, stride=stride, padding=kernel // 2, groups=channels)
    if operator == "lstm":
        length, batch, width = shape
        x, net = new(length, batch, width), torch.nn.LSTM(width, width, bias=False).to("cuda", TYPES[dtype])
        net.flatten_parameters()
        return lambda: net(x)[0]
    x = new(*shape)
    if operator in ("sort", "topk", "cumsum", "resize"):
        eager = {
            "sort": lambda: torch.sort(x, dim=1),
            "topk": lambda: torch.topk(x, 64, dim=1),
            "cumsum": lambda: torch.cumsum(x, dim=1),
            "resize": lambda: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False),
        }
        return eager[operator]
    if operator == "layer_norm":
        scale, bias = new(shape[-1]), new(shape[-1])
        f = compiled(lambda x, scale, bias: F.layer_norm(x, shape[-1:], scale, bias))
        return lambda: f(x, scale, bias)
    if operator == "rms_norm":
        scale = new(shape[-1])
        f = compiled(lambda x, scale: F.rms_norm(x, shape[-1:], scale, 1e-5))
        return lambda: f(x, scale)
    if operator == "concat":
        y = new(*shape)
        f = compiled(lambda x, y: torch.cat([x, y], dim=1))
        return lambda: f(x, y)
    if operator == "gather":
        at = torch.randint(0, shape[0], (shape[0],), device="cuda")
        f = compiled(lambda x, at: x[at])
        return lambda: f(x, at)
    one = {
        "softmax": lambda x: torch.softmax(x, dim=1),
        "gelu": F.gelu,
        "transpose": lambda x: x.t().contiguous(),
        "reduce_rows": lambda x: x.sum(dim=1),
        "reduce_cols": lambda x: x.sum(dim=0),
        "reduce_middle": lambda x: x.sum(dim=1),
    }
    f = compiled(one[operator])
    return lambda: f(x)


class Replay:
    def __init__(self, call, repeats):
        stream = torch.cuda.Stream()
        with torch.no_grad(), torch.cuda.stream(stream):
            for _ in range(3):
                call()
            torch.cuda.synchronize()
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph, stream=stream):
                for _ in range(repeats):
                    call()
        self.repeats = repeats

    def time(self):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        self.graph.replay()
        end.record()
        torch.cuda.synchronize()
        return begin.elapsed_time(end) * 1e3 / self.repeats


def main():
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    print("ready", flush=True)
    replay = None
    for line in sys.stdin:
        words = line.split()
        try:
            if words[0] == "case":
                replay = None
                torch.cuda.empty_cache()
                torch._dynamo.reset()
                replay = Replay(call_of(words[2:]), int(words[1]))
                print("ready", flush=True)
            else:
                print(replay.time(), flush=True)
        except Exception as error:  # reported to the other side, which goes on with the next case
            print(" ".join(str(error).split())[:300] or type(error).__name__, flush=True)


if __name__ == "__main__":
    sys.exit(main())
