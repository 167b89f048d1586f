-- A shift's close is kept with its answer, so that the same close gets the same answer.

ALTER TABLE shift ADD COLUMN fingerprint bytea;

ALTER TABLE shift ADD COLUMN answer text;

ALTER TABLE shift ADD CONSTRAINT shift_closed_with_an_answer CHECK (
    (closed_at IS NULL) = (answer IS NULL) AND (closed_at IS NULL) = (fingerprint IS NULL));

CREATE INDEX transaction_shift ON transaction (store_id, pos, business_date, shift);
