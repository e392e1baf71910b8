"""For what happens in another thread or process."""

import time
from collections.abc import Callable


def until(condition: Callable[[], object], seconds: float = 20) -> bool:
    """Wait for a condition; return whether it came true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False
