"""The relations of features as Markdown: the question of each, and how it is computed."""

import inspect

# The question of each of the protocol's relations on a price, an indicator or an event.
_ASKS = {
    "position": "Where does it stand between its own extremes, or beside its own norm?",
    "distance": "How far is the price from the level, in percent, deviations or true ranges?",
    "duration": "For how many bars has it been on this side? Long stretches overextend.",
    "slope": "Which way does it move itself, and how fast?",
    "acceleration": "Does that movement grow or fade? It turns before the price does.",
    "proximity": "How close are two averages to crossing?",
    "recency": "How long ago was the last cross, touch or extreme? Events lose their force.",
}
# Its word in names, where that is another.
_NAMED = {"position": "level", "proximity": "gap"}


def relations() -> str:
    """A table: relation, question, how many candidates have it, the first of them."""
    from mlxts.features import catalog
    from mlxts.tables import markdown

    rows = []
    for relation, asks in _ASKS.items():
        having = [feature for feature in catalog.by_name().values() if feature.relation == relation]
        named = [
            feature for feature in having if f"_{_NAMED.get(relation, relation)}" in feature.name
        ]
        first = min(named, key=lambda feature: len(feature.formula))
        rows.append((relation, asks, len(having), f"`{first.name}`", f"`{first.formula}`"))
    return markdown(("relation", "question", "candidates", "for example", "formula"), rows)


def builders() -> str:
    """A table of the functions that make them: call, and first line of its docstring."""
    from mlxts.features import relations as builders_
    from mlxts.tables import markdown

    rows = []
    for name, function in vars(builders_).items():
        is_builder = inspect.isfunction(function) and function.__module__ == builders_.__name__
        if is_builder and not name.startswith("_"):
            summary = (inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " ")
            rows.append((f"`{name}({', '.join(inspect.signature(function).parameters)})`", summary))
    return markdown(("builder", "gives"), rows)
