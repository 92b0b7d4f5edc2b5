"""Policies of turnout.http: values that were checked when they were made, from keywords or from a setting's dict."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import pytest

from turnout.http import checks, errors
from turnout.http.policies import (
    IDEMPOTENT,
    RETRIED,
    Backoff,
    Bulkhead,
    Cache,
    CircuitBreaker,
    Coalesce,
    Hedge,
    Limits,
    Policy,
    RateLimit,
    Retry,
    RetryBudget,
    Select,
    Timeout,
)
from turnout.http.reaching import AddressPolicy, Proxy, TLSConfig


def test_defaults_are_as_described() -> None:
    assert Timeout() == Timeout(10)
    assert dataclasses.astuple(Limits()) == (1000, 100, 32, 15.0, 1000, False)
    assert Retry() == Retry(3, RETRIED, IDEMPOTENT, Backoff(0.05, 1, "full"), True, RetryBudget(0.2, 10, 10))
    assert dataclasses.astuple(Hedge("p95")) == ("p95", 2, 0.05, 100)
    assert dataclasses.astuple(CircuitBreaker()) == (0.5, None, None, 30.0, 20, 5.0, 3)
    assert dataclasses.astuple(Bulkhead(4)) == (4, 0, None)
    assert dataclasses.astuple(RateLimit(50)) == (50.0, 1.0, None, "wait")
    assert Coalesce().vary == ("authorization", "cookie", "accept", "accept-language")
    assert dataclasses.astuple(Cache()) == (64 * 1024 * 1024, True, 0.0, 0.0)
    assert Policy() == Policy(None, None, None, None, None, None, None)


ALL: list[Any] = [
    Timeout(1.5, connect=0.3),
    Limits(),
    Backoff(),
    RetryBudget(),
    Retry(2),
    Hedge(0.06),
    Hedge("p99.5"),
    CircuitBreaker(slow_rate=0.5, slow_after=2),
    Bulkhead(3),
    RateLimit(5, burst=1),
    Coalesce(key="rates"),
    Cache(),
    Policy(retry=Retry()),
    Select("/a", rename={"b": "c"}),
    AddressPolicy(allow=["10.0.0.0/8"]),
    Proxy("http://proxy:3128"),
    TLSConfig(ca="ca.pem"),
]


@pytest.mark.parametrize("policy", ALL, ids=repr)
def test_policies_are_values(policy: Any) -> None:
    assert pickle.loads(pickle.dumps(policy)) == policy
    assert hash(pickle.loads(pickle.dumps(policy))) == hash(policy)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(policy, dataclasses.fields(policy)[0].name, None)


WRONG: list[tuple[Any, str]] = [
    (lambda: Timeout(0), r"^Timeout\(total=\) must be seconds, more than 0 or None, and is 0$"),
    (lambda: Timeout(-1), r"more than 0"),
    (lambda: Timeout("2"), r"and is '2'$"),
    (lambda: Timeout(True), r"and is True$"),
    (lambda: Timeout(float("nan")), r"and is nan$"),
    (lambda: Timeout(2, read=float("inf")), r"^Timeout\(read=\).*inf$"),
    (lambda: Limits(max_connections=0), r"^Limits\(max_connections=\) must be a whole number, at least 1, and is 0$"),
    (lambda: Limits(max_queue=1.5), r"whole number, at least 0, and is 1.5$"),
    (lambda: Limits(keepalive=None), r"^Limits\(keepalive=\) must be seconds, at least 0, and is None$"),
    (
        lambda: Backoff(jitter="ful"),
        r"^Backoff\(jitter=\) must be one of 'full', 'none' \(did you mean 'full'\?\)",
    ),
    (lambda: Retry(0), r"at least 1"),
    (lambda: Retry(on="503"), r"^Retry\(on=\) must be a set, and is '503'$"),
    (lambda: Retry(on={200}), r"takes statuses from 400 to 599 and errors of turnout.http, and is 200$"),
    (lambda: Retry(on={"ReadTimout"}), r"did you mean 'ReadTimeout'\?"),
    (lambda: Retry(on={KeyError}), r"KeyError"),
    (lambda: Retry(on={errors.HTTPStatusError}), r"takes statuses"),
    (lambda: Retry(budget=3), r"^Retry\(budget=\) must be a RetryBudget or None, and is 3$"),
    (lambda: Retry(backoff=None), r"^Retry\(backoff=\) must be a Backoff, and is None$"),
    (lambda: RetryBudget(window=0), r"more than 0"),
    (lambda: Hedge("95"), r"a percentile such as 'p95', and is '95'$"),
    (lambda: Hedge("p100"), r"percentile"),
    (lambda: Hedge(0), r"more than 0"),
    (lambda: Hedge(1, attempts=1), r"at least 2"),
    (lambda: Hedge(1, budget=1.5), r"at most 1"),
    (lambda: CircuitBreaker(failure_rate=0), r"more than 0, at most 1"),
    (lambda: CircuitBreaker(slow_rate=0.5), r"^CircuitBreaker needs slow_after= too"),
    (lambda: CircuitBreaker(slow_after=0.5), r"^CircuitBreaker needs slow_rate= too"),
    (lambda: Bulkhead(0), r"at least 1"),
    (lambda: RateLimit(0), r"more than 0"),
    (lambda: RateLimit(1, when_full="drop"), r"'wait', 'reject', and is 'drop'$"),
    (lambda: Coalesce(vary="cookie"), r"must be a list of header names, and is 'cookie'$"),
    (lambda: Coalesce(key=""), r"must be a string or None"),
    (lambda: Cache(max_bytes=0), r"at least 1"),
    (lambda: Cache(shared="yes"), r"must be True or False, and is 'yes'$"),
    (lambda: Policy(retry=3), r"^Policy\(retry=\) must be a Retry or None, and is 3$"),
    (lambda: Policy(retry={"attempt": 3}), r"^Policy\(retry=\): 'attempt' is not known \(did you mean 'attempts'\?\)"),
    (lambda: Policy(bulkhead={}), r"^Policy\(bulkhead=\) must say max_concurrent$"),
    (
        lambda: Policy(retry={"budget": {"ratio": -1}}),
        r"^Policy\(retry=\): Retry\(budget=\): RetryBudget\(ratio=\) must be",
    ),
    (lambda: Select("data"), r"must be a JSON pointer such as '/data/offers', and is 'data'$"),
    (lambda: Select(allow=["a"], deny=["b"]), r"not both"),
    (lambda: Select(rename={"a": 1}), r"must be a dict of names"),
    (lambda: AddressPolicy(allow=["10.0.0.1/8"]), r"must be networks such as '10.0.0.0/8' \(.*host bits"),
    (lambda: AddressPolicy.of("public"), r"'any' or 'public_only', and is 'public'$"),
    (lambda: Proxy("proxy:3128"), r"must start with one of http://"),
    (lambda: Proxy("ftp://u:secret@proxy"), r"socks5h:// and a host, and is 'ftp://proxy'$"),
    (lambda: TLSConfig(key="k.pem"), r"needs cert= too"),
    (lambda: TLSConfig(system_roots=False), r"needs ca="),
    (lambda: TLSConfig(min_version="1.1"), r"must be one of '1.2', '1.3'"),
    (lambda: TLSConfig.of("yes"), r"^verify= must be True, False or a TLSConfig"),
    (lambda: TLSConfig.of(TLSConfig(cert="a"), "b"), r"both given"),
    (
        lambda: TLSConfig(ca="/no/such/file.pem").pem("ca"),
        r"^TLSConfig\(ca=\): /no/such/file.pem cannot be read: No such",
    ),
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=[message for _, message in WRONG])
def test_a_mistake_is_an_error_that_names_the_field(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_dicts_become_policies_in_either_case() -> None:
    made = checks.from_mapping(
        Policy,
        {
            "RETRY": {"ATTEMPTS": 2, "on": [503, "ReadTimeout", errors.ConnectError], "backoff": {"base": 0.1}},
            "breaker": {"open_for": 10},
            "rate": {"rate": 50},
            "cache": None,
        },
        "UPSTREAMS['booking']",
    )
    assert made == Policy(
        retry=Retry(2, frozenset({503, errors.ReadTimeout, errors.ConnectError}), backoff=Backoff(0.1)),
        breaker=CircuitBreaker(open_for=10),
        rate=RateLimit(50),
    )


def test_what_a_call_says_goes_before_what_its_upstream_says() -> None:
    upstream = Policy(retry=Retry(5), rate=RateLimit(1))
    assert Policy(retry=Retry(2)).over(upstream) == Policy(retry=Retry(2), rate=RateLimit(1))
    assert Policy(retry=Retry(2)).over(None) == Policy(retry=Retry(2))


def test_a_number_is_the_total_time() -> None:
    assert Timeout.of(2) == Timeout(2.0) == Timeout.of({"total": 2}) == Timeout.of(Timeout(2))
    assert Timeout.of({"TOTAL": 2, "connect": 0.5}) == Timeout(2, connect=0.5)


def test_a_string_is_what_is_selected() -> None:
    assert Select.of("/a") == Select("/a") == Select.of({"target": "/a"})


def test_a_certificate_may_hold_its_key(tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(b"certificate and key")
    config = TLSConfig.of(True, str(both))
    assert config.pem("cert") == config.pem("key") == b"certificate and key"
    assert config.pem("ca") is None
    assert TLSConfig.of(True, (b"certificate", b"key")).pem("key") == b"key"
    assert TLSConfig.of(False) == TLSConfig(verify=False)


def test_a_proxy_shows_no_password() -> None:
    assert repr(Proxy("http://u:secret@proxy:3128")) == "Proxy('http://proxy:3128', no_proxy=())"
    assert Proxy.of("socks5://proxy") == Proxy("socks5://proxy")
    assert Proxy.of(None) is None
    assert Proxy.NONE.url is None


def test_addresses_can_be_named() -> None:
    assert AddressPolicy.of("public_only") is AddressPolicy.PUBLIC_ONLY
    assert AddressPolicy.of("ANY") is AddressPolicy.ANY
    assert AddressPolicy.of({"deny": ["10.0.0.0/8", "::1"]}).deny == ("10.0.0.0/8", "::1")
