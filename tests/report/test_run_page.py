"""The figure of one run shows its model by its size, beside its own reference."""

from dataclasses import replace

from mlxts.report import run_page
from mlxts.runs import layout, references
from mlxts.runs.folder import RunFolder
from tests import homes
from tests.report import worlds as reports
from tests.scaling import worlds


def test_reliability_is_of_the_model_and_of_its_reference(tmp_path, monkeypatch):
    homes.simulated(tmp_path, monkeypatch)
    (folder,) = worlds.ladder({"0.06M": 0.3}, seeds=1)
    reports.give_scores(folder)
    known = RunFolder(folder).references()
    drawn = []
    monkeypatch.setattr(run_page, "run_picture", lambda *given: drawn.append(given[2].models))
    for name in ("har", "linear"):
        chosen = {symbol: replace(one, name=name) for symbol, one in known.items()}
        references.write(folder / layout.REFERENCES, chosen)
        run_page.draw(folder)
    assert [list(models) for models in drawn] == [["HAR", "0.06M"], ["linear", "0.06M"]]
