"""Celery's prefork pool for real, over a broker in a folder: its children call with a client of before the fork."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

PATIENCE = 60

TASKS = """
import os
import time
from pathlib import Path

from celery import Celery

from turnout import http

HERE = Path(__file__).parent
UPSTREAM = os.environ["UPSTREAM"]
for name in ("queue", "processed", "control", "results"):
    (HERE / name).mkdir(exist_ok=True)

app = Celery("tasks_to_fork", broker="filesystem://", backend=f"file://{HERE / 'results'}")
app.conf.update(
    broker_transport_options={
        "data_folder_in": str(HERE / "queue"),
        "data_folder_out": str(HERE / "queue"),
        "processed_folder": str(HERE / "processed"),
        "control_folder": str(HERE / "control"),
        "polling_interval": 0.02,
    },
    task_serializer="json",
    # An exception travels whole.
    result_serializer="pickle",
    accept_content=["json", "pickle"],
    result_accept_content=["json", "pickle"],
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
)

client = http.Client(UPSTREAM)
# The process that forks has threads and connections of the client's.
MADE_BY = os.getpid()
BEFORE = client.get("/?ms=1").json()


@app.task
def calls():
    found = client.gather([http.Request("GET", f"{UPSTREAM}/?ms={number}") for number in range(5)], deadline=20)
    found.raise_for_errors()
    # Long enough for the other child to take a task too.
    time.sleep(0.2)
    single = http.client.get(f"{UPSTREAM}/?ms=7").json()
    return {"pid": os.getpid(), "made_by": MADE_BY, "before": BEFORE, "answers": [*found.ok.values(), single]}


@app.task
def fails():
    # Nobody listens on port 1.
    client.get("http://127.0.0.1:1/")
"""

SEND = """
import json

from tasks_to_fork import calls, fails
from turnout import http

results = [calls.delay() for _ in range(8)]
broken = fails.delay()
done = [result.get(timeout=50) for result in results]
try:
    broken.get(timeout=50)
    said = "no error"
except http.ConnectError as error:
    said = f"ConnectError, sent {error.sent}: {error}"
print(json.dumps({"done": done, "said": said}))
"""


def environment(upstream: str) -> dict[str, str]:
    """Not that of other tests in this process, whose settings celery would load."""
    return {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"} | {
        "UPSTREAM": upstream
    }


@pytest.fixture
def worker(tmp_path: Path, upstream: str) -> Iterator[Path]:
    """A worker with two children; the folder it lives in."""
    (tmp_path / "tasks_to_fork.py").write_text(TASKS)
    (tmp_path / "send.py").write_text(SEND)
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "info"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "tasks_to_fork", "worker", "-P", "prefork", "-c", "2", *quiet],
            cwd=tmp_path,
            env=environment(upstream) | {"C_FORCE_ROOT": "1"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield tmp_path
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0, (tmp_path / "log").read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_tasks_in_forked_children_call_with_what_was_made_before(worker: Path, upstream: str) -> None:
    done = subprocess.run(
        [sys.executable, "send.py"],
        cwd=worker,
        env=environment(upstream),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, f"{done.stderr}\n{(worker / 'log').read_text()}"
    found = json.loads(done.stdout)
    assert len({answer["pid"] for answer in found["done"]}) == 2
    for answer in found["done"]:
        assert answer["pid"] != answer["made_by"]
        assert answer["before"] == {"ms": 1}
        assert answer["answers"] == [*({"ms": number} for number in range(5)), {"ms": 7}]
    # The child's error reaches whoever asked for the result, with its class.
    assert found["said"].startswith("ConnectError, sent False: ")
