import pytest

from qa.web.app import create_app
from tests.standins import build_engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = build_engine(tmp_path_factory.mktemp("guards"), {"a.txt": "Text."})
    yield engine
    engine.close()


@pytest.mark.parametrize(
    ("host", "allowed", "header", "status"),
    [
        ("127.0.0.1", (), "127.0.0.1:8000", 200),
        ("127.0.0.1", (), "localhost", 200),
        ("127.0.0.1", (), "LOCALHOST:1", 200),
        ("127.0.0.1", (), "[::1]:8000", 200),
        ("127.0.0.1", (), "evil.example", 421),
        ("127.0.0.1", (), "127.0.0.1.evil.example", 421),
        ("127.0.0.1", (), "", 421),
        ("127.0.0.1", ("docs.home",), "docs.home:8000", 200),
        ("192.168.1.5", (), "192.168.1.5:8000", 200),
        ("192.168.1.5", (), "evil.example", 421),
        ("0.0.0.0", (), "anything.example", 200),
        ("0.0.0.0", ("docs.home",), "anything.example", 421),
    ],
)
def test_only_known_names_are_answered_so_that_no_page_can_rebind_its_own(engine, host, allowed, header, status):
    client = create_app(engine, host=host, allowed_hosts=allowed).test_client()
    response = client.get("/api/v1/health", headers={"Host": header})
    assert response.status_code == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("http://localhost", 200),
        ("http://evil.example", 403),
        ("null", 403),
        ("http://localhost.evil.example", 403),
        ("http://[", 403),
    ],
)
def test_a_page_from_elsewhere_cannot_post(engine, origin, status):
    headers = {"Origin": origin} if origin else {}
    response = create_app(engine).test_client().post("/api/v1/index/update", headers=headers)
    assert response.status_code == status


def test_a_browser_may_load_and_run_nothing_from_elsewhere(engine):
    response = create_app(engine).test_client().get("/api/v1/health")
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "script" not in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
