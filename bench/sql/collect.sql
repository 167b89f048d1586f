-- A COLLECT as one statement: the five writes of the counter, each depending on the one before. It is the fastest way
-- to have PostgreSQL do them in a transaction of their own. What a program makes outside the database (the answer and
-- the journal's entry) comes in as text of the length that the gateway's have.
WITH sent AS MATERIALIZED (
    SELECT :transaction_id::uuid AS transaction_id, lpad(:store::text, 4, '0') AS store_id, :pos::integer AS pos,
           :reference::text AS reference, :tracking_number::text AS tracking_number, :tendered::bigint AS tendered,
           :business_date::date AS business_date
), done AS (
    UPDATE reference SET state = 'DONE', done_store = sent.store_id, done_by = sent.transaction_id
    FROM sent
    WHERE reference.reference = sent.reference AND state = 'OPEN' AND kind = 'PAY_AND_CLAIM'
      AND reference.store_id = sent.store_id AND reference.tracking_number = sent.tracking_number
      AND amount_due <= tendered
    RETURNING merchant, merchant_reference, amount_due
), counted AS (
    UPDATE terminal SET
        receipts = receipts + 1, journal_length = journal_length + 1,
        journal_head = sha256(journal_head || convert_to(:entry::text, 'UTF8'))
    FROM sent, done
    WHERE terminal.store_id = sent.store_id AND terminal.pos = sent.pos
    RETURNING journal_length, journal_head,
        sent.store_id || '-' || lpad(sent.pos::text, 3, '0') || '-' || lpad(receipts::text, 8, '0') AS receipt_number
), written AS (
    INSERT INTO transaction (
        store_id, transaction_id, pos, type, reference, shift, business_date, clerk, scanned_label, tender,
        amount_tendered, state, tracking_number, amount_due, change, receipt_number, occurred_at, status, answer)
    SELECT store_id, transaction_id, pos, 'COLLECT', reference, 1, business_date, 'ana', tracking_number, 'CASH',
        tendered, 'APPROVED', tracking_number, amount_due, tendered - amount_due, receipt_number, now(), 201,
        replace(:answer::text, 'SSSS-PPP-NNNNNNNN', receipt_number)
    FROM sent, done, counted
), entered AS (
    INSERT INTO journal (store_id, pos, position, entry, head)
    SELECT store_id, pos, journal_length, :entry::text, journal_head FROM sent, counted
)
INSERT INTO event (
    tracking_number, sequence, event_id, merchant_reference, status, location, occurred_at, payment_amount,
    receipt_number, pos, shift, business_date)
SELECT tracking_number, 1, gen_random_uuid(), merchant_reference, 'CLAIMED', store_id, now(), amount_due,
    receipt_number, pos, 1, business_date
FROM sent, done, counted
RETURNING receipt_number, payment_amount, merchant_reference, (SELECT merchant FROM done) AS merchant
