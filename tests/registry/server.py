"""A real MLflow server, started by the tests."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx


class Mlflow:
    """One server, and what a team does with it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=30)

    def call(self, path: str, method: str = "POST", **body: Any) -> Any:
        answer = self.http.request(method, f"/api/2.0/mlflow/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def trained(
        self, experiment: str, contents: bytes, user: str, **metrics: float
    ) -> tuple[str, str]:
        """A run that logged metrics and a model; its id and the model's address."""
        found = self.call("experiments/create", name=experiment)["experiment_id"]
        run = self.call(
            "runs/create", experiment_id=found, tags=[{"key": "mlflow.user", "value": user}]
        )["run"]["info"]
        for key, value in metrics.items():
            self.call(
                "runs/log-metric", run_id=run["run_id"], key=key, value=value, timestamp=1, step=0
            )
        source = f"{run['artifact_uri']}/model"
        self.upload(source, contents)
        return run["run_id"], source

    def upload(self, source: str, contents: bytes) -> None:
        """Put the weights where a model lies; again is another version of them."""
        root = source.removeprefix("mlflow-artifacts:/")
        answer = self.http.put(
            f"/api/2.0/mlflow-artifacts/artifacts/{root}/data/weights.bin", content=contents
        )
        assert answer.status_code == 200, answer.text

    def version(self, name: str, source: str, run_id: str) -> str:
        return str(
            self.call("model-versions/create", name=name, source=source, run_id=run_id)[
                "model_version"
            ]["version"]
        )

    def alias(self, name: str, version: str) -> None:
        self.call("registered-models/alias", name=name, alias="champion", version=version)

    def aliases(self, name: str) -> dict[str, str]:
        found = self.http.get("/api/2.0/mlflow/registered-models/get", params={"name": name}).json()
        return {
            one["alias"]: str(one["version"])
            for one in found["registered_model"].get("aliases", ())
        }

    def tags(self, name: str, version: str) -> dict[str, str]:
        found = self.http.get(
            "/api/2.0/mlflow/model-versions/get", params={"name": name, "version": version}
        ).json()
        return {one["key"]: one["value"] for one in found["model_version"].get("tags", ())}


@contextmanager
def served(work: Path, port: int | None = None) -> Iterator[Mlflow]:
    """A server on SQLite, without telemetry, that may call webhooks on this machine."""
    if port is None:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            port = held.getsockname()[1]
    work.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_CACHE_TTL": "0",
        "NO_PROXY": "127.0.0.1",
    }
    with (work / "mlflow.log").open("ab") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "mlflow",
                "server",
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
                "--workers",
                "1",
                "--backend-store-uri",
                f"sqlite:///{work}/mlflow.db",
                "--artifacts-destination",
                str(work / "artifacts"),
            ],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    made = Mlflow(f"http://127.0.0.1:{port}")
    try:
        _await(made, process, work)
        yield made
    finally:
        made.http.close()
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _await(made: Mlflow, process: "subprocess.Popen[bytes]", work: Path) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        assert process.poll() is None, (work / "mlflow.log").read_text()[-2000:]
        try:
            if made.http.get("/health").status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise AssertionError(f"MLflow did not start: {(work / 'mlflow.log').read_text()[-2000:]}")
