-- What happened to a shift after its close, written by whoever did it: clocks of several gateways tell no order. `position`
-- is the place in the terminal's journal.

CREATE TABLE late_entry (
    store_id        text NOT NULL,
    pos             integer NOT NULL,
    business_date   date NOT NULL,
    shift           integer NOT NULL,
    position        bigint NOT NULL CHECK (position > 0),
    transaction_id  uuid NOT NULL,
    state           text NOT NULL CHECK (state IN ('APPROVED', 'REVERSED')),
    at              timestamptz NOT NULL,
    PRIMARY KEY (store_id, pos, business_date, shift, position)
);

-- The newest comparison of a business date.

CREATE TABLE reconciliation (
    business_date  date PRIMARY KEY,
    made_at        timestamptz NOT NULL,
    report         text NOT NULL
);

-- A comparison begins with all shifts of a date.

CREATE INDEX shift_of_date ON shift (business_date, store_id, pos, shift);

-- What a person has looked after is not put before one again.

CREATE INDEX task_closed ON task (subject, kind) WHERE closed_at IS NOT NULL;
