"""YAML as recipes are written in, read within bounds: what aliases stand for is counted before it is made."""

from __future__ import annotations

from typing import Any

import yaml

# Of a text, and of the values in it with those that its aliases and merge keys repeat: a recipe has 40 lines.
MOST_CHARACTERS = 100_000
MOST_VALUES = 10_000


def read_yaml(text: str) -> Any:
    """Return what `text` says, in plain values.

    Raises ValueError where it is no YAML, is longer than MOST_CHARACTERS, or stands for more than MOST_VALUES.
    """
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"it has {len(text)} characters, expected {MOST_CHARACTERS} at most")
    try:
        loader = yaml.SafeLoader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                return None
            _count(root, {})
            return loader.construct_document(root)
        finally:
            loader.dispose()
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    # PyYAML lets out what its makers of values meet: in a date that does not exist, a number without digits, ...
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _count(node: Any, known: dict[int, int]) -> int:
    """Return how many values `node` stands for, those of aliases each time; raises ValueError for too many.

    known: the numbers of nodes that were counted, by their identity; 0 of those that are being counted.
    """
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) in known:
        if not known[id(node)]:
            raise ValueError("an alias in it stands for what it is in")
        return known[id(node)]
    known[id(node)] = 0
    children = (
        node.value if isinstance(node, yaml.SequenceNode) else [part for pair in node.value for part in pair]
    )
    total = 1
    for child in children:
        total += _count(child, known)
        if total > MOST_VALUES:
            raise ValueError(f"with its aliases it stands for more than {MOST_VALUES} values")
    known[id(node)] = total
    return total
