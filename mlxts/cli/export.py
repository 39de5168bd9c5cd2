"""`export`, `import`: runs and models for other libraries, and models of theirs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mlxts.cli.output import JsonOption, Note, render

import_ = typer.Typer(help="Import a model of another library.", no_args_is_help=True)


class FormatName(StrEnum):
    huggingface = "huggingface"
    onnx = "onnx"
    safetensors = "safetensors"
    npz = "npz"
    parquet = "parquet"
    csv = "csv"
    duckdb = "duckdb"
    mlflow_model = "mlflow-model"
    mlflow = "mlflow"
    wandb = "wandb"


_TRACKERS = (FormatName.mlflow, FormatName.wandb)


def export(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="A run id, the beginning of one, its folder, or an imported model; several for a "
            "tracker."
        ),
    ],
    to: Annotated[
        FormatName,
        typer.Option(
            "--to",
            help="A model (huggingface, onnx, mlflow-model), its weights (safetensors, npz), its "
            "predictions (parquet, csv, duckdb), or a tracker.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File or folder; default: under outputs/exports."),
    ] = None,
    project: Annotated[
        str | None,
        typer.Option(help="Of a tracker; default: the one of the run's configuration."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Export a run to files for other libraries, or runs to MLflow or Weights & Biases.

    A tracker that has a run already receives only what is missing. Runs need not be finished.
    """
    from mlxts.errors import ConfigError

    if to in _TRACKERS:
        if output:
            raise ConfigError(f"--output is for files; leave it out, or --to {to.value}")
        _to_tracker(runs, to, project, as_json)
        return
    if project is not None:
        raise ConfigError("--project is for mlflow and wandb; leave it out")
    if len(runs) > 1:
        raise ConfigError(f"--to {to.value} takes one run; export them one by one")
    from mlxts.interop import weight_export

    path = weight_export.export(runs[0], to.value, output)
    render({"path": str(path), "format": to.value}, as_json, path)


def _to_tracker(runs: list[str], to: FormatName, project: str | None, as_json: bool) -> None:
    from mlxts.api.selected_runs import one_run
    from mlxts.runs.folder import RunFolder
    from mlxts.tracking import run_export, trackers

    exported = []
    for folder in [one_run(name) for name in runs]:  # a wrong name is an error before any work
        settings = RunFolder(folder).metadata()["config"].get("tracking", {})
        tracker = trackers.make(to.value, project or settings.get("project", "mlxts"))
        count = run_export.export(folder, tracker)
        exported.append({"run_id": folder.name, "to": to.value, "events": count})
    render(
        {"exported": exported, "folder": str(trackers.folder())},
        as_json,
        [
            *(f"{row['run_id']}: {row['events']:,} events" for row in exported),
            Note(f"under {trackers.folder()}; in there {trackers.VIEW[to.value]} shows them"),
        ],
    )


@import_.command()
def huggingface(
    path: Annotated[Path, typer.Argument(help="The folder that save_pretrained wrote.")],
    name: Annotated[str | None, typer.Option(help="Name for the model; default: the folder's.")] = (
        None
    ),
    as_json: JsonOption = False,
) -> None:
    """Import PatchTSTForClassification, -Regression or -Prediction of `transformers`."""
    from mlxts.interop import imported_models

    folder = imported_models.from_huggingface(path, name)
    model = imported_models.load(folder)
    parameters = sum(value.size for key, value in model.arrays.items() if ".running_" not in key)
    shape = model.shape
    sentence = (
        f"{shape.task} of {shape.context_length} bars x {shape.num_input_channels} channels, "
        f"{parameters:,} parameters; in Python: mlxts.load_model({folder.name!r})"
    )
    result = {"path": str(folder), "parameters": parameters, "shape": shape.to_dict()}
    render(result, as_json, [sentence, folder])
