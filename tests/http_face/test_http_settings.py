"""`TURNOUT["HTTP"]`: read when it is needed, checked as a whole, and the same without Django."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from turnout.http import settings
from turnout.http.policies import CircuitBreaker, Limits, Policy, Retry, Timeout
from turnout.http.reaching import AddressPolicy, Proxy, TLSConfig


@pytest.fixture(autouse=True)
def _unconfigured() -> Iterator[None]:
    yield
    settings.configure()


def test_upstreams_are_read_whole() -> None:
    read = settings.read(
        {
            "TIMEOUT": 3,
            "LIMITS": {"max_connections": 10},
            "UPSTREAMS": {
                "booking": {
                    "base_url": "https://api.booking.example/v2",
                    "timeout": {"total": 1.5, "connect": 0.3},
                    "retry": {"attempts": 2},
                    "breaker": {},
                    "verify": {"ca": "ca.pem"},
                    "cert": ("cert.pem", "key.pem"),
                    "proxy": "http://proxy:3128",
                    "addresses": "public_only",
                    "headers": {"X-Key": "k"},
                    "http2": False,
                },
            },
        }
    )
    assert read.defaults == settings.Upstream(timeout=Timeout(3))
    assert read.limits == Limits(max_connections=10)
    assert read.upstream("booking") == settings.Upstream(
        base_url="https://api.booking.example/v2",
        timeout=Timeout(1.5, connect=0.3),
        policy=Policy(retry=Retry(2), breaker=CircuitBreaker()),
        verify=TLSConfig(ca="ca.pem", cert="cert.pem", key="key.pem"),
        proxy=Proxy("http://proxy:3128"),
        addresses=AddressPolicy.PUBLIC_ONLY,
        headers={"X-Key": "k"},
        http2=False,
    )


WRONG: list[tuple[Any, str]] = [
    ({"UPSTREAM": {}}, r"^TURNOUT\[\"HTTP\"\]: 'UPSTREAM' is not known \(did you mean 'upstreams'\?\)$"),
    ({"UPSTREAMS": []}, r"must be a dict of upstreams by name, and is \[\]$"),
    ({"UPSTREAMS": {1: {}}}, r"name of an upstream must be a string, and is 1$"),
    ({"UPSTREAMS": {"a": {"base": "x"}}}, r"^TURNOUT\[\"HTTP\"\]\['UPSTREAMS'\]\['a'\]: 'base' is not known"),
    (
        {"UPSTREAMS": {"a": {"timeout": 0}}},
        r"\['a'\]: Timeout\(total=\) must be seconds, more than 0 or None, and is 0$",
    ),
    (
        {"UPSTREAMS": {"a": {"retry": {"attempt": 1}}}},
        r"\['a'\]: Policy\(retry=\): 'attempt' is not known .*'attempts'",
    ),
    ({"UPSTREAMS": {"a": {"base_url": "api.example"}}}, r"must start with http:// or https://"),
    ({"UPSTREAMS": {"a": {"base_url": "https:///x"}}}, r"and a host"),
    ({"UPSTREAMS": {"a": {"limits": {}}}}, r"'limits' is not known"),
    ({"UPSTREAMS": {"a": {"policy": {}, "retry": {}}}}, r"policy and retry are both given"),
    ({"UPSTREAMS": {"a": {"headers": "X: y"}}}, r"must be a dict"),
    ({"UPSTREAMS": {"a": {"cert": 1}}}, r"PEM file"),
    ({"timeout": 1, "TIMEOUT": 2}, r"'TIMEOUT' is there twice$"),
    ({"limits": 3}, r"must be a Limits, and is 3"),
    ({3: 3}, r"3 is not known"),
    ("booking", r"must be a dict, and is 'booking'"),
]


@pytest.mark.parametrize(("given", "message"), WRONG, ids=[message for _, message in WRONG])
def test_a_mistake_is_named_with_its_place(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        settings.read(given)


def test_a_program_without_django_configures_itself() -> None:
    forgotten = []
    settings.on_change(lambda: forgotten.append(1))
    settings.configure(upstreams={"a": {"base_url": "http://a.example"}}, timeout=2)
    assert settings.current().upstream("a").base_url == "http://a.example"
    assert settings.current().defaults.timeout == Timeout(2)
    assert forgotten == [1]
    with pytest.raises(ValueError, match=r"^configure\(\): 'time_out' is not known \(did you mean 'timeout'\?\)"):
        settings.configure(time_out=2)
    assert settings.current().defaults.timeout == Timeout(2)


def test_an_upstream_that_is_not_there_is_told_with_the_nearest_name() -> None:
    settings.configure(upstreams={"booking": {}})
    with pytest.raises(LookupError, match=r"upstream 'bokking' is not in .*\(did you mean 'booking'\?\)"):
        settings.current().upstream("bokking")
    with pytest.raises(LookupError, match="no upstream is configured"):
        settings.HttpSettings().upstream("booking")


def run(program: str) -> None:
    """In a process of its own: Django's settings are one a process."""
    # Other tests of this run may have chosen settings.
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stdout + done.stderr


def test_django_settings_count_and_are_read_late() -> None:
    run("""
from turnout.http import settings as http_settings
from django.conf import settings
assert http_settings.current().upstreams == {}
http_settings.configure()

settings.configure(TURNOUT={"HTTP": {"TIMEOUT": 4, "UPSTREAMS": {"a": {"base_url": "http://a.example"}}}})
assert http_settings.current().defaults.timeout.total == 4.0
assert http_settings.current().upstream("a").base_url == "http://a.example"

from django.test import override_settings
with override_settings(TURNOUT={"HTTP": {"TIMEOUT": 5}}):
    assert http_settings.current().defaults.timeout.total == 5.0
assert http_settings.current().defaults.timeout.total == 4.0

http_settings.configure(timeout=6)
with override_settings(TURNOUT={"HTTP": {"TIMEOUT": 5}}):
    assert http_settings.current().defaults.timeout.total == 6.0
http_settings.configure()
assert http_settings.current().defaults.timeout.total == 4.0

from django.core.exceptions import ImproperlyConfigured
with override_settings(TURNOUT={"HTTP": {"TIMEOUT": -5}}):
    try:
        http_settings.current()
    except ImproperlyConfigured as error:
        assert "and is -5" in str(error), error
    else:
        raise AssertionError("not refused")
""")


def test_the_system_check_finds_a_mistake() -> None:
    run("""
import django
from django.conf import settings
settings.configure(TURNOUT={"HTTP": {"UPSTREAMS": {"a": {"retrys": {}}}}})
django.setup()
import turnout.http.djangochecks
from django.core.checks import run_checks
[error] = run_checks()
assert error.id == "turnout.E002" and "did you mean 'retry'" in error.msg, error

from django.test import override_settings
with override_settings(TURNOUT={"HTTP": {"UPSTREAMS": {"a": {"retry": {}}}}}):
    assert run_checks() == []
with override_settings(TURNOUT=[]):
    assert [error.id for error in run_checks()] == ["turnout.E001"]
""")
