-- An event is looked for by its id until it is told, and by its parcel afterwards. Without the told ones the index stays
-- small, however many there are, and a sale touches a page less of those that nobody has used for long. That an id is not
-- given twice follows from the keys: an event's is worked out of its transaction, a return's and a drop-off's of its
-- reference. A program of the version before notes a failed delivery slowly while it runs beside this one.
DROP INDEX event_id;

CREATE UNIQUE INDEX event_id ON event (event_id) WHERE state <> 'TOLD';
