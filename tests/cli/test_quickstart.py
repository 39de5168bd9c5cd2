"""A first experiment by flags, and in a dialogue at a terminal."""

import json
import os
import pty
import select
import signal
import subprocess
import time
from datetime import date
from pathlib import Path

import pytest

from mlxts.config.loading import load_config
from mlxts.data import calendar
from mlxts.platform import device_lock
from tests import processes

SMALL = ["--source", "sample", "--symbols", "SP500", "--task", "direction", "--budget", "0.02M"]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def _quickstart(*arguments: str) -> subprocess.CompletedProcess[str]:
    return processes.run(["quickstart", *arguments])


def test_flags_alone_make_configuration_data_and_plan(tmp_path: Path) -> None:
    done = _quickstart(*SMALL, "--no-train", "--output", "first.yaml")
    assert done.returncode == 0, done.stderr
    assert load_config(Path("first.yaml")).task == "direction"
    assert list((tmp_path / "data" / "raw").rglob("*.parquet"))
    assert "mlxts train first.yaml --resume" in done.stdout
    assert not (tmp_path / "outputs" / "runs").exists()


def test_json_is_one_object_and_training_is_in_it(tmp_path: Path) -> None:
    done = _quickstart(*SMALL, "--train", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["config"] == "quickstart.yaml"
    assert said["plan"]["run_id"] == said["summary"]["run_id"]
    assert (tmp_path / "outputs" / "runs" / said["summary"]["run_id"] / "summary.json").exists()


@pytest.mark.parametrize("missing", ["--source", "--symbols", "--task", "--budget"])
def test_without_a_terminal_what_is_missing_is_named_and_nothing_written(
    missing: str, tmp_path: Path
) -> None:
    place = SMALL.index(missing)
    done = _quickstart(*SMALL[:place], *SMALL[place + 2 :], "--no-train")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {missing} is missing")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_whether_to_train_must_be_said_before_anything_is_written(tmp_path: Path) -> None:
    done = _quickstart(*SMALL)
    assert "--train or --no-train is missing" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_not_overwritten() -> None:
    Path("first.yaml").write_text("mine")
    done = _quickstart(*SMALL, "--no-train", "--output", "first.yaml")
    assert done.returncode == 2
    assert "choose another --output" in done.stderr
    assert Path("first.yaml").read_text() == "mine"


def test_files_of_ones_own_that_are_not_there_are_one_line() -> None:
    done = _quickstart("--source", "files", "--symbols", "no.csv", "--yes", "--no-train")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "no.csv" in done.stderr
    assert not Path("quickstart.yaml").exists()  # the next attempt finds its place free


# A process that was started in the background ignores SIGINT, and so do its children.
_HEARS_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"


class Dialogue:
    """The command at a terminal of its own."""

    def __init__(self, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        self.process = processes.start(
            ["quickstart", *arguments],
            env={**os.environ, "TERM": "dumb"},
            before=_HEARS_CTRL_C,
            terminal=slave,
        )
        os.close(slave)
        self.seen = ""

    def until(self, text: str) -> None:
        end = time.monotonic() + 200
        while text not in self.seen and time.monotonic() < end:
            if not select.select([self._master], [], [], 5)[0]:
                continue
            try:
                part = os.read(self._master, 4096)
            except OSError:  # Linux: the program has closed its side
                break
            self.seen += part.decode(errors="replace")
        if text not in self.seen:
            self.process.kill()
            self.end()
            pytest.fail(f"no {text!r} in {self.seen!r}")

    def say(self, line: str) -> None:
        os.write(self._master, f"{line}\n".encode())

    def end(self) -> int:
        code = self.process.wait(200)
        self.process.communicate()
        os.close(self._master)
        return code


def test_a_dialogue_asks_again_and_takes_beginnings_and_defaults(tmp_path: Path) -> None:
    talk = Dialogue()
    talk.until("where do the prices come from (sample, yahoo, files) [sample]: ")
    talk.say("web")
    talk.until("please answer with one of sample, yahoo, files")
    talk.say("sam")
    talk.until("which symbols [SP500]: ")
    talk.say("")
    talk.until("[threshold_1pct]: ")
    talk.say("direction")
    talk.until("[2M]: ")
    talk.say("0.02M")
    talk.until("train it now (yes, no) [yes]: ")
    talk.say("no")
    assert talk.end() == 0
    assert "Plan" in talk.seen
    made = load_config(tmp_path / "quickstart.yaml")
    assert (made.task, made.budget, made.data.symbols) == ("direction", "0.02M", ("SP500",))


def test_a_yes_at_the_end_trains_and_the_plan_is_shown_once() -> None:
    with device_lock.place_on_device():  # another that trains is named, and no option advised
        talk = Dialogue(*SMALL)
        talk.until("train it now (yes, no) [yes]: ")
        assert "planned memory" in talk.seen
        talk.say("yes")
        talk.until("run folder")
    assert talk.end() == 0
    assert talk.seen.count("planned memory") == 1
    assert "trains on this device; both will take longer" in " ".join(talk.seen.split())
    assert "--wait" not in talk.seen


def test_each_answer_is_checked_as_it_is_given(tmp_path: Path) -> None:
    days = calendar.sessions(date(1990, 1, 2), date(1990, 3, 30))
    rows = [f"{day},1,2,1,1.5" for day in days]
    (tmp_path / "few.csv").write_text("\n".join(["date,open,high,low,close", *rows]))
    talk = Dialogue("--source", "files")
    talk.until("which files (CSV or Parquet): ")
    talk.say("no.csv")
    talk.until("no file at no.csv; check the path")
    talk.say("few.csv")
    talk.until("[threshold_1pct]: ")
    talk.say("threshold_x")
    talk.until("--task: threshold_x is none of direction")
    talk.say("threshold_1.5pct")
    talk.until("[2M]: ")
    talk.say("0.02M")
    talk.until("holds no sample of FEW")  # and the next attempt finds its place free
    assert talk.end() == 2
    assert not (tmp_path / "quickstart.yaml").exists()


def test_ctrl_c_at_a_question_writes_nothing(tmp_path: Path) -> None:
    talk = Dialogue("--source", "sample")
    talk.until("which symbols [SP500]: ")
    os.killpg(talk.process.pid, signal.SIGINT)
    talk.until("nothing was written")
    assert talk.end() == 130
    assert list(tmp_path.iterdir()) == []
