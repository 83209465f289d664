"""A model is loaded in a process of its own: what it may, what it answers, and how it ends."""

import ast
import json
import os
import pickle
import socket
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stories.office import eventually
from workflows.errors import InvalidInput
from workflows.evidence import explanations as evidence_explanations
from workflows.sources import explanations
from workflows.sources.permutation import child, runner
from workflows.sources.permutation.child import Answered

pytestmark = pytest.mark.slow


@cache
def cases() -> tuple[Any, Any]:
    """Inputs and truth. Libraries that take a second to import are imported where they are used."""
    import numpy
    import pandas

    seed = numpy.random.RandomState(7)
    frame = pandas.DataFrame({one: seed.normal(size=400) for one in ("income", "age", "noise")})
    return frame, (2 * frame.income + frame.age > 0).astype(int)


@cache
def fitted() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit(*cases())


@pytest.fixture
def table(tmp_path: Path) -> Path:
    made = tmp_path / "cases.csv"
    frame, truth = cases()
    frame.assign(fraud=truth).to_csv(made, index=False)
    return made


def saved(place: Path, model: Any, format_: str = "pickle", **flavor: Any) -> Path:
    """A folder as MLflow keeps it."""
    folder = place / "model"
    folder.mkdir(exist_ok=True)
    if format_ == "skops":
        import skops.io

        skops.io.dump(model, folder / "model.file")
    else:
        (folder / "model.file").write_bytes(pickle.dumps(model))
    told = {
        "pickled_model": "model.file",
        "serialization_format": format_,
        "sklearn_version": "1.5.0",
    }
    (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": {"sklearn": told | flavor}}))
    return folder


def tried(folder: Path, table: Path, **more: Any) -> Answered:
    # What the box keeps away is told below; the rest has to hold without one, too.
    asked = {"target": "fraud", "seconds": 60.0, "needs_isolation": False, "sandbox": False} | more
    return runner.run_importance(folder, table, **asked)


@pytest.mark.parametrize("format_", ["skops", "pickle"])
def test_the_figures_are_scikit_learns(tmp_path: Path, table: Path, format_: str) -> None:
    found = tried(saved(tmp_path, fitted(), format_), table, run_code=format_ == "pickle")
    from sklearn.inspection import permutation_importance

    own = permutation_importance(fitted(), *cases(), n_repeats=5, random_state=0)
    assert found.features == ("income", "age", "noise")
    assert found.rows == 400
    assert (found.kind, found.scored_by) == ("LogisticRegression", "accuracy")
    assert found.score == pytest.approx(fitted().score(*cases()))
    # The cases come in another order than they stand in the file, so the shuffles differ.
    assert found.mean == pytest.approx(own["importances_mean"], abs=0.05)
    assert found.mean[0] > found.mean[1] > abs(found.mean[2])


def test_what_is_handed_in_says_what_it_does_not_tell(tmp_path: Path, table: Path) -> None:
    found = tried(saved(tmp_path, fitted(), "skops"), table, rows=100, scoring="roc_auc")
    assert found.rows == 100
    told = runner.build_file(found, table)
    explained = evidence_explanations.Explained.model_validate(
        explanations.read_explanations(json.dumps(told).encode())
    )
    assert evidence_explanations.describe_drivers(explained)[0].startswith(
        "By permutation importance, its answers are moved most by income ("
    )
    assert "Computed by mlgov on 100 cases of cases.csv" in explained.limits
    assert "how far the roc_auc of" in explained.limits


class Spy:
    """Looks around while it is loaded, and while it answers."""

    def __init__(self, does: str) -> None:
        self.does = does

    def __reduce__(self) -> Any:
        return (exec, (self.does,))


def refusal(folder: Path, table: Path, **more: Any) -> str:
    with pytest.raises(InvalidInput) as raised:
        tried(folder, table, **more)
    return raised.value.sentence


def test_a_pickle_is_loaded_only_where_somebody_says_so(tmp_path: Path, table: Path) -> None:
    mark = tmp_path / "ran"
    folder = saved(tmp_path, Spy(f"open({str(mark)!r}, 'w')"))
    assert "add --run-code" in refusal(folder, table)
    assert not mark.exists()
    assert "has no score of its own" in refusal(folder, table, run_code=True)
    assert mark.exists()


def test_a_model_sees_no_credential(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLGOV_TOKEN", "sesame")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sesame")
    mark = tmp_path / "seen"
    does = f"import os; open({str(mark)!r}, 'w').write(repr(dict(os.environ)))"
    refusal(saved(tmp_path, Spy(does)), table, run_code=True)
    assert "sesame" not in mark.read_text()
    assert "HOME" in mark.read_text()


def test_a_model_reaches_no_network(tmp_path: Path, table: Path) -> None:
    mark = tmp_path / "reached"
    does = (
        "import socket\n"
        "try:\n    socket.create_connection(('127.0.0.1', 1), 2)\n"
        f"except OSError as error:\n    open({str(mark)!r}, 'w').write(str(error.errno))\n"
    )
    said = refusal(saved(tmp_path, Spy(does)), table, run_code=True, needs_isolation=True)
    if "cannot be taken away" in said:
        pytest.skip("this machine lets no process leave its network")
    # Even the loopback is down: 101 is "network is unreachable", where an open one refuses with 111.
    assert mark.read_text() == "101"


def test_one_that_never_ends_is_ended_with_what_it_started(tmp_path: Path, table: Path) -> None:
    mark = tmp_path / "pid"
    does = f"import subprocess, time\nheld = subprocess.Popen(['sleep', '600'])\nopen({str(mark)!r}, 'w').write(str(held.pid))\ntime.sleep(600)"
    said = refusal(saved(tmp_path, Spy(does)), table, run_code=True, seconds=12.0)
    assert said.startswith("It took longer than 12 seconds.")
    with pytest.raises(OSError, match=r"No such process|No such file"):
        _alive(int(mark.read_text()))


def _alive(pid: int) -> None:
    os.kill(pid, 0)
    state = Path(f"/proc/{pid}/stat").read_text().split()[2]
    if state == "Z":
        raise ProcessLookupError("No such process: it is dead, and waits for its parent")


def test_one_that_takes_all_memory_is_told(tmp_path: Path, table: Path) -> None:
    said = refusal(saved(tmp_path, Spy("x = bytearray(8_000_000_000)")), table, run_code=True)
    assert "more than 4,096 MB" in said


def test_one_that_dies_is_told(tmp_path: Path, table: Path) -> None:
    said = refusal(
        saved(tmp_path, Spy("import os; print('bye', flush=True); os._exit(3)")),
        table,
        run_code=True,
    )
    assert "ended without an answer (code 3: bye)" in said


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"target": "truth"}, "no column 'truth'. It has: income, age, noise, fraud"),
        ({"scoring": "best"}, "no scorer 'best'"),
        ({"scoring": "r3"}, "no scorer"),
    ],
)
def test_what_does_not_fit_is_said(
    tmp_path: Path, table: Path, more: dict[str, str], words: str
) -> None:
    assert words in refusal(saved(tmp_path, fitted(), "skops"), table, **more)


def test_columns_that_the_model_takes_and_the_table_lacks(tmp_path: Path) -> None:
    table = tmp_path / "few.csv"
    frame, truth = cases()
    frame[["income"]].assign(fraud=truth).to_csv(table, index=False)
    folder = saved(tmp_path, fitted(), "skops")
    assert "lacks columns that the model takes: age, noise" in refusal(folder, table)
    table.write_bytes(b"\x00\xff\xfe,")
    assert refusal(folder, table)
    table.write_bytes(b"")
    assert "is empty" in refusal(folder, table)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no MLmodel file"),
        ("flavors: {pytorch: {}}", "no scikit-learn model"),
        ("- 1", "no scikit-learn model"),
        ("flavors: {sklearn: {pickled_model: ../../secret}}", "not there"),
        (
            "flavors: {sklearn: {pickled_model: model.file, serialization_format: dill}}",
            "serialized as 'dill'",
        ),
        ("flavors: [", "no MLmodel file"),
    ],
)
def test_what_is_no_such_model(tmp_path: Path, table: Path, text: str | None, words: str) -> None:
    folder = saved(tmp_path, fitted(), "skops")
    (tmp_path / "secret").write_text("x")
    if text is None:
        (folder / "MLmodel").unlink()
    else:
        (folder / "MLmodel").write_text(text)
    assert words in refusal(folder, table)


def test_types_that_skops_does_not_know_need_a_word(tmp_path: Path, table: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    own = type("Own", (LogisticRegression,), {"__module__": "somebodys.code"})
    folder = saved(tmp_path, own().fit(*cases()), "skops")
    said = refusal(folder, table)
    assert "types that skops does not know" in said
    assert "somebodys.code.Own" in said


@pytest.fixture
def boxed() -> None:
    """These need bubblewrap, which continuous integration installs."""
    if not child.is_possible():
        if os.environ.get("CI"):
            pytest.fail(child.MISSING)
        pytest.skip("bubblewrap isn't here, or may not work")


def inside(tmp_path: Path, table: Path, does: str, **more: Any) -> str:
    """What code in a model prints when the box holds it."""
    code = f"import os\n{does}\nprint('MARK', said, flush=True)\nos._exit(3)"
    words = refusal(saved(tmp_path, Spy(code)), table, run_code=True, sandbox=True, **more)
    assert "MARK" in words, words
    return words.partition("MARK ")[2].partition(")")[0]


@pytest.mark.usefixtures("boxed")
def test_the_figures_are_the_same_in_the_box(tmp_path: Path, table: Path) -> None:
    folder = saved(tmp_path, fitted(), "skops")
    assert tried(folder, table, sandbox=True) == tried(folder, table)


@pytest.mark.usefixtures("boxed")
def test_a_model_in_the_box_writes_nowhere_and_sees_little(tmp_path: Path, table: Path) -> None:
    places = [
        tmp_path / "mark",
        tmp_path / "model" / "mark",
        Path.home() / "mlgov-was-here",
        Path("/etc/mlgov-was-here"),
        Path("/usr/mlgov-was-here"),
        Path(sys.prefix) / "mlgov-was-here",
    ]
    secret = tmp_path / "secret"
    secret.write_text("sesame")
    hidden = [secret, Path("/etc/shadow"), Path.cwd() / "pyproject.toml", Path("/run")]
    does = f"""
wrote = []
for place in {[str(place) for place in places]!r}:
    try:
        open(place, "w")
        wrote.append(place)
    except OSError:
        pass
seen = [place for place in {[str(place) for place in hidden]!r} if os.path.exists(place)]
processes = len([entry for entry in os.listdir("/proc") if entry.isdigit()])
said = [wrote, seen, processes < 6, os.getuid()]"""
    wrote, seen, is_alone, user = ast.literal_eval(inside(tmp_path, table, does))
    assert not [place for place in places if place.exists()]
    # The box's own memory takes files; nobody else ever sees them.
    assert all(place.startswith(("/tmp/", "/dev/shm/")) for place in wrote)
    assert (seen, is_alone, user) == ([], True, 65534)


@pytest.mark.usefixtures("boxed")
def test_a_model_in_the_box_reaches_no_socket_of_the_machine(tmp_path: Path, table: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        does = (
            "import socket\ntry:\n    socket.socket(socket.AF_UNIX).connect("
            f"{str(tmp_path / 's')!r}); said = 'reached'\nexcept OSError as error: said = error.errno"
        )
        assert inside(tmp_path, table, does) == "2"
    does = (
        "import socket\ntry:\n    socket.create_connection(('192.0.2.1', 80), 2); said = 'reached'\n"
        "except OSError as error: said = error.errno"
    )
    assert inside(tmp_path, table, does) == "101"


@pytest.mark.usefixtures("boxed")
def test_nothing_survives_the_box(tmp_path: Path, table: Path) -> None:
    name = f"mlgov-survivor-{os.getpid()}"
    does = (
        "import subprocess, time\n"
        f"subprocess.Popen(['bash', '-c', 'exec -a {name} sleep 600'], start_new_session=True)\n"
        "time.sleep(600)"
    )
    folder = saved(tmp_path, Spy(does))
    said = refusal(folder, table, run_code=True, sandbox=True, seconds=12.0)
    assert said.startswith("It took longer than 12 seconds.")
    eventually(lambda: name not in _everything(), f"{name} has ended")


def _everything() -> str:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(path.read_bytes().decode(errors="replace"))
    return "\n".join(lines)


@pytest.mark.usefixtures("boxed")
def test_one_that_multiplies_is_ended(tmp_path: Path, table: Path) -> None:
    # It stops by itself at some hundreds, should nothing else stop it.
    does = (
        "import os, time\n"
        "for _ in range(400):\n"
        "    try:\n        if os.fork() == 0: time.sleep(600)\n"
        "    except OSError: os._exit(9)\n"
        "time.sleep(600)"
    )
    folder = saved(tmp_path, Spy(does))
    said = refusal(folder, table, run_code=True, sandbox=True)
    # Who isn't root meets the system's own limit first.
    assert "more than 64 processes" in said or "(code 9" in said


def test_without_bubblewrap_nothing_is_loaded_unless_somebody_says_so(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "ran"
    folder = saved(tmp_path, Spy(f"open({str(mark)!r}, 'w')"))
    monkeypatch.setenv("PATH", str(tmp_path))
    child.is_possible.cache_clear()
    try:
        said = refusal(folder, table, run_code=True, sandbox=True)
    finally:
        child.is_possible.cache_clear()
    assert "add --without-sandbox" in said
    assert not mark.exists()
