-- What inspections found, and what the passes over waiting nodes look for.

CREATE TABLE node_inventory (
    node_id             BIGINT NOT NULL PRIMARY KEY REFERENCES nodes (id) ON DELETE CASCADE,
    inventory           TEXT NOT NULL,
    plugin_data         TEXT NOT NULL,
    created_at          TEXT NOT NULL
);

CREATE INDEX nodes_provision_updated_at ON nodes (provision_state, provision_updated_at);
