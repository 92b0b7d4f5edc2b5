"""The upstreams by name, and what holds for all calls: `TURNOUT["HTTP"]` in Django's settings, or `configure()`.

Read when first needed, never at import: a module of a project may import turnout.http before there are settings.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from turnout.http import checks
from turnout.http.policies import POLICY_PARTS, Limits, Policy, Timeout
from turnout.http.reaching import PEM, AddressPolicy, Proxy, TLSConfig

#: How the setting is called wherever it is spoken of.
NAME = 'TURNOUT["HTTP"]'


@dataclass(frozen=True)
class Upstream:
    """What is fixed for the calls to one upstream. None: as the client has it."""

    base_url: str | None = None
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    params: Mapping[str, Any] | None = field(default=None, repr=False)
    auth: Any = field(default=None, repr=False)
    timeout: Timeout | None = None
    follow_redirects: bool | None = None
    max_redirects: int | None = None
    verify: bool | TLSConfig | None = None
    cert: PEM | tuple[PEM, PEM] | None = None
    proxy: Proxy | None = None
    http2: bool | None = None
    max_body: int | None = None
    addresses: AddressPolicy | None = None
    policy: Policy | None = None

    def __post_init__(self) -> None:
        if self.base_url is not None and not _is_url(self.base_url):
            raise checks.fault(self, "base_url", "must start with http:// or https:// and a host", self.base_url)
        for name in ("headers", "params"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, Mapping):
                raise checks.fault(self, name, "must be a dict", value)
        for name in ("follow_redirects", "http2"):
            if getattr(self, name) is not None:
                checks.flag(self, name)
        checks.count(self, "max_redirects", optional=True)
        checks.count(self, "max_body", least=1, optional=True)
        for name, made in _CONVERTED.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, made(value))
        if isinstance(self.verify, TLSConfig) or self.cert is not None:
            # Said together they are one thing, and a mistake in them is found here.
            object.__setattr__(self, "verify", TLSConfig.of(True if self.verify is None else self.verify, self.cert))
            object.__setattr__(self, "cert", None)

    @classmethod
    def read(cls, given: object, where: str, also: Collection[str] = ()) -> tuple[Upstream, dict[str, Any]]:
        """From a dict in which the parts of a policy stand beside the rest; and what of `also` was there."""
        if isinstance(given, Upstream):
            return given, {}
        if not isinstance(given, Mapping):
            raise ValueError(f"{where} must be a dict, and is {given!r}")
        own = [one.name for one in fields(cls)]
        known = [*own, *POLICY_PARTS, *also]
        found: dict[str, Any] = {}
        for key, value in given.items():
            name = key.lower() if isinstance(key, str) else key
            if name not in known:
                raise ValueError(f"{where}: {key!r} is not known{checks.did_you_mean(name, known)}")
            if name in found:
                raise ValueError(f"{where}: {key!r} is there twice")
            found[name] = value
        parts = {name: found.pop(name) for name in POLICY_PARTS if name in found}
        rest = {name: found.pop(name) for name in also if name in found}
        try:
            if parts and found.get("policy") is not None:
                raise ValueError(f"policy and {', '.join(parts)} are both given: put the parts into the policy")
            if parts:
                found["policy"] = Policy(**parts)
            return cls(**found), rest
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None


def _is_url(given: object) -> bool:
    if not isinstance(given, str):
        return False
    scheme, _, rest = given.partition("://")
    return scheme.lower() in {"http", "https"} and rest[:1] not in {"", "/", "?", "#"}


def _policy(given: Policy | Mapping[str, Any]) -> Policy:
    return checks.from_mapping(Policy, given, "policy") if isinstance(given, Mapping) else _a(Policy, given)


def _a(kind: type[Any], given: Any) -> Any:
    if not isinstance(given, kind):
        raise ValueError(f"must be a {kind.__name__}, and is {given!r}")
    return given


_CONVERTED: dict[str, Callable[[Any], Any]] = {
    "timeout": Timeout.of,
    "verify": lambda given: TLSConfig.of(given) if isinstance(given, Mapping) else given,
    "proxy": Proxy.of,
    "addresses": AddressPolicy.of,
    "policy": _policy,
}


@dataclass(frozen=True)
class HttpSettings:
    """All of the setting: what holds for every call of the process client, and the upstreams by name."""

    defaults: Upstream = field(default_factory=Upstream)
    limits: Limits = field(default_factory=Limits)
    upstreams: Mapping[str, Upstream] = field(default_factory=dict)

    def upstream(self, name: str) -> Upstream:
        """The one of that name."""
        try:
            return self.upstreams[name]
        except KeyError:
            hint = checks.did_you_mean(name, self.upstreams) if self.upstreams else "; no upstream is configured"
            raise LookupError(f"upstream {name!r} is not in {NAME}['UPSTREAMS']{hint}") from None


def read(given: object, where: str = NAME) -> HttpSettings:
    """Checked. ValueError says what is wrong and where it stands."""
    defaults, rest = Upstream.read(given, where, ("limits", "upstreams"))
    limits = rest.get("limits", Limits())
    if isinstance(limits, Mapping):
        limits = checks.from_mapping(Limits, limits, f"{where}['LIMITS']")
    upstreams = rest.get("upstreams", {})
    if not isinstance(upstreams, Mapping):
        raise ValueError(f"{where}['UPSTREAMS'] must be a dict of upstreams by name, and is {upstreams!r}")
    named = {}
    for name, upstream in upstreams.items():
        if not isinstance(name, str) or not name:
            raise ValueError(f"{where}['UPSTREAMS']: the name of an upstream must be a string, and is {name!r}")
        named[name] = Upstream.read(upstream, f"{where}['UPSTREAMS'][{name!r}]")[0]
    return HttpSettings(defaults, _a(Limits, limits), named)


_NOTHING = HttpSettings()
_lock = threading.Lock()
_current: HttpSettings | None = None
_configured = False
_on_change: list[Callable[[], None]] = []


def current() -> HttpSettings:
    """What was configured, else what Django's settings say, else the defaults."""
    global _current
    found = _current
    if found is None:
        with _lock:
            found = _current
            if found is None:
                found = _current = _of_django()
    # There may still be settings later.
    return _NOTHING if found is None else found


def configure(**given: Any) -> None:
    """For programs without Django: takes what the setting takes, in lower case, and stands in its place.

    `configure(upstreams={"booking": {"base_url": "https://api.booking.example"}}, timeout=2)`. What the process client
    had is forgotten; without arguments the settings count again.
    """
    global _configured, _current
    fresh = read(given, "configure()") if given else None
    with _lock:
        _configured = fresh is not None
        _current = fresh
    for forget in _on_change:
        forget()


def on_change(forget: Callable[[], None]) -> None:
    """`forget` is called when what `current()` says may have changed."""
    _on_change.append(forget)


def _of_django() -> HttpSettings | None:
    # Not imported here: a program without Django, or one that has not set it up, has no settings.
    configuration = sys.modules.get("django.conf")
    if configuration is None or not (configuration.settings.configured or os.environ.get("DJANGO_SETTINGS_MODULE")):
        return None
    _watch()
    given = getattr(configuration.settings, "TURNOUT", {})
    given = given.get("HTTP", {}) if isinstance(given, Mapping) else {}
    try:
        return read(given)
    except ValueError as error:
        from django.core.exceptions import ImproperlyConfigured

        raise ImproperlyConfigured(str(error)) from None


def _watch() -> None:
    """`override_settings(TURNOUT=...)` in a test counts at once."""
    from django.core.signals import setting_changed

    setting_changed.connect(_changed, dispatch_uid="turnout.http")


def _changed(*, setting: str, **_more: Any) -> None:
    global _current
    if setting != "TURNOUT" or _configured:
        return
    with _lock:
        _current = None
    for forget in _on_change:
        forget()
