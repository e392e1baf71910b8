"""The list of a reader's files that `qa.readers` checks on every load."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from qa.readers import MANIFEST


def write_manifest(folder: Path) -> None:
    """Write the SHA-256 of each of a reader's files but prose and the manifest itself."""
    digests = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name != MANIFEST and path.suffix != ".md"
    }
    (folder / MANIFEST).write_text(json.dumps(digests, indent=2) + "\n", encoding="utf-8")
