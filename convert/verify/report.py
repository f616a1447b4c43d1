"""The report on a model that was compared with another one, and where it goes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pptsn.convert.verify.agreement import Agreement
from pptsn.convert.verify.limits import Limits
from pptsn.convert.verify.runs import is_plan
from pptsn.runtime.base.errors import InputError, UsageError, VerificationError
from pptsn.runtime.base.files import printable, require_writable, write_text
from pptsn.runtime.decoding.clips import Excerpt
from pptsn.runtime.model.manifest import manifest_path


@dataclass(frozen=True)
class Report:
    """What a verification found.

    model, against: what was compared; limits: what the model has to keep to.
    figures: the agreement; drop: points of top-1 lost, None where the right answers are not known.
    skipped: clips that could not be read, with the reason; warned: those that were compared with warnings.
    named: how many clips there were to choose from; None where it was not clips that were compared.
    """

    model: str
    against: str
    limits: Limits
    figures: Agreement
    drop: float | None = None
    skipped: tuple[str, ...] = ()
    named: int | None = None
    warned: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the model keeps to its limits."""
        return not self.limits.violations(self.figures, self.drop)

    def to_dict(self) -> dict[str, Any]:
        """Return the report's JSON object."""
        return {
            "model": printable(self.model),
            "against": printable(self.against),
            "tolerance": self.limits.max_abs,
            "limits": dataclasses.asdict(self.limits),
            "passed": self.passed,
            **self.figures.to_dict(),
            "drop": self.drop,
            "skipped": list(self.skipped),
            "warned": list(self.warned),
            **({} if self.named is None else {"clips_named": self.named}),
        }

    def write(self, path: str | Path) -> None:
        """Write the report as JSON to `path`, atomically."""
        write_text(path, json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n")

    def require_passed(self) -> None:
        """Raise VerificationError, with figure and limit, where the verification failed."""
        for violation in self.limits.violations(self.figures, self.drop):
            raise VerificationError(self.model, f"against {self.against}, {violation}", self.limits.remedy())


def report_path(model: str | Path) -> Path:
    """Return where the report on the conversion to `model` lies: NAME.report.json beside NAME.onnx."""
    return Path(model).with_suffix(".report.json")


def verification_path(models: Sequence[Path]) -> Path:
    """Return where the report on a comparison goes: beside the last model, as no conversion calls its report."""
    last = models[-1].absolute() if models[-1].is_dir() else models[-1]
    name = last.stem if last.suffix.lower() == ".onnx" else last.name
    return last.with_name(f"{name}.{'verify' if len(models) == 1 else 'chain'}.report.json")


def check_report_path(path: Path, models: Sequence[Path], others: Iterable[object]) -> None:
    """Refuse, by UsageError, a report over an input or a plan's manifest, in an export, or where nobody can write.

    others: what else is read: clips, lists (`@list` as well), None.
    """
    try:
        require_writable(path)
    except InputError as error:
        raise UsageError("--report", f"{path} {error.cause}", error.remedy) from error
    for model in models:
        if model.is_dir() and path.resolve().parent == model.resolve():
            raise UsageError("--report", f"{path} lies in the export folder {model}", "choose another place")
    manifests = [manifest_path(model) for model in models if is_plan(model)]
    clips = [other.path if isinstance(other, Excerpt) else other for other in others if other]
    for name in map(str, [*models, *manifests, *clips]):
        with suppress(OSError, ValueError):  # what is not there cannot be overwritten
            if path.samefile(name.removeprefix("@")):
                raise UsageError("--report", f"{path} is the input {name} itself", "choose another name")
