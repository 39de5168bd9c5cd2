"""How a command ends: every error passes through here, and none of them as a traceback.

What a user can cause is one line, with the exit code of its kind. What should not happen is an
apology, and its traceback is in a file.
"""

import contextlib
import errno
import io
import os
import re
import shlex
import sys
import tempfile
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import typer

from mlxts import files, protocol
from mlxts.cli.output import note
from mlxts.errors import MlxtsError, StorageError

_HINTS = {
    errno.ENOSPC: "free some disk space",
    errno.EDQUOT: "free some disk space",
    errno.EFBIG: "raise the limit of a file's size (`ulimit -f`)",
    errno.EACCES: "give this user access, or choose another place",
    errno.EPERM: "give this user access, or choose another place",
    errno.EROFS: "choose another place",
    errno.ENAMETOOLONG: "give a shorter name",
}
_PASSWORDS = (re.compile(r"(://[^\s/:@]*:)\S+(?=@)"), re.compile(r"(password=)[^\s&'\"]+", re.I))


def exit_code_of(command: Callable[[], None]) -> int:
    """Run `command`, print an error in one line, and return the exit code."""
    line, of_system = "", False
    try:
        _open_streams()
        command()
        code = 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except MlxtsError as error:
        line, code = f"error: {error}", error.exit_code
    except BrokenPipeError:
        code = 1  # the reader (`| head`) has gone
    except OSError as error:
        line, code, of_system = f"error: {_sentence(error)}", protocol.EXIT_USAGE, True
    except KeyboardInterrupt:
        code = protocol.EXIT_INTERRUPTED
    except BaseException as error:  # Polars' panics are no Exception
        line, code = _internal_error(error), protocol.EXIT_UNEXPECTED
    unwritten = _flush(sys.stdout)
    if unwritten and not isinstance(unwritten, BrokenPipeError) and (code == 0 or of_system):
        unwritten.filename = "standard output"
        line, code = f"error: {_sentence(unwritten)}", protocol.EXIT_USAGE
    if line:
        with contextlib.suppress(OSError):  # nobody reads it
            note(line)
    _flush(sys.stderr)
    return code


def exit_unless_finished(status: str) -> None:
    """End with the exit code of what cut training short, if anything did."""
    from mlxts import experiment

    if status not in experiment.FINISHED:
        overheated = status == "overheated"
        raise typer.Exit(protocol.EXIT_OVERHEATED if overheated else protocol.EXIT_INTERRUPTED)


def _open_streams() -> None:
    """Make streams take any character, and give closed ones a place.

    The number of a closed one would be given to the next file that is opened, and what is printed
    would land in it.

    Raises:
        StorageError: standard output is closed.
    """
    closed = sys.stdout is None
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # what an encoding has no sign for becomes a `?`
    if closed:
        raise StorageError("standard output is closed; send it to a file or to /dev/null")


def _flush(stream: TextIO) -> OSError | None:
    """What keeps a stream from taking what was printed, which is then dropped.

    Python would try once more while it closes the stream, and complain.
    """
    try:
        stream.flush()
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return error
    return None


def _sentence(error: OSError) -> str:
    """What could not be read or written, why, and what can be done."""
    paths = [os.fsdecode(name) for name in (error.filename, error.filename2) if name is not None]
    reason = error.strerror or str(error) or type(error).__name__
    hint = _HINTS.get(error.errno or 0)
    message = f"{' to '.join(paths) or 'could not write'}: {reason}"
    return f"{message}; {hint}" if hint else message


def _internal_error(error: BaseException) -> str:
    reason = " ".join(str(error).split())[:200]
    message = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
    text = "".join(traceback.format_exception(error))
    arguments = shlex.join(sys.argv[1:])
    line = f"error: internal error ({_without_passwords(message)}); "
    try:
        log_file = _save_traceback(
            _without_passwords(f"mlxts {arguments}\nPython {sys.version}\n\n{text}")
        )
    except OSError:
        return f"{line}its traceback could not be saved, please report it"
    return f"{line}the traceback is in {log_file}, please report it"


def _save_traceback(text: str) -> Path:
    """Write `text` under the outputs, or, where there are none, into the temporary folder.

    Raises:
        OSError: neither can be written.
    """
    name = f"mlxts-traceback-{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}.txt"
    if files.outputs_folder().is_dir():
        path = files.outputs_folder() / "tracebacks" / name
        with contextlib.suppress(StorageError):
            files.write_text(path, text)
            return path
    path = Path(tempfile.gettempdir(), name)
    path.write_text(text, encoding="utf-8", errors="replace")
    return path


def _without_passwords(text: str) -> str:
    for pattern in _PASSWORDS:
        text = pattern.sub(r"\1***", text)
    return text
