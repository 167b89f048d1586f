-- How far the sandbox's clock is from the machine's, kept so that a gateway that starts again goes on by the same time.

CREATE TABLE sandbox_clock (
    sandbox_clock  integer PRIMARY KEY CHECK (sandbox_clock = 1),
    ahead          interval NOT NULL
);
