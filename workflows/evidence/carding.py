"""The nine sections of a model card, as somebody wrote them (Mitchell et al., Model Cards for Model Reporting, 2019)."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=6000)]

TITLES = {
    "details": "Model details",
    "intended_use": "Intended use",
    "factors": "Factors",
    "metrics": "Metrics",
    "evaluation_data": "Evaluation data",
    "training_data": "Training data",
    "analyses": "Quantitative analyses",
    "ethics": "Ethical considerations",
    "caveats": "Caveats and recommendations",
}


class CardText(BaseModel):
    """What a card says in each section, as Markdown; empty where it says nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    details: Text = ""
    intended_use: Text = ""
    factors: Text = ""
    metrics: Text = ""
    evaluation_data: Text = ""
    training_data: Text = ""
    analyses: Text = ""
    ethics: Text = ""
    caveats: Text = ""

    @model_validator(mode="after")
    def _says_something(self) -> "CardText":
        if not any(getattr(self, name) for name in TITLES):
            raise ValueError("a model card says something in at least one of its nine sections")
        return self

    @property
    def missing(self) -> tuple[str, ...]:
        """Titles of the sections in which it says nothing."""
        return tuple(title for name, title in TITLES.items() if not getattr(self, name))
