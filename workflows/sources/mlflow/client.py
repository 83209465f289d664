"""MLflow 3's REST API over httpx: paged, bounded, and never following a redirect with the credentials.

What it answers was tried against MLflow 3.17; docs/mlflow.md says what mlgov needs of a server.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from workflows.errors import GovernanceError
from workflows.sources import http
from workflows.sources.http import TooLong

# --- Whether a delivery of MLflow's is genuine and fresh
#
# It is a hint to look, and never believed for more.

WINDOW = timedelta(minutes=5)


def sign_body(secret: str, delivery_id: str, timestamp: str, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; the secret is plain UTF-8, unlike Standard Webhooks'."""
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode('ascii')}"


def find_fault(secret: str, headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """Why a delivery is not taken; empty when it is. Header names are lower case."""
    delivery = headers.get("x-mlflow-delivery-id", "")
    timestamp = headers.get("x-mlflow-timestamp", "")
    given = headers.get("x-mlflow-signature", "")
    if not (delivery and timestamp and given):
        return "it is not signed"
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return "its timestamp is no number"
    if abs(now.timestamp() - int(timestamp)) > WINDOW.total_seconds():
        return "it is too old, or from the future"
    wanted = sign_body(secret, delivery, timestamp, body)
    if not any(hmac.compare_digest(one.encode(), wanted.encode()) for one in given.split(" ")):
        return "its signature is wrong"
    return ""


# --- MLflow 3's REST API over httpx
#
# paged, bounded, and never following a redirect with the credentials. What it answers was tried
# against MLflow 3.17; docs/mlflow.md says what mlgov needs of a server.

# --- Why the registry could not be read or written
#
# Each carries a sentence for whoever operates it.


class RegistryTrouble(GovernanceError):
    """The registry is down, slow or wrong; the same call may pass later."""


class RegistryRefused(GovernanceError):
    """The registry says no: to the credentials, or to what was asked."""


class RegistryMissing(RegistryRefused):
    """What was asked for is not there."""


# --- What the registry holds, as it was read
#
# Names and values are a stranger's words.


@dataclass(frozen=True, slots=True)
class RegistryVersion:
    """A version in the registry."""

    name: str
    version: str
    run_id: str | None
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RegistryModel:
    """A registered model."""

    name: str
    description: str
    tags: Mapping[str, str]
    aliases: Mapping[str, str]
    """Alias → version."""
    versions: tuple[RegistryVersion, ...] = ()
    """The newest first."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole registry at one moment, read model by model."""

    models: tuple[RegistryModel, ...]

    @property
    def by_name(self) -> dict[str, RegistryModel]:
        """Name → model."""
        return {one.name: one for one in self.models}


@dataclass(frozen=True, slots=True)
class Digest:
    """SHA-256 over a version's contents, or why there is none."""

    sha256: str | None
    why: str = ""
    """Why it is unverified."""
    for_now: bool = False
    """Whether that may have passed when it is tried again soon."""


# --- MLflow 3's REST API over httpx
#
# paged, bounded, and never following a redirect with the credentials. What it answers was tried
# against MLflow 3.17; docs/mlflow.md says what mlgov needs of a server.

PREFIX = "/api/2.0/mlflow"
PAGE = 100
MOST_PAGES = 1_000
MOST_BYTES = 20_000_000
"""Of one answer."""
MOST_ARTIFACT_BYTES, MOST_ARTIFACTS = 2_000_000_000, 5_000
PROMPT = "mlflow.prompt.is_prompt"
"""Prompts share the registry's tables with models; they are no models."""
_ARTIFACTS = "mlflow-artifacts"


class MlflowClient:
    """One server. Safe to call from many threads."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        user: str | None = None,
        password: str | None = None,
        timeout: float = 10.0,
    ) -> None:
        auth = httpx.BasicAuth(user, password or "") if user else None
        headers = {"User-Agent": "mlgov", "Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._http = http.make_client(
            base_url=url.rstrip("/"), auth=auth, headers=headers, timeout=timeout
        )

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()

    # --- reading

    def snapshot(self) -> Snapshot:
        """Every model with its versions, aliases and tags. Raises RegistryTrouble and RegistryRefused."""
        return Snapshot(tuple(self.models()))

    def models(self) -> Iterator[RegistryModel]:
        """The registered models, one after another."""
        for row in self._pages("registered-models/search", "registered_models", {}):
            name = _read_text(row, "name")
            tags = _read_tags(row)
            if tags.get(PROMPT, "").casefold() == "true":
                continue
            aliases = {
                _read_text(one, "alias"): str(one.get("version", ""))
                for one in _read_list(row, "aliases")
            }
            yield RegistryModel(
                name, str(row.get("description") or ""), tags, aliases, tuple(self.versions(name))
            )

    def versions(self, name: str) -> Iterator[RegistryVersion]:
        """The versions of a model, newest first."""
        asked = {"order_by": "version_number DESC", **_named(name)}
        for row in self._pages("model-versions/search", "model_versions", asked):
            if row.get("name") != name:
                continue
            yield RegistryVersion(
                name=name,
                version=str(row.get("version", "")),
                run_id=str(row.get("run_id") or "") or None,
                tags=_read_tags(row),
            )

    def run(self, run_id: str) -> tuple[dict[str, float], tuple[str, ...]]:
        """What a run measured at last, and who ran it.

        The server keeps who that was with the run when it is begun, and as a tag that can be set anew: both are given.
        """
        answer = self._call("GET", "runs/get", params={"run_id": run_id})
        run = _read_object(answer, "run")
        data = _read_object(run, "data")
        metrics = {}
        for metric in _read_list(data, "metrics"):
            value = metric.get("value")
            if isinstance(value, int | float):
                metrics[_read_text(metric, "key")] = float(value)
        info = run.get("info")
        kept = info.get("user_id") if isinstance(info, dict) else None
        users = (kept, _read_tags(data).get("mlflow.user"))
        return metrics, tuple(dict.fromkeys(str(metric) for metric in users if metric))

    # --- writing

    def set_version_tag(self, name: str, version: str, key: str, value: str) -> None:
        """Set a tag of a version."""
        self._call(
            "POST",
            "model-versions/set-tag",
            body={"name": name, "version": version, "key": key, "value": value},
        )

    def delete_version_tag(self, name: str, version: str, key: str) -> None:
        """Take a tag of a version away; one that is not there is no error."""
        try:
            self._call(
                "DELETE",
                "model-versions/delete-tag",
                body={"name": name, "version": version, "key": key},
            )
        except RegistryMissing:
            return

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Point an alias at a version."""
        self._call(
            "POST",
            "registered-models/alias",
            body={"name": name, "alias": alias, "version": version},
        )

    def delete_alias(self, name: str, alias: str) -> None:
        """Take an alias away; one that is not there is no error. MLflow wants a body here, and no query."""
        try:
            self._call("DELETE", "registered-models/alias", body={"name": name, "alias": alias})
        except RegistryMissing:
            return

    # --- contents

    def digest(self, name: str, version: str) -> Digest:
        """SHA-256 over what a version consists of: the path and SHA-256 of every file, in order of paths.

        The address never counts, so a copy elsewhere has the same digest. Raises RegistryTrouble when the server does
        not answer; what cannot be read for good is a Digest without one, which says why.
        """
        return self._contents(name, version, None)

    def download(self, name: str, version: str, into: Path) -> Digest:
        """Every file of a version, below that folder, and the digest of exactly those bytes; as `digest`."""
        return self._contents(name, version, into)

    def _contents(self, name: str, version: str, into: Path | None) -> Digest:
        answer = self._call(
            "GET", "model-versions/get-download-uri", params={"name": name, "version": version}
        )
        uri = urlsplit(str(answer.get("artifact_uri") or ""))
        if uri.scheme != _ARTIFACTS:
            return Digest(
                None,
                f"its artefacts lie at {uri.scheme or 'no address'}:, which the server does not hand out",
            )
        root = uri.path.strip("/")
        try:
            files = sorted(self._files(root))
            if not files:
                return Digest(None, "the server lists no files of it", for_now=True)
            whole = hashlib.sha256()
            left = MOST_ARTIFACT_BYTES
            for path in files:
                digest, size = self._fetch(f"{root}/{path}", left, into / path if into else None)
                left -= size
                whole.update(f"{path}\n{digest}\n".encode())
        except _TooMuch as error:
            return Digest(None, str(error))
        except RegistryRefused as error:
            return Digest(None, error.sentence)
        return Digest(whole.hexdigest())

    def _files(self, root: str) -> list[str]:
        paths: list[str] = []
        waiting = [""]
        listed = 0
        while waiting:
            listed += 1
            place = waiting.pop()
            path = f"{root}/{place}".rstrip("/")
            answer = self._json(
                self._http.build_request(
                    "GET", "/api/2.0/mlflow-artifacts/artifacts", params={"path": path}
                )
            )
            for entry in _read_list(answer, "files"):
                name = _read_text(entry, "path").rsplit("/", 1)[-1]
                if name in ("", ".", ".."):
                    raise RegistryTrouble("MLflow lists a file without a name.")
                below = f"{place}/{name}".lstrip("/")
                if entry.get("is_dir"):
                    waiting.append(below)
                else:
                    paths.append(below)
                if len(paths) + len(waiting) + listed > MOST_ARTIFACTS:
                    raise _TooMuch(f"it has more than {MOST_ARTIFACTS:,} files")
        return paths

    def _fetch(self, path: str, most: int, copy: Path | None) -> tuple[str, int]:
        """SHA-256 and size of a file; its bytes also go to `copy`."""
        if copy is not None:
            copy.parent.mkdir(parents=True, exist_ok=True)
        asked = self._http.build_request(
            "GET", f"/api/2.0/mlflow-artifacts/artifacts/{quote(path)}"
        )
        digest, size = hashlib.sha256(), 0
        try:
            answer = self._http.send(asked, stream=True)
        except httpx.HTTPError as error:
            raise _trouble(error) from None
        try:
            if answer.status_code != 200:
                raise _withheld(path, answer.status_code)
            with copy.open("xb") if copy else nullcontext() as kept:
                for part in http.read_pieces(answer, most):
                    size += len(part)
                    digest.update(part)
                    if kept is not None:
                        kept.write(part)
        except httpx.HTTPError as error:
            raise _trouble(error) from None
        except TooLong:
            raise _TooMuch(f"it is larger than {MOST_ARTIFACT_BYTES // 1_000_000:,} MB") from None
        finally:
            answer.close()
        return digest.hexdigest(), size

    # --- calls

    def _pages(self, path: str, key: str, params: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        token = ""
        for _ in range(MOST_PAGES):
            asked = {**params, "max_results": str(PAGE), **({"page_token": token} if token else {})}
            answer = self._call("GET", path, params=asked)
            yield from _read_list(answer, key)
            following = str(answer.get("next_page_token") or "")
            if not following or following == token:
                return
            token = following
        raise RegistryTrouble(f"MLflow's answer to {path} has no end.")

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        return self._json(
            self._http.build_request(method, f"{PREFIX}/{path}", params=params, json=body)
        )

    def _json(self, asked: httpx.Request) -> dict[str, Any]:
        try:
            status, body = http.read_whole(self._http, asked, MOST_BYTES)
        except httpx.HTTPError as error:
            raise _trouble(error) from None
        except TooLong:
            raise RegistryTrouble("MLflow's answer is too long to be one.") from None
        return _read_answer(status, body)


class _TooMuch(Exception):
    """A version is larger than is looked at."""


def _trouble(error: httpx.HTTPError) -> RegistryTrouble:
    slow = isinstance(error, httpx.TimeoutException)
    return RegistryTrouble(
        f"MLflow {'takes too long to answer' if slow else 'does not answer'} ({type(error).__name__})."
    )


def _withheld(path: str, status: int) -> RegistryTrouble | RegistryMissing:
    kind = RegistryTrouble if status == 429 or status >= 500 else RegistryMissing
    return kind(f"MLflow does not hand out {path.rsplit('/', 1)[-1]} (HTTP {status}).")


def _read_answer(status: int, raw: bytes) -> dict[str, Any]:
    """The JSON of an answer. Raises for everything else, in words that quote nothing but MLflow's own code."""
    try:
        parsed = json.loads(raw) if raw else {}
    except (ValueError, RecursionError):
        parsed = None
    code = str(parsed.get("error_code") or "") if isinstance(parsed, dict) else ""
    if status in (301, 302, 303, 307, 308):
        raise RegistryRefused(
            "MLflow sends the call elsewhere (HTTP redirect). Set MLGOV_MLFLOW_URL to where it is; credentials follow no redirect."
        )
    if status in (401, 403):
        raise RegistryRefused(
            f"MLflow refuses the credentials (HTTP {status}). Check MLGOV_MLFLOW_TOKEN, or user and password, and their rights."
        )
    if status == 404 and code == "RESOURCE_DOES_NOT_EXIST":
        raise RegistryMissing("MLflow does not have that any more.")
    if status == 429 or status >= 500:
        raise RegistryTrouble(f"MLflow answers HTTP {status}.")
    if status >= 400:
        raise RegistryRefused(
            f"MLflow refuses the call (HTTP {status}{', ' + code[:60] if code else ''})."
        )
    if not isinstance(parsed, dict):
        raise RegistryTrouble("MLflow's answer is no JSON. Does MLGOV_MLFLOW_URL lead to it?")
    return parsed


def _read_list(answer: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """A list of objects; MLflow leaves the key out where there are none."""
    objects = answer.get(key, [])
    if not isinstance(objects, list) or not all(isinstance(one, dict) for one in objects):
        raise RegistryTrouble(f"MLflow's answer has no list of {key}.")
    return objects


def _read_object(answer: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = answer.get(key)
    if not isinstance(value, dict):
        raise RegistryTrouble(f"MLflow's answer lacks {key}.")
    return value


def _read_text(answer: Mapping[str, Any], key: str) -> str:
    text = answer.get(key)
    if not isinstance(text, str) or not text:
        raise RegistryTrouble(f"MLflow's answer lacks a {key}.")
    return text


def _read_tags(answer: Mapping[str, Any]) -> dict[str, str]:
    return {
        _read_text(one, "key"): str(one.get("value") or "") for one in _read_list(answer, "tags")
    }


def _named(name: str) -> dict[str, str]:
    """MLflow's filter by name. Its language has no escape: a name takes the quotation marks that it does not hold, and one that holds both is looked for among all."""
    for mark in ("'", '"'):
        if mark not in name:
            return {"filter": f"name={mark}{name}{mark}"}
    return {}
