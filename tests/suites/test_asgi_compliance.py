"""gunicorn's black-box tests of ASGI against `turnout serve`: nothing fails but what EXPECTED gives a reason for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from harness import serve_asgi
from suites import asgi_compliance

# The selection leaves out what needs TLS by name; these need it too, and are called otherwise.
HTTP2 = "wants HTTP/2, negotiated over TLS, and is given a plain address"
EXPECTED = {
    "TestHTTP2DirectToGunicorn::test_http2_is_negotiated": HTTP2,
    "TestHTTP2DirectToGunicorn::test_scope_reports_http2": HTTP2,
    "TestHTTP2DirectToGunicorn::test_post_echo": HTTP2,
    "TestHTTP2DirectToGunicorn::test_streaming_response": HTTP2,
    "TestHTTP2DirectToGunicorn::test_concurrent_streams": HTTP2,
}
#: How many tests there were when the list was made.
SELECTED = 161


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the FastAPI that its applications are made with needs 3.11")
@pytest.mark.timeout(300)  # the first to come installs what the suite imports
@pytest.mark.parametrize("validated", [False, True], ids=["plain", "validated"])
def test_every_test_passes_but_those_that_are_listed(tmp_path: Path, validated: bool) -> None:
    where = {"cwd": asgi_compliance.folder(), "env": asgi_compliance.environment()}
    with serve_asgi("apps.main_app:app", validated=validated, **where) as server:
        outcomes = asgi_compliance.run(server.url, tmp_path / "report.xml")
    bad = {name: outcome for name, outcome in outcomes.items() if outcome != "passed"}
    assert {name: outcome for name, outcome in bad.items() if name not in EXPECTED} == {}
    assert sorted(EXPECTED.keys() - bad.keys()) == [], "expected to fail, but passed: strike them from the list"
    assert len(outcomes) >= SELECTED
