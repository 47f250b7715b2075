"""Settings from the environment: read once, checked, passed down."""

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar, get_args
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from . import client_address, origin, secret_files

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
Port = Annotated[int, Meta(ge=0, le=65_535)]
Secret = Annotated[str, Meta(extra={"is_secret": True})]
"""A setting that may also be given as the content of a file; see `secret_files`."""


MOST: Final = 2**53
"""No number is greater than this: beyond it neither JSON nor a timer is exact."""
LONGEST_TEXT: Final = 400
"""An error's text with more characters loses those in the middle."""


class SettingsError(ValueError):
    """An environment variable is not valid; the text names it in one line."""

    def __init__(self, text: str) -> None:
        half = LONGEST_TEXT // 2
        super().__init__(text if len(text) <= LONGEST_TEXT else f"{text[:half]} … {text[-half:]}")


class Settings(Struct, frozen=True, kw_only=True):
    """The settings of every service; the environment variable is the field's name in capitals."""

    app_env: Literal["development", "production"] = "development"
    host: str = "127.0.0.1"
    port: Port
    metrics_port: Port = 0
    """The port of `/metrics`; 0 means `port`."""
    nats_url: Secret = "nats://127.0.0.1:4222"
    """One server or several, separated by commas; secret, as it may hold a password."""
    nats_user: str = ""
    nats_password: Secret = ""
    nats_tls_ca: str = ""
    """The file of the authorities that NATS's certificate may be from; empty is the system's."""
    nats_tls_cert: str = ""
    nats_tls_key: str = ""
    """The files of the certificate that the service shows to NATS, if NATS asks for one."""
    log_level: LogLevel = "INFO"
    log_format: Literal["console", "json"] = "console"
    instance: Annotated[str, Meta(min_length=1, max_length=128)] = msgspec.field(
        default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}"
    )
    """This process's name in `by`, `instance`, logs and metrics."""
    stream_max_bytes: Annotated[int, Meta(ge=1 << 20)] = 3 << 30
    """The stream's byte limit; less if the server has less."""
    stream_replicas: Annotated[int, Meta(ge=0, le=5)] = 0
    """On how many servers the stream is stored; 0 leaves it as it is, and creates it on one."""

    def check(self) -> None:
        """Raise SettingsError if they do not go together."""


class PublicSettings(Settings, frozen=True, kw_only=True):
    """More settings, of the services that browsers reach."""

    allowed_origins: str = ""
    """Origins of other sites that may call, separated by commas; `*` is any."""
    workers: Annotated[int, Meta(ge=1, le=512)] = 1
    """Processes that share the port, one for each core; with several, they have a parent."""
    tls_cert: str = ""
    tls_key: str = ""
    max_connections: Annotated[int, Meta(ge=1)] = 8000
    """Open connections, viewers not included; one more gets 503."""
    max_connections_per_address: Annotated[int, Meta(ge=1)] = 3000
    """The same from one address; one more gets 429. Not for trusted proxies."""
    trusted_proxies: str = ""
    """Networks of proxies whose X-Forwarded-For counts, separated by commas."""


S = TypeVar("S", bound=Settings)

_NATS_SCHEMES = {"nats", "tls", "ws", "wss"}


def secrets(kind: type[Settings]) -> list[str]:
    """The names of the settings that are secret."""
    return [field.name for field in msgspec.structs.fields(kind) if field.type == Secret]


def load(kind: type[S], environ: Mapping[str, str]) -> S:
    """Read settings of `kind` from `environ`, and the secrets among them from their files if it
    names any; a variable that is empty counts as not set.

    Raises SettingsError naming the first variable that is not valid.
    """
    given = {
        field.name: value
        for field in msgspec.structs.fields(kind)
        if (value := environ.get(field.name.upper(), "").strip())
    }
    try:
        for name, path in secret_files.paths(secrets(kind), environ).items():
            given[name] = secret_files.read(name, path)
    except secret_files.SecretFileError as error:
        raise SettingsError(str(error)) from None
    for name, value in given.items():
        if not value.isprintable():  # bytes that are not UTF-8 aren't, either
            raise SettingsError(f"{name.upper()} is not valid: expected printable characters")
    if given.get("log_level", "").upper() in get_args(LogLevel):
        given["log_level"] = given["log_level"].upper()
    for field in msgspec.structs.fields(kind):
        if field.name in given and (problem := _problem(given[field.name], field.type)):
            name, value = field.name.upper(), given[field.name]
            raise SettingsError(f"{name}={value!r} is not valid: {problem}")
    settings = msgspec.convert(given, type=kind, strict=False)
    _check_host(settings.host)
    _check_metrics_port(settings.metrics_port, settings.port)
    _check_servers(settings.nats_url)
    _check_nats_tls(settings)
    if isinstance(settings, PublicSettings):
        _check_workers(settings)
        _check_origins(settings.allowed_origins)
        _check_pair(TLS_CERT=settings.tls_cert, TLS_KEY=settings.tls_key)
        _check_proxies(settings.trusted_proxies)
    settings.check()
    return settings


def _problem(text: str, kind: object) -> str | None:
    """What is wrong with a variable's text as a value of `kind`."""
    try:
        value = msgspec.convert(text, type=kind, strict=False)
    except msgspec.ValidationError as error:
        return str(error)
    if isinstance(value, int | float) and value > MOST:
        return f"Expected a number <= {MOST}"
    return None


def _check_host(host: str) -> None:
    try:
        host.encode("idna")
    except UnicodeError as error:
        raise SettingsError(f"HOST={host!r} is not valid: {error}") from None


def _check_metrics_port(metrics_port: int, port: int) -> None:
    if metrics_port and metrics_port == port:
        raise SettingsError(f"METRICS_PORT={metrics_port} is not valid: it is PORT")


def _check_workers(settings: PublicSettings) -> None:
    if settings.workers == 1:
        return
    if os.name != "posix":
        raise SettingsError(f"WORKERS={settings.workers} is not valid: this system can't share")
    if not settings.metrics_port:
        raise SettingsError(
            f"METRICS_PORT is not set: with WORKERS={settings.workers} any of them may answer at "
            "PORT, and the metrics of all need a port of their own"
        )


def without_password(urls: str) -> str:
    """NATS_URL without its passwords, for logs."""
    return re.sub(r"//[^/@,]*@", "//", urls)


def _check_servers(urls: str) -> None:
    schemes = {_nats_scheme(url.strip()) for url in urls.split(",")}
    shown = f"NATS_URL={without_password(urls)!r} is not valid"
    if None in schemes:
        raise SettingsError(f"{shown}: expected nats://host:port")
    if len(schemes) > 1 and schemes & {"ws", "wss"}:
        raise SettingsError(f"{shown}: ws:// and wss:// do not go with others")


def _nats_scheme(url: str) -> str | None:
    """The scheme of a NATS server's address; None if it is not one."""
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in _NATS_SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts.scheme if is_one else None


def _check_origins(origins: str) -> None:
    try:
        origin.parse_all(origins)
    except ValueError as error:
        raise SettingsError(
            f"ALLOWED_ORIGINS={origins!r} is not valid: expected https://host[:port], null, "
            f"file:// or *: {error}"
        ) from None


def _check_proxies(proxies: str) -> None:
    try:
        client_address.networks(proxies)
    except ValueError as error:
        raise SettingsError(f"TRUSTED_PROXIES={proxies!r} is not valid: {error}") from None


def _check_nats_tls(settings: Settings) -> None:
    _check_pair(NATS_TLS_CERT=settings.nats_tls_cert, NATS_TLS_KEY=settings.nats_tls_key)
    _check_file("NATS_TLS_CA", settings.nats_tls_ca)
    if not (settings.nats_tls_ca or settings.nats_tls_cert):
        return
    if {_nats_scheme(url.strip()) for url in settings.nats_url.split(",")} & {"nats", "ws"}:
        name = "NATS_TLS_CA" if settings.nats_tls_ca else "NATS_TLS_CERT"
        shown = without_password(settings.nats_url)
        raise SettingsError(f"{name} is set, but NATS_URL={shown!r} is not tls:// or wss://")


def _check_pair(**files: str) -> None:
    missing = [name for name, path in files.items() if not path]
    if len(missing) == 1:
        raise SettingsError(f"{missing[0]} is not set: {' and '.join(files)} go together")
    for name, path in files.items():
        _check_file(name, path)


def _check_file(name: str, path: str) -> None:
    try:
        is_file = not path or Path(path).is_file()
    except OSError as error:  # too long, or in a folder that may not be read
        raise SettingsError(f"{name}={path!r} is not valid: {error.strerror}") from None
    if not is_file:
        raise SettingsError(f"{name}={path!r} is not valid: no such file")
