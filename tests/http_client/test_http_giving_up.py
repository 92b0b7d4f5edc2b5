"""Who waits no longer ends the call: by a time limit, a cancellation, a signal, a closed loop; nothing is left."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading

import pytest

from turnout import http
from turnout.loop import new_event_loop


def in_flight(client):
    return sum(upstream["in_flight"] for upstream in client.stats()["upstreams"].values())


def test_a_call_has_a_time_limit_of_its_own(client, upstream):
    with pytest.raises(http.DeadlineExceeded) as raised:
        client.get("/hold", timeout=0.05)
    assert isinstance(raised.value, TimeoutError)
    assert raised.value.sent
    upstream.wait_until("left", 1)


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, new_event_loop])
def test_a_cancelled_await_ends_the_call(client, upstream, make_loop):
    async def cancel():
        call = asyncio.ensure_future(client.aget("/hold"))
        await asyncio.to_thread(upstream.wait_until, "holding", 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.to_thread(upstream.wait_until, "left", 1)

    loop = make_loop()
    loop.run_until_complete(cancel())
    loop.close()


def test_a_cancelled_gather_ends_all_its_calls(client, upstream):
    async def cancel():
        call = asyncio.ensure_future(client.agather([http.Request("GET", "/hold")] * 5))
        await asyncio.to_thread(upstream.wait_until, "holding", 5)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.to_thread(upstream.wait_until, "left", 5)

    asyncio.run(cancel())


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, new_event_loop])
def test_a_thousand_cancelled_awaits_leave_nothing(client, upstream, make_loop):
    async def cancel():
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(10):
            calls = [asyncio.ensure_future(client.aget("/hold")) for _ in range(100)]
            for turn in range(100):
                # At every stage of the call, some of them.
                if turn % 3:
                    await asyncio.sleep(0)
                calls[turn].cancel()
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(end, asyncio.CancelledError) for end in ended)
        upstream.release()
        answers = await asyncio.gather(*[client.aget("/x") for _ in range(100)])
        assert all(answer.status_code == 200 for answer in answers)
        assert in_flight(client) == 0
        # Idle connections are kept, and the upstream, which is in this process, has their other ends: those of calls
        # that were given up it closes when it gets to it.
        for _ in range(2000):
            if len(os.listdir("/proc/self/fd")) <= before + 110:
                break
            await asyncio.sleep(0.01)
        assert len(os.listdir("/proc/self/fd")) <= before + 110

    loop = make_loop()
    loop.run_until_complete(cancel())
    loop.close()
    gc.collect()


def test_a_block_has_a_deadline(client, upstream):
    assert http.current_deadline() is None
    with http.deadline(0.1):
        assert 0 < http.current_deadline() <= 0.1
        with http.deadline(50):
            assert http.current_deadline() <= 0.1
        with pytest.raises(http.DeadlineExceeded):
            client.get("/hold")
        with http.detached():
            assert http.current_deadline() is None
    assert http.current_deadline() is None
    assert client.get("/x").status_code == 200


def test_a_deadline_is_handed_to_tasks_and_threads(client, upstream):
    async def view():
        async with http.deadline(0.1):
            with pytest.raises(http.DeadlineExceeded):
                await asyncio.create_task(client.aget("/hold"))
            with pytest.raises(http.DeadlineExceeded):
                await asyncio.to_thread(client.get, "/hold")

    asyncio.run(view())


def test_a_post_that_was_sent_is_finished_and_logged(client, upstream, caplog):
    async def cancel():
        call = asyncio.ensure_future(client.apost("/hold", json={}))
        await asyncio.to_thread(upstream.wait_until, "holding", 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(cancel())
    upstream.release()
    upstream.wait_until("finished", 1)
    assert upstream.left == 0


def test_a_loop_that_is_closed_meanwhile_disturbs_nobody(client, upstream):
    loop = asyncio.new_event_loop()
    task = loop.create_task(client.aget("/hold"))
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    task._log_destroy_pending = False
    upstream.release()
    assert client.get("/x").status_code == 200
    del task


SCRIPT = """
import sys, threading
from turnout import http
client = http.Client(sys.argv[1])
{body}
"""


def script(upstream, body, **options):
    code = SCRIPT.format(body=body)
    return subprocess.Popen(
        [sys.executable, "-c", code, upstream.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


def test_ctrl_c_ends_a_blocking_call(upstream):
    process = script(upstream, "client.get('/hold', timeout=None)")
    upstream.wait_until("holding", 1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert b"KeyboardInterrupt" in errors
    upstream.wait_until("left", 1)


@pytest.mark.parametrize("daemon", [True, False])
def test_an_interpreter_ends_with_calls_in_flight(upstream, daemon):
    body = f"""
def call():
    try:
        client.get('/hold', timeout={"None" if daemon else "0.5"})
    except http.HTTPError as error:
        sys.stdout.write(type(error).__name__ + "\\n")
threads = [threading.Thread(target=call, daemon={daemon}) for _ in range(4)]
for thread in threads:
    thread.start()
sys.stdin.readline()
"""
    process = script(upstream, body, stdin=subprocess.PIPE)
    upstream.wait_until("holding", 4)
    out, errors = process.communicate(b"\n", timeout=30)
    assert process.returncode == 0, errors
    assert errors == b""
    if not daemon:
        assert out.split() == [b"DeadlineExceeded"] * 4


def test_a_forked_child_has_connections_of_its_own(client, upstream):
    assert client.get("/before").status_code == 200
    connections = upstream.connections
    pid = os.fork()
    if pid == 0:
        try:
            calls = client.get("/child").status_code == 200 and asyncio.run(awaited(client)) == 200
            os._exit(0 if calls else 1)
        except BaseException:
            os._exit(2)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert upstream.connections > connections
    assert client.get("/after").status_code == 200


async def awaited(client):
    return (await client.aget("/awaited")).status_code


def test_a_child_forked_while_threads_call_can_call(client, upstream):
    stop = threading.Event()

    def load():
        while not stop.is_set():
            client.get("/load")

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            pid = os.fork()
            if pid == 0:
                try:
                    os._exit(0 if client.get("/child").status_code == 200 else 1)
                except BaseException:
                    os._exit(2)
            _, status = os.waitpid(pid, 0)
            assert os.waitstatus_to_exitcode(status) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
