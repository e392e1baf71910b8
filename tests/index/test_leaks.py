"""Opening and closing, over and over, leaves nothing behind; `make crash-test` looks at memory too."""

import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from index.collection import MAX_FILE_BYTES
from index.store.embedded import EmbeddedStore
from qa.background import background_work
from qa.engine import Engine, Source
from qa.web.app import create_app
from tests.standins import HashingEncoder, OverlapReader, opened, update_with, write_files

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="handles and threads are counted by /proc")


def n_handles():
    return len(list(Path("/proc/self/fd").iterdir()))


def n_threads():
    return len(list(Path("/proc/self/task").iterdir()))


def use(folder):
    """Open an index as a service does, ask, and close it."""
    source = Source(folder.parent / "documents", folder, "hashing", MAX_FILE_BYTES)
    with (
        closing(Engine(EmbeddedStore(folder), HashingEncoder(), OverlapReader(), source=source)) as engine,
        background_work(engine, threading.Event(), is_watching=False),
    ):
        engine.refresh()
        client = create_app(engine).test_client()
        assert client.get("/api/v1/ask?question=When did the bridge open?").get_json()["passages"]


def test_two_hundred_openings_leave_no_handle_and_no_thread(tmp_path):
    root = write_files(tmp_path / "documents", {"a.txt": "The bridge opened in 1890."})
    update_with(HashingEncoder(), root, tmp_path / "index")
    for _ in range(5):
        use(tmp_path / "index")
    handles, threads = n_handles(), n_threads()
    for _ in range(200):
        use(tmp_path / "index")
    end = time.monotonic() + 5  # a thread of tantivy's ends a moment after its index does
    while n_threads() > threads and time.monotonic() < end:
        time.sleep(0.05)
    assert n_handles() == handles
    assert n_threads() <= threads


def test_a_hundred_updates_beside_an_open_store_leave_no_handle(tmp_path):
    root = write_files(tmp_path / "documents", {"a.txt": "The bridge opened in 1890."})
    update_with(HashingEncoder(), root, tmp_path / "index")
    with opened(tmp_path / "index") as store:
        counts = []
        for number in range(100):
            write_files(root, {f"{number % 7}.txt": f"The bridge number {number}."})
            update_with(HashingEncoder(), root, tmp_path / "index", rebuild=number % 10 == 9)
            store.refresh()
            store.refresh()  # lets go of the log
            counts.append(n_handles())
    assert len(set(counts[5:])) == 1
