"""What a pack shows, beside the words of standards. Dated, and no statement that anybody conforms to anything."""

from dataclasses import dataclass
from datetime import date

DAY = date(2026, 11, 25)
"""When these words were last compared with their sources."""
NOTE = (
    "Which part of this pack speaks to which part of a standard, as read on the day above. It helps to find things; it "
    "does not say that the organisation, or this model, conforms to any of them. SR 26-2 is principles-based guidance of "
    "the Federal Reserve (OCC Bulletin 2026-13 is its counterpart), mainly for banks above 30 billion USD, and leaves "
    "generative and agentic AI out of its scope."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One part of a pack, and where standards speak of it."""

    part: str
    nist: str
    iso: str
    sr: str


ROWS = (
    Row(
        "The model in the inventory",
        "GOVERN 1.6: mechanisms are in place to inventory AI systems",
        "Annex A.6, AI system life cycle",
        "Governance and controls",
    ),
    Row(
        "Purpose, intended use, tier and class",
        "MAP 1.1: intended purposes are understood and documented",
        "Annex A.5, assessing impacts of AI systems; A.9, use of AI systems",
        "Model development and use; materiality of exposure and purpose",
    ),
    Row(
        "Who made, validated and approved it",
        "GOVERN 2.1: roles and responsibilities are documented and clear",
        "Annex A.3, internal organization",
        "Governance and controls",
    ),
    Row(
        "Data that it is made from",
        "MAP 2.3: data collection and selection are identified and documented",
        "Annex A.7, data for AI systems",
        "Model development and use",
    ),
    Row(
        "Validation report, performance, what drives its answers",
        "MEASURE 2.9: the AI model is explained, validated, and documented",
        "Annex A.6, AI system life cycle; A.8, information for interested parties",
        "Validation and monitoring",
    ),
    Row(
        "Fairness report",
        "MEASURE 2.11: fairness and bias are evaluated and results are documented",
        "Annex A.5, assessing impacts of AI systems",
        "Validation and monitoring",
    ),
    Row(
        "Monitoring plan, readings, findings",
        "MANAGE 4.1: post-deployment AI system monitoring plans are implemented",
        "Annex A.6, AI system life cycle",
        "Validation and monitoring",
    ),
    Row(
        "Suspension at once, and who may",
        "MANAGE 2.4: mechanisms are in place to supersede, disengage, or deactivate AI systems",
        "Annex A.6, AI system life cycle",
        "Governance and controls",
    ),
    Row(
        "Retirement and its plan",
        "GOVERN 1.7: processes for decommissioning and phasing out AI systems safely",
        "Annex A.6, AI system life cycle",
        "Governance and controls",
    ),
    Row(
        "A vendor's model, and models whose output it takes",
        "MAP 4.1: approaches for mapping risks of third-party data or software",
        "Annex A.10, third-party and customer relationships",
        "Vendor and other third-party products",
    ),
)
