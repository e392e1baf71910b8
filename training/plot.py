"""Draw a training's log.

python -m training.plot [LOG] [--output docs/images/training.svg]
"""

from __future__ import annotations

import csv
from pathlib import Path

import click


@click.command()
@click.argument("log", type=click.Path(exists=True, path_type=Path), default=Path("training/log.csv"))
@click.option("--output", type=click.Path(path_type=Path), default=Path("docs/images/training.svg"), show_default=True)
def main(log: Path, output: Path) -> None:
    """Draw losses and dev scores over the steps of both stages."""
    from matplotlib.figure import Figure

    with log.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    n_broad = max(int(row["step"]) for row in rows if row["stage"] == "broad")
    steps = [int(row["step"]) + (n_broad if row["stage"] == "focus" else 0) for row in rows]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    for axes, names in (
        (losses, ("finding", "telling")),
        (scores, ("new_wiki_f1", "squad2_f1", "squad2_em", "squad2_auroc")),
    ):
        for name in names:
            axes.plot(steps, [float(row[name]) for row in rows], marker="o", label=name.replace("_", " "))
        axes.axvline(n_broad, color="grey", linewidth=0.8, linestyle=":")
        axes.set_xlabel("step (dotted: the second stage begins)")
        axes.legend()
    losses.set_ylabel("loss")
    scores.set_ylabel("dev score")
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, metadata={"Date": None})
    click.echo(str(output))


if __name__ == "__main__":
    main()
