"""`export`, `import`: runs and models for other libraries, and models of theirs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mlxts.cli.output import JsonOption, render

import_ = typer.Typer(help="Import a model of another library.", no_args_is_help=True)


class FormatName(StrEnum):
    huggingface = "huggingface"
    safetensors = "safetensors"
    npz = "npz"
    parquet = "parquet"
    csv = "csv"


def export(
    run: Annotated[
        str, typer.Argument(help="A run id, the beginning of one, its folder; an imported model.")
    ],
    to: Annotated[
        FormatName,
        typer.Option("--to", help="A model, weights (safetensors, npz) or predictions."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File or folder; default: under outputs/exports."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Export a run for other libraries: a model, weights, or predictions."""
    from mlxts.interop import export as exports

    path = exports.export(run, to.value, output)
    render({"path": str(path), "format": to.value}, as_json, path)


@import_.command()
def huggingface(
    path: Annotated[Path, typer.Argument(help="The folder that save_pretrained wrote.")],
    name: Annotated[str | None, typer.Option(help="Name for the model; default: the folder's.")] = (
        None
    ),
    as_json: JsonOption = False,
) -> None:
    """Import PatchTSTForClassification, -Regression or -Prediction of `transformers`."""
    from mlxts.interop import imported

    folder = imported.from_huggingface(path, name)
    model = imported.load(folder)
    parameters = sum(value.size for key, value in model.arrays.items() if ".running_" not in key)
    shape = model.shape
    sentence = (
        f"{shape.task} of {shape.context_length} bars x {shape.num_input_channels} channels, "
        f"{parameters:,} parameters; in Python: mlxts.load_model({folder.name!r})"
    )
    result = {"path": str(folder), "parameters": parameters, "shape": shape.to_dict()}
    render(result, as_json, [sentence, folder])
