"""The root of the command line."""

from typing import Annotated, Any

import typer

from mlxts.cli import (
    base_rates,
    check,
    compare,
    config,
    data,
    deprecated,
    docs,
    doctor,
    evaluate,
    export,
    features,
    hpo,
    quickstart,
    report,
    runs,
    scaling,
    starters,
    sweep,
    thermal,
    train,
    walk_forward,
    worker,
    workspace,
)
from mlxts.cli.help_listing import Group


class _Root(Group):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, deprecated.with_new_names(args))


app = typer.Typer(
    name="mlxts",
    cls=_Root,
    help="Do neural scaling laws hold for transformers on financial time series?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("mlxts"))
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


app.command()(starters.init)
app.command()(starters.demo)
app.command()(quickstart.quickstart)
app.command()(train.train)
app.command()(train.predict)
app.add_typer(config.config, name="config", cls=Group)
app.command("batch-size")(train.batch_size)
app.command()(evaluate.evaluate)
app.command()(compare.compare)
app.command("walk-forward")(walk_forward.walk_forward)
app.command()(evaluate.baselines)
app.command()(runs.runs)
app.command()(export.export)
app.add_typer(export.import_, name="import", cls=Group)
app.add_typer(data.data, name="data", cls=Group)
app.add_typer(features.features, name="features", cls=Group)
app.command("base-rates")(base_rates.base_rates)
app.add_typer(hpo.hpo, name="hpo")
app.add_typer(sweep.sweep, name="sweep", cls=Group)
app.command()(worker.worker)
app.add_typer(scaling.scaling, name="scaling", cls=Group)
app.command()(report.report)
app.command()(thermal.thermal)
app.command()(doctor.doctor)
app.command()(check.check)
app.add_typer(docs.docs, name="docs", cls=Group)
app.add_typer(workspace.workspace, name="workspace", cls=Group)


def command_tree() -> Any:
    """The root command with all below it."""
    return typer.main.get_command(app)
