"""The fuzzer's model accepts what can be and contradicts what cannot. Milliseconds."""

import pytest

from fuzz.belief import Answered, Belief, Contradiction
from fuzz.deeds import Inquiry, Lookup, Order, Reversal, Sale, Ship, Tell

ORDER = Order("PAY_AND_CLAIM", "991767890023", "303105332614281201", "0166", 20_000)
APPROVED = {
    "state": "APPROVED",
    "type": "COLLECT",
    "trackingNumber": ORDER.tracking_number,
    "amountDue": "200.00",
    "amountTendered": "500.00",
    "change": "300.00",
    "receipt": {"number": "0166-001-00000001", "copy": 0},
}


def sale(id_: str = "a") -> Sale:
    return Sale(id_, "0166", "COLLECT", ORDER.reference, 1, 1, "ana", ORDER.tracking_number, 50_000)


def seen(status: int, replay: bool = False, **body: object) -> Answered:
    return {"status": status, "body": body, "replay": replay}


@pytest.fixture
def belief() -> Belief:
    made = Belief()
    made.witness([(Ship(ORDER), seen(201, reference="9917-6789-0023"))])
    made.witness([(Tell(ORDER.tracking_number, "DELIVERED TO STORE", "0166", -50), seen(204))])
    return made


def test_a_second_collection_is_a_contradiction(belief: Belief) -> None:
    belief.witness([(sale("a"), seen(201, **APPROVED))])
    with pytest.raises(Contradiction):
        belief.witness([(sale("b"), seen(201, **APPROVED))])


def test_what_got_no_answer_has_one_fate_and_the_first_answer_says_which(belief: Belief) -> None:
    belief.witness([(sale(), None)])
    assert len(belief.worlds) == 2
    belief.witness([(Inquiry("a", "0166"), seen(404, code="unknown-transaction"))])
    assert len(belief.worlds) == 1
    with pytest.raises(Contradiction):
        belief.witness([(Inquiry("a", "0166"), seen(200, **APPROVED))])


def test_of_two_at_once_either_may_come_first_and_one_alone_is_approved(belief: Belief) -> None:
    belief.witness([(sale("a"), seen(409, code="already-done")), (sale("b"), seen(201, **APPROVED))])
    assert len(belief.worlds) == 1


def test_a_reversed_id_never_runs(belief: Belief) -> None:
    belief.witness([(Reversal("a", "0166", "TIMEOUT", in_hand=True), None)])
    belief.witness([(sale("a"), seen(409, code="transaction-reversed"))])
    assert len(belief.worlds) == 1
    with pytest.raises(Contradiction):
        belief.witness([(sale("a"), seen(201, **APPROVED))])


def test_a_changed_amount_is_seen_and_what_was_approved_is_done(belief: Belief) -> None:
    with pytest.raises(Contradiction):
        belief.witness([(sale(), seen(201, **APPROVED | {"amountDue": "199.99"}))])
    belief.witness([(sale(), seen(201, **APPROVED))])
    lookup = {"kind": "PAY_AND_CLAIM", "state": "DONE", "action": "NONE", "amountDue": "200.00", "labelHint": "1201"}
    belief.witness([(Lookup(ORDER.reference, "0166"), seen(200, **lookup))])
