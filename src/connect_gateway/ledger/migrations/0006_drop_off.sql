-- Drop-offs are found by their booking, a parcel's last place is shown to its customer, and a merchant has a word on the
-- receipt.

ALTER TABLE reference ADD COLUMN receipt_remarks text NOT NULL DEFAULT '';

-- `label_printed_at`: when a kiosk first printed the parcel's label, of which ECMS hears once.
CREATE TABLE booking (
    booking_reference  text PRIMARY KEY,
    reference          text NOT NULL UNIQUE REFERENCES reference,
    label_printed_at   timestamptz
);

-- The newest status that ECMS has told of a parcel. What the counter did with it stands in its events.
CREATE TABLE whereabouts (
    tracking_number  text PRIMARY KEY,
    status           text NOT NULL,
    location         text NOT NULL CHECK (location ~ '^[0-9]{4}$'),
    at               timestamptz NOT NULL
) WITH (fillfactor = 70);
