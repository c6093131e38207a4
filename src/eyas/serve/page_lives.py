"""/lives: the family tree of a life's models, what each learnt from people, and every promotion and refusal."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import select

from eyas.flywheel.lineage_of import Difference, Relative, difference, family, numbers
from eyas.serve import pages
from eyas.serve.errors import ApiError
from eyas.store.database import Store
from eyas.store.names import models_of
from eyas.store.tables import Conversation, Dataset, Promotion

router = APIRouter()
MAIN_FIGURES = ("bpb", "val_loss", "loss", "n_params", "tokens")
"""What a card shows without being opened."""
DECISIONS = 200
TALKS = 12
"""Corrected conversations that a card names."""


@dataclass(frozen=True)
class Step:
    """A model on a line of descent, and the lines that branch off from it."""

    model: Relative
    made: float | None
    """Seconds since 1970."""
    branches: list[list["Step"]]


@router.get("/lives", response_class=HTMLResponse, include_in_schema=False)
def lives(request: Request, a: str = "", b: str = "") -> HTMLResponse:
    """The page; with `a` and `b`, names of models, also what sets the two apart."""
    state = request.app.state.eyas
    if state.life is None or state.store is None:
        raise ApiError(404, "this server has a single model and no life: start it on a life, `eyas serve LIFE`")
    roots = family(state.life, state.store)
    models = {one.name: one for root in roots for one in _all(root)}
    talks = {id for one in models.values() if one.corrections for id in one.corrections.conversations[:TALKS]}
    with state.store.session() as session:
        titles = {one.id: one.title for one in session.scalars(select(Conversation).where(Conversation.id.in_(talks)))}
        decisions = list(session.scalars(select(Promotion).order_by(Promotion.created.desc()).limit(DECISIONS)))
        datasets = list(session.scalars(select(Dataset).order_by(Dataset.version.desc())))
    trained = {
        dataset.version: [
            one.name for one in models.values() if one.corrections and one.corrections.version == dataset.version
        ]
        for dataset in datasets
    }
    return pages.render(
        request,
        "lives.html.j2",
        lines=[list(_line(root)) for root in roots],
        models=sorted(models),
        champion=next((name for name, one in models.items() if "champion" in one.badges), None),
        main_figures=MAIN_FIGURES,
        figure=figure,
        flat=numbers,
        gates=_gates,
        trials=_trials,
        is_refused=is_refused,
        talks=TALKS,
        titles=titles,
        decisions=decisions,
        datasets=datasets,
        trained=trained,
        refused=_refused,
        a=a,
        b=b,
        difference=_difference(state.life, state.store, a, b) if a and b else None,
    )


def _all(model: Relative) -> Iterator[Relative]:
    yield model
    for child in model.children:
        yield from _all(child)


def _line(model: Relative) -> Iterator[Step]:
    """From `model` on to the champion, or else to the youngest that was not refused; the others branch off."""
    at: Relative | None = model
    while at is not None:
        onward = next((child for child in at.children if any("champion" in one.badges for one in _all(child))), None)
        if onward is None:
            onward = next((child for child in reversed(at.children) if not is_refused(child)), None)
        yield Step(at, _time(at.created), [list(_line(child)) for child in at.children if child is not onward])
        at = onward


def is_refused(model: Relative) -> bool:
    """Whether the last decision about it was a refusal."""
    return bool(model.history) and model.history[-1].action == "refused"


def _time(created: str) -> float | None:
    with suppress(ValueError):
        return datetime.fromisoformat(created).timestamp()
    return None


def _gates(figures: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The gates among the figures of an evaluation: `name`, `passed` and `reason` each."""
    return [one for one in figures.values() if isinstance(one, Mapping) and "passed" in one and "reason" in one]


def _trials(model: Relative) -> dict[str, str]:
    """What `eyas fix` found, in a few words: how many gates were passed, and how the battle ended."""
    told = {}
    for one in model.evaluations:
        if gates := _gates(one.figures):
            told["gates passed"] = f"{sum(bool(gate['passed']) for gate in gates)} of {len(gates)}"
        elif {"points", "low", "high"} <= one.figures.keys():
            points, low, high = (one.figures[key] for key in ("points", "low", "high"))
            told[one.name] = f"{points:+.0f} points [{low:+.0f}, {high:+.0f}]"
    return told


def _refused(counts: Mapping[str, Any]) -> dict[str, int]:
    """How many lessons stood in which examination."""
    return {key.removeprefix("in "): count for key, count in counts.items() if key.startswith("in ")}


def _difference(life: Path, store: Store, a: str, b: str) -> Difference:
    folders = {folder.name: folder for folder in models_of(life)}
    for name in (a, b):
        if name not in folders:
            raise ApiError(
                404, f"this life has no model {name[:80]}; it has {', '.join(folders)}", code="model_not_found"
            )
    with store.session() as session:
        return difference(folders[a], folders[b], session)


def figure(value: Any) -> str:
    """A figure as people read it: 1,234,567, 0.4196, yes."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return "–" if value is None else str(value)
