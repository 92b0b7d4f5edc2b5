"""A worker at its limit leaves connections to the others while any of them has room; then the answer is 503."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

from harness import serve
from wire import Later, connection_to, get

APPS = Path(__file__).parents[1] / "projects" / "serve"


def test_a_full_worker_leaves_connections_to_the_other(tmp_path: Path) -> None:
    fifos = [tmp_path / str(number) for number in range(4)]
    for fifo in fifos:
        os.mkfifo(fifo)
    with serve(["wsgi_app:app", "--workers", "2", "--max-in-flight", "2"], cwd=APPS) as server, ExitStack() as stack:
        first, second = server.workers
        clients = [stack.enter_context(connection_to(server.url, pid)) for pid in (first, first, second, second)]
        ways = [f"/wait?fifo={fifo}" for fifo in fifos]

        waiting = [Later(client.call, way) for client, way in zip(clients[:2], ways[:2], strict=True)]
        server.wait_for_log("waiting", times=2)
        answers = [get(server.url) for _ in range(50)]
        assert {(answer.status, answer.text) for answer in answers} == {(200, str(second))}

        waiting += [Later(client.call, way) for client, way in zip(clients[2:], ways[2:], strict=True)]
        server.wait_for_log("waiting", times=4)
        refused = get(server.url)
        assert refused.status == 503
        assert int(refused.headers["Retry-After"]) >= 1

        for fifo in fifos:
            fifo.write_text("go")
        assert [later.result().text for later in waiting] == ["go"] * 4
        assert get(server.url).status == 200
