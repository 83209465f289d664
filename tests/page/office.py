"""An invented office with a small governance app, for the page to show."""

import threading
from datetime import UTC, datetime
from typing import Any

from slack_bolt import Ack, App

from sandbox import GovernedClock, Sandbox, World
from sandbox.page_api import HOME, ActionResult, Go, Step, Strip, StripAction
from tests.page import cards
from tests.sandbox.apps import HttpApp, bolt_app

HOSTILE = '<script>window.pwned = 1</script> & "Zoë" \u202eevil\u202c <!channel> *not bold*'
AT = datetime(2026, 1, 26, 8, 50, tzinfo=UTC)

ORG: dict[str, Any] = {
    "teams": [
        {"id": "T0NORTH", "name": "Northwind Labs", "domain": "northwind"},
        {"id": "T0PART", "name": "Harbour Partners", "domain": "harbour", "foreign": True},
    ],
    "app": {"id": "A0GOV", "name": "Steward", "bot_user_id": "U0STEWARD", "bot_id": "B0STEWARD"},
    "users": [
        {"id": "U0MAYA", "name": "maya", "real_name": "Maya Lindqvist", "title": "Head of Applied ML"},
        {"id": "U0TOM", "name": "tom", "real_name": "Tom Okafor", "title": "Project manager, Ticket triage", "tz": "America/New_York"},
        {"id": "U0AIKO", "name": "aiko", "real_name": "Aiko Tanaka", "title": "Finance partner", "tz": "Asia/Tokyo"},
        {"id": "U0GUS", "name": "gus", "real_name": "Gus Ferreira", "title": "Contractor", "is_restricted": True},
        {"id": "U0SAM", "name": "sam", "real_name": "Sam Reyes", "title": "Account lead", "team": "T0PART"},
        {"id": "U0EVE", "name": "eve", "real_name": HOSTILE, "title": "<b>title</b>"},
    ],
    "channels": [
        {"id": "C0TRIAGE", "name": "proj-ticket-triage", "topic": "Routing support tickets by model · launch 16 Feb", "purpose": "Everything about Ticket triage.",
         "members": ["U0MAYA", "U0TOM", "U0AIKO"], "app": True},
        {"id": "C0LANE", "name": "proj-lane-vision", "members": ["U0MAYA", "U0TOM"], "app": True},
        {"id": "C0GENERAL", "name": "general", "members": ["U0MAYA", "U0TOM", "U0AIKO", "U0EVE"], "is_general": True},
        {"id": "C0RISK", "name": "model-risk", "members": ["U0MAYA"], "is_private": True, "app": True},
        {"id": "C0HARBOUR", "name": "with-harbour", "teams": ["T0NORTH", "T0PART"], "members": ["U0MAYA", "U0GUS", "U0SAM"], "app": True},
        {"id": "C0OLD", "name": "proj-old-chatbot", "members": ["U0MAYA"], "is_archived": True},
        {"id": "C0PLANTS", "name": "plants", "members": ["U0AIKO"]},
    ],
    "usergroups": [{"id": "S0FIN", "handle": "finance-partners", "name": "Finance partners", "users": ["U0AIKO", "U0MAYA"]}],
}  # fmt: skip

MANIFEST: dict[str, Any] = {
    "display_information": {"name": "Steward", "description": "Looks after budgets and models"},
    "features": {
        "app_home": {"home_tab_enabled": True, "messages_tab_enabled": True},
        "bot_user": {"display_name": "Steward"},
        "slash_commands": [
            {"command": "/steward", "description": "Budgets, models and decisions", "usage_hint": "status | request | card"},
            {"command": "/steward-broken", "description": "A command that fails", "usage_hint": ""},
        ],
        "shortcuts": [
            {"name": "Add as a milestone", "type": "message", "callback_id": "promise", "description": "Keeps a promise made here"},
            {"name": "Fail at once", "type": "message", "callback_id": "fail", "description": "A shortcut that fails"},
        ],
    },
    "oauth_config": {
        "scopes": {"bot": ["chat:write", "commands", "files:read", "files:write", "im:history", "channels:history", "users:read"]}
    },
    "settings": {
        "event_subscriptions": {"bot_events": ["app_home_opened", "message.im"]},
        "interactivity": {"is_enabled": True},
    },
}  # fmt: skip


class Office:
    """A running sandbox with the app in it. `go()` of the strip, `approved` and `clicks` are for asserting."""

    def __init__(self, port: int = 0) -> None:
        self.clock = GovernedClock(AT)
        self.world = World.from_dict(ORG, clock=self.clock)
        self.approved = threading.Event()
        self.submitted: list[dict[str, Any]] = []
        self.closed = threading.Event()
        self.picked: list[dict[str, Any]] = []
        self._due = AT.replace(hour=12)
        self.sandbox = Sandbox(
            self.world,
            MANIFEST,
            port=port,
            strip=self._strip(),
            limits=False,
            ack_seconds=20.0,
            trigger_seconds=20.0,
        )
        self.sandbox.start()
        self.app = bolt_app(self.sandbox)
        self._listen(self.app)
        self._http = HttpApp(self.app)
        self.sandbox.deliver_to(self._http.url)
        self.client = self.app.client
        self.card = ""

    def stop(self) -> None:
        """Close the office."""
        self.sandbox.stop()
        self._http.stop()

    def furnish(self) -> None:
        """Write what people have said so far, and the app's cards."""
        tom, maya = self.sandbox.seat("U0TOM"), self.sandbox.seat("U0MAYA")
        tom.say("C0GENERAL", "Morning all :wave: the *labelling backlog* doubled after the recall.")
        tom.say(
            "C0GENERAL",
            "Details in <#C0TRIAGE|proj-ticket-triage>, <@U0MAYA> has the numbers.\n> two more weeks of GPU\n`train.py --resume` and https://example.com/runs?a=1&amp;b=2.",
        )
        self.sandbox.seat("U0EVE").say("C0GENERAL", "x" * 4000)
        self.client.chat_postMessage(channel="C0TRIAGE", **cards.alert())
        posted = self.client.chat_postMessage(channel="C0TRIAGE", **cards.approval("U0TOM"))
        self.card = str(posted["ts"])
        maya.say("C0TRIAGE", "Looks right to me, one question on the GPU type.", self.card)
        tom.say("C0TRIAGE", "A100s, as in December.", self.card)
        self.client.chat_postMessage(channel=maya.dm().id, **cards.approval("U0TOM"))
        self.client.chat_postMessage(channel="C0LANE", **cards.gallery())
        self.client.chat_postMessage(channel="C0RISK", **cards.texts())
        self.sandbox.seat("U0SAM").say("C0HARBOUR", "Hello from Harbour!")
        for who in ("U0MAYA", "U0TOM"):
            self.client.views_publish(user_id=who, view=cards.home())

    def _listen(self, app: App) -> None:
        @app.action("approve")
        def approve(ack: Ack, body: dict[str, Any], client: Any) -> None:
            ack()
            self.approved.set()
            client.chat_update(
                channel=body["channel"]["id"],
                ts=body["message"]["ts"],
                **cards.decided(body["user"]["id"]),
            )

        @app.action("reject")
        def reject(ack: Ack, body: dict[str, Any], client: Any) -> None:
            client.views_open(trigger_id=body["trigger_id"], view=cards.reason())
            ack()

        @app.view("reject.reason")
        def reason(ack: Ack, view: dict[str, Any]) -> None:
            words = view["state"]["values"]["why"]["text"]["value"]
            if "because" not in words:
                ack(
                    response_action="errors",
                    errors={"why": "Say “because”, so that the requester can act on it."},
                )
                return
            self.submitted.append(view["state"]["values"])
            ack()

        @app.action("request")
        def request(ack: Ack, body: dict[str, Any], client: Any) -> None:
            client.views_open(trigger_id=body["trigger_id"], view=cards.request_form())
            ack()

        @app.action("deeper")
        def deeper(ack: Ack, body: dict[str, Any], client: Any) -> None:
            client.views_push(trigger_id=body["trigger_id"], view=cards.deeper())
            ack()

        @app.view("request.form")
        def requested(ack: Ack, view: dict[str, Any]) -> None:
            self.submitted.append(view["state"]["values"])
            ack()

        app.view_closed("request.form")(lambda ack: (self.closed.set(), ack()))

        @app.action("acknowledge")
        def acknowledge(ack: Ack, body: dict[str, Any], client: Any) -> None:
            ack()
            client.chat_postEphemeral(
                channel=body["channel"]["id"],
                user=body["user"]["id"],
                text="Noted. *You* acknowledged this at 08:50; nobody else is told.",
            )

        @app.action({"type": "block_actions", "action_id": "pick"})
        def pick(ack: Ack, action: dict[str, Any]) -> None:
            ack()
            self.picked.append(action)

        @app.options("far")
        def far(ack: Ack, payload: dict[str, Any]) -> None:
            ack(
                options=[
                    {
                        "text": {"type": "plain_text", "text": f"{payload['value']} {n}"},
                        "value": f"v{n}",
                    }
                    for n in range(3)
                ]
            )

        @app.shortcut("promise")
        def promise(ack: Ack, body: dict[str, Any], client: Any) -> None:
            client.views_open(trigger_id=body["trigger_id"], view=cards.deeper())
            ack()

        @app.shortcut("fail")
        def fail(ack: Ack) -> None:
            raise RuntimeError("meant to fail")

        @app.command("/steward")
        def steward(ack: Ack, command: dict[str, Any], client: Any) -> None:
            if command["text"] == "card":
                client.chat_postMessage(channel=command["channel_id"], **cards.approval("U0TOM"))
                ack()
            elif command["text"] == "request":
                client.views_open(trigger_id=command["trigger_id"], view=cards.request_form())
                ack()
            else:
                ack("*Nothing waits for you.* 3 requests of yours are with others.")

        @app.command("/steward-broken")
        def broken(ack: Ack) -> None:
            raise RuntimeError("meant to fail")

        @app.event("app_home_opened")
        def opened(event: dict[str, Any]) -> None:
            pass

        @app.event("message")
        def heard(event: dict[str, Any]) -> None:
            pass

        app.error(lambda error: None)

    def _strip(self) -> Strip:
        return Strip(
            headline="A budget is running over, and one decision waits for you.",
            start=Go("U0MAYA", "C0TRIAGE"),
            steps=[
                Step(
                    "approve",
                    "Approve the increase",
                    "Ticket triage asks for 12,000 EUR more. You own the budget: press Approve on its card.",
                    self.approved.is_set,
                    lambda: Go("U0MAYA", "C0TRIAGE", self.card),
                ),
                Step(
                    "requester",
                    "See it as the requester",
                    "Act as Tom: every copy of the card has followed.",
                    lambda: False,
                    Go("U0TOM", "C0TRIAGE"),
                ),
                Step(
                    "home",
                    "Open the Home tab",
                    "What waits for you, in one place.",
                    lambda: False,
                    Go("U0MAYA", HOME),
                ),
            ],
            actions=[
                StripAction(
                    "verify",
                    "Verify the ledger",
                    "Checks every entry against its hash",
                    lambda: ActionResult(True, "214 entries verified, none changed."),
                ),
                StripAction(
                    "break",
                    "Change an entry",
                    "Changes one entry behind the bot’s back",
                    lambda: ActionResult(False, "Entry 118 does not match its hash."),
                ),
            ],
            settle=self._settle,
        )

    def _settle(self) -> None:
        if self.clock.now() >= self._due:
            self._due = datetime.max.replace(tzinfo=UTC)
            self.client.chat_postMessage(
                channel="C0TRIAGE", text="Two hours are left to decide on Ticket triage’s budget."
            )
