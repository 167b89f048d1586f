-- The ledger. Money is bigint centavos. Rows of the counter belong to a store and are keyed by it first, and every
-- number in them is made by the program, so that the tables can be spread over machines by store without a change.
-- Each statement ends with a semicolon at the end of its line and is executed by itself.

CREATE TABLE client (
    client_id    text PRIMARY KEY,
    secret_hash  bytea NOT NULL,
    role         text NOT NULL CHECK (role IN ('pos', 'kiosk', 'ecms', 'app', 'admin')),
    store_id     text CHECK (store_id ~ '^[0-9]{4}$'),
    pos          integer CHECK (pos BETWEEN 0 AND 9999),
    created_at   timestamptz NOT NULL,
    disabled_at  timestamptz,
    CHECK ((role IN ('pos', 'kiosk')) = (store_id IS NOT NULL)),
    CHECK (pos IS NULL OR role = 'pos')
);

-- Tokens are kept as hashes. A family is what grew from one grant of client credentials; it is revoked as one.
CREATE TABLE token (
    token_hash  bytea PRIMARY KEY,
    use         text NOT NULL CHECK (use IN ('ACCESS', 'REFRESH')),
    client_id   text NOT NULL REFERENCES client,
    family      uuid NOT NULL,
    expires_at  timestamptz NOT NULL,
    rotated_at  timestamptz,
    revoked_at  timestamptz
);

CREATE INDEX token_family ON token (family);

CREATE INDEX token_expiry ON token (expires_at);

CREATE TABLE reference (
    reference           text PRIMARY KEY CHECK (reference ~ '^[0-9]{12}$'),
    kind                text NOT NULL CHECK (kind IN ('PAY_AND_CLAIM', 'CLAIM', 'PAY', 'RETURN', 'DROP_OFF')),
    tracking_number     text NOT NULL CHECK (tracking_number ~ '^[0-9]{17,18}$'),
    merchant_code       text NOT NULL,
    merchant            text NOT NULL,
    merchant_reference  text NOT NULL,
    description         text NOT NULL,
    amount_due          bigint NOT NULL,
    store_id            text CHECK (store_id ~ '^[0-9]{4}$'),
    state               text NOT NULL CHECK (state IN ('NOT_READY', 'OPEN', 'DONE', 'CANCELLED', 'PULLED_OUT')),
    expires_at          timestamptz,
    status_at           timestamptz,
    done_store          text,
    done_by             uuid,
    created_at          timestamptz NOT NULL,
    UNIQUE (tracking_number, kind),
    CONSTRAINT reference_done_by_a_transaction CHECK (
        (state = 'DONE') = (done_by IS NOT NULL) AND (done_by IS NULL) = (done_store IS NULL)),
    CONSTRAINT reference_amount_of_its_kind CHECK (
        CASE kind
            WHEN 'PAY_AND_CLAIM' THEN amount_due BETWEEN 1 AND 400000
            WHEN 'CLAIM' THEN amount_due = 0
            WHEN 'RETURN' THEN amount_due = 0
            ELSE amount_due BETWEEN 0 AND 400000
        END),
    CONSTRAINT reference_parcel_waits_at_a_store CHECK ((kind IN ('PAY_AND_CLAIM', 'CLAIM')) = (store_id IS NOT NULL)),
    CONSTRAINT reference_released_at_its_own_store CHECK (
        done_store IS NULL OR store_id IS NULL OR done_store = store_id)
) WITH (fillfactor = 85);

-- Personal data stand apart, so that purging them touches neither the ledger nor its journal.
CREATE TABLE contact (
    reference     text PRIMARY KEY REFERENCES reference,
    key_version   integer NOT NULL,
    mobile        bytea NOT NULL,
    mobile_index  bytea NOT NULL,
    created_at    timestamptz NOT NULL
);

CREATE INDEX contact_mobile_index ON contact (mobile_index);

CREATE INDEX contact_age ON contact (created_at);

CREATE TABLE terminal (
    store_id        text NOT NULL,
    pos             integer NOT NULL CHECK (pos BETWEEN 0 AND 9999),
    receipts        bigint NOT NULL CHECK (receipts >= 0),
    journal_length  bigint NOT NULL CHECK (journal_length >= receipts),
    journal_head    bytea NOT NULL CHECK (length(journal_head) = 32),
    PRIMARY KEY (store_id, pos)
) WITH (fillfactor = 50);

CREATE TABLE shift (
    store_id       text NOT NULL,
    pos            integer NOT NULL,
    business_date  date NOT NULL,
    shift          integer NOT NULL CHECK (shift BETWEEN 0 AND 99),
    opened_at      timestamptz NOT NULL,
    closed_at      timestamptz,
    PRIMARY KEY (store_id, pos, business_date, shift)
);

-- An id that was reversed before it arrived has no request: type, reference and the rest are null together.
CREATE TABLE transaction (
    store_id         text NOT NULL,
    transaction_id   uuid NOT NULL,
    pos              integer NOT NULL,
    type             text CHECK (type IN ('COLLECT', 'CLAIM', 'PAY', 'ACCEPT_RETURN', 'DROP_OFF')),
    reference        text,
    shift            integer,
    business_date    date,
    clerk            text,
    scanned_label    text,
    tender           text CHECK (tender IN ('CASH')),
    amount_tendered  bigint,
    state            text NOT NULL CHECK (state IN ('APPROVED', 'DECLINED', 'REVERSED')),
    code             text,
    tracking_number  text,
    amount_due       bigint NOT NULL CHECK (amount_due BETWEEN 0 AND 400000),
    change           bigint NOT NULL CHECK (change >= 0),
    receipt_number   text,
    occurred_at      timestamptz NOT NULL,
    reversed_at      timestamptz,
    reversal_reason  text CHECK (reversal_reason IN ('TIMEOUT', 'CANCELLED', 'CLERK_VOID')),
    status           smallint NOT NULL,
    answer           text NOT NULL,
    PRIMARY KEY (store_id, transaction_id),
    CONSTRAINT transaction_request_whole CHECK (
        (type IS NULL) = (reference IS NULL) AND (type IS NULL) = (shift IS NULL)
        AND (type IS NULL) = (business_date IS NULL) AND (type IS NULL) = (clerk IS NULL)),
    CONSTRAINT transaction_reversed_at_a_time CHECK (
        (state = 'REVERSED') = (reversed_at IS NOT NULL) AND (reversed_at IS NULL) = (reversal_reason IS NULL)),
    CONSTRAINT transaction_declined_with_a_code CHECK (
        CASE state WHEN 'DECLINED' THEN code IS NOT NULL WHEN 'APPROVED' THEN code IS NULL ELSE true END),
    CONSTRAINT transaction_approved_with_a_receipt CHECK (
        CASE state WHEN 'APPROVED' THEN receipt_number IS NOT NULL
                   WHEN 'DECLINED' THEN receipt_number IS NULL
                   ELSE code IS NULL OR receipt_number IS NULL END),
    CONSTRAINT transaction_change_is_the_rest CHECK (
        receipt_number IS NULL OR amount_tendered IS NULL OR amount_tendered - amount_due = change)
);

-- A reference is done once: at most one approved transaction stands on it.
CREATE UNIQUE INDEX transaction_done_once ON transaction (store_id, reference) WHERE state = 'APPROVED';

CREATE UNIQUE INDEX transaction_receipt ON transaction (store_id, receipt_number) WHERE receipt_number IS NOT NULL;

CREATE TABLE receipt_copy (
    store_id        text NOT NULL,
    receipt_number  text NOT NULL,
    copy            integer NOT NULL CHECK (copy > 0),
    printed_at      timestamptz NOT NULL,
    client_id       text NOT NULL,
    PRIMARY KEY (store_id, receipt_number, copy)
);

CREATE TABLE journal (
    store_id  text NOT NULL,
    pos       integer NOT NULL,
    position  bigint NOT NULL CHECK (position > 0),
    entry     text NOT NULL,
    head      bytea NOT NULL CHECK (length(head) = 32),
    PRIMARY KEY (store_id, pos, position)
);

-- What ECMS is to be told, written in the transaction that makes it true. WAITING: to be sent (again) when due.
-- BEHIND: an earlier event of the same tracking number has not been told yet. REFUSED: ECMS will not take it and a
-- person has to look.
CREATE TABLE event (
    tracking_number     text NOT NULL,
    sequence            integer NOT NULL CHECK (sequence > 0),
    event_id            uuid NOT NULL,
    merchant_reference  text NOT NULL,
    status              text NOT NULL,
    location            text NOT NULL,
    occurred_at         timestamptz NOT NULL,
    reason              text,
    return_code         text,
    payment_amount      bigint CHECK (payment_amount BETWEEN 0 AND 400000),
    receipt_number      text,
    pos                 integer,
    shift               integer,
    business_date       date,
    state               text NOT NULL DEFAULT 'WAITING' CHECK (state IN ('WAITING', 'BEHIND', 'TOLD', 'REFUSED')),
    attempts            integer NOT NULL DEFAULT 0,
    due_at              timestamptz NOT NULL DEFAULT now(),
    last_error          text,
    told_at             timestamptz,
    PRIMARY KEY (tracking_number, sequence),
    CONSTRAINT event_told_at_a_time CHECK ((state = 'TOLD') = (told_at IS NOT NULL)),
    CONSTRAINT event_payment_whole CHECK (
        (payment_amount IS NULL) = (receipt_number IS NULL) AND (payment_amount IS NULL) = (pos IS NULL)
        AND (payment_amount IS NULL) = (shift IS NULL) AND (payment_amount IS NULL) = (business_date IS NULL))
) WITH (fillfactor = 70);

CREATE INDEX event_waiting ON event (due_at) WHERE state = 'WAITING';

CREATE UNIQUE INDEX event_id ON event (event_id);

-- The one work list: whatever waits for a person.
CREATE TABLE task (
    task_id     uuid PRIMARY KEY,
    kind        text NOT NULL,
    subject     text NOT NULL,
    detail      text NOT NULL,
    opened_at   timestamptz NOT NULL,
    closed_at   timestamptz,
    closed_by   text,
    CHECK ((closed_at IS NULL) = (closed_by IS NULL))
);

CREATE UNIQUE INDEX task_open_once ON task (subject, kind) WHERE closed_at IS NULL;

-- A kiosk's request, by the id that the kiosk made; the fingerprint is keyed and holds no personal datum.
CREATE TABLE return_request (
    client_id    text NOT NULL,
    request_id   uuid NOT NULL,
    fingerprint  bytea NOT NULL,
    reference    text NOT NULL REFERENCES reference,
    requested_at timestamptz NOT NULL,
    PRIMARY KEY (client_id, request_id)
);

CREATE TABLE attempt (
    client_id   text NOT NULL,
    attempt_id  uuid NOT NULL,
    at          timestamptz NOT NULL,
    unknown     boolean NOT NULL,
    store_id    text,
    PRIMARY KEY (client_id, attempt_id)
);

CREATE INDEX attempt_time ON attempt (client_id, at);

CREATE TABLE lockout (
    client_id     text PRIMARY KEY,
    locked_until  timestamptz NOT NULL,
    strikes       integer NOT NULL CHECK (strikes > 0),
    struck_at     timestamptz NOT NULL
);

-- One row that a read-back touches, so that its own commit is known to have come after the one in doubt.
CREATE TABLE fence (
    fence      integer PRIMARY KEY CHECK (fence = 1),
    touched_at timestamptz NOT NULL
);

INSERT INTO fence (fence, touched_at) VALUES (1, now());
