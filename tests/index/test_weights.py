import numpy as np
import pytest

from index.errors import ModelDamaged
from index.weights import read_weights
from tests.tiny import write_weights

NUMBERS = np.array([[1.5, -2.25, 0.0], [3.0, 1e-4, -1e4]], dtype=np.float32)


@pytest.mark.parametrize(("dtype", "precision"), [("F32", 0), ("F16", 1e-3), ("BF16", 1e-2)])
def test_a_tensor_is_float32_whatever_it_is_stored_as(tmp_path, dtype, precision):
    write_weights(tmp_path, {"a": NUMBERS}, dtype=dtype)
    taken = read_weights(tmp_path).take("a", 2, 3)
    assert taken.dtype == np.float32
    assert taken == pytest.approx(NUMBERS, rel=precision)


def test_the_names_that_the_first_berts_have_are_read_as_todays(tmp_path):
    write_weights(tmp_path, {"x.LayerNorm.gamma": NUMBERS, "x.LayerNorm.beta": NUMBERS})
    weights = read_weights(tmp_path)
    assert weights.take("x.LayerNorm.weight", 2, 3).shape == weights.take("x.LayerNorm.bias", 2, 3).shape == (2, 3)


def test_a_linear_layer_is_applied_as_pytorch_would(tmp_path):
    write_weights(tmp_path, {"head.weight": NUMBERS, "head.bias": np.array([0.5, -1.0])})
    states = np.array([[[1.0, 2.0, 3.0]]], dtype=np.float32)
    # 1.5 - 4.5 + 0 + 0.5 and 3 + 2e-4 - 3e4 - 1
    assert read_weights(tmp_path).linear("head", n_outputs=2, n_inputs=3)(states) == pytest.approx(
        np.array([[[-2.5, -29997.9998]]])
    )


def test_a_prefix_is_what_stands_before_a_name(tmp_path):
    write_weights(tmp_path, {"bert.embeddings.x": NUMBERS})
    assert read_weights(tmp_path).prefix_of("embeddings.x") == "bert."


@pytest.mark.parametrize(
    ("take", "message"),
    [
        (lambda weights: weights.take("b", 2, 3), "no tensor b"),
        (lambda weights: weights.take("a", 3, 2), r"shape \(2, 3\) instead of \(3, 2\)"),
        (lambda weights: weights.take("a", 6), "shape"),
        (lambda weights: weights.linear("a", n_outputs=2, n_inputs=3), r"no tensor a\.weight"),
        (lambda weights: weights.prefix_of("b"), "no tensor b"),
    ],
)
def test_a_tensor_that_is_missing_or_of_another_shape_is_named(tmp_path, take, message):
    write_weights(tmp_path, {"a": NUMBERS})
    with pytest.raises(ModelDamaged, match=message):
        take(read_weights(tmp_path))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused(tmp_path, value):
    write_weights(tmp_path, {"a": np.array([1.0, value])})
    with pytest.raises(ModelDamaged, match=r"a in .* holds values that are no finite numbers"):
        read_weights(tmp_path).take("a", 2)


def test_integers_are_refused(tmp_path):
    write_weights(tmp_path, {"a": NUMBERS}, dtype="I32")
    with pytest.raises(ModelDamaged, match="I32"):
        read_weights(tmp_path).take("a", 2, 3)


def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path):
    write_weights(tmp_path, {"a": NUMBERS})
    path = tmp_path / "model.safetensors"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelDamaged, match="no safetensors file"):
            read_weights(tmp_path)


def test_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(ModelDamaged, match="No such file"):
        read_weights(tmp_path)
