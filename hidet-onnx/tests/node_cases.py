"""Writes the standard's node cases, which tests/node_cases.rs runs, as files to a folder.

Needs onnx 1.23.2, which has the cases as Python. Each becomes a folder with model.onnx, and test_data_set_0 with
input_0.pb, input_1.pb, .. and output_0.pb, ..

    python3 hidet-onnx/tests/node_cases.py FOLDER
"""

import sys
import warnings
from pathlib import Path

import numpy as np
from onnx import OptionalProto, SequenceProto, TensorProto, numpy_helper
from onnx.backend.test.case.node import collect_testcases

# The number of cases of that version: if fewer are found, a test of them proves little.
COUNT = 1884

# How a value that is not a tensor becomes a message.
CONTAINERS = {
    "sequence_type": numpy_helper.from_list,
    "optional_type": numpy_helper.from_optional,
    "map_type": numpy_helper.from_dict,
}


def message(value, declared):
    """The message of an input or output."""
    if isinstance(value, (TensorProto, SequenceProto, OptionalProto)):
        return value
    container = CONTAINERS.get(declared.type.WhichOneof("value"))
    return container(value, declared.name) if container else numpy_helper.from_array(np.asarray(value), declared.name)


def write(case, folder):
    data = folder / "test_data_set_0"
    data.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString(deterministic=True))
    graph = case.model.graph
    inputs, outputs = case.data_sets[0]
    for kind, values, declared in (("input", inputs, graph.input), ("output", outputs, graph.output)):
        for number, (value, own) in enumerate(zip(values, declared)):
            (data / f"{kind}_{number}.pb").write_bytes(message(value, own).SerializeToString())


def main():
    # Cases with infinities and NaN warn while they are computed.
    warnings.filterwarnings("ignore")
    cases = collect_testcases(None)
    if len(cases) < COUNT:
        sys.exit(f"{len(cases)} cases were found, but there are {COUNT} in onnx 1.23.2")
    for case in cases:
        write(case, Path(sys.argv[1]) / case.name)
    print(f"{len(cases)} cases")


if __name__ == "__main__":
    main()
