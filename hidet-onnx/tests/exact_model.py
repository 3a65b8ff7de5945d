"""Computes a model in f64, where f32 of ONNX Runtime is not a measure.

    python3 exact_model.py MODEL.onnx REFERENCE.npz OUT.npy

REFERENCE.npz has the model's one input as in_*, and what ONNX Runtime computes of it in f32 as out_*. OUT.npy is every eighth
row of the output, and how far ONNX Runtime is from all of it is printed, as a part of the range of its output. The reference
evaluator of onnx computes all but batch normalisations, which it gets wrong (1.23.2). Needs: onnx, numpy.
"""

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

ROWS = 8


def in_f64(tensor):
    if tensor.data_type == TensorProto.FLOAT:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))


def widen(graph):
    for tensor in graph.initializer:
        in_f64(tensor)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name == "value":
                in_f64(attribute.t)
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE
    for value in [*graph.input, *graph.output, *graph.value_info]:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE


def without_batch_norms(graph):
    """Replaces batch normalisations of images by a product and a sum."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    nodes = []
    for node in graph.node:
        if node.op_type != "BatchNormalization":
            nodes.append(node)
            continue
        epsilon = next((attribute.f for attribute in node.attribute if attribute.name == "epsilon"), 1e-5)
        scale, bias, mean, variance = (constants[name] for name in node.input[1:5])
        factor = scale / np.sqrt(variance + epsilon)
        names = [f"{node.output[0]}.{part}" for part in ("factor", "term", "product")]
        for name, values in zip(names, (factor, bias - mean * factor)):
            graph.initializer.append(numpy_helper.from_array(values.reshape(1, -1, 1, 1), name))
        nodes.append(helper.make_node("Mul", [node.input[0], names[0]], [names[2]]))
        nodes.append(helper.make_node("Add", [names[2], names[1]], [node.output[0]]))
    del graph.node[:]
    graph.node.extend(nodes)


def main():
    path, reference, out = sys.argv[1:]
    model = onnx.load(path)
    widen(model.graph)
    without_batch_norms(model.graph)
    arrays = np.load(reference)
    given, wanted = (next(arrays[name] for name in arrays if name.startswith(kind)) for kind in ("in_", "out_"))
    exact = ReferenceEvaluator(model).run(None, {model.graph.input[0].name: given.astype(np.float64)})[0]
    np.save(out, exact[:, :, ::ROWS].astype(np.float32))
    wanted = wanted.astype(np.float64)
    print("ONNX Runtime in f32 is away by", np.abs(exact - wanted).max() / np.ptp(wanted))


main()
