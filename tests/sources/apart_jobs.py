"""What is done apart in `test_apart`: jobs that behave, and others that do not."""

import os
import socket
import time
from pathlib import Path

from pydantic import TypeAdapter

from workflows.errors import InvalidInput
from workflows.sources.apart import Job

TEXT = TypeAdapter(str)


def _perform(path: Path, what: str) -> str:
    data = path.read_bytes()
    match what:
        case "upper":
            return data.decode().upper()
        case "environment":
            return " ".join(sorted(os.environ))
        case "pid":
            return str(os.getpid())
        case "print":
            print("not an answer")  # noqa: T201
            os.write(1, b"nor this\n")
            return "said"
        case "sleep":
            time.sleep(3600)
        case "spin":
            while True:
                pass
        case "hog":
            return str(len(bytearray(8_000_000_000)))
        case "write":
            with (path.parent / "big").open("wb") as file:
                file.truncate(4_000_000_000)
                file.seek(3_999_999_999)
                file.write(b"x")
        case "die":
            os._exit(3)
        case "refuse":
            raise InvalidInput("No such thing.", field="file")
        case "break":
            socket.create_connection(("", -1))
    return "done"


DO = Job("tests.sources.apart_jobs:DO", _perform, TEXT, TEXT)
