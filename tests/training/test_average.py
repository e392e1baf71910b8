import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from training import average


def averaged(*paths, output):
    return CliRunner().invoke(average.main, [*map(str, paths), "--output", str(output)])


@pytest.fixture
def checkpoint(tmp_path):
    torch.save({"model": {"a": torch.tensor([1.0, 2.0])}, "step": 5}, tmp_path / "one.pt")
    return tmp_path / "one.pt"


def test_the_mean_of_a_checkpoint_and_a_reader(checkpoint, tmp_path):
    save_file({"a": torch.tensor([3.0, 6.0], dtype=torch.bfloat16)}, tmp_path / "model.safetensors")
    assert averaged(checkpoint, tmp_path, output=tmp_path / "mean.pt").exit_code == 0
    found = torch.load(tmp_path / "mean.pt", weights_only=True)
    assert found["model"]["a"].tolist() == [2.0, 4.0]
    assert "step" not in found


def test_models_that_differ_have_no_mean(checkpoint, tmp_path):
    torch.save({"model": {"a": torch.zeros(3)}}, tmp_path / "other.pt")
    result = averaged(checkpoint, tmp_path / "other.pt", output=tmp_path / "mean.pt")
    assert result.exit_code == 1
    assert "other weights" in result.output
