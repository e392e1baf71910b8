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
    """Draw losses and dev scores over the steps of all stages, one after the other."""
    from matplotlib.figure import Figure

    with log.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    begins: dict[str, int] = {}
    steps: list[int] = []
    for row in rows:
        begin = begins.setdefault(row["stage"], max(steps, default=0))
        steps.append(begin + int(row["step"]))
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    for axes, names in (
        (losses, ("finding", "telling")),
        (scores, ("new_wiki_f1", "squad2_f1", "squad2_em", "squad2_auroc", "everyday_f1", "houses_f1", "lookup_f1")),
    ):
        for name in names:
            # Not every row has everything: dev scores take time.
            told = [(step, float(row[name])) for step, row in zip(steps, rows, strict=True) if row[name]]
            axes.plot(*zip(*told, strict=True), marker="o", label=name.replace("_", " "))
        for begin in begins.values():
            axes.axvline(begin, color="grey", linewidth=0.8, linestyle=":")
        axes.set_xlabel("step (dotted: a stage begins)")
        axes.legend()
    losses.set_ylabel("loss")
    scores.set_ylabel("dev score")
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, metadata={"Date": None})
    click.echo(str(output))


if __name__ == "__main__":
    main()
