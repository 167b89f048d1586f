-- The weekly settlement with merchants. Its lines are frozen when it is made for the first time.

-- What a merchant owes for a parcel's shipping, where ECMS has said so.
CREATE TABLE shipping_fee (
    reference  text PRIMARY KEY REFERENCES reference,
    fee        bigint NOT NULL CHECK (fee BETWEEN 1 AND 400000)
);

-- `open_since`: nothing from before is left for a later week.
CREATE TABLE settlement (
    friday      date PRIMARY KEY CHECK (extract(isodow FROM friday) = 5),
    made_at     timestamptz NOT NULL,
    open_since  timestamptz NOT NULL
);

CREATE TABLE settlement_line (
    friday              date NOT NULL REFERENCES settlement,
    kind                text NOT NULL CHECK (kind IN ('SALE', 'REVERSAL')),
    store_id            text NOT NULL,
    transaction_id      uuid NOT NULL,
    type                text NOT NULL,
    receipt_number      text NOT NULL,
    business_date       date NOT NULL,
    reference           text NOT NULL,
    tracking_number     text NOT NULL,
    merchant_code       text NOT NULL,
    merchant            text NOT NULL,
    merchant_reference  text NOT NULL,
    amount              bigint NOT NULL,
    fee                 bigint NOT NULL,
    happened_at         timestamptz NOT NULL,
    told_at             timestamptz NOT NULL,
    late                boolean NOT NULL,
    PRIMARY KEY (store_id, transaction_id, kind),
    CONSTRAINT settlement_line_sign CHECK (
        CASE kind WHEN 'SALE' THEN amount >= 0 AND fee >= 0 ELSE amount <= 0 AND fee <= 0 END)
);

CREATE INDEX settlement_line_of_merchant ON settlement_line (friday, merchant_code);

CREATE TABLE settlement_payment (
    friday          date NOT NULL REFERENCES settlement,
    merchant_code   text NOT NULL,
    amount          bigint NOT NULL CHECK (amount > 0),
    bank_reference  text NOT NULL,
    paid_at         timestamptz NOT NULL,
    paid_by         text NOT NULL,
    PRIMARY KEY (friday, merchant_code)
);

-- Rows are added in the order of their times, so that a range of pages is a range of times: this costs the counter
-- next to nothing, and a settlement reads what is new alone.
CREATE INDEX transaction_posted ON transaction USING brin (occurred_at);

CREATE INDEX transaction_reversed ON transaction (reversed_at) WHERE state = 'REVERSED';
