"""Writes the network of weights.f32 as a model of ONNX, digits.onnx, which example 23 and `hidet run` run.

Needs numpy and onnx. Deterministic.

    python3 examples/digits/export.py

`images`, f32[n, 64] with pixels from 0 to 1, are the input; `chances`, f32[n, 10], the output.
"""

from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

HERE = Path(__file__).parent
SHAPES = {"w1": (64, 96), "b1": (96,), "w2": (96, 10), "b2": (10,)}


def main():
    ends = np.cumsum([np.prod(shape) for shape in SHAPES.values()])
    parts = np.split(np.fromfile(HERE / "weights.f32", dtype="<f4"), ends[:-1])
    weights = [numpy_helper.from_array(part.reshape(shape), name) for (name, shape), part in zip(SHAPES.items(), parts)]
    nodes = [
        helper.make_node("MatMul", ["images", "w1"], ["product1"]),
        helper.make_node("Add", ["product1", "b1"], ["sum1"]),
        helper.make_node("Relu", ["sum1"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "w2"], ["product2"]),
        helper.make_node("Add", ["product2", "b2"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["chances"], axis=1),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 64])
    chances = helper.make_tensor_value_info("chances", TensorProto.FLOAT, ["n", 10])
    graph = helper.make_graph(nodes, "digits", [images], [chances], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="hidet")
    checker.check_model(model, full_check=True)
    (HERE / "digits.onnx").write_bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
