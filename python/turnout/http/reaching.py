"""Whereto a client may connect, through what, and whom it believes there: what tells two connections apart."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeAlias
from urllib.parse import urlsplit

from turnout.http import checks
from turnout.http.summaries import without_secrets

#: A file, or what would stand in it.
PEM: TypeAlias = "str | os.PathLike[str] | bytes"


@dataclass(frozen=True)
class TLSConfig:
    """Whom to believe, and what to show. PEM, as files or as bytes.

    `ca` is believed beside the system's own authorities, or alone with `system_roots=False`. `cert` may have its key in
    the same file.
    """

    ca: PEM | None = None
    cert: PEM | None = None
    key: PEM | None = None
    system_roots: bool = True
    #: False: believe anybody. For tests; connections made so are never used by a client that checks.
    verify: bool = True
    #: The oldest version that is spoken.
    min_version: str = "1.2"

    def __post_init__(self) -> None:
        for name in ("ca", "cert", "key"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, (str, bytes, os.PathLike)):
                raise checks.fault(self, name, "must be the path of a PEM file, or its bytes", value)
        if self.key is not None and self.cert is None:
            raise ValueError("TLSConfig(key=) needs cert= too: a key without its certificate proves nothing")
        checks.flag(self, "system_roots")
        checks.flag(self, "verify")
        checks.one_of(self, "min_version", ("1.2", "1.3"))
        if not self.system_roots and self.ca is None and self.verify:
            raise ValueError("TLSConfig(system_roots=False) needs ca=: otherwise nobody is believed")

    def pem(self, name: str) -> bytes | None:
        """What stands in `ca`, `cert` or `key`."""
        value = getattr(self, name)
        if name == "key" and value is None:
            value = self.cert
        if value is None or isinstance(value, bytes):
            return value
        try:
            return Path(value).read_bytes()
        except OSError as error:
            raise ValueError(f"TLSConfig({name}=): {value} cannot be read: {error.strerror}") from error

    @classmethod
    def of(cls, verify: bool | TLSConfig | Mapping[str, Any], cert: PEM | tuple[PEM, PEM] | None = None) -> TLSConfig:
        """From what `verify=` and `cert=` take."""
        if isinstance(verify, Mapping):
            verify = checks.from_mapping(cls, verify, "verify=")
        if not isinstance(verify, TLSConfig):
            if not isinstance(verify, bool):
                raise ValueError(f"verify= must be True, False or a TLSConfig, and is {verify!r}")
            verify = cls(verify=verify)
        if cert is None:
            return verify
        if verify.cert is not None:
            raise ValueError("cert= and TLSConfig(cert=) are both given: leave one of them away")
        certificate, key = cert if isinstance(cert, tuple) else (cert, None)
        return cls(verify.ca, certificate, key, verify.system_roots, verify.verify, verify.min_version)


@dataclass(frozen=True)
class Proxy:
    """Through what to connect: `http`, `https`, `socks5` or `socks5h`; user and password stand in the URL.

    `no_proxy` names hosts, `.domains` and networks to be reached directly. `Proxy.NONE`: no proxy, whatever
    the environment says.
    """

    NONE: ClassVar[Proxy]

    url: str | None = field(repr=False)
    no_proxy: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        checks.words(self, "no_proxy", "hosts, .domains and networks")
        if self.url is None:
            return
        if not isinstance(self.url, str):
            raise checks.fault(self, "url", "must be a URL", type(self.url))
        parts = urlsplit(self.url)
        if f"{parts.scheme}://" not in _PROXY_SCHEMES or not parts.hostname:
            shown = without_secrets(self.url)
            raise checks.fault(self, "url", f"must start with one of {', '.join(_PROXY_SCHEMES)} and a host", shown)

    def __repr__(self) -> str:
        shown = None if self.url is None else without_secrets(self.url)
        return f"Proxy({shown!r}, no_proxy={self.no_proxy!r})"

    @classmethod
    def of(cls, given: str | Proxy | Mapping[str, Any] | None) -> Proxy | None:
        """From what `proxy=` takes; None is the environment's."""
        if given is None or isinstance(given, Proxy):
            return given
        return cls(given) if isinstance(given, str) else checks.from_mapping(cls, given, "proxy=")


_PROXY_SCHEMES = ("http://", "https://", "socks5://", "socks5h://")
Proxy.NONE = Proxy(None)


@dataclass(frozen=True)
class AddressPolicy:
    """Which addresses may be connected to, asked of each address when it is connected to: after the name was looked up,
    after each redirect and in each retry.

    `deny` is refused first, then `allow` is let through. Of what neither names, `public_only` lets public addresses
    through; else everything passes, or nothing if there is an `allow`. A rule is a network (`10.0.0.0/8`), an address,
    a name (`api.example`, `*.example`), each with a port if only that is meant (`api.example:443`), a port (`:25`),
    or `*`.
    """

    #: For configured upstreams: services of one's own live on private addresses.
    ANY: ClassVar[AddressPolicy]
    #: For URLs that users give.
    PUBLIC_ONLY: ClassVar[AddressPolicy]

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    public_only: bool = False

    def __post_init__(self) -> None:
        for name in ("allow", "deny"):
            checks.words(self, name, "networks, names and ports")
            for word in getattr(self, name):
                self._check(name, word)
        checks.flag(self, "public_only")

    def _check(self, name: str, word: str) -> None:
        if "/" in word:
            try:
                ipaddress.ip_network(word)
            except ValueError as error:
                raise checks.fault(self, name, f"must be networks such as '10.0.0.0/8' ({error})", word) from None
        elif any(letter.isspace() or letter in "@?#" for letter in word):
            raise checks.fault(self, name, "must be networks, names and ports such as 'api.example:443'", word)

    @classmethod
    def of(cls, given: AddressPolicy | str | Mapping[str, Any]) -> AddressPolicy:
        """From what `addresses=` takes; settings may name the two ready-made ones."""
        if isinstance(given, AddressPolicy):
            return given
        if isinstance(given, Mapping):
            return checks.from_mapping(cls, given, "addresses=")
        ready = {"any": cls.ANY, "public_only": cls.PUBLIC_ONLY}
        if not isinstance(given, str) or given.lower() not in ready:
            raise ValueError(f"addresses= must be an AddressPolicy, 'any' or 'public_only', and is {given!r}")
        return ready[given.lower()]


AddressPolicy.ANY = AddressPolicy()
AddressPolicy.PUBLIC_ONLY = AddressPolicy(public_only=True)
