-- Sales that a till made by itself while it was away, and what it needs to know for that.

CREATE TABLE stand_in (
    store_id        text NOT NULL,
    transaction_id  uuid NOT NULL,
    receipt_number  text NOT NULL,
    occurred_at     timestamptz NOT NULL,
    manifest_id     uuid NOT NULL,
    taken_at        timestamptz NOT NULL,
    PRIMARY KEY (store_id, transaction_id)
);

CREATE INDEX stand_in_receipt ON stand_in (store_id, receipt_number);

-- A stand-in sale that the ledger does not agree with, and how that ended: a person accepted the sale or gave the
-- money back, or the till reversed it.
CREATE TABLE dispute (
    store_id        text NOT NULL,
    transaction_id  uuid NOT NULL,
    code            text NOT NULL,
    detail          text NOT NULL,
    opened_at       timestamptz NOT NULL,
    resolution      text CHECK (resolution IN ('ACCEPTED', 'REFUNDED', 'REVERSED')),
    resolved_at     timestamptz,
    resolved_by     text,
    note            text,
    PRIMARY KEY (store_id, transaction_id),
    CONSTRAINT dispute_resolved_by_somebody CHECK (
        (resolution IS NULL) = (resolved_at IS NULL) AND (resolution IS NULL) = (resolved_by IS NULL))
);

CREATE INDEX dispute_open ON dispute (opened_at) WHERE resolution IS NULL;

-- The old rows have met the narrower rule, so that nobody has to wait for them to be read again.
ALTER TABLE transaction DROP CONSTRAINT transaction_state_check;

ALTER TABLE transaction ADD CONSTRAINT transaction_state_check CHECK (
    state IN ('APPROVED', 'DECLINED', 'DISPUTED', 'REVERSED')) NOT VALID;

ALTER TABLE transaction DROP CONSTRAINT transaction_reversal_reason_check;

ALTER TABLE transaction ADD CONSTRAINT transaction_reversal_reason_check CHECK (
    reversal_reason IN ('TIMEOUT', 'CANCELLED', 'CLERK_VOID', 'REFUNDED')) NOT VALID;

ALTER TABLE transaction ADD CONSTRAINT transaction_disputed_with_a_receipt CHECK (
    state <> 'DISPUTED' OR (receipt_number IS NOT NULL AND code IS NULL)) NOT VALID;

ALTER TABLE late_entry DROP CONSTRAINT late_entry_state_check;

ALTER TABLE late_entry ADD CONSTRAINT late_entry_state_check CHECK (
    state IN ('APPROVED', 'DISPUTED', 'REVERSED')) NOT VALID;

-- What ECMS has changed of the parcels that wait at a store, counted for each store. The count's row is locked until
-- the change commits, so that whoever has seen a count has seen every change up to it. What the counter changes needs
-- no row: it stands in the terminals' journals, which are counted in the same way.
CREATE TABLE store_change (
    store_id  text PRIMARY KEY,
    changes   bigint NOT NULL CHECK (changes > 0)
) WITH (fillfactor = 50);

CREATE TABLE waiting (
    store_id    text NOT NULL,
    reference   text NOT NULL,
    change      bigint NOT NULL,
    changed_at  timestamptz NOT NULL,
    PRIMARY KEY (store_id, reference)
);

CREATE INDEX waiting_change ON waiting (store_id, change);

CREATE INDEX waiting_age ON waiting (changed_at);

INSERT INTO waiting (store_id, reference, change, changed_at)
SELECT store_id, reference, 1, now() FROM reference WHERE state = 'OPEN' AND kind IN ('PAY_AND_CLAIM', 'CLAIM');

INSERT INTO store_change (store_id, changes) SELECT DISTINCT store_id, 1 FROM waiting;
