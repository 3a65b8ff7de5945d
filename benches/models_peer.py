#!/usr/bin/env python3
"""Times whole models by other programs for `hidet bench MODEL.onnx`, which starts it, once for each program.

It reads lines: `case 1 PROGRAM ARITHMETIC NAME=EXTENT,.. MODEL.onnx` prepares a model and answers `ready`, `time` runs it once
and answers microseconds; any other answer is an error. Programs: `torch` (PyTorch's own model of that name, under a CUDA
graph), `torch.compile` (the same, compiled with max-autotune-no-cudagraphs, under a CUDA graph), `ort` (ONNX Runtime's CUDA
provider on the file itself, or its copy in f16, with I/O binding and its CUDA graph). TF32 is off unless the arithmetic
is tf32. Images of 16 bits have channels last. Weights are random; inputs too.
"""

import os
import sys
import tempfile

# What libraries print must not come between the answers.
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

try:
    import torch
except ImportError as error:
    print(error, file=ANSWERS, flush=True)
    sys.exit(1)

TYPES = {"f32": torch.float32, "tf32": torch.float32, "tf32x3": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
IMAGES = {"resnet50": 224, "mobilenet_v2": 224, "inception_v3": 299}


def torch_model(name, dtype, extents):
    """PyTorch's model of that name, and its inputs."""
    torch.manual_seed(0)
    batch = extents.get("bs", 1)
    if name in IMAGES:
        import torchvision

        more = {"aux_logits": True, "init_weights": False} if name == "inception_v3" else {}
        model = getattr(torchvision.models, name)(**more).eval().cuda().to(dtype)
        x = torch.randn(batch, 3, IMAGES[name], IMAGES[name], device="cuda", dtype=dtype)
        if dtype != torch.float32:
            model, x = (own.to(memory_format=torch.channels_last) for own in (model, x))
        return model, (x,)
    from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel

    if name == "bert":
        model = BertModel(BertConfig()).eval().cuda().to(dtype)
    elif name == "gpt2":
        model = GPT2LMHeadModel(GPT2Config(use_cache=False)).eval().cuda().to(dtype)
    else:
        raise ValueError(f"PyTorch has no model {name} here")
    ids = torch.randint(0, 20000, (batch, 128), device="cuda")
    return model, (ids, torch.ones_like(ids))


def of_torch(name, arithmetic, extents, compiles):
    model, inputs = torch_model(name, TYPES[arithmetic], extents)
    torch.backends.cudnn.benchmark = True
    call = torch.compile(model, dynamic=False, mode="max-autotune-no-cudagraphs") if compiles else model

    def run():
        with torch.no_grad():
            return call(*inputs)

    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(4):
            run()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()

    def time():
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) * 1e3

    return time


def half(path):
    """A copy of a model whose floats are f16: initializers, casts, and the types of inputs and outputs."""
    import onnx
    from onnx import TensorProto, numpy_helper

    model = onnx.load(path)
    tensors = list(model.graph.initializer)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                tensors.append(attribute.t)
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
    for tensor in tensors:
        if tensor.data_type == TensorProto.FLOAT:
            values = numpy_helper.to_array(tensor).clip(-65504, 65504).astype("float16")
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for value in [*model.graph.input, *model.graph.output]:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.FLOAT16
    del model.graph.value_info[:]
    copy = os.path.join(tempfile.mkdtemp(), "half.onnx")
    onnx.save(model, copy)
    return copy


def of_ort(path, arithmetic, extents):
    import numpy
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise RuntimeError("this ONNX Runtime has no CUDA provider")
    onnxruntime.set_default_logger_severity(3)
    path = half(path) if arithmetic == "f16" else path
    options = {"enable_cuda_graph": "1", "use_tf32": str(int(arithmetic == "tf32")), "cudnn_conv_algo_search": "EXHAUSTIVE"}
    session = onnxruntime.InferenceSession(path, providers=[("CUDAExecutionProvider", options)])
    types = {"tensor(float)": torch.float32, "tensor(float16)": torch.float16, "tensor(int64)": torch.int64}
    numbers = {torch.float32: numpy.float32, torch.float16: numpy.float16, torch.int64: numpy.int64}
    inputs = []
    for value in session.get_inputs():
        shape = [extent if isinstance(extent, int) else extents.get(extent, 1) for extent in value.shape]
        dtype = types[value.type]
        x = torch.randint(0, 2, shape, device="cuda") if dtype == torch.int64 else torch.randn(shape, device="cuda")
        inputs.append((value.name, x.to(dtype).contiguous()))

    def bound(outputs=None):
        binding = session.io_binding()
        for name, x in inputs:
            binding.bind_input(name, "cuda", 0, numbers[x.dtype], tuple(x.shape), x.data_ptr())
        for at, value in enumerate(session.get_outputs()):
            if outputs is None:
                binding.bind_output(value.name, "cuda")
            else:
                binding.bind_ortvalue_output(value.name, outputs[at])
        return binding

    # The graph needs outputs whose memory stays.
    first = bound()
    session.run_with_iobinding(first)
    outputs = first.get_outputs()
    binding = bound(outputs)
    for _ in range(5):
        session.run_with_iobinding(binding)

    def time():
        import time

        # Many runs, as each is submitted by the host.
        repeats = 10
        binding.synchronize_outputs()
        begin = time.perf_counter()
        for _ in range(repeats):
            session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return (time.perf_counter() - begin) / repeats * 1e6

    return time


def prepared(words):
    program, arithmetic, extents, path = words
    extents = {name: int(extent) for name, extent in (pair.split("=") for pair in extents.split(",") if pair != "-")}
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = arithmetic == "tf32"
    name = os.path.basename(path).split(".")[0]
    if program == "ort":
        return of_ort(path, arithmetic, extents)
    return of_torch(name, arithmetic, extents, program == "torch.compile")


def main():
    answer = lambda text: print(text, file=ANSWERS, flush=True)
    answer("ready")
    time = None
    for line in sys.stdin:
        words = line.split(" ")
        try:
            if words[0] == "case":
                time = prepared([*words[2:5], " ".join(words[5:]).strip()])
                answer("ready")
            else:
                answer(f"{time():.3f}")
        except Exception as error:
            answer(f"{type(error).__name__}: {error}".replace("\n", " ")[:300])


main()
