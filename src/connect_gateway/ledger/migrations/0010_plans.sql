-- Two indexes of `transaction` began with its store. To a planner that has not counted the rows yet they were as good
-- for finding a transaction by its id, and the one of shifts reads all that the store ever sold.
DROP INDEX transaction_shift;

CREATE INDEX transaction_shift ON transaction (business_date, store_id, pos, shift);
