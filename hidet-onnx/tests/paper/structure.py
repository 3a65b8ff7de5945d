"""Writes models without their weights: tensors of floats are in a file of zeros, of which tests make as many as they need.

    python3 structure.py MODELS OUT

Each MODELS/*.onnx becomes OUT/*.onnx with the same nodes, versions, inputs, outputs, integers and single numbers. All other
tensors keep name, type and extents, and have external data at the beginning of `zeros.bin`, which is not written. Names of
nodes, documentation and types of values between nodes are left out. Needs: onnx.
"""

import sys
from pathlib import Path

import onnx
from onnx import TensorProto, helper

# Tensors with at most as many elements stay: factors and bounds of formulas.
KEPT = 4


def without_data(tensor):
    count = 1
    for dim in tensor.dims:
        count *= dim
    if count <= KEPT or tensor.data_type != TensorProto.FLOAT:
        tensor.ClearField("doc_string")
        return
    bare = TensorProto(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type)
    bare.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "zeros.bin"), ("offset", 0), ("length", 4 * count)):
        bare.external_data.add(key=key, value=str(value))
    tensor.CopyFrom(bare)


def main():
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    for path in sorted(source.glob("*.onnx")):
        model = onnx.load(path, load_external_data=False)
        graph = model.graph
        for tensor in graph.initializer:
            without_data(tensor)
        for node in graph.node:
            for field in ("name", "doc_string", "metadata_props"):
                node.ClearField(field)
        for field in ("value_info", "metadata_props", "doc_string", "quantization_annotation"):
            graph.ClearField(field)
        for field in ("metadata_props", "doc_string"):
            model.ClearField(field)
        (target / path.name).write_bytes(model.SerializeToString(deterministic=True))
        print(path.name, (target / path.name).stat().st_size)


main()
