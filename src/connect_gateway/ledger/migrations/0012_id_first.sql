-- Ids that begin with the time (UUID version 7, as SPEC recommends in POS-7) stand side by side over all stores, and not
-- at the end of each store's own, so that a sale touches a page less of those that nobody has used for a moment. What a
-- store or a terminal has is found by transaction_shift, date by date.
ALTER TABLE transaction DROP CONSTRAINT transaction_pkey, ADD PRIMARY KEY (transaction_id, store_id);
