"""Makes models whose weights were taken out runnable, with inputs and what ONNX Runtime computes of them.

    python3 paper_models.py MODELS OUT [PART OF A NAME] [NAME=EXTENT ..]

Of each MODELS/*.onnx, initializers without data become normal numbers with the standard deviation in their doc_string, drawn
from a seed and their name. OUT/*.onnx are the whole models, and OUT/reference/*.npz their inputs (in_*), outputs (out_*) and
the outputs of another input (other_*): smooth pictures, or tokens. Dynamic extents are 1, or given, as bs=4; then the archive
is OUT/reference/*.bs=4.npz, and models without such an extent are left out. Needs: onnx, onnxruntime, numpy.
"""

import sys
import zlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper


def fill(model):
    for tensor in model.graph.initializer:
        has_data = any(len(getattr(tensor, f"{kind}_data")) for kind in ("raw", "float", "int32", "int64", "double"))
        if has_data or 0 in tensor.dims:
            continue
        scale = float(tensor.doc_string.removeprefix("std=")) or 0.02
        random = np.random.default_rng(zlib.crc32(tensor.name.encode()))
        values = random.standard_normal(list(tensor.dims), dtype=np.float32) * np.float32(scale)
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
        tensor.CopyFrom(numpy_helper.from_array(values.astype(dtype), tensor.name))


def picture(shape, seed):
    """Waves of a few lengths and directions: neighbouring pixels are nearly equal, as in photographs."""
    random = np.random.default_rng(seed)
    y, x = np.meshgrid(np.linspace(0, 1, shape[2]), np.linspace(0, 1, shape[3]), indexing="ij")
    image = np.zeros(shape)
    for _ in range(6):
        wave = random.uniform(-6, 6, (shape[0], shape[1], 2, 1, 1))
        phase = random.uniform(0, 2 * np.pi, (shape[0], shape[1], 1, 1))
        image += np.sin(2 * np.pi * (wave[:, :, 0] * y + wave[:, :, 1] * x) / 2 + phase) / 3
    return image.astype(np.float32)


def inputs(model, seed, extents):
    known = {tensor.name for tensor in model.graph.initializer}
    made = {}
    for value in model.graph.input:
        if value.name in known:
            continue
        kind = value.type.tensor_type
        shape = [dim.dim_value or extents.get(dim.dim_param, 1) for dim in kind.shape.dim]
        random = np.random.default_rng(zlib.crc32(value.name.encode()) + seed)
        if kind.elem_type == onnx.TensorProto.FLOAT:
            made[value.name] = picture(shape, seed)
        elif "mask" in value.name:
            made[value.name] = np.ones(shape, np.int64)
        elif "type" in value.name:
            made[value.name] = np.zeros(shape, np.int64)
        else:
            made[value.name] = random.integers(0, 20000, shape)
    return made


def main():
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    part = "".join(text for text in sys.argv[3:] if "=" not in text)
    pairs = [text for text in sys.argv[3:] if "=" in text]
    extents = {name: int(extent) for name, extent in (pair.split("=") for pair in pairs)}
    (target / "reference").mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*.onnx")):
        if part not in path.name:
            continue
        model = onnx.load(path)
        open_extents = {dim.dim_param for value in model.graph.input for dim in value.type.tensor_type.shape.dim}
        if not open_extents.issuperset(extents):
            continue
        fill(model)
        onnx.save(model, target / path.name)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(str(target / path.name), options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        own, other = inputs(model, 1, extents), inputs(model, 2, extents)
        arrays = {f"in_{name}": array for name, array in own.items()}
        for kind, given in (("out", own), ("other", other)):
            for name, array in zip(names, session.run(names, given)):
                arrays[f"{kind}_{name}"] = array
        # `savez` adds `.npz` to a name without it.
        np.savez(target / "reference" / ".".join([path.stem, *pairs, "npz"]), **arrays)
        print(path.name, {name: array.shape for name, array in arrays.items()}, flush=True)


main()
