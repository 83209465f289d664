"""governance.yml as typed values: one module a section, and how the file is read."""

from workflows.policy.gates import Gate
from workflows.policy.reading import PolicyRefused, PolicyText, digest, json_schema, load, parse
from workflows.policy.root import Policy

__all__ = [
    "Gate",
    "Policy",
    "PolicyRefused",
    "PolicyText",
    "digest",
    "json_schema",
    "load",
    "parse",
]
