"""Behind a company's proxy and its own certificates everything outside is reached, and this machine is reached directly.

A real TLS server whose certificate only the company vouches for, and a real proxy that alone knows where its names lead.
"""

import contextlib
import http.server
import json
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot import anchor, settings
from bot.slack import client as slack_client
from bot.slack import files, installation
from bot.slack.files import Uploads
from bot.statements import cli
from bot.webhooks.sending import Courier
from storage.db import Database
from tests.cli import run
from workflows.audit.service import PublishedHead
from workflows.delivery.pace import Pace
from workflows.sources import http as network
from workflows.sources.mlflow.client import MlflowClient
from workflows.sources.prometheus import Prometheus, PrometheusTrouble

HEAD = PublishedHead(1, "ab" * 32, datetime(2026, 1, 26, tzinfo=UTC))
ANSWERS: dict[str, Any] = {
    "/api/2.0/mlflow/registered-models/search": {"registered_models": []},
    "/api/v1/query": {
        "status": "success",
        "data": {"resultType": "scalar", "result": [1769417400, "1"]},
    },
    "/api/v1/statements/st_1": {"state": "valid"},
    "/api/v1/approvals": {"approvals": []},
    "/api/auth.test": {"ok": True, "team_id": "T1", "user_id": "U1", "team": "Acme"},
    "/api/files.completeUploadExternal": {"ok": True, "files": []},
    "/heads": json.loads('{"seq": 1, "hash": "ab", "at": "2026-01-26T08:50:00+00:00"}'),
}


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certified(folder: Path) -> tuple[Path, Path]:
    """A company's authority, and a server's chain with its key in one file."""
    now = datetime.now(UTC)
    authority, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    def build(subject: str, key: Any) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name("Company authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
        )

    root = (
        build("Company authority", authority)
        .add_extension(x509.BasicConstraints(True, None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority.public_key()), False)
        .sign(authority, hashes.SHA256())
    )
    leaf = (
        build("server", own)
        .add_extension(
            x509.SubjectAlternativeName(
                [
                    x509.DNSName("*.company.test"),
                    x509.DNSName("localhost"),
                    x509.IPAddress(ip_address("127.0.0.1")),
                ]
            ),
            critical=False,
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()),
            critical=False,
        )
        .sign(authority, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    trusted, served = folder / "company.pem", folder / "server.pem"
    trusted.write_bytes(root.public_bytes(pem))
    served.write_bytes(
        leaf.public_bytes(pem)
        + own.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return trusted, served


@dataclass
class Company:
    """Its server, and a proxy in front of it."""

    trusted: Path
    port: int = 0
    proxy: str = ""
    connected: list[str] = field(default_factory=list)
    """Where the proxy was asked to connect."""
    asked: list[str] = field(default_factory=list)
    """What the server was asked."""


def _handler(company: Company) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            path = self.path.partition("?")[0]
            company.asked.append(path)
            body = json.dumps(ANSWERS.get(path, {"ok": True})).encode()
            if path == "/api/files.getUploadURLExternal":
                begun = {"ok": True, "upload_url": there(company, "files", "/up")}
                body = json.dumps(begun | {"file_id": "F1"}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def _connects(company: Company) -> type[http.server.BaseHTTPRequestHandler]:
    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            company.connected.append(self.path)
            with socket.create_connection(("127.0.0.1", company.port)) as there:
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=_pour, args=(there, self.connection))
                back.start()
                _pour(self.connection, there)
                back.join(10)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Proxy


def _pour(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    trusted, served = _certified(tmp_path_factory.mktemp("company"))
    company = Company(trusted)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(company))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(served)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _connects(company))
    company.port = server.server_address[1]
    company.proxy = f"http://127.0.0.1:{proxy.server_address[1]}"
    threads = [
        threading.Thread(target=one.serve_forever, args=(0.05,), daemon=True)
        for one in (server, proxy)
    ]
    for thread in threads:
        thread.start()
    yield company
    for one in (server, proxy):
        one.shutdown()
        one.server_close()


NAMES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture
def company(running: Company, monkeypatch: pytest.MonkeyPatch) -> Company:
    """In its network: by its certificates and through its proxy."""
    for name in NAMES:
        for each in (name, name.lower()):
            monkeypatch.setenv(each, "")
            monkeypatch.delenv(each)
    monkeypatch.setenv("SSL_CERT_FILE", str(running.trusted))
    monkeypatch.setenv("HTTPS_PROXY", running.proxy)
    monkeypatch.setenv("HTTP_PROXY", running.proxy)
    running.connected.clear()
    running.asked.clear()
    return running


def there(company: Company, host: str, path: str = "") -> str:
    return f"https://{host}.company.test:{company.port}{path}"


def _mlflow(company: Company, database: Database) -> object:
    client = MlflowClient(there(company, "outside"))
    try:
        return list(client.models())
    finally:
        client.close()


def _prometheus(company: Company, database: Database) -> object:
    client = Prometheus(there(company, "outside"))
    try:
        return client.value("up")
    finally:
        client.close()


def _anchor(company: Company, database: Database) -> object:
    place = there(company, "outside", "/heads")
    anchor.keep(place, HEAD)
    return anchor.read_heads(place)


def _response_url(company: Company, database: Database) -> object:
    client = slack_client.response_client(there(company, "outside", "/r"), timeout=5)
    answer = client.send_dict({"text": "hello"})
    assert answer.status_code == 200
    return answer


def _web_api(company: Company, database: Database) -> object:
    read = settings.read(
        {}, slack_bot_token="xoxb-1", slack_api_url=there(company, "outside", "/api/")
    )
    return installation.load_team(read)


def _upload(company: Company, database: Database) -> object:
    slack = slack_client.web_client(
        "xoxb-1", base_url=there(company, "outside", "/api/"), timeout=5
    )
    uploads = Uploads(database, slack, org_key="T1", pace=Pace())
    try:
        uploads.share("C1", "a.txt", b"words", "Here it is.")
    finally:
        uploads.close()
    return company.asked.index("/up")


def _download(company: Company, database: Database) -> object:
    return files._download(there(company, "outside", "/f"), "xoxb-1", "f", 5)


def _status(company: Company, database: Database) -> object:
    cli._require_standing(there(company, "outside"), "st_1")
    return True


EVERYBODY: list[Callable[[Company, Database], object]] = [
    _mlflow, _prometheus, _anchor, _response_url, _web_api, _upload, _download, _status,
]  # fmt: skip


@pytest.fixture
def one_database(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "mlgov.db"
    path.write_bytes(sqlite_template.read_bytes())
    opened = Database(f"sqlite:///{path}")
    yield opened
    opened.close()


@pytest.mark.parametrize("reach", EVERYBODY)
def test_everything_outside_is_reached_through_the_proxy_by_the_companys_word(
    company: Company, one_database: Database, reach: Callable[..., object]
) -> None:
    assert reach(company, one_database) is not None
    assert f"outside.company.test:{company.port}" in company.connected


@pytest.mark.parametrize("reach", EVERYBODY)
def test_who_is_not_vouched_for_is_not_believed(
    company: Company,
    one_database: Database,
    reach: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(Exception) as refused:  # noqa: PT011 - each client has its own
        reach(company, one_database)
    assert not isinstance(refused.value, AssertionError)
    assert company.asked == []


def test_commands_reach_an_api_behind_both(company: Company) -> None:
    kept = {name: os.environ[name] for name in ("SSL_CERT_FILE", "HTTPS_PROXY")}
    code, said = run(
        "approvals", "list", **kept, MLGOV_URL=there(company, "outside"), MLGOV_TOKEN="mlgov_m_x"
    )
    assert code == 0, said
    assert company.asked == ["/api/v1/approvals"]


def test_this_machine_is_never_reached_through_a_proxy(
    company: Company, one_database: Database
) -> None:
    for host in ("127.0.0.1", "localhost"):
        url = f"https://{host}:{company.port}"
        client = Prometheus(url)
        assert client.value("up") == 1
        client.close()
        slack = slack_client.web_client("xoxb-1", base_url=f"{url}/api/", timeout=5)
        assert slack.auth_test()["team_id"] == "T1"
        answer = slack_client.response_client(f"{url}/r", timeout=5).send_dict({})
        assert answer.status_code == 200
    assert company.connected == []
    assert slack_client.socket_proxy("http://127.0.0.1:1/api/") is None


def test_no_proxy_is_heard_by_slacks_clients_too(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert slack_client.socket_proxy("https://slack.com/api/") == company.proxy
    monkeypatch.setenv("NO_PROXY", "slack.com, .company.test")
    assert slack_client.socket_proxy("https://slack.com/api/") is None
    assert network.proxy_of(there(company, "intern")) is None
    assert network.proxy_of("https://mlflow.test") == company.proxy
    with pytest.raises(PrometheusTrouble):  # only the proxy knows where that is
        Prometheus(there(company, "outside"), timeout=2).value("up")
    monkeypatch.setenv("HTTPS_PROXY", company.proxy.removeprefix("http://"))
    assert network.proxy_of("wss://wss-primary.mlflow.test") == company.proxy


def test_webhooks_go_straight_and_by_the_companys_word(
    company: Company, one_database: Database
) -> None:
    read = settings.read({}, mlgov_webhook_hosts="localhost")
    courier = Courier(one_database, read)
    answer = courier._http.post(
        f"https://127.0.0.1:{company.port}/hook",
        headers={"host": "localhost"},
        extensions={"sni_hostname": "localhost"},
    )
    assert answer.status_code == 200
    with pytest.raises(httpx.ConnectError):
        courier._http.post(there(company, "outside"))
    courier._http.close()
    assert company.connected == []


def test_certificates_that_cannot_be_read_are_told_in_a_sentence(
    company: Company, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    empty = tmp_path / "none.pem"
    empty.write_text("nothing")
    for name in (str(tmp_path / "gone.pem"), str(empty)):
        monkeypatch.setenv("SSL_CERT_FILE", name)
        with pytest.raises(network.CertificatesUnreadable, match="PEM file"):
            network.make_tls()
        code, said = run(
            "approvals",
            "list",
            SSL_CERT_FILE=name,
            MLGOV_URL="https://mlgov.test",
            MLGOV_TOKEN="mlgov_m_x",
        )
        assert (code, "SSL_CERT_FILE" in said, "Traceback" in said) == (1, True, False)
