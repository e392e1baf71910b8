"""What holds for a whole process, whichever door it was started by."""

from __future__ import annotations

import gc
import io
import logging
import os
import sys


def prepare_process(log_level: str, *, hub: bool) -> None:
    """Set what holds for the whole process: logging, and that no library calls home unless allowed."""
    # Of 100,000 documents hundreds of thousands of objects are made, none of them in cycles: looking for those among
    # them all again and again takes a fifth of an update.
    gc.set_threshold(50_000, 20, 20)
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if not hub:
        os.environ["HF_HUB_OFFLINE"] = "1"
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A document may hold what the terminal's encoding lacks.
            stream.reconfigure(errors="replace")
