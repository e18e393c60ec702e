"""Export to ONNX: fp32 and int8, checked against torch in a fresh process."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from afmend.errors import ModelError
from afmend.inference.card import ModelFile

OPSET = 17
Map = NDArray[np.float32]


def export(
    network: nn.Module,
    samples: Sequence[Map],
    path: Path,
    *,
    outputs: Sequence[str] = ("answer",),
    dynamic: Sequence[int] = (2, 3),
) -> ModelFile:
    """Write a network as fp32 ONNX and compare ONNX Runtime in a fresh process with torch.

    Parameters
    ----------
    network : torch.nn.Module
        From one array to one array or several.
    samples : sequence of (1, ...) float32
        Inputs to compare on.
    path : Path
    outputs : sequence of str
        Names of the outputs.
    dynamic : sequence of int
        Axes whose size is free.

    Raises
    ------
    ModelError
        If the answers differ by more than 1e-3.
    """
    network = network.cpu().eval()
    axes = {"maps": {axis: f"axis{axis}" for axis in dynamic}}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (torch.from_numpy(samples[0]),), str(path), dynamo=False, opset_version=OPSET,
            input_names=["maps"], output_names=list(outputs), dynamic_axes=axes,
        )  # fmt: skip
    for sample in samples:
        with torch.no_grad():
            wanted = network(torch.from_numpy(sample))
        first = wanted[0] if isinstance(wanted, tuple) else wanted
        difference = float(np.abs(first.numpy() - run_elsewhere(path, sample)).max())
        if difference > 1e-3:
            raise ModelError(f"the exported model differs from torch by {difference:.3g}", where=str(path))
    return described(path)


def described(path: Path) -> ModelFile:
    """Describe a file for the card."""
    data = path.read_bytes()
    return ModelFile(file=path.name, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))


def halve(path: Path, least: int = 1024) -> None:
    """Keep the large weights of an fp32 model in half precision, in place; it still computes in fp32.

    Parameters
    ----------
    path : Path
    least : int
        Numbers that an array must have.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(path))
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if weight.data_type != TensorProto.FLOAT or values.size < least:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name} half"))
        casts.append(helper.make_node("Cast", [f"{name} half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, str(path))


_RUN = """
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
numpy.save(sys.argv[3], session.run(None, {"maps": numpy.load(sys.argv[2])})[0])
"""


def run_elsewhere(path: Path, sample: Map) -> Map:
    """Run a model in a fresh process, which knows nothing of torch."""
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder, "given.npy"), Path(folder, "answer.npy")
        np.save(given, sample)
        subprocess.run([sys.executable, "-c", _RUN, str(path), str(given), str(answer)], check=True)  # noqa: S603 (our own code)
        result: Map = np.load(answer)
    return result


def quantize(path: Path, samples: Sequence[Map], target: Path, *, keep: Sequence[str] = ()) -> ModelFile:
    """Write an int8 version of an fp32 model, scaled by what its layers say of ``samples``.

    Parameters
    ----------
    path, target : Path
    samples : sequence of (1, ...) float32
    keep : sequence of str
        Names of nodes that stay fp32.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder, "ready.onnx")
        quant_pre_process(str(path), str(ready), skip_symbolic_shape=True)
        quantize_static(
            str(ready), str(target), _Samples(samples), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, nodes_to_exclude=list(keep),
            calibrate_method=CalibrationMethod.MinMax, op_types_to_quantize=["Conv", "Add", "Resize"],
        )  # fmt: skip
    return described(target)


class _Samples:
    """What ONNX Runtime asks for, one sample after the other."""

    def __init__(self, samples: Sequence[Map]) -> None:
        self._left = iter(samples)

    def get_next(self) -> dict[str, Any] | None:
        """Return the next input, or None."""
        sample = next(self._left, None)
        return None if sample is None else {"maps": sample}
