"""Where mlgov itself reads what is watched in use."""

from datetime import timedelta
from string import Template
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from workflows.policy.terms import Duration, Section

PLACES = {"model", "version", "metric"}
"""What a query may name: the model's key, the version and the measure as the monitoring plan calls it."""


def _template(query: str) -> str:
    template = Template(query)
    if not template.is_valid():
        raise ValueError("a `$` of PromQL itself is written `$$`")
    strange = sorted(set(template.get_identifiers()) - PLACES)
    if strange:
        raise ValueError(f"${strange[0]} is not known; there are $model, $version and $metric")
    return query


Query = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_template)]
Measure = Annotated[str, Field(min_length=1, max_length=60)]
Queries = dict[Measure, Query]
Key = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,79}$")]


class Readings(Section):
    """Which measures of monitoring plans are read from Prometheus, how often, and by which PromQL."""

    every: Duration = timedelta(days=1)
    prometheus: Queries = Field(default={}, max_length=200)
    """Measure → the query that gives its value for `$model` and `$version`, as one number."""
    models: dict[Key, Queries] = Field(default={}, max_length=1000)
    """For a model by its key: queries of its own, which go first."""

    @field_validator("every")
    @classmethod
    def _sensible(cls, value: timedelta) -> timedelta:
        if not timedelta(minutes=1) <= value <= timedelta(days=31):
            raise ValueError("a time from 1m to 31d")
        return value

    def query(self, model: str, version: str, metric: str) -> str | None:
        """The PromQL for a measure of a version; None for one that is not read here."""
        for queries in (self.models.get(model, {}), self.prometheus):
            for name, query in queries.items():
                if name.casefold() == metric.casefold():
                    # None of the three can hold a quotation mark or a backslash, so none ends a string of PromQL.
                    return Template(query).substitute(model=model, version=version, metric=metric)
        return None
