"""How the fields of a form are asked for: said once, beside the field, in words that fit every surface."""

from dataclasses import dataclass

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Input:
    """In a field's annotation: its label, what helps to fill it in, how many characters it takes, and what is said where
    it has to be filled in and is `empty`."""

    label: str
    hint: str = ""
    multiline: bool = False
    least: int | None = None
    most: int = 3000
    placeholder: str = ""
    empty: str = ""


def inputs_of(form: type[BaseModel]) -> dict[str, Input]:
    """The fields of a form that people fill in, by name."""
    return {
        name: each
        for name, field in form.model_fields.items()
        for each in field.metadata
        if isinstance(each, Input)
    }
