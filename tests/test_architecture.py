"""The direction of imports, and which module owns which library."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("index", "qa", "training", "benchmarks")
MODULES = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in [ROOT / "serve.py", *(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))]
}

SERVED = {name: tree for name, tree in MODULES.items() if not name.startswith("training/")}

MAY_IMPORT = {
    "index": {"index"},
    "qa": {"index", "qa"},
    "serve.py": {"index", "qa"},
    "training": {"index", "qa", "training"},
    "benchmarks": {"index", "qa", "training", "benchmarks"},
}
OURS = {"index", "qa", "serve", "training", "benchmarks", "tests"}

# Training is the other way about: it makes what the others load.
OWNERS = {
    "faiss": "index/store/vectors.py",
    "tantivy": "index/store/words.py",
    "sqlite3": "index/store/connection.py",
    "filelock": "index/store/folder.py",
    "openvino": "index/runtime.py",
    "safetensors": "index/weights.py",
    "sentence_transformers": "index/sentence_models.py",
    "tokenizers": "index/tokens.py",
    "transformers": "index/sentence_models.py qa/transformers_model.py",
    "huggingface_hub": "index/model_files.py",
    "pathspec": "index/ignoring.py",
    "sentencex": "index/sentences.py",
    "charset_normalizer": "index/parsing/encoding.py",
    "lxml": "index/parsing/html.py",
    "markdown_it": "index/parsing/markdown.py",
    "watchfiles": "qa/background.py",
    "waitress": "serve.py",
    "matplotlib": "qa/evaluation/plots.py",
}


def imported(tree):
    """The dotted names that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_point_inwards(name):
    owner = name.split("/")[0]
    found = {module.split(".")[0] for module in imported(MODULES[name])} & OURS
    assert found <= MAY_IMPORT[owner]


@pytest.mark.parametrize("library", sorted(OWNERS))
def test_a_library_is_imported_by_the_module_that_owns_it_and_no_other(library):
    found = {name for name, tree in SERVED.items() if library in {module.split(".")[0] for module in imported(tree)}}
    assert found == set(OWNERS[library].split())


def test_flask_is_known_to_the_web_package_alone():
    for name, tree in MODULES.items():
        if {"flask", "werkzeug"} & {module.split(".")[0] for module in imported(tree)}:
            assert name.startswith("qa/web/")


def test_torch_is_not_imported_where_the_program_starts():
    for name, tree in SERVED.items():
        top = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
        top |= {node.module for node in tree.body if isinstance(node, ast.ImportFrom) if node.module}
        assert not {module.split(".")[0] for module in top} & {"torch", "sentence_transformers", "transformers"}, name


def test_index_is_never_imported_as_a_bare_name():
    for name, tree in MODULES.items():
        bare = [
            node for node in ast.walk(tree) if isinstance(node, ast.Import) and "index" in [a.name for a in node.names]
        ]
        assert not bare, name
