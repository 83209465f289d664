"""What stands where Slack, PostgreSQL or mlgov should: servers that answer as others do."""

import contextlib
import datetime
import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

_SSL, _GSS = 80877103, 80877104
Answer = Callable[[socket.socket], None]


@contextlib.contextmanager
def listening(answer: Answer) -> Iterator[int]:
    """A port at which each connection is handed to `answer`."""
    server = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with contextlib.suppress(OSError, struct.error), connection:
                connection.settimeout(10)
                answer(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        ended.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(10)


@contextlib.contextmanager
def postgres_that_refuses(code: str, message: str) -> Iterator[str]:
    """A URL at which a server refuses to let anybody in, in PostgreSQL's protocol (ErrorResponse)."""
    fields = f"SFATAL\0VFATAL\0C{code}\0M{message}\0\0".encode()

    def answer(connection: socket.socket) -> None:
        while True:
            length, version = struct.unpack("!ii", connection.recv(8, socket.MSG_WAITALL))
            if version not in (_SSL, _GSS):
                break
            connection.sendall(b"N")
        connection.recv(length - 8, socket.MSG_WAITALL)
        connection.sendall(b"E" + struct.pack("!i", len(fields) + 4) + fields)

    with listening(answer) as port:
        yield f"postgresql://mlgov:hush-hush@127.0.0.1:{port}/governance"


@contextlib.contextmanager
def untrusted_tls(folder: Path) -> Iterator[str]:
    """An https address whose certificate nobody vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(folder))

    def answer(connection: socket.socket) -> None:
        with contextlib.suppress(ssl.SSLError):
            context.wrap_socket(connection, server_side=True).recv(100)

    with listening(answer) as port:
        yield f"https://127.0.0.1:{port}"


def _certificate(folder: Path) -> Path:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "tls.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path
