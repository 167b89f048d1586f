-- A data file as the first version of the ECMS simulator wrote it: one parcel at its store, the gateway still to be told.
CREATE TABLE setting (
    name   TEXT PRIMARY KEY,
    value  TEXT NOT NULL
) STRICT;

-- Access and refresh tokens, as hashes. A family grew from one grant of client credentials.
CREATE TABLE token (
    hash        TEXT PRIMARY KEY,
    use         TEXT NOT NULL CHECK (use IN ('ACCESS', 'REFRESH')),
    client_id   TEXT NOT NULL,
    family      TEXT NOT NULL,
    expires_at  INTEGER NOT NULL,
    used        INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX token_family ON token (family);

CREATE INDEX token_expiry ON token (expires_at);

-- Shipments and returns. `identifier` is what a return was asked for by; a shipment has none. A return code
-- is ECMS's own or one that the gateway has given out.
CREATE TABLE parcel (
    tracking_number     TEXT PRIMARY KEY,
    flow                TEXT NOT NULL,
    state               TEXT NOT NULL,
    merchant_code       TEXT NOT NULL,
    merchant            TEXT NOT NULL,
    merchant_reference  TEXT NOT NULL,
    identifier          TEXT,
    payment_type        TEXT CHECK (payment_type IN ('COD', 'PREPAID')),
    amount_centavos     INTEGER NOT NULL CHECK (amount_centavos BETWEEN 0 AND 400000),
    store_id            TEXT,
    mobile_number       TEXT,
    description         TEXT NOT NULL,
    details             TEXT NOT NULL,
    label               TEXT UNIQUE,
    claim_code          TEXT,
    return_code         TEXT,
    own_return_code     INTEGER NOT NULL DEFAULT 0,
    created_at          INTEGER NOT NULL,
    expires_at          INTEGER,
    claimed_at          INTEGER,
    flagged             INTEGER NOT NULL DEFAULT 0,
    CHECK ((identifier IS NULL) = (payment_type IS NOT NULL)),
    CHECK ((identifier IS NULL) = (expires_at IS NULL)),
    CHECK (identifier IS NOT NULL OR (payment_type = 'COD') = (amount_centavos > 0))
) STRICT;

CREATE UNIQUE INDEX parcel_one_shipment ON parcel (merchant_code, merchant_reference)
    WHERE identifier IS NULL;

CREATE INDEX parcel_reference ON parcel (merchant_reference) WHERE identifier IS NULL;

CREATE INDEX parcel_return ON parcel (merchant_code, identifier) WHERE identifier IS NOT NULL;

-- Every status that a parcel went through or was told of, in order of arrival.
CREATE TABLE event (
    seq              INTEGER PRIMARY KEY,
    event_id         TEXT NOT NULL,
    tracking_number  TEXT NOT NULL REFERENCES parcel,
    status           TEXT NOT NULL,
    location         TEXT,
    timestamp        TEXT NOT NULL,
    reason           TEXT,
    source           TEXT NOT NULL,
    applied          INTEGER NOT NULL,
    content          TEXT,
    payment          TEXT,
    flagged          TEXT,
    refused          TEXT
) STRICT;

CREATE UNIQUE INDEX event_applied_once ON event (event_id) WHERE applied = 1;

CREATE INDEX event_parcel ON event (tracking_number, seq);

-- What the gateway has still to be told, or has been told.
CREATE TABLE outbox (
    seq              INTEGER PRIMARY KEY AUTOINCREMENT,
    tracking_number  TEXT NOT NULL REFERENCES parcel,
    message          TEXT NOT NULL,
    told             INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX outbox_waiting ON outbox (tracking_number, seq) WHERE told = 0;

CREATE TABLE return_id (
    identifier     TEXT NOT NULL,
    merchant_code  TEXT NOT NULL,
    merchant       TEXT NOT NULL,
    valid_until    INTEGER NOT NULL,
    PRIMARY KEY (identifier, merchant_code)
) STRICT;

INSERT INTO setting (name, value) VALUES ('return_codes', 'False');

INSERT INTO parcel (tracking_number, flow, state, merchant_code, merchant, merchant_reference, payment_type,
    amount_centavos, store_id, mobile_number, description, details, label, claim_code, created_at)
VALUES ('303105332614281200', 'MERCHANT_DELIVERY', 'DELIVERED TO STORE', '001', 'Merchant A', 'ORDER-1', 'COD',
    20000, '0166', '09123456789', 'item description', '{}', 'abcdefghabcdefghabcdefghabcdefgh', '991767890023', 1);

INSERT INTO event (event_id, tracking_number, status, location, timestamp, source, applied)
VALUES ('1', '303105332614281200', 'CREATED/ CONFIRMED', '9900', '2026-11-20 10:00:00', 'merchant', 1),
    ('2', '303105332614281200', 'DELIVERED TO STORE', '0166', '2026-11-21 10:00:00', 'store', 1);

INSERT INTO outbox (tracking_number, message)
VALUES ('303105332614281200', '{"trackingNumber": "303105332614281200", "merchantReference": "ORDER-1",
    "status": "DELIVERED TO STORE", "location": "0166", "timestamp": "2026-11-21 10:00:00"}');

PRAGMA user_version = 1;
