"""Small ONNX models for tests: made in place, no training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from afmend.artifacts.learned_inputs import INPUTS, KINDS, VERSION
from afmend.inference.card import Card, write_card
from afmend.training.export import described


def network(weights: np.ndarray, bias: np.ndarray, kernel: tuple[int, int] = (1, 1)) -> onnx.ModelProto:
    """A convolution and a sigmoid: maps (1, ins, rows, cols) to probability (1, outs, rows, cols)."""
    outs, ins = weights.shape[:2]
    pads = [kernel[0] // 2, kernel[1] // 2] * 2
    nodes = [
        helper.make_node("Conv", ["maps", "w", "b"], ["x"], kernel_shape=kernel, pads=pads),
        helper.make_node("Sigmoid", ["x"], ["probability"]),
    ]
    sizes = [[1, n, "rows", "cols"] for n in (ins, outs)]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("maps", TensorProto.FLOAT, sizes[0])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, sizes[1])],
        [
            helper.make_tensor("w", TensorProto.FLOAT, weights.shape, weights.astype(np.float32).ravel()),
            helper.make_tensor("b", TensorProto.FLOAT, bias.shape, bias.astype(np.float32)),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def spike_model(folder: Path, *, task: str = "masks", version: int = VERSION) -> Path:
    """Write a model for the learned masks that calls a scar what bends sharply across the lines; return its card."""
    weights = np.zeros((len(KINDS), len(INPUTS), 1, 1))
    weights[0, 1] = 1.5
    bias = np.full(len(KINDS), -5.0)
    path = folder / "tiny-int8.onnx"
    path.write_bytes(network(weights, bias).SerializeToString())
    card = Card(
        name="tiny", task=task, version="7", files={"int8": described(path)}, inputs=INPUTS, inputs_version=version,
        outputs=KINDS, thresholds=dict.fromkeys(KINDS, 0.5), parameters=weights.size, made_with={},
    )  # fmt: skip
    write_card(card, folder / "tiny.json")
    return folder / "tiny.json"
