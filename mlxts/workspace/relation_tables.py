"""The relations of features as Markdown: the question of each, and its computation."""

import inspect

# The question that a relation answers about a price, an indicator or an event.
_QUESTIONS = {
    "position": "Where does it stand between its own extremes, or relative to its own mean?",
    "distance": "How far is the price from the level, in percent, deviations or true ranges?",
    "duration": "For how many bars has it been on this side?",
    "slope": "In which direction does it move, and how fast?",
    "acceleration": "Is the movement speeding up or slowing down?",
    "proximity": "How close are two averages to crossing?",
    "recency": "How long ago was the last cross, touch or extreme?",
}
# The word in feature names, where it is not the relation.
_NAMED = {"position": "level", "proximity": "gap"}


def relations() -> str:
    """A table: relation, question, number of candidates, an example."""
    from mlxts.features import catalog
    from mlxts.tables import markdown

    rows = []
    for relation, question in _QUESTIONS.items():
        having = [feature for feature in catalog.by_name().values() if feature.relation == relation]
        named = [
            feature for feature in having if f"_{_NAMED.get(relation, relation)}" in feature.name
        ]
        first = min(named, key=lambda feature: len(feature.formula))
        rows.append((relation, question, len(having), f"`{first.name}`", f"`{first.formula}`"))
    return markdown(("relation", "question", "candidates", "example", "formula"), rows)


def builders() -> str:
    """A table of the functions that build them, with their docstrings."""
    from mlxts.features import relations as builders_
    from mlxts.tables import markdown

    rows = []
    for name, function in vars(builders_).items():
        is_builder = inspect.isfunction(function) and function.__module__ == builders_.__name__
        if is_builder and not name.startswith("_"):
            summary = (inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " ")
            rows.append((f"`{name}({', '.join(inspect.signature(function).parameters)})`", summary))
    return markdown(("function", "result"), rows)
