"""The explanation document: why a job matches where it does and nowhere else, as both ends of a wire know it.

The broker makes one (:mod:`broker.explanation`), ``POST <server>/explain`` carries it as JSON, and the commands show
it.  Fields are described in docs/matchmaking.md.  A reader takes documents of its own :data:`VERSION` and overlooks
fields that it does not know, so fields may be added without a new version.

All counts are of computing elements.  An element with several VO views passes a condition when one of its views does.
"""

from __future__ import annotations

from dataclasses import dataclass

VERSION = 1


@dataclass(frozen=True)
class Picture:
    """What was known when the job was looked at.

    :ivar taken_at: ISO 8601, UTC.
    :ivar age: seconds since then.
    :ivar generation: the number of the snapshot.
    :ivar problems: what is wrong with the information sources themselves, one sentence each; ``problem_count`` counts
        those that are left out too.
    """

    taken_at: str = ""
    age: float = 0.0
    generation: int = 0
    problems: tuple[str, ...] = ()
    problem_count: int = 0


@dataclass(frozen=True)
class Stage:
    """One step of the way from all computing elements to those that match.

    :ivar name: ``known``, ``admit``, ``open``, ``wms``, ``requirements``, ``rank``, ``data`` or ``available``.
    :ivar passed: elements that passed this step and all before it.
    """

    name: str
    passed: int


@dataclass(frozen=True)
class Match:
    """A computing element that fits.  :ivar rank: what Rank is there."""

    ce_id: str
    rank: float


@dataclass(frozen=True)
class NearMiss:
    """A computing element and what it has in place of what a condition wants."""

    ce_id: str
    found: str


@dataclass(frozen=True)
class Alternative:
    """One side of an ``||``, or a term of such a side.

    :ivar holds: elements, of those asked, on which it is true.
    :ivar terms: when it is an ``&&`` itself, its terms.
    """

    text: str
    holds: int
    terms: tuple[Alternative, ...] = ()


@dataclass(frozen=True)
class Condition:
    """A condition of a job and how it fared on the elements that admit the user and take jobs.

    :ivar text: the condition as JDL.
    :ivar whose: ``job`` (a term of its Requirements), ``wms`` or ``rank``.
    :ivar via: the attributes of the job behind which the term stands, outermost first.
    :ivar asked: elements that were asked.
    :ivar failed: of these, those on which it is not true.
    :ivar only: of these, those that meet everything else.
    :ivar undefined: of the failed, those on which it is undefined.
    :ivar erroneous: of the failed, those on which it is an error.
    :ivar found: what the failing elements have, in words.
    :ivar near: those that fail nothing else, the nearest first; some of them.
    :ivar alternatives: when it is an ``||``, its sides.
    :ivar remarks: sentences on what is probably a mistake.
    """

    text: str
    whose: str
    asked: int
    failed: int
    only: int
    via: tuple[str, ...] = ()
    undefined: int = 0
    erroneous: int = 0
    found: str = ""
    near: tuple[NearMiss, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Edit:
    """A change of the job description.

    :ivar attribute: which attribute: ``Requirements``, ``Rank`` or another of the job's.
    :ivar text: the term as it is.
    :ivar instead: what to write in its place; empty to leave it out.
    """

    attribute: str
    text: str
    instead: str = ""


@dataclass(frozen=True)
class Change:
    """A smallest change that gives a match, tried out on the same picture.

    :ivar edits: all of them are needed.
    :ivar matches: elements that match the changed job.
    :ivar without: elements that match when the terms are left out altogether; 0 when none does (who leaves out
        what speaks of the state gets no closed elements, and the default Rank may be no number).
    :ivar requirements: the changed Requirements, whole; empty when they stay.
    :ivar best: the best of the elements that match then; some of them.
    """

    edits: tuple[Edit, ...]
    matches: int
    without: int = 0
    requirements: str = ""
    best: tuple[Match, ...] = ()


@dataclass(frozen=True)
class Opening:
    """Who would be admitted.

    :ivar rule: an access rule of computing elements that refuse this user (``VO:…``, ``VOMS:…``).
    :ivar elements: of these elements, those with the rule.
    :ivar would_match: of these, those that meet everything else.
    :ivar own: whether the user's proxy has the attribute, though not as its first.
    """

    rule: str
    elements: int
    would_match: int
    own: bool = False


@dataclass(frozen=True)
class Refusal:
    """An element that does not admit the user, and the rules in words."""

    ce_id: str
    why: str


@dataclass(frozen=True)
class Access:
    """Who does not admit the user.

    :ivar vo: the user's VO as the job has it.
    :ivar fqan: the primary attribute of the proxy.
    :ivar refused: elements that do not admit the user.
    :ivar denied: of these, those with a DENY rule for the user.
    :ivar would_match: of the refused, those that meet everything else.
    :ivar openings: whom they would admit; what would give most matches first.
    :ivar examples: some of the refused.
    """

    vo: str = ""
    fqan: str = ""
    refused: int = 0
    denied: int = 0
    would_match: int = 0
    openings: tuple[Opening, ...] = ()
    examples: tuple[Refusal, ...] = ()


@dataclass(frozen=True)
class Aside:
    """An element that would match and is set aside for a while, and why."""

    ce_id: str
    why: str


@dataclass(frozen=True)
class Mistake:
    """Something in the description that no element can meet as it is written.

    :ivar text: what is written.
    :ivar meant: what may be meant, ``""`` when nothing is like it.
    :ivar sentence: the same in words.
    """

    text: str
    meant: str
    sentence: str


@dataclass(frozen=True)
class Explanation:
    """All that stands between one job and the computing elements of one picture.

    :ivar verdict: one sentence.
    :ivar matches: elements that match.
    :ivar best: the best of them.
    :ivar closed: elements, of those that admit the user, that take no jobs, with their states in ``why``.
    :ivar notes: further sentences (SubmitTo, data).
    :ivar nearest: how many terms of the description the nearest element fails.
    """

    version: int
    verdict: str
    picture: Picture
    matches: int
    stages: tuple[Stage, ...] = ()
    best: tuple[Match, ...] = ()
    conditions: tuple[Condition, ...] = ()
    changes: tuple[Change, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    access: Access = Access()
    closed: tuple[Refusal, ...] = ()
    closed_count: int = 0
    aside: tuple[Aside, ...] = ()
    notes: tuple[str, ...] = ()
    nearest: int = 0
    rank: str = ""


@dataclass(frozen=True)
class Choice:
    """What a job was matched with.

    :ivar at: when, ISO 8601, UTC.
    :ivar candidates: how many elements matched.
    :ivar others: the next best ones.
    """

    ce_id: str
    at: str
    rank: float
    candidates: int
    others: tuple[Match, ...] = ()


@dataclass(frozen=True)
class JobStory:
    """Where a job of the broker's queue stands.

    :ivar phase: the queue's word for it.
    :ivar sentence: the same in words.
    :ivar reason: why it waits, or why it ended.
    :ivar next_try: when it is matched again, ISO 8601, UTC; empty when it is not.
    :ivar expires: until when it may wait, likewise.
    :ivar choice: the last match; None before the first.
    :ivar parent: the compound job that it is a node of.
    :ivar node: its name there.
    :ivar nodes: for a compound job, how many nodes are in each state.
    :ivar waiting: for a compound job, some of the nodes that wait for a computing element.
    :ivar explanation: against the present picture, when it waits for a match.
    """

    version: int
    job: str
    phase: str
    sentence: str
    attempt: int = 0
    reason: str = ""
    next_try: str = ""
    expires: str = ""
    choice: Choice | None = None
    parent: str = ""
    node: str = ""
    nodes: tuple[NodeCount, ...] = ()
    waiting: tuple[str, ...] = ()
    explanation: Explanation | None = None


@dataclass(frozen=True)
class NodeCount:
    """How many nodes of a compound job are in one state."""

    state: str
    count: int
