"""How Slack says no."""

from typing import Any


class SlackError(Exception):
    """A refusal with Slack's error code.

    `findings` are details worded as in `response_metadata.messages`; `more` are further fields of
    the answer (`needed`, `provided`).
    """

    def __init__(self, code: str, *, findings: list[str] | None = None, **more: Any) -> None:
        super().__init__(code if not findings else f"{code}: {'; '.join(findings)}")
        self.code = code
        self.findings = findings or []
        self.more = more

    def as_json(self) -> dict[str, Any]:
        """The body of Slack's answer."""
        answer: dict[str, Any] = {"ok": False, "error": self.code, **self.more}
        if self.findings:
            if self.code == "invalid_blocks":
                answer["errors"] = self.findings
            answer["response_metadata"] = {"messages": [f"[ERROR] {one}" for one in self.findings]}
        return answer
