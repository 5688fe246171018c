"""An ONNX file that onnxruntime runs: one input of rows, an output of one number a row.

F feature columns.
"""

from __future__ import annotations

from typing import Any

from shortlist.models.contract import FeatureColumn
from shortlist.models.errors import ModelError, ModelFileError
from shortlist.models.foreign.onnx_file import check_onnx


def open_session(data: bytes, name: str) -> Any:
    """Return an onnxruntime session of a file that is data only.

    Raises:
        ModelFileError: when the file is damaged, or more than data.
        ModelError: when onnxruntime is not installed.
    """
    check_onnx(data, name)
    try:
        import onnxruntime  # an extra, and heavy
    except ModuleNotFoundError as error:
        raise ModelError(
            f"OnnxRanker: expected onnxruntime, received: {error}. It is an extra, also in serving: "
            'pip install "shortlist[onnx]".'
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # a request is small; threads would wait
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's own errors share no class
        raise ModelFileError(f"{name}: expected a model that onnxruntime reads: {error}") from error


def input_and_output(
    session: Any, output: str, columns: tuple[FeatureColumn, ...], file: str
) -> tuple[str, str]:
    """Return the names of the input and of the output.

    Args:
        session: of the file.
        output: the output's name; empty for the last one.
        columns: what the input takes.
        file: its name, for messages.

    Raises:
        ModelFileError: when the model takes or gives something else.
    """
    inputs, outputs = session.get_inputs(), {one.name: one for one in session.get_outputs()}
    shape = list(inputs[0].shape) if len(inputs) == 1 else []
    takes = len(shape) == 2 and inputs[0].type == "tensor(float)"
    if not takes or (isinstance(shape[0], int) and shape[0] != 1):  # a name or nothing: any number of rows
        told = [(one.name, one.type, one.shape) for one in inputs]
        raise ModelFileError(f"{file}: expected one input, float32 [rows, {len(columns)}], received {told}.")
    if isinstance(shape[1], int) and shape[1] != len(columns):
        raise ModelFileError(
            f"{file}: expected {len(columns)} columns, received {shape[1]}. Train it on the columns "
            f"of this declaration, in their order: {', '.join(column.name for column in columns)}."
        )
    name = output or next(reversed(outputs), "")
    found = outputs.get(name)
    sizes = [] if found is None else list(found.shape)
    width = 1 if len(sizes) == 1 else (sizes or [None])[-1]  # a single number, or an unknown shape, is no row
    if found is None or found.type not in ("tensor(float)", "tensor(double)") or width not in (1, 2):
        told = [(one.name, one.type, one.shape) for one in outputs.values()]
        raise ModelFileError(
            f"{file}: expected an output {name!r} of one number a row, or of two probabilities, "
            f"received {told}. Name the output: OnnxRanker(output=...); from scikit-learn, convert with "
            "zipmap=False."
        )
    return inputs[0].name, name
