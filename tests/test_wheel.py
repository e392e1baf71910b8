"""The wheel: what it holds, and that it works where nothing of this repository is."""

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.standins import write_files

pytestmark = pytest.mark.model

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def citespan(wheel, tmp_path_factory):
    """The command of an environment that has the wheel, and the libraries of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    site = next(folder.glob("lib/python*/site-packages"))
    libraries = Path(pytest.__file__).parent.parent
    # Last on the path, so that the wheel's own modules come first; without this repository's editable install.
    (site / "libraries.pth").write_text(f"{libraries}\n")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--no-deps",
            "--quiet",
            "--prefix",
            folder,
            "--ignore-installed",
            wheel,
        ],
        check=True,
        capture_output=True,
    )
    command = folder / "bin" / "citespan"
    command.write_text(command.read_text().replace(sys.executable, str(folder / "bin" / "python")))
    return command


def run(citespan, folder, *args):
    return subprocess.run([citespan, *args], cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_the_wheel_holds_code_weights_and_pages_and_no_documents(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "serve.py",
        "qa/weights/reader/model.safetensors",
        "qa/web/templates/error.html",
        "qa/web/static/style.css",
    } <= names
    assert not any(name.startswith(("documents/", "tests/", "training/", "benchmarks/", "docs/")) for name in names)


def test_every_module_of_the_packages_is_in_the_wheel(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {
        path.relative_to(ROOT).as_posix() for package in ("index", "qa") for path in (ROOT / package).rglob("*.py")
    }
    assert modules <= names


def test_the_installed_command_helps(citespan, tmp_path):
    result = run(citespan, tmp_path, "--help")
    assert result.returncode == 0, result.stderr
    assert "Ask a folder of documents a question" in result.stdout


def test_the_installed_command_answers_in_an_empty_directory(citespan, tmp_path):
    write_files(tmp_path / "documents", {"bridge.txt": "The Forth Bridge was opened on 4 March 1890."})
    indexed = run(citespan, tmp_path, "index")
    assert indexed.returncode == 0, indexed.stderr
    result = run(citespan, tmp_path, "ask", "When was the Forth Bridge opened?", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["answers"][0]["text"] == "4 March 1890"
