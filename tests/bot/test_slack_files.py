"""To where the bot's token may be shown when a shared file is fetched."""

import pytest

from bot.settings import SLACK_API
from bot.slack import files

SANDBOX = "http://127.0.0.1:4321/api/"


@pytest.mark.parametrize(
    ("url", "api", "may"),
    [
        ("https://files.slack.com/files-pri/T1-F1/download/x.csv", SLACK_API, True),
        ("https://files.slack-gov.com/files-pri/T1-F1/x.csv", SLACK_API, True),
        ("http://files.slack.com/files-pri/T1-F1/x.csv", SLACK_API, False),
        ("https://files.slack.com.evil.test/x.csv", SLACK_API, False),
        ("https://evilslack.com/x.csv", SLACK_API, False),
        ("https://docs.google.com/x", SLACK_API, False),
        ("http://127.0.0.1:4321/files-pri/T1-F1/F1/x.csv", SANDBOX, True),
        ("http://127.0.0.1:9999/files-pri/T1-F1/F1/x.csv", SANDBOX, False),
    ],
)
def test_the_token_goes_to_slack_alone(url: str, api: str, may: bool) -> None:
    assert files.is_slack(url, api) is may
