"""The columns of the page and the paper: a quantity has one heading and one format in both."""

from mlxts.formats import difference, loss, three_digits
from mlxts.protocol import BASELINE
from mlxts.tables import Column, ranged

HAR = BASELINE.upper()
_COLUMNS = {
    column.key: column
    for column in (
        Column("accuracy", form=".3f"),
        ranged("against_main", "minus the strict model's loss", difference),
        ranged("auc", "AUC", ".3f"),
        Column("auc_har", f"{HAR}'s AUC", ".3f"),
        Column("average_precision", "AP", ".3f"),
        Column("axis", "along"),
        Column("base_rate", "base rate", ".1%"),
        Column("brier", "Brier", ".4f"),
        Column("best_epoch", "best after epochs", ".1f"),
        Column("change", "what differs"),
        Column("dates", "days"),
        ranged("difference", "minus the reference's", difference),
        ranged("difference_linear", "minus linear's", difference),
        Column("ece", "ECE", ".3f"),
        Column("epoch", "best after epochs", ".1f"),
        Column("epochs", form=".1f"),
        Column("extrapolation", "extrapolation skill", "+.2f"),
        Column("flops", "FLOP", ".2e"),
        Column("fraction", "history", "g"),
        ranged("gain", "gain per decade", difference),
        Column("horizon", "H, days"),
        ranged("log_loss", "log loss", ".4f"),
        Column("loss", "PatchTST's loss", loss),
        Column("loss_har", f"{HAR}'s loss", loss),
        Column("loss_lhar", f"L{HAR}'s loss", loss),
        Column("loss_linear", "linear's loss", loss),
        Column("loss_prior", "base rate's loss", loss),
        Column("loss_trees", "trees' loss", loss),
        Column("margin", form=loss),
        Column("n_body", "encoder"),
        Column("n_eff", "n_eff", ".0f"),
        Column("n_no_embedding", "without embedding"),
        Column("n_pos", "positives"),
        Column("n_total", "parameters"),
        Column("precision", form=".3f"),
        ranged("qlike", "QLIKE", ".4f"),
        Column("r2", "R²", "+.3f"),
        Column("range", "predictions"),
        Column("reason", "why"),
        Column("recall", form=".3f"),
        ranged("rmse", "RMSE", ".5f"),
        Column("label", "verdict"),
        Column("against", "verdict"),
        Column("samples", "training samples"),
        Column("seconds", "training, s", ".0f"),
        Column("seen", "would have seen", loss),
        ranged("skill", "skill over the reference", "+.1%"),
        ranged("skill_har", f"skill over {HAR}", "+.1%"),
        Column("tokens_per_parameter", form=three_digits),
        Column("year", form="d"),
    )
}
NUMBERS = frozenset(
    {key for key, column in _COLUMNS.items() if column.form} | {"n", "samples", "n_total", "dates"}
)


def columns(*keys: str) -> tuple[Column, ...]:
    """The columns of these quantities; one that is not listed above is headed by its key."""
    return tuple(_COLUMNS.get(key, Column(key)) for key in keys)
