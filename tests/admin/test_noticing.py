"""What workers notice is told, said once in the log, and kept when they are gone."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from admin_socket import ask, families, token_file, until
from harness import Serving
from states_site import served
from wire import get


def noticed(server: Serving, path: str, count: float = 1) -> dict[str, Any]:
    """The only finding, once it was seen so often with its place: that is asked for until then, for who looks a hundred
    times a second may on a busy machine come too late for a step or two."""

    def look() -> list[dict[str, Any]]:
        get(server.url, path)
        return [one for one in findings(server) if one["count"] >= count and one["place"]]

    [found] = until(look)
    return found


def are_of_one_view(server: Serving, view: str) -> bool:
    """And in the metrics as often: what was done last may still be on its way."""

    def look() -> bool:
        found = findings(server)
        return findings(server, f"?view={view}") == found and in_metrics(server) == sum(one["count"] for one in found)

    return until(look)


def in_metrics(server: Serving) -> float:
    [sample] = families(server)["turnout_findings"].samples
    assert sample.labels == {"finding": "blocked-loop", "view": "states_urls.blocks"}
    return sample.value


def findings(server: Serving, query: str = "") -> list[dict[str, Any]]:
    answer = ask(server, f"/api/v1/findings{query}")
    assert answer.status == 200, answer
    return json.loads(answer.body)["findings"]


def test_what_a_worker_noticed_is_told_and_outlives_it(tmp_path: Path) -> None:
    for server in served("--admin", "127.0.0.1:0", "--admin-token-file", token_file(tmp_path)):
        assert findings(server) == []
        found = noticed(server, "/blocks/", 2)
        assert (found["kind"], found["view"], found["what"]) == ("blocked-loop", "states_urls.blocks", "sleep")
        assert found["place"].startswith("states_urls.py:")
        assert found["active"] is True
        assert 59.5 <= found["typical"] <= found["worst"]
        assert found["first"] <= found["last"]
        assert "blocked the event loop" in found["text"]
        assert "sync_to_async" in found["advice"]
        assert are_of_one_view(server, "states_urls.blocks")
        assert findings(server, "?view=states_urls.sleeps") == []

        os.kill(server.workers[0], signal.SIGKILL)
        server.wait_for_log("worker 1 is ready again")
        again = noticed(server, "/blocks/", in_metrics(server) + 1)
        assert (again["id"], again["first"]) == (found["id"], found["first"])
        assert server.log.count("noticed: states_urls.blocks") == len(findings(server))


def test_steps_after_a_request_are_its_view_s_and_those_of_no_request_are_nobody_s(tmp_path: Path) -> None:
    for server in served("--admin", "127.0.0.1:0", "--admin-token-file", token_file(tmp_path)):
        assert noticed(server, "/leaves_a_task/")["view"] == "states_urls.leaves_a_task"
    for server in served("--admin", "127.0.0.1:0", "--admin-token-file", token_file(tmp_path)):
        found = noticed(server, "/blocks_for_nobody/")
        assert (found["kind"], found["view"], found["what"]) == ("blocked-loop", "(no request)", "sleep")
        assert found["place"].startswith("states_urls.py:")
        server.wait_for_log("noticed: Code that runs for no request blocked the event loop")
        [sample] = families(server)["turnout_findings"].samples
        assert (sample.labels["view"], sample.value >= 1) == ("(no request)", True)
        counted = {sample.labels["view"] for sample in families(server)["turnout_view_requests"].samples}
        assert "(no request)" not in counted


def test_the_log_is_silent_where_only_errors_are_wanted(tmp_path: Path) -> None:
    admin = ["--admin", "127.0.0.1:0", "--admin-token-file", token_file(tmp_path)]
    for server in served(*admin, "--log-level", "error"):
        noticed(server, "/blocks/")
        assert "noticed" not in server.log
