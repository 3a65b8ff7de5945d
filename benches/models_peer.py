#!/usr/bin/env python3
"""Times whole models and layers by other programs for `hidet bench MODEL.onnx` and `hidet experiment`, which start it, once for
each program.

It reads lines. `case CALLS PROGRAM ARITHMETIC NAME=EXTENT,.. WORK` prepares work and answers `ready`, perhaps with a remark
behind a comma; `time` answers microseconds of one of CALLS calls, one behind the other; `versions` answers what was imported
so far, or could be. Any other answer is an error. WORK is the path of a model of ONNX, or a layer of resnet50,
`conv_bn_relu:SIDExCHANNELSxOUTPUTSxKERNELxSTRIDE`.

Programs: `torch` (PyTorch's own model of that name, under a CUDA graph), `torch.compile` (the same, compiled with
its default mode, under a CUDA graph), `ort` (ONNX Runtime's CUDA provider on the file itself, or its copy in f16,
with I/O binding and its CUDA graph), `tract` (on the processor, in f32), `tvm:TRIALS` (TVM on the same file as `ort`, tuned by
MetaSchedule with so many trials for each task).
TF32 is off unless the arithmetic is tf32. Images of 16 bits have channels last in PyTorch. Weights of PyTorch are random, and
inputs too; masks are ones. A program needs its own packages alone.
"""

import gc
import importlib.metadata
import os
import sys
import tempfile

IMAGES = {"resnet50": 224, "mobilenet_v2": 224, "inception_v3": 299}
LAYER = "conv_bn_relu:"

# For trying the part of ONNX Runtime without a GPU: CPUExecutionProvider and cpu.
PROVIDER, MEMORY = "CUDAExecutionProvider", "cuda"


def layer_of(work):
    """Side, channels, outputs, side of the kernel, stride, of a layer; None of a model."""
    return [int(extent) for extent in work[len(LAYER) :].split("x")] if work.startswith(LAYER) else None


# PyTorch


def torch_model(work, dtype, extents):
    """PyTorch's model or layer, and its inputs."""
    import torch

    torch.manual_seed(0)
    batch = extents.get("bs", 1)
    name, layer = os.path.basename(work).split(".")[0], layer_of(work)
    if name in IMAGES or layer:
        if layer:
            side, channels, outputs, kernel, stride = layer
            conv = torch.nn.Conv2d(channels, outputs, kernel, stride, padding=kernel // 2)
            model = torch.nn.Sequential(conv, torch.nn.BatchNorm2d(outputs), torch.nn.ReLU())
        else:
            import torchvision

            side, channels = IMAGES[name], 3
            more = {"aux_logits": True, "init_weights": False} if name == "inception_v3" else {}
            model = getattr(torchvision.models, name)(**more)
        model = model.eval().cuda().to(dtype)
        x = torch.randn(batch, channels, side, side, device="cuda", dtype=dtype)
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
    return model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def of_torch(work, arithmetic, extents, calls, compiles):
    import torch

    types = {"f16": torch.float16, "bf16": torch.bfloat16}
    model, inputs = torch_model(work, types.get(arithmetic, torch.float32), extents)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = arithmetic == "tf32"
    torch.backends.cudnn.benchmark = True
    if compiles:
        torch._dynamo.reset()
    call = torch.compile(model, dynamic=False) if compiles else model

    def run():
        with torch.no_grad():
            return call(**inputs) if isinstance(inputs, dict) else call(*inputs)

    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(4):
            run()
    torch.cuda.synchronize()
    # Calls of a layer are one graph, as a graph of one kernel takes longer to launch than to run.
    inside = calls if layer_of(work) else 1
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(inside):
            run()

    # Replays use the memory of weights and inputs.
    def time(held=(model, inputs)):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(calls // inside):
            graph.replay()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) * 1e3 / calls

    return time, ""


# ONNX


def half(model):
    """Makes the floats of a model f16: initializers, casts, and the types of inputs and outputs."""
    from onnx import AttributeProto, TensorProto, numpy_helper

    tensors = list(model.graph.initializer)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
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


def layer_model(layer, batch, calls):
    """A model that computes a layer CALLS times, each of its own input, so that none is left out as a repetition."""
    import numpy
    from onnx import TensorProto, helper, numpy_helper

    side, channels, outputs, kernel, stride = layer
    out = (side + kernel // 2 * 2 - kernel) // stride + 1
    random = numpy.random.default_rng(0)
    new = lambda *shape: random.standard_normal(shape, dtype=numpy.float32) * 0.1
    ones = numpy.ones(outputs, numpy.float32)
    weights = {"w": new(outputs, channels, kernel, kernel), "b": new(outputs), "scale": ones, "shift": new(outputs)}
    weights |= {"mean": new(outputs), "variance": ones}
    nodes, inputs, results = [], [], []
    for call in range(calls):
        x, c, n, y = (f"{name}{call}" for name in "xcny")
        window = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [kernel // 2] * 4}
        nodes.append(helper.make_node("Conv", [x, "w", "b"], [c], **window))
        nodes.append(helper.make_node("BatchNormalization", [c, "scale", "shift", "mean", "variance"], [n]))
        nodes.append(helper.make_node("Relu", [n], [y]))
        inputs.append(helper.make_tensor_value_info(x, TensorProto.FLOAT, [batch, channels, side, side]))
        results.append(helper.make_tensor_value_info(y, TensorProto.FLOAT, [batch, outputs, out, out]))
    initializers = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "layer", inputs, results, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)


def onnx_model(work, arithmetic, extents, calls):
    """The model or layer in its floats with all extents known, and in how many runs it does all calls."""
    import onnx

    if arithmetic not in ("f32", "tf32", "tf32x3", "f16"):
        raise ValueError(f"models of ONNX are not computed in {arithmetic} here")
    layer = layer_of(work)
    model = layer_model(layer, extents.get("bs", 1), calls) if layer else onnx.load(work)
    if arithmetic == "f16":
        half(model)
    known = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in known]
    for dim in (dim for value in inputs for dim in value.type.tensor_type.shape.dim):
        dim.dim_value = dim.dim_value or extents.get(dim.dim_param, 1)
    for value in model.graph.output:  # inferred again from the inputs
        if any(dim.dim_param for dim in value.type.tensor_type.shape.dim):
            value.type.tensor_type.ClearField("shape")
    return model, (1 if layer else calls)


def arrays(model):
    """Random inputs of a model by name."""
    import numpy
    from onnx import helper

    random, made = numpy.random.default_rng(0), {}
    known = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        if value.name in known:
            continue
        kind = value.type.tensor_type
        shape, dtype = [dim.dim_value for dim in kind.shape.dim], helper.tensor_dtype_to_np_dtype(kind.elem_type)
        if dtype.kind == "f":
            made[value.name] = random.standard_normal(shape, dtype=numpy.float32).astype(dtype)
        elif "mask" in value.name or "type" in value.name:
            made[value.name] = numpy.full(shape, "mask" in value.name, dtype)
        else:
            made[value.name] = random.integers(0, 20000, shape).astype(dtype)
    return made


def of_ort(work, arithmetic, extents, calls):
    import time as clock

    import onnxruntime

    if PROVIDER not in onnxruntime.get_available_providers():
        raise RuntimeError("this ONNX Runtime has no CUDA provider; install onnxruntime-gpu")
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # of the packages that PyTorch brings
    onnxruntime.set_default_logger_severity(3)
    model, runs = onnx_model(work, arithmetic, extents, calls)
    content = model.SerializeToString()

    def session(graph):
        options = {"use_tf32": str(int(arithmetic == "tf32")), "cudnn_conv_algo_search": "EXHAUSTIVE"}
        options = {**options, "enable_cuda_graph": str(int(graph))} if MEMORY == "cuda" else {}
        made = onnxruntime.InferenceSession(content, providers=[(PROVIDER, options)])
        # It goes on with the CPU if the provider cannot be loaded.
        if PROVIDER not in made.get_providers():
            raise RuntimeError("the CUDA provider of ONNX Runtime cannot be loaded: its libraries are missing or of other versions")
        return made

    def prepare(session, graph):
        """A call that runs with inputs and outputs that stay where they are; a graph needs that."""
        options = onnxruntime.RunOptions()
        options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        first = onnxruntime.RunOptions()
        if graph:
            first.add_run_config_entry("gpu_graph_id", "-1")  # without recording, to know the outputs
        binding, inputs = session.io_binding(), []
        for name, array in arrays(model).items():
            inputs.append(onnxruntime.OrtValue.ortvalue_from_numpy(array, MEMORY, 0))
            binding.bind_ortvalue_input(name, inputs[-1])
        for value in session.get_outputs():
            binding.bind_output(value.name, MEMORY)
        session.run_with_iobinding(binding, first)
        outputs = binding.get_outputs()
        for value, output in zip(session.get_outputs(), outputs):
            binding.bind_ortvalue_output(value.name, output)
        for _ in range(5):
            session.run_with_iobinding(binding, options)
        binding.synchronize_outputs()
        held = (inputs, outputs)

        def run(times, held=held):
            for _ in range(times):
                session.run_with_iobinding(binding, options)
            binding.synchronize_outputs()

        return run

    try:
        run, remark = prepare(session(True), True), ""
    except Exception as error:
        # It refuses graphs of models with nodes on the CPU.
        remark = " ".join(f"without its CUDA graph: {type(error).__name__}: {error}".split())[:200]
        run = prepare(session(False), False)
    # The clock of the host, as its stream is its own; so at least ten runs.
    times = max(runs, 10) if runs == calls else runs
    each = times * calls / runs

    def time():
        begin = clock.perf_counter()
        run(times)
        return (clock.perf_counter() - begin) / each * 1e6

    return time, remark


def of_tract(work, arithmetic, extents, calls):
    """On the processor: tract has no GPU under Linux."""
    import time as clock

    import tract

    if arithmetic != "f32":
        raise ValueError("tract is measured in f32")
    model, runs = onnx_model(work, arithmetic, extents, calls)
    values = arrays(model)
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        file.write(model.SerializeToString())
        file.flush()
        loaded = tract.onnx().load(file.name)
    inputs = []
    for number in range(loaded.input_count()):
        array = values[loaded.input_name(number)]
        kind = {"float32": "f32", "int64": "i64", "int32": "i32", "bool": "bool"}[str(array.dtype)]
        loaded.set_input_fact(number, ",".join(map(str, array.shape)) + f",{kind}")
        inputs.append(array)
    runnable = loaded.into_model().into_runnable()
    runnable.run(inputs)

    def time():
        begin = clock.perf_counter()
        for _ in range(runs):
            runnable.run(inputs)
        return (clock.perf_counter() - begin) / calls * 1e6

    return time, "on the processor"


def of_tvm(work, arithmetic, extents, calls, trials):
    import tvm
    from tvm import relax
    from tvm.relax.frontend.onnx import from_onnx

    model, runs = onnx_model(work, arithmetic, extents, calls)
    inputs, device = arrays(model), tvm.cuda(0)
    target = tvm.target.Target.from_device(device)
    module = from_onnx(model, shape_dict={name: list(array.shape) for name, array in inputs.items()})
    with tempfile.TemporaryDirectory() as folder, target:
        # The trials of a task end its tuning, never those of all tasks together.
        settings = {"total_trials": trials * 10000, "max_trials_per_task": trials, "work_dir": folder}
        module = relax.get_pipeline("static_shape_tuning", target=target, **settings)(module)
        module = tvm.tir.transform.DefaultGPUSchedule()(module)
        machine = relax.VirtualMachine(tvm.compile(module, target=target), device)
    tensor = getattr(tvm.runtime, "tensor", None) or tvm.nd.array
    machine.set_input("main", *(tensor(array, device) for array in inputs.values()))

    def run(times):
        for _ in range(times):
            machine.invoke_stateful("main")
        device.sync()

    def time():
        import time as clock

        begin = clock.perf_counter()
        run(runs)
        return (clock.perf_counter() - begin) / calls * 1e6

    run(3)
    return time, ""


def prepared(calls, program, arithmetic, extents, work):
    """A function that returns microseconds per call, and a remark."""
    extents = {name: int(extent) for name, extent in (pair.split("=") for pair in extents.split(",") if pair != "-")}
    if program == "ort":
        return of_ort(work, arithmetic, extents, calls)
    if program == "tract":
        return of_tract(work, arithmetic, extents, calls)
    if program.startswith("tvm:"):
        return of_tvm(work, arithmetic, extents, calls, int(program[4:]))
    if program in ("torch", "torch.compile"):
        return of_torch(work, arithmetic, extents, calls, program == "torch.compile")
    raise ValueError(f"the program {program} is not known")


def versions():
    """The versions of the packages that are installed."""
    found = [f"Python {sys.version.split()[0]}"]
    packages = ["torch", "torchvision", "transformers", "triton", "nvidia-cudnn-cu13", "nvidia-cudnn-cu12"]
    for package in [*packages, "onnx", "onnxruntime", "onnxruntime-gpu", "apache-tvm", "tract"]:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            pass
    return ", ".join(found)


def main():
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    answer = lambda text: print(" ".join(text.split())[:300], file=answers, flush=True)
    answer("ready")
    time = None
    for line in sys.stdin:
        words = line.strip().split(" ")
        try:
            if words[0] == "case":
                # The memory of the case before is needed.
                time = None
                gc.collect()
                if "torch" in sys.modules:
                    sys.modules["torch"].cuda.empty_cache()
                time, remark = prepared(int(words[1]), *words[2:5], " ".join(words[5:]))
                answer(f"ready, {remark}" if remark else "ready")
            elif words[0] == "versions":
                answer(versions())
            else:
                answer(f"{time():.3f}")
        except Exception as error:
            answer(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
