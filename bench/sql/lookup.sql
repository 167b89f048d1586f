-- A lookup: everything the counter reads of a reference.
SELECT reference, kind, tracking_number, merchant_code, merchant, merchant_reference, description, amount_due, store_id,
    state, expires_at, status_at, done_store, done_by
FROM reference WHERE reference = :reference::text
