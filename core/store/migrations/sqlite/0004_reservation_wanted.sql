-- Who waits for the lock of a node, so that its release is told; at most one of them.
ALTER TABLE nodes ADD COLUMN reservation_wanted TEXT;
