"""What docs/mlflow.md shows is what holds."""

import re
from pathlib import Path

from bot.settings import Settings
from workflows import policy
from workflows.policy.sections import RegistryRules
from workflows.registry import rules

PAGE = (Path(__file__).parents[2] / "docs" / "mlflow.md").read_text(encoding="utf-8")
HEAD = 'version: 1\norganisation: {name: Acme, timezone: Europe/London}\nchannels: {audit: "#ml-audit"}\n'


def test_the_policy_in_the_page_is_the_default() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert policy.parse(HEAD + text).policy.registry == RegistryRules()


def test_settings_and_tags_of_the_page_exist() -> None:
    named = set(re.findall(r"`(MLGOV_MLFLOW_\w+)`", PAGE))
    assert named == {name.upper() for name in Settings.model_fields if "mlflow" in name}
    assert set(rules.TAGS) <= set(re.findall(r"`(mlgov\.\w+)`", PAGE))
    minutes = [str(one // 60) for one in rules.BACKOFF]
    assert f"after {', '.join(minutes[:-1])} and {minutes[-1]} minutes" in PAGE
