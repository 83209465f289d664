"""Files that people share with mlgov: asked about, fetched with the token, and never from anywhere but Slack.

`fetch` is the one way to a file, and it takes whose it is: the token sees what anybody shared where mlgov is, and nobody
reaches by an id what is not theirs.
"""

import hashlib
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
from slack_sdk.errors import SlackApiError

from bot.context import Deps
from workflows.errors import InvalidInput
from workflows.people import service as people
from workflows.sources import bounded, http
from workflows.sources.bounded import TooLong

MOST_BYTES = 10_000_000
"""As much as Slack takes in a form."""
SECONDS = 10.0
QUICK = 1.5
"""Seconds of silence while somebody waits for a form to close; Slack gives it three in all."""
NOT_YOURS = "Slack shows mlgov no such file of yours"
_NOT_THERE = ("file_not_found", "file_deleted", "access_denied", "not_visible")
"""Slack's codes for a file that is not there, or not for mlgov."""
_SLACK = (".slack.com", ".slack-gov.com")
_PERMALINK = re.compile(
    r"https://[a-z0-9-]+(?:\.enterprise)?\.slack(?:-gov)?\.com/files/[A-Z0-9]+/(F[A-Z0-9]+)/\S*"
)


class NotFetched(InvalidInput):
    """A file that cannot be had. Its sentence is for who hands it in; `why` alone is for others."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}. Nothing was kept; you can share it again.", field="file")
        self.why = why


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file as it was when it was fetched. Its name is a stranger's words."""

    id: str
    name: str
    permalink: str
    data: bytes

    @property
    def sha256(self) -> str:
        """Of its bytes, in hex."""
        return hashlib.sha256(self.data).hexdigest()


def file_id_of(permalink: str | None) -> str | None:
    """The id of the file that one of Slack's permalinks leads to; None for any other link."""
    match = _PERMALINK.fullmatch(permalink or "")
    return match.group(1) if match else None


def fetch(deps: Deps, file_id: str, *, owner: str | None, seconds: float = SECONDS) -> Fetched:
    """A file with its bytes. Raises NotFetched with what the person who shared it can do.

    `owner` is the Slack id of who has to have put it into Slack: whoever acts, or for evidence that is kept, whoever
    handed it in. Somebody else's file is told like one that Slack does not show. `seconds` is how long its server may be
    silent.
    """
    try:
        answer = deps.slack.files_info(file=file_id)
    except SlackApiError as error:
        code = str(error.response.get("error"))
        if code == "missing_scope":
            raise NotFetched(
                "mlgov may not read files here: an administrator adds the scope `files:read` to the app"
            ) from None
        if code in _NOT_THERE:
            raise NotFetched(NOT_YOURS) from None
        raise NotFetched(f"Slack does not show it to mlgov ({code[:60]})") from None
    except OSError:
        raise NotFetched("Slack did not answer") from None
    info = answer["file"]
    if owner is None or not _is(deps, str(info.get("user") or ""), owner):
        raise NotFetched(NOT_YOURS)
    name = str(info.get("name") or info.get("title") or "The file")[:120]
    url = str(info.get("url_private_download") or info.get("url_private") or "")
    if info.get("is_external") or not url:
        raise NotFetched(
            f"{name} does not lie in Slack. Share the file itself, or give its link by *Hand in evidence*"
        )
    if int(info.get("size") or 0) > MOST_BYTES:
        raise NotFetched(
            f"{name} is larger than {MOST_BYTES // 1_000_000} MB. Keep it where it is: `mlgov model evidence NAME:VERSION TYPE --file FILE` takes its digest"
        )
    if not is_slack(url, deps.settings.slack_api_url):
        raise NotFetched(f"{name} lies on another server than Slack's")
    data = _download(url, deps.slack.token or "", name, seconds)
    return Fetched(file_id, name, str(info.get("permalink") or ""), data)


def _is(deps: Deps, user_id: str, owner: str) -> bool:
    """Whether both are Slack ids of one person: on a Grid somebody can have two."""
    if user_id == owner:
        return True
    with deps.db.read() as session:
        person = people.find_by_slack_id(session, deps.team.org_key, user_id)
    return person is not None and person.slack_id == owner


def is_slack(url: str, api: str) -> bool:
    """Whether the token may go there: Slack's own hosts, or the very one whose Web API is called."""
    asked, known = urlsplit(url), urlsplit(api)
    host = asked.hostname or ""
    if asked.scheme == "https" and host.endswith(_SLACK):
        return True
    return (asked.scheme, asked.netloc) == (known.scheme, known.netloc)


def _download(url: str, token: str, name: str, seconds: float) -> bytes:
    try:
        # A redirect would carry the token elsewhere, and to Slack's sign-in page at best.
        with (
            http.make_client(timeout=seconds) as client,
            client.stream("GET", url, headers={"Authorization": f"Bearer {token}"}) as answer,
        ):
            if answer.status_code != 200:
                raise NotFetched(f"Slack did not hand out {name} (HTTP {answer.status_code})")
            return b"".join(bounded.read_pieces(answer, MOST_BYTES))
    except TooLong:
        raise NotFetched(f"{name} is larger than {MOST_BYTES // 1_000_000} MB") from None
    except httpx.HTTPError as error:
        raise NotFetched(
            f"{name} could not be fetched from Slack ({type(error).__name__})"
        ) from None
