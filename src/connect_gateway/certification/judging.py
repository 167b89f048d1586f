"""What a till did, judged by the recorded traffic and by the ledger.

What the till says of itself counts for one thing alone: the verdict that the clerk saw.
Each check looks at one thing in every exercise, and gives its opinion where the exercise showed that thing.
"""

from collections.abc import Callable, Iterable

from connect_gateway.certification import checks_of_content as content
from connect_gateway.certification import checks_of_ends as ends
from connect_gateway.certification import checks_of_time as time
from connect_gateway.certification.seen import Check, Seen

CHECKS: tuple[Callable[[Seen], Iterable[Check]], ...] = (
    ends.ends_as_it_may,
    ends.collects_once,
    content.one_id_for_each_sale,
    content.repeats_are_identical,
    ends.knows_every_end,
    ends.shows_the_verdict,
    ends.takes_a_final_answer,
    ends.inquires_first,
    ends.settles_before_it_sells_again,
    ends.reverses_nothing_that_was_approved,
    content.reversals_are_honest,
    content.sends_what_the_clerk_did,
    content.ids_are_uuids,
    content.is_understood,
    content.follows_no_redirect,
    content.leaves_a_refused_token,
    time.waits_for_an_answer,
    time.waits_between_attempts,
    time.gives_up_in_time,
    time.ends_every_job,
)


def judge(seen: Seen) -> list[Check]:
    """Every opinion on one exercise."""
    return [check for look in CHECKS for check in look(seen)]
