-- What has not been told is counted without a look at the millions of events that have been.

CREATE INDEX event_held_up ON event (state) WHERE state IN ('BEHIND', 'REFUSED');
