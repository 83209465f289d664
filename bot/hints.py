"""What Slack adds to a refusal: what to type or press to go on. Other surfaces show the refusal alone."""

from workflows.errors import GovernanceError

HINTS = {
    "absences.overlapping": "`/mlgov away` shows it and ends it.",
    "absences.own": "`/mlgov away` shows yours.",
    "approvals.waiting": "`/mlgov approvals` lists what waits for you.",
    "budgets.list": "`/mlgov budget` lists yours.",
    "digests.decided": "The card shows by whom.",
    "digests.preview": "`/mlgov digest preview` shows how things stand now.",
    "digests.sample": "`/mlgov digest preview` shows what it would say.",
    "help": "`/mlgov help` lists what you can ask.",
    "home": "Open the Home tab again.",
    "maturity.answers": "`/mlgov maturity answers` shows what you said.",
    "maturity.close": "`/mlgov maturity close` closes it.",
    "maturity.own": "`/mlgov maturity` shows your own.",
    "maturity.possible": "`/mlgov maturity` shows what you can do.",
    "maturity.reopen": "Open it again from `/mlgov maturity`.",
    "maturity.result": "`/mlgov maturity` shows its result.",
    "maturity.results": "`/mlgov maturity` shows yours, and how an open check-in goes.",
    "maturity.targets": "`/mlgov maturity targets` shows what is missing now.",
    "milestones.list": "`/mlgov milestones` lists yours.",
    "milestones.own": "`/mlgov milestones` lists what is yours.",
    "milestones.reschedule": "The button Reschedule asks for it.",
    "models.list": "`/mlgov models` lists those that you see.",
    "models.show": "`/mlgov model NAME` shows it.",
    "projects.list": "`/mlgov status` lists yours.",
    "registry.waiting": "The card lists it.",
    "window": "Open the window again.",
}
"""Code that a refusal carries (`GovernanceError.hint`) → the sentence that Slack adds."""


def sentence(error: GovernanceError) -> str:
    """The refusal with its hint, as Slack shows it."""
    return f"{error.sentence} {HINTS[error.hint]}" if error.hint else error.sentence
