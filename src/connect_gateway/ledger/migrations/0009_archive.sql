-- What is old and seldom asked for, out of the way of what is not, by month. An id stays where it is for ever, so that
-- it never runs twice; only the answer to it and its entry in the journal move here. Nothing here is ever changed.

CREATE TABLE old_answer (
    store_id        text NOT NULL,
    transaction_id  uuid NOT NULL,
    occurred_at     timestamptz NOT NULL,
    answer          text NOT NULL,
    PRIMARY KEY (store_id, transaction_id, occurred_at)
) PARTITION BY RANGE (occurred_at);

CREATE TABLE old_journal (
    store_id  text NOT NULL,
    pos       integer NOT NULL,
    position  bigint NOT NULL,
    entered_at timestamptz NOT NULL,
    entry     text NOT NULL,
    head      bytea NOT NULL,
    PRIMARY KEY (store_id, pos, position, entered_at)
) PARTITION BY RANGE (entered_at);

CREATE VIEW whole_journal AS
SELECT store_id, pos, position, entry, head FROM journal
UNION ALL
SELECT store_id, pos, position, entry, head FROM old_journal;
