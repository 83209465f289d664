"""The vocabulary that all three floors share. Values are stored, so a value is never renamed, only added."""

from enum import StrEnum


class Period(StrEnum):
    """How long one round of a budget lasts."""

    MONTH = "month"
    QUARTER = "quarter"
    FISCAL_YEAR = "fiscal_year"
    FIXED = "fixed"


class CostBasis(StrEnum):
    """Which FOCUS cost column counts: what was invoiced, or what was used (FOCUS 1.2, EffectiveCost)."""

    BILLED = "billed"
    EFFECTIVE = "effective"


class CostState(StrEnum):
    """Whether a load of cost counts: one of each source and billing period does."""

    WRITING = "writing"
    """Being written; readers don't count it yet."""
    CURRENT = "current"
    OLD = "old"
    """Replaced, or never finished; removed in batches."""


class ProjectStatus(StrEnum):
    """Where a project stands, from first draft to closed."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    UNDER_REVIEW = "under_review"
    APPROVED = "approved"
    REJECTED = "rejected"
    IN_PROGRESS = "in_progress"
    ON_HOLD = "on_hold"
    LIVE = "live"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class ProjectCategory(StrEnum):
    """What kind of value a project seeks; each has a benchmark multiple (2x, 10x, 100x)."""

    OPTIMIZATION = "optimization"
    DECISION = "decision"
    INNOVATION = "innovation"


class MilestoneType(StrEnum):
    """What a milestone is a step of, from idea to retirement."""

    INTAKE_APPROVED = "intake_approved"
    BUSINESS_CASE_SIGNED = "business_case_signed"
    DATA_READY = "data_ready"
    PROTOTYPE = "prototype"
    VALIDATION_START = "validation_start"
    VALIDATION_DONE = "validation_done"
    APPROVAL = "approval"
    DEPLOYED = "deployed"
    FIRST_VALUE = "first_value"
    BENEFITS_REVIEW_90D = "benefits_review_90d"
    PERIODIC_REVIEW = "periodic_review"
    RETIRED = "retired"
    OTHER = "other"


class MilestoneStatus(StrEnum):
    """The status of a milestone, computed from its dates and from whether its owner marked it as at risk or done."""

    ON_TRACK = "on_track"
    AT_RISK = "at_risk"
    LATE = "late"
    DONE = "done"


class ApprovalState(StrEnum):
    """Where a request stands. Every state but PENDING is final, and EXPIRED is never a rejection.

    Only APPROVED can still become LAPSED: approved on conditions of which one was not met in time.
    """

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


class ConditionState(StrEnum):
    """Where a condition of an approval stands."""

    OPEN = "open"
    CLAIMED = "claimed"
    """Its owner says that it is met; who set it has to confirm."""
    MET = "met"
    UNMET = "unmet"
    DROPPED = "dropped"
    """It no longer binds anybody: the request ended otherwise, or the approval was taken back."""


class Verdict(StrEnum):
    """What one approver decided."""

    APPROVE = "approve"
    REJECT = "reject"


class Ask(StrEnum):
    """How the approvers of a stage are asked."""

    CHANNEL = "channel"
    DM = "dm"
    QUIET = "quiet"


class Op(StrEnum):
    """What sending an outbox row does."""

    POST = "post"
    UPDATE = "update"
    DELETE = "delete"
    HOME = "home"
    ANCHOR = "anchor"
    WEBHOOK = "webhook"


class OutboxState(StrEnum):
    """Where an outbox row stands; SENDING means that the outcome is not known yet."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    DEAD = "dead"
    CANCELLED = "cancelled"


class HoldReason(StrEnum):
    """Why nothing is sent."""

    ASKED = "asked"
    """An operator started mlgov with `--hold`."""
    RESTORED = "restored"
    """`mlgov restore` put a copy in place, or was told of one."""
    BEHIND = "behind"
    """The anchor knows entries of the ledger that this database does not have."""


class UploadState(StrEnum):
    """Where a picture that Slack has stands; a block can show it only when it is READY."""

    UPLOADED = "uploaded"
    READY = "ready"


class TimerState(StrEnum):
    """Where a timer stands."""

    DUE = "due"
    DONE = "done"
    CANCELLED = "cancelled"
    DEAD = "dead"


class DigestState(StrEnum):
    """Where one person's digest of a week stands."""

    WAITING = "waiting"
    HELD = "held"
    """Its audience is new: an owner looks at a preview first."""
    SENT = "sent"
    MISSED = "missed"
    """Not built before the reader's working week was over."""
    WITHHELD = "withheld"
    """The policy's rollout does not let this person be messaged unasked."""
    SKIPPED = "skipped"
    """Not sent: the owner didn't release the first ones of that week, or its reader left or unsubscribed."""


class ReleaseState(StrEnum):
    """Where the first digests to an audience stand."""

    WAITING = "waiting"
    SENT = "sent"
    SKIPPED = "skipped"


class Answer(StrEnum):
    """What somebody says about a statement of the maturity rubric."""

    YES = "yes"
    PARTLY = "partly"
    NO = "no"
    UNKNOWN = "unknown"


class Level(StrEnum):
    """How mature an organisation is in one dimension."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class AskedAs(StrEnum):
    """The part in which somebody is asked, so that leaders and practitioners can be compared."""

    LEADER = "leader"
    PRACTITIONER = "practitioner"


class CycleState(StrEnum):
    """Where a check-in cycle stands."""

    OPEN = "open"
    CLOSED = "closed"


class InvitationState(StrEnum):
    """Where one person stands in a check-in. LEFT: they left the organisation, and no figure counts them."""

    INVITED = "invited"
    FINISHED = "finished"
    SKIPPED = "skipped"
    LEFT = "left"


class SeenBy(StrEnum):
    """Who besides the person may see single answers: nobody, an assessor without names, or an assessor with names."""

    NOBODY = "nobody"
    ASSESSOR = "assessor"
    ASSESSOR_BY_NAME = "assessor_by_name"


class TokenKind(StrEnum):
    """Whose a token is: a program's, which can ask and never decides, or a person's own."""

    MACHINE = "machine"
    PERSONAL = "personal"


class Scope(StrEnum):
    """What a token is for. DECIDE is only ever a person's."""

    ASK = "approvals:ask"
    READ = "approvals:read"
    DECIDE = "approvals:decide"
    COSTS = "costs:write"
    STATUS = "status:read"
    MODELS_READ = "models:read"
    MODELS = "models:write"
    CASES_READ = "cases:read"
    CASES = "cases:write"
    RETURNS = "returns:write"


class ModelState(StrEnum):
    """Where a version of a model stands. A model without versions stands in INVENTORIED or NOT_A_MODEL."""

    INVENTORIED = "inventoried"
    NOT_A_MODEL = "not_a_model"
    DEVELOPMENT = "development"
    VALIDATION = "validation"
    APPROVAL = "approval"
    APPROVED = "approved"
    IMPLEMENTATION = "implementation"
    IN_USE = "in_use"
    MODIFICATION = "modification"
    SUSPENDED = "suspended"
    RETIRED = "retired"


class ModelKind(StrEnum):
    """What is governed: a model of one's own, a vendor's, or a use of a generative model."""

    INTERNAL = "internal"
    VENDOR = "vendor"
    GENERATIVE = "generative"


class Exposure(StrEnum):
    """How much depends on a model: volume, money, people reached (SR 26-2, model exposure)."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class PurposeClass(StrEnum):
    """What a model's output does (SR 26-2, model purpose)."""

    INFORMATIONAL = "informational"
    DECISION_SUPPORT = "decision_support"
    AUTOMATED = "automated"
    """It decides by itself, or serves a regulatory purpose."""


class EuClass(StrEnum):
    """The class of the use under the EU AI Act."""

    PROHIBITED = "prohibited"
    HIGH = "high"
    LIMITED = "limited"
    MINIMAL = "minimal"


class Part(StrEnum):
    """The part somebody has in a version of a model."""

    DEVELOPER = "developer"
    VALIDATOR = "validator"
    CONTRIBUTOR = "contributor"


class Severity(StrEnum):
    """How much a finding weighs."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class FindingStatus(StrEnum):
    """Where a finding stands; an ACCEPTED one is open again after its day."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    RESOLVED = "resolved"
    ACCEPTED = "accepted"


class FindingSource(StrEnum):
    """Where a finding came from."""

    PERSON = "person"
    MONITORING = "monitoring"
    REVIEW = "review"
    REGISTRY = "registry"


class ChangeClass(StrEnum):
    """How much a change of a model in use weighs."""

    EDITORIAL = "editorial"
    """Words only: it stays in use."""
    MINOR = "minor"
    """It is validated again where the change touches it."""
    MATERIAL = "material"
    """A new version, which goes all the way; the one in use stays until then."""


class EvidenceStatus(StrEnum):
    """Where an item of evidence stands. Waived is never passed."""

    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    WAIVED = "waived"


class CaseState(StrEnum):
    """Where a business case stands."""

    DRAFT = "draft"
    WAITING = "waiting"
    """Those who decide are asked."""
    APPROVED = "approved"
    REJECTED = "rejected"
    DROPPED = "dropped"
    """Nobody wants it any more."""


class CaseSide(StrEnum):
    """Which side of a business case an amount stands on."""

    BENEFIT = "benefit"
    COST = "cost"


class Driver(StrEnum):
    """Where a benefit comes from, or a cost goes."""

    COST_SAVED = "cost_saved"
    TIME_SAVED = "time_saved"
    REVENUE = "revenue"
    MARGIN = "margin"
    RISK_AVOIDED = "risk_avoided"
    PEOPLE = "people"
    DATA = "data"
    COMPUTE = "compute"
    LICENCES = "licences"
    RUNNING = "running"


class Outcome(StrEnum):
    """What somebody did with a project as a whole."""

    STOPPED = "stopped"
    PAUSED = "paused"
    RESUMED = "resumed"
    FINISHED = "finished"


class CheckAnswer(StrEnum):
    """What became of a case that no longer held."""

    GO_ON = "go_on"
    REESTIMATE = "reestimate"
    STOP = "stop"
    HOLDS = "holds"
    """It holds again, or another estimate took its place, before anybody answered."""


class ReturnSource(StrEnum):
    """Where a figure of what came of a project is from."""

    PERSON = "person"
    API = "api"
    FILE = "file"
    PROMETHEUS = "prometheus"
    SQL = "sql"


class AskingKind(StrEnum):
    """What a message about returns asks."""

    PERIOD = "period"
    """What came in a period."""
    SILENCE = "silence"
    """Why nothing was measured for long."""
    SPONSOR = "sponsor"
    """Nothing: the sponsor is shown that nothing was measured."""
