"""Self-contained pages by Jinja2: no request to anywhere, readable from a disk; the one file that loads it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pptsn.runtime.base.errors import MissingDependencyError, install_command, one_line
from pptsn.runtime.pages.canvas import check_matplotlib


def check_html() -> None:
    """Raise MissingDependencyError where what a page needs is not installed; nothing is loaded."""
    if find_spec("jinja2") is None:
        raise _missing("it is not installed")
    check_matplotlib()


def rendered(template: Path, **values: Any) -> str:
    """Return the page that the file `template` makes of `values`.

    Text is escaped; the filter `printable` spells control characters out as well.
    Raises MissingDependencyError, and what Jinja2 does for a value that the template asks for and there is not.
    """
    try:
        import jinja2
    except ImportError as error:
        raise _missing(str(error)) from error
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["printable"] = lambda value: one_line(str(value))
    return environment.from_string(template.read_text(encoding="utf-8")).render(values)


def _missing(cause: str) -> MissingDependencyError:
    return MissingDependencyError(
        "jinja2", f"the page of a report needs Jinja2 ({cause})", f"run: {install_command('bench')}"
    )
