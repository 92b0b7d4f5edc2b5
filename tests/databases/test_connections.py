"""Open connections follow the need: bounded by threads and not by requests, and none is left over."""

from __future__ import annotations

import pytest
from databases.site import Served, Site, of
from services.process import until
from wire import Client

#: --hop-threads, as it is unless told otherwise.
HOP_POOL = 8
#: Where no hop ends for a second, one thread more is let in, for it may hold what the others wait for. Seen on a
#: machine that is busy with other things.
GIVEN_WAY = 2
#: What a worker has besides: its loop, the standby and the watchdog, and the pools' first threads.
OTHERS = 8
CROWD = 1000

reads_of_ten = [f"record {number}" for number in range(1, 11)]


@pytest.mark.parametrize(
    ("site", "age"),
    [
        ("postgres", 600),
        ("postgres", 0),
        ("mariadb", 0),
        ("sqlite", 0),
        pytest.param("mariadb", 600, marks=pytest.mark.slow),
        pytest.param("sqlite", 600, marks=pytest.mark.slow),
    ],
    indirect=["site"],
)
def test_a_thousand_waiting_requests_share_a_few_connections(site: Site, age: int) -> None:
    with site.serve(CONN_MAX_AGE=age) as served:
        answers = served.get(*[f"/user/together/?crowd=one&together={CROWD}"] * CROWD)
        assert set(of(answers, "user")) == {"ada"}
        assert max(of(answers, "threads")) <= HOP_POOL + OTHERS
        assert site.database.peak() <= HOP_POOL + GIVEN_WAY
        kept = HOP_POOL + GIVEN_WAY if age else 0
        assert site.database.settled(kept) <= kept
        assert served.serving.stop() == 0
        assert site.database.settled() == 0


@pytest.mark.slow
def test_a_thousand_requests_that_wait_a_second_share_a_few_connections(postgres_site: Site) -> None:
    with postgres_site.serve(CONN_MAX_AGE=0) as served:
        answers = served.get(*["/user/?wait=1"] * CROWD)
        assert set(of(answers, "user")) == {"ada"}
        assert max(of(answers, "threads")) <= HOP_POOL + OTHERS
        assert postgres_site.database.peak() <= HOP_POOL + GIVEN_WAY
        assert postgres_site.database.settled() == 0


def test_a_lone_request_opens_one_connection_and_leaves_none(site: Site) -> None:
    with site.serve(CONN_MAX_AGE=0) as served:
        for count, path in enumerate(["/reads/", "/reads/", "/reads/sync/", "/reads/sync/"], 1):
            assert of(served.get(path), "read") == [reads_of_ten]
            assert site.database.settled() == 0
            assert site.database.opened() == count


@pytest.mark.parametrize(
    ("site", "path"),
    [
        ("postgres", "/user/"),
        ("postgres", "/user/sync/"),
        ("mariadb", "/user/"),
        pytest.param("mariadb", "/user/sync/", marks=pytest.mark.slow),
        pytest.param("sqlite", "/user/", marks=pytest.mark.slow),
        pytest.param("sqlite", "/user/sync/", marks=pytest.mark.slow),
    ],
    indirect=["site"],
)
def test_kept_connections_are_no_more_than_threads_and_end_with_the_server(site: Site, path: str) -> None:
    with site.serve(CONN_MAX_AGE=600) as served:
        answers = served.get(*[path] * CROWD, connections=50)
        assert set(of(answers, "user")) == {"ada"}
        assert 1 <= site.database.opened() <= max(of(answers, "threads"))
        assert site.database.peak() <= site.database.opened() == len(site.database.connections())
        assert served.serving.stop() == 0
        assert site.database.settled() == 0


def test_no_connection_is_left_after_a_request(postgres_site: Site) -> None:
    with postgres_site.serve(CONN_MAX_AGE=0) as served:
        for path in ("/user/", "/user/sync/", "/reads/", "/reads/sync/", "/visits/", "/visits/sync/"):
            before = postgres_site.database.opened()
            assert {answer.status for answer in served.get(path, path)} == {200}
            assert postgres_site.database.settled() == 0
            assert postgres_site.database.opened() > before


def test_no_connection_is_left_after_a_storm_of_not_found(site: Site) -> None:
    with site.serve(CONN_MAX_AGE=0) as served:
        answers = served.get(*[f"/no/such/{number}/" for number in range(300)], connections=30)
        assert {answer.status for answer in answers} == {404}
        assert {answer.json["records"] for answer in answers} == {10}
        assert site.database.settled() == 0
        assert site.database.peak() <= served.threads()


def test_no_connection_is_left_when_the_client_leaves(site: Site) -> None:
    with site.serve(CONN_MAX_AGE=0) as served:
        leaver = Client(served.serving.url)
        leaver.request("GET", "/user/together/?crowd=left&together=2", headers={"Cookie": cookie(site)})
        assert until(site.database.opened, lambda count: count == 1) == 1
        leaver.close()
        assert site.database.settled() == 0


def test_kept_connections_that_the_server_ended_are_found_by_health_checks(remote_site: Site) -> None:
    with remote_site.serve(CONN_MAX_AGE=600, CONN_HEALTH_CHECKS=True) as served:
        for path in ("/user/", "/reads/", "/user/sync/", "/names/?of=of-"):
            assert {answer.status for answer in served.get(*[path] * 20)} == {200}
            assert remote_site.database.terminate() > 0
            assert {answer.status for answer in served.get(*[path] * 20)} == {200}


def test_without_health_checks_an_ended_connection_fails_once(remote_site: Site) -> None:
    with remote_site.serve(CONN_MAX_AGE=600) as served:
        for path in ("/reads/", "/names/?of=of-"):
            assert served.get(path)[0].status == 200
            assert remote_site.database.terminate() > 0
            assert served.get(path)[0].status == 500
            assert served.get(path)[0].status == 200


@pytest.mark.parametrize("size", [HOP_POOL + GIVEN_WAY, 4])
def test_psycopgs_pool_serves_more_waiting_requests_than_it_has_connections(postgres_site: Site, size: int) -> None:
    pool = {"min_size": 1, "max_size": size, "timeout": 5}
    with postgres_site.serve(CONN_MAX_AGE=0, OPTIONS={"pool": pool}) as served:
        answers = served.get(*["/user/together/?crowd=one&together=200"] * 200)
        assert set(of(answers, "user")) == {"ada"}
        assert of(served.get(*["/user/sync/"] * 50), "user") == ["ada"] * 50
        assert postgres_site.database.peak() <= size
        assert served.serving.stop() == 0
        assert postgres_site.database.settled() == 0


@pytest.mark.parametrize("age", [600, 0])
def test_open_transactions_keep_their_connections_apart(remote_site: Site, age: int) -> None:
    with remote_site.serve(CONN_MAX_AGE=age) as served:
        assert_apart(served, 20)
        if not age:
            assert remote_site.database.settled() == 0


def test_a_transaction_over_hops_is_kept_or_undone_on_sqlite(sqlite_site: Site) -> None:
    """One at a time, for SQLite has one writer."""
    with sqlite_site.serve(CONN_MAX_AGE=600) as served:
        assert_apart(served, 1)


def assert_apart(served: Served, writers: int) -> None:
    """So many write at once, see only their own, and of two one takes it back."""
    of_us = f"of-{served.serving.pid}-"
    names = [f"{of_us}{number:02}" for number in range(writers)]
    ends = ["commit" if number % 2 == 0 else "rollback" for number in range(writers)]
    path = f"/transaction/?together={writers}&crowd=writers&of={of_us}&name={{}}&end={{}}"
    answers = served.get(*[path.format(name, end) for name, end in zip(names, ends, strict=True)])
    assert of(answers, "seen") == [[name] for name in names]
    kept = [name for name, end in zip(names, ends, strict=True) if end == "commit"]
    assert of(served.get(f"/names/?of={of_us}"), "names") == [kept]


def cookie(site: Site) -> str:
    return f"sessionid={site.session}"
