"""The whole way on a simulated operator."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from commands.common import Place, home, narrator, out, progress, review_url, tracking_uri
from commands.facts import report, simulated
from commands.models import fit, show

if TYPE_CHECKING:
    from serving.schemas import DecisionAnswer


def demo(
    customers: Annotated[int, typer.Option(min=500)] = 4_000,
    months: Annotated[int, typer.Option(min=9)] = 12,
    seed: int = 0,
) -> None:
    """Simulate an operator, train churn and needs, and decide for a few of its customers."""
    from features.simulator import simulate
    from serving.access.keys import open_keys

    place = Place.of(None)
    out.rule("1. facts: a simulated operator, one table per system")
    report(simulated(place, customers, months, seed), as_json=False)
    history = place.history()
    for step, task in enumerate(("churn", "needs"), start=2):
        out.rule(f"{step}. training '{task}' out of time")
        with progress() as bar:
            record, _ = fit(place, history, task, {}, seed=seed, progress=narrator(bar, task))
        show(record, None, as_json=False)
    out.rule("4. decisions: who may leave, why, and what to do")
    rows = next(b.rows for b in simulate(customers, 1, seed) if b.source == "profile")
    _decisions(rows.filter(rows["key_type"].to_numpy(zero_copy_only=False) == "customer")["key"].to_pylist())
    _, key = open_keys(home())
    out.rule("next")
    out.print(f"make ui      review the runs and models: {review_url()}", highlight=False)
    out.print("make serve   answer a CRM: http://127.0.0.1:8000/docs")
    if key:
        out.print(f"             with the API key (shown only this once) {key}", highlight=False)
    out.print("notebooks/01_tour.ipynb   the same way, step by step")


def _decisions(customers: list[str], asked: int = 300) -> None:
    """Ask for a spread of customers and somebody nobody knows; show the most at risk, the middle and the stranger."""
    from serving.desk import Desk
    from serving.schemas import ChurnScored
    from serving.settings import Settings

    chosen = customers[:: max(1, len(customers) // asked)]
    with Desk(Settings(home=home(), tracking_uri=tracking_uri())) as desk:
        *known, unknown = desk.ask_all([*([("customer", name)] for name in chosen), [("cookie", "never-seen")]])
    answers = list(zip(chosen, known, strict=True))
    risks = {name: max(a.churn.curve.values()) for name, a in answers if isinstance(a.churn, ChurnScored)}
    scored = sorted(((n, a) for n, a in answers if n in risks), key=lambda pair: -risks[pair[0]])
    shown = [*scored[:4], *scored[len(scored) // 2 :][:2], ("an unknown cookie", unknown)]
    table = Table("who", "leaves within", "why (percentage points of the risk)", "what to do (worth)", show_lines=True)
    for name, answer in shown:
        table.add_row(name, *_cells(answer))
    out.print(table)
    out.print(f"as of {shown[0][1].cuts.windows_end:%Y-%m-%d %H:%M} UTC; points of several reasons need not add up")


def _cells(answer: "DecisionAnswer") -> tuple[str, str, str]:
    if answer.churn.status == "not_applicable":
        risk = f"not applicable:\n{answer.churn.why}"
    else:
        risk = "\n".join(f"{days} days {p:.1%}" for days, p in answer.churn.curve.items()) + f"\n{answer.churn.band}"
    if answer.visitor:
        risk = f"a customer with {answer.visitor.p_customer:.0%};\nif so, {risk}"
    why = [f"{r.effect_points:+.1f} {r.words}\n      {r.facts[0].words}" for r in answer.reasons[:3]]
    likely = [f"{n.words} {n.probability:.0%}" for n in (answer.needs or [])[:2] if n.probability >= _STANDS_OUT]
    needs = [f"needs: {', '.join(likely) or 'none stands out'}"] if answer.needs else []
    todo = [f"{a.slot}. {a.words.agent} ({answer.currency} {a.value:.2f})" for a in answer.actions[:2]]
    return risk, "\n".join(why), "\n".join(todo + needs)


_STANDS_OUT = 0.05
