"""The notebooks of docs/: each runs from first to last cell, and is stored without output."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

DOCS = Path(__file__).parents[1] / "docs"
NOTEBOOKS = sorted(path.name for path in DOCS.glob("*.ipynb"))
_SECONDS = 240  # of a cell, on a machine that does other things


@pytest.fixture(scope="module")
def kernel() -> Generator[Any]:
    """One kernel for all of them: most of a small notebook's time are the imports."""
    client = NotebookClient(nbformat.v4.new_notebook())
    _execute(client)
    yield client.km
    client._cleanup_kernel()


def _execute(client: NotebookClient) -> None:
    """Every cell; the kernel lives on, without this client's sockets."""
    try:
        client.execute(cleanup_kc=False)
    finally:
        if client.kc is not None:
            client.kc.stop_channels()


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_without_a_network_and_prints_no_warning(
    name: str, kernel: Any, tmp_path: Path
) -> None:
    notebook = nbformat.read(DOCS / name, as_version=4)
    place = nbformat.v4.new_code_cell(
        f"%reset -f\nimport os\nos.environ['MLXTS_HOME'] = {str(tmp_path)!r}"
    )
    notebook.cells.insert(0, place)
    _execute(NotebookClient(notebook, km=kernel, timeout=_SECONDS))
    printed = [
        output.text
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stderr"
    ]
    assert printed == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_stored_without_what_it_printed(name: str) -> None:
    notebook = nbformat.read(DOCS / name, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [(cell.outputs, cell.execution_count) for cell in cells] == [([], None)] * len(cells)
