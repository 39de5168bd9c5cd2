"""What is said follows from the rules that were written down before."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import fitter_coverage
from mlxts.scaling import bootstrap, results, synthetic, verdict
from mlxts.scaling.loss_table import LossTable, Pool
from mlxts.scaling.synthetic import SIZES, Noise

X = np.log10(SIZES) - np.log10(SIZES).mean()
QUIET = Noise(seed=0.0005, paired=0.001)


def table(gain: float, *, seed: int = 0, noise: Noise | None = None, **changes) -> LossTable:
    return synthetic.table(0.45 - gain * X, np.random.default_rng(seed), noise=noise, **changes)


def judged(*tables: LossTable, **changes) -> verdict.Judged:
    return verdict.judge(tables, draws=100, only=("flat", "power"), **changes)


def word(*tables: LossTable, **changes) -> str:
    return judged(*tables, **changes).cells[0].word


def test_the_gain_is_nats_per_decade() -> None:
    losses = np.array([[0.5, 0.47, 0.44]])
    assert verdict.gains(np.array([1e6, 1e7, 1e8]), losses)[0] == pytest.approx(0.03)


def test_a_fall_is_scaling_and_a_rise_is_inverse() -> None:
    assert word(table(0.03)) == verdict.SCALING
    assert word(table(-0.03)) == verdict.INVERSE


def test_no_change_is_flat_once_the_interval_lies_inside_the_margin() -> None:
    found = judged(table(0.0, noise=QUIET)).cells[0]
    assert found.word == verdict.FLAT
    assert -found.margin < found.interval90[0] < found.interval90[1] < found.margin
    assert found.margin == pytest.approx(0.2 * 0.076, rel=0.2)


def test_too_much_noise_is_ignorance_and_not_flatness() -> None:
    assert word(table(0.0, noise=Noise(paired=0.05))) == verdict.INCONCLUSIVE


def test_where_har_gains_nothing_flat_is_out_of_reach() -> None:
    no_gain = replace(table(0.0, noise=QUIET), prior=table(0.0, noise=QUIET).har)
    found = judged(no_gain).cells[0]
    assert found.word == verdict.INCONCLUSIVE
    assert "HAR does not beat the base rate" in found.reason


def test_a_single_seed_at_every_size_claims_nothing() -> None:
    found = judged(table(0.03, seeds=1)).cells[0]
    assert found.word == verdict.INCONCLUSIVE
    assert "one seed" in found.reason


def test_a_slope_over_two_sizes_is_not_yet_scaling() -> None:
    two = synthetic.table(np.array([0.5, 0.4]), np.random.default_rng(0), sizes=SIZES[[0, -1]])
    found = judged(two).cells[0]
    assert found.word == verdict.INCONCLUSIVE
    assert "three sizes" in found.reason


def test_a_sign_that_turns_on_test_takes_the_claim_away() -> None:
    falls, rises = table(0.03), table(-0.03, seed=1)
    again = table(0.03, seed=2)
    confirmed = judged(falls, test={"synthetic": again}).cells[0]
    assert (confirmed.word, confirmed.replicated) == (verdict.SCALING, True)
    assert judged(falls, test={"synthetic": rises}).cells[0].word == verdict.INCONCLUSIVE
    assert "not yet replicated" in judged(falls).cells[0].reason


def test_not_estimable_cells_are_named_and_left_out_of_the_pool() -> None:
    sparse = replace(table(-0.2, name="sparse"), obstacle="3 positives and 498 negatives")
    found = judged(table(0.03), sparse)
    assert (found.cells[1].name, found.cells[1].word) == ("sparse", verdict.NOT_ESTIMABLE)
    assert found.cells[1].reason == "3 positives and 498 negatives"
    assert found.pooled.gain == pytest.approx(found.cells[0].skill)
    assert judged(sparse).pooled.word == verdict.NOT_ESTIMABLE


def test_only_like_is_pooled_with_like() -> None:
    real = [table(0.0, seed=k, name=f"real {k}") for k in range(2)]
    control = replace(table(0.03, name="control"), pool=Pool(False, "a", "simulated zipf"))
    ablation = replace(
        table(-0.03, name="ablation"),
        pool=Pool(False, "b", non_default_settings="model.residual_of: har"),
    )
    found = judged(*real, control, ablation)
    assert found.primary == Pool()
    assert found.pooled.gain == pytest.approx(np.mean([v.skill for v in found.cells[:2]]))
    assert [v.word for v in found.pools.values()][1:] == [verdict.INVERSE, verdict.SCALING]
    alone = judged(*real)
    assert alone.pooled.name == "pooled"
    assert [v.q for v in found.cells[:2]] == [v.q for v in alone.cells]
    assert [v.name for v in found.pools.values()] == [
        "pooled: strict",
        "pooled: exploratory, model.residual_of: har",
        "pooled: exploratory, simulated zipf",
    ]


def test_a_claim_that_test_has_not_seen_says_so() -> None:
    falls = table(0.03)
    assert judged(falls).cells[0].label == "scaling, not replicated yet"
    assert judged(falls, test={"synthetic": table(0.03, seed=2)}).cells[0].label == "scaling"
    assert judged(table(0.0, noise=QUIET)).cells[0].label == "flat"


def test_many_cells_ask_for_more_evidence_each() -> None:
    noises = [Noise(paired=0.004 * (1 + seed)) for seed in range(4)]
    cells = [table(0.0, seed=k, name=f"flat {k}", noise=noise) for k, noise in enumerate(noises)]
    weak = table(0.0045, seed=1, name="weak")
    alone, many = judged(weak).cells[0], judged(weak, *cells).cells
    assert alone.q == alone.p == many[0].p
    assert alone.q_equivalence == alone.p_equivalence
    assert [v.q for v in many] == pytest.approx(_step_up([v.p for v in many]))
    equivalences = [v.p_equivalence for v in many]
    assert [v.q_equivalence for v in many] == pytest.approx(_step_up(equivalences))
    assert many[0].q > many[0].p


def _step_up(p: list[float]) -> list[float]:
    """Benjamini, Hochberg (1995): the smallest level at which each hypothesis is rejected."""

    def rejected(level: float) -> set[int]:
        order = sorted(range(len(p)), key=p.__getitem__)
        passed = [k for k, i in enumerate(order, 1) if p[i] <= level * k / len(p) * (1 + 1e-9)]
        return set(order[: max(passed, default=0)])

    levels = sorted({min(1.0, value * len(p) / k) for value in p for k in range(1, len(p) + 1)})
    return [next(level for level in levels if i in rejected(level)) for i in range(len(p))]


def test_what_one_cell_would_claim_alone_it_does_not_claim_among_many() -> None:
    falls = table(0.03, seed=1, name="falls")
    nothing = [
        table(0.0, seed=seed, name=f"nothing {seed}", noise=Noise(paired=0.02)) for seed in range(6)
    ]
    assert judged(falls).cells[0].word == verdict.SCALING
    found = judged(falls, *nothing).cells[0]
    assert found.p <= verdict.SIGNIFICANCE < found.q
    assert found.word == verdict.INCONCLUSIVE
    assert "number of cells" in found.reason


def _slopes(cell: LossTable, *, seed: int) -> tuple[np.ndarray, bootstrap.Draws]:
    """Gains by NumPy's own least squares, from the draws of a cell that is judged alone."""
    (weights,) = bootstrap.date_weights([cell], draws=100, seed=seed)
    drawn = bootstrap.draw(cell, weights, seed=seed + 1, widen=cell.bootstrap.widening)
    return -np.polyfit(np.log10(cell.rungs[:, 0]), drawn.rungs.T, 1)[0], drawn


@pytest.mark.parametrize(
    "cell", [table(0.004), table(-0.004, seed=1, seeds=3, horizon=5), table(0.0, noise=QUIET)]
)
def test_the_figures_of_a_cell_are_those_of_its_draws(cell: LossTable) -> None:
    slopes, drawn = _slopes(cell, seed=5)
    found, draws = judged(cell, seed=5).cells[0], slopes[1:]
    margin = 0.2 * (cell.prior.mean() - cell.har.mean())
    one_sided = [(1 + (draws <= 0).sum()) / 101, (1 + (draws >= 0).sum()) / 101]
    outside = [(1 + (draws <= -margin).sum()) / 101, (1 + (draws >= margin).sum()) / 101]
    assert found.gain == pytest.approx(slopes[0])
    assert found.interval == pytest.approx(np.quantile(draws, (0.025, 0.975)))
    assert found.interval90 == pytest.approx(np.quantile(draws, (0.05, 0.95)))
    assert found.margin == pytest.approx(margin)
    assert found.p == pytest.approx(min(1.0, 2 * min(one_sided)))
    assert found.p_equivalence == pytest.approx(max(outside))
    assert found.skill == pytest.approx(slopes[0] / cell.har.mean())
    assert (found.sizes, found.seeds, found.dates) == (5, cell.seeds[0], len(cell.dates))
    assert found.seeds_at == tuple(cell.seeds)
    assert (found.unit, found.replicated) == ("nats", None)
    logs, x = np.log(drawn.rungs[0]), np.log(SIZES)
    power = np.polyval(np.polyfit(x[:-1], logs[:-1], 1), x[-1]) - logs[-1]
    flat = logs[:-1].mean() - logs[-1]
    assert found.extrapolation == pytest.approx(1 - abs(power) / abs(flat), abs=0.05)


def test_the_pooled_gain_is_the_mean_of_skills_draw_by_draw() -> None:
    cells = [
        table(0.004, name="daily"),
        synthetic.table(
            0.9 - 0.05 * X[:4], np.random.default_rng(1), sizes=SIZES[:4], seeds=3, name="other"
        ),
    ]
    per_cell, skills, margins = [], [], []
    for number, (cell, weights) in enumerate(
        zip(cells, bootstrap.date_weights(cells, draws=100, seed=2), strict=True)
    ):
        drawn = bootstrap.draw(cell, weights, seed=3 + number, widen=cell.bootstrap.widening)
        slopes = -np.polyfit(np.log10(cell.rungs[:, 0]), drawn.rungs.T, 1)[0]
        per_cell.append(slopes / drawn.har)
        margins.append(0.2 * (cell.prior.mean() / cell.har.mean() - 1.0))
        skills.append(judged(*cells, seed=2).selections[cell.name])
    gain = np.mean(per_cell, axis=0)
    found = judged(*cells, seed=2).pooled
    assert found.gain == found.skill == pytest.approx(gain[0])
    assert found.interval == pytest.approx(np.quantile(gain[1:], (0.025, 0.975)))
    assert found.margin == pytest.approx(np.mean(margins))
    assert (found.q, found.q_equivalence) == (found.p, found.p_equivalence)
    assert found.p == pytest.approx(2 / 101)
    assert (found.sizes, found.seeds, found.dates) == (4, 3, len(cells[0].dates))
    assert found.seeds_at == tuple(sorted({*cells[0].seeds, *cells[1].seeds}))
    power, flat = (sum(getattr(s, f"{law}_error") for s in skills) for law in ("power", "flat"))
    assert found.extrapolation == pytest.approx(1 - power / flat)


def test_the_luck_of_a_seed_is_the_same_on_every_asset() -> None:
    """Of one model no second asset makes two: what is drawn of its seeds is drawn for both."""
    runs = tuple(f"run {k}" for k in range(25))
    spy, qqq = (replace(table(0.01), name=name, runs=runs) for name in ("SPY", "QQQ"))
    other = replace(spy, name="others", runs=tuple(reversed(runs)))
    drawn = judged(spy, qqq, other).draws
    np.testing.assert_array_equal(drawn["SPY"].rungs, drawn["QQQ"].rungs)
    assert not np.array_equal(drawn["SPY"].rungs, drawn["others"].rungs)


def test_the_sign_on_test_is_compared_with_the_figure_and_not_with_a_draw() -> None:
    cells = (table(0.001, seed=seed) for seed in range(99))
    cell = next(c for c in cells if _slopes(c, seed=0)[0][0] > 0 > _slopes(c, seed=0)[0][1])
    assert judged(cell, test={"synthetic": table(0.03)}).cells[0].replicated is True


def test_a_gain_of_exactly_nothing_is_no_evidence_of_a_gain() -> None:
    assert verdict._test_gain("same", np.zeros(101), 0.1).p == 1.0


@pytest.mark.parametrize(
    ("signs", "said"), [("+", True), ("-", False), ("++-", True), ("+--", False), ("+-", False)]
)
def test_the_sign_of_most_cells_on_test_decides_for_the_pool(signs: str, said: bool) -> None:
    cells = [table(0.03, seed=k, name=str(k)) for k in range(3)]
    test = {
        str(k): table(0.03 if sign == "+" else -0.03, seed=9 + k, name=str(k))
        for k, sign in enumerate(signs)
    }
    found = judged(*cells, test=test)
    assert found.pooled.replicated is said
    assert found.pooled.word == (verdict.SCALING if said else verdict.INCONCLUSIVE)
    assert [v.replicated for v in found.cells[: len(signs)]] == [s == "+" for s in signs]
    assert {v.replicated for v in found.cells[len(signs) :]} <= {None}


@given(
    gain=st.sampled_from([-0.02, -0.001, 0.001, 0.02]),
    margin=st.sampled_from([-0.01, 0.0, 0.01]),
    q=st.sampled_from([0.01, 0.05, 0.06, 1.0]),
    q_equivalence=st.sampled_from([0.01, 0.05, 0.06, 1.0]),
    extrapolation=st.sampled_from([float("nan"), -0.5, 0.0, 0.5]),
    replicated=st.sampled_from([None, True, False]),
    several_seeds=st.booleans(),
)
def test_the_word_follows_the_rules_whatever_the_figures(
    gain, margin, q, q_equivalence, extrapolation, replicated, several_seeds
) -> None:
    figures = verdict.Verdict(
        "cell", "", "", gain=gain, margin=margin, p=q, q=q, p_equivalence=q_equivalence,
        q_equivalence=q_equivalence, extrapolation=extrapolation, replicated=replicated,
    )  # fmt: skip
    found = verdict._decide(figures, several_seeds)
    claimed = q <= 0.05 and extrapolation > 0 and replicated is not False
    if not several_seeds:
        want = verdict.INCONCLUSIVE
    elif claimed:
        want = verdict.SCALING if gain > 0 else verdict.INVERSE
    else:
        want = verdict.FLAT if q_equivalence <= 0.05 else verdict.INCONCLUSIVE
    assert found.word == want
    assert ("smaller than the margin" in found.reason) == (
        several_seeds and claimed and abs(gain) < margin
    )


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_trend_that_turns_before_the_largest_size_is_no_law(sign: float) -> None:
    turns = 0.48 + sign * np.array([0.08, 0.0, -0.04, -0.06, 0.01])
    found = judged(synthetic.table(turns, np.random.default_rng(0), noise=QUIET)).cells[0]
    assert found.q <= verdict.SIGNIFICANCE
    assert np.sign(found.gain) == sign
    assert found.extrapolation < 0.0
    assert found.word == verdict.INCONCLUSIVE
    assert "a constant predicts the largest size better" in found.reason


def test_cells_that_agree_are_seen_together_before_they_are_seen_alone() -> None:
    cells = [table(0.002, seed=seed, name=str(seed)) for seed in range(6)]
    found = judged(*cells)
    widths = [v.interval[1] - v.interval[0] for v in found.cells]
    pooled = found.pooled.interval[1] - found.pooled.interval[0]
    assert pooled * synthetic.LOSS < 0.6 * np.mean(widths)
    assert found.pooled.unit == "skill"


def test_the_same_seed_gives_the_same_verdict() -> None:
    assert judged(table(0.01), seed=3).cells == judged(table(0.01), seed=3).cells


@pytest.mark.parametrize("horizon", [1, 21])
def test_few_blocks_and_overlapping_labels_make_intervals_wider(horizon: int) -> None:
    cell = table(0.0, horizon=horizon, noise=Noise(seed=0.0))
    (weights,) = bootstrap.date_weights([cell], draws=100)
    drawn = verdict.gains(SIZES, bootstrap.draw(cell, weights).rungs)[1:]
    low, high = np.percentile(drawn, (2.5, 97.5))
    found = judged(cell)
    for said in (found.cells[0].interval, np.array(found.pooled.interval) * cell.har.mean()):
        assert (said[1] - said[0]) / (high - low) == pytest.approx(cell.bootstrap.widening, rel=0.1)
    assert cell.bootstrap.widening > {1: 1.01, 21: 1.2}[horizon]


def test_flat_under_overlapping_labels_is_covered_as_often_as_promised() -> None:
    row = fitter_coverage.coverage("flat, H = 21", 120, draws=100, only=("flat", "power"))
    assert row["gain covered"] >= 0.87  # 120 tables at 95 %: fewer once in 2,000 times
    assert row["scaling"] <= 0.05


@pytest.mark.parametrize("truth", ["flat", "broken"])
def test_intervals_cover_and_flat_stays_flat(truth: str) -> None:
    row = fitter_coverage.coverage(truth, 4, draws=60)
    assert row["gain covered"] >= 2 / 4
    assert row["scaling"] == {"flat": 0.0, "broken": 1.0}[truth]


def walked(gain: float, number: int, *, origins: int = 10) -> LossTable:
    """Ten windows of a hundred days, each with three networks of its own at every size."""
    rng = np.random.default_rng([9, number])
    cell = synthetic.table(
        0.42 - gain * X[:3], rng, sizes=SIZES[:3], seeds=3, days=1000, noise=Noise(seed=0.0)
    )
    luck = np.repeat(rng.normal(scale=0.004, size=(origins, 9)), 100, axis=0)
    at = np.repeat(np.arange(origins), 100)
    return replace(cell, name=str(number), losses=cell.losses + luck, origins=at)


@pytest.mark.parametrize("gain", [0.0, 0.02])
def test_over_ten_origins_intervals_cover_and_claims_are_as_rare_as_promised(gain: float) -> None:
    found = [judged(walked(gain, number)).cells[0] for number in range(60)]
    covered = sum(low <= gain <= high for low, high in (one.interval for one in found))
    assert covered >= 51  # of 60 at 95 %: fewer once in 1,000 times
    claims = [one.word for one in found if one.word in (verdict.SCALING, verdict.INVERSE)]
    assert len(claims) <= 8 if gain == 0.0 else claims == [verdict.SCALING] * 60
    errors = np.mean([one.error for one in found])
    assert np.std([one.gain for one in found]) == pytest.approx(errors, rel=0.25)


def test_a_pool_names_each_reference_once_and_the_panel_its_mode() -> None:
    one, other = (
        replace(table(0.0, name=name), reference_name=reference)
        for name, reference in (("a", "har or linear"), ("b", "har"))
    )
    assert judged(one, other).pooled.reference == "har or linear"
    assert results.mode_of("threshold_1pct H1 daily (exploratory), panel") == "exploratory"
