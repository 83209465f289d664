"""One line of `mlgov doctor`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, whether mlgov can run with it, and a sentence; with the mend, unless all is well."""

    name: str
    ok: bool
    words: str
    is_warning: bool = False
    """mlgov runs all the same, and somebody should know."""

    @property
    def line(self) -> str:
        """The line as it is printed."""
        state = "failed" if not self.ok else "warning" if self.is_warning else "ok"
        return f"{state:<8}{self.name}: {self.words}"


def warning(name: str, words: str) -> Check:
    """A check that mlgov can run with, and that somebody should know about."""
    return Check(name, True, words, is_warning=True)


def list_some(names: list[str], last: str = "and", most: int = 5) -> str:
    """`a, b and c`; of many the first, and how many more."""
    if len(names) > most:
        return f"{', '.join(names[:most])} {last} {len(names) - most} more"
    return f" {last} ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
