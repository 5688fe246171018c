"""An ONNX file is a rung: real files, made with the `onnx` package; what is more than data is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression

from models.conformance import RankingModelConformance
from models.planted import COLUMNS, examples
from shortlist.models.errors import ModelError, ModelFileError
from shortlist.models.foreign.onnx_file import check_onnx
from shortlist.models.onnx_ranker import OnnxRanker
from shortlist.releases import BundleWriter, DataRange, Metadata, Registry

NAMES = [column.name for column in COLUMNS]
FLOAT = TensorProto.FLOAT


def constant(name: str, value, dtype=np.float32) -> TensorProto:
    return numpy_helper.from_array(np.array(value, dtype), name)


def model_of(nodes, outputs, constants=(), *, width=4, inputs=None, domains=("",), names=None, functions=()):
    """Build a model with one input `rows`; `outputs` maps a name to its shape."""
    inputs = inputs or [helper.make_tensor_value_info("rows", FLOAT, ["N", width])]
    given = [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in outputs.items()]
    graph = helper.make_graph(list(nodes), "ranker", inputs, given, list(constants))
    opsets = [helper.make_opsetid(domain, 3 if domain == "ai.onnx.ml" else 17) for domain in domains]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8, functions=list(functions))
    if names is not None:
        helper.set_model_props(made, {"columns": json.dumps(names)})
    return made


def planted_model(output: str = "probability", **settings):
    """The network that drew the planted labels: a line, a logarithm, and a table of topics."""
    table = np.where(np.arange(12) % 3 == 0, 1.0, -0.5).reshape(12, 1)
    nodes = [
        helper.make_node("Split", ["rows", "ones"], ["rate", "count", "topic", "noise"], axis=1),
        helper.make_node("Max", ["count", "least"], ["positive"]),
        helper.make_node("Log", ["positive"], ["log_count"]),
        helper.make_node("Concat", ["rate", "log_count", "noise"], ["numbers"], axis=1),
        helper.make_node("Gemm", ["numbers", "weights", "bias"], ["line"]),
        helper.make_node("Cast", ["topic"], ["code"], to=TensorProto.INT64),
        helper.make_node("Squeeze", ["code", "one"], ["codes"]),
        helper.make_node("Gather", ["table", "codes"], ["taste"]),
        helper.make_node("Add", ["line", "taste"], ["log_odds"]),
        helper.make_node("Sigmoid", ["log_odds"], ["probability"]),
    ]
    constants = [
        constant("ones", [1, 1, 1, 1], np.int64), constant("one", [1], np.int64), constant("least", 0.01),
        constant("weights", [[1.2], [0.5], [0.0]]), constant("bias", [-1.5]), constant("table", table),
    ]  # fmt: skip
    return model_of(nodes, {output: ["N", 1]}, constants, **settings)


def saved_as(path: Path, model, **settings) -> OnnxRanker:
    onnx.save(model, path)
    return OnnxRanker(str(path), **settings)


class TestOnnxRanker(RankingModelConformance):
    learns = False

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def network(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        path = tmp_path_factory.mktemp("elsewhere") / "network.onnx"
        cls.model = saved_as(path, planted_model(names=NAMES), missing=1.0)


@pytest.mark.parametrize("gives", ["probability", "log_odds"])
def test_it_says_what_the_network_says(gives: str, tmp_path: Path) -> None:
    fitted = saved_as(tmp_path / "a.onnx", planted_model(gives), gives=gives).fit(examples(60, seed=1), None)
    query = np.nan_to_num(examples(200, seed=2).features)
    rate, count, topic = query[:, 0], query[:, 1], query[:, 2]
    odds = -1.5 + 1.2 * rate + 0.5 * np.log(np.maximum(count, 0.01)) + np.where(topic % 3 == 0, 1.0, -0.5)
    np.testing.assert_allclose(fitted.predict(query), 1 / (1 + np.exp(-odds)), rtol=1e-4)


def test_two_columns_are_the_probabilities_of_no_and_yes(tmp_path: Path) -> None:
    """As scikit-learn's converter writes them, beside a label; the operators are of the domain ai.onnx.ml."""
    rows = examples(800, seed=1)
    known = np.nan_to_num(rows.features)
    oracle = LogisticRegression(max_iter=2000).fit(known, rows.labels)
    weights = [float(one) for one in (*-oracle.coef_[0], *oracle.coef_[0])]
    bias = float(oracle.intercept_[0])
    classifier = helper.make_node(
        "LinearClassifier", ["rows"], ["label", "scores"], domain="ai.onnx.ml", coefficients=weights,
        intercepts=[-bias, bias], post_transform="LOGISTIC", classlabels_ints=[0, 1], multi_class=0,
    )  # fmt: skip
    model = model_of([classifier], {"scores": ["N", 2]}, domains=("", "ai.onnx.ml"))
    fitted = saved_as(tmp_path / "a.onnx", model).fit(rows, None)
    query = np.nan_to_num(examples(100, seed=2).features)
    np.testing.assert_allclose(fitted.predict(query), oracle.predict_proba(query)[:, 1], rtol=1e-3)


def test_scores_that_only_order_are_calibrated(tmp_path: Path) -> None:
    valid, query = examples(4000, seed=2), examples(2000, seed=3)
    fitted = saved_as(tmp_path / "a.onnx", planted_model("log_odds"), gives="order").fit(valid, valid)
    assert fitted.calibration.method != "none"
    assert fitted.predict(query.features).mean() == pytest.approx(query.labels.mean(), abs=0.03)


def test_a_release_may_hold_it(tmp_path: Path) -> None:
    rows = examples(100, seed=1)
    fitted = saved_as(tmp_path / "network.onnx", planted_model()).fit(rows, None)
    with BundleWriter(tmp_path) as bundle:
        fitted.save(bundle.folder)
        data = DataRange(first_us=0, last_us=1, num_examples=100)
        nothing = {"features": (), "stages": {}, "p99_ms": {}, "metrics": {}, "sections": {}}
        made = bundle.commit(Metadata(app="video", fingerprint="0" * 64, as_of_seq=0, data=data, **nothing))
    folder = Registry(tmp_path).open(made).folder
    assert np.array_equal(type(fitted).load(folder).predict(rows.features), fitted.predict(rows.features))


def test_a_network_that_mixes_rows_is_asked_row_by_row(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Softmax", ["rows"], ["mixed"], axis=0),
        helper.make_node("ReduceMean", ["mixed"], ["score"], axes=[1]),
    ]
    fitted = saved_as(tmp_path / "a.onnx", model_of(nodes, {"score": ["N", 1]}), gives="log_odds").fit(
        examples(60, seed=1), None
    )
    query = np.nan_to_num(examples(50, seed=2).features)
    assert len(set(fitted.predict(query))) == 1  # alone in its batch, every row's softmax is 1


def test_a_row_without_an_answer_gets_the_base_rate(tmp_path: Path) -> None:
    nodes = [helper.make_node("Log", ["rows"], ["logs"]), helper.make_node("ReduceSum", ["logs"], ["score"])]
    rows = examples(1000, seed=1)
    fitted = saved_as(tmp_path / "a.onnx", model_of(nodes, {"score": [1, 1]}), gives="log_odds").fit(
        rows, None
    )
    answer = fitted.predict(np.full((1, 4), -1.0, np.float32))
    assert answer[0] == pytest.approx(rows.labels.mean(), abs=0.001)


def test_other_columns_are_refused(tmp_path: Path) -> None:
    swapped = planted_model(names=["count", "rate", "topic", "noise"])
    rows = examples(60, seed=1)
    with pytest.raises(ModelError, match=r"column 0 to be 'rate', received 'count'"):
        saved_as(tmp_path / "a.onnx", swapped).fit(rows, None)
    node = helper.make_node("ReduceSum", ["rows", "one"], ["score"])
    narrow = model_of([node], {"score": ["N", 1]}, [constant("one", [1], np.int64)], width=3)
    with pytest.raises(ModelFileError, match=r"expected 4 columns, received 3.*rate, count, topic, noise"):
        saved_as(tmp_path / "b.onnx", narrow).fit(rows, None)


def test_other_inputs_and_outputs_are_refused(tmp_path: Path) -> None:
    rows = examples(60, seed=1)
    two = [helper.make_tensor_value_info(name, FLOAT, ["N", 4]) for name in ("rows", "more")]
    added = helper.make_node("Add", ["rows", "more"], ["score"])
    with pytest.raises(ModelFileError, match="expected one input"):
        saved_as(tmp_path / "a.onnx", model_of([added], {"score": ["N", 4]}, inputs=two)).fit(rows, None)
    total = helper.make_node("ReduceSum", ["rows"], ["score"], keepdims=0)
    with pytest.raises(ModelFileError, match="expected an output 'score' of one number"):
        saved_as(tmp_path / "d.onnx", model_of([total], {"score": []})).fit(rows, None)
    wide = model_of([helper.make_node("Sigmoid", ["rows"], ["score"])], {"score": ["N", 4]})
    with pytest.raises(ModelFileError, match="expected an output 'score' of one number"):
        saved_as(tmp_path / "b.onnx", wide).fit(rows, None)
    with pytest.raises(ModelFileError, match="expected an output 'nothing'"):
        saved_as(tmp_path / "c.onnx", planted_model(), output="nothing").fit(rows, None)


def external(path: Path):
    """A model whose weights lie in a file beside it."""
    model = planted_model()
    onnx.save(
        model, path, save_as_external_data=True, size_threshold=0, location="weights.bin",
        all_tensors_to_one_file=True,
    )  # fmt: skip
    return path.read_bytes()


def hidden_external() -> bytes:
    """The same inside the branch of an If, where a check of the main graph does not look."""
    tensor = constant("inner", [1.0])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secret")
    out = [helper.make_tensor_value_info("score", FLOAT, [1])]
    branch = helper.make_graph([helper.make_node("Identity", ["inner"], ["score"])], "b", [], out, [tensor])
    condition = helper.make_node("If", ["yes"], ["score"], then_branch=branch, else_branch=branch)
    return model_of([condition], {"score": [1]}, [constant("yes", True, np.bool_)]).SerializeToString()


def own_function() -> bytes:
    function = helper.make_function(
        "", "Twice", ["x"], ["y"], [helper.make_node("Add", ["x", "x"], ["y"])], [helper.make_opsetid("", 17)]
    )
    node = helper.make_node("Twice", ["rows"], ["score"])
    return model_of([node], {"score": ["N", 4]}, functions=[function]).SerializeToString()


def foreign_operator(domain: str) -> bytes:
    node = helper.make_node("Gelu", ["rows"], ["score"], domain=domain)
    return model_of([node], {"score": ["N", 4]}, domains=("", domain)).SerializeToString()


def test_what_is_more_than_data_is_refused(tmp_path: Path) -> None:
    check_onnx(planted_model(names=NAMES).SerializeToString(), "good.onnx")
    for data, told in (
        (external(tmp_path / "a.onnx"), "weights in another file"),
        (hidden_external(), "weights in another file"),
        (own_function(), "functions of its own"),
        (foreign_operator("com.microsoft"), "domain 'com.microsoft'"),
        (foreign_operator("my.library"), "domain 'my.library'"),
        (b"", "no graph"),
        (b"\x80\x04\x95pickle", "is cut"),
        (b"<html>", "is no ONNX model"),
        (b"#!/bin/sh", "is no ONNX model"),
    ):
        with pytest.raises(ModelFileError, match=told):
            check_onnx(data, "bad.onnx")


@pytest.mark.parametrize("hidden", [b"\xea\x80\x80\x80\x10\x00", b"\xf0\x80\x80\x80\x10\x01"])
def test_a_field_that_a_runtime_reads_as_another_is_refused(hidden: bytes) -> None:
    """A runtime keeps 32 bits of a field's number, and finds 13 or 14: weights in another file."""
    tensor = constant("weights", [1.0]).SerializeToString() + hidden
    graph = b"\x2a" + bytes([len(tensor)]) + tensor
    with pytest.raises(ModelFileError, match="more than 32 bits"):
        check_onnx(b"\x3a" + bytes([len(graph)]) + graph + b"\x42\x02\x10\x11", "bad.onnx")


def test_an_undeclared_domain_is_found_at_the_operator() -> None:
    node = helper.make_node("Gelu", ["rows"], ["score"], domain="my.library")
    with pytest.raises(ModelFileError, match=r"my\.library"):
        check_onnx(model_of([node], {"score": ["N", 4]}).SerializeToString(), "bad.onnx")


def test_cut_files_are_refused() -> None:
    whole = planted_model().SerializeToString()
    for kept in range(0, len(whole) - 40, 7):
        with pytest.raises(ModelFileError):
            check_onnx(whole[:kept], "cut.onnx")


def test_impossible_settings_are_refused(tmp_path: Path) -> None:
    for setting in ({"path": ""}, {"path": "a", "gives": "wisdom"}, {"path": "a", "missing": np.nan}):
        with pytest.raises(ModelError, match=list(setting)[-1]):
            OnnxRanker(**setting)
    with pytest.raises(ModelError, match=r"OnnxRanker\.path"):
        OnnxRanker(str(tmp_path / "nowhere.onnx")).fit(examples(20, seed=1), None)
